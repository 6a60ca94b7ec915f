"""Relays: how much of a document is left after k interactions, and where it was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.queries.desk import Desk
from dashboard.queries.projection import RelayFacts
from governance.drift.domains import domain_named
from governance.drift.score import element_diff
from governance.errors import DriftError, LedgerError
from governance.events import ElementChange, RelayStepped

PPM = 1_000_000


@dataclass(frozen=True)
class Point:
    """Reconstruction score of one document after ``k`` interactions (k is even)."""

    document: str
    relay_id: str
    k: int
    score_ppm: int


@dataclass(frozen=True)
class RelayRow:
    """One relay: which document, how it ended."""

    relay_id: str
    document: str
    domain: str
    editor: str
    model_id: str
    round_trips: int
    final_ppm: int | None
    applied_ppm: int | None
    critical: int
    errors: int
    started_at_us: int
    finished: bool


@dataclass(frozen=True)
class DriftSummary:
    """All documents together; means are over documents (macro)."""

    documents: int
    k: int
    mean_ppm: int | None
    worst: RelayRow | None
    applied_ppm: int | None
    critical: int
    critical_documents: int
    errors: int
    unfinished: int


@dataclass(frozen=True)
class StepRow:
    """One edit of a relay."""

    index: int
    k: int
    round_trip: int
    direction: str
    instruction: str
    applied: bool
    error: str | None
    score_ppm: int | None
    changes: tuple[ElementChange, ...]
    lost: tuple[str, ...]
    text: str
    seq: int


def relay_rows(desk: Desk, *, editor: str = "") -> tuple[RelayRow, ...]:
    """The latest relay of each document and editor, worst first."""
    latest: dict[tuple[str, str], RelayFacts] = {}
    for facts in desk.projection.relays.values():
        if desk.scope.sees(facts.scope) and (not editor or facts.editor == editor):
            latest[facts.document, facts.editor] = facts
    rows = [_row(desk, facts) for facts in latest.values()]
    return tuple(sorted(rows, key=lambda row: (row.final_ppm is None, row.final_ppm, row.document)))


def editors(desk: Desk) -> tuple[str, ...]:
    """How documents were edited: by patches, by whole rewriting, or both."""
    return tuple(
        sorted({f.editor for f in desk.projection.relays.values() if desk.scope.sees(f.scope)})
    )


def points(desk: Desk, rows: Sequence[RelayRow]) -> tuple[Point, ...]:
    """RS@k of the given relays, k = 0 included: the original scores 1 against itself."""
    found = []
    for row in rows:
        facts = desk.projection.relays[row.relay_id]
        found.append(Point(row.document, row.relay_id, 0, PPM))
        found += [Point(row.document, row.relay_id, k, score) for k, score in facts.rs]
    return tuple(found)


def summary(desk: Desk, rows: Sequence[RelayRow]) -> DriftSummary:
    """Macro-mean at the largest k that all finished relays reached."""
    finished = [row for row in rows if row.finished]
    reached = [dict(desk.projection.relays[row.relay_id].rs) for row in finished]
    common = sorted(set.intersection(*(set(rs) for rs in reached))) if reached else []
    k = common[-1] if common else 0
    applied = [row.applied_ppm for row in finished if row.applied_ppm is not None]
    return DriftSummary(
        documents=len(rows),
        k=k,
        mean_ppm=round(sum(rs[k] for rs in reached) / len(reached)) if common else None,
        worst=finished[0] if finished else None,
        applied_ppm=round(sum(applied) / len(applied)) if applied else None,
        critical=sum(row.critical for row in rows),
        critical_documents=sum(row.critical > 0 for row in rows),
        errors=sum(row.errors for row in rows),
        unfinished=len(rows) - len(finished),
    )


def steps(desk: Desk, relay_id: str) -> tuple[StepRow, ...]:
    """Every edit of a relay, in order; none when the scope holds no such relay."""
    relay = desk.state.relays.get(relay_id)
    facts = desk.projection.relays.get(relay_id)
    if relay is None or facts is None or not desk.scope.sees(facts.scope):
        return ()
    found = []
    for seq in relay.step_seqs:
        payload = desk.ledger.event(seq).payload
        if isinstance(payload, RelayStepped):
            found.append(
                StepRow(
                    payload.index, payload.index + 1, payload.round_trip, payload.direction,
                    payload.instruction, payload.applied, payload.error, payload.score_ppm,
                    tuple(payload.changes), tuple(payload.lost), payload.text, seq,
                )
            )  # fmt: skip
    return tuple(found)


def original_text(desk: Desk, relay_id: str) -> str | None:
    """The document the relay began with; ``None`` once it was erased."""
    try:
        return desk.ledger.source_text(desk.projection.relays[relay_id].source_id)
    except LedgerError:
        return None


@dataclass(frozen=True)
class Losses:
    """How a version of a document differs from the original, element by element."""

    changes: tuple[ElementChange, ...]
    error: str = ""


def losses(desk: Desk, relay_id: str, current: str) -> Losses | None:
    """Compare with the original again; ``None`` when it was erased or its format is gone.

    What a relay records is what each *step* changed; this is what is lost by now.
    """
    original = original_text(desk, relay_id)
    if original is None:
        return None
    try:
        domain = domain_named(desk.projection.relays[relay_id].domain)
        found = element_diff(original, current, domain)
    except DriftError:
        return None
    changes = tuple(
        ElementChange(operation=o.kind, location=o.location, before=o.before, after=o.after)
        for o in found.operations
    )
    return Losses(changes, found.error or "")


def _row(desk: Desk, facts: RelayFacts) -> RelayRow:
    return RelayRow(
        facts.relay_id, facts.document, facts.domain, facts.editor, facts.model_id,
        facts.round_trips, facts.rs[-1][1] if facts.rs else None, facts.applied_ppm,
        facts.critical, facts.errors, desk.projection.at_us(facts.started_seq),
        facts.applied_ppm is not None,
    )  # fmt: skip
