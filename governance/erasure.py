"""Erasing for good: entries, or everything about a person.

1. *Request*: what would go is listed, and a person asks for it on a stated ground.
2. *Approval*: a second person agrees. A legal hold stops this and every later step.
3. *Completion*, numbered as in the code (and in the crash tests); each step can be repeated:

   1. One append: the entries and sources are erased in the record, adapters that hold one of
      them leave service, exports that list one are withdrawn. From here on nothing acts.
   2. Adapter builds that ever held one of them, and exports below the home, are deleted.
   3. Every file of the home is searched for the texts and keys. What is found is named and
      nothing is destroyed yet: afterwards nobody could look for it any more.
   4. Keys and ciphertext are destroyed and the files written anew (``shredding``).
   5. Every file is searched again.
   6. ``erasure.completed`` says what went, in numbers; the shards are built without it.

What stays: headers, leaves and checkpoints, so that every proof of the log still holds; a
keyed digest of each value, so that it does not come back; who asked, who agreed, and when.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from governance import canonical
from governance.errors import AppendConflictError, LedgerError, StoreError
from governance.events import (
    Actor,
    EntryErased,
    ErasureApproved,
    ErasureBasis,
    ErasureCompleted,
    ErasureDeclined,
    ErasureRequested,
    ExportWithdrawn,
    Scope,
    SourceErased,
)
from governance.footprint import Footprint, footprint, owned
from governance.ledger import EventDraft, Ledger, OwnedLog, Receipt
from governance.lineage import withdrawal_drafts
from governance.memory_target import Rebuilt, load_target, rebuild
from governance.records import Destroyed, ErasureState
from governance.refusals import recording
from governance.remains import Needles, needles_of, refuse_remains
from governance.retention_rules import refuse_held
from governance.shredding import shred
from governance.tombstone import tombstone_of

REASON: Final = "erased"
_ID_CHARS: Final = 12


@dataclass(frozen=True)
class ErasurePlan:
    """What an erasure would destroy; content-free.

    Args:
        named: Entries that were named; empty for a person.
        data_subject: Pseudonym (hex) of the person; ``None`` for entries.
        found: All that goes.
        outside: Exports that lie where this program cannot delete them.
    """

    named: tuple[str, ...]
    data_subject: str | None
    found: Footprint
    outside: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what goes, for whoever is asked to agree."""
        return canonical.digest({
            "entries": sorted(self.found.entries), "sources": sorted(self.found.sources),
            "data_subject": self.data_subject,
        })  # fmt: skip


@dataclass(frozen=True)
class Erased:
    """What a completion did."""

    erasure_id: str
    receipt: Receipt
    events: int
    entries: int
    sources: int
    adapters: Sequence[str]
    exports: Sequence[str]
    searched: int
    rebuilt: Rebuilt


def plan_erasure(
    ledger: Ledger, *, entries: Collection[str] = (), data_subject: str | None = None
) -> ErasurePlan:
    """List everything that would be destroyed; appends nothing.

    Args:
        ledger: In the process that owns its files.
        entries: Ids of entries, or unique beginnings of them.
        data_subject: Name of a person, as their sources were registered under.

    Raises:
        LedgerError: neither or both are given, there is no such entry, nothing is held
            about the person, or another process owns the files.
    """
    if bool(entries) == bool(data_subject):
        raise LedgerError("name either entries or a person", hint="--entry ID or --subject NAME")
    log = owned(ledger)
    named = tuple(dict.fromkeys(ledger.state.entry(one).entry_id for one in entries))
    holder = log.keys.holder(data_subject) if data_subject else None
    return _planned(ledger, named, holder)


def _planned(ledger: Ledger, named: tuple[str, ...], holder: bytes | None) -> ErasurePlan:
    found = footprint(ledger, entries=named, holder=holder)
    if not found.events:
        what = "these entries" if named else "this person"
        raise LedgerError(f"nothing is held about {what}", hint="they may have been erased before")
    exports = ledger.state.exports
    outside = tuple(one for one in found.exports if exports[one].issued.path is None)
    return ErasurePlan(named, holder.hex() if holder is not None else None, found, outside)


def request_erasure(
    ledger: Ledger, plan: ErasurePlan, *, actor: Actor, basis: ErasureBasis, reason: str
) -> str:
    """Ask for what ``plan`` lists; returns the erasure's id.

    Raises:
        NotAuthorisedError: the actor is no person, or no officer.
        HoldError: a legal hold forbids it.

    Side effects: appends ``erasure.requested``, or ``command.refused``.
    """
    name = ledger.keyed(f"erasure:{plan.digest}:{plan.found.seq}")[:_ID_CHARS]
    erasure_id = f"erasure-{name}"
    payload = ErasureRequested(
        erasure_id=erasure_id, basis=basis, reason=reason, entries=list(plan.named),
        data_subject=plan.data_subject, plan_digest=plan.digest,
    )  # fmt: skip
    with recording(ledger, "erase request", f"erasure:{erasure_id}", actor=actor):
        refuse_held(ledger.state, plan.found.entries, plan.found.holders)
        ledger.append([EventDraft(payload, actor, _scope(ledger, plan.found))])
    return erasure_id


