"""Taking an entry back with everything that came from it.

1. *Plan* (appends nothing): the entry, its derivatives, the adapters that hold any of
   them, and the prompts and answers they were used in.
2. *Revoke*: one append takes all of them out of service. Nothing acts on the value any
   more when it returns; rebuilding the shards without it (``MemoryTarget.settle``) comes
   after and brings back the other cards.
3. *Residue*: what could still act on it. Zero, and checked.

The value gets a tombstone, so it cannot return under another id. Derivatives that say
something else do not: a summary is not wrong because one of its sources was.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from governance.authority import require_reason, require_role
from governance.decisions import Subject
from governance.errors import AppendConflictError, IllegalTransitionError, NotAuthorisedError
from governance.events import (
    Actor,
    EntryRejected,
    EntryRevoked,
    MemoryRecalled,
    OutcomeRecorded,
    Scope,
    Status,
)
from governance.ledger import EventDraft, Ledger, Receipt
from governance.lineage import Carrier, carriers, closure, residue, withdrawal_drafts
from governance.state import LEAVES, State
from governance.tombstone import tombstone_of

REVOCABLE: Final = LEAVES[EntryRevoked]


@dataclass(frozen=True)
class Affected:
    """One entry that goes, and the status it has now."""

    entry_id: str
    version: int
    status: Status
    text_digest: str


@dataclass(frozen=True)
class RevocationPlan:
    """What a revocation would do. Valid for the version it was made at.

    Args:
        entry_id: What is revoked.
        seq: Version the plan was made at.
        revoked: It and its derivatives that act or could act, nearest first.
        rejected: Derivatives nobody had decided on.
        carriers: Adapters that leave service.
        recalls: Events in which an affected entry stood in a prompt.
        same_value: Other entries in force that say the same and were not derived from it.
    """

    entry_id: str
    seq: int
    revoked: tuple[Affected, ...]
    rejected: tuple[Affected, ...]
    carriers: tuple[Carrier, ...]
    recalls: tuple[int, ...]
    same_value: tuple[str, ...]

    @property
    def entry_ids(self) -> tuple[str, ...]:
        """All entries that go."""
        return tuple(item.entry_id for item in (*self.revoked, *self.rejected))


@dataclass(frozen=True)
class UsedIn:
    """A prompt in which an affected entry or adapter was put before the model."""

    seq: int
    purpose: str
    query: str
    adapter_digest: str | None
    answers: tuple[tuple[int, str], ...]
    """(event, answer) of the outcomes that name this recall as their cause."""


def plan_revocation(
    ledger: Ledger, entry_id: str, *, reader: Scope | None = None
) -> RevocationPlan:
    """List everything that revoking ``entry_id`` takes out of service.

    Args:
        ledger: Where it is.
        entry_id: The entry, or a unique beginning of its id.
        reader: Scope of the caller; ``None`` for the operator of the home.

    Raises:
        LedgerError: no such entry.
        IllegalTransitionError: it neither acts nor could.
        NotAuthorisedError: it, or something derived from it, is out of the caller's scope.
    """
    state = ledger.state
    family = closure(state, entry_id)
    entry = family[0]
    if entry.status not in REVOCABLE:
        pending = entry.status in {"proposed", "verified"}
        raise IllegalTransitionError(
            f"entry {entry.entry_id} is {entry.status} and cannot be revoked",
            hint=f"palimpsest review reject {entry.entry_id}" if pending else "it does not act",
        )
    if reader is not None and not all(reader.sees(item.scope) for item in family):
        raise NotAuthorisedError(
            f"entry {entry.entry_id} or something derived from it lies outside {reader}",
            hint="ask somebody who may see all of it",
        )
    revoked, rejected = [], []
    for item in family:
        affected = Affected(item.entry_id, item.version, item.status, item.content_digest)
        if item.status in REVOCABLE:
            revoked.append(affected)
        elif item.status in {"proposed", "verified"}:
            rejected.append(affected)
    ids = [item.entry_id for item in (*revoked, *rejected)]
    return RevocationPlan(
        entry_id=entry.entry_id,
        seq=state.seq,
        revoked=tuple(revoked),
        rejected=tuple(rejected),
        carriers=carriers(state, ids),
        recalls=_recalls(state, ids),
        same_value=_same_value(ledger, entry_id=entry.entry_id, family=ids),
    )


def trace_use(ledger: Ledger, plan: RevocationPlan) -> tuple[UsedIn, ...]:
    """Every prompt and answer that the affected entries and their adapters had a part in.

    Reads the log from the first affected proposal on; costs one decrypt per recall.
    """
    state = ledger.state
    ids = set(plan.entry_ids)
    adapters = {
        adapter.digest
        for adapter in state.adapters.values()
        if any(ref.entry_id in ids for ref in adapter.cards)
    }
    since = min(state.entries[entry_id].history[0] for entry_id in ids)
    used: dict[str, UsedIn] = {}
    for event in ledger.events(since, types={"memory.recalled", "outcome.recorded"}):
        payload, header = event.payload, event.header
        if isinstance(payload, MemoryRecalled):
            if ids & set(payload.entries) or payload.adapter_digest in adapters:
                used[header.event_id] = UsedIn(
                    header.seq, payload.purpose, payload.query, payload.adapter_digest, ()
                )
        elif isinstance(payload, OutcomeRecorded):
            for cause in header.causes:
                if cause in used:
                    use = used[cause]
                    answers = (*use.answers, (header.seq, payload.answer))
                    used[cause] = UsedIn(
                        use.seq, use.purpose, use.query, use.adapter_digest, answers
                    )
    return tuple(used.values())


def revoke(
    ledger: Ledger,
    plan: RevocationPlan,
    *,
    actor: Actor,
    reason_code: str,
    comment: str = "",
    tombstone: bool = True,
) -> Receipt:
    """Carry out a plan, in one append.

    Raises:
        AppendConflictError: something affected changed since the plan was made.
        ReviewError: unknown reason.
        NotAuthorisedError: the actor is no person, or no reviewer or officer.

    Side effects: appends the revocations and the withdrawals of all carriers.
    """
    state = ledger.state
    require_role(state, actor, "reviewer", "officer")
    require_reason("revoke", reason_code)
    _verify_current(ledger, plan)
    root = state.entries[plan.entry_id]
    key = tombstone_of(ledger.keyed, root.scope, root.body)
    drafts = []
    for item in (*plan.revoked, *plan.rejected):
        entry = state.entries[item.entry_id]
        same = tombstone and tombstone_of(ledger.keyed, entry.scope, entry.body) == key
        own = comment if item.entry_id == plan.entry_id else f"derived from {plan.entry_id}"
        subject = Subject.of(entry, version=item.version, digest=item.text_digest)
        laid = key if same else None
        payload = (
            subject.decided(EntryRevoked, reason_code, own, tombstone=laid)
            if item in plan.revoked
            else subject.decided(EntryRejected, reason_code, own, tombstone=laid)
        )
        drafts.append(EventDraft(payload, actor, entry.scope))
    drafts += withdrawal_drafts(state, plan.entry_ids, actor, reason_code)
    return ledger.append(drafts)


def _verify_current(ledger: Ledger, plan: RevocationPlan) -> None:
    if ledger.state.seq == plan.seq:
        return
    now = plan_revocation(ledger, plan.entry_id)
    if (now.revoked, now.rejected, now.carriers) != (plan.revoked, plan.rejected, plan.carriers):
        raise AppendConflictError(
            f"what revoking {plan.entry_id} affects has changed since it was planned",
            hint="plan it again",
        )


def _recalls(state: State, entry_ids: Collection[str]) -> tuple[int, ...]:
    return tuple(sorted({seq for one in entry_ids for seq in state.recalls.get(one, ())}))


def _same_value(ledger: Ledger, *, entry_id: str, family: Collection[str]) -> tuple[str, ...]:
    state = ledger.state
    root = state.entries[entry_id]
    key = tombstone_of(ledger.keyed, root.scope, root.body)
    return tuple(
        entry.entry_id
        for entry in state.entries.with_status("approved", "active")
        if entry.entry_id not in family
        and tombstone_of(ledger.keyed, entry.scope, entry.body) == key
    )


__all__ = [
    "Affected", "RevocationPlan", "UsedIn", "plan_revocation", "residue", "revoke", "trace_use",
]  # fmt: skip
