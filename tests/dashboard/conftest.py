"""A populated home for the dashboard's tests, and pages run without a browser."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import session
from dashboard.queries import Desk
from governance.ledger import Ledger
from tests.dashboard.fakes import FakeTarget
from tests.dashboard.learner import SCOPE
from tests.dashboard.population import build_home

RunPage = Callable[..., AppTest]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A home built once, and short name → entry id. Never open it: copy it."""
    home = tmp_path_factory.mktemp("template") / "home"
    return home, build_home(home)


@pytest.fixture
def ids(template: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return template[1]


@pytest.fixture
def home(template: tuple[Path, dict[str, str]], tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(template[0], tmp_path / "home"))


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    with Ledger.open(home) as opened:
        yield opened


@pytest.fixture
def desk(ledger: Ledger) -> Desk:
    return Desk(ledger, SCOPE)


@pytest.fixture
def run_page(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunPage]:
    """Runs one page of the app on a home, as the reviewer of the population."""
    st.cache_resource.clear()
    monkeypatch.setattr("dashboard.session.load_target", lambda _: FakeTarget())

    def run(start: str, home: Path, *, actor: str = "reviewer", **query: str) -> AppTest:
        monkeypatch.setenv(session.HOME_VARIABLE, str(home))
        monkeypatch.setenv(session.ACTOR_VARIABLE, actor)
        monkeypatch.setattr("sys.argv", ["app.py"])
        page = AppTest.from_function(_script, kwargs={"start": start}, default_timeout=60)
        page.query_params.update(query)
        return page.run()

    yield run
    st.cache_resource.clear()


def _script(start: str) -> None:
    from dashboard.app import run  # the body runs on its own

    run(start)


def html_of(page: AppTest) -> str:
    """All HTML on the page and in its sidebar."""
    return "\n".join(element.proto.body for element in page.get("html"))


def words_of(page: AppTest) -> str:
    """The page as a reader sees it: HTML without tags, labels of links, buttons and tabs."""
    labels = [link.proto.label for link in page.get("page_link")]
    labels += [element.label for group in (page.button, page.tabs) for element in group]
    plain = re.sub(r"<[^>]+>", " ", html_of(page))
    return html.unescape(plain) + "\n".join(unlabelled(label) for label in labels)


def unlabelled(label: str) -> str:
    """The readable text of an escaped label."""
    return re.sub(r"\\(.)\u2060", r"\1", label)


def assert_healthy(page: AppTest) -> None:
    """No exception, and no designed failure either."""
    assert not page.exception, page.exception
    assert "Something went wrong" not in html_of(page), html_of(page)[-600:]
