"""What happened when: events in time, by family, and one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dashboard.queries.desk import Desk
from dashboard.queries.projection import EventRow
from governance.commands.describe import summary

FAMILIES: Final[dict[str, tuple[str, ...]]] = {
    "taken back": ("entry.revoked", "rollback.applied", "adapter.withdrawn", "ledger.frozen"),
    "refused": ("entry.rejected", "entry.quarantined"),
    "waiting": ("review.assigned",),
    "learned": (
        "entry.proposed", "entry.verified", "entry.approved", "entry.activated",
        "entry.superseded", "adapter.trained", "adapter.certified", "adapter.activated",
    ),
    "used": ("memory.recalled", "outcome.recorded"),
    "measured": ("relay.started", "relay.stepped", "relay.scored"),
    "set up": (),
}  # fmt: skip
"""Exceptions first. What no family names is set-up: sources, policies, roles, the log."""

_OF_TYPE: Final = {name: family for family, names in FAMILIES.items() for name in names}
_STEPS_S: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200,
    86_400, 172_800, 604_800,
)  # fmt: skip
_BARS: Final = 48


@dataclass(frozen=True)
class Bucket:
    """Events of one family in one stretch of time."""

    start_us: int
    stop_us: int
    family: str
    count: int
    last_seq: int


@dataclass(frozen=True)
class LogRow:
    """One event in words."""

    seq: int
    at_us: int
    type: str
    family: str
    subject: str
    actor: str
    detail: str


def family_of(event_type: str) -> str:
    """Which of the seven families an event type belongs to."""
    return _OF_TYPE.get(event_type, "set up")


def buckets(rows: Sequence[EventRow]) -> tuple[Bucket, ...]:
    """Counts per family in up to about fifty equal stretches between first and last event."""
    if not rows:
        return ()
    first, last = rows[0].at_us, max(row.at_us for row in rows)
    step_us = _step_s((last - first) / 1e6) * 1_000_000
    counts: Counter[tuple[int, str]] = Counter()
    last_seq: dict[int, int] = {}
    for row in rows:
        start = row.at_us // step_us * step_us
        counts[start, family_of(row.type)] += 1
        last_seq[start] = max(last_seq.get(start, 0), row.seq)
    return tuple(
        Bucket(start, start + step_us, family, count, last_seq[start])
        for (start, family), count in sorted(counts.items())
    )


def log_page(
    desk: Desk, *, families: Sequence[str] = (), page: int = 1, size: int = 50
) -> tuple[tuple[LogRow, ...], int]:
    """Events newest first, one page, and how many there are. Only the page is decrypted."""
    rows = [row for row in desk.rows() if not families or family_of(row.type) in families]
    rows.reverse()
    shown = rows[(page - 1) * size : page * size]
    return tuple(_log_row(desk, row) for row in shown), len(rows)


def event_line(desk: Desk, seq: int) -> LogRow | None:
    """One event in words; ``None`` when the scope does not hold it."""
    if not 1 <= seq <= len(desk.projection.rows):
        return None
    row = desk.projection.rows[seq - 1]
    return _log_row(desk, row) if row in desk.rows() else None


def _log_row(desk: Desk, row: EventRow) -> LogRow:
    return LogRow(
        row.seq, row.at_us, row.type, family_of(row.type), row.subject, str(row.actor),
        summary(desk.ledger.event(row.seq).payload),
    )  # fmt: skip


def _step_s(duration_s: float) -> int:
    return next((step for step in _STEPS_S if duration_s / step <= _BARS), _STEPS_S[-1])
