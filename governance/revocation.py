"""Taking an entry back with everything that came from it.

1. *Plan* (appends nothing): the entry, its derivatives and copies in whatever scope, the
   adapters that hold any of them, the exports that list any, the prompts and answers they
   were used in, and what they had pushed out and would not come back by itself.
2. *Revoke*: one append takes all of them out of service. Nothing acts on the value any
   more when it returns; then the files of withdrawn exports are deleted, and rebuilding the
   shards without it (``MemoryTarget.settle``) brings back the other cards.
3. *Residue*: what could still act on it. Zero, and checked.

The value gets a tombstone, so it cannot return under another id. Derivatives that say
something else do not: a summary is not wrong because one of its sources was.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Literal

from governance import exports
from governance.authority import require_reason, require_role
from governance.canonical import JsonValue
from governance.decisions import Subject
from governance.errors import AppendConflictError, IllegalTransitionError
from governance.events import (
    Actor,
    EntryKind,
    EntryRejected,
    EntryRevoked,
    EntrySuperseded,
    MemoryRecalled,
    OutcomeRecorded,
    Scope,
    Status,
)
from governance.ledger import EventDraft, Ledger, Receipt
from governance.lineage import (
    Carrier,
    builds,
    carriers,
    closure,
    residue,
    verify_in_sight,
    withdrawal_drafts,
)
from governance.proof import build_proof
from governance.refusals import recording
from governance.state import LEAVES, EntryState, State
from governance.tombstone import claim_of, tombstone_of

REVOCABLE: Final = LEAVES[EntryRevoked]
SUPERSEDED: Final = EntrySuperseded.event_type


Relation = Literal["itself", "derived", "summary", "copy"]
"""A summary was made from several entries, one of which goes."""


@dataclass(frozen=True)
class Affected:
    """One entry that goes, the status it has now, and how it hangs on the one revoked."""

    entry_id: str
    version: int
    status: Status
    text_digest: str
    kind: EntryKind
    scope: Scope
    relation: Relation

    @classmethod
    def of(cls, entry: EntryState, root: EntryState) -> Affected:
        """``entry`` as part of what goes with ``root``."""
        if entry.entry_id == root.entry_id:
            relation: Relation = "itself"
        elif entry.copy_of is not None:
            relation = "copy"
        else:
            relation = "summary" if len(entry.derived_from) > 1 else "derived"
        return cls(
            entry.entry_id, entry.version, entry.status, entry.content_digest, entry.body.kind,
            entry.scope, relation,
        )  # fmt: skip


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
        builds: Adapters that hold an affected entry, out of service already.
        exports: Ids of exports that are withdrawn with it.
        elsewhere: Those of them whose file is not below the home: ask for it back.
        restorable: What an affected entry had superseded. It stays superseded unless somebody
            proposes it again (``corrections.reinstate``).
    """

    entry_id: str
    seq: int
    revoked: tuple[Affected, ...]
    rejected: tuple[Affected, ...]
    carriers: tuple[Carrier, ...]
    recalls: tuple[int, ...]
    same_value: tuple[str, ...]
    builds: tuple[Carrier, ...] = ()
    exports: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    restorable: tuple[str, ...] = ()

    @property
    def touched(self) -> tuple[tuple[object, ...], ...]:
        """What carrying it out changes: if this differs, it is another plan."""
        return self.revoked, self.rejected, self.carriers, self.exports

    @property
    def indexed(self) -> tuple[str, ...]:
        """Rows of the recall index that go: affected entries that can be recalled now."""
        return tuple(
            one.entry_id for one in self.revoked if one.status == "active" and one.kind != "card"
        )

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Every scope that something goes from."""
        return tuple(
            {str(one.scope): one.scope for one in (*self.revoked, *self.rejected)}.values()
        )

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
    """(event, answer) of the outcomes that name this recall as their cause, or came with it."""


def plan_revocation(
    ledger: Ledger, entry_id: str, *, reader: Scope | None = None
) -> RevocationPlan:
    """List everything that revoking ``entry_id`` takes out of service.

    Args:
        ledger: Where it is.
        entry_id: The entry, or a unique beginning of its id.
        reader: Scope of the caller; ``None``: what the ledger is open for, for the operator
            of the home everything.

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
    verify_in_sight(state, entry.entry_id, ledger.bounds if reader is None else reader)
    revoked, rejected = [], []
    for item in family:
        affected = Affected.of(item, entry)
        if item.status in REVOCABLE:
            revoked.append(affected)
        elif item.status in {"proposed", "verified"}:
            rejected.append(affected)
    ids = [item.entry_id for item in (*revoked, *rejected)]
    handed_out = exports.containing(state, ids)
    return RevocationPlan(
        entry_id=entry.entry_id,
        seq=state.seq,
        revoked=tuple(revoked),
        rejected=tuple(rejected),
        carriers=carriers(state, ids),
        recalls=_recalls(state, ids),
        same_value=_same_value(state, entry, ids),
        builds=builds(state, ids),
        exports=tuple(one.issued.export_id for one in handed_out),
        elsewhere=tuple(one.issued.export_id for one in handed_out if one.issued.path is None),
        restorable=_restorable(ledger, ids),
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
    prompts: dict[str, str] = {}  # what an answer to it is linked by → the prompt
    for event in ledger.events(since, types={"memory.recalled", "outcome.recorded"}):
        payload, header = event.payload, event.header
        if isinstance(payload, MemoryRecalled):
            if ids & set(payload.entries) or payload.adapter_digest in adapters:
                used[header.event_id] = UsedIn(
                    header.seq, payload.purpose, payload.query, payload.adapter_digest, ()
                )
                prompts[header.event_id] = header.event_id
                prompts[header.command or header.event_id] = header.event_id
        elif isinstance(payload, OutcomeRecorded):
            for name in sorted({prompts[link] for link in header.links & prompts.keys()}):
                answers = (*used[name].answers, (header.seq, payload.answer))
                used[name] = replace(used[name], answers=answers)
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
        StoreError: all of it is out of service, but an export's file could not be deleted;
            the next command that writes tries again.

    Side effects: appends the revocations and the withdrawals of all carriers and exports;
    deletes the files of withdrawn exports; a refusal is recorded.
    """
    with recording(ledger, "revoke", f"entry:{plan.entry_id}", actor=actor):
        require_role(ledger.state, actor, "reviewer", "officer")
        require_reason("revoke", reason_code)
        _verify_current(ledger, plan)
        drafts = _drafts(ledger, plan, actor, reason_code, comment, tombstone=tombstone)
        receipt = ledger.append(drafts)
    exports.remove_withdrawn(ledger)
    return receipt


def remains(ledger: Ledger, entry_ids: Collection[str]) -> tuple[str, ...]:
    """Everything through which these entries, or what came from them, could still act.

    Entries in force, adapters in service, exports that are not withdrawn, and files of
    withdrawn ones that are still there. One readable line each; empty is the only good answer.
    """
    return (*residue(ledger.state, entry_ids), *exports.remaining(ledger, entry_ids))


def receipt_document(
    ledger: Ledger, plan: RevocationPlan, receipt: Receipt
) -> dict[str, JsonValue]:
    """Who took what back and why, with a proof that it is in the log.

    ``proof`` is a C2SP tlog-proof of the first revocation: written to a file of its own,
    ``palimpsest proof-check`` checks it without this home.
    """
    events = list(ledger.events(receipt.first_seq, receipt.last_seq))
    first = events[0]
    decision = first.payload
    assert isinstance(decision, EntryRevoked)
    return {
        "receipt": "revocation",
        "log": ledger.origin,
        "entry_id": plan.entry_id,
        "actor": str(first.header.actor),
        "reason": decision.reason_code,
        "comment": decision.comment,
        "recorded_at_us": first.header.recorded_at_us,
        "events": [
            {"seq": one.header.seq, "type": one.header.type, "subject": one.header.subject,
             "event_id": one.header.event_id}
            for one in events
        ],
        "residue": list(remains(ledger, plan.entry_ids)),
        "proof": build_proof(ledger, receipt.first_seq, ledger.note()),
    }  # fmt: skip


def _drafts(
    ledger: Ledger, plan: RevocationPlan, actor: Actor, reason_code: str, comment: str, *,
    tombstone: bool,
) -> list[EventDraft]:  # fmt: skip
    state = ledger.state
    claim = claim_of(state.entries[plan.entry_id].body)
    keys: dict[tuple[str, str], str] = {}
    drafts = []
    for item in (*plan.revoked, *plan.rejected):
        entry = state.entries[item.entry_id]
        own = comment if item.entry_id == plan.entry_id else f"derived from {plan.entry_id}"
        subject = Subject.of(entry, version=item.version, digest=item.text_digest)
        laid = None
        if tombstone and claim_of(entry.body).says(claim):
            place = (entry.scope.tenant, entry.scope.agent)
            if place not in keys:
                keys[place] = tombstone_of(ledger.keyed, entry.scope, entry.body)
            laid = keys[place]
        payload = (
            subject.decided(EntryRevoked, reason_code, own, tombstone=laid)
            if entry.status in REVOCABLE
            else subject.decided(EntryRejected, reason_code, own, tombstone=laid)
        )
        drafts.append(EventDraft(payload, actor, entry.scope))
    drafts += withdrawal_drafts(state, plan.entry_ids, actor, reason_code)
    return drafts + exports.withdrawals(state, plan.entry_ids, actor, reason_code)


def _verify_current(ledger: Ledger, plan: RevocationPlan) -> None:
    if ledger.state.seq == plan.seq:
        return
    now = plan_revocation(ledger, plan.entry_id)
    if now.touched != plan.touched:
        raise AppendConflictError(
            f"what revoking {plan.entry_id} affects has changed since it was planned",
            hint="plan it again",
        )


def _recalls(state: State, entry_ids: Collection[str]) -> tuple[int, ...]:
    return tuple(sorted({seq for one in entry_ids for seq in state.recalls.get(one, ())}))


def _same_value(state: State, root: EntryState, family: Collection[str]) -> tuple[str, ...]:
    """Compared as tombstones are: the value within tenant and agent, whoever the user is."""
    claim, place = claim_of(root.body), (root.scope.tenant, root.scope.agent)
    return tuple(
        entry.entry_id
        for entry in state.entries.with_status("approved", "active")
        if entry.entry_id not in family
        and (entry.scope.tenant, entry.scope.agent) == place
        and claim_of(entry.body).says(claim)
    )


def _restorable(ledger: Ledger, entry_ids: Collection[str]) -> tuple[str, ...]:
    """Entries that one of these superseded and that were not superseded or ended since."""
    state = ledger.state
    wanted = set(entry_ids)
    replaced = {state.entries[name].replaces or "" for name in entry_ids} - wanted
    roots = [name for name in sorted(replaced) if name in state.entries]
    family = [*(state.entries[name] for name in roots), *state.entries.derivatives(roots)]
    return tuple(
        entry.entry_id
        for entry in family
        if entry.status == "superseded"
        and entry.entry_id not in wanted
        and _superseded_by(ledger, entry) in wanted
    )


def _superseded_by(ledger: Ledger, entry: EntryState) -> str | None:
    events = ledger.events(subjects=[f"entry:{entry.entry_id}"], types=[SUPERSEDED])
    by = [event.payload.by for event in events if isinstance(event.payload, EntrySuperseded)]
    return by[-1] if by else None


__all__ = [
    "Affected", "Relation", "RevocationPlan", "UsedIn", "plan_revocation", "receipt_document",
    "remains", "residue", "revoke", "trace_use",
]  # fmt: skip
