"""E-mail threads: RFC 5322 messages, in an mbox or simply one after the other.

A message begins at an mbox ``From `` line, or at a block of headers with a ``From:``
among them that follows the start, a blank line or a rule. One element a message, in
order; its body carries most of the weight. Dates compare as instants, addresses without
regard to quoting or case of the domain, bodies word by word without regard to wrapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from email import message_from_string, policy
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

from governance.drift.domains.elements import (
    Element,
    FieldValue,
    checked,
    exact_field,
    refuse_binary,
    text_field,
)
from governance.errors import DocumentParseError
from governance.literals import Canonical, canonical_value

_HEADER = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9-]*):(?=\s|$)")
_RULE = re.compile(r"\s*(?:-{3,}|={3,}|_{3,}|\*{3,})\s*\Z")
_ADDRESSES: Final = frozenset({"from", "to", "cc", "bcc", "reply-to", "sender"})
_EXACT: Final = frozenset({"message-id", "in-reply-to", "references", "content-type"})
_LAYOUT: Final = frozenset({"mime-version", "content-transfer-encoding"})
_BODY_WEIGHT: Final = 6


@dataclass(frozen=True)
class _Part:
    """Raw lines of one message and where they start; ``headed`` tells if it has headers."""

    line: int
    lines: tuple[str, ...]
    headed: bool


class EmailDomain:
    """A thread of plain-text messages."""

    name = "emails"
    suffixes = (".eml", ".mbox", ".email")

    def parse(self, text: str) -> tuple[Element, ...]:
        """One element a message; text before the first message is kept as its own.

        Raises:
            DocumentParseError: binary content, or no message with a ``From:`` header.
        """
        refuse_binary(text, domain=self.name)
        parts = list(_split(text.removeprefix("\ufeff").splitlines()))
        if not parts:
            raise DocumentParseError(
                "no message found",
                domain=self.name,
                hint="a message starts with header lines, From: among them",
            )
        return checked([_element(part) for part in parts], domain=self.name)


def _split(lines: Sequence[str]) -> Iterator[_Part]:
    starts = [i for i in range(len(lines)) if _begins_message(lines, i)]
    if not starts:
        return
    first = starts[0]
    if any(line.strip() for line in lines[:first]):
        yield _Part(1, tuple(lines[:first]), headed=False)
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield _Part(start + 1, tuple(_trimmed(lines[start:end])), headed=True)


def _begins_message(lines: Sequence[str], index: int) -> bool:
    before = lines[index - 1] if index else ""
    if before.strip() and not _RULE.match(before):
        # Not the first line of a block, unless the block opens with an mbox line.
        return False
    if lines[index].startswith("From ") and index + 1 < len(lines):
        return _HEADER.match(lines[index + 1]) is not None
    names: list[str] = []
    for line in lines[index:]:
        match = _HEADER.match(line)
        if match:
            names.append(match["name"].lower())
        elif not (names and line[:1] in {" ", "\t"} and line.strip()):
            break
    return "from" in names and len(names) > 1


def _trimmed(lines: Sequence[str]) -> Sequence[str]:
    """Without the rules and blank lines that separate it from the next message."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or _RULE.match(lines[end - 1])):
        end -= 1
    return lines[:end]


def _element(part: _Part) -> Element:
    raw = "\n".join(part.lines)
    where = f"line {part.line}"
    if not part.headed:
        return Element("preamble", "", (text_field("text", raw),), where, raw, "messages")
    lines = part.lines[1:] if part.lines[0].startswith("From ") else part.lines
    message = message_from_string("\n".join(lines), _class=EmailMessage, policy=policy.default)
    fields = [_header(name, str(value)) for name, value in _headers(message)]
    fields.append(text_field("body", _body(message), weight=_BODY_WEIGHT))
    return Element(
        "message", str(message.get("Message-ID", "")).strip(), tuple(fields), where, raw, "messages"
    )


def _headers(message: EmailMessage) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    for name, value in message.items():
        key = name.lower()
        if key in _LAYOUT:
            continue
        seen[key] = seen.get(key, 0) + 1
        yield (key if seen[key] == 1 else f"{key} #{seen[key]}"), value


def _header(name: str, value: str) -> FieldValue:
    base = name.partition(" #")[0]
    if base == "date":
        return FieldValue(name, value, _instant(value))
    if base in _ADDRESSES:
        pairs = sorted(
            (" ".join(label.split()), address.casefold())
            for label, address in getaddresses([value])
        )
        words = " ".join(f"{label} <{address}>".strip() for label, address in pairs)
        return FieldValue(name, value, Canonical("text", words))
    if base in _EXACT:
        return exact_field(name, " ".join(value.split()))
    return text_field(name, value)


def _instant(value: str) -> Canonical:
    """The moment in UTC, or without an offset as written; free text as it is."""
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return canonical_value(value)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return Canonical("datetime", moment.isoformat())


def _body(message: EmailMessage) -> str:
    if message.is_multipart():
        plain = message.get_body(preferencelist=("plain", "html"))
        if plain is not None:
            message = plain  # type: ignore[assignment] # typeshed names the base class
    payload = message.get_payload()
    return payload if isinstance(payload, str) else str(message)
