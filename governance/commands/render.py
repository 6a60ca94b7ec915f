"""Rich output. Memory text is hostile: it is never parsed as markup and hides nothing.

Every text goes through :func:`plain`: control, bidirectional and invisible characters are
shown as codes, and the result is a ``Text``, which Rich does not search for markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from governance.textdiff import WordDiff
from governance.textforms import visible

STYLES: Final = {
    "proposed": "yellow", "verified": "yellow", "approved": "green", "active": "green",
    "superseded": "dim", "revoked": "red", "expired": "dim", "rejected": "red",
    "quarantined": "magenta", "erased": "dim", "pass": "green", "fail": "red", "error": "red",
}  # fmt: skip
SHORT_CHARS: Final = 72
PIPE_WIDTH: Final = 200
FOLDED: Final = frozenset({
    "What", "Text", "Why it waits", "Detail", "Question", "Answer", "Answers", "Prompt",
    "When", "Message", "About", "Holds", "Expected", "Decided", "First", "Second", "Module",
})  # fmt: skip
"""Columns of free text: these take the remaining width, the others keep their line."""


def console() -> Console:
    """Standard output as it is now; a pipe or a file gets wide lines instead of cut ones."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPE_WIDTH)


def plain(text: str, style: str = "") -> Text:
    """Any text, made safe to show."""
    return Text(visible(text), style=style)


def short(text: str, limit: int = SHORT_CHARS) -> Text:
    """One line of any text, cut to ``limit`` characters."""
    line = visible(" ".join(text.split()))
    return Text(line if len(line) <= limit else f"{line[: limit - 1]}…")


def status(name: str) -> Text:
    """A status or outcome in its colour."""
    return Text(name, style=STYLES.get(name, ""))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Text | str]]) -> Table:
    """A table whose cells are shown as they are."""
    result = Table(title=Text(title), title_justify="left", title_style="bold", box=None,
                   pad_edge=False, header_style="bold")  # fmt: skip
    for column in columns:
        folds = column in FOLDED
        result.add_column(column, overflow="fold" if folds else "ellipsis", no_wrap=not folds)
    for row in rows:
        result.add_row(*(cell if isinstance(cell, Text) else plain(cell) for cell in row))
    return result


def fields(pairs: Iterable[tuple[str, Text | str]]) -> Table:
    """Names and values, one pair a line; empty values are left out."""
    result = Table(box=None, show_header=False, pad_edge=False)
    result.add_column(style="bold", no_wrap=True)
    result.add_column(overflow="fold")
    for name, value in pairs:
        cell = value if isinstance(value, Text) else plain(value)
        if cell.plain:
            result.add_row(name, cell)
    return result


def diff_text(diff: WordDiff) -> Text:
    """A word diff in one text: removed struck through in red, added underlined in green.

    Bracketed as well, so that it survives a pipe: ``[-old-]``, ``{+new+}`` (as git's word
    diff).
    """
    text = Text()
    for part in diff.parts:
        if part.operation == "equal":
            text.append(visible(part.after))
            continue
        if part.before:
            text.append(f"[-{visible(part.before)}-]", style="red strike")
        if part.after:
            text.append(f"{{+{visible(part.after)}+}}", style="green underline")
    return text
