"""Pieces of the overview: figures, the entry table, the last decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from dashboard.components import states, when
from dashboard.components.html import (
    Column,
    Html,
    Tile,
    badge,
    empty,
    icon,
    spaced,
    span,
    table,
    tag,
    text,
    tiles,
)
from dashboard.queries.overview import DRIFT_ALERT_PPM, DecisionRow, Need, Overview, Run
from dashboard.session import Verified
from dashboard.text import plain
from governance.ledger import Head

NEED_ICON: Final = {"high": "priority_high", "medium": "schedule", "low": "info"}
DECIDED: Final = {
    "entry.approved": "approved", "entry.rejected": "rejected",
    "entry.quarantined": "quarantined", "entry.revoked": "revoked",
}  # fmt: skip


def muted(content: Html) -> Html:
    """Secondary words."""
    return span(content, "pl-muted")


def integrity_line(checked: Verified | None, head: Head) -> Html:
    """Whether the record proves itself, to where, and when that was checked."""
    if checked is None:
        return badge("Not verified", "help", "orange")
    if checked.problems:
        return badge("Verification failed", "gpp_bad", "red") + text(f" {checked.problems[0]}")
    parts = [badge("Verified", "verified_user", "green"),
             text(f"{checked.seq:,} events against {checked.checkpoints:,} signed checkpoints"),
             span(text(f"root {checked.root[:16]}…"), "pl-mono", title=checked.root),
             text(f"checked {when.clock(checked.at_us)}")]  # fmt: skip
    if head.seq > checked.seq:
        parts.append(text(f"{head.seq - checked.seq:,} newer"))
    return spaced(parts)


def figures(now: Overview) -> Html:
    """Five figures: waiting, in force, adapters, drift, policy."""
    served = [shard for shard in now.shards if shard.active]
    certified = sum(shard.certified for shard in served)
    cards = sum(shard.cards for shard in served)
    return tiles(
        [
            Tile("Waiting for review", f"{sum(now.waiting.values()):,}", "", _waiting(now)),
            Tile("In force", f"{sum(now.in_force.values()):,}", "entries",
                 (text(f"{now.in_force.get('external', 0)} as text"),
                  text(f"{now.in_force.get('parametric', 0)} in weights"))),
            Tile("Shards served", f"{len(served)} of {len(now.shards)}", "",
                 (text(f"{certified} of {cards} cards certified"),)),
            _drift_tile(now),
            Tile("Policy", now.policy or "none", "",
                 (span(text(now.policy_digest[:12]), "pl-mono"),
                  badge("Frozen", "ac_unit", "orange") if now.frozen else text("learning"))),
        ]
    )  # fmt: skip


def _waiting(now: Overview) -> tuple[Html, ...]:
    notes = [
        span(icon(states.RISK[band][1]) + text(f"{count} {band}"), f"pl-{states.RISK[band][2]}")
        for band, count in now.waiting.items()
        if count
    ]
    if now.quarantined:
        notes.append(span(icon("shield") + text(f"{now.quarantined} quarantined"), "pl-violet"))
    return tuple(notes) or (text("the queue is empty"),)


def _drift_tile(now: Overview) -> Tile:
    drift = now.drift
    if drift.mean_ppm is None:
        return Tile("Document drift", "–", "", (text("no relay was run"),))
    critical = (
        span(icon("warning") + text(f"{drift.critical} critical"), "pl-red")
        if drift.critical
        else text("none critical")
    )
    below = drift.mean_ppm < DRIFT_ALERT_PPM
    unit = f"RS@{drift.k}" + (", below alert" if below else "")
    notes = (text(f"{drift.documents} documents"), critical)
    return Tile("Document drift", f"{drift.mean_ppm / 10_000:.1f} %", unit, notes)


def run_line(run: Run) -> Html:
    """Which run the chart shows and how to read it."""
    words = (
        f"{run.questions} questions, run {plain(run.run_id, limit=24)}, {when.clock(run.at_us)}. "
        "Bar and dot: mean token F1 with 95 % bootstrap interval; tick: exact match."
    )
    return tag("div", words, "pl-muted", "pl-small")


def entry_table(counts: Mapping[str, Counter[str]]) -> Html:
    """Statuses down, kinds across; nothing is a faint dash, an empty status is left out."""
    kinds = list(counts)
    columns = [Column("Status", wide=True), *(Column(states.KIND[k], "right") for k in kinds),
               Column("All", "right")]  # fmt: skip
    rows = [
        [states.status_badge(status), *(_count(counts[kind][status]) for kind in kinds),
         span(_count(total), "pl-strong")]
        for status in states.STATUS
        if (total := sum(row[status] for row in counts.values()))
    ]  # fmt: skip
    return tag("div", table(columns, rows), "pl-compact")


def _count(number: int) -> Html:
    return text(f"{number:,}") if number else span("–", "pl-zero")


def decisions(rows: Sequence[DecisionRow]) -> Html:
    """Who decided what, and why."""
    if not rows:
        return empty("gavel", "No decisions yet")
    columns = [Column("When"), Column("Decision"), Column("About", wide=True), Column("Who")]
    shown = table(
        columns,
        [
            [
                span(when.clock(row.at_us), "pl-nowrap", "pl-muted"),
                _decision(row.event),
                tag("div", plain(row.title), "pl-clip", title=row.title)
                + tag("div", plain(row.reason), "pl-clip", "pl-muted", title=row.reason),
                span(icon("person" if row.by_person else "policy") + text(f" {row.actor}"),
                     "pl-nowrap"),
            ]
            for row in rows
        ],
    )  # fmt: skip
    return tag("div", shown, "pl-clipped")


def _decision(event: str) -> Html:
    if event in DECIDED:
        word, symbol, colour = states.STATUS[DECIDED[event]]
        return badge(word, symbol, colour)
    return badge("Rolled back", "undo", "blue")


__all__ = [
    "NEED_ICON", "Need", "decisions", "entry_table", "figures", "integrity_line", "muted",
    "run_line",
]  # fmt: skip
