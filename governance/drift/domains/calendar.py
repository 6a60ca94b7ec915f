"""iCalendar (RFC 5545): one element an event, to-do or journal.

Content lines are unfolded and split by the ``icalendar`` library; the component tree is
built here, so that no line can be dropped in silence. Order of components, properties,
parameters and of the parts of a recurrence rule has no meaning (RFC 5545, 3.2 to 3.6).
Alarms belong to their component. Time zones and calendar properties are the frame.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from icalendar.parser import Contentline, Contentlines
from icalendar.prop import vDuration

from governance.drift.domains.elements import (
    Element,
    FieldValue,
    checked,
    refuse_binary,
    text_field,
)
from governance.errors import DocumentParseError
from governance.literals import Canonical

_CONTENT: Final = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY"})
_TEXTS: Final = frozenset({"SUMMARY", "DESCRIPTION", "LOCATION", "COMMENT", "CONTACT"})
_LISTS: Final = frozenset({"CATEGORIES", "RESOURCES", "EXDATE", "RDATE"})
_MANY: Final = frozenset({"ATTENDEE", "ATTACH", "RELATED-TO"})
"""Properties that occur several times and are told apart by their value."""


@dataclass
class _Component:
    """One BEGIN … END block while it is read."""

    name: str
    line: int
    properties: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    children: list[_Component] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


class CalendarDomain:
    """iCalendar text with one or more VCALENDAR objects."""

    name = "calendar"
    suffixes = (".ics", ".ical")

    def parse(self, text: str) -> tuple[Element, ...]:
        """Events, to-dos and journals; calendar properties and time zones as frame.

        Raises:
            DocumentParseError: not content lines, unbalanced BEGIN/END, or no component.
        """
        refuse_binary(text, domain=self.name)
        elements: list[Element] = []
        for calendar in _tree(text, self.name):
            elements += _elements(calendar)
        return checked(elements, domain=self.name)


def _tree(text: str, domain: str) -> list[_Component]:
    root = _Component("", 0)
    stack = [root]
    for number, raw in _unfolded(text):
        name, parameters, value = _split(raw, number, domain)
        if name == "BEGIN":
            child = _Component(value.strip().upper(), number, lines=[raw])
            stack[-1].children.append(child)
            stack.append(child)
            continue
        if len(stack) == 1:
            raise DocumentParseError(
                "line outside BEGIN:VCALENDAR", domain=domain, where=f"line {number}"
            )
        for component in stack[1:]:
            component.lines.append(raw)
        if name != "END":
            stack[-1].properties.append((name, parameters, value))
        elif stack.pop().name != value.strip().upper():
            raise DocumentParseError(
                f"END:{value} closes nothing", domain=domain, where=f"line {number}"
            )
    if len(stack) > 1:
        raise DocumentParseError(
            f"{stack[-1].name} is never closed", domain=domain, where=f"line {stack[-1].line}"
        )
    return root.children


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """(first physical line, logical line) of each content line (RFC 5545, 3.1)."""
    physical = text.removeprefix("\ufeff").splitlines()
    number = 1
    for logical in Contentlines.from_ical("\r\n".join(physical)):  # type: ignore[no-untyped-call] # icalendar.parser is unannotated
        if not logical:
            continue
        while number <= len(physical) and not physical[number - 1].strip():
            number += 1
        start = number
        number += 1
        while number <= len(physical) and physical[number - 1][:1] in {" ", "\t"}:
            number += 1
        yield start, str(logical)


def _split(raw: str, number: int, domain: str) -> tuple[str, dict[str, str], str]:
    try:
        name, parameters, value = Contentline(raw).parts()  # type: ignore[no-untyped-call] # as above
    except ValueError as error:
        raise DocumentParseError(
            f"not a content line: {raw[:40]!r}",
            domain=domain,
            where=f"line {number}",
            hint="expected NAME:VALUE",
        ) from error
    plain = {
        key.upper(): value if isinstance(value, str) else ",".join(value)
        for key, value in parameters.items()
    }
    return name.upper(), plain, value


def _elements(calendar: _Component) -> Iterator[Element]:
    if calendar.name in _CONTENT:
        yield _content(calendar)
        return
    properties = tuple(_fields(calendar.properties))
    if properties:
        yield Element(
            calendar.name.lower(),
            calendar.name,
            properties,
            f"line {calendar.line}",
            "\n".join(f"{name}:{value}" for name, _, value in calendar.properties),
            None,
            frame=True,
        )
    for child in calendar.children:
        yield from _elements(child)


def _content(component: _Component) -> Element:
    values = {name: value for name, _, value in component.properties}
    fields = list(_fields(component.properties))
    for number, child in enumerate(component.children, start=1):
        prefix = f"{child.name} {number} "
        fields += [
            FieldValue(prefix + f.name, f.text, f.canonical, f.weight)
            for f in _fields(child.properties)
        ]
    return Element(
        component.name.lower(),
        values.get("UID", ""),
        tuple(fields),
        f"line {component.line}",
        "\n".join(component.lines),
        None,
    )


def _fields(properties: Sequence[tuple[str, dict[str, str], str]]) -> Iterator[FieldValue]:
    """One field a property; repeated ones are told apart by value or by number."""
    seen: Counter[str] = Counter()
    for name, parameters, value in sorted(properties, key=lambda p: (p[0], p[2])):
        label = f"{name} {value}" if name in _MANY else name
        seen[label] += 1
        if seen[label] > 1:
            label = f"{label} #{seen[label]}"
        suffix = "".join(f";{key}={parameters[key]}" for key in sorted(parameters))
        if name in _TEXTS and not suffix:
            yield text_field(label, value, weight=2 if name == "SUMMARY" else 1)
        else:
            canonical = Canonical("property", _canonical(name, value) + suffix)
            yield FieldValue(label, value + suffix, canonical)


def _canonical(name: str, value: str) -> str:
    if name in {"RRULE", "EXRULE"}:
        return ";".join(sorted(value.upper().split(";")))
    if name in _LISTS:
        return ",".join(sorted(part.strip() for part in value.split(",")))
    if name in {"DURATION", "TRIGGER"} and re.fullmatch(r"[+-]?P[\dWDTHMS]+", value.strip()):
        duration = vDuration.from_ical(value.strip())  # type: ignore[no-untyped-call] # as above
        return f"{int(duration.total_seconds())} s"
    return value.strip()
