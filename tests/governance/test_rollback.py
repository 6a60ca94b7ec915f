"""Going back to a version, and back again, exactly."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from governance import review
from governance.errors import (
    AppendConflictError,
    NotAuthorisedError,
    ReviewError,
    RollbackError,
)
from governance.events import Channel, ModuleChange, Scope
from governance.ledger import Receipt
from governance.ports import Progress, Settled
from governance.revocation import plan_revocation, revoke
from governance.rollback import RollbackPlan, plan_rollback, rollback
from governance.state import State
from tests.governance.desk import Desk, fact
from tests.governance.drafts import ANN, BOT


class Store:
    """A memory target that only knows which adapters it holds."""

    def __init__(self, *digests: str) -> None:
        self.digests = digests

    def settle(self, scope: Scope, progress: Progress | None = None) -> Sequence[Settled]:
        raise NotImplementedError

    def adapter_intact(self, digest: str) -> bool:
        return digest in self.digests

    def indexed(self, scope: Scope, entry_ids: Collection[str]) -> Sequence[str]:
        return []

    def index_digest(self, scope: Scope) -> str:
        raise NotImplementedError

    def answer_at(
        self, seq: int, scope: Scope, question: str, *, without: Collection[str] = ()
    ) -> str:
        raise NotImplementedError

    def forget(self, adapters: Collection[str]) -> None:
        raise NotImplementedError

    def weight_difference(self, first: str, second: str) -> Sequence[ModuleChange]:
        raise NotImplementedError


def standing(
    state: State, scope: Scope | None = None, channel: Channel | None = None
) -> dict[str, object]:
    """What acts or waits of a part: entries with their content, and adapters served."""
    entries = {
        one.entry_id: (one.status, one.version, one.content_digest, one.in_review,
                       one.adapter_digest, one.tombstone)
        for one in state.entries.values()
        if one.status not in {"rejected", "revoked", "superseded", "expired"}
        and within(scope, one.scope) and channel in {None, one.channel}
    }  # fmt: skip
    shards = {
        one.shard_id: one.active
        for one in state.shards.values()
        if one.active and within(scope, one.scope) and channel != "external"
    }
    return {**entries, **shards}


def within(scope: Scope | None, owned: Scope) -> bool:
    """Whether ``owned`` is of the agent, or of the user of it, that ``scope`` names."""
    if scope is None:
        return True
    return (scope.tenant, scope.agent, scope.user) in {
        (owned.tenant, owned.agent, ""), (owned.tenant, owned.agent, owned.user),
    }  # fmt: skip


def back(desk: Desk, to_seq: int) -> Receipt:
    plan = plan_rollback(desk.ledger, to_seq)
    return rollback(desk.ledger, plan, actor=ANN, reason_code="drill")


def approve(desk: Desk, entry_id: str, reason: str = "known-true") -> None:
    entry = desk.entry(entry_id)
    review.approve(
        desk.ledger, entry_id, actor=ANN, reason_code=reason,
        expected_version=entry.version, expected_digest=entry.content_digest,
    )  # fmt: skip


def taken_back(desk: Desk, entry_id: str) -> None:
    plan = plan_revocation(desk.ledger, entry_id)
    revoke(desk.ledger, plan, actor=ANN, reason_code="wrong")


def effects(plan: RollbackPlan) -> dict[str, str]:
    return {move.entry_id: ", ".join(move.effects) for move in plan.entries}


def test_the_memory_stands_as_it_stood() -> None:
    desk = Desk()
    kept = desk.fact("deductible", "300 EUR").entry_id
    card = desk.card("deductible", "300 EUR", derived_from=(kept,)).entry_id
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    odd = desk.fact("garage", "Pedal House").entry_id
    first = desk.build(card)
    then = desk.ledger.head.seq
    approve(desk, waiting)
    later = desk.card("adjuster", "Hugo Bancroft").entry_id
    second = desk.build(card, later)
    taken_back(desk, kept)
    plan = plan_rollback(desk.ledger, then, target=Store(first))
    assert effects(plan) == {
        kept: "acts again", card: "acts again", waiting: "stops acting, returns to the queue",
        later: "stops acting",
    }  # fmt: skip
    assert [(m.before, m.after, m.intact) for m in plan.shards] == [(None, first, True)]
    assert {m.entry_id for m in plan.entries if m.undoes_refusal} == {kept, card}
    assert plan.missing_adapters == ()
    back(desk, then)
    assert standing(desk.ledger.state) == standing(desk.ledger.state_at(then))
    assert [entry.entry_id for entry in desk.ledger.state.queue(desk.scope)] == [odd, waiting]
    assert (desk.status(later), desk.entry(later).tombstone) == ("revoked", None)
    assert second != first


def test_rolling_back_a_rollback_restores_the_same() -> None:
    desk = Desk()
    one = desk.card("deductible", "300 EUR").entry_id
    desk.build(one)
    then = desk.ledger.head.seq
    two = desk.card("adjuster", "Hugo Bancroft").entry_id
    desk.build(one, two)
    desk.fact("plumber", "Wexler Plumbing")
    taken_back(desk, one)
    later = desk.ledger.head.seq
    before = standing(desk.ledger.state)
    tombstones = desk.ledger.state.tombstones(desk.scope)
    assert tombstones
    back(desk, then)
    assert standing(desk.ledger.state) != before
    back(desk, later)
    assert standing(desk.ledger.state) == before
    assert desk.ledger.state.tombstones(desk.scope) == tombstones
    assert desk.ledger.state.shards["shard"].active is None


def test_a_preview_changes_nothing_and_a_rollback_is_one_event() -> None:
    desk = Desk()
    then = desk.ledger.head.seq
    desk.fact("deductible", "300 EUR")
    head = desk.ledger.head
    plan = plan_rollback(desk.ledger, then)
    assert desk.ledger.head == head
    assert len(plan.with_effect("stops acting")) == 1
    receipt = back(desk, then)
    assert receipt.first_seq == receipt.last_seq == head.seq + 1
    assert desk.ledger.event(receipt.first_seq).header.type == "rollback.applied"


def test_adapters_missing_from_the_store_are_flagged() -> None:
    desk = Desk()
    one = desk.card("deductible", "300 EUR").entry_id
    digest = desk.build(one)
    then = desk.ledger.head.seq
    taken_back(desk, one)
    assert plan_rollback(desk.ledger, then, target=Store()).missing_adapters == (digest,)
    assert plan_rollback(desk.ledger, then, target=Store(digest)).missing_adapters == ()
    assert plan_rollback(desk.ledger, then).shards[0].intact is None


def test_a_version_inside_an_append_cannot_stand() -> None:
    desk = Desk()
    one = desk.card("deductible", "300 EUR").entry_id
    desk.build(one)
    taken_back(desk, one)
    head = desk.ledger.head.seq
    desk.card("adjuster", "Hugo Bancroft")
    with pytest.raises(RollbackError, match="would hold"):
        plan_rollback(desk.ledger, head - 1)  # between entry.revoked and adapter.withdrawn
    plan_rollback(desk.ledger, head)


def test_one_scope_one_channel() -> None:
    desk = Desk()
    then = desk.ledger.head.seq
    text = desk.fact("deductible", "300 EUR").entry_id
    card = desk.card("adjuster", "Hugo Bancroft").entry_id
    desk.build(card)
    head = desk.ledger
    assert effects(plan_rollback(head, then, channel="external")) == {text: "stops acting"}
    weights = plan_rollback(head, then, channel="parametric")
    assert effects(weights) == {card: "stops acting"}
    assert [move.after for move in weights.shards] == [None]
    assert plan_rollback(head, then, channel="external").shards == ()
    nobody = plan_rollback(head, then, scope=Scope(tenant="other", agent="desk"))
    assert (nobody.entries, nobody.shards) == ((), ())
    user = plan_rollback(head, then, scope=desk.scope.model_copy(update={"user": "u1"}))
    assert user.entries == ()
    assert len(plan_rollback(head, then, scope=desk.scope).entries) == 2


def test_two_agents_get_one_event_each_in_one_append() -> None:
    desk = Desk()
    then = desk.ledger.head.seq
    desk.fact("deductible", "300 EUR")
    desk.scope = Scope(tenant="mutual", agent="other")
    desk.submit(fact("adjuster", "Ilse Marwood"), None, actor=ANN)
    receipt = back(desk, then)
    events = list(desk.ledger.events(receipt.first_seq, receipt.last_seq))
    assert [str(event.header.scope) for event in events] == ["mutual/desk", "mutual/other"]
    assert standing(desk.ledger.state) == standing(desk.ledger.state_at(then))


def test_bad_requests() -> None:
    desk = Desk()
    then = desk.ledger.head.seq
    with pytest.raises(RollbackError, match="does not exist"):
        plan_rollback(desk.ledger, then + 1)
    with pytest.raises(RollbackError, match="does not exist"):
        plan_rollback(desk.ledger, -1)
    with pytest.raises(RollbackError, match="already stands"):
        back(desk, then)
    desk.fact("deductible", "300 EUR")
    plan = plan_rollback(desk.ledger, then)
    with pytest.raises(ReviewError, match="reason"):
        rollback(desk.ledger, plan, actor=ANN, reason_code="")
    with pytest.raises(NotAuthorisedError):
        rollback(desk.ledger, plan, actor=BOT, reason_code="drill")
    desk.card("adjuster", "Hugo Bancroft")
    with pytest.raises(AppendConflictError, match="moved from version"):
        rollback(desk.ledger, plan, actor=ANN, reason_code="drill")
    back(desk, then)


def test_what_was_rejected_before_stays_rejected_and_keeps_its_tombstone() -> None:
    desk = Desk()
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    entry = desk.entry(waiting)
    review.reject(
        desk.ledger, waiting, actor=ANN, reason_code="wrong",
        expected_version=1, expected_digest=entry.content_digest,
    )  # fmt: skip
    then = desk.ledger.head.seq
    desk.fact("deductible", "300 EUR")
    back(desk, then)
    assert desk.status(waiting) == "rejected"
    assert desk.ledger.state.tombstones(desk.scope)
    again = desk.card("plumber", "Wexler Plumbing")
    assert again.decision.rule_id == "refused-before"
