"""Entries for the review queue: the list, and everything about one of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from dashboard.queries.comparison import Comparison, comparison_for
from dashboard.queries.desk import Desk
from dashboard.queries.people import People, note_on, people_of
from governance.commands.describe import summary
from governance.events import (
    Body,
    CardBody,
    CaseBody,
    Decision,
    EntryApproved,
    EntryPayload,
    EntryQuarantined,
    EntryRejected,
    EntryRevoked,
    FactBody,
    Payload,
    RollbackApplied,
    SubtaskBody,
    text_of,
)
from governance.lineage import span_trust
from governance.state import LEAVES, EntryState

HIGH_PPM: Final = 600_000
MEDIUM_PPM: Final = 300_000
Band = Literal["high", "medium", "low"]
Choice = Literal["approve", "reject", "quarantine", "revoke"]
CHOICES: Final[dict[Choice, type[EntryPayload]]] = {
    "approve": EntryApproved, "reject": EntryRejected, "quarantine": EntryQuarantined,
    "revoke": EntryRevoked,
}  # fmt: skip
CONTEXT_CHARS: Final = 280


@dataclass(frozen=True)
class QueueItem:
    """One line of the list."""

    entry_id: str
    version: int
    title: str
    kind: str
    channel: str
    status: str
    waiting: bool
    risk_ppm: int
    band: Band
    failed: tuple[str, ...]
    checked: bool
    proposed_at_us: int
    content_digest: str
    note: str
    """How far other people are with it: ``1 of 2``, ``with ann``."""


@dataclass(frozen=True)
class QueuePage:
    """One page of the list and what stands above it."""

    items: tuple[QueueItem, ...]
    total: int
    pages: int
    page: int
    high: int
    oldest_at_us: int | None


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to. Empty means all."""

    status: str = "waiting"
    kinds: tuple[str, ...] = ()
    channel: str = ""
    check: str = ""
    text: str = ""


@dataclass(frozen=True)
class Evidence:
    """A span in its source: what stands before, the span itself, what stands after."""

    source_id: str
    name: str
    kind: str
    trust: str
    line: int
    before: str
    quote: str
    after: str
    cut_before: bool
    cut_after: bool


@dataclass(frozen=True)
class AuditRow:
    """One thing that happened to the entry."""

    seq: int
    at_us: int
    event: str
    actor: str
    detail: str
    leaf: str


@dataclass(frozen=True)
class Check:
    """What one verifier found."""

    verifier: str
    version: int
    outcome: str
    detail: str
    score_ppm: int | None


@dataclass(frozen=True)
class EntryDetail:
    """Everything the right-hand pane shows."""

    item: QueueItem
    text: str
    fields: tuple[tuple[str, str], ...]
    author: str
    model: str
    review_message: str
    decided_by: str
    reason_code: str
    comment: str
    evidence: tuple[Evidence, ...]
    comparison: Comparison | None
    checks: tuple[Check, ...]
    choices: tuple[Choice, ...]
    recalled: int
    last_recalled_at_us: int | None
    adapter_digest: str | None
    shard_id: str | None
    derived: tuple[str, ...]
    people: People


def band_of(risk_ppm: int) -> Band:
    """Three words for a risk; the number stays visible beside them."""
    if risk_ppm >= HIGH_PPM:
        return "high"
    return "medium" if risk_ppm >= MEDIUM_PPM else "low"


def title_of(body: Body) -> str:
    """A name for an entry, in one line; memory text, so hostile."""
    if isinstance(body, FactBody):
        return f"{body.attribute}: {body.value}" if body.attribute else body.statement
    if isinstance(body, CardBody):
        return body.question
    if isinstance(body, CaseBody):
        return body.task
    if isinstance(body, SubtaskBody):
        return body.step
    return f"{body.tool}({body.arguments})"


def fields_of(body: Body) -> tuple[tuple[str, str], ...]:
    """The parts of a body with their names, in reading order."""
    if isinstance(body, FactBody):
        pairs = [("Statement", body.statement), ("Topic", body.topic),
                 ("Attribute", body.attribute), ("Value", body.value)]  # fmt: skip
    elif isinstance(body, CardBody):
        pairs = [("Question", body.question), ("Answer", body.answer), ("Topic", body.topic)]
        pairs += [("Also asked as", wording) for wording in body.rewordings[:3]]
    elif isinstance(body, CaseBody):
        reward = f"{body.reward_ppm / 1_000_000:+.2f}, judged by {body.reward_origin}"
        pairs = [("Task", body.task), ("Plan", " → ".join(body.plan)), ("Outcome", body.outcome),
                 ("Reward", reward)]  # fmt: skip
    elif isinstance(body, SubtaskBody):
        pairs = [("Task", body.task), ("Step", body.step), ("Result", body.result)]
    else:
        worked = "worked" if body.ok else "failed"
        pairs = [("Tool", body.tool), ("Arguments", body.arguments), ("Result", body.result),
                 ("The call", worked)]  # fmt: skip
    return tuple((name, value) for name, value in pairs if value)


