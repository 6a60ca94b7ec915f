"""Every page: empty, populated, and on a home that cannot be shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dashboard import session
from governance.ledger import Ledger
from tests.dashboard.conftest import RunPage, assert_healthy, html_of, words_of
from tests.dashboard.fakes import FakeTarget
from tests.dashboard.tampering import tamper

PAGES = ("overview", "review", "timeline", "adapters", "drift")
TITLES = {
    "overview": "Overview", "review": "Review queue", "timeline": "Timeline and rollback",
    "adapters": "Adapters", "drift": "Document drift",
}  # fmt: skip
EMPTY = {
    "overview": "Nothing was learned here yet", "review": "Nothing was proposed yet",
    "timeline": "Nothing has happened yet", "adapters": "No adapter was built yet",
    "drift": "No relay was run yet",
}  # fmt: skip
FULL = {
    "overview": "departure", "review": "LV80 BANK", "timeline": "Roll back",
    "adapters": "Casa do Miradouro", "drift": "P-4",
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_empty_home_says_why_and_populated_home_shows_it(
    name: str, run_page: RunPage, tmp_path: Path, home: Path
) -> None:
    Ledger.open(tmp_path / "empty", create=True).close()
    page = run_page(name, tmp_path / "empty")
    assert_healthy(page)
    assert page.title[0].value == TITLES[name]
    assert EMPTY[name] in words_of(page)
    full = run_page(name, home)
    assert_healthy(full)
    assert EMPTY[name] not in words_of(full)
    assert FULL[name] in words_of(full)


@pytest.mark.parametrize("name", PAGES)
def test_no_home_is_a_designed_state(name: str, run_page: RunPage, tmp_path: Path) -> None:
    page = run_page(name, tmp_path / "nowhere")
    assert not page.exception
    assert "There is no home to show" in words_of(page)
    assert "--home names it" in words_of(page)
    assert not page.title


def test_busy_home_is_named_and_opens_once_free(run_page: RunPage, home: Path) -> None:
    from governance.errors import StoreBusyError

    real = Ledger.open
    busy = True

    def opened(path: Path) -> Ledger:
        if busy:
            raise StoreBusyError("the ledger is in use by process 4711", hint="stop it")
        return real(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "open", staticmethod(opened))
        page = run_page("overview", home)
        assert "Another process is using this home" in words_of(page)
        assert "Stop it." in words_of(page)
        busy = False
        page.button[0].click().run()
        assert page.title[0].value == "Overview"


def test_tampered_home_opens_no_page_and_names_the_event(run_page: RunPage, home: Path) -> None:
    tamper(home, seq=12)
    page = run_page("review", home)
    assert not page.exception
    assert "This record does not prove itself" in words_of(page)
    assert "Event 12" in words_of(page)
    assert not page.title, "no page may be drawn from an altered record"


def test_half_a_home_is_not_completed(run_page: RunPage, home: Path) -> None:
    shutil.move(home / "keys.sqlite", home.parent / "elsewhere")
    page = run_page("overview", home)
    assert "half a home" in words_of(page)
    assert not (home / "keys.sqlite").exists()


def test_unforeseen_failure_names_only_its_kind(
    run_page: RunPage, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("secret memory text")

    monkeypatch.setattr("dashboard.views.overview.overview", broken)
    page = run_page("overview", home)
    assert "The page stopped with KeyError" in words_of(page)
    assert "secret memory text" not in html_of(page)


def test_overview_names_what_needs_a_person(run_page: RunPage, home: Path) -> None:
    page = run_page("overview", home)
    words = words_of(page)
    assert "Verified" in words
    assert "5 high" in words
    assert "2 quarantined" in words
    assert "2 of 2" in words
    assert "85.9 %" in words
    assert "departure: 16 April at 11:20" in words
    assert len(page.get("vega_lite_chart")) == 1


def test_sidebar_says_who_and_what_is_verified(run_page: RunPage, home: Path) -> None:
    words = words_of(run_page("drift", home, actor="human:ana"))
    assert "ana" in words
    assert "northwind-travel / travel-desk" in words
    assert "Verified to event" in words


def test_adapter_page_puts_regressions_first(run_page: RunPage, home: Path) -> None:
    page = run_page("adapters", home)
    versions = page.selectbox(key="version_shard-lisbon")
    refused = next(option for option in versions.options if "refused" in option)
    versions.select(refused).run()
    assert_healthy(page)
    words = words_of(page)
    assert "Refused" in words
    assert words.index("Regressed") < words.index("Learned")
    page.selectbox(key="against_shard-lisbon").select_index(1).run()
    assert_healthy(page)
    assert "points against v" in words_of(page)


def test_approved_cards_without_adapter_can_be_built(
    run_page: RunPage, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = FakeTarget()
    monkeypatch.setattr("dashboard.session.load_target", lambda _: target)
    page = run_page("adapters", home)
    assert "2 approved cards in no adapter that is served." in words_of(page)
    page.button(key="settle").click().run()
    assert_healthy(page)
    session.workplace().settler.wait(10)
    assert [scope.agent for scope in target.settled] == ["travel-desk"]


def test_drift_page_shows_the_chosen_step(run_page: RunPage, home: Path) -> None:
    page = run_page("drift", home)
    assert "1880.50" in words_of(page)
    assert "Facts lost: P-4" in words_of(page)
    page.selectbox(key="document").select("documents/routing.json").run()
    assert_healthy(page)
    assert "Set retries to 3." in words_of(page)
