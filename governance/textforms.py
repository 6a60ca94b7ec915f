"""Characters that deceive: invisible ones, direction changes, look-alikes; pure.

Three readers share this module. Tombstones compare values by their :func:`skeleton`, so a
rejected value does not come back in other letters; the instruction verifier searches the
skeleton, so a pattern is not dodged by one Cyrillic letter; screens print
:func:`visible` text, so a reviewer sees what is really there.

The look-alike table is a vetted excerpt of Unicode's confusables (UTS #39): letters of
other scripts that pass for an ASCII letter or digit. It never maps one ASCII character to
another (UTS #39 maps ``0`` to ``O`` and ``m`` to ``rn``): ``CL-10`` and ``CL-lO`` are
different identifiers, and a tombstone that blocked both would block honest values.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_LOOKALIKES: Final = {
    # Cyrillic, as they look in either case
    "а": "a", "в": "b", "с": "c", "ԁ": "d", "е": "e", "ё": "e", "һ": "h", "н": "h", "і": "i",
    "ї": "i", "ј": "j", "к": "k", "ӏ": "l", "м": "m", "о": "o", "р": "p", "ԛ": "q", "ѕ": "s",
    "т": "t", "ѵ": "v", "ԝ": "w", "ѡ": "w", "х": "x", "у": "y", "ү": "y", "з": "3", "ӡ": "3",
    "б": "6", "г": "r",
    # Greek
    "α": "a", "β": "b", "ε": "e", "ζ": "z", "η": "h", "ι": "i", "ϳ": "j", "κ": "k", "μ": "m",
    "ν": "v", "ο": "o", "ρ": "p", "σ": "o", "τ": "t", "υ": "u", "χ": "x", "γ": "y",
    # Armenian
    "ց": "g", "հ": "h", "ո": "n", "օ": "o", "ք": "f", "զ": "q", "ս": "u", "ա": "w", "յ": "j",
    # Latin letters that are not ASCII and not accented ones
    "ɑ": "a", "ᴄ": "c", "ɡ": "g", "ı": "i", "ɩ": "i", "ɪ": "i", "ǀ": "l", "ᴏ": "o", "ꜱ": "s",
    "ᴜ": "u", "ʋ": "v", "ᴠ": "v", "ᴡ": "w", "ɯ": "w", "ʏ": "y", "ᴢ": "z", "ʀ": "r", "ƽ": "s",
    "ƨ": "2", "ʒ": "3", "ȝ": "3", "ƅ": "b", "ɴ": "n", "ʜ": "h", "ʟ": "l", "ʙ": "b", "ɢ": "g",
}  # fmt: skip
"""Case-folded look-alike → ASCII."""

_LOOKALIKE_CAPITALS: Final = {
    "Ν": "n", "Υ": "y", "Ρ": "p", "Η": "h", "Ҥ": "h", "Ү": "y", "Ԍ": "g", "Ꭺ": "a", "Ꭼ": "e",
    "Ꮋ": "h", "Ꮶ": "k", "Ꮇ": "m", "Ꮲ": "p", "Ꭲ": "t", "Ꮤ": "w", "Ꮓ": "z", "Ꮯ": "c", "Ꭰ": "d",
    "Ꮮ": "l", "Ꮪ": "s", "Ꮩ": "v",
}  # fmt: skip
"""Capitals whose small letter looks like another one: mapped before case-folding."""

_DIRECTION: Final = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_INVISIBLE_RANGES: Final = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""Default_Ignorable_Code_Point of Unicode, and the blank Braille cell."""

_CAPITALS: Final = str.maketrans(_LOOKALIKE_CAPITALS)
_SMALL: Final = str.maketrans(_LOOKALIKES)
_INVISIBLE_CLASS: Final = "".join(f"{chr(low)}-{chr(high)}" for low, high in _INVISIBLE_RANGES)
_INVISIBLE = re.compile(f"[{_INVISIBLE_CLASS}]")
_HIDDEN = re.compile(f"[{_INVISIBLE_CLASS}\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_THOUSANDS = re.compile(r"(?<=\d)[,'\u2019](?=\d{3}(?!\d))")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[.,:/](?=\d)")
_KEPT_MARKS: Final = {".": "\x01", ",": "\x01", ":": "\x02", "/": "\x03"}
_RESTORED: Final = str.maketrans({"\x00": "-", "\x01": ".", "\x02": ":", "\x03": "/"})
_SIGN = re.compile(r"(?:(?<=\s)|^)[-\u2212\u2013](?=\d)")
_WORD_MARKS: Final = frozenset("%&#@")
"""Punctuation that changes a value when it is lost; everything else separates words."""


def without_invisible(text: str) -> str:
    """``text`` without the characters that take no ink and are no ordinary white space."""
    return _INVISIBLE.sub("", text)


def hidden_characters(text: str) -> tuple[str, ...]:
    """Distinct invisible, direction-changing and control characters, as ``U+XXXX``."""
    return tuple(dict.fromkeys(_code(match[0]) for match in _HIDDEN.finditer(text)))


def changes_direction(text: str) -> bool:
    """True when ``text`` holds a bidirectional control (it can display in another order)."""
    return any(char in _DIRECTION for char in text)


def visible(text: str) -> str:
    """``text`` with every hidden or control character shown as ``⟨U+XXXX⟩``.

    Line feeds and tabs stay. For screens; markup must be escaped on top of it.
    """
    return _HIDDEN.sub(lambda match: f"⟨{_code(match[0])}⟩", text)


@lru_cache(maxsize=65_536)
def skeleton(text: str) -> str:
    """The shape of ``text``: equal for spellings that a reader takes for the same.

    NFKC, invisible characters removed, look-alikes replaced by ASCII, case folded. White
    space and punctuation stay; see :func:`value_key`.
    """
    plain = unicodedata.normalize("NFKC", text)
    plain = without_invisible(plain).translate(_CAPITALS)
    # Folding may compose or decompose again (ŉ, ΐ), hence the second NFKC.
    folded = unicodedata.normalize("NFKC", plain.casefold())
    return folded.translate(_SMALL)


@lru_cache(maxsize=65_536)
def value_key(text: str) -> str:
    """Skeleton with white space and punctuation collapsed: what tombstones compare.

    Kept, because losing them changes the value: decimal points and colons between digits,
    a sign before a number, ``%``, ``&``, ``#``, ``@`` and all symbols such as ``€``.
    Thousands separators go (``1,350`` = ``1350``). A text of punctuation only keeps it.
    """
    shape = _THOUSANDS.sub("", _CONTROL.sub(" ", skeleton(text)))
    shape = _SIGN.sub("\x00", shape)
    shape = _BETWEEN_DIGITS.sub(lambda match: _KEPT_MARKS[match[0]], shape)
    words = "".join(_word_char(char) for char in shape)
    return " ".join(words.split()).translate(_RESTORED) or "".join(shape.split())


def _word_char(char: str) -> str:
    if char in "\x00\x01\x02\x03" or char in _WORD_MARKS:
        return char
    return " " if unicodedata.category(char)[0] in "PZC" else char


def _code(char: str) -> str:
    return f"U+{ord(char):04X}"
