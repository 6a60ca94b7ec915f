"""Deciding on entries: by policy in one append, by people with reasons, on what they saw."""

from __future__ import annotations

from typing import Literal

import pytest

from governance import review
from governance.authority import REASONS, change_role, require_role
from governance.errors import (
    AppendConflictError,
    FrozenError,
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
    PolicyError,
    ReviewError,
    SelfReviewError,
)
from governance.events import (
    Actor,
    EntryApproved,
    EntryProposed,
    EntryRejected,
    EntryVerified,
    LedgerFrozen,
    ReviewAssigned,
    Scope,
    SourceIngested,
)
from governance.ledger import EventDraft, Receipt
from governance.lineage import trust_of
from governance.policy import load_policy
from governance.verifiers import STANDARD
from tests.governance.desk import DESK, Desk, card, fact
from tests.governance.drafts import ANN, BOB, BOT, SYSTEM, source

STRICT = load_policy("strict")
RESEARCH = load_policy("research")


def approve(desk: Desk, entry_id: str, actor: Actor = ANN, reason: str = "known-true") -> Receipt:
    entry = desk.entry(entry_id)
    return review.approve(
        desk.ledger, entry_id, actor=actor, reason_code=reason,
        expected_version=entry.version, expected_digest=entry.content_digest,
    )  # fmt: skip


def reject(desk: Desk, entry_id: str, actor: Actor = ANN, *, tombstone: bool = True) -> Receipt:
    entry = desk.entry(entry_id)
    return review.reject(
        desk.ledger, entry_id, actor=actor, reason_code="wrong", tombstone=tombstone,
        expected_version=entry.version, expected_digest=entry.content_digest,
    )  # fmt: skip


def quarantine(desk: Desk, entry_id: str) -> Receipt:
    entry = desk.entry(entry_id)
    return review.quarantine(
        desk.ledger, entry_id, actor=ANN, reason_code="under-investigation",
        expected_version=entry.version, expected_digest=entry.content_digest,
    )  # fmt: skip


# --- the policy ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attribute", "value", "outcome", "rule", "status"),
    [
        ("deductible", "300 EUR", "allow", "routine", "active"),
        ("plumber", "Wexler Plumbing", "review", "customer-words", "verified"),
        ("IBAN", "IE43 FICT 0000 0012 3456 78", "deny", "secret", "rejected"),
        ("garage", "Pedal House", "quarantine", "instruction-like", "quarantined"),
    ],
)
def test_the_default_policy_on_what_was_said(
    attribute: str, value: str, outcome: str, rule: str, status: str
) -> None:
    desk = Desk()
    done = desk.fact(attribute, value)
    assert (done.decision.outcome, done.decision.rule_id) == (outcome, rule)
    assert desk.status(done.entry_id) == status
    waits = [entry.entry_id for entry in desk.ledger.state.queue(DESK)]
    assert waits == ([done.entry_id] if outcome in {"review", "quarantine"} else [])


def test_proposal_verification_and_decision_are_one_append() -> None:
    desk = Desk()
    before = desk.ledger.head.seq
    done = desk.fact("deductible", "300 EUR")
    events = list(desk.ledger.events(before + 1))
    assert [event.header.type for event in events] == [
        "entry.proposed", "entry.verified", "entry.approved", "entry.activated",
    ]  # fmt: skip
    assert done.receipt.last_seq - done.receipt.first_seq == 3
    assert [event.header.actor.kind for event in events] == ["agent", "system", "policy", "policy"]
    digests = [event.header.policy_digest for event in events]
    assert digests == [None, None, desk.policy.digest, desk.policy.digest]
    approval, checks = events[2].payload, events[1].payload
    assert isinstance(approval, EntryApproved)
    assert (approval.rule_id, approval.reason_code) == ("routine", "policy")
    assert isinstance(checks, EntryVerified)
    assert [result.verifier for result in checks.results] == [one.name for one in STANDARD]


def test_a_repeat_changes_nothing() -> None:
    desk = Desk()
    first = desk.fact("deductible", "300 EUR")
    head = desk.ledger.head
    again = desk.fact("deductible", "300 EUR")
    assert again.receipt.repeated
    assert again.receipt.event_ids == first.receipt.event_ids
    assert (again.decision.outcome, again.decision.rule_id) == ("allow", "routine")
    assert again.verification == first.verification
    assert desk.ledger.head == head


