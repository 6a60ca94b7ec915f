"""The review queue as a reviewer uses it, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import session
from dashboard.components import decision
from governance.events import RoleGranted, RoleWithdrawn
from governance.ledger import SYSTEM, EventDraft, Ledger
from tests.dashboard.conftest import RunPage, assert_healthy, html_of, words_of
from tests.dashboard.fakes import FakeTarget
from tests.dashboard.learner import LOCAL


def focused(page: AppTest) -> str:
    return str(page.session_state[decision.FOCUS])


def place() -> session.Workplace:
    return session.workplace()


def test_list_is_ordered_by_risk_and_shows_the_first(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    page = run_page("review", home)
    rows = [button.key for button in page.button if str(button.key).startswith("row_")]
    names = ("order", "deposit", "departure-new", "contact", "departure-card", "travellers")
    assert rows == [f"row_{ids[name]}" for name in names]
    assert focused(page) == ids["order"]
    assert page.query_params["entry"] == ids["order"]
    assert "6 match · 5 at high risk" in words_of(page)


def test_detail_shows_diff_evidence_checks_and_history(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    page = run_page("review", home, entry=ids["departure-new"])
    code = html_of(page)
    assert "<del>14</del>" in code
    assert "<ins>16</ins>" in code
    assert "<mark>The new departure is on 16 April at 11:20.</mark>" in code
    assert "conflict failed" in words_of(page)
    assert "transcripts/albrecht-change.jsonl, line 4" in words_of(page)
    page.session_state["entry_tab"] = "Audit trail"
    page.run()
    assert_healthy(page)
    assert "entry.proposed" in words_of(page)
    assert "conflict: It contradicts what is in force." in words_of(page)


@pytest.mark.parametrize("tab", ["Where it is used", "Link"])
def test_other_tabs_open(run_page: RunPage, home: Path, ids: dict[str, str], tab: str) -> None:
    page = run_page("review", home, entry=ids["hotel"], status="In force")
    page.session_state["entry_tab"] = tab
    page.run()
    assert_healthy(page)
    shown = words_of(page) + " ".join(block.value for block in page.code)
    assert {"Where it is used": "Put into prompts", "Link": f"?entry={ids['hotel']}"}[tab] in shown


def test_approve_moves_to_the_next_and_leaves_a_receipt(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    page = run_page("review", home, entry=ids["departure-new"])
    page.button(key="approve").click().run()
    assert_healthy(page)
    assert place().ledger.state.entry(ids["departure-new"]).status == "active"
    assert f"Approved {ids['departure-new']}, event" in words_of(page)
    assert focused(page) == ids["contact"]


def test_approving_the_last_one_keeps_the_receipt(run_page: RunPage, home: Path) -> None:
    page = run_page("review", home, find="eleven travellers")
    page.button(key="approve").click().run()
    assert_healthy(page)
    assert "Approved" in words_of(page)
    assert place().ledger.state.queue(session.desk().scope)


def test_next_and_previous_follow_the_list(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    page = run_page("review", home)
    assert page.button(key="step_Prev").disabled
    page.button(key="step_Next").click().run()
    assert focused(page) == ids["deposit"]
    page.button(key="step_Prev").click().run()
    assert focused(page) == ids["order"]
    page.button(key=f"row_{ids['contact']}").click().run()
    assert focused(page) == ids["contact"]


def test_reject_needs_a_reason_from_the_closed_list(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    page = run_page("review", home, entry=ids["contact"])
    page.button(key="reject").click().run()
    assert page.button(key="confirm").disabled
    page.session_state[f"reject_reason_{ids['contact']}"] = "sensitive"
    page.run()
    page.button(key="confirm").click().run()
    assert_healthy(page)
    entry = place().ledger.state.entry(ids["contact"])
    assert (entry.status, entry.reason_code) == ("rejected", "sensitive")
    assert entry.tombstone is not None


def test_revoke_shows_its_plan_and_needs_a_comment(
    run_page: RunPage, home: Path, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = FakeTarget()
    monkeypatch.setattr("dashboard.session.load_target", lambda _: target)
    card = ids["seat-card"]
    page = run_page("review", home, entry=card, status="In force", kind="Card")
    page.button(key="revoke").click().run()
    assert "leaves service at once" in words_of(page)
    page.session_state[f"revoke_reason_{card}"] = "wrong"
    page.run()
    assert page.button(key="confirm").disabled, "no comment yet"
    page.text_input(key=f"revoke_note_{card}").input("The seat changed.").run()
    page.button(key="confirm").click().run()
    assert_healthy(page)
    ledger = place().ledger
    assert ledger.state.entry(card).status == "revoked"
    assert ledger.state.shards["shard-lisbon"].active is None
    place().settler.wait(10)
    assert [scope.agent for scope in target.settled] == ["travel-desk"]


def test_stale_page_decides_nothing_by_accident(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    """Somebody else decides between drawing and clicking."""
    from dashboard import actions
    from tests.dashboard.fakes import Follower
    from tests.dashboard.learner import MARTA

    page = run_page("review", home, entry=ids["travellers"])
    entry = place().ledger.state.entry(ids["travellers"])
    other = actions.Decide(MARTA, entry.entry_id, "reject", "wrong", "", 1, entry.content_digest)
    assert isinstance(actions.decide(place().ledger, Follower(), other), actions.Done)
    page.button(key="approve").click().run()
    assert_healthy(page)
    assert f"Not done: Meanwhile marta.keller rejected entry {ids['travellers']}." in words_of(page)
    assert place().ledger.state.entry(ids["travellers"]).status == "rejected"


def test_someone_without_the_role_can_only_look(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    page = run_page("review", home, actor="human:visitor", entry=ids["travellers"])
    assert "You (visitor) do not hold the role reviewer" in words_of(page)
    for key in ("approve", "reject", "quarantine"):
        assert page.button(key=key).disabled
    assert "claim" not in [button.key for button in page.button]
    allowed = run_page("review", home, entry=ids["travellers"])
    assert not allowed.button(key="approve").disabled


def test_a_role_lost_while_looking_is_told_beside_the_button(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    page = run_page("review", home, entry=ids["travellers"])
    lost = RoleWithdrawn(principal=str(LOCAL), role="reviewer")
    place().ledger.append([EventDraft(lost, SYSTEM)])
    page.button(key="approve").click().run()
    assert_healthy(page)
    assert "Not done: You do not hold the role reviewer." in words_of(page)
    assert focused(page) == ids["travellers"], "a refusal does not move on"
    assert place().ledger.state.entry(ids["travellers"]).status == "verified"
    place().ledger.append([EventDraft(RoleGranted(principal=str(LOCAL), role="reviewer"), SYSTEM)])
    allowed = run_page("review", home, entry=ids["travellers"])
    allowed.button(key="approve").click().run()
    assert place().ledger.state.entry(ids["travellers"]).status == "active"


def test_filters_come_from_the_address_and_can_be_cleared(run_page: RunPage, home: Path) -> None:
    page = run_page("review", home, status="Rejected")
    assert "1 match" in words_of(page)
    page = run_page("review", home, status="Revoked", kind="Fact")
    assert "Nothing matches" in words_of(page)
    clear = next(button for button in page.button if "Clear filters" in button.label)
    clear.click().run()
    assert_healthy(page)
    assert "6 match" in words_of(page)


def test_unknown_filter_and_entry_fall_back_with_words(run_page: RunPage, home: Path) -> None:
    page = run_page("review", home, status="Nonsense", entry="fact-000000000000")
    assert_healthy(page)
    assert "does not hold" in words_of(page)
    assert "6 match" in words_of(page)


def test_permalink_shows_an_entry_outside_the_list(
    run_page: RunPage, home: Path, ids: dict[str, str]
) -> None:
    page = run_page("review", home, entry=ids["aurora"])
    assert focused(page) == ids["aurora"]
    assert "Rejected" in words_of(page)
    assert "Nothing is left to decide here." in words_of(page)


def test_another_scope_is_not_shown(run_page: RunPage, tmp_path: Path) -> None:
    from tests.dashboard.learner import Learner, Ticking
    from tests.dashboard.population import fact

    home = tmp_path / "two"
    with Ledger.open(home, create=True, clock=Ticking()) as ledger:
        desk = Learner(ledger, Ticking())
        desk.ingest()
        desk.propose("here", fact("a", "b", "c", "A statement of this agent."), "Your seat is 14C.")
        other = desk.in_scope("someone-else", "other-desk")
        other.ingest(prefix="other-")
        entry_id = other.propose(
            "there",
            fact("a", "b", "d", "A secret of another agent."),
            "Your seat is 14C.",
        )
    page = run_page("review", home, status="All")
    assert "A statement of this agent." in words_of(page)
    assert "A secret of another agent." not in words_of(page)
    page = run_page("review", home, status="All", entry=entry_id)
    assert "does not hold" in words_of(page)
    page.selectbox(key="scope").select("someone-else / other-desk").run()
    assert_healthy(page)
    assert "A secret of another agent." in words_of(page)
    st.cache_resource.clear()
