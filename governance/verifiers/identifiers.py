"""National identifiers with their check digits; pure.

Each function takes what a pattern found (spaces, dots and dashes included) and says whether
the number can exist. Where a number has no check digit or is short, the pattern asks for a word
that says what it is. Sources: each country's published rule, as summarised by its name.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

_CODICE_ODD: Final = {
    **dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True)),
    **dict(zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25,
         24, 23),
        strict=True,
    )),
}  # fmt: skip
_HETU: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_PPSN: Final = "WABCDEFGHIJKLMNOPQRSTUV"
_NRN_BEFORE_2000: Final = 2_000_000_000


def ssn_is_valid(text: str) -> bool:
    """US social security number: no reserved area, group or serial."""
    area, group, serial = text.split("-")
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def german_tax_id_is_valid(text: str) -> bool:
    """Steuer-Identifikationsnummer: 11 digits, ISO 7064 mod 11,10."""
    digits = _digits(text)
    product = 10
    for digit in digits[:10]:
        total = (digit + product) % 10 or 10
        product = 2 * total % 11
    return digits[0] != 0 and (11 - product) % 10 == digits[10]


def ahv_is_valid(text: str) -> bool:
    """Swiss AHV number: 13 digits from 756 with an EAN-13 check digit."""
    digits = _digits(text)
    total = sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits[:12]))
    return (10 - total % 10) % 10 == digits[12]


def nir_is_valid(text: str) -> bool:
    """French social security number: 13 digits and 97 − (number mod 97)."""
    digits = re.sub(r"\D", "", text)
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def dni_is_valid(text: str) -> bool:
    """Spanish DNI or NIE: the letter is the number mod 23."""
    code = re.sub(r"[-.\s]", "", text).upper()
    number = code[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == code[-1]


def nhs_is_valid(text: str) -> bool:
    """UK NHS number: 10 digits, the last 11 − Σ (11 − place) · digit mod 11, never 10."""
    digits = _digits(text)
    check = -sum(weight * digit for weight, digit in zip(range(10, 1, -1), digits, strict=False))
    return check % 11 == digits[9] and len(set(digits)) > 1


def bsn_is_valid(text: str) -> bool:
    """Dutch BSN: 9 digits, weights 9 … 2 and −1, sum divisible by 11."""
    digits = _digits(text)
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    total = sum(weight * digit for weight, digit in zip(weights, digits, strict=True))
    return total % 11 == 0 and any(digits)


def codice_fiscale_is_valid(text: str) -> bool:
    """Italian codice fiscale: the 16th letter is the sum of odd and even places mod 26."""
    code = text.upper()
    total = sum(
        (int(char) if char.isdigit() else ord(char) - 65) if place % 2 else _CODICE_ODD[char]
        for place, char in enumerate(code[:15])
    )
    return chr(65 + total % 26) == code[15]


def ppsn_is_valid(text: str) -> bool:
    """Irish PPSN: 7 digits, check letter mod 23, and since 2013 perhaps a letter more."""
    code = text.upper()
    total = sum((8 - place) * int(digit) for place, digit in enumerate(code[:7]))
    if len(code) > 8 and code[8] != "W":  # noqa: PLR2004  # a ninth character; W counts 0
        total += 9 * (ord(code[8]) - 64)
    return _PPSN[total % 23] == code[7]


def belgian_is_valid(text: str) -> bool:
    """Belgian national register number: 97 − (9 digits mod 97), with a 2 before from 2000."""
    digits = re.sub(r"\D", "", text)
    number, check = int(digits[:9]), int(digits[9:])
    return check in {97 - number % 97, 97 - (number + _NRN_BEFORE_2000) % 97}


def pesel_is_valid(text: str) -> bool:
    """Polish PESEL: weights 1 3 7 9, sum with the check digit divisible by 10."""
    digits = _digits(text)
    weights = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)
    return sum(w * d for w, d in zip(weights, digits, strict=True)) % 10 == 0 and any(digits)


def personnummer_is_valid(text: str) -> bool:
    """Swedish personnummer: a date of birth and a Luhn digit over the last ten."""
    digits = _digits(text)[-10:]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[::2]]
    day = 10 * digits[4] + digits[5]
    return (
        (sum(doubled) + sum(digits[1::2])) % 10 == 0
        and _is_day(10 * digits[2] + digits[3], day - 60 if day > 60 else day)  # noqa: PLR2004
    )  # fmt: skip  # a coordination number adds 60 to the day


def hetu_is_valid(text: str) -> bool:
    """Finnish henkilötunnus: the check character is the nine digits mod 31."""
    code = text.upper()
    return _HETU[int(code[:6] + code[7:10]) % 31] == code[10] and _is_day(
        int(code[2:4]), int(code[:2])
    )


def fodselsnummer_is_valid(text: str) -> bool:
    """Norwegian fødselsnummer: two check digits, each making a weighted sum divisible by 11."""
    digits = _digits(text)
    first = sum(w * d for w, d in zip((3, 7, 6, 1, 8, 9, 4, 5, 2, 1), digits, strict=False))
    second = sum(w * d for w, d in zip((5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1), digits, strict=True))
    return first % 11 == 0 and second % 11 == 0 and any(digits)


def cpf_is_valid(text: str) -> bool:
    """Brazilian CPF: two check digits, weights from 10 and from 11, mod 11."""
    digits = _digits(text)
    for size in (9, 10):
        total = sum((size + 1 - place) * digit for place, digit in enumerate(digits[:size]))
        if total * 10 % 11 % 10 != digits[size]:
            return False
    return len(set(digits)) > 1


def sin_is_valid(text: str) -> bool:
    """Canadian social insurance number: nine digits whose Luhn sum is 0."""
    digits = _digits(text)
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0 and any(digits)


def _digits(text: str) -> list[int]:
    return [int(char) for char in text if char.isdigit()]


def _is_day(month: int, day: int) -> bool:
    try:
        date(2000, month, day)
    except ValueError:
        return False
    return True
