"""What holds for every rollback, whoever appends it: two people, and the plan they saw; pure.

1. Only people ask, agree and decline. Who asked does not agree, but may take it back.
2. Of several requests for one agent the newest stands; an older one has lapsed.
3. Where the policy in force asks for two people, or a request is named, a rollback is
   carried out only on a request that was accepted, once, and only if it does exactly what
   the request's ``plan_digest`` says.
"""

from __future__ import annotations

from governance import canonical
from governance.errors import (
    AppendConflictError,
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
    SelfReviewError,
)
from governance.events import (
    Actor,
    RollbackAccepted,
    RollbackApplied,
    RollbackDeclined,
    RollbackRequested,
    Scope,
)
from governance.records import RollbackState, ShardState
from governance.state import State


def plan_digest(state: State, payload: RollbackApplied) -> str:
    """Digest (hex) of what a rollback does to each thing: status and version, before and after.

    Equal for two appends exactly if the same entries and shards move from where they stand to
    the same place. Who does it, when and why does not matter.
    """
    entries: list[list[str | int]] = []
    for change in payload.entries:
        entry = state.entries[change.entry_id]
        then = entry.as_of(payload.to_seq) or entry
        entries.append(
            [change.entry_id, change.before, entry.version, change.after, then.version]
        )  # fmt: skip
    return canonical.digest(
        {
            "to_seq": payload.to_seq,
            "entries": sorted(entries),
            "shards": sorted([one.shard_id, one.before or "", one.after or ""]
                             for one in payload.shards),
        }
    )  # fmt: skip


def servable_at(state: State, shard: ShardState, seq: int) -> str | None:
    """What a shard serves after a rollback to ``seq``: what it served then, if that may be.

    An adapter that holds a card erased since then is not served again by anybody.
    """
    digest = shard.active_at(seq)
    cards = state.adapters[digest].cards if digest is not None else ()
    erased = any(state.entries[ref.entry_id].status == "erased" for ref in cards)
    return None if erased else digest


def newest(state: State, request: RollbackState) -> bool:
    """Whether no later request concerns the same agent."""
    return not any(
        other.seq > request.seq and other.scope == request.scope
        for other in state.rollbacks.values()
    )


def check_request(state: State, payload: RollbackRequested, actor: Actor) -> None:
    """Refuse a request that nobody could accept.

    Raises:
        NotAuthorisedError: the actor is no person.
        LedgerError: the id is taken, or there is no such version.
    """
    _check_person(actor, "ask for a rollback")
    if payload.rollback_id in state.rollbacks:
        raise LedgerError(f"rollback {payload.rollback_id} was requested already")
    if payload.to_seq > state.seq:
        raise LedgerError(f"version {payload.to_seq} does not exist yet (head is {state.seq})")


def check_answer(
    state: State, payload: RollbackAccepted | RollbackDeclined, actor: Actor, scope: Scope
) -> None:
    """Refuse a yes or no that is none.

    Raises:
        LedgerError: no such request, or it concerns another agent.
        IllegalTransitionError: it was answered or carried out before, or a newer one stands.
        NotAuthorisedError: the actor is no person.
        SelfReviewError: the actor accepts what they asked for.
    """
    accepts = isinstance(payload, RollbackAccepted)
    request = state.rollbacks.get(payload.rollback_id)
    if request is None:
        raise LedgerError(
            f"rollback {payload.rollback_id} was never requested",
            hint="`palimpsest rollback list` lists requests",
        )
    if request.scope != scope:
        raise LedgerError(f"rollback {payload.rollback_id} concerns another agent")
    _check_person(actor, f"{'accept' if accepts else 'decline'} a rollback")
    if accepts and actor == request.requested_by:
        raise SelfReviewError(
            f"{actor} asked for rollback {payload.rollback_id} and may not accept it",
            hint="ask another engineer or officer",
        )
    if request.status != "requested":
        raise IllegalTransitionError(f"rollback {payload.rollback_id} is {request.status} already")
    if not newest(state, request):
        raise IllegalTransitionError(
            f"rollback {payload.rollback_id} lapsed: a newer one was requested",
            hint="`palimpsest rollback list` shows which",
        )


def check_agreed(state: State, payload: RollbackApplied, scope: Scope) -> None:
    """Refuse a rollback to which not enough people agreed, or not to this one.

    Call it once the payload is known to fit the state.

    Raises:
        NotAuthorisedError: the policy asks for two people, and no request is named.
        LedgerError: no such request, or it concerns another agent or version.
        IllegalTransitionError: it is not accepted, or was carried out before.
        AppendConflictError: it would change something else than was asked for.
    """
    if payload.request_id is None:
        if state.terms.rollback_people > 1:
            raise NotAuthorisedError(
                "under the policy in force a rollback takes two people: one asks, another accepts",
                hint=f"palimpsest rollback --to {payload.to_seq} asks for it",
            )
        return
    request = state.rollbacks.get(payload.request_id)
    if request is None or request.scope != scope or request.requested.to_seq != payload.to_seq:
        raise LedgerError(
            f"rollback {payload.request_id} was not requested for {scope} "
            f"and version {payload.to_seq}"
        )
    if request.status != "accepted":
        raise IllegalTransitionError(
            f"rollback {payload.request_id} is {request.status}, not accepted",
            hint=f"another person can: palimpsest rollback accept {payload.request_id}",
        )
    if plan_digest(state, payload) != request.requested.plan_digest:
        raise AppendConflictError(
            f"rollback {payload.request_id} would now change something else than was asked for",
            hint=f"ask again: palimpsest rollback --to {payload.to_seq}",
        )


def _check_person(actor: Actor, what: str) -> None:
    if actor.kind != "human":
        raise NotAuthorisedError(f"{actor} is not a person and may not {what}")


__all__ = [
    "check_agreed", "check_answer", "check_request", "newest", "plan_digest", "servable_at",
]  # fmt: skip