def approve_erasure(ledger: Ledger, erasure_id: str, *, actor: Actor, comment: str = "") -> Receipt:
    """Agree to an erasure, as a second person.

    Raises:
        LedgerError: no such erasure.
        AppendConflictError: other entries or sources would go than were asked for.
        SelfReviewError: the requester approves.
        HoldError: a legal hold forbids it.

    Side effects: appends ``erasure.approved``, or ``command.refused``.
    """
    with recording(ledger, "erase approve", f"erasure:{erasure_id}", actor=actor):
        erasure = known(ledger, erasure_id)
        if erasure.status == "requested":
            plan = _planned(ledger, *_named(erasure))
            if plan.digest != erasure.requested.plan_digest:
                raise AppendConflictError(
                    f"what erasure {erasure_id} would destroy has changed since it was requested",
                    hint="decline it and request it again",
                )
            refuse_held(ledger.state, plan.found.entries, plan.found.holders)
        payload = ErasureApproved(erasure_id=erasure_id, comment=comment)
        return ledger.append([EventDraft(payload, actor, erasure.scope)])


def decline_erasure(ledger: Ledger, erasure_id: str, *, actor: Actor, comment: str = "") -> Receipt:
    """Do not agree to an erasure, or take one's request back.

    Raises:
        LedgerError: no such erasure.
        IllegalTransitionError: it waits for no answer.

    Side effects: appends ``erasure.declined``, or ``command.refused``.
    """
    with recording(ledger, "erase decline", f"erasure:{erasure_id}", actor=actor):
        erasure = known(ledger, erasure_id)
        payload = ErasureDeclined(erasure_id=erasure_id, comment=comment)
        return ledger.append([EventDraft(payload, actor, erasure.scope)])


def known(ledger: Ledger, erasure_id: str) -> ErasureState:
    """The erasure.

    Raises:
        LedgerError: there is none of this id.
    """
    erasure = ledger.state.erasures.get(erasure_id)
    if erasure is None:
        raise LedgerError(
            f"there is no erasure {erasure_id!r}", hint="`palimpsest erase list` names them"
        )
    return erasure


def complete_erasure(
    ledger: Ledger,
    erasure_id: str,
    *,
    actor: Actor,
    progress: Callable[[str], None] | None = None,
) -> Erased:
    """Carry out an approved erasure, or go on with one that was interrupted.

    Raises:
        LedgerError: no such erasure, another one was interrupted and comes first, or another
            process owns the files.
        IllegalTransitionError: it is not approved.
        HoldError: a legal hold forbids it.
        VerificationError: what is to be erased stands in a file that was not written by the
            ledger; names it.
        StoreError: a file cannot be written, deleted or searched.

    Side effects: see the module; cannot be undone.
    """
    log = owned(ledger)
    with recording(ledger, "erase complete", f"erasure:{erasure_id}", actor=actor):
        erasure = known(ledger, erasure_id)
        record = _interrupted(log, ledger, erasure_id)
        if record is None:
            record, searched = _destroy(ledger, log, erasure, actor)
        else:
            _delete_files(ledger, record.adapters, record.exports)
            searched = _searched(ledger, Needles(), record)
        completed = ErasureCompleted(
            erasure_id=erasure_id, events=record.events, entries=record.entries,
            sources=record.sources, adapters=record.adapters, exports=record.exports,
            searched=searched, hits=0,
        )  # fmt: skip
        receipt = ledger.append([EventDraft(completed, actor, erasure.scope)])  # step 6
    log.keys.erased()
    shards = {ledger.state.adapters[one].shard_id for one in record.adapters}
    scopes = [ledger.state.shards[one].scope for one in shards]
    return Erased(
        erasure_id, receipt, len(record.events), record.entries, record.sources, record.adapters,
        record.exports, searched, rebuild(ledger, scopes, progress),
    )  # fmt: skip


def _interrupted(log: OwnedLog, ledger: Ledger, erasure_id: str) -> Destroyed | None:
    """What is left of a completion that was killed after step 4; ``None``: nothing.

    Raises:
        LedgerError: it was another erasure's.
    """
    if not log.keys.erasing:
        return None
    record = Destroyed.model_validate_json(log.keys.erasing)
    if ledger.state.erasures[record.erasure_id].status == "completed":
        log.keys.erased()
        return None
    if record.erasure_id != erasure_id:
        raise LedgerError(
            f"erasure {record.erasure_id} was interrupted and comes first",
            hint=f"palimpsest erase complete {record.erasure_id}",
        )
    return record


