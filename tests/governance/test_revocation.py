"""Taking an entry back with everything derived from it, each beside a twin that stays."""

from __future__ import annotations

import pytest

from governance.errors import (
    AppendConflictError,
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
    ReviewError,
)
from governance.events import (
    EntryProposed,
    EntryRevoked,
    MemoryRecalled,
    OutcomeRecorded,
    Scope,
)
from governance.ledger import EventDraft, Receipt
from governance.lineage import Carrier, carriers, closure
from governance.revocation import plan_revocation, residue, revoke, trace_use
from tests.governance.desk import DESK, Desk, fact
from tests.governance.drafts import ANN, BOT, ELSEWHERE


def taken_back(desk: Desk, entry_id: str, *, tombstone: bool = True) -> Receipt:
    plan = plan_revocation(desk.ledger, entry_id)
    return revoke(desk.ledger, plan, actor=ANN, reason_code="wrong", tombstone=tombstone)


def learned(desk: Desk) -> tuple[str, str, str]:
    """A fact, the card derived from it, and another card in the same adapter."""
    said = desk.fact("deductible", "300 EUR").entry_id
    own = desk.card("deductible", "300 EUR", derived_from=(said,)).entry_id
    twin = desk.card("adjuster", "Hugo Bancroft").entry_id
    desk.build(own, twin)
    return said, own, twin


def test_everything_derived_goes_in_one_append_and_the_twin_stays() -> None:
    desk = Desk()
    said, own, twin = learned(desk)
    digest = desk.ledger.state.shards["shard"].active
    plan = plan_revocation(desk.ledger, said)
    assert plan.entry_ids == (said, own)
    assert plan.carriers == (Carrier("shard", str(digest), (own,)),)
    assert residue(desk.ledger.state, [said])
    receipt = taken_back(desk, said)
    kinds = [e.header.type for e in desk.ledger.events(receipt.first_seq, receipt.last_seq)]
    assert kinds == ["entry.revoked", "entry.revoked", "adapter.withdrawn"]
    assert (desk.status(said), desk.status(own), desk.status(twin)) == (
        "revoked", "revoked", "active",
    )  # fmt: skip
    assert residue(desk.ledger.state, [said]) == ()
    assert desk.ledger.state.shards["shard"].active is None


def test_a_plan_changes_nothing_and_lists_the_prompts_and_answers() -> None:
    desk = Desk()
    said, own, twin = learned(desk)
    digest = desk.ledger.state.shards["shard"].active
    by_text = desk.recall(said)
    by_weights = desk.recall(digest=digest, answer="300 EUR it is")
    desk.recall(twin)
    head = desk.ledger.head
    plan = plan_revocation(desk.ledger, said)
    used = trace_use(desk.ledger, plan)
    assert desk.ledger.head == head
    assert plan.recalls == (by_text,)
    assert [use.seq for use in used] == [by_text, by_weights]
    assert [answer for use in used for _, answer in use.answers] == ["300 EUR", "300 EUR it is"]
    assert trace_use(desk.ledger, plan_revocation(desk.ledger, twin))[0].seq == by_weights
    assert own in plan.entry_ids


def test_an_answer_that_was_recorded_with_its_prompt_is_listed_too() -> None:
    """As the agent does it: one append, no causes; the answer to another prompt is another's."""
    desk = Desk()
    said, _, _ = learned(desk)
    for entry_id, answer in ((said, "300 EUR"), ("another", "none of it")):
        recalled = MemoryRecalled(
            recall_id=f"r-{entry_id}", purpose="answer", query="What is it?", entries=[entry_id]
        )
        outcome = OutcomeRecorded(
            task_id="t", run_id="r", arm="both", question="What is it?", answer=answer,
            expected=["300 EUR"], exact=False, f1_ppm=0, origin="ground_truth",
        )  # fmt: skip
        drafts = [EventDraft(one, BOT, desk.scope) for one in (recalled, outcome)]
        desk.ledger.append(drafts, key=f"answer:{entry_id}")
    (use,) = trace_use(desk.ledger, plan_revocation(desk.ledger, said))
    assert [answer for _, answer in use.answers] == ["300 EUR"]


def test_a_beginning_of_the_id_reaches_the_derivatives_too() -> None:
    desk = Desk()
    said, own, _ = learned(desk)
    assert plan_revocation(desk.ledger, said[:8]).entry_ids == (said, own)
    assert [entry.entry_id for entry in closure(desk.ledger.state, said[:8])] == [said, own]


def test_the_value_is_remembered_and_a_different_derivative_is_not() -> None:
    desk = Desk()
    said, own, _ = learned(desk)
    other = desk.card("inspection", "10 March", derived_from=(said,)).entry_id
    taken_back(desk, said)
    assert desk.status(other) == "revoked"
    assert desk.entry(said).tombstone == desk.entry(own).tombstone is not None
    assert desk.entry(other).tombstone is None
    again = desk.fact("deductible", "300 EUR", entry_id="fact-again")
    assert again.decision.rule_id == "refused-before"
    assert desk.fact("inspection", "10 March").decision.outcome == "allow"


