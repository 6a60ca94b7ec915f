"""Hostile text in memory reaches every page as words, never as markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from governance.events import CardBody, FactBody
from governance.ledger import Ledger
from tests.dashboard.conftest import RunPage, assert_healthy, html_of
from tests.dashboard.learner import Learner, Ticking

EVIL = (
    '<script>alert("x")</script><img src=http://evil.example/i.png onerror=alert(1)>'
    "<style>*{display:none}</style>![i](http://evil.example/m.png) :red[x] \u202eesrever\u202c"
)
OWN_TAGS = {
    "a", "b", "br", "div", "span", "p", "strong", "small", "h2", "ul", "li", "table", "thead",
    "tbody", "tr", "th", "td", "dl", "dt", "dd", "del", "ins", "mark", "style", "code",
}  # fmt: skip


class Elements(HTMLParser):
    """Elements and attributes of the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture
def evil_home(tmp_path: Path) -> Path:
    home = tmp_path / "evil"
    with Ledger.open(home, create=True, clock=Ticking()) as ledger:
        desk = Learner(ledger, Ticking())
        desk.ingest(extra=f"Guest: {EVIL}\n")
        body = FactBody(topic=EVIL, attribute=EVIL, value=EVIL, statement=EVIL)
        desk.propose("fact", body, EVIL)
        desk.verify("fact", 0.9, instruction=EVIL)
        desk.assign("fact", "rule", EVIL)
        card = CardBody(topic=EVIL, attribute=EVIL, question=EVIL, answer=EVIL, rewordings=[EVIL])
        desk.learn("card", card, EVIL)
        desk.build("shard-" + EVIL[:40], 1, ["card"], desk.probe(EVIL))
        desk.relay_of(EVIL)
    return home


@pytest.mark.parametrize("name", ["overview", "review", "timeline", "adapters", "drift"])
def test_memory_text_is_inert(name: str, run_page: RunPage, evil_home: Path) -> None:
    page = run_page(name, evil_home, **({"to": "5"} if name == "timeline" else {}))
    assert_healthy(page)
    assert_inert(page)
    if name == "timeline":
        page.session_state["history_tab"] = "All events"
        page.run()
        assert_inert(page)
    assert "evil.example" in html_of(page) + labels(page), "the text itself is shown"


def assert_inert(page: AppTest) -> None:
    reader = Elements()
    reader.feed(html_of(page))
    assert set(reader.tags) <= OWN_TAGS
    assert reader.tags.count("style") == 1, "only the style sheet of the package"
    assert reader.attributes <= {"class", "title", "style", "tabindex", "aria-hidden"}
    assert "\u202e" not in html_of(page) + labels(page)
    for label in re.findall(r"[^\n]*evil[^\n]*", labels(page)):
        assert "](" not in label
        assert "<script" not in label
        assert ":red[x" not in label


def labels(page: AppTest) -> str:
    """Everything that Streamlit reads as Markdown."""
    found = [link.proto.label for link in page.get("page_link")]
    found += [button.label for button in page.button]
    found += [element.value for group in (page.markdown, page.caption) for element in group]
    return "\n".join(found)
