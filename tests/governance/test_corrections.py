"""What is right instead: proposed by a person, approved by another, and the history stays."""

from __future__ import annotations

import pytest

from governance import review
from governance.corrections import (
    accept,
    bound,
    correct,
    kept,
    negated,
    reinstate,
    replaced,
    retract,
)
from governance.errors import (
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
    ReviewError,
    SelfReviewError,
)
from governance.events import (
    Actor,
    Body,
    CardBody,
    CaseBody,
    EntryProposed,
    FactBody,
    ReviewAssigned,
    ReviewTerms,
    RoleGranted,
)
from governance.ledger import EventDraft
from governance.review import Submitted
from governance.revocation import plan_revocation, revoke
from governance.verifiers import Interval
from tests.governance.desk import DESK, Desk, at_once, card, fact
from tests.governance.drafts import ANN, BOB, BOT, SYSTEM

POLICY = at_once("default")
CASE = CaseBody(task="t", plan=["p"], outcome="o", reward_ppm=1, reward_origin="test")


def corrected(
    desk: Desk, entry_id: str, *bodies: Body, actor: Actor = ANN, valid: Interval | None = None
) -> tuple[Submitted, ...]:
    return correct(
        desk.ledger, entry_id, bodies, actor=actor, policy=POLICY, valid=valid or Interval()
    )


def acting(desk: Desk) -> list[str]:
    """What may reach a prompt now, as the statements say it."""
    bodies = [entry.body for entry in desk.ledger.state.active(DESK, "external")]
    return [body.statement for body in bodies if isinstance(body, FactBody)]


# --- what is right instead --------------------------------------------------------------


def test_a_replacement_changes_the_value_where_it_stands() -> None:
    said = fact("deductible", "300 EUR")
    assert replaced(said, "350 EUR") == fact("deductible", "350 EUR")
    given = replaced(said, "350 EUR", "It is 350 EUR.")
    assert isinstance(given, FactBody)
    assert (given.value, given.statement) == ("350 EUR", "It is 350 EUR.")
    asked = replaced(card("deductible", "300 EUR"), "350 EUR")
    assert isinstance(asked, CardBody)
    assert (asked.answer, asked.question) == ("350 EUR", card("deductible", "x").question)
    for body, value, match in (
        (said, " ", "value"), (said, "300 EUR", "says the same"), (CASE, "x", "a case"),
        (said.model_copy(update={"statement": "As agreed."}), "350 EUR", "does not name"),
    ):  # fmt: skip
        with pytest.raises(LedgerError, match=match):
            replaced(body, value)


def test_a_negation_needs_its_sentence() -> None:
    said = fact("plumber", "Wexler Plumbing")
    new = negated(said, "The plumber was not Wexler Plumbing.")
    assert isinstance(new, FactBody)
    assert (new.value, new.attribute) == ("not Wexler Plumbing", "plumber")
    named = negated(said, "Nobody from Wexler came.", "nobody")
    assert isinstance(named, FactBody)
    assert named.value == "nobody"
    turned = negated(card("plumber", "Wexler Plumbing"), "Not Wexler Plumbing.")
    assert isinstance(turned, CardBody)
    assert turned.answer == "Not Wexler Plumbing."
    with pytest.raises(LedgerError, match="sentence"):
        negated(said, " ")
    with pytest.raises(LedgerError, match="a case"):
        negated(CASE, "It did not.")


def test_a_part_that_stays_is_a_fact_of_its_own() -> None:
    body = kept(fact("contact", "Hugo Bancroft, Cork"), " city ", " Cork ")
    assert body == FactBody(
        topic="claim C-17", attribute="city", value="Cork", statement="claim C-17, city: Cork."
    )
    for name, value in (("", "Cork"), ("city", " ")):
        with pytest.raises(LedgerError, match="both names"):
            kept(fact("contact", "x"), name, value)
    with pytest.raises(LedgerError, match="a case"):
        kept(CASE, "city", "Cork")


# --- before and after -------------------------------------------------------------------


def test_a_replacement_waits_for_somebody_else_and_then_takes_the_place() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    derived = desk.card("deductible", "300 EUR", derived_from=(old,)).entry_id
    desk.build(derived)
    twin = desk.fact("inspection", "10 March").entry_id
    (done,) = corrected(desk, old, replaced(desk.entry(old).body, "350 EUR"))
    assert done.decision.outcome == "review"
    assert desk.entry(done.entry_id).author == ANN
    before = desk.ledger.head.seq
    assert "The deductible of claim C-17 is 300 EUR." in acting(desk)
    with pytest.raises(SelfReviewError):
        accept(desk.ledger, old, actor=ANN)
    accept(desk.ledger, old, actor=BOB, comment="read the letter")
    assert acting(desk) == [
        "The inspection of claim C-17 is 10 March.", "The deductible of claim C-17 is 350 EUR.",
    ]  # fmt: skip
    assert (desk.status(old), desk.status(derived), desk.status(twin)) == (
        "superseded", "superseded", "active",
    )  # fmt: skip
    assert desk.served() is None
    # The history stays: what was believed then is still known.
    assert desk.ledger.state_at(before).entries[old].status == "active"
    assert desk.entry(done.entry_id).replaces == old


