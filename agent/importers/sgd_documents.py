"""Three small documents *derived* from dialogues, with edit pairs made by rule.

Schema-Guided Dialogue has no documents, but a relay needs some. These are computed from
the data and say so in their names: a table of bookings (CSV), a configuration of the slots
with a choice (JSON) and a summary (Markdown). Each has up to three reversible pairs: change
a value, rename something everywhere, delete a line and insert it again. Everything is a
function of the dialogues: the same file and limit give the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.workspace import Source, document_turns
from agent.workspace_schema import EditPair, Expect
from governance.events import Scope

TABLE: Final = "documents/derived-bookings.csv"
CONFIGURATION: Final = "documents/derived-choices.json"
SUMMARY: Final = "documents/derived-summary.md"
MAX_ROWS: Final = 8
"""Rows of the table and bullets of the summary: what a small model can look over."""
MAX_CELL_CHARS: Final = 40


@dataclass(frozen=True)
class Booking:
    """What the documents say about one dialogue. ``details`` are (slot, value) pairs."""

    booking_id: str
    service: str
    turns: int
    details: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Choice:
    """A slot with the values it may take."""

    service: str
    slot: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class _Derived:
    name: str
    text: str
    pairs: tuple[EditPair, ...]


def derive_documents(
    bookings: Sequence[Booking], choices: Sequence[Choice], path: Path, scope: Scope
) -> tuple[tuple[Source, ...], tuple[EditPair, ...]]:
    """Table, configuration and summary of ``bookings``, and their edit pairs.

    A pair whose texts would be ambiguous in its document is left out: an edit that could
    mean two places cannot be scored.
    """
    derived = [_table(bookings), _configuration(choices), _summary(bookings)]
    sources = tuple(_source(one, path, scope) for one in derived)
    return sources, tuple(pair for one in derived for pair in one.pairs)


def _source(derived: _Derived, path: Path, scope: Scope) -> Source:
    return Source(
        source_id=derived.name,
        kind="document",
        path=path,
        raw=derived.text,
        text=derived.text,
        turns=document_turns(derived.name, derived.text, "internal"),
        trust="internal",
        data_subject=derived.name,
        subject="booking desk",
        scope=scope,
    )


# --- the table -------------------------------------------------------------------------


def _table(bookings: Sequence[Booking]) -> _Derived:
    rows = [(one.booking_id, one.service, str(one.turns), *_detail(one)) for one in bookings]
    shown, spare = rows[:MAX_ROWS], rows[MAX_ROWS:]
    lines = [_csv_line(row) for row in (("booking", "service", "turns", "detail", "value"), *shown)]
    text = "".join(f"{line}\n" for line in lines)
    pairs: list[EditPair | None] = []
    first = shown[0]
    turns = str(int(first[2]) + 3)
    changed = _csv_line((first[0], first[1], turns, *first[3:]))
    pairs.append(
        _pair(
            TABLE,
            text,
            "turns",
            f"Change the turns of {first[0]} from {first[2]} to {turns}.",
            f"Change the turns of {first[0]} from {turns} to {first[2]}.",
            old=lines[1],
            new=changed,
        )
    )
    pairs.append(_renamed_value(text, shown, spare) or _renamed_booking(TABLE, text, shown[-1][0]))
    if len(shown) > 2:  # noqa: PLR2004 - a row with one before it that stays
        pairs.append(_dropped(TABLE, lines, 2, key=shown[1][0], anchor=shown[0][0]))
    return _Derived(TABLE, text, tuple(pair for pair in pairs if pair is not None))


def _detail(booking: Booking) -> tuple[str, str]:
    """The first detail that fits a cell; a document must not repeat what is asked for."""
    for slot, value in booking.details:
        if len(value) <= MAX_CELL_CHARS and value.isprintable():
            return slot, value
    return "services", booking.service


def _renamed_value(
    text: str, shown: Sequence[tuple[str, ...]], spare: Sequence[tuple[str, ...]]
) -> EditPair | None:
    """One value replaced by a value of the same slot that the table does not show."""
    for row in reversed(shown):
        slot, old = row[-2:]
        if not old[:1].isalpha() or text.count(old) != 1:
            continue
        for other, new in (more[-2:] for more in spare):
            if other == slot and new[:1].isalpha() and _fresh(old, new, text):
                return _renamed(TABLE, text, old, new)
    return None


def _fresh(old: str, new: str, text: str) -> bool:
    return new not in text and old not in new and new not in old


def _csv_line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(cells)
    return buffer.getvalue()


# --- the configuration -----------------------------------------------------------------


def _configuration(choices: Sequence[Choice]) -> _Derived:
    names = Counter(one.slot for one in choices)
    # The key of a row must be its own, and no piece of another's.
    kept = [
        one
        for one in choices
        if names[one.slot] == 1 and not any(one.slot in name for name in names if name != one.slot)
    ][:MAX_ROWS]
    rows = [
        {"slot": one.slot, "service": one.service, "values": len(one.values), "first": _first(one)}
        for one in kept
    ]
    lines = ["{", '  "desk": "booking desk",', '  "reply_minutes": 15,', '  "choices": [']
    opening = len(lines)
    lines += [f"    {json.dumps(row)}{',' if row is not rows[-1] else ''}" for row in rows]
    lines += ["  ],", '  "fallback": "ask again"', "}"]
    text = "".join(f"{line}\n" for line in lines)
    pairs = [
        _pair(
            CONFIGURATION,
            text,
            "reply",
            "Change the reply_minutes from 15 to 20.",
            "Change the reply_minutes from 20 to 15.",
            old=lines[2],
            new='  "reply_minutes": 20,',
        )
    ]
    if kept:
        slot = kept[-1].slot
        pairs.append(_renamed(CONFIGURATION, text, slot, f"{slot.replace('_', '-')}-choice"))
    if len(kept) > 2:  # noqa: PLR2004 - a row between two others keeps the commas right
        at, key, anchor = opening + 1, kept[1].slot, kept[0].slot
        pairs.append(_dropped(CONFIGURATION, lines, at, key=key, anchor=anchor))
    return _Derived(CONFIGURATION, text, tuple(pair for pair in pairs if pair is not None))


def _first(choice: Choice) -> str:
    return min(choice.values, default="")[:MAX_CELL_CHARS]


# --- the summary -----------------------------------------------------------------------


def _summary(bookings: Sequence[Booking]) -> _Derived:
    shown = bookings[:MAX_ROWS]
    bullets = [f"- {one.booking_id} has {one.turns} turns with {one.service}." for one in shown]
    head = [
        "# Bookings",
        "",
        f"The desk handled {len(bookings)} dialogues.",
        f"The longest one has {max(one.turns for one in bookings)} turns.",
        "",
        "## First bookings",
    ]
    lines = [*head, *bullets]
    text = "".join(f"{line}\n" for line in lines)
    more = len(bookings) + 7
    pairs = [
        _pair(
            SUMMARY,
            text,
            "dialogues",
            f"Change the number of dialogues from {len(bookings)} to {more}.",
            f"Change the number of dialogues from {more} to {len(bookings)}.",
            old=lines[2],
            new=f"The desk handled {more} dialogues.",
        ),
        _renamed_booking(SUMMARY, text, shown[-1].booking_id),
    ]
    if len(shown) > 2:  # noqa: PLR2004 - a line with one before it that stays
        place = len(head) + 1
        pairs.append(_dropped_line(SUMMARY, text, lines, place))
    return _Derived(SUMMARY, text, tuple(pair for pair in pairs if pair is not None))


# --- pairs -----------------------------------------------------------------------------


def _pair(
    document: str, text: str, name: str, forward: str, backward: str, *, old: str, new: str
) -> EditPair | None:
    """A pair that turns the one ``old`` line into ``new`` and back."""
    if text.count(old) != 1 or new in text or old in text.replace(old, new):
        return None
    return EditPair(
        id=f"{_stem(document)}-{name}",
        document=document,
        forward=forward,
        backward=backward,
        expect=Expect(present=(new,), absent=(old,)),
    )


def _renamed(document: str, text: str, old: str, new: str) -> EditPair | None:
    if old not in text or not _fresh(old, new, text):
        return None
    return EditPair(
        id=f"{_stem(document)}-rename",
        document=document,
        forward=f"Rename {old} to {new}.",
        backward=f"Rename {new} to {old}.",
        expect=Expect(present=(new,), absent=(old,)),
    )


def _renamed_booking(document: str, text: str, booking_id: str) -> EditPair | None:
    return _renamed(document, text, booking_id, f"B-{booking_id.replace('_', '-')}")


def _dropped(
    document: str, lines: Sequence[str], at: int, *, key: str, anchor: str
) -> EditPair | None:
    """A row, found by its key, deleted and put back behind the row above it."""
    if sum(key in line for line in lines) != 1 or sum(anchor in line for line in lines) != 1:
        return None
    return EditPair(
        id=f"{_stem(document)}-row",
        document=document,
        forward=f"Delete the row for {key}.",
        backward=f'Insert the row "{lines[at].strip()}" after {anchor}.',
        expect=Expect(present=(anchor,), absent=(key,)),
    )


def _dropped_line(document: str, text: str, lines: Sequence[str], at: int) -> EditPair | None:
    if text.count(lines[at]) != 1 or text.count(lines[at - 1]) != 1:
        return None
    return EditPair(
        id=f"{_stem(document)}-line",
        document=document,
        forward=f'Delete the line "{lines[at]}"',
        backward=f'Insert the line "{lines[at]}" after the line "{lines[at - 1]}"',
        expect=Expect(present=(lines[at - 1],), absent=(lines[at],)),
    )


def _stem(document: str) -> str:
    return document.rpartition("/")[2].partition(".")[0]
