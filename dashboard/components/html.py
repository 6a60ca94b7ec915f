"""Small pieces of HTML that every page uses. Text goes through :func:`dashboard.text.markup`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from dashboard.text import attribute, markup

Colour = Literal["red", "orange", "green", "violet", "blue", "gray"]


@dataclass(frozen=True)
class Html:
    """Markup this package wrote, with all text in it escaped. Never memory text."""

    code: str

    def __add__(self, other: Html) -> Html:
        return Html(self.code + other.code)


def text(value: str) -> Html:
    """Memory text, inert."""
    return Html(markup(value))


def joined(parts: Iterable[Html], separator: str = "") -> Html:
    """Parts in a row; ``separator`` is plain text."""
    return Html(markup(separator).join(part.code for part in parts))


def spaced(parts: Iterable[Html]) -> Html:
    """Short facts in one line with even gaps."""
    return joined(span(part) for part in parts if part.code)


def tag(name: str, content: Html | str, *classes: str, title: str = "") -> Html:
    """An element; a plain string as content is escaped."""
    inner = content.code if isinstance(content, Html) else markup(content)
    kind = f' class="{" ".join(classes)}"' if classes else ""
    hint = f' title="{attribute(title)}"' if title else ""
    return Html(f"<{name}{kind}{hint}>{inner}</{name}>")


def span(content: Html | str, *classes: str, title: str = "") -> Html:
    """An inline element."""
    return tag("span", content, *classes, title=title)


def icon(name: str) -> Html:
    """A symbol from the bundled font, hidden from screen readers: a word stands beside it."""
    return Html(f'<span class="pl-icon" aria-hidden="true">{markup(name)}</span>')


def badge(word: str, symbol: str, colour: Colour, *, title: str = "") -> Html:
    """State as icon, word and colour: it survives without any one of them."""
    return span(icon(symbol) + text(word), "pl-badge", f"pl-{colour}", title=title)


Row: TypeAlias = "Sequence[Html | str]"


@dataclass(frozen=True)
class Column:
    """Heading and alignment; the ``wide`` column takes the space that is left."""

    name: str
    align: Literal["left", "right"] = "left"
    wide: bool = False


def table(
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    height: str = "",
    marked: frozenset[int] = frozenset(),
) -> Html:
    """A plain table; ``marked`` rows are highlighted, ``height`` makes it scroll."""
    head = joined(
        tag("th", column.name, *(["pl-right"] if column.align == "right" else []))
        for column in columns
    )
    body = joined(
        tag("tr", joined(_cell(c, v) for c, v in zip(columns, row, strict=True)),
            *(["pl-here"] if number in marked else []))
        for number, row in enumerate(rows)
    )  # fmt: skip
    inner = tag("thead", tag("tr", head)) + tag("tbody", body)
    style = f' style="max-height:{height}"' if height else ""
    return Html(
        f'<div class="pl-scroll"{style} tabindex="0">{tag("table", inner, "pl-table").code}</div>'
    )


def _cell(column: Column, value: Html | str) -> Html:
    classes = ["pl-right"] if column.align == "right" else []
    classes += ["pl-wide"] if column.wide else []
    return tag("td", value, *classes)


@dataclass(frozen=True)
class Tile:
    """A figure with its name and one line of what it means."""

    label: str
    value: str
    unit: str = ""
    notes: tuple[Html, ...] = ()


def tiles(items: Sequence[Tile]) -> Html:
    """Figures in a row."""
    return tag("div", joined(_tile(item) for item in items), "pl-tiles")


def _tile(item: Tile) -> Html:
    value = text(item.value) + (Html(" ") + tag("small", item.unit) if item.unit else Html(""))
    return tag(
        "div",
        tag("div", item.label, "pl-tile-label")
        + tag("div", value, "pl-tile-value")
        + tag("div", joined(tag("span", note) for note in item.notes), "pl-tile-note"),
        "pl-tile",
    )


def box(head: Html, body: Html, *body_classes: str) -> Html:
    """A titled frame."""
    return tag(
        "div",
        tag("div", head, "pl-box-head") + tag("div", body, "pl-box-body", *body_classes),
        "pl-box",
    )


def fields(pairs: Sequence[tuple[str, Html | str]]) -> Html:
    """Names and values, aligned."""
    return tag(
        "dl", joined(tag("dt", name) + tag("dd", value) for name, value in pairs), "pl-fields"
    )


def prose(words: str) -> Html:
    """A message as a sentence: capital, full stop, commands between backticks as code."""
    words = words.strip()
    if not words:
        return Html("")
    words = words[0].upper() + words[1:] + ("" if words[-1] in ".!?" else ".")
    pieces = words.split("`")
    return joined(
        tag("code", piece) if number % 2 else text(piece) for number, piece in enumerate(pieces)
    )


def empty(symbol: str, title: str, *lines: str) -> Html:
    """Nothing to show: why, and what to do about it."""
    inner = icon(symbol) + tag("p", title, "pl-strong")
    return tag(
        "div", inner + joined(tag("p", prose(line), "pl-muted") for line in lines), "pl-empty"
    )


def problem(title: str, message: str, hint: str) -> Html:
    """Something is wrong: what, and what to do next."""
    inner = tag("h2", icon("error") + text(f" {title}")) + tag("p", prose(message))
    return tag("div", inner + tag("p", prose(hint), "pl-muted"), "pl-problem")
