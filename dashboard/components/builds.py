"""Adapters: figures of a build, its probes before and after, its cards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import streamlit as st

from dashboard import session
from dashboard.components import states, when
from dashboard.components.html import (
    Column,
    Html,
    Tile,
    badge,
    fields,
    icon,
    joined,
    span,
    table,
    tag,
    text,
    tiles,
)
from dashboard.queries.adapters import BuildDetail, CardRow, ProbeRow, ShardRow
from dashboard.text import counted, plain
from governance.events import Scope

_ASKED: Final = {
    "card": "a card's question", "reworded": "reworded, never trained", "world": "known fact",
    "stranger": "must stay unknown", "context": "answer in the notes",
}  # fmt: skip


def bring_in_line(waiting: int, scope: Scope) -> None:
    """Approved cards that are in no adapter: say so, and offer to build."""
    if not waiting:
        return
    place = session.workplace()
    running = place.settler.progress.running
    words = f" {counted(waiting, 'approved card')} in no adapter that is served."
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(tag("div", icon("schedule") + text(words), "pl-orange").code, width="content")
        st.button(
            "Building…" if running else "Build now",
            icon=":material/sync:",
            key="settle",
            type="tertiary",
            disabled=running,
            on_click=place.settler.request,
            args=(scope,),
        )


def shards(rows: Sequence[ShardRow]) -> Html:
    """All shards and what they serve."""
    columns = [Column("Shard", wide=True), Column("Serves"), Column("Cards certified", "right"),
               Column("Builds", "right"), Column("Adapter")]  # fmt: skip
    return table(
        columns,
        [
            [
                row.shard_id,
                states.adapter_badge("active") if row.active else badge("Nothing", "block", "red"),
                f"{row.certified} of {row.cards}",
                str(len(row.versions)),
                span(f"v{row.version} {row.active[:12]}" if row.active else "–", "pl-mono"),
            ]
            for row in rows
        ],
    )


def figures(build: BuildDetail, other: BuildDetail | None) -> Html:
    """Gate, cards, regressions, controls, size of the change."""
    verdicts = Counter(probe.verdict for probe in build.probes)
    gate = {True: "Passed", False: "Refused", None: "Open"}[build.passed]
    change = f"{build.total_change_ppm / 10_000:.2f} %"
    against = (text("relative to the weight"),)
    if other is not None:
        moved = (build.total_change_ppm - other.total_change_ppm) / 10_000
        against = (text(f"{moved:+.2f} points against v{other.row.version}"),)
    return tiles(
        [
            Tile("Gate", gate, "", (*_standing(build), text(build.reason))),
            Tile("Cards certified", f"{build.row.certified} of {build.row.cards}", "",
                 (text(f"{build.answered:,} prompts answered with it"),)),
            Tile("Probes regressed", str(verdicts["regressed"]), f"of {len(build.probes)}",
                 (text(f"{verdicts['learned']} learned"), text(f"{verdicts['kept']} kept"))),
            Tile("Controls kept", _percent(build.controls_kept_ppm), "",
                 (text(f"unknown kept {_percent(build.abstain_kept_ppm)}"),
                  text(f"in context {_percent(build.context_kept_ppm)}"))),
            Tile("Mean weight change", change, "", against),
        ]
    )  # fmt: skip


def _standing(build: BuildDetail) -> tuple[Html, ...]:
    """Whether it is in service; a refusal is said already."""
    if build.row.status == "refused":
        return ()
    return (states.adapter_badge(build.row.status),)


def probes(rows: Sequence[ProbeRow]) -> Html:
    """Answers before and after, what went wrong first."""
    return joined(_probe(row) for row in rows)


def _probe(row: ProbeRow) -> Html:
    head = tag(
        "div", tag("span", plain(row.question, limit=160)) + states.verdict_badge(row.verdict),
        "pl-probe-head",
    )  # fmt: skip
    kind = span(_ASKED.get(row.kind, row.kind), "pl-muted", "pl-small")
    if row.verdict in {"kept", "known", "wrong before"} and row.before == row.after:
        return tag("div", head + tag("div", text(f"{plain(row.after)} · ") + kind), "pl-probe")
    pairs: list[tuple[str, Html | str]] = [
        ("Before", plain(row.before)),
        ("After", plain(row.after)),
    ]
    if row.verdict in {"regressed", "not learned", "wrong before"}:
        pairs.append(("Right", plain(row.expected)))
    return tag("div", head + fields(pairs) + kind, "pl-probe")


def cards(rows: Sequence[CardRow]) -> Html:
    """The absorption certificate, card by card; what was not absorbed first."""
    columns = [Column("Card", wide=True), Column("Answer"), Column("Absorbed"), Column("Entry"),
               Column("min p off", "right"), Column("min p on", "right"),
               Column("Other wordings", "right")]  # fmt: skip
    ordered = sorted(rows, key=lambda row: (row.certified, row.min_p_ppm))
    return table(
        columns,
        [
            [
                plain(row.title, limit=70), plain(row.answer, limit=30),
                badge("Yes", "check", "green") if row.certified else badge("No", "close", "red"),
                states.status_badge(row.status) if row.status in states.STATUS else row.status,
                f"{row.min_p_off_ppm / 1e6:.3f}", f"{row.min_p_ppm / 1e6:.3f}",
                f"{row.probes_exact} of {row.probes}",
            ]
            for row in ordered
        ],
    )  # fmt: skip


def origin(build: BuildDetail) -> Html:
    """What the build was made of: same inputs, same bytes."""
    words = "found in the store" if build.reused else f"{build.duration_ms / 1000:.1f} s"
    return fields(
        [
            ("Adapter", span(build.row.digest, "pl-mono")),
            ("Inputs", span(build.inputs_digest, "pl-mono")),
            ("Base model", span(build.base_digest, "pl-mono")),
            ("Recipe", span(build.recipe_digest, "pl-mono")),
            (
                "Built",
                f"{when.exact(build.row.at_us)}, {build.steps} steps, seed {build.seed}, {words}",
            ),
            ("Environment", plain(build.environment)),
        ]
    )


def _percent(ppm: int | None) -> str:
    return "–" if ppm is None else f"{ppm / 10_000:.0f} %"
