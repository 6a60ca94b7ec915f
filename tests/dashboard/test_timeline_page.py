"""Timeline and rollback, without a browser."""

from __future__ import annotations

from pathlib import Path

from dashboard import session
from tests.dashboard.conftest import RunPage, assert_healthy, words_of


def test_preview_by_effect_then_typed_confirmation(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    page = run_page("timeline", home, to="150")
    assert_healthy(page)
    words = words_of(page)
    assert "Used again" in words
    assert "refused or revoked entry would act again: look twice" in words
    assert "shard-lisbon" in words
    assert page.button(key="rollback").disabled
    page.selectbox(key="rollback_reason").select("drill").run()
    page.text_input(key="rollback_typed").input("15").run()
    assert page.button(key="rollback").disabled, "the typed number is another one"
    page.text_input(key="rollback_typed").input("150").run()
    page.button(key="rollback").click().run()
    assert_healthy(page)
    state = session.workplace().ledger.state
    assert state.entry(ids["fee-card"]).status == "active"
    assert "Rolled back to version 150, event" in words_of(page)
    assert "The memory already stands like this" in words_of(page)
    assert not [button for button in page.button if button.key == "rollback"]


def test_present_version_offers_nothing_to_confirm(run_page: RunPage, home: Path) -> None:
    page = run_page("timeline", home)
    assert "This is the present version" in words_of(page)
    assert not [button for button in page.button if button.key == "rollback"]


def test_role_is_checked_again_below(run_page: RunPage, home: Path) -> None:
    page = run_page("timeline", home, actor="human:marta.keller", to="150")
    page.selectbox(key="rollback_reason").select("drill").run()
    page.text_input(key="rollback_typed").input("150").run()
    head = session.workplace().ledger.head.seq
    page.button(key="rollback").click().run()
    assert "Not done:" in words_of(page)
    assert "engineer" in words_of(page)
    ledger = session.workplace().ledger
    assert [event.header.type for event in ledger.events(head + 1)] == ["command.refused"]


def test_events_are_listed_newest_first_and_narrowed(run_page: RunPage, home: Path) -> None:
    page = run_page("timeline", home)
    page.session_state["history_tab"] = "All events"
    page.run()
    assert_healthy(page)
    assert f"{session.workplace().ledger.head.seq:,} events" in words_of(page)
    assert "outcome.recorded" in words_of(page)
    page.session_state["family"] = ["taken back"]
    page.run()
    assert_healthy(page)
    assert "2 events" in words_of(page)
    assert "entry.revoked" in words_of(page)
    assert "outcome.recorded" not in words_of(page)


def test_target_outside_the_log_is_brought_in(run_page: RunPage, home: Path) -> None:
    page = run_page("timeline", home, to="999999")
    assert_healthy(page)
    assert "This is the present version" in words_of(page)
    page = run_page("timeline", home, to="nonsense")
    assert_healthy(page)
