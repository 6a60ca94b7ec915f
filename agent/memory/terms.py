"""How text is cut into search terms, for the embedder and for BM25 alike.

Pure and stateless: the same text gives the same terms on every machine. Identifiers
(anything with a digit: ``CL-20417``, ``1_00000``, ``408-247-8880``) are kept whole,
without their punctuation, because an answer about the wrong claim is worse than none.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

TermKind = Literal["word", "name", "identifier", "part"]

MIN_STEM_CHARS: Final = 4
MAX_CHARS: Final = 20_000
"""Text beyond this is not searched: one entry must not cost seconds."""

_COMPOUND: Final = re.compile(r"[^\W_]+(?:['’\-_./:@&+,]{1,2}[^\W_]+)*")
_PIECE: Final = re.compile(r"[^\W_]+")
_POSSESSIVE: Final = re.compile(r"['’](?:s|t|m|d|re|ve|ll)$", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\d+")
_IDEOGRAPHS: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SIBILANT: Final = ("sses", "shes", "ches", "xes", "zes")

_STOPWORDS: Final = (
    "a about am an and any are as at be been being but by can could did do does doing for from "
    "had has have having he her hers him his how i if in into is it its itself just know let me "
    "may might must my no nor not of on or our ours please recorded say shall she should so some "
    "tell than that the their theirs them then there these they this those to too us was we were "
    "what when where which while who whom whose why will with would you your yours"
)
STOPWORDS: Final = frozenset(_STOPWORDS.split())
"""Words that say nothing about what is asked (English)."""


@dataclass(frozen=True)
class Term:
    """One search term. ``part`` is a piece of an identifier: it helps, but proves nothing."""

    text: str
    kind: TermKind


def terms(text: str) -> list[Term]:
    """The terms of ``text`` in order, stop words left out."""
    # Folding first makes full-width, ligature and accented spellings equal.
    folded = unicodedata.normalize("NFKD", text[:MAX_CHARS])
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    found: list[Term] = []
    for match in _COMPOUND.finditer(plain):
        found.extend(_compound(match.group()))
    return found


@lru_cache(maxsize=65_536)
def _compound(compound: str) -> tuple[Term, ...]:
    # ``Brandt's``, ``CL-20417's``: what follows the apostrophe is grammar.
    pieces = _PIECE.findall(_POSSESSIVE.sub("", compound))
    if _DIGITS.search(compound):
        return _identifier(pieces)
    found: list[Term] = []
    for piece in pieces:
        found.extend(_word(piece))
    return tuple(found)


def _identifier(pieces: list[str]) -> tuple[Term, ...]:
    whole = "".join(pieces).casefold()
    found = [Term(whole, "identifier")]
    if len(pieces) > 1:
        found += [Term(piece.casefold(), "part") for piece in pieces if len(piece) > 1]
    else:
        found += [Term(run, "part") for run in _DIGITS.findall(whole) if run != whole]
    return tuple(dict.fromkeys(found))


def _word(piece: str) -> list[Term]:
    word = piece.casefold()
    if _IDEOGRAPHS.search(word):
        # No spaces to cut at: overlapping pairs of characters, as Lucene's CJK analyser.
        pairs = [word[at : at + 2] for at in range(max(1, len(word) - 1))]
        return [Term(pair, "word") for pair in pairs]
    if word in STOPWORDS or (len(word) == 1 and word.isascii()):
        return []
    return [Term(stem(word), "name" if piece[0].isupper() else "word")]


def stem(word: str) -> str:
    """``word`` without a plural ending (Harman's S-stemmer, JASIS 42(1), 1991, extended)."""
    if len(word) < MIN_STEM_CHARS or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(_SIBILANT) else word[:-1]
