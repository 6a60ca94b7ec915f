"""Memory text on its way to a screen: inert, and with nothing hidden in it.

What an agent learned was written by strangers. Two ways lead to the page and both start
here: :func:`markup` for HTML that this package writes itself, :func:`label` for the few
places where Streamlit takes Markdown only (button labels, options). Neither lets a
character of memory text act: no tag, no link, no image, no icon, no colour, no formula.
Characters that have no glyph or change the reading direction are shown as codes, because
what a reviewer cannot see they would approve.
"""

from __future__ import annotations

import html
import re
import unicodedata

from governance.textforms import visible

_MAX_MARKS = 4
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_BREAK = "\u2060"


def markup(text: str) -> str:
    """``text`` as HTML text: every character escaped, hidden ones shown as marked codes."""
    calm = _without_stacked_marks(text)
    if visible(calm) == calm:
        return html.escape(calm)
    return "".join(_markup_of(character) for character in calm)


def attribute(text: str) -> str:
    """``text`` inside a quoted attribute: no markup of ours either, codes as plain text."""
    return html.escape(visible(_without_stacked_marks(text)), quote=True)


def label(text: str, *, limit: int = 80) -> str:
    r"""``text`` for a place that reads Markdown, as one line without any effect.

    Every ASCII punctuation mark is escaped *and* followed by a word joiner, because
    Streamlit looks for links, ``:icons:``, colours and arrows once more after Markdown
    has removed the backslashes.
    """
    return _PUNCTUATION.sub(rf"\\\1{_BREAK}", plain(text, limit=limit))


def plain(text: str, *, limit: int = 200) -> str:
    """``text`` for an inert surface (a table cell, a chart): one line, nothing hidden."""
    line = " ".join(visible(_without_stacked_marks(text)).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def counted(number: int, noun: str) -> str:
    """``1 document``, ``2 documents``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _markup_of(character: str) -> str:
    shown = visible(character)
    if shown == character:
        return html.escape(character)
    return f'<span class="pl-code" title="hidden character">{shown.strip("⟨⟩")}</span>'


def _without_stacked_marks(text: str) -> str:
    """At most a few combining marks in a row, so a line cannot paint over its neighbours."""
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks <= _MAX_MARKS:
            kept.append(character)
    return "".join(kept)
