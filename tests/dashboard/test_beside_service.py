"""The screen as one of several users of a home that a service owns."""

from __future__ import annotations

from pathlib import Path

import pytest

from dashboard import actions, session
from dashboard.commands import _prepare_home
from governance.client import RemoteLog
from governance.errors import StoreBusyError
from governance.ledger import Ledger
from governance.log import OwnedLog
from tests.dashboard.conftest import RunPage
from tests.dashboard.fakes import Follower
from tests.dashboard.learner import SCOPE
from tests.dashboard.test_actions import decide
from tests.governance.serving import serving


def test_the_screen_sees_what_others_decide_and_they_what_it_decides(
    home: Path, ids: dict[str, str], run_page: RunPage
) -> None:
    with serving(home), Ledger.open(home) as other:
        run_page("review", home)
        waiting = len(other.state.queue(SCOPE))
        place = session.workplace()
        assert isinstance(place.ledger.log, RemoteLog)
        assert len(place.ledger.state.queue(SCOPE)) == waiting
        done = actions.decide(other, Follower(), decide(other, ids["travellers"]))
        assert isinstance(done, actions.Done)
        page = run_page("review", home)
        assert not page.exception
        assert len(place.ledger.state.queue(SCOPE)) == waiting - 1
        seen = actions.decide(place.ledger, Follower(), decide(place.ledger, ids["departure-new"]))
        assert isinstance(seen, actions.Done)
        assert other.state.entries[ids["departure-new"]].status == "active"


def test_the_screen_goes_on_when_its_service_ends(home: Path, run_page: RunPage) -> None:
    with serving(home) as served:
        page = run_page("overview", home)
        assert isinstance(session.workplace().ledger.log, RemoteLog)
        head = served.ledger.head
    page.run()
    assert not page.exception
    place = session.workplace()
    assert isinstance(place.ledger.log, OwnedLog)
    assert place.ledger.head == head


def test_a_late_browser_still_leaves_the_home_to_others(
    home: Path, run_page: RunPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service that the command started goes away before anybody opens the page."""
    wanted: list[Path] = []
    monkeypatch.setattr("dashboard.session.ensure", wanted.append)
    page = run_page("overview", home)
    assert not page.exception
    assert wanted == [home.resolve()]


def test_whoever_holds_a_token_is_the_actor(
    home: Path, run_page: RunPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(home) as served:
        scope = next(iter(served.ledger.state.entries.values())).scope
        from governance.authority import issue_token, register_principal
        from governance.events import RoleGranted
        from governance.ledger import SYSTEM, EventDraft
        from tests.governance.drafts import ANN

        served.ledger.append([EventDraft(RoleGranted(principal=str(ANN), role="admin"), SYSTEM)])
        register_principal(served.ledger, "human:kim", scope, actor=ANN)
        token = issue_token(served.ledger, "human:kim", days=None, actor=ANN)
        monkeypatch.setenv("PALIMPSEST_URL", served.url)
        monkeypatch.setenv("PALIMPSEST_TOKEN", token.text)
        run_page("overview", home, actor="human:somebody-else")
        assert str(session.actor()) == "human:kim"
        session.open_workplace.clear()


def test_a_home_held_without_a_service_is_named_at_once(home: Path) -> None:
    _prepare_home(home)
    with Ledger.open(home, doing="an import"), pytest.raises(StoreBusyError, match="an import"):
        _prepare_home(home)
