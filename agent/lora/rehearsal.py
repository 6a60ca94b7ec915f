"""What is trained beside the cards, so that an adapter learns them and nothing else.

Cards alone teach a model to answer everybody's question with a card. Fresh questions in
every step prevent it; a fixed set does not. *Near misses* are made from the cards: the
same question about a look-alike subject, and other questions about the same subject, all
of which nobody answered. They also teach the model what a revoked card leaves behind:
the subject is known, the answer is not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from agent.lora.cards import TrainingCard
from agent.lora.recipe import RehearsalCounts
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.protocol import UNKNOWN, Dialect

Pair = tuple[str, str]
"""Prompt and the target that follows it."""

_SYLLABLES: Final = (
    "ba", "ce", "di", "fo", "gu", "la", "me", "ni", "po", "ra", "se", "ti", "vo", "wen", "lar",
    "mos", "tir", "kel", "nar", "sul",
)  # fmt: skip
_ATTRIBUTES: Final = (
    "address", "amount", "appointment", "birthday", "colour", "contact", "cost", "date", "email",
    "fee", "language", "level", "limit", "location", "manager", "name", "number", "owner", "phone",
    "price", "reference", "room", "size", "start date", "status", "supplier", "time", "type",
    "value", "weight",
)  # fmt: skip


class Rehearsal(Protocol):
    """Unrelated prompts for every step. Pure: seed and step decide everything."""

    @property
    def identity(self) -> str:
        """Name and version; part of a build's inputs."""
        ...

    def pairs(self, cards: Sequence[TrainingCard], seed: int, step: int) -> list[Pair]:
        """The rehearsal of one step; ``cards`` in canonical order."""
        ...


class BuiltinRehearsal:
    """What the builtin model was pretrained on, plus near misses of the cards."""

    def __init__(self, dialect: Dialect, counts: RehearsalCounts) -> None:
        self._dialect = dialect
        self._counts = counts

    @property
    def identity(self) -> str:
        """``builtin-1``."""
        return "builtin-1"

    def pairs(self, cards: Sequence[TrainingCard], seed: int, step: int) -> list[Pair]:
        """Strangers, world facts, questions on notes, and near misses."""
        # Late, because the generator is only needed to train.
        from agent.models.builtin.rehearsal import STRANGERS, WORLD, rehearsal  # noqa: PLC0415

        made = rehearsal(seed, step)
        counts = self._counts
        strangers, rest = made[:STRANGERS], made[STRANGERS:]
        known, context = rest[:WORLD], rest[WORLD:]
        near = near_misses(cards, f"{seed} {step}", counts.near_miss)
        return [
            *strangers[: counts.unknown],
            *known[: counts.known],
            *context[: counts.context],
            *(_closed(self._dialect, question) for question in near),
        ]


class GenericRehearsal:
    """For any model, from the cards alone: look-alikes, near misses, contradicting notes."""

    def __init__(self, dialect: Dialect, counts: RehearsalCounts) -> None:
        self._dialect = dialect
        self._counts = counts

    @property
    def identity(self) -> str:
        """``generic-1``."""
        return "generic-1"

    def pairs(self, cards: Sequence[TrainingCard], seed: int, step: int) -> list[Pair]:
        """Unknown look-alikes and near misses, and questions whose notes hold the answer."""
        counts = self._counts
        unknown = near_misses(cards, f"{seed} {step}", counts.unknown + counts.near_miss)
        rng = random.Random(f"context {seed} {step}")  # noqa: S311 - reproducible, not secret
        context = [_in_context(self._dialect, cards, rng) for _ in range(counts.context)]
        return [*(_closed(self._dialect, question) for question in unknown), *context]


def rehearsal_for(dialect: Dialect, counts: RehearsalCounts) -> Rehearsal:
    """The builtin model rehearses its own pretraining, others what the cards give."""
    if isinstance(dialect, BuiltinDialect):
        return BuiltinRehearsal(dialect, counts)
    return GenericRehearsal(dialect, counts)


def near_misses(cards: Sequence[TrainingCard], seed: str, count: int) -> list[str]:
    """Questions close to the cards that none of them answers."""
    if not cards:
        return []
    rng = random.Random(f"near {seed}")  # noqa: S311 - reproducible, not secret
    answered = {(card.topic, card.attribute) for card in cards}
    topics = sorted({card.topic for card in cards})
    makers: Sequence[Callable[[], str | None]] = (
        lambda: _about_look_alike(rng.choice(cards), set(topics), rng),
        lambda: _about_other(rng.choice(cards), rng.choice(topics), answered),
        lambda: _about_more(rng.choice(topics), rng.choice(_ATTRIBUTES), answered),
    )
    found: list[str] = []
    for attempt in range(20 * count):
        if len(found) == count:
            break
        question = makers[attempt % len(makers)]()
        if question is not None:
            found.append(question)
    return found


def look_alike(topic: str, rng: random.Random) -> str:
    """``topic`` with other digits, or else with one of its words replaced."""
    if any(sign.isdigit() for sign in topic):
        return "".join(str(rng.randrange(10)) if sign.isdigit() else sign for sign in topic)
    words = topic.split(" ")
    at = rng.randrange(len(words))
    made = "".join(rng.choices(_SYLLABLES, k=max(2, len(words[at]) // 3)))
    words[at] = made.capitalize() if words[at][:1].isupper() else made
    return " ".join(words)


def _about_look_alike(card: TrainingCard, topics: set[str], rng: random.Random) -> str | None:
    other = look_alike(card.topic, rng)
    if other in topics or not card.topic or card.topic not in card.question:
        return None
    wordings = (card.question, *card.rewordings)
    return rng.choice(wordings).replace(card.topic, other)


def _about_other(card: TrainingCard, topic: str, answered: set[tuple[str, str]]) -> str | None:
    if (topic, card.attribute) in answered or card.topic not in card.question or not card.topic:
        return None
    return card.question.replace(card.topic, topic)


def _about_more(topic: str, attribute: str, answered: set[tuple[str, str]]) -> str | None:
    if not topic or (topic, attribute) in answered:
        return None
    return f"What is the {attribute} of {topic}?"


def _closed(dialect: Dialect, question: str) -> Pair:
    return dialect.answer_prompt(question, ()), dialect.answer_target(UNKNOWN)


def _in_context(dialect: Dialect, cards: Sequence[TrainingCard], rng: random.Random) -> Pair:
    """A question on notes; half of them contradict a card, and the notes must win."""
    card, giver = rng.choice(cards), rng.choice(cards)
    topic = card.topic if rng.random() < 0.5 else look_alike(card.topic, rng)  # noqa: PLR2004
    asked = card.question.replace(card.topic, topic) if card.topic else card.question
    notes = [f"The {card.attribute} of {topic} is {giver.answer}."]
    for _ in range(rng.randint(1, 3)):
        other = rng.choice(cards)
        notes.append(f"The {other.attribute} of {look_alike(other.topic, rng)} is {other.answer}.")
    rng.shuffle(notes)
    return dialect.answer_prompt(asked, notes), dialect.answer_target(giver.answer)
