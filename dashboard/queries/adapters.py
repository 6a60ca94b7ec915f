"""Shards, their builds, what a build changed in the weights and in the answers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from dashboard.queries.desk import Desk
from dashboard.queries.entries import title_of
from governance.drift.answers import exact_match
from governance.events import AdapterCertified, CardCertificate, ModuleChange, Probe
from governance.state import AdapterState

CONTROL_KINDS: Final = frozenset({"world", "stranger", "context"})
Verdict = Literal["regressed", "not learned", "learned", "kept", "known", "wrong before"]
ORDER: Final[tuple[Verdict, ...]] = (
    "regressed", "not learned", "learned", "kept", "known", "wrong before",
)  # fmt: skip
_LAYER: Final = re.compile(r"(?:^|[._])(\d+)(?:[._]|$)")


@dataclass(frozen=True)
class ShardRow:
    """One shard: what it serves and what it should."""

    shard_id: str
    active: str | None
    version: int | None
    certified: int
    cards: int
    versions: tuple[str, ...]
    latest_status: str


@dataclass(frozen=True)
class BuildRow:
    """One build of a shard."""

    digest: str
    version: int
    status: str
    cards: int
    certified: int
    at_us: int
    label: str


@dataclass(frozen=True)
class CardRow:
    """Was this card absorbed by this build?"""

    entry_id: str
    title: str
    answer: str
    status: str
    certified: bool
    min_p_ppm: int
    min_p_off_ppm: int
    probes_exact: int
    probes: int


@dataclass(frozen=True)
class ProbeRow:
    """One question before and after, with the verdict a reader needs first."""

    question: str
    kind: str
    expected: str
    before: str
    after: str
    verdict: Verdict


@dataclass(frozen=True)
class Cell:
    """Weight change of one module in one layer, relative to the weight itself."""

    layer: int
    module: str
    relative_ppm: int


@dataclass(frozen=True)
class BuildDetail:
    """Everything the page shows about one build."""

    row: BuildRow
    shard_id: str
    reason: str
    passed: bool | None
    base_digest: str
    recipe_digest: str
    inputs_digest: str
    environment: str
    seed: int
    steps: int
    duration_ms: int
    reused: bool
    answered: int
    controls_kept_ppm: int | None
    abstain_kept_ppm: int | None
    context_kept_ppm: int | None
    cards: tuple[CardRow, ...]
    probes: tuple[ProbeRow, ...]
    cells: tuple[Cell, ...]
    total_change_ppm: int


def shard_rows(desk: Desk) -> tuple[ShardRow, ...]:
    """Shards of the scope."""
    rows = []
    for shard in desk.state.shards.values():
        if not desk.scope.sees(shard.scope) or not shard.versions:
            continue
        shown = desk.state.adapters[shard.active or shard.versions[-1]]
        latest = max((desk.state.adapters[digest] for digest in shard.versions), key=_recent)
        rows.append(
            ShardRow(
                shard.shard_id, shard.active, shown.version if shard.active else None,
                shown.certified_cards, len(shown.cards), shard.versions, latest.status,
            )
        )  # fmt: skip
    return tuple(rows)


def waiting_cards(desk: Desk) -> int:
    """Approved cards that no served adapter holds yet."""
    return sum(
        entry.channel == "parametric" and entry.status == "approved" for entry in desk.entries()
    )


def build_rows(desk: Desk, shard_id: str) -> tuple[BuildRow, ...]:
    """Builds of a shard, newest first."""
    shard = desk.state.shards.get(shard_id)
    if shard is None or not desk.scope.sees(shard.scope):
        return ()
    builds = [desk.state.adapters[digest] for digest in shard.versions]
    return tuple(_build_row(desk, build) for build in sorted(builds, key=_recent, reverse=True))


def build_detail(desk: Desk, digest: str) -> BuildDetail | None:
    """One build with its certificate; ``None`` when there is no such build in the scope."""
    adapter, trained = desk.state.adapters.get(digest), desk.projection.builds.get(digest)
    if adapter is None or trained is None:
        return None
    if not desk.scope.sees(desk.state.shards[adapter.shard_id].scope):
        return None
    certificate = desk.projection.certificates.get(digest)
    cells = cells_of(certificate.modules) if certificate else ()
    return BuildDetail(
        row=_build_row(desk, adapter),
        shard_id=adapter.shard_id,
        reason=certificate.reason if certificate else "not certified",
        passed=certificate.passed if certificate else None,
        base_digest=trained.base_digest,
        recipe_digest=trained.recipe_digest,
        inputs_digest=trained.inputs_digest,
        environment=trained.environment,
        seed=trained.seed,
        steps=trained.steps,
        duration_ms=trained.duration_ms,
        reused=trained.reused,
        answered=desk.projection.served.get(digest, 0),
        controls_kept_ppm=certificate.controls_kept_ppm if certificate else None,
        abstain_kept_ppm=certificate.abstain_kept_ppm if certificate else None,
        context_kept_ppm=certificate.context_kept_ppm if certificate else None,
        cards=tuple(_card_row(desk, card) for card in certificate.cards) if certificate else (),
        probes=judged(certificate.probes) if certificate else (),
        cells=cells,
        total_change_ppm=_mean([cell.relative_ppm for cell in cells]),
    )


def difference(first: AdapterCertified, second: AdapterCertified) -> tuple[Cell, ...]:
    """Per module how much more (or less) ``second`` changes the base than ``first`` does."""
    earlier = {(c.layer, c.module): c.relative_ppm for c in cells_of(first.modules)}
    return tuple(
        Cell(c.layer, c.module, c.relative_ppm - earlier.get((c.layer, c.module), 0))
        for c in cells_of(second.modules)
    )


def judged(probes: Sequence[Probe]) -> tuple[ProbeRow, ...]:
    """Probes with verdicts: what went wrong first."""
    rows = [
        ProbeRow(p.question, p.kind, p.expected, p.before, p.after, verdict_of(p)) for p in probes
    ]
    return tuple(sorted(rows, key=lambda row: ORDER.index(row.verdict)))


def verdict_of(probe: Probe) -> Verdict:
    """Right before and wrong after is a regression, whatever the probe was for."""
    before = exact_match(probe.before, [probe.expected])
    after = exact_match(probe.after, [probe.expected])
    if before and not after:
        return "regressed"
    if probe.kind in CONTROL_KINDS:
        # What the model could not do before the adapter, the adapter cannot have cost it.
        return "kept" if before and after else "wrong before"
    if after:
        return "known" if before else "learned"
    return "not learned"


def cells_of(modules: Sequence[ModuleChange]) -> tuple[Cell, ...]:
    """Modules as layer and name: ``layers.3.attn.q_proj`` is ``q_proj`` of layer 3."""
    cells = []
    for change in modules:
        found = _LAYER.search(change.module)
        layer = int(found[1]) if found else 0
        name = change.module[found.end() :] if found else change.module
        cells.append(Cell(layer, name.rpartition(".")[2] or change.module, change.relative_ppm))
    return tuple(cells)


def _recent(adapter: AdapterState) -> tuple[int, int]:
    return adapter.version, adapter.seq


def _build_row(desk: Desk, adapter: AdapterState) -> BuildRow:
    at_us = desk.projection.at_us(adapter.seq)
    label = f"v{adapter.version} · {adapter.digest[:8]} · {adapter.status}"
    return BuildRow(
        adapter.digest, adapter.version, adapter.status, len(adapter.cards),
        adapter.certified_cards, at_us, label,
    )  # fmt: skip


def _card_row(desk: Desk, card: CardCertificate) -> CardRow:
    entry = desk.state.entries.get(card.entry_id)
    return CardRow(
        card.entry_id,
        title_of(entry.body) if entry else card.entry_id,
        getattr(entry.body, "answer", "") if entry else "",
        entry.status if entry else "unknown",
        card.certified, card.min_p_ppm, card.min_p_off_ppm, card.probes_exact, card.probes,
    )  # fmt: skip


def _mean(values: Sequence[int]) -> int:
    return round(sum(values) / len(values)) if values else 0
