"""Markdown procedures (CommonMark with tables): one element a block, in order.

Headings, paragraphs, list items, table rows, quotations, code blocks. Layout is not
content: bullets of any kind, renumbered lists, setext or ATX headings, wrapped lines and
either way to write emphasis compare equal. A block's role (heading level, depth in a
list, ordered or not) is a field, so turning a step into a paragraph is a small change and
losing it is a large one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from governance.drift.domains.elements import (
    Element,
    checked,
    exact_field,
    refuse_binary,
    text_field,
)

_MARKS: Final = {"em_open": "*", "em_close": "*", "strong_open": "**", "strong_close": "**"}
_LEAVES: Final = {"inline": "", "fence": "code", "code_block": "code", "html_block": "html"}
_CONTAINERS: Final = {
    "ordered_list_open": "ordered",
    "bullet_list_open": "bullet",
    "blockquote_open": "quote",
}
_FRONT_MATTER = re.compile(r"\A---\s*\n(?P<body>.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_TEXT_WEIGHT: Final = 3


class ProcedureDomain:
    """Markdown."""

    name = "procedure"
    suffixes = (".md", ".markdown")

    def __init__(self) -> None:
        self._parser = MarkdownIt("commonmark").enable("table")

    def parse(self, text: str) -> tuple[Element, ...]:
        """Blocks in order; front matter gives one element a line.

        Raises:
            DocumentParseError: binary content, or nothing but white space and rules.
        """
        refuse_binary(text, domain=self.name)
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        lines = text.splitlines()
        front = _FRONT_MATTER.match(text)
        elements: list[Element] = []
        offset = 0
        if front:
            offset = text.count("\n", 0, front.end())
            elements += _front_matter(front["body"])
            text = text[front.end() :]
        elements += _blocks(self._parser.parse(text), lines, offset)
        return checked(elements, domain=self.name)


def _front_matter(body: str) -> Iterator[Element]:
    for number, line in enumerate(body.split("\n"), start=2):
        if line.strip():
            fields = (exact_field("role", "front matter"), text_field("text", line))
            yield Element("block", "", fields, f"line {number}", line, "blocks")


def _blocks(tokens: Sequence[Token], lines: Sequence[str], offset: int) -> Iterator[Element]:
    """Walk the flat token list, keeping track of the containers that are open."""
    open_types: list[str] = []
    cells: list[str] = []
    place = (0, 0)
    for token in tokens:
        if token.map is not None:
            place = (token.map[0] + offset, token.map[1] + offset)
        if token.nesting > 0:
            open_types.append(token.tag if token.type == "heading_open" else token.type)
            cells = [] if token.type == "tr_open" else cells
        elif token.nesting < 0:
            open_types.pop()
            if token.type == "tr_close":
                yield _block("table row", " | ".join(cells), lines, place)
        elif token.type == "inline" and "tr_open" in open_types:
            cells.append(_inline(token))
        elif token.type in _LEAVES:
            text = _inline(token) if token.type == "inline" else token.content
            yield _block(_role(token, open_types), text, lines, place)


def _role(token: Token, open_types: Sequence[str]) -> str:
    if token.type != "inline":
        return f"{_LEAVES[token.type]} {token.info.strip()}".strip()
    names = [_CONTAINERS.get(name, name) for name in open_types]
    return " ".join(name for name in names if not name.endswith("_open")) or "paragraph"


def _inline(token: Token) -> str:
    """Running text with one spelling for emphasis, links and line breaks."""
    pieces: list[str] = []
    targets: list[str] = []
    for child in token.children or ():
        match child.type:
            case "text" | "html_inline":
                pieces.append(child.content)
            case "softbreak" | "hardbreak":
                pieces.append(" ")
            case "code_inline":
                pieces.append(f"`{child.content}`")
            case "link_open":
                targets.append(str(child.attrGet("href") or ""))
                pieces.append("[")
            case "link_close":
                pieces.append(f"]({targets.pop()})")
            case "image":
                pieces.append(f"![{child.content}]({child.attrGet('src') or ''})")
            case _:
                pieces.append(_MARKS.get(child.type, child.content))
    return "".join(pieces)


def _block(role: str, text: str, lines: Sequence[str], place: tuple[int, int]) -> Element:
    first, last = place
    raw = "\n".join(lines[first:last])
    # A renumbered or re-bulleted list is layout, not a change of its steps.
    raw = re.sub(r"\A(\s*)(?:\d+[.)]|[-*+])(?=\s)", r"\1-", raw)
    fields = (exact_field("role", role), text_field("text", text, weight=_TEXT_WEIGHT))
    return Element("block", "", fields, f"line {first + 1}", raw, "blocks")
