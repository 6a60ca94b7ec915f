"""What an adapter must keep doing: rehearsed in every step, and probed apart from that.

Without rehearsal an adapter of a few cards answers every stranger's question with one of
them. Fresh questions each step keep it from that; a fixed set is learnt by heart and does
not (measured in the model card). Rehearsal and controls share no name and no world fact.
"""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from agent.models.builtin.corpus import Corpus
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.builtin.world import WORLD_FACTS
from agent.models.protocol import UNKNOWN

STRANGERS: Final = 8
WORLD: Final = 8
IN_CONTEXT: Final = 2
"""Rehearsed in each step: questions of the three sorts."""
_CONTROL_EVERY: Final = 4
"""Every fourth world fact is kept for controls."""
_DIALECT: Final = BuiltinDialect()


class Control(NamedTuple):
    """A question whose answer an adapter must not change."""

    kind: str
    """``world``, ``stranger`` or ``context``."""
    prompt: str
    answer: str


def rehearsal(seed: int, step: int) -> list[tuple[str, str]]:
    """(prompt, target) pairs to train beside the cards in ``step``; the same every time."""
    corpus = Corpus(f"rehearsal {seed} {step}")
    known = [fact for i, fact in enumerate(WORLD_FACTS) if i % _CONTROL_EVERY]
    controls = [_stranger(corpus) for _ in range(STRANGERS)]
    for fact in corpus.rng.sample(known, WORLD):
        question = corpus.facts.question(fact.subject, fact.attribute, "word")
        controls.append(Control("world", _DIALECT.answer_prompt(question, ()), fact.value))
    controls += [_in_context(corpus) for _ in range(IN_CONTEXT)]
    return [(each.prompt, _DIALECT.answer_target(each.answer)) for each in controls]


def control_prompts(seed: int, n: int) -> list[Control]:
    """``n`` controls: world facts, strangers and in-context questions in equal parts.

    Names come from the held-out side, world facts from those never rehearsed.
    """
    corpus = Corpus(f"controls {seed}", held_out=True)
    kept = [fact for i, fact in enumerate(WORLD_FACTS) if i % _CONTROL_EVERY == 0]
    random.Random(f"controls {seed}").shuffle(kept)
    controls: list[Control] = []
    for number in range(n):
        if number % 3 == 0:
            fact = kept[number // 3 % len(kept)]
            prompt = _DIALECT.answer_prompt(f"What is the {fact.attribute} of {fact.subject}?", ())
            controls.append(Control("world", prompt, fact.value))
        else:
            controls.append(_stranger(corpus) if number % 3 == 1 else _in_context(corpus))
    return controls


def _stranger(corpus: Corpus) -> Control:
    return Control("stranger", _DIALECT.answer_prompt(corpus.stranger(), ()), UNKNOWN)


def _in_context(corpus: Corpus) -> Control:
    example = corpus.qa(corpus.rng.randint(2, 4), questions=1)
    target = example.segments[1]
    return Control("context", example.segments[0], _DIALECT.parse_answer(target))
