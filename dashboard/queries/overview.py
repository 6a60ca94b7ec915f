"""Is learning healthy, and what needs a person?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from dashboard.queries import adapters, drift, requests
from dashboard.queries.desk import Desk
from dashboard.queries.entries import HIGH_PPM, Band, band_of, is_waiting, title_of
from dashboard.text import counted
from governance.commands.describe import summary
from governance.drift.statistics import bootstrap_mean
from governance.events import ENTRY_KINDS, Arm, Decision, RollbackApplied

ARMS: Final[tuple[Arm, ...]] = ("none", "external", "parametric", "both")
BOOTSTRAP_SEED: Final = 41
DECISION_TYPES: Final = frozenset(
    {"entry.approved", "entry.rejected", "entry.quarantined", "entry.revoked", "rollback.applied"}
)
DRIFT_ALERT_PPM: Final = 950_000
Page = Literal["review", "adapters", "drift", "timeline"]
Severity = Literal["high", "medium", "low"]


@dataclass(frozen=True)
class ArmScore:
    """Answers of one arm in one run; ``low`` and ``high`` bound the mean F1 at 95 %."""

    arm: Arm
    n: int
    exact: float
    f1: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Run:
    """The last answer run."""

    run_id: str
    at_us: int
    questions: int
    arms: tuple[ArmScore, ...]


@dataclass(frozen=True)
class Need:
    """Something a person should look at, and where."""

    severity: Severity
    title: str
    detail: str
    page: Page
    entry_id: str | None = None


@dataclass(frozen=True)
class DecisionRow:
    """One decision, newest first."""

    seq: int
    at_us: int
    event: str
    entry_id: str
    title: str
    actor: str
    by_person: bool
    reason: str


@dataclass(frozen=True)
class Overview:
    """Everything on the first page."""

    waiting: dict[Band, int]
    quarantined: int
    in_force: dict[str, int]
    table: dict[str, Counter[str]]
    shards: tuple[adapters.ShardRow, ...]
    drift: drift.DriftSummary
    run: Run | None
    decisions: tuple[DecisionRow, ...]
    needs: tuple[Need, ...]
    sources: int
    policy: str
    policy_digest: str
    frozen: bool


def overview(desk: Desk) -> Overview:
    """Read the whole health of one scope from the live state and the projection."""
    entries = desk.entries()
    waiting = [entry for entry in entries if is_waiting(entry)]
    shards = adapters.shard_rows(desk)
    relays = drift.summary(desk, drift.relay_rows(desk))
    bands: dict[Band, int] = {"high": 0, "medium": 0, "low": 0}
    for entry in waiting:
        bands[band_of(entry.risk_ppm)] += 1
    table: dict[str, Counter[str]] = {kind: Counter() for kind in ENTRY_KINDS}
    for entry in entries:
        verified = entry.status == "verified" and entry.in_review
        table[entry.body.kind]["waiting" if verified else entry.status] += 1
    return Overview(
        waiting=bands,
        quarantined=sum(entry.status == "quarantined" for entry in waiting),
        in_force=dict(Counter(entry.channel for entry in entries if entry.status == "active")),
        table=table,
        shards=shards,
        drift=relays,
        run=last_run(desk),
        decisions=last_decisions(desk, 5),
        needs=needs(desk, shards, relays),
        sources=sum(desk.scope.sees(source.scope) for source in desk.state.sources.values()),
        policy=desk.state.active_policy or "",
        policy_digest=desk.state.policies.get(desk.state.active_policy or "", ""),
        frozen=desk.state.frozen,
    )


def last_run(desk: Desk) -> Run | None:
    """Exact match and token F1 by arm of the newest run, with bootstrap intervals."""
    answers = [a for a in desk.projection.answers.values() if desk.scope.sees(a.scope)]
    if not answers:
        return None
    newest = max(answers, key=lambda answer: answer.seq)
    mine = [answer for answer in answers if answer.run_id == newest.run_id]
    scores = []
    for arm in ARMS:
        marks = {a.task_id: a for a in mine if a.arm == arm}
        if not marks:
            continue
        interval = bootstrap_mean(
            {task: [answer.f1_ppm / 1e6] for task, answer in sorted(marks.items())},
            seed=BOOTSTRAP_SEED,
        )
        exact = sum(answer.exact for answer in marks.values()) / len(marks)
        scores.append(
            ArmScore(arm, len(marks), exact, interval.estimate, interval.low, interval.high)
        )
    at_us = desk.projection.at_us(newest.seq)
    return Run(newest.run_id, at_us, max(score.n for score in scores), tuple(scores))


def last_decisions(desk: Desk, limit: int) -> tuple[DecisionRow, ...]:
    """The newest decisions of policy and people."""
    found: list[DecisionRow] = []
    for row in reversed(desk.rows()):
        if row.type not in DECISION_TYPES or len(found) == limit:
            continue
        payload = desk.ledger.event(row.seq).payload
        entry = desk.state.entries.get(payload.entry_id) if isinstance(payload, Decision) else None
        if isinstance(payload, RollbackApplied):
            title = f"{len(payload.entries)} entries, {len(payload.shards)} shards"
        else:
            title = title_of(entry.body) if entry else row.subject.partition(":")[2]
        found.append(
            DecisionRow(
                row.seq, row.at_us, row.type, entry.entry_id if entry else "", title,
                row.actor.id, row.actor.kind == "human", summary(payload),
            )
        )  # fmt: skip
    return tuple(found)


def needs(
    desk: Desk, shards: Sequence[adapters.ShardRow], relays: drift.DriftSummary
) -> tuple[Need, ...]:
    """What waits for a person, the gravest first."""
    found: list[Need] = []
    if desk.state.frozen:
        why = "Nothing new is taken in, and only what a person reviewed is recalled."
        found.append(Need("high", "Learning is frozen", why, "timeline"))
    asked = requests.waiting(desk)
    if asked is not None:
        why = f"{asked.asked.asked_by} asks to go back to event {asked.asked.to_seq:,}."
        found.append(Need("high", "A rollback waits for a second person", why, "timeline"))
    queue = desk.state.queue(desk.scope)
    high = [entry for entry in queue if entry.risk_ppm >= HIGH_PPM]
    for entry in high[:3]:
        decided = f"{entry.status} by {entry.decided_by}" if entry.decided_by else entry.status
        why = entry.review_message or decided
        found.append(Need("high", title_of(entry.body), why, "review", entry.entry_id))
    rest = len(queue) - min(len(high), 3)
    if rest:
        noun = "entry waits" if rest == 1 else "entries wait"
        found.append(Need("medium", f"{rest} more {noun} for review", "", "review"))
    found += _shard_needs(shards)
    if relays.critical:
        title = f"Critical losses in {relays.critical_documents} of {relays.documents} documents"
        why = f"{counted(relays.critical, 'step')} lost content."
        found.append(Need("high", title, why, "drift"))
    elif relays.mean_ppm is not None and relays.mean_ppm < DRIFT_ALERT_PPM:
        found.append(Need("medium", "Documents drift", f"RS@{relays.k} below the alert line.",
                          "drift"))  # fmt: skip
    order: tuple[Severity, ...] = ("high", "medium", "low")
    return tuple(sorted(found, key=lambda need: order.index(need.severity)))


def _shard_needs(shards: Sequence[adapters.ShardRow]) -> list[Need]:
    """Shards without an adapter, together; then cards that were not absorbed."""
    idle = [shard for shard in shards if shard.active is None]
    found: list[Need] = []
    if len(idle) == 1:
        why = f"Its newest build is {idle[0].latest_status}; its questions fall back."
        found.append(Need("high", f"{idle[0].shard_id} serves no adapter", why, "adapters"))
    elif idle:
        refused = sum(shard.latest_status == "refused" for shard in idle)
        why = f"{refused} newest builds were refused; questions fall back."
        title = f"{len(idle)} of {len(shards)} shards serve no adapter"
        found.append(Need("high", title, why, "adapters"))
    missing = [shard for shard in shards if shard.active and shard.certified < shard.cards]
    if missing:
        count = sum(shard.cards - shard.certified for shard in missing)
        title = "1 card was not absorbed" if count == 1 else f"{count} cards were not absorbed"
        names = ", ".join(shard.shard_id for shard in missing[:3])
        found.append(Need("low", title, f"{names}: not answered from the weights.", "adapters"))
    return found
