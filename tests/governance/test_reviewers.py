"""The desk: approvals that wait, second people, claims, second thoughts, many at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from governance import housekeeping, review, reviewers
from governance.errors import (
    AppendConflictError,
    ClaimedError,
    GovernanceError,
    IllegalTransitionError,
    NotAuthorisedError,
    ReviewError,
    SelfReviewError,
)
from governance.events import (
    Actor,
    EntryQuarantined,
    ReviewAssigned,
    ReviewClaimed,
    ReviewEndorsed,
    ReviewTerms,
    RoleGranted,
)
from governance.ledger import EventDraft, Ledger
from governance.policy import Policy, load_policy
from governance.reviewers import Seen
from tests.governance.desk import Desk, policy_with
from tests.governance.drafts import ANN, BOB, BOT, EPOCH_US, SYSTEM

CARA = Actor(kind="human", id="cara")
S = 1_000_000


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.us = EPOCH_US

    def now_us(self) -> int:
        return self.us

    def passes(self, seconds: float) -> None:
        self.us += int(seconds * S)


@dataclass
class Office:
    """A desk whose clock stands, with entries that wait for a person."""

    policy: Policy = field(default_factory=lambda: load_policy("default"))
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.desk = Desk(ledger=Ledger.in_memory(clock=self.clock), policy=self.policy)
        review.activate_policy(self.ledger, self.policy, ANN)

    @property
    def ledger(self) -> Ledger:
        return self.desk.ledger

    def waiting(self, attribute: str = "plumber", value: str = "Wexler Plumbing") -> str:
        """A customer's words: the policy sends them to a person."""
        entry_id = self.desk.fact(attribute, value).entry_id
        assert self.desk.entry(entry_id).in_review
        return entry_id

    def contradicting(self) -> str:
        """Another one: it contradicts something in force."""
        self.desk.fact("adjuster", "Hugo Bancroft")
        return self.waiting("adjuster", "Ilse Marwood")

    def decide(
        self, entry_id: str, actor: Actor = ANN, verb: str = "approve", reason: str = ""
    ) -> None:
        entry = self.desk.entry(entry_id)
        carry_out: Callable[..., object] = getattr(review, verb)
        reasons = {"approve": "evidence-confirmed", "reject": "wrong", "quarantine":
                   "under-investigation"}  # fmt: skip
        carry_out(
            self.ledger, entry_id, actor=actor, reason_code=reason or reasons[verb],
            expected_version=entry.version, expected_digest=entry.content_digest,
        )  # fmt: skip

    def refused(self) -> list[str]:
        """Kinds of refusals on record, oldest first."""
        events = self.ledger.events(types=["command.refused"])
        return [getattr(event.payload, "error", "") for event in events]


# --- an approval waits -------------------------------------------------------------------


def test_an_approval_acts_after_thirty_seconds_and_not_before() -> None:
    office = Office()
    entry_id = office.waiting()
    office.decide(entry_id)
    entry = office.desk.entry(entry_id)
    assert (entry.status, entry.acts_from_us) == ("approved", EPOCH_US + 30 * S)
    office.clock.passes(29.9)
    assert housekeeping.housekeep(office.ledger).effective == ()
    assert office.desk.status(entry_id) == "approved"
    office.clock.passes(0.1)
    assert housekeeping.housekeep(office.ledger).effective == (entry_id,)
    assert office.desk.status(entry_id) == "active"
    assert housekeeping.housekeep(office.ledger).effective == ()


def test_nobody_gets_around_the_wait_by_appending_the_event() -> None:
    from governance.events import EntryActivated

    office = Office()
    entry_id = office.waiting()
    office.decide(entry_id)
    draft = EventDraft(EntryActivated(entry_id=entry_id, version=1), SYSTEM, office.desk.scope)
    with pytest.raises(IllegalTransitionError, match="can still be withdrawn"):
        office.ledger.append([draft])
    office.clock.passes(30)
    office.ledger.append([draft])
    assert office.desk.status(entry_id) == "active"


def test_a_rule_approves_at_once() -> None:
    office = Office()
    entry_id = office.desk.fact("deductible", "300 EUR").entry_id
    assert office.desk.status(entry_id) == "active"


def test_what_it_replaces_stays_in_force_until_it_acts() -> None:
    office = Office()
    old = office.desk.fact("deductible", "300 EUR").entry_id
    new = office.desk.fact("deductible", "350 EUR", replaces=old).entry_id
    office.decide(new)
    assert office.desk.status(old) == "active"
    office.clock.passes(30)
    housekeeping.housekeep(office.ledger)
    assert (office.desk.status(old), office.desk.status(new)) == ("superseded", "active")


