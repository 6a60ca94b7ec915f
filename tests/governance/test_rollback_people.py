"""A rollback by two people: who may ask, who may agree, and to what."""

from __future__ import annotations

import pytest

from governance.errors import (
    AppendConflictError,
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
    RollbackError,
    SelfReviewError,
)
from governance.events import (
    EntryErased,
    PolicyActivated,
    PolicyTerms,
    RoleGranted,
    RollbackAccepted,
    RollbackApplied,
    RollbackDeclined,
    RollbackRequested,
    Scope,
)
from governance.ledger import EventDraft
from governance.rollback import (
    Requested,
    accept_rollback,
    as_requested,
    decline_rollback,
    plan_rollback,
    request_rollback,
    requested_plan,
    rollback,
    standing,
)
from governance.rollback_rules import servable_at
from tests.governance.desk import Desk, fact
from tests.governance.drafts import ANN, BOB, BOT, POLICY, header
from tests.governance.test_refusals import refusals
from tests.governance.test_rollback import standing as stands


def two_people(desk: Desk, people: int = 2) -> None:
    payload = PolicyActivated(
        name="default", digest="d", text="t", terms=PolicyTerms(rollback_people=people)
    )
    desk.ledger.append([EventDraft(payload, ANN)])


def asked(desk: Desk, to_seq: int) -> Requested:
    plan = plan_rollback(desk.ledger, to_seq)
    return request_rollback(desk.ledger, plan, actor=ANN, reason_code="drill", comment="why")


def learned() -> tuple[Desk, int]:
    """A desk under a policy that asks for two people, and the version before it learned."""
    desk = Desk()
    two_people(desk)
    then = desk.ledger.head.seq
    desk.fact("deductible", "300 EUR")
    desk.build(desk.card("adjuster", "Hugo Bancroft").entry_id)
    return desk, then


def test_one_asks_another_accepts_and_it_can_be_undone_exactly() -> None:
    desk, then = learned()
    head, before = desk.ledger.head.seq, stands(desk.ledger.state)
    plan = plan_rollback(desk.ledger, then)
    with pytest.raises(NotAuthorisedError, match="two people"):
        rollback(desk.ledger, plan, actor=ANN, reason_code="drill")
    requested = asked(desk, then)
    assert stands(desk.ledger.state) == before
    accepted = accept_rollback(desk.ledger, requested.rollback_ids, actor=BOB, comment="seen")
    first, last = accepted.receipt.first_seq, accepted.receipt.last_seq
    accepting, applying = desk.ledger.events(first, last)
    assert isinstance(accepting.payload, RollbackAccepted)
    assert isinstance(applying.payload, RollbackApplied)
    assert applying.payload.request_id == requested.rollback_ids[0]
    assert (applying.payload.comment, accepting.payload.comment) == ("why", "seen")
    assert stands(desk.ledger.state) == stands(desk.ledger.state_at(then))
    again = asked(desk, head)
    accept_rollback(desk.ledger, again.rollback_ids, actor=BOB)
    assert stands(desk.ledger.state) == before
    assert accepted.missing_adapters == ()
    assert [one.error for one in refusals(desk.ledger)] == ["NotAuthorisedError"]


def test_who_asked_does_not_accept_nor_does_a_machine() -> None:
    desk, then = learned()
    requested = asked(desk, then)
    with pytest.raises(SelfReviewError):
        accept_rollback(desk.ledger, requested.rollback_ids, actor=ANN)
    with pytest.raises(NotAuthorisedError):
        accept_rollback(desk.ledger, requested.rollback_ids, actor=BOT)
    accepted = RollbackAccepted(rollback_id=requested.rollback_ids[0])
    with pytest.raises(NotAuthorisedError, match="not a person"):
        desk.ledger.append([EventDraft(accepted, POLICY, desk.scope)])
    with pytest.raises(LedgerError, match="another agent"):
        desk.ledger.append([EventDraft(accepted, BOB, Scope(tenant="other"))])
    accept_rollback(desk.ledger, requested.rollback_ids, actor=BOB)