def queue_page(desk: Desk, filters: Filters, *, page: int, size: int) -> QueuePage:
    """The entries that match, riskiest first then oldest, one page of them."""
    matching = sorted(
        (entry for entry in desk.entries() if _matches(entry, filters)),
        key=lambda entry: (-entry.risk_ppm, entry.proposed_seq),
    )
    pages = max(1, -(-len(matching) // size))
    page = min(max(page, 1), pages)
    shown = matching[(page - 1) * size : page * size]
    oldest = min((entry.proposed_seq for entry in matching), default=None)
    return QueuePage(
        items=tuple(queue_item(desk, entry) for entry in shown),
        total=len(matching),
        pages=pages,
        page=page,
        high=sum(entry.risk_ppm >= HIGH_PPM for entry in matching),
        oldest_at_us=desk.projection.at_us(oldest) if oldest else None,
    )


def queue_item(desk: Desk, entry: EntryState) -> QueueItem:
    """The list's view of one entry."""
    return QueueItem(
        entry_id=entry.entry_id,
        version=entry.version,
        title=title_of(entry.body),
        kind=entry.body.kind,
        channel=entry.channel,
        status=entry.status,
        waiting=is_waiting(entry),
        risk_ppm=entry.risk_ppm,
        band=band_of(entry.risk_ppm),
        failed=tuple(r.verifier for r in entry.results if r.outcome != "pass"),
        checked=bool(entry.results),
        proposed_at_us=desk.projection.at_us(entry.proposed_seq),
        content_digest=entry.content_digest,
        note=note_on(desk, entry),
    )


def is_waiting(entry: EntryState) -> bool:
    """True when a person has to decide before anything happens."""
    return (entry.in_review and entry.status == "verified") or entry.status == "quarantined"


def choices_for(entry: EntryState) -> tuple[Choice, ...]:
    """The decisions that the entry's status allows; the ledger checks again."""
    return tuple(
        choice for choice, event in CHOICES.items() if entry.status in LEAVES.get(event, ())
    )


def entry_detail(desk: Desk, entry_id: str) -> EntryDetail | None:
    """Everything about one entry; ``None`` when the scope holds no such entry."""
    entry = desk.state.entries.get(entry_id)
    if entry is None or not desk.scope.sees(entry.scope):
        return None
    recalls = desk.state.recalls.get(entry_id, ())
    adapter = desk.state.adapters.get(entry.adapter_digest or "")
    return EntryDetail(
        item=queue_item(desk, entry),
        text=text_of(entry.body),
        fields=fields_of(entry.body),
        author=str(entry.author),
        model=entry.origin.model_id if entry.origin else "",
        review_message=entry.review_message,
        decided_by=str(entry.decided_by) if entry.decided_by else "",
        reason_code=entry.reason_code,
        comment=_last_comment(desk, entry),
        evidence=tuple(_evidence(desk, entry)),
        comparison=comparison_for(desk, entry),
        checks=tuple(
            Check(r.verifier, r.version, r.outcome, r.detail, r.score_ppm) for r in entry.results
        ),
        choices=choices_for(entry),
        recalled=len(recalls),
        last_recalled_at_us=desk.projection.at_us(recalls[-1]) if recalls else None,
        adapter_digest=entry.adapter_digest,
        shard_id=adapter.shard_id if adapter else None,
        derived=tuple(other.entry_id for other in desk.entries() if entry_id in other.derived_from),
        people=people_of(desk, entry),
    )


def audit_trail(desk: Desk, entry_id: str) -> tuple[AuditRow, ...]:
    """Everything that happened to the entry, newest first, with leaf hashes."""
    entry = desk.state.entries.get(entry_id)
    if entry is None or not desk.scope.sees(entry.scope):
        return ()
    rows = []
    for seq in reversed(entry.history):
        event = desk.ledger.event(seq)
        rows.append(
            AuditRow(
                seq, event.header.recorded_at_us, event.header.type, str(event.header.actor),
                _happened(event.payload, entry_id), desk.ledger.leaf(seq),
            )
        )  # fmt: skip
    return tuple(rows)


def _happened(payload: Payload | None, entry_id: str) -> str:
    """What an event says about this entry; a rollback names what it did to this one."""
    if isinstance(payload, RollbackApplied):
        for change in payload.entries:
            if change.entry_id == entry_id:
                return f"to version {payload.to_seq}: {change.before} → {change.after}"
    return summary(payload)


def _matches(entry: EntryState, filters: Filters) -> bool:
    if filters.status == "waiting":
        if not is_waiting(entry):
            return False
    elif filters.status and entry.status != filters.status:
        return False
    if filters.kinds and entry.body.kind not in filters.kinds:
        return False
    if filters.channel and entry.channel != filters.channel:
        return False
    if filters.check and not _check_matches(entry, filters.check):
        return False
    needle = filters.text.casefold().strip()
    return not needle or needle in entry.entry_id or needle in text_of(entry.body).casefold()


def _check_matches(entry: EntryState, check: str) -> bool:
    passed = all(result.outcome == "pass" for result in entry.results)
    if check == "not checked":
        return not entry.results
    return bool(entry.results) and passed == (check == "passed")


def _evidence(desk: Desk, entry: EntryState) -> Iterable[Evidence]:
    for span in entry.spans:
        source = desk.state.sources.get(span.source_id)
        if source is None or not desk.scope.sees(source.scope):
            continue
        text = desk.ledger.source_text(span.source_id)
        low, high = max(0, span.start - CONTEXT_CHARS), min(len(text), span.end + CONTEXT_CHARS)
        # Start and end on a line where one is near: half a sentence misleads.
        low = (
            text.find("\n", low, span.start) + 1 if "\n" in text[low : span.start] and low else low
        )
        last = text.rfind("\n", span.end, high)
        high = last if last > 0 and high < len(text) else high
        yield Evidence(
            source.source_id, source.name, source.kind, span_trust(desk.state, span),
            text.count("\n", 0, span.start) + 1,
            text[low : span.start], text[span.start : span.end], text[span.end : high].rstrip(),
            low > 0, high < len(text.rstrip()),
        )  # fmt: skip


def _last_comment(desk: Desk, entry: EntryState) -> str:
    """What was said with the newest decision."""
    for seq in reversed(entry.history):
        payload = desk.ledger.event(seq).payload
        if isinstance(payload, Decision | RollbackApplied):
            return payload.comment
    return ""