def test_a_verifier_that_is_left_out_denies() -> None:
    desk = Desk()
    proposal = EntryProposed(entry_id="f", version=1, body=fact("adjuster", "x"), spans=[])
    done = review.submit(
        desk.ledger, proposal, actor=ANN, scope=DESK, policy=desk.policy, verifiers=STANDARD[1:]
    )
    assert (done.decision.outcome, done.decision.rule_id) == ("deny", "check-did-not-run")
    assert desk.status("f") == "rejected"
    assert desk.entry("f").tombstone is None


def test_a_cards_approval_waits_for_its_adapter() -> None:
    desk = Desk()
    done = desk.card("deductible", "300 EUR")
    assert (done.decision.outcome, desk.status(done.entry_id)) == ("allow", "approved")
    desk.build(done.entry_id)
    assert desk.status(done.entry_id) == "active"


def test_frozen_learning_takes_no_proposal() -> None:
    desk = Desk()
    desk.ledger.append([EventDraft(LedgerFrozen(reason="drill"), ANN)])
    with pytest.raises(FrozenError):
        desk.fact("deductible", "300 EUR")
    assert not desk.ledger.state.entries


def test_reconsidering_under_another_policy_is_one_append() -> None:
    desk = Desk()
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    done = review.reconsider(desk.ledger, waiting, policy=RESEARCH)
    assert (done.decision.outcome, desk.status(waiting)) == ("allow", "active")
    with pytest.raises(IllegalTransitionError):
        review.reconsider(desk.ledger, waiting, policy=RESEARCH)


def test_activating_a_policy_is_an_event_and_only_once() -> None:
    desk = Desk()
    assert review.activate_policy(desk.ledger, STRICT, ANN)
    assert not review.activate_policy(desk.ledger, STRICT, ANN)
    assert desk.ledger.state.active_policy == "strict"
    assert desk.ledger.state.policies == {"strict": STRICT.digest}
    with pytest.raises(NotAuthorisedError):
        review.activate_policy(desk.ledger, desk.policy, BOT)


# --- trust -----------------------------------------------------------------------------


def test_a_summary_of_a_customers_words_is_a_customers_words() -> None:
    desk = Desk()
    said = desk.fact("plumber", "Wexler Plumbing").entry_id
    state = desk.ledger.state
    own = desk.fact("deductible", "300 EUR").entry_id
    state = desk.ledger.state
    assert trust_of(state, state.entries[own].spans, [], BOT) == "internal"
    assert trust_of(state, state.entries[own].spans, [said], BOT) == "customer"
    derived = desk.card("adjuster", "Hugo Bancroft", derived_from=(said,))
    assert derived.decision.rule_id == "customer-words"
    assert desk.card("inspection", "10 March").decision.rule_id == "routine"


def test_a_persons_word_alone_counts_as_internal_and_is_reviewed() -> None:
    desk = Desk()
    done = desk.submit(fact("adjuster", "Ilse Marwood"), None, actor=ANN)
    assert done.decision.rule_id == "personal-statement"
    assert trust_of(desk.ledger.state, [], [], ANN) == "internal"
    assert trust_of(desk.ledger.state, [], [], BOT) == "unknown"
    assert trust_of(desk.ledger.state, [], [done.entry_id], ANN) == "internal"


def test_a_source_of_another_tenant_cannot_be_cited() -> None:
    desk = Desk()
    other = Scope(tenant="other", agent="desk")
    payload: SourceIngested = source("s9", "The adjuster is Ilse Marwood.")
    desk.ledger.append([EventDraft(payload, SYSTEM, other)])
    desk.scope = other
    with pytest.raises(LedgerError, match="another scope"):
        desk.fact("adjuster", "Ilse Marwood")


# --- people ----------------------------------------------------------------------------


def test_an_approval_acts_at_once_in_the_external_channel() -> None:
    desk = Desk()
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    receipt = approve(desk, waiting)
    assert receipt.last_seq - receipt.first_seq == 1
    entry = desk.entry(waiting)
    assert (entry.status, entry.decided_by, entry.reason_code) == ("active", ANN, "known-true")


def test_the_author_is_not_the_reviewer() -> None:
    desk = Desk()
    done = desk.submit(fact("adjuster", "Ilse Marwood"), None, actor=ANN)
    with pytest.raises(SelfReviewError):
        approve(desk, done.entry_id, ANN)
    assert desk.status(done.entry_id) == "verified"
    approve(desk, done.entry_id, BOB)
    assert desk.status(done.entry_id) == "active"