def test_without_a_tombstone_the_value_may_be_learned_again() -> None:
    desk = Desk()
    said, _, _ = learned(desk)
    taken_back(desk, said, tombstone=False)
    assert desk.fact("deductible", "300 EUR", entry_id="fact-again").decision.outcome == "allow"


def test_undecided_derivatives_are_rejected_and_ended_ones_left_alone() -> None:
    desk = Desk()
    said, own, _ = learned(desk)
    waiting = desk.card("plumber", "Wexler Plumbing", derived_from=(said,)).entry_id
    taken_back(desk, own)
    history = desk.entry(own).history
    plan = plan_revocation(desk.ledger, said)
    assert [item.entry_id for item in plan.revoked] == [said]
    assert [item.entry_id for item in plan.rejected] == [waiting]
    taken_back(desk, said)
    assert desk.status(waiting) == "rejected"
    assert desk.entry(own).history == history


def test_what_says_the_same_elsewhere_is_named_and_stays() -> None:
    desk = Desk()
    said = desk.fact("deductible", "300 EUR").entry_id
    alone = desk.card("deductible", "300 EUR").entry_id
    assert plan_revocation(desk.ledger, said).same_value == (alone,)
    taken_back(desk, said)
    assert desk.status(alone) == "approved"


def test_only_what_acts_or_could_act_is_revoked() -> None:
    desk = Desk()
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    with pytest.raises(IllegalTransitionError) as caught:
        plan_revocation(desk.ledger, waiting)
    assert "review reject" in caught.value.hint
    said, _, _ = learned(desk)
    taken_back(desk, said)
    with pytest.raises(IllegalTransitionError, match="is revoked"):
        plan_revocation(desk.ledger, said)
    with pytest.raises(LedgerError, match="does not exist"):
        plan_revocation(desk.ledger, "nothing")


def test_a_quarantined_entry_can_be_revoked() -> None:
    desk = Desk()
    odd = desk.fact("garage", "Pedal House").entry_id
    taken_back(desk, odd)
    assert desk.status(odd) == "revoked"


def test_a_plan_that_no_longer_fits_is_refused() -> None:
    desk = Desk()
    said, _, _ = learned(desk)
    plan = plan_revocation(desk.ledger, said)
    late = desk.card("inspection", "10 March", derived_from=(said,)).entry_id
    with pytest.raises(AppendConflictError, match="changed since"):
        revoke(desk.ledger, plan, actor=ANN, reason_code="wrong")
    assert desk.status(said) == "active"
    desk.recall(late)
    plan = plan_revocation(desk.ledger, said)
    desk.recall(said)  # another use of it changes nothing that goes
    revoke(desk.ledger, plan, actor=ANN, reason_code="wrong")
    assert desk.status(late) == "revoked"


def test_who_may_revoke_and_why() -> None:
    desk = Desk()
    said, _, _ = learned(desk)
    plan = plan_revocation(desk.ledger, said)
    with pytest.raises(NotAuthorisedError):
        revoke(desk.ledger, plan, actor=BOT, reason_code="wrong")
    with pytest.raises(ReviewError, match="reason"):
        revoke(desk.ledger, plan, actor=ANN, reason_code="because")
    assert desk.status(said) == "active"
    with pytest.raises(NotAuthorisedError, match="outside"):
        plan_revocation(desk.ledger, said, reader=ELSEWHERE)
    assert plan_revocation(desk.ledger, said, reader=DESK).entry_ids


def test_a_closure_that_crosses_into_a_hidden_scope_is_refused() -> None:
    desk = Desk()
    said, _, _ = learned(desk)
    private = Scope(tenant=DESK.tenant, agent=DESK.agent, user="u1")
    copy = EntryProposed(
        entry_id="copy", version=1, body=fact("deductible", "300 EUR"), derived_from=[said]
    )
    desk.ledger.append([EventDraft(copy, ANN, private)])
    other = Scope(tenant=DESK.tenant, agent=DESK.agent, user="u2")
    with pytest.raises(NotAuthorisedError):
        plan_revocation(desk.ledger, said, reader=other)
    assert "copy" in plan_revocation(desk.ledger, said, reader=private).entry_ids
    taken_back(desk, said)
    assert desk.status("copy") == "rejected"


def test_the_decision_carries_reason_and_comment() -> None:
    desk = Desk()
    said, own, _ = learned(desk)
    plan = plan_revocation(desk.ledger, said)
    receipt = revoke(
        desk.ledger, plan, actor=ANN, reason_code="source-withdrawn", comment="wrong file"
    )
    payloads = [e.payload for e in desk.ledger.events(receipt.first_seq, receipt.last_seq)]
    notes = [(p.reason_code, p.comment) for p in payloads if isinstance(p, EntryRevoked)]
    assert notes == [
        ("source-withdrawn", "wrong file"), ("source-withdrawn", f"derived from {said}"),
    ]  # fmt: skip
    assert not carriers(desk.ledger.state, [said, own])