def test_another_plan_must_be_asked_for_again() -> None:
    desk, then = learned()
    requested = asked(desk, then)
    desk.fact("inspection", "10 March")
    with pytest.raises(AppendConflictError, match="something else"):
        accept_rollback(desk.ledger, requested.rollback_ids, actor=BOB)
    again = asked(desk, then)
    accept_rollback(desk.ledger, again.rollback_ids, actor=BOB)
    assert stands(desk.ledger.state) == stands(desk.ledger.state_at(then))


def test_of_several_requests_the_newest_stands_and_only_once() -> None:
    desk, then = learned()
    older, newer = asked(desk, then), asked(desk, then)
    found = desk.ledger.state.rollbacks
    assert [standing(desk.ledger.state, one) for one in found.values()] == ["lapsed", "requested"]
    with pytest.raises(IllegalTransitionError, match="lapsed"):
        accept_rollback(desk.ledger, older.rollback_ids, actor=BOB)
    accept_rollback(desk.ledger, newer.rollback_ids, actor=BOB)
    with pytest.raises(IllegalTransitionError, match="applied already"):
        accept_rollback(desk.ledger, newer.rollback_ids, actor=BOB)
    with pytest.raises(LedgerError, match="never requested"):
        accept_rollback(desk.ledger, ["rollback-none"], actor=BOB)
    with pytest.raises(RollbackError, match="no rollback was named"):
        accept_rollback(desk.ledger, [], actor=BOB)
    assert standing(desk.ledger.state, found[newer.rollback_ids[0]]) == "requested"  # as it was


def test_a_declined_request_moves_nothing_and_is_over() -> None:
    desk, then = learned()
    head, before = desk.ledger.head.seq, stands(desk.ledger.state)
    (name,) = asked(desk, then).rollback_ids
    with pytest.raises(NotAuthorisedError):
        decline_rollback(desk.ledger, name, actor=BOT)
    declined = RollbackDeclined(rollback_id=name)
    with pytest.raises(NotAuthorisedError, match=r"may not append rollback\.declined"):
        desk.ledger.append([EventDraft(declined, BOT, desk.scope)])
    receipt = decline_rollback(desk.ledger, name, actor=BOB, comment="the new value is right")
    (event,) = desk.ledger.events(receipt.first_seq)
    assert isinstance(event.payload, RollbackDeclined)
    assert event.payload.comment == "the new value is right"
    assert stands(desk.ledger.state) == before
    request = desk.ledger.state.rollbacks[name]
    assert (standing(desk.ledger.state, request), request.answered_by) == ("declined", BOB)
    for again in (BOB, ANN):
        with pytest.raises(IllegalTransitionError, match="declined already"):
            decline_rollback(desk.ledger, name, actor=again)
    with pytest.raises(IllegalTransitionError, match="declined already"):
        accept_rollback(desk.ledger, [name], actor=BOB)
    with pytest.raises(LedgerError, match="never requested"):
        decline_rollback(desk.ledger, "rollback-none", actor=BOB)
    (own,) = asked(desk, then).rollback_ids
    decline_rollback(desk.ledger, own, actor=ANN)
    (third,) = asked(desk, then).rollback_ids
    accept_rollback(desk.ledger, [third], actor=BOB)
    assert stands(desk.ledger.state) == stands(desk.ledger.state_at(then))
    assert desk.ledger.head.seq > head


def test_whoever_is_asked_sees_whether_it_is_still_what_was_asked_for() -> None:
    desk, then = learned()
    (name,) = asked(desk, then).rollback_ids
    request = desk.ledger.state.rollbacks[name]
    assert as_requested(desk.ledger, request, requested_plan(desk.ledger, request))
    desk.fact("inspection", "10 March")
    assert not as_requested(desk.ledger, request, requested_plan(desk.ledger, request))


