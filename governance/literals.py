"""Numbers, dates, times, money, quantities and identifiers written in plain text; pure.

One scanner serves two readers: ``governance.facts`` (does a claim say anything that its
evidence does not?) and ``governance.drift`` (is ``0.2 kg`` still ``200 g``?). It is
deterministic and model-free, so a verification can be repeated by anyone.

Conventions, where notation is ambiguous:

* ``1,200`` is one thousand two hundred, ``1.200`` is one point two; ``1.200,50`` and
  ``0,5`` are continental decimals.
* ``04.03.2026`` is day first. ``04/03/2026`` is either: both readings are kept, and it
  equals neither of them until the other side says which.
* ``2:30`` is 02:30 *or* 14:30; ``02:30`` and ``14:30`` are exact.
* Digits with a leading zero (``0042``) are an identifier, not the number 42.
* Hours, days, weeks, months and years are never converted into each other: a term of
  one day is not a term of 24 hours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal, TypeAlias

MentionKind: TypeAlias = Literal[
    "identifier", "date", "time", "money", "quantity", "number", "weekday"
]


@dataclass(frozen=True)
class Mention:
    """One literal found in a text.

    ``value`` is the normal form (ISO 8601 for dates and times, base units for
    quantities, plain decimals for numbers); ``amount`` is the bare number of money and
    quantities as written; ``readings`` are the exact values an ambiguous one may mean.
    """

    kind: MentionKind
    value: str
    start: int
    end: int
    amount: str = ""
    readings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Canonical:
    """Normal form of one value; ``kind`` is a mention kind, ``datetime`` or ``text``."""

    kind: str
    value: str


_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan"),
            ("february", "feb"),
            ("march", "mar"),
            ("april", "apr"),
            ("may",),
            ("june", "jun"),
            ("july", "jul"),
            ("august", "aug"),
            ("september", "sept", "sep"),
            ("october", "oct"),
            ("november", "nov"),
            ("december", "dec"),
        ),
        start=1,
    )
    for name in names
}
_CURRENCIES: Final = {
    "€": "EUR", "euro": "EUR", "euros": "EUR", "$": "USD", "dollar": "USD", "dollars": "USD",
    "£": "GBP", "pound": "GBP", "pounds": "GBP", "¥": "JPY", "franc": "CHF", "francs": "CHF",
}  # fmt: skip
_ISO_CURRENCIES: Final = "EUR|USD|GBP|CHF|JPY|SEK|NOK|DKK|PLN|CZK|CAD|AUD|INR"
_UNITS: Final[dict[str, tuple[str, Decimal | int]]] = {
    "kg": ("g", 1000), "g": ("g", 1), "mg": ("g", Decimal("0.001")),
    "km": ("m", 1000), "m": ("m", 1), "cm": ("m", Decimal("0.01")), "mm": ("m", Decimal("0.001")),
    "l": ("l", 1), "L": ("l", 1), "cl": ("l", Decimal("0.01")), "ml": ("l", Decimal("0.001")),
    "h": ("s", 3600), "hr": ("s", 3600), "hrs": ("s", 3600), "hour": ("s", 3600),
    "hours": ("s", 3600), "min": ("s", 60), "mins": ("s", 60), "minute": ("s", 60),
    "minutes": ("s", 60), "s": ("s", 1), "sec": ("s", 1), "second": ("s", 1),
    "seconds": ("s", 1), "day": ("day", 1), "days": ("day", 1), "week": ("week", 1),
    "weeks": ("week", 1), "month": ("month", 1), "months": ("month", 1), "year": ("year", 1),
    "years": ("year", 1), "%": ("%", 1), "percent": ("%", 1), "per cent": ("%", 1),
}  # fmt: skip
_HOURS: Final = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
}  # fmt: skip
_DIAL: Final = range(1, 13)
_HALF_DAY: Final = {"morning": 0, "afternoon": 12, "evening": 12}

_NUMBER = (
    r"(?:\d{1,3}(?:[,'’\u00a0\u202f]\d{3})+(?:\.\d+)?"  # 1,200.50
    r"|\d{1,3}(?:\.\d{3})+,\d+"  # 1.200,50
    r"|\d+,\d{1,2}(?!\d)"  # 0,5
    r"|\d+(?:\.\d+)?)"
)
_SIGN = r"(?:(?<![\w.)\]])[-\u2212+])?"
# A lower-case "may" is a verb.
_MONTH = (
    r"(?:(?-i:May|MAY)|"
    + "|".join(sorted(_MONTHS.keys() - {"may"}, key=lambda name: (-len(name), name)))
    + r")"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_MERIDIEM = r"(?:a\.m\.|p\.m\.|[ap]m(?!\w))"
_HALF_DAY_TAIL = r"(?:\s+in\s+the\s+(?:morning|afternoon|evening))"
_HOUR_WORD = r"(?:\d{1,2}|" + "|".join(_HOURS) + r")"
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_CURRENCY_WORD = r"(?:euros?|dollars?|pounds?|francs?)"

_WHITESPACE = re.compile(r"\s+")
_WEEKDAYS: Final = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"


def plain_decimal(number: Decimal) -> str:
    """``number`` without exponent, trailing zeros or negative zero."""
    if number == 0:
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def parse_number(text: str) -> Decimal:
    """The number written as ``text`` (one match of the number pattern, signed or not)."""
    digits = text.replace("\u2212", "-").lstrip("+")
    digits = re.sub(r"['’\u00a0\u202f]", "", digits)
    if re.search(r"\.\d{3},\d", digits) or re.fullmatch(r"-?\d+,\d{1,2}", digits):
        digits = digits.replace(".", "").replace(",", ".")
    return Decimal(digits.replace(",", ""))


def iban_is_valid(text: str) -> bool:
    """Whether ``text`` (spaces allowed) passes the ISO 13616 mod-97 check."""
    code = text.replace(" ", "").upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}", code):
        return False
    digits = "".join(str(int(char, 36)) for char in code[4:] + code[:4])
    return int(digits) % 97 == 1


_Value: TypeAlias = "tuple[str, str, tuple[str, ...]]"
"""Normal form, amount as written, exact readings."""


def _exact(value: str) -> _Value:
    return value, "", ()


def _iso_date(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _iban(match: re.Match[str]) -> _Value | None:
    code = match[0].replace(" ", "")
    return _exact(code) if " " not in match[0] or iban_is_valid(code) else None


def _phone(match: re.Match[str]) -> _Value | None:
    plus = "+" if match[0].startswith("+") else ""
    return _exact(plus + re.sub(r"\D", "", match[0]))


def _numeric_date(match: re.Match[str]) -> _Value | None:
    groups = match.groupdict()
    if groups.get("y1"):
        iso = _iso_date(int(match["y1"]), int(match["m1"]), int(match["d1"]))
        return None if iso is None else _exact(iso)
    first, second, year = int(match["a"]), int(match["b"]), int(match["y2"])
    day_first = _iso_date(year, second, first)
    month_first = _iso_date(year, first, second) if match["sep"] == "/" else None
    readings = tuple(dict.fromkeys(iso for iso in (day_first, month_first) if iso))
    if not readings:
        return None
    return ("|".join(readings), "", readings) if len(readings) > 1 else _exact(readings[0])


def _named_date(match: re.Match[str]) -> _Value | None:
    month = _MONTHS[(match["mon"]).casefold()]
    day = int(re.sub(r"\D", "", match["day"])) if match["day"] else 0
    year = int(match["year"]) if match["year"] else 0
    if not day:
        return _exact(f"{year:04d}-{month:02d}")
    iso = _iso_date(year or 2000, month, day)  # 2000 has a 29 February
    if iso is None:
        return None
    return _exact(iso if year else f"--{month:02d}-{day:02d}")


def _clock(hour: int, minute: int, rest: str, half_day: int | None) -> _Value | None:
    """24-hour form; ``half_day`` is 0 or 12 when a.m. or p.m. is said, else None."""
    if hour > 24 or minute > 59 or (half_day is not None and hour not in _DIAL):  # noqa: PLR2004
        return None
    if half_day is not None:
        hour = hour % 12 + half_day
    value = f"{hour % 24:02d}:{minute:02d}{rest}"
    if half_day is None and hour in _DIAL:
        return value, "", (value, f"{(hour + 12) % 24:02d}:{minute:02d}{rest}")
    return _exact(value)


def _half_day(text: str) -> int | None:
    folded = text.casefold().replace(".", "")
    for word, offset in _HALF_DAY.items():
        if word in folded:
            return offset
    return 12 if "pm" in folded else 0 if "am" in folded else None


def _time(match: re.Match[str]) -> _Value | None:
    seconds = (match["sec"] or "").replace(",", ".")
    seconds = "" if re.fullmatch(r":00(\.0+)?", seconds) else seconds
    zone = re.sub(r"^[+-]00:?00$", "Z", match["zone"] or "")
    value = _clock(
        int(match["hour"]), int(match["minute"]), seconds + zone, _half_day(match["tail"] or "")
    )
    exact_style = match["hour"].startswith("0")
    return _exact(value[0]) if value and (exact_style or zone) else value


def _spoken_time(match: re.Match[str]) -> _Value | None:
    folded = match[0].casefold()
    if match["word"]:
        return _exact("00:00" if folded == "midnight" else "12:00")
    spoken = match["h1"] or match["h2"] or match["h3"]
    hour = _HOURS.get(spoken.casefold()) or int(spoken)
    minute = 0
    if folded.startswith("half"):
        minute = 30
    elif match["part"] and "past" in folded:
        minute = 15
    elif match["part"]:
        hour, minute = hour - 1 or 12, 45
    return _clock(hour, minute, "", _half_day(match["t1"] or match["t2"] or match["t3"] or ""))


def _money(match: re.Match[str]) -> _Value | None:
    mark = match["c1"] or match["c2"]
    code = _CURRENCIES.get(mark.casefold(), mark.upper())
    amount = plain_decimal(parse_number((match["sign"] or "") + (match["n1"] or match["n2"])))
    return f"{code} {amount}", amount, ()


def _quantity(match: re.Match[str]) -> _Value | None:
    number = parse_number(match["n"])
    unit = _WHITESPACE.sub(" ", match["u"])
    base, factor = _UNITS[unit if unit in _UNITS else unit.casefold()]
    return f"{plain_decimal(number * factor)} {base}", plain_decimal(number), ()


def _identifier(match: re.Match[str]) -> _Value | None:
    text = match[0].lstrip("#")
    ordinal = re.fullmatch(r"(\d+)(?:st|nd|rd|th)", text)
    return _exact(ordinal[1] if ordinal else text)


def _number(match: re.Match[str]) -> _Value | None:
    return _exact(plain_decimal(parse_number(match[0])))


_Rule: TypeAlias = tuple[
    MentionKind, "re.Pattern[str]", Callable[["re.Match[str]"], "_Value | None"]
]


def _rule(kind: MentionKind, pattern: str, read: Callable[[re.Match[str]], _Value | None]) -> _Rule:
    return kind, re.compile(pattern), read


def _address_rules() -> Iterator[_Rule]:
    yield _rule("identifier", r"https?://[^\s<>\"']*[\w/]", lambda m: _exact(m[0]))
    yield _rule(
        "identifier", r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+", lambda m: _exact(m[0].casefold())
    )
    yield _rule(
        "identifier",
        r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)",
        _iban,
    )
    yield _rule(
        "identifier",
        r"(?<![\w.])(?:\+\d{1,3}(?:[ ./-]?\(?\d{1,4}\)?){2,6}"
        r"|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}|0\d{2,4}[ /-]\d{4,9})(?![\w-])",
        _phone,
    )


def _date_rules() -> Iterator[_Rule]:
    yield _rule(
        "date",
        r"(?<![\w.-])(?:(?P<y1>\d{4})[-/](?P<m1>\d{2})[-/](?P<d1>\d{2})"
        r"|(?P<a>\d{1,2})(?P<sep>[./])(?P<b>\d{1,2})(?P=sep)(?P<y2>\d{4}))(?=T\d|[^\w]|$)",
        _numeric_date,
    )
    yield _rule(
        "date",
        rf"(?i:(?<!\w)(?P<day>{_DAY})(?:\s+of)?\s+(?P<mon>{_MONTH})(?!\w)\.?"
        r"(?:,?\s+(?P<year>\d{4})(?!\w))?)",
        _named_date,
    )
    yield _rule(
        "date",
        rf"(?i:(?<!\w)(?P<mon>{_MONTH})\.?\s+(?P<day>{_DAY})(?![\w:])(?:,?\s+(?P<year>\d{{4}})(?!\w))?)",
        _named_date,
    )
    yield _rule(
        "date", rf"(?i:(?<!\w)(?P<mon>{_MONTH})\.?\s+(?P<day>)(?P<year>\d{{4}})(?!\w))", _named_date
    )
    yield _rule("weekday", rf"(?<!\w)(?:{_WEEKDAYS})(?!\w)", lambda m: _exact(m[0].casefold()))


def _time_rules() -> Iterator[_Rule]:
    yield _rule(
        "time",
        r"(?i:(?:(?P<tee>(?<=\d)T)|(?<![\w:.]))(?P<hour>\d{1,2}):(?P<minute>\d{2})"
        r"(?P<sec>:\d{2}(?:[.,]\d{1,3})?)?(?P<zone>(?(tee)(?:Z|[+-]\d\d:?\d\d)?|Z?))"
        rf"(?P<tail>\s?{_MERIDIEM}|{_HALF_DAY_TAIL})?)(?![\w:])",
        _time,
    )
    yield _rule(
        "time",
        rf"(?i:(?<![\w:.,])(?P<hour>\d{{1,2}})(?:\.(?P<minute>\d{{2}}))?\s?(?P<tail>{_MERIDIEM}))",
        lambda m: _clock(int(m["hour"]), int(m["minute"] or 0), "", _half_day(m["tail"])),
    )
    yield _rule(
        "time",
        rf"(?i:(?<!\w)(?:(?P<word>noon|midday|midnight)"
        rf"|(?P<part>half\s+past|quarter\s+past|quarter\s+to)\s+(?P<h1>{_HOUR_WORD})(?P<t1>{_HALF_DAY_TAIL}|\s?{_MERIDIEM})?"
        rf"|(?P<h2>{_HOUR_WORD})\s+o['’]clock(?P<t2>{_HALF_DAY_TAIL})?"
        rf"|(?P<h3>{_HOUR_WORD})(?P<t3>{_HALF_DAY_TAIL}))(?!\w))",
        _spoken_time,
    )


def _amount_rules() -> Iterator[_Rule]:
    yield _rule(
        "money",
        rf"(?:(?P<sign>(?<![\w.)\]])[-\u2212])?(?:(?P<c1>[€$£¥]|(?<!\w)(?:{_ISO_CURRENCIES}))\s?"
        rf"(?P<n1>{_NUMBER})|(?<![\w.,])(?P<n2>{_NUMBER})\s?"
        rf"(?P<c2>[€$£¥]|(?:{_ISO_CURRENCIES}|(?i:{_CURRENCY_WORD}))(?!\w))))(?![\w]|[.,]\d)",
        _money,
    )
    yield _rule(
        "quantity",
        rf"(?<![\w.,#])(?P<n>{_SIGN}{_NUMBER})(?:\s|-(?=day|week|month|year|hour|minute))?"
        rf"(?P<u>{_UNIT}|(?i:hours?|minutes?|days?|weeks?|months?|years?))(?![\w/-])",
        _quantity,
    )
    yield _rule(
        "identifier",
        r"#?(?<!\w)(?=[\w./-]{0,200}\d)(?=[\w./-]{0,200}[^\W\d])[^\W_]+(?:[-_/.][^\W_]+)*(?!\w)"
        r"|#\d+(?!\w)|(?<![\w.,])\d+(?:\.\d+){2,}(?![\w]|[.,]\d)|(?<![\w.,])0\d+(?![\w]|[.,]\d)|(?<![\w.,])\d{10,}(?![\w]|[.,]\d)",
        _identifier,
    )
    yield _rule("number", rf"{_SIGN}(?<![\w.])(?:{_NUMBER})(?!\w)", _number)


_RULES: Final = (*_address_rules(), *_date_rules(), *_time_rules(), *_amount_rules())
"""Most specific first; at one place of the text the first rule that accepts wins."""
_CANDIDATE = re.compile(r"[€$£¥#+\u2212\d-]|(?<=\d)T(?=\d)|(?<!\w)[\w(]")
"""Places where a mention can begin; every rule is then tried there in order."""


_WORD_START = re.compile(r"[\w.+-]{1,200}")  # unbounded, long runs would take quadratic time


def _accepts_start(text: str, start: int) -> bool:
    """Cheap test that keeps the rules away from ordinary words."""
    char = text[start]
    if not char.isalpha():
        return True
    word = _WORD_START.match(text, start)
    return word is not None and (
        char.isupper()
        or "@" in text[word.end() : word.end() + 1]
        or any(c.isdigit() for c in word[0])
        or word[0].casefold().rstrip(".") in _OPENING_WORDS
        or text.startswith(("http://", "https://"), start)
    )


_OPENING_WORDS: Final = frozenset(
    {*_MONTHS, *_HOURS, "half", "quarter", "noon", "midday", "midnight"}
)


def find_mentions(text: str) -> tuple[Mention, ...]:
    """Every literal of ``text``, left to right, none overlapping."""
    found: list[Mention] = []
    position = 0
    while candidate := _CANDIDATE.search(text, position):
        start = candidate.start()
        mention = _mention_at(text, start) if _accepts_start(text, start) else None
        if mention is None:
            position = start + 1
        else:
            found.append(mention)
            position = mention.end
    return tuple(found)


def _mention_at(text: str, start: int) -> Mention | None:
    for kind, pattern, read in _RULES:
        match = pattern.match(text, start)
        if match is None or match.end() == start:
            continue
        value = read(match)
        if value is None:
            continue
        if kind == "identifier" and value[0].isdigit() and re.fullmatch(r"\d+[a-z]{2}", match[0]):
            kind = "number"  # noqa: PLW2901 - an ordinal: 2nd
        return Mention(kind, value[0], start, match.end(), value[1], value[2])
    return None


def canonical_value(text: str, *, bare_numbers: bool = True) -> Canonical:
    """Normal form of one field or cell; equal forms mean the same value.

    Args:
        text: The value as written.
        bare_numbers: Read a lone number as a number (``1,200.00`` = ``1200``). False
            where the format has its own numbers and ``"1.10"`` is a version string.
    """
    tidy = _tidy(text)
    mentions = find_mentions(tidy)
    if len(mentions) == 1 and (mentions[0].start, mentions[0].end) == (0, len(tidy)):
        only = mentions[0]
        if only.kind != "number" or bare_numbers:
            return Canonical(only.kind, only.value)
    if len(mentions) == 2 and [m.kind for m in mentions] == ["date", "time"]:  # noqa: PLR2004
        day, clock = mentions
        between = tidy[day.end : clock.start]
        if (day.start, clock.end) == (0, len(tidy)) and between in {"", "T", " "}:
            return Canonical("datetime", f"{day.value}T{clock.value}")
    return Canonical("text", _replace_mentions(tidy, mentions))


def canonical_text(text: str) -> str:
    """``text`` with white space collapsed and every literal in it in normal form.

    Lone numbers keep their spelling unless they carry thousands separators, because in
    prose ``1.10`` may be a version or a section.
    """
    tidy = _tidy(text)
    return _replace_mentions(tidy, find_mentions(tidy))


def _tidy(text: str) -> str:
    return _WHITESPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()


def _replace_mentions(text: str, mentions: tuple[Mention, ...]) -> str:
    pieces: list[str] = []
    position = 0
    for mention in mentions:
        raw = text[mention.start : mention.end]
        keep = mention.kind in {"identifier", "weekday"} or (
            mention.kind == "number" and not re.search(r"[,'’\u00a0\u202f]\d{3}", raw)
        )
        pieces += [text[position : mention.start], raw if keep else mention.value]
        position = mention.end
    return "".join([*pieces, text[position:]])
