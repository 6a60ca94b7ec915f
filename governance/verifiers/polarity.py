"""Does a text say yes or no? Negations and a small table of opposites; pure.

Enough to see that *dogs are allowed* and *dogs are not allowed* contradict each other, though
one has all the words of the other. It reads no grammar: *not only cheap* counts as a denial.
Where it errs, two entries are shown to a person as a contradiction that is none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from governance.textforms import value_key

NEGATIONS: Final = frozenset({
    "not", "no", "never", "none", "neither", "nor", "without", "cannot", "nobody", "nothing",
    "false",
})  # fmt: skip
AFFIRMATIONS: Final = frozenset({"yes", "true"})
OPPOSITES: Final = {
    "forbidden": "allowed", "prohibited": "allowed", "disallowed": "allowed", "banned": "allowed",
    "permitted": "allowed+", "disabled": "enabled", "off": "on", "closed": "open",
    "excluded": "included", "uncovered": "covered", "denied": "approved", "rejected": "approved",
    "refused": "approved", "declined": "approved", "accepted": "approved+",
    "optional": "required", "mandatory": "required+", "invalid": "valid",
    "unavailable": "available", "inactive": "active", "impossible": "possible",
    "unpaid": "paid", "unsafe": "safe", "incorrect": "correct", "unlimited": "limited",
    "ineligible": "eligible", "illegal": "legal", "absent": "present", "failed": "passed",
    "decreased": "increased", "fell": "rose", "late": "early", "unlocked": "locked",
}  # fmt: skip
"""Word → its opposite, by which both are compared; a ``+`` marks a word of the same sense."""

SAME_SUBJECT: Final = 0.8
"""Share of content words that two sentences have in common if they speak of the same."""

_CONTRACTION = re.compile(r"(?i)n['\u2019]t\b")
_FILLERS: Final = frozenset({
    "a", "an", "the", "is", "are", "was", "were", "be", "been", "it", "its", "of", "to", "do",
    "does", "did", "has", "have", "had", "will", "can", "may", "this", "that", "there", "any",
})  # fmt: skip
_TELLING_CHARS: Final = 3


class Saying(NamedTuple):
    """Content words, opposites brought to one word, and whether they are denied."""

    words: frozenset[str]
    denied: bool


@lru_cache(maxsize=16_384)
def saying(text: str) -> Saying:
    """What ``text`` speaks of and whether it denies it; two denials cancel out."""
    words: set[str] = set()
    denied = False
    for word in value_key(_CONTRACTION.sub(" not", text)).split():
        if word in NEGATIONS:
            denied = not denied
        elif word in OPPOSITES:
            other = OPPOSITES[word]
            denied ^= not other.endswith("+")
            words.add(other.rstrip("+"))
        elif word not in AFFIRMATIONS | _FILLERS:
            words.add(word)
    return Saying(frozenset(words), denied)


def values_oppose(first: str, second: str) -> bool:
    """True when one value denies what the other says: ``allowed``, ``not allowed``."""
    one, other = saying(first), saying(second)
    related = one.words <= other.words or other.words <= one.words
    return one.denied != other.denied and related


def statements_oppose(first: str, second: str) -> bool:
    """True when two sentences about nearly the same differ in saying yes or no."""
    one, other = saying(first), saying(second)
    if one.denied == other.denied:
        return False
    shared, all_words = one.words & other.words, one.words | other.words
    return len(shared) >= SAME_SUBJECT * len(all_words)


def says_nothing(key: str) -> bool:
    """True for a value (normalised) that stands in many texts without being meant: ``no``."""
    return len(key) < _TELLING_CHARS or not saying(key).words or key in OPPOSITES
