"""Putting the memory back to how it stood at an earlier version.

A rollback is one event per agent, naming every entry and shard it moves; nothing is
removed from the log, and rolling back a rollback restores the same statuses, texts and
adapter digests. What an entry *was* is read off its own history, so a preview costs one
pass over the entries, however long the log is.

1. An entry that stood at the target gets back the very version and status it had, with
   its place in the queue and its tombstone.
2. An entry that came later is revoked, without a tombstone: a rollback is no verdict on a
   value. One that has ended already (rejected, revoked, superseded, expired) stays ended.
3. A shard serves the adapter it served then, or none.
4. What was erased since stays erased; an adapter that held it is not served again.
5. Where the policy in force asks for two people, one requests and another accepts. Both see
   one plan: if what would change has changed, it has to be requested again.

Not moved: sources, policies, roles, the record of what was recalled and answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from governance.authority import require_reason, require_role
from governance.errors import AppendConflictError, RollbackError
from governance.events import (
    Actor,
    Channel,
    EntryChange,
    RollbackAccepted,
    RollbackApplied,
    RollbackDeclined,
    RollbackRequested,
    Scope,
    ShardChange,
    Status,
)
from governance.ledger import EventDraft, Ledger, Receipt
from governance.lineage import ENDED, IN_FORCE
from governance.ports import MemoryTarget
from governance.refusals import recording
from governance.rollback_rules import newest, plan_digest, servable_at
from governance.state import EntryState, RollbackState, ShardState, State

Effect: TypeAlias = Literal[
    "stops acting", "acts again", "returns to the queue", "leaves the queue", "changes otherwise"
]
EFFECTS: Final[tuple[Effect, ...]] = (
    "acts again", "stops acting", "returns to the queue", "leaves the queue", "changes otherwise",
)  # fmt: skip

_STAYS_ENDED: Final[frozenset[Status]] = ENDED | {"superseded"}


@dataclass(frozen=True)
class EntryMove:
    """What a rollback does to one entry. ``after_version`` is the version that stands then."""

    entry_id: str
    scope: Scope
    channel: Channel
    before: Status
    after: Status
    before_version: int
    after_version: int
    effects: tuple[Effect, ...]
    undoes_refusal: bool
    """It was rejected or revoked since, and that is taken back: look twice."""


@dataclass(frozen=True)
class ShardMove:
    """What a rollback does to one shard. ``intact`` is ``None`` when nobody could look."""

    shard_id: str
    scope: Scope
    before: str | None
    after: str | None
    intact: bool | None
    holds_erased: bool = False
    """It served another adapter then, which held an entry erased since."""


@dataclass(frozen=True)
class RollbackPlan:
    """A preview by effect. Valid for the version it was made at."""

    to_seq: int
    seq: int
    entries: tuple[EntryMove, ...]
    shards: tuple[ShardMove, ...]
    scope: Scope | None = None
    channel: Channel | None = None
    erased: tuple[str, ...] = ()
    """Entries erased after the target: they stay erased, whatever they were then."""

    @property
    def empty(self) -> bool:
        """The memory stands like that already."""
        return not self.entries and not self.shards

    def with_effect(self, effect: Effect) -> tuple[EntryMove, ...]:
        """Entries on which the rollback has this effect."""
        return tuple(move for move in self.entries if effect in move.effects)

    @property
    def missing_adapters(self) -> tuple[str, ...]:
        """Digests to be served whose bytes are not in the store and must be built again."""
        return tuple(move.after for move in self.shards if move.after and move.intact is False)


def plan_rollback(
    ledger: Ledger,
    to_seq: int,
    *,
    scope: Scope | None = None,
    channel: Channel | None = None,
    target: MemoryTarget | None = None,
) -> RollbackPlan:
    """What would change if the memory went back to version ``to_seq``.

    Args:
        ledger: The live ledger.
        to_seq: 0 (before everything) to the head.
        scope: Only this agent, or only this user of it; ``None`` is the whole home.
        channel: Only text, or only weights.
        target: Asked whether the adapters to be served are in the store.

    Raises:
        RollbackError: no such version, or it lies inside an append and cannot stand.
    """
    state = ledger.state
    if not 0 <= to_seq <= state.seq:
        raise RollbackError(
            f"version {to_seq} does not exist", hint=f"versions run from 0 to {state.seq}"
        )
    touched = [
        entry
        for entry in state.entries.touched_since(to_seq)
        if _covers(scope, entry.scope) and channel in {None, entry.channel}
    ]
    moves = (_entry_move(entry, to_seq) for entry in touched)
    shards = (
        _shard_move(state, shard, to_seq, target)
        for shard in state.shards.values()
        if _covers(scope, shard.scope) and channel != "external"
    )
    plan = RollbackPlan(
        to_seq,
        state.seq,
        tuple(move for move in moves if move is not None),
        tuple(move for move in shards if move is not None),
        scope,
        channel,
        tuple(entry.entry_id for entry in touched if entry.status == "erased"),
    )
    _verify_stands(state, plan)
    return plan


def rollback(
    ledger: Ledger, plan: RollbackPlan, *, actor: Actor, reason_code: str, comment: str = ""
) -> Receipt:
    """Carry out a plan, in one append, where one person is enough.

    Raises:
        RollbackError: there is nothing to change.
        AppendConflictError: what would change has changed since the plan was made.
        ReviewError: unknown reason.
        NotAuthorisedError: the actor is no person, or no engineer or officer; or the policy
            in force asks for two people.

    Side effects: appends one ``rollback.applied`` per agent concerned; a refusal is recorded.
    """
    with recording(ledger, "rollback", _about(plan), actor=actor, scope=plan.scope or Scope()):
        _verify_may(ledger, plan, actor, reason_code)
        drafts = [
            EventDraft(
                _applied(ledger, plan, agent, reason_code=reason_code, comment=comment),
                actor,
                agent,
            )
            for agent in _agents(plan)
        ]
        return ledger.append(drafts)


# --- by two people ---------------------------------------------------------------------


@dataclass(frozen=True)
class Requested:
    """Rollbacks that wait for a second person: one per agent concerned."""

    rollback_ids: tuple[str, ...]
    acceptors: tuple[str, ...]
    """Who holds a role that may accept; empty in a home without roles: any other person."""
    receipt: Receipt


@dataclass(frozen=True)
class Accepted:
    """Rollbacks that were agreed to and carried out."""

    plans: tuple[RollbackPlan, ...]
    receipt: Receipt

    @property
    def missing_adapters(self) -> tuple[str, ...]:
        """See :attr:`RollbackPlan.missing_adapters`."""
        return tuple(digest for plan in self.plans for digest in plan.missing_adapters)


def request_rollback(
    ledger: Ledger, plan: RollbackPlan, *, actor: Actor, reason_code: str, comment: str = ""
) -> Requested:
    """Ask a second person for a rollback. Nothing moves before they accept.

    Left alone it lapses, as soon as what it would change has changed or a newer one is made
    for the same agent.

    Raises:
        As :func:`rollback`, whatever the policy asks for.

    Side effects: appends one ``rollback.requested`` per agent; a refusal is recorded.
    """
    about = _about(plan)
    with recording(ledger, "rollback request", about, actor=actor, scope=plan.scope or Scope()):
        _verify_may(ledger, plan, actor, reason_code)
        state = ledger.state
        drafts = [
            EventDraft(
                RollbackRequested(
                    rollback_id=_rollback_id(ledger, plan, agent),
                    to_seq=plan.to_seq,
                    only_scope=plan.scope,
                    only_channel=plan.channel,
                    plan_digest=plan_digest(state, _applied(ledger, plan, agent)),
                    reason_code=reason_code,
                    comment=comment,
                ),
                actor,
                agent,
            )
            for agent in _agents(plan)
        ]
        receipt = ledger.append(drafts)
    ids = tuple(_rollback_id(ledger, plan, agent) for agent in _agents(plan))
    return Requested(ids, acceptors(state, actor), receipt)


def accept_rollback(
    ledger: Ledger,
    rollback_ids: Sequence[str],
    *,
    actor: Actor,
    comment: str = "",
    target: MemoryTarget | None = None,
) -> Accepted:
    """Agree to requested rollbacks and carry them out, all in one append.

    Each plan is made again here; one that would change something else than was requested is
    refused.

    Raises:
        LedgerError: no such request.
        SelfReviewError: the actor asked for it.
        IllegalTransitionError: it was carried out before, or a newer request stands.
        AppendConflictError: what would change has changed: it must be requested again.
        RollbackError: the version cannot be stood on any more, or no request was named.
        NotAuthorisedError: the actor is no person, or no engineer or officer.

    Side effects: appends ``rollback.accepted`` and ``rollback.applied`` for each; a refusal is
    recorded.
    """
    known = [ledger.state.rollbacks.get(one) for one in rollback_ids]
    scope = next((one.scope for one in known if one is not None), Scope())
    about = f"rollback:{rollback_ids[0] if rollback_ids else ''}"
    with recording(ledger, "rollback accept", about, actor=actor, scope=scope):
        require_role(ledger.state, actor, "engineer", "officer")
        if not rollback_ids:
            raise RollbackError("no rollback was named", hint="palimpsest rollback list")
        plans, drafts = [], []
        for rollback_id in dict.fromkeys(rollback_ids):
            accepted = RollbackAccepted(rollback_id=rollback_id, comment=comment)
            request = ledger.state.rollbacks.get(rollback_id)
            if request is None or request.status != "requested":
                # Refused by the rules inside the append, which know why.
                drafts.append(EventDraft(accepted, actor, scope))
                continue
            plan = requested_plan(ledger, request, target)
            applied = _applied(ledger, plan, request.scope, request=request)
            drafts.append(EventDraft(accepted, actor, request.scope))
            drafts.append(EventDraft(applied, actor, request.scope))
            plans.append(plan)
        return Accepted(tuple(plans), ledger.append(drafts))


def decline_rollback(
    ledger: Ledger, rollback_id: str, *, actor: Actor, comment: str = ""
) -> Receipt:
    """Do not agree to a requested rollback, or take one's own request back.

    Raises:
        LedgerError: no such request.
        IllegalTransitionError: it waits for no answer.
        NotAuthorisedError: the actor is no person, or no engineer or officer.

    Side effects: appends ``rollback.declined``; a refusal is recorded.
    """
    request = ledger.state.rollbacks.get(rollback_id)
    scope = request.scope if request is not None else Scope()
    about = f"rollback:{rollback_id}"
    with recording(ledger, "rollback decline", about, actor=actor, scope=scope):
        require_role(ledger.state, actor, "engineer", "officer")
        payload = RollbackDeclined(rollback_id=rollback_id, comment=comment)
        return ledger.append([EventDraft(payload, actor, scope)])


def requested_plan(
    ledger: Ledger, request: RollbackState, target: MemoryTarget | None = None
) -> RollbackPlan:
    """What a request would do now, to its own agent.

    Raises:
        RollbackError: its version cannot be stood on any more.
    """
    asked = request.requested
    return plan_rollback(
        ledger, asked.to_seq, scope=asked.only_scope or request.scope,
        channel=asked.only_channel, target=target,
    )  # fmt: skip


def as_requested(ledger: Ledger, request: RollbackState, plan: RollbackPlan) -> bool:
    """Whether ``plan``, made for this request, still does exactly what was asked for."""
    applied = _applied(ledger, plan, request.scope, request=request)
    return plan_digest(ledger.state, applied) == request.requested.plan_digest


def acceptors(state: State, requester: Actor) -> tuple[str, ...]:
    """People whose roles let them accept what ``requester`` asked for."""
    able = {"engineer", "officer", "admin"}
    return tuple(
        principal
        for principal, roles in sorted(state.roles.items())
        if roles & able and principal != str(requester) and principal.startswith("human:")
    )


def standing(state: State, request: RollbackState) -> str:
    """``requested``, ``applied``, ``declined`` or, when a newer one took its place, ``lapsed``."""
    if request.status == "requested" and not newest(state, request):
        return "lapsed"
    return request.status


# --- helpers ---------------------------------------------------------------------------


def _about(plan: RollbackPlan) -> str:
    return f"version:{plan.to_seq}"


def _verify_may(ledger: Ledger, plan: RollbackPlan, actor: Actor, reason_code: str) -> None:
    require_role(ledger.state, actor, "engineer", "officer")
    require_reason("rollback", reason_code)
    if plan.empty:
        raise RollbackError(f"the memory already stands as at version {plan.to_seq}")
    if ledger.state.seq != plan.seq and not _still(ledger, plan):
        raise AppendConflictError(
            f"the ledger moved from version {plan.seq} to {ledger.state.seq} meanwhile, "
            "and something else would change now",
            hint="plan the rollback again",
        )


def _still(ledger: Ledger, plan: RollbackPlan) -> bool:
    """Whether a plan made at an earlier version would still change exactly the same."""
    now = plan_rollback(ledger, plan.to_seq, scope=plan.scope, channel=plan.channel)
    served = [[(one.shard_id, one.before, one.after) for one in each.shards]
              for each in (now, plan)]  # fmt: skip
    return now.entries == plan.entries and served[0] == served[1]


def _rollback_id(ledger: Ledger, plan: RollbackPlan, agent: Scope) -> str:
    return f"rollback-{ledger.keyed(f'{plan.seq}:{plan.to_seq}:{agent}')[:12]}"


def _applied(
    ledger: Ledger,
    plan: RollbackPlan,
    agent: Scope,
    *,
    reason_code: str = "-",
    comment: str = "",
    request: RollbackState | None = None,
) -> RollbackApplied:
    """The part of a plan that concerns one agent, as the event that carries it out."""
    return RollbackApplied(
        rollback_id=(
            request.requested.rollback_id if request else _rollback_id(ledger, plan, agent)
        ),
        to_seq=plan.to_seq,
        entries=[
            EntryChange(entry_id=move.entry_id, before=move.before, after=move.after)
            for move in plan.entries
            if _agent(move.scope) == agent
        ],
        shards=[
            ShardChange(shard_id=move.shard_id, before=move.before, after=move.after)
            for move in plan.shards
            if _agent(move.scope) == agent
        ],
        reason_code=request.requested.reason_code if request else reason_code,
        comment=request.requested.comment if request else comment,
        request_id=request.requested.rollback_id if request else None,
    )


def _entry_move(entry: EntryState, to_seq: int) -> EntryMove | None:
    then = entry.as_of(to_seq)
    if then is None:
        if entry.status in _STAYS_ENDED:
            return None
        return _move(entry, "revoked", entry.version)
    if replace(then, history=entry.history) == entry:
        return None
    return _move(entry, then.status, then.version, queued=_queued(then))


def _move(entry: EntryState, after: Status, version: int, *, queued: bool = False) -> EntryMove:
    acts, acted = after == "active", entry.status == "active"
    facts: dict[Effect, bool] = {
        "acts again": acts and (not acted or version != entry.version),
        "stops acting": acted and not acts,
        "returns to the queue": queued and not _queued(entry),
        "leaves the queue": _queued(entry) and not queued,
    }
    effects = tuple(effect for effect, holds in facts.items() if holds)
    return EntryMove(
        entry.entry_id, entry.scope, entry.channel, entry.status, after,
        entry.version, version, effects or ("changes otherwise",),
        undoes_refusal=entry.status in {"rejected", "revoked"} and after in IN_FORCE,
    )  # fmt: skip


def _queued(entry: EntryState) -> bool:
    return entry.status == "quarantined" or (entry.in_review and entry.status == "verified")


def _shard_move(
    state: State, shard: ShardState, to_seq: int, target: MemoryTarget | None
) -> ShardMove | None:
    after = servable_at(state, shard, to_seq)
    if after == shard.active:
        return None
    intact = target.adapter_intact(after) if target is not None and after is not None else None
    holds_erased = after != shard.active_at(to_seq)
    return ShardMove(shard.shard_id, shard.scope, shard.active, after, intact, holds_erased)


def _verify_stands(state: State, plan: RollbackPlan) -> None:
    """A version inside an append can be one in which an adapter holds a card already gone."""
    after = {move.entry_id: move.after for move in plan.entries}
    for move in plan.shards:
        for ref in state.adapters[move.after].cards if move.after else ():
            status = after.get(ref.entry_id) or state.entries[ref.entry_id].status
            if status not in IN_FORCE:
                raise RollbackError(
                    f"at version {plan.to_seq} adapter {str(move.after)[:12]} would hold "
                    f"{ref.entry_id}, which is {status}",
                    hint="that version lies inside one append: choose the one before or after; "
                    "or roll back both channels and all of the agent",
                )


def _covers(scope: Scope | None, owned: Scope) -> bool:
    """A user's rollback leaves alone what belongs to nobody in particular."""
    if scope is None:
        return True
    same_agent = (scope.tenant, scope.agent) == (owned.tenant, owned.agent)
    return same_agent and scope.user in {"", owned.user}


def _agent(scope: Scope) -> Scope:
    return Scope(tenant=scope.tenant, agent=scope.agent)


def _agents(plan: RollbackPlan) -> Sequence[Scope]:
    moves: Iterable[EntryMove | ShardMove] = (*plan.entries, *plan.shards)
    return list({str(_agent(move.scope)): _agent(move.scope) for move in moves}.values())
