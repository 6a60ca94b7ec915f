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
    RollbackApplied,
    Scope,
    ShardChange,
    Status,
)
from governance.ledger import EventDraft, Ledger, Receipt
from governance.lineage import ENDED, IN_FORCE
from governance.ports import MemoryTarget
from governance.state import EntryState, ShardState, State

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


@dataclass(frozen=True)
class RollbackPlan:
    """A preview by effect. Valid for the version it was made at."""

    to_seq: int
    seq: int
    entries: tuple[EntryMove, ...]
    shards: tuple[ShardMove, ...]

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
    entries = tuple(
        move
        for entry in state.entries.touched_since(to_seq)
        if _covers(scope, entry.scope) and channel in {None, entry.channel}
        if (move := _entry_move(entry, to_seq)) is not None
    )
    shards = tuple(
        _shard_move(shard, to_seq, target)
        for shard in state.shards.values()
        if _covers(scope, shard.scope) and channel != "external"
        if shard.active != shard.active_at(to_seq)
    )
    plan = RollbackPlan(to_seq, state.seq, entries, shards)
    _verify_stands(state, plan)
    return plan


def rollback(
    ledger: Ledger, plan: RollbackPlan, *, actor: Actor, reason_code: str, comment: str = ""
) -> Receipt:
    """Carry out a plan, in one append.

    Raises:
        RollbackError: there is nothing to change.
        AppendConflictError: the ledger moved on since the plan was made.
        ReviewError: unknown reason.
        NotAuthorisedError: the actor is no person, or no engineer or officer.

    Side effects: appends one ``rollback.applied`` per agent concerned.
    """
    require_role(ledger.state, actor, "engineer", "officer")
    require_reason("rollback", reason_code)
    if not plan.entries and not plan.shards:
        raise RollbackError(f"the memory already stands as at version {plan.to_seq}")
    if ledger.state.seq != plan.seq:
        raise AppendConflictError(
            f"the ledger moved from version {plan.seq} to {ledger.state.seq} meanwhile",
            hint="plan the rollback again",
        )
    drafts = [
        EventDraft(
            RollbackApplied(
                rollback_id=f"rollback-{ledger.keyed(f'{plan.seq}:{plan.to_seq}:{agent}')[:12]}",
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
                reason_code=reason_code,
                comment=comment,
            ),
            actor,
            agent,
        )
        for agent in _agents(plan)
    ]
    return ledger.append(drafts)


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


def _shard_move(shard: ShardState, to_seq: int, target: MemoryTarget | None) -> ShardMove:
    after = shard.active_at(to_seq)
    intact = target.adapter_intact(after) if target is not None and after is not None else None
    return ShardMove(shard.shard_id, shard.scope, shard.active, after, intact)


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
