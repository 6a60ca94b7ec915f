"""Memory text is inert wherever it is shown."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from dashboard.components import entry
from dashboard.components.html import Column, Html, badge, box, fields, table, tag, text
from dashboard.text import counted, label, markup, plain
from governance.textdiff import word_diff

HOSTILE = (
    "<script>alert(1)</script>", '<img src="http://evil.example/x.png">',
    "<style>.stApp{display:none}</style>", "![x](http://evil.example/y.png)",
    "[click](javascript:alert(1))", ":red[gone] :material/delete: $x^2$ `code` **bold**",
    "www.evil.example a@evil.example http://evil.example", "\u202eevil\u202c zero\u200bwidth",
    "'\" onmouseover=\"alert(1)", "&lt;b&gt; &amp; \x00\x07",
)  # fmt: skip


def test_markup_shows_hidden_characters_and_escapes_the_rest() -> None:
    shown = markup("a\u202eb<c>")
    assert shown == 'a<span class="pl-code" title="hidden character">U+202E</span>b&lt;c&gt;'
    assert markup("⟨U+202E⟩") == "⟨U+202E⟩", "written codes are text, not marked as hidden"
    assert markup("plain") == "plain"


@given(st.text())
def test_markup_gives_back_every_visible_character(value: str) -> None:
    shown = markup(value)
    without_codes = re.sub(r'<span class="pl-code"[^>]*>U\+[0-9A-F]+</span>', "", shown)
    assert not {"<", ">", '"'} & set(without_codes)


@given(st.text(max_size=120))
def test_label_leaves_no_punctuation_that_markdown_reads(value: str) -> None:
    line = label(value, limit=200)
    bare = re.sub(r"\\[!-/:-@\[-`{-~]\u2060", "", line)
    assert not re.search(r"[!-/:-@\[-`{-~]", bare)
    assert "\n" not in line


def test_label_keeps_the_words() -> None:
    assert (
        re.sub(r"\\(.)\u2060", r"\1", label("What is ~it~: (a) *b*?")) == "What is ~it~: (a) *b*?"
    )
    assert label("x" * 100).endswith("…")


def test_stacked_marks_are_cut() -> None:
    assert len(markup("a" + "\u0301" * 50)) == 5
    assert markup("e\u0301") == "e\u0301"


def test_plain_is_one_line() -> None:
    assert plain("a\n b\tc") == "a b c"
    assert plain("\u200b") == "⟨U+200B⟩"


def test_every_builder_escapes() -> None:
    for value in HOSTILE:
        pieces = [
            text(value), tag("p", value, title=value), badge(value, "check", "red", title=value),
            table([Column(value)], [[value]]), fields([(value, value)]),
            box(text(value), text(value)), *entry.halves(word_diff(value, "other words")),
            entry.inline(word_diff("other", value)),
        ]  # fmt: skip
        for piece in pieces:
            assert_inert(piece, value)
    assert '<span class="pl-code"' not in tag("p", "x", title="\u202e").code
    assert "<del>" in entry.halves(word_diff("a", "b"))[0].code, "the diff does mark changes"


class Reader(HTMLParser):
    """What a browser would make of a piece: elements, attributes, text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def assert_inert(piece: Html, value: str) -> None:
    reader = Reader()
    reader.feed(piece.code)
    reader.close()
    allowed = {"p", "span", "div", "table", "thead", "tbody", "tr", "th", "td", "dl", "dt", "dd",
               "del", "ins"}  # fmt: skip
    assert reader.tags <= allowed, (piece.code, value)
    assert reader.attributes <= {"class", "title", "style", "tabindex", "aria-hidden"}, piece.code


def test_counted() -> None:
    assert (counted(1, "document"), counted(1200, "document")) == ("1 document", "1,200 documents")
