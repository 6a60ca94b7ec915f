"""Recognisers for secrets and personal data: patterns with checksums; pure, offline.

A pattern alone is not enough where a checksum exists: order numbers look like card
numbers, and a reviewer who is shown ten false alarms stops reading. Names and addresses
need a model and are *not* recognised; the policy report says so.

Checksums: Luhn (ISO/IEC 7812), mod 97 (ISO 13616), mod 11,10 (ISO 7064; German tax id),
EAN-13 (Swiss AHV number), mod 97 (French NIR), mod 23 (Spanish DNI/NIE); US SSN ranges as
published by the Social Security Administration.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from governance.literals import iban_is_valid
from governance.textforms import without_invisible


@dataclass(frozen=True)
class Finding:
    """One hit: what kind, and a masked form that is safe to show."""

    kind: str
    masked: str

    def __str__(self) -> str:
        return f"{self.kind} {self.masked}"


@dataclass(frozen=True)
class Recogniser:
    """A pattern; its group ``v``, or the whole match, must satisfy ``accept``."""

    kind: str
    pattern: re.Pattern[str]
    accept: Callable[[str], bool] = lambda _: True


_CARD_DIGITS: Final = range(13, 20)
_CARD_PREFIXES: Final = frozenset("23456")
_PHONE_DIGITS: Final = range(8, 16)
_SECRET_MIN_CHARS: Final = 6
_MASK_MIN_CHARS: Final = 8
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}[:.]?\d{2})?|\d{1,2}[./]\d{1,2}[./]\d{4}")


def luhn_is_valid(text: str) -> bool:
    """13 to 19 digits whose Luhn sum is 0, not all the same, with a card issuer's prefix."""
    digits = [int(char) for char in text if char.isdigit()]
    if len(digits) not in _CARD_DIGITS or len(set(digits)) == 1:
        return False
    if str(digits[0]) not in _CARD_PREFIXES:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def ssn_is_valid(text: str) -> bool:
    """US social security number: no reserved area, group or serial."""
    area, group, serial = text.split("-")
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def german_tax_id_is_valid(text: str) -> bool:
    """Steuer-Identifikationsnummer: 11 digits, ISO 7064 mod 11,10."""
    product = 10
    for char in text[:10]:
        total = (int(char) + product) % 10 or 10
        product = 2 * total % 11
    return text[0] != "0" and (11 - product) % 10 == int(text[10])


def ahv_is_valid(text: str) -> bool:
    """Swiss AHV number: 13 digits from 756 with an EAN-13 check digit."""
    digits = [int(char) for char in text if char.isdigit()]
    total = sum(digit * (3 if position % 2 else 1) for position, digit in enumerate(digits[:12]))
    return (10 - total % 10) % 10 == digits[12]