def test_a_value_refused_meanwhile_is_rejected_when_it_would_have_acted() -> None:
    office = Office()
    first, other = office.waiting(), office.contradicting()
    again = office.desk.fact("plumber", "Wexler Plumbing", entry_id="fact-again").entry_id
    assert office.desk.entry(again).in_review
    for entry_id in (first, other):
        office.decide(entry_id)
    office.decide(again, BOB, "reject")
    office.clock.passes(30)
    housekeeping.housekeep(office.ledger)
    assert (office.desk.status(first), office.desk.status(other)) == ("rejected", "active")


def test_nothing_takes_effect_while_learning_is_frozen() -> None:
    from governance.events import LedgerFrozen, LedgerThawed

    office = Office()
    entry_id = office.waiting()
    office.decide(entry_id)
    office.ledger.append([EventDraft(LedgerFrozen(reason="incident"), ANN)])
    office.clock.passes(60)
    assert housekeeping.housekeep(office.ledger).effective == ()
    office.ledger.append([EventDraft(LedgerThawed(reason="over"), ANN)])
    assert housekeeping.housekeep(office.ledger).effective == (entry_id,)


def test_the_housekeeper_reads_only_what_is_new() -> None:
    office = Office()
    keeper = housekeeping.Housekeeper(office.ledger)
    first = office.waiting()
    office.decide(first)
    assert keeper.run().effective == ()
    second = office.contradicting()
    office.decide(second)
    office.clock.passes(30)
    assert set(keeper.run().effective) == {first, second}
    assert keeper.run().effective == ()
    assert housekeeping.housekeep(office.ledger, thorough=True).expired == ()


# --- second thoughts ---------------------------------------------------------------------


@pytest.mark.parametrize(("verb", "status"), [("approve", "approved"), ("reject", "rejected")])
def test_a_decision_is_taken_back_by_whoever_made_it_in_time(verb: str, status: str) -> None:
    office = Office()
    entry_id = office.waiting()
    before = office.desk.entry(entry_id)
    office.decide(entry_id, verb=verb)
    assert office.desk.status(entry_id) == status
    with pytest.raises(NotAuthorisedError, match="human:ann decided"):
        reviewers.withdraw(office.ledger, entry_id, actor=BOB)
    reviewers.withdraw(office.ledger, entry_id, actor=ANN, comment="too quick")
    after = office.desk.entry(entry_id)
    assert (after.status, after.in_review, after.terms) == ("verified", True, before.terms)
    assert office.ledger.state.tombstones(office.desk.scope) == {}
    assert [one.entry_id for one in office.ledger.state.queue(office.desk.scope)] == [entry_id]
    office.clock.passes(60)
    assert housekeeping.housekeep(office.ledger).effective == ()
    assert office.refused() == ["NotAuthorisedError"]


def test_it_is_too_late_once_the_time_is_over_or_it_acts() -> None:
    office = Office()
    refused, active = office.waiting(), office.contradicting()
    office.decide(refused, verb="reject")
    office.decide(active)
    office.clock.passes(31)
    housekeeping.housekeep(office.ledger)
    with pytest.raises(IllegalTransitionError, match="no longer"):
        reviewers.withdraw(office.ledger, refused, actor=ANN)
    with pytest.raises(IllegalTransitionError, match="nothing to withdraw"):
        reviewers.withdraw(office.ledger, active, actor=ANN)
    assert (office.desk.status(refused), office.desk.status(active)) == ("rejected", "active")


# --- two people --------------------------------------------------------------------------


def test_two_different_people_agree_and_neither_is_the_author() -> None:
    office = Office(policy_with(two_people="true", approval_delay_s=0))
    entry_id = office.waiting()
    assert office.desk.entry(entry_id).terms == ReviewTerms(people=2)
    office.decide(entry_id, ANN)
    entry = office.desk.entry(entry_id)
    assert (entry.status, entry.endorsed_by) == ("verified", (ANN,))
    with pytest.raises(SelfReviewError, match="human:ann is the first"):
        office.decide(entry_id, ANN)
    office.decide(entry_id, BOB)
    assert office.desk.status(entry_id) == "active"
    assert office.refused() == ["SelfReviewError"]


def test_one_person_cannot_approve_by_appending_the_event_itself() -> None:
    from governance.decisions import Subject
    from governance.events import EntryApproved

    office = Office(policy_with(two_people="true"))
    entry_id = office.waiting()
    subject = Subject.of(office.desk.entry(entry_id))
    approval = subject.decided(EntryApproved, "evidence-confirmed")
    with pytest.raises(SelfReviewError, match="two reviewers"):
        office.ledger.append([EventDraft(approval, ANN, office.desk.scope)])
    office.decide(entry_id, BOB)
    office.ledger.append([EventDraft(approval, ANN, office.desk.scope)])
    assert office.desk.status(entry_id) == "approved"


