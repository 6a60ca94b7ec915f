"""Reviews that take two people or time, as each of them sees them; without a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard import actions, session
from governance import reviewers
from governance.events import (
    Actor,
    EntryProposed,
    EntryVerified,
    ReviewAssigned,
    ReviewTerms,
    VerifierResult,
)
from governance.ledger import SYSTEM, EventDraft, Ledger
from governance.state import EntryState
from tests.dashboard.conftest import RunPage, assert_healthy, words_of
from tests.dashboard.fakes import Follower
from tests.dashboard.learner import LOCAL, MARTA, SCOPE
from tests.dashboard.test_actions import decide

ME, OTHER = "reviewer", str(MARTA)
TWO, LATER = ReviewTerms(people=2, delay_s=30), ReviewTerms(delay_s=30)
Queue = Callable[[ReviewTerms], str]


@pytest.fixture
def queue(home: Path, ids: dict[str, str]) -> Queue:
    """Puts the same entry under other terms, and returns its id."""

    def under(terms: ReviewTerms) -> str:
        with Ledger.open(home) as ledger:
            entry = ledger.state.entry(ids["travellers"])
            asked = ReviewAssigned(
                entry_id=entry.entry_id, version=1, rule_id="", message="", terms=terms
            )
            ledger.append([EventDraft(asked, SYSTEM, entry.scope)])
        return entry.entry_id

    return under


def ledger() -> Ledger:
    return session.workplace().ledger


def entry(entry_id: str) -> EntryState:
    return ledger().state.entry(entry_id)


def approve(entry_id: str, actor: Actor, so_far: int) -> actions.Done | actions.Refused:
    """What somebody else does at another screen."""
    good = decide(ledger(), entry_id)
    command = actions.Decide(
        actor, entry_id, "approve", good.reason_code, "", 1, good.expected_digest, so_far
    )
    return actions.decide(ledger(), Follower(), command)


def test_the_first_of_two_does_not_give_the_second(
    run_page: RunPage, home: Path, queue: Queue
) -> None:
    entry_id = queue(TWO)
    page = run_page("review", home, entry=entry_id)
    assert "Takes two approvals, by two reviewers." in words_of(page)
    assert page.button(key="approve").label == "Approve (1 of 2)"
    page.button(key="approve").click().run()
    assert_healthy(page)
    assert "First of two approvals" in words_of(page)
    mine = run_page("review", home, entry=entry_id)
    assert "1 of 2, by reviewer" in words_of(mine)
    assert mine.button(key="approve").disabled
    assert "Yours is the first of two approvals" in words_of(mine)
    theirs = run_page("review", home, actor=OTHER, entry=entry_id)
    assert theirs.button(key="approve").label == "Approve (2 of 2)"
    theirs.button(key="approve").click().run()
    assert_healthy(theirs)
    assert entry(entry_id).status == "approved"
    assert entry(entry_id).decided_by == MARTA


def test_nobody_gives_the_last_approval_believing_it_is_the_first(
    run_page: RunPage, home: Path, queue: Queue
) -> None:
    entry_id = queue(TWO)
    page = run_page("review", home, entry=entry_id)
    assert isinstance(approve(entry_id, MARTA, 0), actions.Done)
    page.button(key="approve").click().run()
    assert_healthy(page)
    assert "Meanwhile marta.keller approved it: yours would be the last" in words_of(page)
    assert entry(entry_id).status == "verified"
    page.button(key="approve").click().run()
    assert entry(entry_id).status == "approved"


def test_an_approval_taken_back_meanwhile_is_told(
    run_page: RunPage, home: Path, queue: Queue
) -> None:
    entry_id = queue(TWO)
    run_page("review", home, entry=entry_id)
    refused = approve(entry_id, LOCAL, 1)
    assert isinstance(refused, actions.Refused)
    assert "taken back" in refused.words
    assert isinstance(approve(entry_id, LOCAL, 0), actions.Done)


def test_a_second_click_of_the_first_approver_is_refused_in_their_words(
    run_page: RunPage, home: Path, queue: Queue
) -> None:
    entry_id = queue(TWO)
    run_page("review", home, entry=entry_id)
    assert isinstance(approve(entry_id, LOCAL, 0), actions.Done)
    refused = approve(entry_id, LOCAL, 1)
    assert isinstance(refused, actions.Refused)
    assert refused.kind == "SelfReviewError"
    assert "takes two reviewers, and you are the first" in refused.words
    assert isinstance(approve(entry_id, MARTA, 1), actions.Done)


def test_the_author_is_told_beforehand(run_page: RunPage, home: Path, ids: dict[str, str]) -> None:
    with Ledger.open(home) as opened:
        body = opened.state.entry(ids["contact"]).body
        proposed = EntryProposed(entry_id="own", version=1, spans=[], body=body)
        opened.append([EventDraft(proposed, LOCAL, SCOPE)])
        passed = VerifierResult(verifier="schema", version=1, outcome="pass")
        verified = EntryVerified(entry_id="own", version=1, results=[passed], risk_ppm=0)
        opened.append([EventDraft(verified, SYSTEM, SCOPE)])
    page = run_page("review", home, entry="own")
    assert "You wrote it: another reviewer approves it." in words_of(page)
    assert page.button(key="approve").disabled
    assert not page.button(key="reject").disabled
    theirs = run_page("review", home, actor=OTHER, entry="own")
    assert not theirs.button(key="approve").disabled


def test_claim_keeps_others_off_until_it_is_released(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    entry_id = ids["travellers"]
    page = run_page("review", home, entry=entry_id)
    page.button(key="claim").click().run()
    assert_healthy(page)
    assert f"Claimed {entry_id}, event" in words_of(page)
    assert "Yours until" in words_of(page)
    assert not page.button(key="approve").disabled
    theirs = run_page("review", home, actor=OTHER, entry=entry_id)
    assert "With reviewer until" in words_of(theirs)
    assert "reviewer is deciding on it" in words_of(theirs)
    assert theirs.button(key="approve").disabled
    assert theirs.button(key="reject").disabled
    assert not theirs.button(key="quarantine").disabled
    assert "with reviewer" in words_of(theirs), "in the list too"
    mine = run_page("review", home, entry=entry_id)
    mine.button(key="release").click().run()
    assert f"Released {entry_id}, event" in words_of(mine)
    theirs = run_page("review", home, actor=OTHER, entry=entry_id)
    assert not theirs.button(key="approve").disabled


def test_a_claim_made_while_looking_is_told(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    entry_id = ids["travellers"]
    page = run_page("review", home, entry=entry_id)
    reviewers.claim(ledger(), entry_id, actor=MARTA)
    page.button(key="approve").click().run()
    assert_healthy(page)
    assert f"Not done: Right now marta.keller is deciding on entry {entry_id}." in words_of(page)
    assert "The claim ends in 15 min, or when they let it go." in words_of(page)
    reviewers.release(ledger(), entry_id, actor=MARTA)
    page.run()
    page.button(key="approve").click().run()
    assert entry(entry_id).status == "active"


def test_an_approval_waits_and_can_be_undone(run_page: RunPage, home: Path, queue: Queue) -> None:
    entry_id = queue(LATER)
    page = run_page("review", home, entry=entry_id)
    page.button(key="approve").click().run()
    assert_healthy(page)
    assert entry(entry_id).status == "approved"
    assert "Acts in" in words_of(page)
    page.button(key="undo").click().run()
    assert_healthy(page)
    assert entry(entry_id).status == "verified"
    assert "waits again" in words_of(page)
    page.button(key="approve").click().run()
    own = run_page("review", home, entry=entry_id)
    assert "Acts in" in words_of(own)
    theirs = run_page("review", home, actor=OTHER, entry=entry_id)
    assert "Acts in" in words_of(theirs)
    assert "undo_here" not in [button.key for button in theirs.button]
    own = run_page("review", home, entry=entry_id)
    own.button(key="undo_here").click().run()
    assert entry(entry_id).status == "verified"


def test_what_is_due_acts_when_a_page_is_drawn(
    run_page: RunPage, home: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_id = queue(LATER)
    page = run_page("review", home, entry=entry_id)
    page.button(key="approve").click().run()
    assert entry(entry_id).status == "approved"
    later = ledger().now_us() + 31_000_000
    monkeypatch.setattr("governance.ledger.SystemClock.now_us", lambda _: later)
    page = run_page("review", home, entry=entry_id)
    assert_healthy(page)
    assert entry(entry_id).status == "active"
    assert "Acts in" not in words_of(page)