def _destroy(
    ledger: Ledger, log: OwnedLog, erasure: ErasureState, actor: Actor
) -> tuple[Destroyed, int]:
    """Steps 1 to 5."""
    found = _begin(ledger, erasure, actor)  # step 1
    record = Destroyed(
        erasure_id=erasure.requested.erasure_id, events=list(found.events),
        entries=len(found.entries), sources=len(found.sources), adapters=list(found.adapters),
        exports=list(found.exports),
    )  # fmt: skip
    _delete_files(ledger, record.adapters, record.exports)  # step 2
    needles = needles_of(ledger, log.keys, record.events)
    _searched(ledger, needles, record, keys_destroyed=False)  # step 3
    whose = erasure.requested.data_subject
    holders = [bytes.fromhex(whose)] if whose is not None and not found.kept else []
    shred(log, record.events, holders=holders, record=record.model_dump_json())  # step 4
    return record, _searched(ledger, needles, record)  # step 5


def _searched(
    ledger: Ledger, needles: Needles, record: Destroyed, *, keys_destroyed: bool = True
) -> int:
    if not ledger.has_home:
        return 0
    return refuse_remains(
        ledger, needles, record.events, names=record.adapters, keys_destroyed=keys_destroyed
    )


def _begin(ledger: Ledger, erasure: ErasureState, actor: Actor) -> Footprint:
    """Step 1, or what a killed one left of it; returns all that has to go."""
    erasure_id = erasure.requested.erasure_id
    named, holder = _named(erasure)
    state = ledger.state
    before = [
        event.payload
        for event in ledger.events(erasure.seq, types={"entry.erased", "source.erased"})
    ]
    found = footprint(
        ledger, entries=named, holder=holder,
        erased=[one.entry_id for one in before
                if isinstance(one, EntryErased) and one.erasure_id == erasure_id],
        erased_sources=[one.source_id for one in before
                        if isinstance(one, SourceErased) and one.erasure_id == erasure_id],
    )  # fmt: skip
    refuse_held(state, found.entries, found.holders)
    drafts = withdrawal_drafts(state, found.entries, actor, REASON)
    for entry_id in found.entries:
        entry = state.entries[entry_id]
        if entry.status != "erased":
            gone = EntryErased(
                entry_id=entry_id, version=entry.version, kind=entry.body.kind,
                erasure_id=erasure_id,
                tombstone=tombstone_of(ledger.keyed, entry.scope, entry.body),
            )  # fmt: skip
            drafts.append(EventDraft(gone, actor, entry.scope))
    for source_id in found.sources:
        source = state.sources[source_id]
        if source.kind != "erased":
            erased = SourceErased(source_id=source_id, erasure_id=erasure_id)
            drafts.append(EventDraft(erased, actor, source.scope))
    for export_id in found.exports:
        export = state.exports[export_id]
        if not export.withdrawn:
            withdrawn = ExportWithdrawn(export_id=export_id, reason_code=REASON)
            drafts.append(EventDraft(withdrawn, actor, export.scope))
    if drafts:
        ledger.append(drafts)
    return found


def _delete_files(ledger: Ledger, adapters: Collection[str], exports: Collection[str]) -> None:
    """Step 2: what the agent built from it, and what was handed out below the home.

    Raises:
        StoreError: a file cannot be deleted.
    """
    if not ledger.has_home:
        return
    if adapters:
        target = load_target(ledger)
        if target is not None:
            target.forget(adapters)
    home = ledger.home.resolve()
    for export_id in exports:
        path = ledger.state.exports[export_id].issued.path
        place = (home / path).resolve() if path is not None else None
        if place is None or not place.is_relative_to(home):
            continue
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{place} cannot be deleted: {error.strerror}") from error


def _named(erasure: ErasureState) -> tuple[tuple[str, ...], bytes | None]:
    whose = erasure.requested.data_subject
    return tuple(erasure.requested.entries), None if whose is None else bytes.fromhex(whose)


def _scope(ledger: Ledger, found: Footprint) -> Scope:
    """Whose memory it is about: that of the first thing that goes."""
    state = ledger.state
    scopes = [state.entries[one].scope for one in found.entries]
    scopes += [state.sources[one].scope for one in found.sources]
    return scopes[0] if scopes else Scope()


__all__ = [
    "Erased", "ErasurePlan", "approve_erasure", "complete_erasure",
    "decline_erasure", "known", "plan_erasure", "request_erasure",
]  # fmt: skip
