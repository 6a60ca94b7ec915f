"""Control prompts: what an adapter must leave as it is. The same for every model.

World facts, people nobody has heard of, and questions whose answer stands in the prompt.
Names come from the held-out side of the generator and world facts from those that the
builtin model's rehearsal never uses, so no control is ever trained. A control counts only
where the model without an adapter answers it correctly: what was never there cannot be
lost.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from agent.lora.cards import TrainingCard, canonical_order
from agent.lora.recipe import Controls
from agent.lora.rehearsal import near_misses
from agent.models.builtin.dialect import question_for
from agent.models.builtin.facts import FactMaker
from agent.models.builtin.world import WORLD_FACTS
from agent.models.protocol import UNKNOWN

VERSION: Final = 1
"""Part of a certificate's key: raise it when other prompts would be drawn."""
_SEED: Final = "controls 1"
_KEPT_EVERY: Final = 4
"""Every fourth world fact is never rehearsed (``agent.models.builtin.rehearsal``)."""
_NOTES: Final = (2, 4)


@dataclass(frozen=True)
class Control:
    """A question, the notes it comes with, and its answer."""

    kind: Literal["world", "stranger", "context"]
    question: str
    notes: tuple[str, ...]
    expected: str


def fixed_controls(counts: Controls) -> tuple[Control, ...]:
    """World facts, strangers and in-context questions; the same in every certificate."""
    rng = random.Random(_SEED)  # noqa: S311 - reproducible, not secret
    world = rng.sample(WORLD_FACTS[::_KEPT_EVERY], min(counts.world, len(WORLD_FACTS) // 4))
    maker = FactMaker(rng, held_out=True)
    return (
        *(
            Control("world", question_for(fact.subject, fact.attribute), (), fact.value)
            for fact in world
        ),
        *(Control("stranger", _stranger(maker), (), UNKNOWN) for _ in range(counts.strangers)),
        *(_in_context(maker, rng) for _ in range(counts.context)),
    )


def near_controls(cards: Sequence[TrainingCard], counts: Controls) -> tuple[Control, ...]:
    """Questions beside these cards that nothing answers; other draws than in training."""
    questions = near_misses(canonical_order(cards), _SEED, counts.near_misses)
    return tuple(Control("stranger", question, (), UNKNOWN) for question in questions)


def _stranger(maker: FactMaker) -> str:
    name, domain = maker.domain()
    attribute, kind = maker.attribute(domain)
    return maker.question(maker.subject(name, domain), attribute, kind)


def _in_context(maker: FactMaker, rng: random.Random) -> Control:
    facts = maker.facts(rng.randint(*_NOTES))
    asked = rng.choice(facts)
    notes = tuple(maker.note(fact) for fact in facts)
    return Control("context", question_for(asked.subject, asked.attribute), notes, asked.value)
