"""A rollback that one asks for and another answers, as each of them sees it."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import actions, session
from governance.events import Actor, PolicyActivated, PolicyTerms, RoleGranted, RoleWithdrawn
from governance.ledger import SYSTEM, EventDraft, Ledger
from governance.rollback import plan_rollback
from governance.state import State
from tests.dashboard.conftest import RunPage, assert_healthy, words_of
from tests.dashboard.fakes import Follower
from tests.dashboard.learner import LOCAL, MARTA, SCOPE
from tests.dashboard.test_actions import decide

KIM = Actor(kind="human", id="kim")
TO = "150"


@pytest.fixture
def home(home: Path) -> Path:
    """Under a policy that asks for two people; ``reviewer`` and ``kim`` are engineers."""
    with Ledger.open(home) as ledger:
        terms = PolicyTerms(rollback_people=2)
        policy = PolicyActivated(name="two", digest="d", text="t", terms=terms)
        engineer = RoleGranted(principal=str(KIM), role="engineer")
        ledger.append([EventDraft(one, SYSTEM) for one in (policy, engineer)])
    return home


def ask(run_page: RunPage, home: Path) -> AppTest:
    page = run_page("timeline", home, to=TO)
    assert "a rollback takes two people" in words_of(page)
    page.selectbox(key="rollback_reason").select("bad-source").run()
    page.text_input(key="rollback_comment").input("The list was forged.").run()
    page.text_input(key="rollback_typed").input(TO).run()
    assert page.button(key="rollback").label == "Ask for it"
    page.button(key="rollback").click().run()
    assert_healthy(page)
    return page


def answers(page: AppTest, *, comment: str = "", typed: str = "") -> AppTest:
    if comment:
        page.text_input(key="answer_comment").input(comment).run()
    if typed:
        page.text_input(key="answer_typed").input(typed).run()
    return page


def state() -> State:
    return session.workplace().ledger.state


def keys(page: AppTest) -> list[str]:
    return [str(button.key) for button in page.button]


def test_one_asks_another_sees_what_and_why_and_accepts(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    page = ask(run_page, home)
    assert "Asked for; nothing has changed yet. kim can accept it" in words_of(page)
    assert state().entry(ids["fee-card"]).status == "revoked"
    page = run_page("timeline", home, actor=str(KIM))
    words = words_of(page)
    assert "reviewer asked just now to go back to event 150." in words
    assert "The list was forged." in words
    assert "bad source" in words
    assert "Used again" in words
    assert "shard-lisbon" in words
    assert page.button(key="accept").disabled, "not confirmed"
    assert page.button(key="decline").disabled, "no reason yet"
    page = answers(page, comment="Seen the call.", typed="15")
    assert page.button(key="accept").disabled, "another number"
    page = answers(page, typed=TO)
    page.button(key="accept").click().run()
    assert_healthy(page)
    assert state().entry(ids["fee-card"]).status == "active"
    head = session.workplace().ledger.head.seq
    words = words_of(page)
    assert f"Rolled back to version 150, events {head - 1:,} to {head:,}." in words
    assert f"It can be undone: roll back to event {head - 2:,}." in words
    assert "Carried out" in words
    assert "Answer: Seen the call." in words
    assert "accept" not in keys(page)


def test_whoever_asked_can_only_take_it_back(run_page: RunPage, home: Path) -> None:
    ask(run_page, home)
    page = run_page("timeline", home)
    assert "You asked just now to go back" in words_of(page)
    assert "You asked for it: kim can accept it." in words_of(page)
    assert "accept" not in keys(page)
    page.button(key="decline").click().run()
    assert_healthy(page)
    assert "Your request is taken back; nothing has changed" in words_of(page)
    (request,) = state().rollbacks.values()
    assert (request.status, request.answered_by) == ("declined", LOCAL)


def test_declining_says_why_and_moves_nothing(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    ask(run_page, home)
    page = run_page("timeline", home, actor=str(KIM))
    page = answers(page, comment="The list is genuine.")
    page.button(key="decline").click().run()
    assert_healthy(page)
    assert "Declined; nothing has changed, event" in words_of(page)
    assert "Answer: The list is genuine." in words_of(page)
    assert state().entry(ids["fee-card"]).status == "revoked"
    assert "decline" not in keys(page)


def test_what_would_change_otherwise_now_is_not_accepted(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    ask(run_page, home)
    page = answers(run_page("timeline", home, actor=str(KIM)), typed=TO)
    ledger = session.workplace().ledger
    done = actions.decide(ledger, Follower(), decide(ledger, ids["travellers"]))
    assert isinstance(done, actions.Done)
    page.button(key="accept").click().run()
    assert_healthy(page)
    assert "Not done: It changed while you were looking." in words_of(page)
    assert "can no longer be accepted as asked" in words_of(page)
    page.button(key="ask_again").click().run()
    assert_healthy(page)
    assert page.number_input(key="to").value == int(TO)
    assert "rollback" in keys(page), "the form is open"


def test_who_may_not_answer_reads_why(run_page: RunPage, home: Path) -> None:
    ask(run_page, home)
    page = run_page("timeline", home, actor=str(MARTA))
    assert "Answering takes the role engineer or officer" in words_of(page)
    assert not {"accept", "decline"} & set(keys(page))
    page = run_page("timeline", home, actor=str(KIM))
    assert {"accept", "decline"} <= set(keys(page))


def test_a_role_lost_while_looking_is_told(run_page: RunPage, home: Path) -> None:
    ask(run_page, home)
    page = answers(run_page("timeline", home, actor=str(KIM)), typed=TO)
    lost = RoleWithdrawn(principal=str(KIM), role="engineer")
    session.workplace().ledger.append([EventDraft(lost, SYSTEM)])
    page.button(key="accept").click().run()
    assert_healthy(page)
    assert "Not done: You do not hold the role engineer or officer." in words_of(page)


def test_requests_are_listed_and_their_absence_is_explained(run_page: RunPage, home: Path) -> None:
    page = run_page("timeline", home)
    page.session_state["history_tab"] = "Requests"
    page.run()
    assert_healthy(page)
    assert "No rollback was asked for" in words_of(page)
    assert "asks for two people" in words_of(page)
    ask(run_page, home)
    page = run_page("overview", home, actor=str(KIM))
    assert "A rollback waits for a second person" in words_of(page)


def test_commands_refuse_what_no_button_offers(home: Path) -> None:
    with Ledger.open(home) as ledger:
        plan = plan_rollback(ledger, int(TO), scope=SCOPE)
        asked = actions.RollBack(LOCAL, plan, "drill", "", typed=TO)
        done = actions.roll_back(ledger, Follower(), asked)
        assert isinstance(done, actions.Done)
        again = actions.roll_back(ledger, Follower(), asked)
        assert isinstance(again, actions.Refused), "a click is not two requests"
        (name,) = ledger.state.rollbacks
        own = actions.AnswerRollBack(LOCAL, name, accept=True, comment="", typed=TO)
        refused = actions.answer(ledger, Follower(), own)
        assert isinstance(refused, actions.Refused)
        assert refused.words.startswith(f"You asked for rollback {name}")
        for command, kind in (
            (actions.AnswerRollBack(KIM, name, accept=True, comment="", typed="1"),
             "ConfirmationRequired"),
            (actions.AnswerRollBack(KIM, name, accept=False, comment=" "), "CommentRequired"),
            (actions.AnswerRollBack(KIM, "none", accept=True, comment=""), "LedgerError"),
        ):  # fmt: skip
            refused = actions.answer(ledger, Follower(), command)
            assert isinstance(refused, actions.Refused)
            assert refused.kind == kind
        follower = Follower()
        good = actions.AnswerRollBack(KIM, name, accept=True, comment="", typed=TO)
        assert isinstance(actions.answer(ledger, follower, good), actions.Done)
        served = tuple(move.after for move in plan.shards if move.after)
        assert follower.asked == [(SCOPE, served)]