def test_a_negation_takes_the_place_of_what_it_denies() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    denial = "The deductible of claim C-17 is not 300 EUR."
    corrected(desk, old, negated(desk.entry(old).body, denial))
    assert acting(desk) == ["The deductible of claim C-17 is 300 EUR."]
    accept(desk.ledger, old, actor=BOB)
    assert acting(desk) == [denial]


@pytest.mark.parametrize("never_again", [False, True])
def test_a_retraction_leaves_nothing_in_its_place(*, never_again: bool) -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    twin = desk.fact("inspection", "10 March").entry_id
    plan, _ = retract(desk.ledger, old, actor=ANN, comment="withdrawn", never_again=never_again)
    assert plan.entry_ids == (old,)
    assert acting(desk) == ["The inspection of claim C-17 is 10 March."]
    assert (desk.entry(old).reason_code, desk.status(twin)) == ("outdated", "active")
    again = desk.fact("deductible", "300 EUR", entry_id="again")
    assert again.decision.rule_id == ("refused-before" if never_again else "routine")
    with pytest.raises(IllegalTransitionError):
        retract(desk.ledger, old, actor=ANN)


def test_the_parts_that_stay_come_into_force_in_one_append() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    derived = desk.card("deductible", "300 EUR", derived_from=(old,)).entry_id
    desk.build(derived)
    parts = [kept(desk.entry(old).body, name, "300 EUR") for name in ("building", "contents")]
    done = corrected(desk, old, *parts)
    head = desk.ledger.head.seq
    accept(desk.ledger, old, actor=BOB)
    types = [event.header.type for event in desk.ledger.events(head + 1)]
    assert types.count("entry.superseded") == 2  # it and its card, each once
    assert types.count("adapter.withdrawn") == 1
    assert [desk.status(one.entry_id) for one in done] == ["active", "active"]
    assert desk.status(old) == "superseded"
    assert {desk.entry(one.entry_id).replaces for one in done} == {old}
    with pytest.raises(IllegalTransitionError, match="nothing waits"):
        accept(desk.ledger, old, actor=BOB)


def test_bounds_keep_the_statement_and_its_evidence_for_a_time() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    done = bound(desk.ledger, old, Interval(5, 10), actor=ANN, policy=POLICY)
    assert done.decision.outcome == "review", done.decision
    accept(desk.ledger, old, actor=BOB)
    new = desk.entry(done.entry_id)
    assert (new.status, new.valid_from_us, new.valid_to_us) == ("active", 5, 10)
    assert (new.body, new.spans) == (desk.entry(old).body, desk.entry(old).spans)
    with pytest.raises(LedgerError, match="already"):
        bound(desk.ledger, new.entry_id, Interval(5, 10), actor=ANN, policy=POLICY)
    with pytest.raises(LedgerError, match="ends before"):
        bound(desk.ledger, new.entry_id, Interval(10, 10), actor=ANN, policy=POLICY)
    # Made from the one it replaced: taking that back takes this back.
    revoke(desk.ledger, plan_revocation(desk.ledger, old), actor=ANN, reason_code="wrong")
    assert desk.status(new.entry_id) == "revoked"


def test_a_repeat_is_the_same_correction() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    body = replaced(desk.entry(old).body, "350 EUR")
    (first,) = corrected(desk, old, body)
    (again,) = corrected(desk, old, body)
    assert (again.entry_id, again.receipt.repeated) == (first.entry_id, True)
    (later,) = corrected(desk, old, body, valid=Interval(start_us=7))
    assert later.entry_id != first.entry_id
    assert desk.entry(later.entry_id).valid_from_us == 7


# --- refused ----------------------------------------------------------------------------


def test_what_cannot_be_corrected_is_refused_and_recorded() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    body = replaced(desk.entry(old).body, "350 EUR")
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    with pytest.raises(IllegalTransitionError, match="in force is corrected") as caught:
        corrected(desk, waiting, body)
    assert "reject" in caught.value.hint
    with pytest.raises(LedgerError, match="does not exist"):
        corrected(desk, "nothing", body)
    with pytest.raises(LedgerError, match="right instead"):
        corrected(desk, old)
    with pytest.raises(LedgerError, match="say the same"):
        corrected(desk, old, body, body)
    with pytest.raises(LedgerError, match="ends before"):
        corrected(desk, old, body, valid=Interval(9, 3))
    with pytest.raises(NotAuthorisedError):
        corrected(desk, old, body, actor=BOT)
    refused = [event.header.type for event in desk.ledger.events(types=["command.refused"])]
    assert len(refused) == 6
    retract(desk.ledger, old, actor=ANN)
    with pytest.raises(IllegalTransitionError) as caught:
        corrected(desk, old, body)
    assert caught.value.hint == "it does not act"