def test_an_endorsement_is_withdrawn_and_does_not_count_twice() -> None:
    office = Office(policy_with(two_people="true", approval_delay_s=0))
    entry_id = office.waiting()
    office.decide(entry_id, ANN)
    endorse = office.desk.entry(entry_id)
    payload = ReviewEndorsed(
        entry_id=entry_id, version=1, content_digest=endorse.content_digest, reason_code="cleared"
    )
    with pytest.raises(SelfReviewError, match="first approval already"):
        office.ledger.append([EventDraft(payload, BOB, office.desk.scope)])
    with pytest.raises(NotAuthorisedError, match="no person"):
        office.ledger.append([EventDraft(payload, SYSTEM, office.desk.scope)])
    reviewers.withdraw(office.ledger, entry_id, actor=ANN)
    assert office.desk.entry(entry_id).endorsed_by == ()
    office.decide(entry_id, BOB)
    assert office.desk.entry(entry_id).endorsed_by == (BOB,)


def test_where_one_is_enough_nobody_endorses() -> None:
    office = Office()
    entry_id = office.waiting()
    digest = office.desk.entry(entry_id).content_digest
    payload = ReviewEndorsed(
        entry_id=entry_id, version=1, content_digest=digest, reason_code="cleared"
    )
    with pytest.raises(IllegalTransitionError, match="one approval"):
        office.ledger.append([EventDraft(payload, ANN, office.desk.scope)])


def test_terms_are_tightened_by_people_and_never_loosened() -> None:
    office = Office(policy_with(two_people="true"))
    entry_id = office.waiting()
    digest = office.desk.entry(entry_id).content_digest

    def asked(terms: ReviewTerms) -> EventDraft:
        payload = ReviewAssigned(entry_id=entry_id, version=1, rule_id="", message="m", terms=terms)
        return EventDraft(payload, ANN, office.desk.scope)

    for looser in (
        ReviewTerms(people=1, delay_s=30), ReviewTerms(people=2, delay_s=29),
    ):  # fmt: skip
        with pytest.raises(ReviewError, match="may not loosen"):
            office.ledger.append([asked(looser)])
    office.ledger.append([asked(ReviewTerms(people=2, delay_s=30, signed=True))])
    loose = EntryQuarantined(
        entry_id=entry_id, version=1, content_digest=digest, reason_code="suspected-wrong",
        terms=ReviewTerms(people=2, delay_s=30),
    )  # fmt: skip
    with pytest.raises(ReviewError, match="may not loosen"):
        office.ledger.append([EventDraft(loose, ANN, office.desk.scope)])
    assert office.desk.entry(entry_id).terms.signed


def test_the_first_of_two_lets_go_of_the_entry_for_the_second() -> None:
    office = Office(policy_with(two_people="true", approval_delay_s=0))
    entry_id = office.waiting()
    reviewers.claim(office.ledger, entry_id, actor=ANN)
    with pytest.raises(ClaimedError):
        office.decide(entry_id, BOB)
    office.decide(entry_id, ANN)
    office.decide(entry_id, BOB)
    assert office.desk.status(entry_id) == "active"


# --- claims and assignment ---------------------------------------------------------------


def test_who_has_claimed_it_decides_alone_and_not_for_ever() -> None:
    office = Office()
    entry_id, other = office.waiting(), office.contradicting()
    reviewers.claim(office.ledger, entry_id, actor=ANN)
    for verb in ("approve", "reject"):
        with pytest.raises(ClaimedError, match="human:ann is deciding"):
            office.decide(entry_id, BOB, verb)
    for attempt in (reviewers.claim, reviewers.release):
        with pytest.raises(ClaimedError):
            attempt(office.ledger, entry_id, actor=BOB)
    office.decide(other, BOB)
    office.clock.passes(15 * 60)
    office.decide(entry_id, BOB)
    assert office.desk.status(entry_id) == office.desk.status(other) == "approved"
    assert office.refused() == ["ClaimedError"] * 4


def test_a_claim_is_let_go_and_never_holds_up_a_quarantine() -> None:
    office = Office()
    entry_id, other = office.waiting(), office.contradicting()
    reviewers.claim(office.ledger, entry_id, actor=ANN)
    reviewers.release(office.ledger, entry_id, actor=ANN)
    office.decide(entry_id, BOB)
    reviewers.claim(office.ledger, other, actor=ANN)
    office.decide(other, BOB, "quarantine")
    assert office.desk.status(other) == "quarantined"
    assert office.desk.entry(other).claimed_by is None


