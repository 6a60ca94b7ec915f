# ruff: noqa: PLR2004 - shares of a random mixture are plain where they are used
"""The training mixture: every skill of the model as (prompt, target) segments.

Seeded and without an end: example ``i`` of a seed is the same on every machine. Training
draws names only from the training side (``names.is_held_out``), benchmarks from the other.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.models.builtin.dialect import END, BuiltinDialect
from agent.models.builtin.dialogues import DialogueMaker, extraction_examples, labelled_windows
from agent.models.builtin.documents import DocumentMaker
from agent.models.builtin.facts import Fact, FactMaker
from agent.models.builtin.sgd import SgdDialogue
from agent.models.builtin.world import WORLD_FACTS
from agent.models.protocol import UNKNOWN, Turn

MIXTURE: Final = {"qa": 13.0, "closed": 2.0, "cards": 5.0, "sgd": 0.8, "patch": 3.2, "rewrite": 0.1}
"""Examples of each skill; scaled to shares."""
UNKNOWN_SHARE: Final = 0.33
"""Of the questions with notes, those that the notes do not answer."""
STRANGER_SHARE: Final = 0.5
"""Of the questions without notes, those about strangers."""

_MOST_NOTES: Final = 7
_SEVERAL_QUESTIONS: Final = 0.2
_DIALECT: Final = BuiltinDialect()


@dataclass(frozen=True)
class Example:
    """Alternating prompts and targets; the loss counts on the targets."""

    kind: str
    segments: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole example."""
        return "".join(self.segments)


class Corpus:
    """An endless supply of examples for one seed."""

    def __init__(
        self,
        seed: int | str,
        *,
        held_out: bool = False,
        sgd: Sequence[SgdDialogue] = (),
        mixture: dict[str, float] | None = None,
    ) -> None:
        self.rng = random.Random(f"corpus {seed}")
        self.sgd = sgd
        self.facts = FactMaker(self.rng, held_out=held_out)
        self.dialogues = DialogueMaker(self.rng, held_out=held_out)
        self.documents = DocumentMaker(self.rng, held_out=held_out)
        weights = dict(mixture or MIXTURE)
        if not sgd:
            weights.pop("sgd", None)
        self._kinds, self._weights = list(weights), list(weights.values())

    def examples(self, size: float) -> list[Example]:
        """The next few examples of one kind; ``size`` in 0..1 scales their length."""
        kind = self.rng.choices(self._kinds, self._weights)[0]
        if kind == "qa":
            return [self.qa(self.rng.randint(1, max(2, round(_MOST_NOTES * size))))]
        if kind == "closed":
            return [self.closed()]
        if kind == "cards":
            dialogue = self.dialogues.dialogue(self.rng.randint(1, 4))
            windows = labelled_windows(dialogue.turns, dialogue.labels)
            pairs = extraction_examples(dialogue.subject, windows, self.rng, 4)
            return [Example(kind, pair) for pair in pairs]
        if kind == "sgd":
            return self.real(self.rng.choice(self.sgd), 4)
        lines = self.rng.randint(3, 3 + round(9 * size))
        return [self.patch(lines) if kind == "patch" else self.rewrite(lines)]

    def qa(self, notes: int, questions: int = 4) -> Example:
        """Notes and up to ``questions`` questions about them, some without an answer."""
        facts = self.facts.facts(notes)
        prompts = [self.facts.note(fact) for fact in facts]
        questions = questions if self.rng.random() < _SEVERAL_QUESTIONS else 1
        asked = self.rng.sample(facts, min(len(facts), questions))
        segments: list[str] = []
        for number, fact in enumerate(asked):
            if self.rng.random() < UNKNOWN_SHARE:
                subject, attribute, kind = self.absent(facts)
                answer = UNKNOWN
            else:
                subject, attribute, kind = fact.subject, fact.attribute, fact.kind
                answer = fact.value
            question = self.facts.question(subject, attribute, kind)
            segments.append(_DIALECT.answer_prompt(question, prompts if number == 0 else ()))
            segments.append(_DIALECT.answer_target(answer))
        return Example("qa", tuple(segments))

    def absent(self, facts: Sequence[Fact]) -> tuple[str, str, str]:
        """A (subject, attribute, kind) near to ``facts`` that none of them answers."""
        known = {(fact.subject, fact.attribute) for fact in facts}
        told = {fact.attribute for fact in facts}
        for _ in range(20):
            fact = self.rng.choice(list(facts))
            name, domain = self.facts.domain()
            attribute, kind = fact.attribute, fact.kind
            subject = fact.subject
            if self.rng.random() < 0.4:
                told_of = self.rng.choice(list(facts)).subject
                subject = self.rng.choice(
                    [self.facts.subject(name, domain), told_of, self.facts.sibling(subject)]
                )
            else:
                other = self.rng.choice(list(facts))
                attribute, kind = self.rng.choice(
                    [self.facts.attribute(domain), (other.attribute, other.kind)]
                )
            near = any(attribute in each or each in attribute for each in told)
            if (subject, attribute) not in known and (not near or attribute in told):
                return subject, attribute, kind
        return self.facts.names.person(), facts[0].attribute, facts[0].kind

    def closed(self) -> Example:
        """A question without notes: a world fact, or a stranger's."""
        rng = self.rng
        if rng.random() >= STRANGER_SHARE:
            fact = rng.choice(WORLD_FACTS)
            question = self.facts.question(fact.subject, fact.attribute, "word")
            answer = fact.value
        else:
            question, answer = self.stranger(), UNKNOWN
        prompt = _DIALECT.answer_prompt(question, ())
        return Example("closed", (prompt, _DIALECT.answer_target(answer)))

    def stranger(self) -> str:
        """A question that nobody can answer without notes."""
        name, domain = self.facts.domain()
        attribute, kind = self.facts.attribute(domain)
        subject = self.facts.subject(name, domain)
        if self.rng.random() < 0.1:
            world = self.rng.choice(WORLD_FACTS)
            if self.rng.random() < 0.5:
                subject = world.subject
            else:
                attribute, kind = world.attribute, world.kind
                subject = self.facts.names.invented()
        return self.facts.question(subject, attribute, kind)

    def real(self, dialogue: SgdDialogue, count: int) -> list[Example]:
        """Some windows of a real dialogue, those with values preferred."""
        rng = self.rng
        noun = rng.choice(["booking", "dialogue", "booking", "task", "conversation", "request"])
        subject = f"{noun} {dialogue.id}"
        if rng.random() < 0.2:
            subject = f"{noun} {self.facts.names.code()}"
        turns = dialogue.turns
        if rng.random() < 0.2:
            turns = tuple(Turn(each.speaker.upper(), each.text) for each in turns)
        windows = labelled_windows(turns, dialogue.labels)
        pairs = extraction_examples(subject, windows, rng, count)
        return [Example("sgd", pair) for pair in pairs]

    def patch(self, lines: int) -> Example:
        """A document of about ``lines`` lines and an edit of it as a located patch."""
        if self.rng.random() < 0.1:
            edit = self.documents.elsewhere(lines)
        else:
            edit = self.documents.edit(self.documents.document(lines))
        prompt = _DIALECT.patch_prompt(edit.lines, edit.instruction)
        return Example("patch", (prompt, edit.target + END))

    def rewrite(self, lines: int) -> Example:
        """The same, the whole edited document as the target."""
        edit = self.documents.edit(self.documents.document(lines))
        prompt = _DIALECT.rewrite_prompt("\n".join(edit.lines), edit.instruction)
        return Example("rewrite", (prompt, _DIALECT.rewrite_target("\n".join(edit.result))))