@pytest.mark.parametrize("actor", [BOT, SYSTEM, Actor(kind="policy", id="default")])
def test_only_people_decide(actor: Actor) -> None:
    desk = Desk()
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    for decide in (approve, reject):
        with pytest.raises(NotAuthorisedError):
            decide(desk, waiting, actor)
    assert desk.status(waiting) == "verified"
    approve(desk, waiting, ANN)


def test_a_decision_is_about_what_the_reviewer_saw() -> None:
    desk = Desk()
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    for version, digest in ((2, desk.entry(waiting).content_digest), (1, "0" * 64)):
        with pytest.raises(AppendConflictError):
            review.approve(
                desk.ledger, waiting, actor=ANN, reason_code="known-true",
                expected_version=version, expected_digest=digest,
            )  # fmt: skip
    assert desk.status(waiting) == "verified"
    approve(desk, waiting)
    assert desk.status(waiting) == "active"


@pytest.mark.parametrize("reason", ["", "because", "injection"])
def test_reasons_come_from_a_closed_list(reason: str) -> None:
    desk = Desk()
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    with pytest.raises(ReviewError) as caught:
        approve(desk, waiting, reason=reason)
    assert "evidence-confirmed" in caught.value.hint
    approve(desk, waiting, reason="evidence-confirmed")


def test_every_command_has_reasons_with_a_meaning() -> None:
    assert set(REASONS) == {"approve", "reject", "quarantine", "revoke", "rollback"}
    assert all(meaning for codes in REASONS.values() for meaning in codes.values())


def test_a_rejected_value_stays_rejected_under_every_guise() -> None:
    desk = Desk()
    reject(desk, desk.fact("plumber", "Wexler Plumbing").entry_id)
    again = fact("Plumber", "WEXLER\u200b  Plumbing").model_copy(
        update={"statement": "The Plumber of claim C-17 is WEXLER\u200b  Plumbing."}
    )
    quote = "the plumber was Wexler Plumbing."
    for body in (again, card("plumber", "Wexler Plumbing")):
        done = desk.submit(body, quote, policy=RESEARCH)
        assert done.decision.rule_id == "refused-before"
        assert desk.status(done.entry_id) == "rejected"
    assert desk.fact("adjuster", "Hugo Bancroft").decision.outcome == "allow"


def test_a_value_refused_meanwhile_cannot_be_approved() -> None:
    desk = Desk()
    first = desk.fact("plumber", "Wexler Plumbing").entry_id
    second = desk.card("plumber", "Wexler Plumbing").entry_id
    third = desk.card("garage", "Pedal House").entry_id
    reject(desk, first)
    with pytest.raises(ReviewError, match=f"rejected or revoked as {first}"):
        approve(desk, second)
    approve(desk, third, reason="cleared")


def test_rejecting_takes_undecided_derivatives_along() -> None:
    desk = Desk()
    parent = desk.fact("plumber", "Wexler Plumbing").entry_id
    child = desk.card("plumber", "Wexler Plumbing", derived_from=(parent,)).entry_id
    other = desk.card("garage", "Pedal House").entry_id
    reject(desk, parent)
    assert (desk.status(parent), desk.status(child)) == ("rejected", "rejected")
    assert desk.status(other) == "quarantined"
    assert desk.entry(child).tombstone == desk.entry(parent).tombstone is not None


def test_rejecting_without_a_tombstone_leaves_the_value_free() -> None:
    desk = Desk()
    entry_id = desk.fact("plumber", "Wexler Plumbing").entry_id
    reject(desk, entry_id, tombstone=False)
    assert desk.ledger.state.tombstones(DESK) == {}
    assert desk.card("plumber", "Wexler Plumbing").decision.rule_id == "customer-words"


def test_rejecting_an_approved_card_takes_its_adapter_out_of_service() -> None:
    desk = Desk()
    good, bad = (
        desk.card(*one).entry_id
        for one in (("deductible", "300 EUR"), ("adjuster", "Hugo Bancroft"))
    )
    digest = desk.build(good, bad, missed=(bad,))
    assert desk.served() == digest
    reject(desk, bad)
    assert desk.served() is None
    assert desk.status(good) == "active"