def test_nobody_goes_around_the_request() -> None:
    desk, then = learned()
    requested = asked(desk, then)
    name = requested.rollback_ids[0]
    applied = RollbackApplied(
        rollback_id=name, to_seq=then, entries=[], shards=[], reason_code="drill", request_id=name
    )
    with pytest.raises(IllegalTransitionError, match="not accepted"):
        desk.ledger.append([EventDraft(applied, BOB, desk.scope)])
    accepted = EventDraft(RollbackAccepted(rollback_id=name), BOB, desk.scope)
    with pytest.raises(AppendConflictError, match="something else"):
        desk.ledger.append([accepted, EventDraft(applied, BOB, desk.scope)])
    other = applied.model_copy(update={"to_seq": then - 1})
    with pytest.raises(LedgerError, match="was not requested"):
        desk.ledger.append([accepted, EventDraft(other, BOB, desk.scope)])
    accept_rollback(desk.ledger, [name], actor=BOB)


def test_requests_that_make_no_sense() -> None:
    desk, then = learned()
    asking = RollbackRequested(
        rollback_id="r", to_seq=then, only_scope=None, only_channel=None, plan_digest="p",
        reason_code="drill",
    )  # fmt: skip
    for machine in (BOT, POLICY):
        with pytest.raises(NotAuthorisedError, match=r"no person|not a person"):
            desk.ledger.append([EventDraft(asking, machine, desk.scope)])
    late = asking.model_copy(update={"to_seq": 9999})
    with pytest.raises(LedgerError, match="does not exist yet"):
        desk.ledger.append([EventDraft(late, ANN, desk.scope)])
    desk.ledger.append([EventDraft(asking, ANN, desk.scope)])
    with pytest.raises(LedgerError, match="requested already"):
        desk.ledger.append([EventDraft(asking, ANN, desk.scope)])


def test_two_agents_are_asked_for_apart_and_accepted_together() -> None:
    desk, then = learned()
    desk.scope = Scope(tenant="mutual", agent="other")
    desk.submit(fact("adjuster", "Ilse Marwood"), None, actor=ANN)
    requested = asked(desk, then)
    assert len(requested.rollback_ids) == 2
    accepted = accept_rollback(desk.ledger, requested.rollback_ids, actor=BOB)
    assert accepted.receipt.last_seq - accepted.receipt.first_seq == 3
    assert stands(desk.ledger.state) == stands(desk.ledger.state_at(then))


def test_whoever_may_accept_is_named() -> None:
    desk, then = learned()
    for principal, role in (("human:ann", "admin"), ("human:bob", "officer"),
                            ("human:cy", "reviewer")):  # fmt: skip
        granted = RoleGranted.model_validate({"principal": principal, "role": role})
        desk.ledger.append([EventDraft(granted, ANN)])
    assert asked(desk, then).acceptors == ("human:bob",)


def test_one_person_is_enough_where_the_policy_says_so() -> None:
    desk, then = learned()
    two_people(desk, 1)
    plan = plan_rollback(desk.ledger, then)
    desk.recall(answer="?")  # the log goes on, the plan is the same
    rollback(desk.ledger, plan, actor=ANN, reason_code="drill")
    assert stands(desk.ledger.state) == stands(desk.ledger.state_at(then))


def test_what_was_erased_stays_erased_and_its_adapter_is_not_served() -> None:
    desk = Desk()
    kept = desk.card("deductible", "300 EUR").entry_id
    gone = desk.card("adjuster", "Hugo Bancroft").entry_id
    both = desk.build(kept, gone)
    then = desk.ledger.head.seq
    desk.build(kept)
    plan = plan_rollback(desk.ledger, then)
    assert [(one.after, one.holds_erased) for one in plan.shards] == [(both, False)]
    erased = EntryErased(entry_id=gone, version=1, kind="card", erasure_id="x")
    state = desk.ledger.state.fork()
    state.apply(header(erased, state.seq + 1, ANN, desk.scope), erased)
    shard = state.shards["shard"]
    assert servable_at(state, shard, then) is None
    assert servable_at(state, shard, desk.ledger.head.seq) == shard.active
