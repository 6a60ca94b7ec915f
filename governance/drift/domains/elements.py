"""Typed elements: what a document of any format is compared by.

A *domain* reads one format. It turns text into elements; everything after that (matching,
scores, diffs) knows only elements, so that one formula and one set of tests serve all
formats. A domain never repairs and never guesses: text that is not its format raises, and
a document without a single element raises too, because an empty parse would otherwise
score as a perfect copy of an empty parse.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias

from governance.errors import DocumentParseError
from governance.literals import Canonical, canonical_text, canonical_value

Signature: TypeAlias = "tuple[str, bool, tuple[tuple[str, str, str], ...]]"


@dataclass(frozen=True)
class FieldValue:
    """One named value of an element.

    ``text`` is shown to people, ``canonical`` is compared, ``weight`` says how much of
    the element it carries (a message body more than its date).
    """

    name: str
    text: str
    canonical: Canonical
    weight: int = 1


@dataclass(frozen=True)
class Element:
    """One unit of a document that can be lost, changed, moved, invented or doubled.

    ``key`` is the identity that the format itself gives (JSON path, UID, record number),
    or "". ``sequence`` names the order that the element takes part in, None where the
    format gives order no meaning. A ``frame`` element (a table header, a calendar's own
    properties) is not counted among the N elements but damages them all when it breaks.
    """

    kind: str
    key: str
    fields: tuple[FieldValue, ...]
    location: str
    raw: str
    sequence: str | None
    frame: bool = False

    @cached_property
    def signature(self) -> Signature:
        """Equal signatures mean equal content, whatever the spelling or field order."""
        values = sorted((f.name, f.canonical.kind, f.canonical.value) for f in self.fields)
        return self.kind, self.frame, tuple(values)

    @cached_property
    def spelling(self) -> str:
        """The text as written, without the white space at line ends."""
        return "\n".join(line.rstrip() for line in self.raw.strip().splitlines())


class Domain(Protocol):
    """One document format."""

    @property
    def name(self) -> str:
        """Short name, recorded with every relay."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File name endings, lower case, with the dot."""
        ...

    def parse(self, text: str) -> tuple[Element, ...]:
        """Elements in document order, at least one of them not a frame.

        Raises:
            DocumentParseError: the text is not of this format, or holds no element.
        """
        ...


def value_field(name: str, text: str, *, weight: int = 1, bare_numbers: bool = True) -> FieldValue:
    """A field whose value may be a number, date, amount …, compared by meaning."""
    return FieldValue(name, text, canonical_value(text, bare_numbers=bare_numbers), weight)


def text_field(name: str, text: str, *, weight: int = 1) -> FieldValue:
    """A field of running text, compared word by word."""
    return FieldValue(name, text, Canonical("text", canonical_text(text)), weight)


def exact_field(name: str, text: str, *, weight: int = 1) -> FieldValue:
    """A field that is right or wrong as a whole, as written."""
    value = unicodedata.normalize("NFC", text.strip())
    return FieldValue(name, text, Canonical("exact", value), weight)


def checked(elements: Sequence[Element], *, domain: str) -> tuple[Element, ...]:
    """``elements``, if any of them carries content.

    Raises:
        DocumentParseError: there is none; an empty parse never passes as a document.
    """
    if all(element.frame for element in elements):
        raise DocumentParseError(
            "no elements found",
            domain=domain,
            hint="an empty document cannot be scored; give one with content",
        )
    return tuple(elements)


def refuse_binary(text: str, *, domain: str) -> None:
    """Raise on text that is no text.

    Raises:
        DocumentParseError: a NUL or replacement character, as undecodable bytes leave.
    """
    for char in ("\x00", "\ufffd"):
        index = text.find(char)
        if index >= 0:
            raise DocumentParseError(
                f"character U+{ord(char):04X} found: binary or wrongly decoded",
                domain=domain,
                where=f"line {text.count(chr(10), 0, index) + 1}",
                hint="save the document as UTF-8 text",
            )
