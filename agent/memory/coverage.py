"""How much of a question an entry speaks about: the scale of the relevance floor.

Cosine and BM25 rank well but have no zero point: asked about a claim that was never
seen, both return the notes of other claims, whose wording is nearly the same. Coverage
has one. It is the share of the question's terms found in the entry, each weighted by how
rare it is among the entries that may be recalled, so a name or number that nothing
mentions weighs most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz import fuzz

from agent.memory.terms import Term

FLOOR: Final = 0.33
"""Least share of a question that a note must speak about."""
FLOOR_OTHER_NAME: Final = 0.6
"""Same, when the question names somebody or something and the note does not."""
FLOOR_OTHER_IDENTIFIER: Final = 0.75
"""Same, when the question cites an identifier and the note does not."""
NAMED: Final = 0.6
"""Share of the question's names from which on a note is about the same thing."""
FUZZY: Final = 80.0
"""Least rapidfuzz ratio (0 to 100) at which two words count as spellings of one."""
MIN_FUZZY_CHARS: Final = 4
MIN_ANCHOR_CHARS: Final = 3
"""``2`` or ``11`` name nothing; ``CL-20417`` does."""
BARE_NUMBER: Final = 0.75
"""What ``claim 20417`` is worth where ``CL-20417`` was asked for."""


@dataclass(frozen=True)
class Profile:
    """The terms of one entry, ready to be compared."""

    counted: tuple[str, ...]
    held: frozenset[str]
    whole: frozenset[str]
    words: tuple[str, ...]

    @classmethod
    def of(cls, found: Sequence[Term]) -> Profile:
        """The profile of a text's terms."""
        whole = frozenset(term.text for term in found if term.kind != "part")
        words = {term.text for term in found if term.kind in {"word", "name"}}
        return cls(
            counted=tuple(term.text for term in found),
            held=frozenset(term.text for term in found),
            whole=whole,
            words=tuple(sorted(word for word in words if len(word) >= MIN_FUZZY_CHARS)),
        )


@dataclass(frozen=True)
class Coverage:
    """How much of a question an entry speaks about, each 0 to 1.

    ``share`` is over all terms. ``identifiers`` is that of the best matching identifier
    of the question, ``names`` the share of its capitalised words; ``None`` means that
    the question has none.
    """

    share: float
    identifiers: float | None = None
    names: float | None = None

    def relevant(self) -> bool:
        """Above the floor: about the same thing, or about most of what was asked.

        A note that names the thing asked about is let in whatever its wording; one that
        does not must otherwise say nearly the same as the question.
        """
        if self.identifiers is not None:
            return self.identifiers > 0.0 or self.share >= FLOOR_OTHER_IDENTIFIER
        if self.names is None:
            return self.share >= FLOOR
        if self.names == 0.0:
            return self.share >= FLOOR_OTHER_NAME
        return self.names >= NAMED or self.share >= FLOOR


def coverage(asked: Sequence[Term], profile: Profile, rarity: Callable[[str], float]) -> Coverage:
    """How much of ``asked`` the entry with ``profile`` speaks about.

    Args:
        asked: Terms of the question, in order.
        profile: Of the entry.
        rarity: Weight of a term's text, positive.
    """
    parts = _parts(asked)
    matched = {
        term: _match(term, parts, profile) for term in dict.fromkeys(asked) if term.kind != "part"
    }
    total = math.fsum(rarity(term.text) for term in matched)
    if not total:
        return Coverage(0.0)
    identifiers = [
        value
        for term, value in matched.items()
        if term.kind == "identifier" and len(term.text) >= MIN_ANCHOR_CHARS
    ]
    names = [value for term, value in matched.items() if term.kind == "name"]
    return Coverage(
        share=math.fsum(rarity(term.text) * value for term, value in matched.items()) / total,
        identifiers=max(identifiers) if identifiers else None,
        names=math.fsum(names) / len(names) if names else None,
    )


def _parts(asked: Sequence[Term]) -> dict[str, tuple[str, ...]]:
    """Identifier → its pieces, which follow it in the order of the text."""
    parts: dict[str, tuple[str, ...]] = {}
    owner = ""
    for term in asked:
        if term.kind == "part":
            parts[owner] = (*parts.get(owner, ()), term.text)
        else:
            owner = term.text
    return parts


def _match(term: Term, parts: dict[str, tuple[str, ...]], profile: Profile) -> float:
    if term.text in profile.held:
        return 1.0
    if term.kind == "identifier":
        telling = (part for part in parts.get(term.text, ()) if _is_telling(part))
        return BARE_NUMBER if any(part in profile.whole for part in telling) else 0.0
    if len(term.text) < MIN_FUZZY_CHARS:
        return 0.0
    ratios = (fuzz.ratio(term.text, word, score_cutoff=FUZZY) for word in profile.words)
    return max(ratios, default=0.0) / 100.0


def _is_telling(part: str) -> bool:
    return len(part) >= MIN_ANCHOR_CHARS and part.isdigit()
