"""SubRip subtitles (SRT): one element a cue, in order.

A cue is found by its timing line; the counter above it is layout (players ignore it, and
deleting a cue renumbers the rest). Times compare to the millisecond. A block without a
timing line is kept as opaque text, never dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from governance.drift.domains.elements import (
    Element,
    FieldValue,
    checked,
    refuse_binary,
    text_field,
)
from governance.errors import DocumentParseError
from governance.literals import Canonical

_TIME = r"(\d{1,3}):([0-5]?\d):([0-5]?\d)[,.](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?P<position>.*)\Z")
_TEXT_WEIGHT = 2


class SubtitleDomain:
    """SRT text."""

    name = "subtitles"
    suffixes = (".srt",)

    def parse(self, text: str) -> tuple[Element, ...]:
        """Cues in file order.

        Raises:
            DocumentParseError: binary content, or no timing line anywhere.
        """
        refuse_binary(text, domain=self.name)
        elements = list(_cues(text.removeprefix("\ufeff").splitlines()))
        if not any(element.kind == "cue" for element in elements):
            raise DocumentParseError(
                "no cue found",
                domain=self.name,
                hint="a cue has a line such as 00:00:01,000 --> 00:00:02,500",
            )
        return checked(elements, domain=self.name)


def _cues(lines: list[str]) -> Iterator[Element]:
    start = 0
    for end in [i for i, line in enumerate(lines) if not line.strip()] + [len(lines)]:
        block = lines[start:end]
        if block:
            yield _cue(block, start + 1)
        start = end + 1


def _cue(block: list[str], line: int) -> Element:
    timing = 1 if block[0].strip().isdigit() else 0
    match = _TIMING.match(block[timing]) if timing < len(block) else None
    if match is None:
        raw = "\n".join(block)
        return Element("text", "", (text_field("text", raw),), f"line {line}", raw, "cues")
    groups = match.groups()
    fields = [
        _instant("start", groups[0:4]),
        _instant("end", groups[4:8]),
        text_field("text", "\n".join(block[timing + 1 :]), weight=_TEXT_WEIGHT),
    ]
    if match["position"].strip():
        fields.append(text_field("position", match["position"]))
    raw = "\n".join(block[timing:])
    return Element("cue", "", tuple(fields), f"line {line + timing}", raw, "cues")


def _instant(name: str, parts: tuple[str, ...]) -> FieldValue:
    hours, minutes, seconds, fraction = parts
    millis = int(fraction.ljust(3, "0"))
    total = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + millis
    text = f"{int(hours):02d}:{int(minutes):02d}:{int(seconds):02d},{millis:03d}"
    return FieldValue(name, text, Canonical("time", f"{total} ms"))