def test_only_people_claim_only_what_waits_and_only_for_a_while() -> None:
    office = Office()
    entry_id = office.waiting()

    def claimed(name: str, until_s: float, actor: Actor) -> None:
        payload = ReviewClaimed(
            entry_id=name, version=1, until_us=office.clock.us + int(until_s * S)
        )
        office.ledger.append([EventDraft(payload, actor, office.desk.scope)])

    for machine in (BOT, SYSTEM):
        with pytest.raises(NotAuthorisedError, match="no person"):
            claimed(entry_id, 60, machine)
    with pytest.raises(ReviewError, match="15 min at most"):
        claimed(entry_id, 16 * 60 + 1, ANN)
    acting = office.desk.fact("deductible", "300 EUR").entry_id
    with pytest.raises(IllegalTransitionError, match="waits for nobody"):
        claimed(acting, 60, ANN)
    claimed(entry_id, 60, ANN)
    assert office.desk.entry(entry_id).claimed_by == ANN


def test_somebody_is_asked_who_may_decide_on_it() -> None:
    office = Office()
    entry_id = office.waiting()
    reviewers.assign(office.ledger, entry_id, to=BOB, actor=ANN)
    entry = office.desk.entry(entry_id)
    assert (entry.assignee, entry.in_review) == ("human:bob", True)
    own = office.desk.submit(
        entry.body.model_copy(update={"value": "Other", "statement": "It is Other."}), None,
        actor=CARA,
    ).entry_id  # fmt: skip
    with pytest.raises(GovernanceError):
        reviewers.assign(office.ledger, own, to=CARA, actor=ANN)
    for role, who in (("admin", ANN), ("reviewer", ANN)):
        grant = RoleGranted(principal=str(who), role=role)  # type: ignore[arg-type]
        office.ledger.append([EventDraft(grant, SYSTEM)])
    with pytest.raises(NotAuthorisedError, match="human:bob does not hold"):
        reviewers.assign(office.ledger, entry_id, to=BOB, actor=ANN)


# --- many at once ------------------------------------------------------------------------


def many(office: Office, *names: str, verdict: reviewers.Verdict = "approve") -> None:
    seen = [Seen.of(office.desk.entry(name)) for name in names]
    reviewers.decide_many(
        office.ledger, seen, verdict, actor=ANN,
        reason_code={"approve": "evidence-confirmed", "reject": "wrong"}[verdict],
    )  # fmt: skip


def test_many_stand_or_fall_together() -> None:
    office = Office(policy_with(approval_delay_s=0, bulk_risk=0.99))
    first = office.waiting()
    other = office.desk.fact("IBAN", "IE43 FICT 0000 0012 3456 78").entry_id
    with pytest.raises(GovernanceError):
        many(office, first, other)  # the second was rejected by the policy
    assert office.desk.status(first) == "verified"
    many(office, first)
    assert office.desk.status(first) == "active"


@pytest.mark.parametrize(
    ("terms", "match"),
    [
        ({"bulk_risk": 0.0}, "has a risk of"),
        ({"bulk_risk": 0.99, "two_people": "true"}, "takes two reviewers"),
        ({"bulk_risk": 0.99, "signed": "true"}, "takes a signature"),
    ],
)
def test_what_needs_a_closer_look_is_decided_on_by_itself(
    terms: dict[str, object], match: str
) -> None:
    office = Office(policy_with(**terms))
    entry_id = office.waiting()
    with pytest.raises(ReviewError, match=match):
        many(office, entry_id)
    control = Office(policy_with(bulk_risk=0.99))
    entry_id = control.waiting()
    many(control, entry_id)
    assert control.desk.status(entry_id) == "approved"


def test_the_cap_the_choice_and_the_quarantine() -> None:
    office = Office(policy_with(bulk_cap=1, bulk_risk=0.99))
    entry_id = office.waiting()
    apart = office.desk.fact("garage", "Pedal House").entry_id
    for names, match in (
        ((), "nothing"), ((entry_id, entry_id), "twice"), ((entry_id, apart), "too many"),
        ((apart,), "is quarantined"),
    ):  # fmt: skip
        with pytest.raises(ReviewError, match=match):
            many(office, *names)
    many(office, entry_id, verdict="reject")
    assert office.desk.status(entry_id) == "rejected"


def test_one_stale_entry_stops_all_of_them() -> None:
    office = Office(policy_with(bulk_risk=0.99))
    entry_id = office.waiting()
    good = Seen.of(office.desk.entry(entry_id))
    with pytest.raises(AppendConflictError):
        reviewers.decide_many(
            office.ledger, [Seen(entry_id, 1, "0" * 64)], "approve", actor=ANN,
            reason_code="cleared",
        )  # fmt: skip
    reviewers.decide_many(office.ledger, [good], "approve", actor=ANN, reason_code="cleared")
    assert office.desk.status(entry_id) == "approved"
