"""Recognisers for secrets and personal data: patterns with checksums; pure, offline.

A pattern alone is not enough where a checksum exists: order numbers look like card
numbers, and a reviewer who is shown ten false alarms stops reading. Names and addresses
need a model and are *not* recognised; the policy report says so.

Checksums: Luhn (ISO/IEC 7812) and mod 97 (ISO 13616) here, national identifiers in
``identifiers``; credentials also by detect-secrets (``credentials``), phone numbers by
phonenumbers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from governance.literals import iban_is_valid
from governance.textforms import without_invisible
from governance.verifiers.credentials import find_credentials
from governance.verifiers.identifiers import (
    ahv_is_valid,
    belgian_is_valid,
    bsn_is_valid,
    codice_fiscale_is_valid,
    cpf_is_valid,
    dni_is_valid,
    fodselsnummer_is_valid,
    german_tax_id_is_valid,
    hetu_is_valid,
    nhs_is_valid,
    nir_is_valid,
    personnummer_is_valid,
    pesel_is_valid,
    ppsn_is_valid,
    sin_is_valid,
    ssn_is_valid,
)


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


MAX_REFUSED: Final = 64
"""So many near hits of one kind in one text are looked at; more count as a hit."""

_CARD_DIGITS: Final = range(13, 20)
_CARD_PREFIXES: Final = frozenset("23456")
_PHONE_DIGITS: Final = range(8, 16)
_SECRET_MIN_CHARS: Final = 6
_MASK_MIN_CHARS: Final = 8
_REGIONS: Final = (
    "US", "GB", "IE", "DE", "FR", "ES", "IT", "NL", "AT", "CH", "BE", "PT", "PL", "SE", "DK",
    "NO", "FI", "AU", "IN",
)  # fmt: skip
"""Where a number without a country code may be from."""

_AMERICAN: Final = re.compile(r"\(?\d{3}\)?[ .-]{1,2}\d{3}[ .-]\d{4}")
"""Ten digits written the American way, also where no such area code exists."""

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
    """A number that somebody could be called on, by the numbering plans of ``_REGIONS``.

    An international one need only have a possible length: plans change, and a number of one
    digit too many is still somebody's number.
    """
    import phonenumbers  # noqa: PLC0415  # its tables, only once an entry is verified

    if sum(char.isdigit() for char in text) not in _PHONE_DIGITS or _DATE.match(text):
        return False
    if _AMERICAN.fullmatch(text):
        return True
    abroad = text.startswith(("+", "00"))
    number = f"+{text[2:]}" if text.startswith("00") else text
    for region in (None,) if abroad else _REGIONS:
        try:
            parsed = phonenumbers.parse(number, region)
        except phonenumbers.NumberParseException:
            continue
        known = phonenumbers.is_possible_number if abroad else phonenumbers.is_valid_number
        if known(parsed):
            return True
    return False


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
_PHONE: Final = r"(?<![\w+-])(?<!\d\.)(?:\+|00|\()?\d(?:[ ()./-]{0,2}\d){7,14}(?![\w-])"
_SHORT_PHONE: Final = (
    r"(?i)(?:phone|mobile|cell|call|tel|telephone|number)\D{0,30}(?P<v>\d{3}[ -]\d{4})(?!\w)"
)


def _rule(kind: str, pattern: str, accept: Callable[[str], bool] = lambda _: True) -> Recogniser:
    return Recogniser(kind, re.compile(pattern), accept)


def _about(words: str, number: str) -> str:
    """A pattern for ``number`` within 40 characters after one of ``words``."""
    return rf"(?i)(?<!\w)(?:{words})(?!\w)[^\d\n]{{0,40}}(?P<v>{number})(?!\w)"


_URL_LOGIN: Final = (
    r"(?i)(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s/:@]{0,200}:(?P<v>[^\s/@]{3,200})@"
)
_NINE: Final = r"\d{3}[ .-]?\d{3}[ .-]?\d{3}"
_CODICE: Final = r"(?i)(?<!\w)[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?!\w)"
_BELGIAN: Final = r"(?<![\w.-])\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}(?!\w)"
_PERSONNUMMER: Final = r"(?<![\w-])(?:19|20)?\d{6}[-+]\d{4}(?![\w-])"
_NORWEGIAN: Final = "fødselsnummer|fodselsnummer|personnummer"

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
    _rule("password in a URL", _URL_LOGIN),
    _rule("password or key", _CREDENTIAL, _is_password),
    _rule("IBAN", _IBAN, _is_iban),
    _rule("payment card", r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])", luhn_is_valid),
    _rule("US social security number", r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])", ssn_is_valid),
    _rule("Swiss AHV number", r"(?<![\w.])756\.?\d{4}\.?\d{4}\.?\d{2}(?!\w)", ahv_is_valid),
    _rule("French social security number", _NIR, nir_is_valid),
    _rule("Spanish DNI", r"(?i)(?<!\w)(?:\d{8}|[XYZ]-?\d{7})-?[A-Z](?!\w)", dni_is_valid),
    _rule("German tax id", _TAX_ID, german_tax_id_is_valid),
    _rule("UK national insurance number", _NATIONAL_INSURANCE),
    _rule("UK NHS number", _about("nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}"), nhs_is_valid),
    _rule("Dutch BSN", _about("bsn|burgerservicenummer|sofi", _NINE), bsn_is_valid),
    _rule("Italian codice fiscale", _CODICE, codice_fiscale_is_valid),
    _rule("Irish PPSN", r"(?i)(?<!\w)\d{7}[A-W][A-IW]?(?!\w)", ppsn_is_valid),
    _rule("Belgian national number", _BELGIAN, belgian_is_valid),
    _rule("Polish PESEL", _about("pesel", r"\d{11}"), pesel_is_valid),
    _rule("Swedish personnummer", _PERSONNUMMER, personnummer_is_valid),
    _rule("Finnish henkilötunnus", r"(?<![\w-])\d{6}[-+A-FU-Y]\d{3}[0-9A-Y](?!\w)", hetu_is_valid),
    _rule("Norwegian fødselsnummer", _about(_NORWEGIAN, r"\d{6} ?\d{5}"), fodselsnummer_is_valid),
    _rule("Brazilian CPF", r"(?<!\w)\d{3}\.\d{3}\.\d{3}-\d{2}(?!\w)", cpf_is_valid),
    _rule("Canadian SIN", _about("sin|social insurance", _NINE), sin_is_valid),
    _rule("npm token", r"_authToken=\s*(?P<v>npm_\w+|[A-Fa-f0-9-]{36})"),
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
    plain = _plain(text)
    for recogniser in recognisers:
        position = refused = 0
        while match := recogniser.pattern.search(plain, position):
            group = "v" if "v" in match.groupdict() else 0
            value = _accepted(recogniser, match[group])
            position = match.start(group) + len(value) if value else match.start() + 1
            if value:
                yield Finding(recogniser.kind, mask(value))
                continue
            refused += 1
            if refused == MAX_REFUSED:  # nobody writes like this who wants to be understood
                yield Finding(f"{recogniser.kind}, perhaps, among many numbers:", mask(match[0]))
                break


def find_secrets(text: str) -> Iterator[Finding]:
    """:data:`SECRETS` and, for what they do not know, the patterns of detect-secrets."""
    found = list(find(SECRETS, text))
    yield from found
    known = {hit.masked for hit in found}
    for kind, value in find_credentials(_plain(text)):
        if mask(value) not in known:
            yield Finding(kind, mask(value))


def _plain(text: str) -> str:
    return without_invisible(unicodedata.normalize("NFKC", text))


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
