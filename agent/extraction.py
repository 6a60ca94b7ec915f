"""Ask a model what is worth remembering in some turns, and keep what it is sure of.

1. The model is asked window by window. A reply that cannot be read is asked for again, twice;
   then the window counts as unreadable and nothing is taken from it.
2. Every line of its answer is scored again with the text before it given. A line that holds a
   token the model itself finds improbable is not proposed: a small model always writes
   *something*, and what it is unsure of is almost always an echo of chatter. Where a model
   cannot score (an endpoint), or its dialect asks for no floor, every line counts.
3. A draft whose answer states a number, date, name or identifier that its quote does not is
   dropped, and so is one that nearly repeats an earlier draft.

This filters noise; whether a claim is true is decided outside the model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from rapidfuzz import fuzz, utils

from agent.models.protocol import Draft, LanguageModel, TokenScores, Turn
from governance.facts import conserved_facts, missing_facts

RETRIES: Final = 2
NEAR_PERCENT: Final = 92
"""``fuzz.token_sort_ratio`` from which two questions with the same facts are one question."""


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


@dataclass(frozen=True)
class Extraction:
    """What was found; windows whose replies could not be read; drafts dropped by rule 3."""

    found: tuple[Found, ...]
    unreadable: int = 0
    dropped: int = 0


def extract(
    model: LanguageModel, turns: Sequence[Turn], subject: str, known: Sequence[str] = ()
) -> Extraction:
    """Drafts from ``turns``; where two agree on subject and attribute, the later wins.

    A correction ("sorry, it is the 14th") so replaces what was drafted from an earlier turn.
    ``known`` are cards already written, for the dialects that show them.

    Raises:
        ModelError: the model cannot be asked, or a window does not fit its context.
    """
    dialect = model.dialect
    windows = dialect.extraction_windows(turns)
    prompts = [dialect.extraction_prompt(window, subject, known) for window in windows]
    texts, unreadable = _replies(model, prompts)
    texts = confident_lines(model, prompts, texts, floor=dialect.limits.extraction_floor)
    found: dict[tuple[str, str], Found] = {}
    for window, text in zip(windows, texts, strict=True):
        for draft in dialect.parse_extraction(text, window, subject):
            turn = _turn_of(draft, turns)
            if turn is not None:
                place = (draft.subject.casefold(), draft.attribute.casefold())
                found.pop(place, None)
                found[place] = Found(draft, turn)
    kept = _grounded_once(list(found.values()))
    return Extraction(tuple(kept), unreadable, len(found) - len(kept))


def _replies(model: LanguageModel, prompts: Sequence[str]) -> tuple[list[str], int]:
    """One reply a prompt, asked for again where unreadable; how many stayed so (empty)."""
    dialect = model.dialect
    asked = list(prompts)
    texts = model.generate(asked, max_new_tokens=dialect.limits.extraction_tokens)
    for _ in range(RETRIES):
        again = _unreadable(model, asked, texts)
        if not again:
            break
        for at, prompt in again.items():
            asked[at] = prompt
        retried = model.generate(
            [asked[at] for at in again], max_new_tokens=dialect.limits.extraction_tokens
        )
        for at, text in zip(again, retried, strict=True):
            texts[at] = text
    failed = _unreadable(model, asked, texts)
    return ["" if at in failed else text for at, text in enumerate(texts)], len(failed)


def _unreadable(model: LanguageModel, asked: Sequence[str], texts: Sequence[str]) -> dict[int, str]:
    """Position → the prompt to try again with, of every reply that is no answer."""
    again = {}
    for at, (prompt, text) in enumerate(zip(asked, texts, strict=True)):
        better = model.dialect.ask_again(prompt, text)
        if better is not None:
            again[at] = better
    return again


def _grounded_once(found: Sequence[Found]) -> list[Found]:
    """Without answers that state more than their quote, and without near repetitions."""
    kept: list[Found] = []
    for one in found:
        stated = not missing_facts(one.draft.answer, one.draft.quote)
        if stated and not any(_same_card(one.draft, other.draft) for other in kept):
            kept.append(one)
    return kept


def _same_card(one: Draft, other: Draft) -> bool:
    """The same answer to nearly the same question about the same numbers and names."""
    return (
        one.answer.casefold() == other.answer.casefold()
        and fuzz.token_sort_ratio(one.question, other.question, processor=utils.default_process)
        >= NEAR_PERCENT
        and conserved_facts(one.question) == conserved_facts(other.question)
    )


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