def test_roles_hold() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    body = replaced(desk.entry(old).body, "350 EUR")
    desk.ledger.append([EventDraft(RoleGranted(principal=str(BOB), role="admin"), SYSTEM)])
    with pytest.raises(NotAuthorisedError):
        corrected(desk, old, body)
    desk.ledger.append([EventDraft(RoleGranted(principal=str(ANN), role="engineer"), SYSTEM)])
    corrected(desk, old, body)
    with pytest.raises(NotAuthorisedError):
        accept(desk.ledger, old, actor=ANN)
    with pytest.raises(ReviewError, match="reason"):
        accept(desk.ledger, old, actor=BOB, reason_code="because")
    accept(desk.ledger, old, actor=BOB)
    assert desk.status(old) == "superseded"


def test_a_value_that_was_refused_meanwhile_is_not_accepted() -> None:
    desk = Desk()
    old = desk.fact("adjuster", "Hugo Bancroft").entry_id
    (done,) = corrected(desk, old, replaced(desk.entry(old).body, "Ilse Marwood"))
    other = desk.fact("adjuster", "Ilse Marwood", entry_id="other").entry_id
    review.reject(
        desk.ledger, other, actor=BOB, reason_code="wrong", expected_version=1,
        expected_digest=desk.entry(other).content_digest,
    )  # fmt: skip
    with pytest.raises(ReviewError, match="rejected or revoked as other"):
        accept(desk.ledger, old, actor=BOB)
    assert (desk.status(old), desk.status(done.entry_id)) == ("active", "verified")


def test_stricter_terms_are_not_gone_around() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    (done,) = corrected(desk, old, replaced(desk.entry(old).body, "350 EUR"))
    asked = ReviewAssigned(
        entry_id=done.entry_id, version=1, rule_id="two", message="", terms=ReviewTerms(people=2)
    )
    desk.ledger.append([EventDraft(asked, SYSTEM, DESK)])
    with pytest.raises(IllegalTransitionError, match="more than one"):
        accept(desk.ledger, old, actor=BOB)
    assert desk.status(old) == "active"


# --- bringing back ----------------------------------------------------------------------


def test_what_a_revoked_entry_had_superseded_is_offered_and_not_brought_back_silently() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    derived = desk.card("deductible", "300 EUR", derived_from=(old,)).entry_id
    desk.build(derived)
    elsewhere = desk.fact("inspection", "10 March").entry_id
    (done,) = corrected(desk, old, replaced(desk.entry(old).body, "350 EUR"))
    accept(desk.ledger, old, actor=BOB)
    plan = plan_revocation(desk.ledger, done.entry_id)
    assert plan.restorable == (old, derived)
    assert plan_revocation(desk.ledger, elsewhere).restorable == ()
    revoke(desk.ledger, plan, actor=ANN, reason_code="wrong")
    assert desk.status(old) == "superseded"  # not by itself
    again = reinstate(desk.ledger, plan, actor=ANN, policy=POLICY)
    fresh = desk.entry(again[0].entry_id)
    assert (fresh.body, fresh.derived_from, fresh.author) == (desk.entry(old).body, (old,), ANN)
    assert [one.decision.outcome for one in again] == ["allow", "allow"]
    assert acting(desk)[-1] == "The deductible of claim C-17 is 300 EUR."
    assert reinstate(desk.ledger, plan, actor=ANN, policy=POLICY)[0].receipt.repeated


def test_what_was_superseded_again_or_by_others_is_not_offered() -> None:
    desk = Desk()
    first = desk.fact("deductible", "300 EUR").entry_id
    body = desk.entry(first).body
    (second,) = corrected(desk, first, replaced(body, "350 EUR"))
    accept(desk.ledger, first, actor=BOB)
    (third,) = corrected(desk, second.entry_id, replaced(body, "400 EUR"))
    accept(desk.ledger, second.entry_id, actor=BOB)
    assert plan_revocation(desk.ledger, third.entry_id).restorable == (second.entry_id,)
    unrelated = EntryProposed(
        entry_id="u", version=1, body=fact("garage", "Pedal House"), replaces="never-there"
    )
    review.submit(desk.ledger, unrelated, actor=ANN, scope=DESK, policy=POLICY)
    review.quarantine(
        desk.ledger, "u", actor=BOB, reason_code="suspected-wrong", expected_version=1,
        expected_digest=desk.entry("u").content_digest,
    )  # fmt: skip
    assert plan_revocation(desk.ledger, "u").restorable == ()
