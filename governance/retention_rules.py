"""What may be destroyed and what is kept, and by whom: checked inside every append. Pure.

1. An erasure takes two people: whoever asked for it does not approve it.
2. Entries and sources are erased only inside an approved erasure, and it is complete only
   when nothing of them was found afterwards.
3. A legal hold stops erasing and pruning: of single entries, of everything about a person, or
   of everything.
4. About a person who was erased, nothing is written again unless a person does it first.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, TypeAlias

from governance.errors import (
    ForgottenError,
    HoldError,
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
    SelfReviewError,
)
from governance.events import (
    Actor,
    EntryErased,
    EntryExpired,
    ErasureApproved,
    ErasureCompleted,
    ErasureDeclined,
    ErasureRequested,
    HoldLifted,
    HoldPlaced,
    Scope,
    SourceErased,
)
from governance.records import EntryState, ErasureState
from governance.state import State

Custody: TypeAlias = (
    HoldPlaced | HoldLifted | ErasureRequested | ErasureApproved | ErasureDeclined
    | ErasureCompleted | SourceErased
)  # fmt: skip
CUSTODY: Final = (
    HoldPlaced, HoldLifted, ErasureRequested, ErasureApproved, ErasureDeclined,
    ErasureCompleted, SourceErased,
)  # fmt: skip


def check_custody(state: State, payload: Custody, actor: Actor, scope: Scope) -> None:
    """Refuse a hold or a step of an erasure that may not follow ``state``.

    Raises:
        NotAuthorisedError: a person has to do it.
        SelfReviewError: the requester approves what they asked for.
        HoldError: a legal hold forbids it.
        LedgerError, IllegalTransitionError: it refers to nothing, or not to what is due.
    """
    if actor.kind != "human" and not isinstance(payload, SourceErased | ErasureCompleted):
        raise NotAuthorisedError(
            f"{actor} may not append {payload.event_type}", hint="a person has to answer for it"
        )
    if isinstance(payload, HoldPlaced | HoldLifted):
        _check_hold(state, payload)
    elif isinstance(payload, ErasureRequested):
        _check_request(state, payload)
    elif isinstance(payload, SourceErased):
        _check_source(state, payload, scope)
    else:
        _check_answer(state, payload, actor)


def check_erased(state: State, entry: EntryState, payload: EntryErased) -> None:
    """Refuse to erase an entry outside of an approved erasure, or under a hold.

    Raises:
        IllegalTransitionError, LedgerError, HoldError: see above.
    """
    erasure = _approved(state, payload.erasure_id)
    refuse_held(state, [payload.entry_id], _holders(erasure))
    if payload.kind != entry.body.kind:
        raise LedgerError(f"entry {payload.entry_id} is a {entry.body.kind}, no {payload.kind}")


def check_expired(state: State, payload: EntryExpired, actor: Actor) -> None:
    """Refuse an expiry that nobody with a right to it decided.

    Raises:
        NotAuthorisedError: a model ends what it did not begin, or no person prunes.
        HoldError: what is to be pruned is under a hold.
    """
    pruned = payload.reason_code == "pruned"
    if (pruned and actor.kind != "human") or (
        actor.kind == "agent" and payload.reason_code != "episode-ended"
    ):
        raise NotAuthorisedError(
            f"{actor} may not let entry {payload.entry_id} expire",
            hint="time does, or a person prunes",
        )
    if pruned:
        refuse_held(state, [payload.entry_id])


def refuse_held(state: State, entries: Collection[str], holders: Collection[str] = ()) -> None:
    """Refuse to destroy what a legal hold keeps.

    Args:
        state: With the holds in force.
        entries: Entries that would go.
        holders: Pseudonyms (hex) of the people whose data would go.

    Raises:
        HoldError: one of them is held; names the hold.
    """
    for hold_id, hold in state.holds.items():
        placed = hold.placed
        everything = not placed.entries and not placed.data_subjects
        named = not set(placed.entries).isdisjoint(entries)
        whose = not set(placed.data_subjects).isdisjoint(holders)
        if not hold.lifted and (everything or named or whose):
            raise HoldError(
                f"the legal hold {hold_id} keeps what would be destroyed",
                hint=f"palimpsest hold lift {hold_id}, once the reason for it is over",
            )


def check_forgotten(state: State, actor: Actor, holder: bytes) -> None:
    """Refuse to begin writing again about a person who was erased.

    Args:
        state: With all erasures.
        actor: Who writes. A person may: that is how somebody comes back.
        holder: Pseudonym of the person; there is no key for it now.

    Raises:
        ForgottenError: the person was erased, and no person writes.
    """
    if actor.kind == "human":
        return
    for erasure in state.erasures.values():
        if erasure.status == "completed" and erasure.requested.data_subject == holder.hex():
            raise ForgottenError(
                f"this is about a person who was erased ({erasure.requested.erasure_id}); "
                f"{actor} may not begin to remember them again",
                hint="if it is right to, a person registers the source first",
            )


def _check_hold(state: State, payload: HoldPlaced | HoldLifted) -> None:
    known = state.holds.get(payload.hold_id)
    if isinstance(payload, HoldLifted):
        if known is None or known.lifted:
            raise LedgerError(f"there is no hold {payload.hold_id} in force")
        return
    if known is not None:
        raise LedgerError(f"hold {payload.hold_id} was placed already")
    for entry_id in payload.entries:
        if entry_id not in state.entries:
            raise LedgerError(f"entry {entry_id} does not exist and cannot be held")


def _check_request(state: State, payload: ErasureRequested) -> None:
    if payload.erasure_id in state.erasures:
        raise LedgerError(f"erasure {payload.erasure_id} was requested already")
    if bool(payload.entries) == (payload.data_subject is not None):
        raise LedgerError("an erasure names either entries or a person")
    for entry_id in payload.entries:
        entry = state.entries.get(entry_id)
        if entry is None or entry.status == "erased":
            raise LedgerError(f"entry {entry_id} does not exist, or was erased before")
    whose = payload.data_subject
    refuse_held(state, payload.entries, [whose] if whose is not None else [])


def _check_answer(
    state: State, payload: ErasureApproved | ErasureDeclined | ErasureCompleted, actor: Actor
) -> None:
    if isinstance(payload, ErasureCompleted):
        _approved(state, payload.erasure_id)
        if payload.hits:
            raise IllegalTransitionError(
                f"erasure {payload.erasure_id}: {payload.hits} file(s) still hold what was erased"
            )
        return
    erasure = _known(state, payload.erasure_id)
    if erasure.status != "requested":
        raise IllegalTransitionError(
            f"erasure {payload.erasure_id} is {erasure.status} and waits for no answer"
        )
    if isinstance(payload, ErasureApproved):
        if actor == erasure.requested_by:
            raise SelfReviewError(
                f"{actor} asked for erasure {payload.erasure_id} and may not approve it",
                hint="it takes a second person",
            )
        refuse_held(state, erasure.requested.entries, _holders(erasure))


def _check_source(state: State, payload: SourceErased, scope: Scope) -> None:
    erasure = _approved(state, payload.erasure_id)
    source = state.sources.get(payload.source_id)
    if source is None or source.kind == "erased":
        raise LedgerError(f"source {payload.source_id} does not exist, or was erased before")
    if source.scope != scope:
        raise LedgerError(f"source {payload.source_id} belongs to another scope")
    refuse_held(state, [], _holders(erasure))
    held = {one for hold in state.holds.values() if not hold.lifted for one in hold.placed.entries}
    for entry_id in held:
        if any(span.source_id == payload.source_id for span in state.entries[entry_id].spans):
            refuse_held(state, [entry_id])


def _known(state: State, erasure_id: str) -> ErasureState:
    erasure = state.erasures.get(erasure_id)
    if erasure is None:
        raise LedgerError(
            f"there is no erasure {erasure_id!r}", hint="`palimpsest erase list` names them"
        )
    return erasure


def _approved(state: State, erasure_id: str) -> ErasureState:
    erasure = _known(state, erasure_id)
    if erasure.status != "approved":
        raise IllegalTransitionError(
            f"erasure {erasure_id} is {erasure.status}, not approved",
            hint="a second person approves it: palimpsest erase approve",
        )
    return erasure


def _holders(erasure: ErasureState) -> list[str]:
    whose = erasure.requested.data_subject
    return [whose] if whose is not None else []
