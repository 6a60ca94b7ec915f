"""Edit pairs: a forward instruction, its inverse, and how to see that it was carried out.

The *edit predicate* of a pair (``Expectation``) lists strings that the forward step must
bring into the document and strings that it must take out; the backward step is held to
the mirror image. Where a pair states none, strings in quotes and "from A to B" in its
instruction are used; where there are none either, a step must at least change the content
of the document.

Pairs must be losslessly reversible and natural: no wording that hints at a way back, no
code fences, nothing that only appends (DELEGATE-52, arXiv 2604.15597, and our own rules).
``check_pair`` verifies what can be verified without a model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from governance.drift.domains import domain_named
from governance.drift.score import PPM, ElementDiff, element_diff
from governance.errors import DocumentParseError

_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|`([^`]+)`|(?<!\w)'([^']+)'(?!\w)")
_FROM_TO = re.compile(r"\bfrom\s+(?P<old>\S.*?)\s+to\s+(?P<new>\S.*?)[.!]?\s*$", re.IGNORECASE)
_REPLACING: Final = re.compile(
    r"\b(?:change|rename|replace|set|update|correct|move|turn)\b", re.IGNORECASE
)
_REMOVING: Final = re.compile(r"\b(?:delete|remove|drop|strike)\b", re.IGNORECASE)
_ADDING: Final = re.compile(r"\b(?:add|insert|append|put)\b", re.IGNORECASE)
_HINTS: Final = re.compile(
    r"\b(?:undo|revert|restore|reverse|reversal|original|originally|previously|back to)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Expectation:
    """Strings that a step must bring, and strings that it must take away, as whole words.

    By default more, or fewer, of them than before will do, because "open" may rightly stand
    elsewhere too. ``exact`` asks for more: what is to go must have gone everywhere.
    """

    appear: tuple[str, ...] = ()
    disappear: tuple[str, ...] = ()
    exact: bool = False

    def reversed(self) -> Expectation:
        """What the inverse step must do."""
        return Expectation(appear=self.disappear, disappear=self.appear, exact=self.exact)

    def met(self, before: str, after: str) -> bool:
        """Whether ``after`` shows the edit that this predicate stands for.

        A string that is part of its counterpart is not counted inside of it: "Anna" has
        gone when every "Anna" became "Anna-Maria", and is back when it became "Anna" again.
        """
        for text in self.appear:
            had = _count(text, before, masks=self.disappear)
            if _count(text, after, masks=self.disappear) <= had:
                return False
        for text in self.disappear:
            left = _count(text, after, masks=self.appear)
            if left >= _count(text, before, masks=self.appear) or (self.exact and left):
                return False
        return True

    def explains(self, before: str | None, after: str | None) -> bool:
        """Whether the edit is meant to turn the element ``before`` into ``after``.

        None stands for an element that is not there.
        """
        old, new = before or "", after or ""
        return any(
            _count_lines(text, new) < _count_lines(text, old) for text in self.disappear
        ) or any(_count_lines(text, new) > _count_lines(text, old) for text in self.appear)


@dataclass(frozen=True)
class EditPair:
    """One reversible edit of one document format."""

    id: str
    domain: str
    forward: str
    backward: str
    expect: Expectation | None = None
    document: str = ""

    def expectation(self, document: str) -> Expectation | None:
        """The predicate of the forward step on ``document``, stated or derived."""
        return self.expect or derive_expectation(self.forward, document)


def derive_expectation(instruction: str, document: str) -> Expectation | None:
    """The predicate that the wording of ``instruction`` implies, or None.

    Strings in quotes, or "from A to B" at the end: with a verb of change the first goes
    and the second comes, with a verb of removal all go, with a verb of addition all come.
    A string that should go but is not in ``document`` proves nothing and is left out.
    """
    quoted = [
        next(group for group in match.groups() if group) for match in _QUOTED.finditer(instruction)
    ]
    from_to = _FROM_TO.search(instruction)
    appear: list[str] = []
    disappear: list[str] = []
    if _REPLACING.search(instruction) and len(quoted) >= 2:  # noqa: PLR2004 - old and new
        disappear, appear = [quoted[-2]], [quoted[-1]]
    elif _REPLACING.search(instruction) and from_to and not quoted:
        disappear, appear = [from_to["old"]], [from_to["new"]]
    elif _REMOVING.search(instruction):
        disappear = quoted
    elif _ADDING.search(instruction):
        appear = quoted[:1]
    present = tuple(text for text in disappear if _count(text, document))
    if disappear and not present:
        return None
    return Expectation(tuple(appear), present) if appear or present else None


def _count(text: str, document: str, masks: Sequence[str] = ()) -> int:
    """Whole-word occurrences of ``text``, not counting those inside a longer mask."""
    for mask in masks:
        if text in mask and text != mask:
            document = re.sub(_whole(mask), "\x00", document)
    return len(re.findall(_whole(text), document))


def _count_lines(text: str, element: str) -> int:
    """How often lines of ``text`` stand in one element; an edit may span several."""
    return sum(_count(line.strip(), element) for line in text.splitlines() if line.strip())


def _whole(text: str) -> str:
    return rf"(?<!\w){re.escape(text)}(?!\w)"


def check_pair(
    document: str,
    pair: EditPair,
    perfect_forward: Callable[[str], str],
    perfect_backward: Callable[[str], str],
) -> tuple[str, ...]:
    """What is wrong with an edit pair; empty when it may be used.

    Args:
        document: A seed document that the pair is meant for.
        pair: The pair.
        perfect_forward: The document as a perfect editor would return it.
        perfect_backward: The same for the inverse instruction.
    """
    return tuple(_problems(document, pair, perfect_forward, perfect_backward))


def _problems(
    document: str,
    pair: EditPair,
    forward: Callable[[str], str],
    backward: Callable[[str], str],
) -> Iterator[str]:
    domain = domain_named(pair.domain)
    try:
        identity = element_diff(document, document, domain)
    except DocumentParseError as error:
        yield f"the seed is no {pair.domain} document: {error}"
        return
    if identity.score_ppm != PPM or identity.operations:
        yield "the seed does not score exactly 1 against itself"
    edited = forward(document)
    restored = backward(edited)
    yield from _wording_problems(pair)
    yield from _forward_problems(document, edited, element_diff(document, edited, domain))
    trip = element_diff(document, restored, domain)
    if trip.score_ppm != PPM:
        yield f"a perfect round trip scores {trip.score_ppm} ppm, not {PPM}"
    yield from _predicate_problems(pair.expectation(document), document, edited, restored)


def _wording_problems(pair: EditPair) -> Iterator[str]:
    for direction, instruction in (("forward", pair.forward), ("backward", pair.backward)):
        if "```" in instruction:
            yield f"the {direction} instruction has a code fence"
        if hint := _HINTS.search(instruction):
            yield f"the {direction} instruction hints at a way back: {hint[0]!r}"


def _forward_problems(document: str, edited: str, step: ElementDiff) -> Iterator[str]:
    if step.error:
        yield f"the edited document cannot be read: {step.error}"
    if edited.split() == document.split():
        yield "the forward edit changes nothing"
    kinds = {operation.kind for operation in step.operations}
    if kinds and kinds <= {"insert", "duplicate"}:
        yield "the forward edit only adds"


def _predicate_problems(
    expectation: Expectation | None, document: str, edited: str, restored: str
) -> Iterator[str]:
    if expectation is None:
        yield "no edit predicate: give `expect`, so that skipping the edit is noticed"
        return
    if expectation.met(document, document):
        yield "the edit predicate is met by doing nothing"
    if not expectation.met(document, edited):
        yield "the edit predicate is not met by a perfect forward edit"
    if not expectation.reversed().met(edited, restored):
        yield "the reversed edit predicate is not met by a perfect backward edit"
