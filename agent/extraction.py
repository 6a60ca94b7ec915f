"""Ask a model what is worth remembering in some turns, and keep what it is sure of.

The model is asked window by window; every line of its answer is scored again with the text
before it given. A line that holds a token the model itself finds improbable is not proposed:
a small model always writes *something*, and what it is unsure of is almost always an echo of
chatter. Where a model cannot score (an endpoint), or its dialect asks for no floor, every line
counts. This filters noise; whether a claim is true is decided outside the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from agent.models.protocol import Draft, LanguageModel, TokenScores, Turn


@runtime_checkable
class Scorer(Protocol):
    """A model that can say how probable a text is."""

    def scores(self, prompts: Sequence[str], targets: Sequence[str]) -> list[TokenScores]:
        """Log-probability of every target token after its prompt, teacher-forced."""
        ...


@dataclass(frozen=True)
class Found:
    """A draft and the position, among the turns asked about, of the turn it rests on."""

    draft: Draft
    turn: int


def extract(model: LanguageModel, turns: Sequence[Turn], subject: str) -> list[Found]:
    """Drafts from ``turns``; where two agree on subject and attribute, the later wins.

    A correction ("sorry, it is the 14th") so replaces what was drafted from an earlier turn.

    Raises:
        ModelError: the model cannot be asked, or a window does not fit its context.
    """
    dialect = model.dialect
    windows = dialect.extraction_windows(turns)
    prompts = [dialect.extraction_prompt(window, subject) for window in windows]
    texts = model.generate(prompts, max_new_tokens=dialect.limits.extraction_tokens)
    texts = confident_lines(model, prompts, texts, floor=dialect.limits.extraction_floor)
    found: dict[tuple[str, str], Found] = {}
    for window, text in zip(windows, texts, strict=True):
        for draft in dialect.parse_extraction(text, window, subject):
            turn = _turn_of(draft, turns)
            if turn is not None:
                place = (draft.subject.casefold(), draft.attribute.casefold())
                found.pop(place, None)
                found[place] = Found(draft, turn)
    return list(found.values())


def confident_lines(
    model: LanguageModel, prompts: Sequence[str], texts: Sequence[str], *, floor: float
) -> list[str]:
    """``texts`` without the lines that hold a token less probable than ``floor`` (0 to 1)."""
    if floor <= 0.0 or not isinstance(model, Scorer):
        return list(texts)
    lines = [text.split("\n") for text in texts]
    pieces = [(at, number) for at, written in enumerate(lines) for number in range(len(written))]
    scored = model.scores(
        [f"{prompts[at]}{_before(lines[at], number)}" for at, number in pieces],
        [lines[at][number] for at, number in pieces],
    )
    kept: list[list[str]] = [[] for _ in texts]
    for (at, number), score in zip(pieces, scored, strict=True):
        if min(score.log_p, default=0.0) >= math.log(floor):
            kept[at].append(lines[at][number])
    return ["\n".join(written) for written in kept]


def _before(lines: Sequence[str], number: int) -> str:
    return "".join(f"{line}\n" for line in lines[:number])


def _turn_of(draft: Draft, turns: Sequence[Turn]) -> int | None:
    """The latest turn that holds the quote: a correction is said after what it corrects."""
    for at in reversed(range(len(turns))):
        if draft.quote in turns[at].text:
            return at
    return None
