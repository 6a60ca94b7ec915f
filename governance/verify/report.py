"""What a verification says: counts, problems in the order of cause, and notices."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

MAX_PROBLEMS: Final = 20
"""A verifier that prints a million lines helps nobody; the first ones name the cause."""


class Rank(IntEnum):
    """In which order problems are told: what makes the others follow comes first."""

    CHECKPOINT = 1
    EVENT = 2
    TILE = 3
    LENGTH = 4


@dataclass
class VerificationReport:
    """What was checked, and everything that is wrong, first cause first."""

    events: int = 0
    checkpoints: int = 0
    payloads: int = 0
    erased: int = 0
    unsigned: int = 0
    """Events after the last checkpoint: committed, but nobody was told so."""
    root: str = ""
    problems: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    """Odd, but against no rule: the clock went back, events that are not signed yet."""
    first_bad: int | None = None
    """The first event that is provably not what was logged: it contradicts its own hash,
    copies or payload, is missing, or, where nothing but a root differs, is the first signed
    size at which it does. ``None`` when nothing, or only a checkpoint or tile, is wrong."""
    _places: list[tuple[Rank, int]] = field(default_factory=list, repr=False)

    @property
    def ok(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems

    def add(self, problem: str, *, rank: Rank, place: int) -> None:
        """Put a problem in order; the first :data:`MAX_PROBLEMS` are kept."""
        at = bisect_right(self._places, (rank, place))
        self._places.insert(at, (rank, place))
        self.problems.insert(at, problem)
        del self._places[MAX_PROBLEMS:], self.problems[MAX_PROBLEMS:]

    def bad(self, event: int, problem: str, *, rank: Rank = Rank.EVENT) -> None:
        """A problem that shows ``event`` not to be what was logged."""
        self.add(problem, rank=rank, place=event)
        self.first_bad = min(event, self.first_bad or event)

    def notice(self, text: str) -> None:
        """Tell something odd, :data:`MAX_PROBLEMS` times at most."""
        if len(self.notices) < MAX_PROBLEMS:
            self.notices.append(text)