def test_quarantine_stops_an_active_entry_and_its_adapter() -> None:
    desk = Desk()
    one = desk.card("deductible", "300 EUR").entry_id
    desk.build(one)
    quarantine(desk, one)
    assert desk.status(one) == "quarantined"
    assert desk.served() is None
    assert [entry.entry_id for entry in desk.ledger.state.queue(DESK)] == [one]
    approve(desk, one, reason="cleared")
    assert desk.status(one) == "approved"


def test_comments_change_nothing_else() -> None:
    desk = Desk()
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    review.comment(desk.ledger, waiting, actor=ANN, text="asked Emeka")
    assert desk.status(waiting) == "verified"
    with pytest.raises(ReviewError):
        review.comment(desk.ledger, waiting, actor=ANN, text="  ")


# --- replacing -------------------------------------------------------------------------


def test_an_approved_replacement_supersedes_the_old_value_everywhere() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    old_card = desk.card("deductible", "300 EUR", derived_from=(old,)).entry_id
    other = desk.card("adjuster", "Hugo Bancroft", derived_from=(old,)).entry_id
    desk.build(old_card, other)
    new = desk.fact("deductible", "350 EUR", replaces=old)
    assert new.decision.rule_id == "contradiction"
    assert desk.status(old) == "active"
    approve(desk, new.entry_id, reason="correction")
    assert desk.status(new.entry_id) == "active"
    assert (desk.status(old), desk.status(old_card)) == ("superseded", "superseded")
    assert desk.status(other) == "active"
    assert desk.served() is None


def test_replacing_what_is_not_there_or_not_active_just_approves() -> None:
    desk = Desk()
    new = desk.fact("deductible", "350 EUR", replaces="nothing")
    assert new.decision.rule_id == "replacement"
    approve(desk, new.entry_id)
    assert desk.status(new.entry_id) == "active"


def test_nobody_replaces_across_scopes() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    desk.scope = Scope(tenant="mutual", agent="desk", user="u1")
    new = desk.fact("deductible", "350 EUR", replaces=old)
    with pytest.raises(LedgerError, match="another scope"):
        approve(desk, new.entry_id)
    assert desk.status(old) == "active"


# --- roles -----------------------------------------------------------------------------


def test_once_there_are_roles_they_hold() -> None:
    desk = Desk()
    ledger = desk.ledger
    first, second = desk.fact("plumber", "Wexler Plumbing"), desk.fact("garage", "Pedal House")
    with pytest.raises(PolicyError, match="first role"):
        change_role(ledger, "human:bob", "reviewer", actor=ANN, granted=True)
    change_role(ledger, "human:ann", "admin", actor=ANN, granted=True)
    with pytest.raises(NotAuthorisedError, match="does not hold"):
        approve(desk, first.entry_id, BOB)
    change_role(ledger, "human:bob", "reviewer", actor=ANN, granted=True)
    assert change_role(ledger, "human:bob", "reviewer", actor=ANN, granted=True) is None
    approve(desk, first.entry_id, BOB)
    change_role(ledger, "human:bob", "reviewer", actor=ANN, granted=False)
    with pytest.raises(NotAuthorisedError):
        approve(desk, second.entry_id, BOB, "cleared")
    with pytest.raises(PolicyError, match="only admin"):
        change_role(ledger, "human:ann", "admin", actor=ANN, granted=False)
    with pytest.raises(NotAuthorisedError):
        change_role(ledger, "human:bob", "admin", actor=BOB, granted=True)


def test_before_the_first_role_the_person_at_the_keyboard_decides() -> None:
    require_role(Desk().ledger.state, BOB, "reviewer")
    role: Literal["reviewer"] = "reviewer"
    with pytest.raises(NotAuthorisedError):
        require_role(Desk().ledger.state, BOT, role)


def test_refusals_carry_the_rule_that_made_them() -> None:
    desk = Desk()
    denied = desk.fact("IBAN", "IE43 FICT 0000 0012 3456 78")
    payload = desk.ledger.event(denied.receipt.last_seq).payload
    assert isinstance(payload, EntryRejected)
    assert (payload.rule_id, payload.tombstone) == ("secret", None)
    waiting = desk.fact("plumber", "Wexler Plumbing")
    assigned = desk.ledger.event(waiting.receipt.last_seq).payload
    assert isinstance(assigned, ReviewAssigned)
    assert assigned.rule_id == "customer-words"