def nir_is_valid(text: str) -> bool:
    """French social security number: 13 digits and 97 − (number mod 97)."""
    digits = re.sub(r"\s", "", text)
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def dni_is_valid(text: str) -> bool:
    """Spanish DNI or NIE: the letter is the number mod 23."""
    code = re.sub(r"[-.\s]", "", text).upper()
    number = code[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == code[-1]


def _is_iban(text: str) -> bool:
    return iban_is_valid(re.sub(r"[ .-]", "", text))


def _is_password(text: str) -> bool:
    """Filter for ``password: …``: a placeholder or an ordinary word is no secret."""
    if text.rstrip(".").isdigit():
        return True
    return (
        len(text) >= _SECRET_MIN_CHARS
        and re.search(r"[\d\W_]", text.rstrip(".!?)")) is not None
        and re.fullmatch(r"[*x.•…<>-]+", text, re.IGNORECASE) is None
    )


def _is_phone(text: str) -> bool:
    return sum(char.isdigit() for char in text) in _PHONE_DIGITS and not _DATE.match(text)


def _is_german_tax_id(text: str) -> bool:
    return german_tax_id_is_valid(text.replace(" ", ""))


_CREDENTIAL: Final = (
    r"(?i)(?<!\w)(?:pass(?:word|wort|phrase|code)|pwd|pin(?: code| number)?|api[ _-]?key"
    r"|secret(?: key)?|access[ _-]?token|auth[ _-]?token)(?!\w)"
    r"(?: is| ist|\s*[:=])\s*[\"'`]?(?P<v>[^\s\"'`,;]{4,})"
)
_NATIONAL_INSURANCE: Final = (
    r"(?<!\w)(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
    r" ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)"
)
_IBAN: Final = r"(?i)(?<!\w)[A-Z]{2}\d{2}(?:[ .-]?[A-Z0-9]){11,30}(?!\w)"
_NIR: Final = r"(?<!\w)[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?!\w)"
_TAX_ID: Final = r"(?i)(?:tax|steuer|idnr)\D{0,40}(?P<v>\d{2} ?\d{3} ?\d{3} ?\d{3})(?!\d)"
_JWT: Final = r"(?<!\w)eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"
_PHONE: Final = r"(?<![\w.+-])(?:\+|00|\()?\d(?:[ ()./-]{0,2}\d){7,14}(?![\w-])"
_SHORT_PHONE: Final = (
    r"(?i)(?:phone|mobile|cell|call|tel|telephone|number)\D{0,30}(?P<v>\d{3}[ -]\d{4})(?!\w)"
)


def _rule(kind: str, pattern: str, accept: Callable[[str], bool] = lambda _: True) -> Recogniser:
    return Recogniser(kind, re.compile(pattern), accept)


SECRETS: Final = (
    _rule("private key", r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    _rule("AWS access key", r"(?<![A-Z0-9])(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Z0-9])"),
    _rule("GitHub token", r"(?<!\w)(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})"),
    _rule("GitLab token", r"(?<!\w)glpat-[\w-]{20,}"),
    _rule("Slack token", r"(?<!\w)xox[abeoprs]-[\w-]{10,}"),
    _rule("Stripe key", r"(?<!\w)[rs]k_(?:live|test)_\w{10,}"),
    _rule("Google API key", r"(?<!\w)AIza[\w-]{35}"),
    _rule("model API key", r"(?<!\w)sk-(?:ant-|proj-)?[\w-]{20,}"),
    _rule("JSON web token", _JWT),
    _rule("password in a URL", r"(?i)[a-z][a-z0-9+.-]*://[^\s/:@]+:(?P<v>[^\s/@]{3,})@"),
    _rule("password or key", _CREDENTIAL, _is_password),
    _rule("IBAN", _IBAN, _is_iban),
    _rule("payment card", r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])", luhn_is_valid),
    _rule("US social security number", r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])", ssn_is_valid),
    _rule("Swiss AHV number", r"(?<![\w.])756\.?\d{4}\.?\d{4}\.?\d{2}(?!\w)", ahv_is_valid),
    _rule("French social security number", _NIR, nir_is_valid),
    _rule("Spanish DNI", r"(?i)(?<!\w)(?:\d{8}|[XYZ]-?\d{7})-?[A-Z](?!\w)", dni_is_valid),
    _rule("German tax id", _TAX_ID, _is_german_tax_id),
    _rule("UK national insurance number", _NATIONAL_INSURANCE),
)
"""Credentials, payment data and national identifiers: never learned without a person."""

PERSONAL: Final = (
    _rule("e-mail address", r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    _rule("phone number", _PHONE, _is_phone),
    _rule("phone number", _SHORT_PHONE),
    _rule("phone number", r"(?<![\w.+-])555-\d{4}(?!\w)"),
    _rule(
        "date of birth", r"(?i)(?:date of birth|birthday|born on)\D{0,20}(?P<v>\d[\w ./-]{3,20})"
    ),
)
"""Personal, but ordinary in a conversation: raises the risk and is recorded."""


def find(recognisers: tuple[Recogniser, ...], text: str) -> Iterator[Finding]:
    """All hits in ``text``, first rule first; invisible characters cannot hide one."""
    plain = without_invisible(unicodedata.normalize("NFKC", text))
    for recogniser in recognisers:
        position = 0
        while match := recogniser.pattern.search(plain, position):
            group = "v" if "v" in match.groupdict() else 0
            value = _accepted(recogniser, match[group])
            position = match.start(group) + len(value) if value else match.start() + 1
            if value:
                yield Finding(recogniser.kind, mask(value))


def _accepted(recogniser: Recogniser, value: str) -> str:
    """``value``, or the longest beginning of it that stops at a gap and is accepted.

    A number in spaced groups has no end that a pattern could see: in ``… 3456 78 and it``
    only the checksum says where it stops.
    """
    while value and not recogniser.accept(value):
        value = value[: max(value.rfind(" "), 0)].rstrip()
    return value


def mask(value: str) -> str:
    """First and last two characters, so that a reviewer finds it and a log does not tell it."""
    tidy = " ".join(value.split())
    return f"{tidy[:2]}…{tidy[-2:]}" if len(tidy) >= _MASK_MIN_CHARS else "…"
