# ruff: noqa: E501, PLR2004 - sentences unbroken; shares of a random mixture are plain where they are used
"""Generated dialogues with the facts of every turn, cut into extraction examples."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.models.builtin import phrases
from agent.models.builtin.attributes import CLEAR_SENTENCES, SENTENCES, Domain
from agent.models.builtin.dialect import BuiltinDialect, clean, sentence_windows, stands_in
from agent.models.builtin.facts import FactMaker
from agent.models.builtin.names import FIRST
from agent.models.protocol import Turn

Label = tuple[str, str, str | None]
"""(value, attribute, subject or None for the transcript's own)."""

_DIALECT: Final = BuiltinDialect()
_SENTENCE_START: Final = re.compile(r"(My|The|Her|His|Our|It's|Yes|Sure|We|You) [a-z]")
_THINGS: Final = ("vehicle", "product", "part", "company", "insurer", "garage", "damage", "plate", "code",
                  "hospital", "town", "address", "carrier")  # fmt: skip


@dataclass
class Dialogue:
    """Turns of a transcript about ``subject`` with the facts told in each."""

    subject: str
    turns: list[Turn] = field(default_factory=list)
    labels: list[list[Label]] = field(default_factory=list)

    def say(self, speaker: str, text: str, labels: list[Label] | None = None) -> None:
        """Append a turn with the facts told in it."""
        self.turns.append(Turn(speaker, text))
        self.labels.append(labels or [])


class DialogueMaker:
    """Builds dialogues move by move: questions, tellings, corrections, chatter."""

    def __init__(self, rng: random.Random, *, held_out: bool = False) -> None:
        self.rng = rng
        self.maker = FactMaker(rng, held_out=held_out)

    def dialogue(self, facts: int) -> Dialogue:
        """A dialogue that tells ``facts`` facts, with chatter between."""
        rng = self.rng
        name, domain = self.maker.domain()
        dialogue = Dialogue(self._subject(name, domain))
        staff, client = rng.choice(domain.speakers)
        if rng.random() < 0.4:
            staff, client = (self.maker.names.pick(FIRST) for _ in range(2))
        if rng.random() < 0.5:
            self._chat(dialogue, rng.choice((staff, client)))
        table = self.maker.attributes(domain, facts + 4)
        while (told := len({label[:2] for each in dialogue.labels for label in each})) < facts:
            move = self._move(facts - told)
            before = len(dialogue.turns)
            move(dialogue, staff, client, table)
            if len(dialogue.turns) == before or rng.random() < 0.3:
                self._chat(dialogue, rng.choice((staff, client)))
        if rng.random() < 0.5:
            self._chat(dialogue, rng.choice((staff, client)))
        return dialogue

    def _subject(self, name: str, domain: Domain) -> str:
        roll = self.rng.random()
        if roll < 0.7:
            return self.maker.record(domain)
        if roll < 0.85:
            return self.maker.subject(name, domain)
        noun = self.rng.choice(["transcript", "call", "thread", "conversation", "dialogue", "chat"])
        return f"{noun} {self.rng.choice([str(self.rng.randint(1, 99)), self.maker.names.code()])}"

    def _move(self, left: int) -> Callable[[Dialogue, str, str, list[tuple[str, str]]], None]:
        moves = [
            (self._ask_answer, 30), (self._tell, 22), (self._natural, 18), (self._named, 10),
            (self._correct, 8), (self._introduce, 4), (self._noted, 6),
        ]  # fmt: skip
        if left >= 2:
            moves += [(self._tell_several, 14), (self._person, 8)]
        return self.rng.choices([m for m, _ in moves], [w for _, w in moves])[0]

    def _draw(self, table: list[tuple[str, str]]) -> tuple[str, str, str]:
        """An attribute not used yet, taken off the table, with its kind and a value."""
        attribute, kind = table.pop(self.rng.randrange(len(table))) if table else ("note", "word")
        return attribute, kind, self.maker.values.make(kind)

    def _chat(self, dialogue: Dialogue, speaker: str) -> None:
        if self.rng.random() < 0.2:
            template, kind = self.rng.choice(phrases.DISTRACTIONS)
            value = self.maker.values.make(kind)
            dialogue.say(speaker, template.format(v=value, n=self.maker.names.first()))
            return
        count = self.rng.choice([1, 1, 1, 2, 2, 3])
        dialogue.say(speaker, " ".join(self._small_talk() for _ in range(count)))

    def _small_talk(self) -> str:
        """A sentence that tells nothing worth keeping."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.08:
            return rng.choice(phrases.ADDRESSES).format(n=self.maker.names.first())
        if roll < 0.3:
            return rng.choice(phrases.CHATTER)
        if roll < 0.55:
            return rng.choice(phrases.ASIDES)
        if roll < 0.75:
            return rng.choice(phrases.SMALL_TALK)
        text = f"{rng.choice(phrases.WHO)} {rng.choice(phrases.DID)}{rng.choice(phrases.THEN)}."
        return text[0].upper() + text[1:] if rng.random() < 0.85 else text

    def _dress(self, text: str) -> str:
        """``text`` with an opener or a closer at times."""
        rng = self.rng
        if (roll := rng.random()) < 0.2:
            text = f"{rng.choice(phrases.OPENERS)} {text}"
        elif roll < 0.4:
            text = f"{self._small_talk()} {text}"
        if (roll := rng.random()) < 0.12:
            text = f"{text} {rng.choice(phrases.CLOSERS)}"
        elif roll < 0.32:
            text = f"{text} {self._small_talk()}"
        if rng.random() < 0.1 and _SENTENCE_START.match(text):
            text = text[0].lower() + text[1:]
        return text

    def _tail(self, text: str) -> str:
        """``text`` with an afterthought before its full stop at times."""
        if text.endswith(".") and self.rng.random() < 0.2:
            return f"{text[:-1]}{self.rng.choice(phrases.TAILS)}."
        return text

    def _ask(self, attribute: str, kind: str) -> str:
        rng = self.rng
        natural = phrases.NATURAL_ASKS.get(attribute)
        if natural and rng.random() < 0.5:
            return rng.choice(natural)
        if rng.random() < 0.2:
            if kind in ("date", "time"):
                return f"When is the {attribute}?"
            if kind == "money":
                return f"How much is the {attribute}?"
        if kind == "person" and rng.random() < 0.6:
            return rng.choice(phrases.NAMED_ASKS).format(a=attribute)
        if kind in _THINGS and rng.random() < 0.5:
            return rng.choice(phrases.THING_ASKS).format(a=attribute)
        return rng.choice(phrases.ASKS).format(a=attribute)

    def _answer(self, attribute: str, kind: str, value: str) -> str:
        if attribute in SENTENCES and self.rng.random() < 0.3:
            template = self.rng.choice(SENTENCES[attribute])
            return self._tail(self._told(template, attribute, value))
        templates: tuple[str, ...] = phrases.ANSWERS
        if kind == "person" and self.rng.random() < 0.5:
            templates = phrases.PERSON_ANSWERS
        elif (kind in _THINGS or kind == "date") and self.rng.random() < 0.4:
            templates = phrases.THING_ANSWERS
        return self._tail(self._told(self.rng.choice(templates), attribute, value))

    def _told(self, template: str, attribute: str, value: str, **more: str) -> str:
        capital = attribute[0].upper() + attribute[1:]
        return template.format(a=attribute, A=capital, v=value, **more)

    def _ask_answer(
        self, dialogue: Dialogue, staff: str, client: str, table: list[tuple[str, str]]
    ) -> None:
        rng = self.rng
        attribute, kind, value = self._draw(table)
        asker, other = (staff, client) if rng.random() < 0.8 else (client, staff)
        dialogue.say(asker, self._dress(self._ask(attribute, kind)))
        if rng.random() < 0.08:
            dialogue.say(other, rng.choice(["One second, I have to look.", "Let me check."]))
            dialogue.say(asker, "Take your time.")
            value_text = f"It's {value}, the {attribute}."
        else:
            value_text = self._answer(attribute, kind, value)
        labels: list[Label] = [(value, attribute, None)]
        if table and rng.random() < 0.15:
            more, _, extra = self._draw(table)
            value_text += f" And the {more} is {extra}."
            labels.append((extra, more, None))
        dialogue.say(other, self._dress(value_text), labels)
        if rng.random() < 0.25:
            text = self._told(rng.choice(phrases.CONFIRMS), attribute, value)
            if table and rng.random() < 0.4:
                text += " " + self._ask(*rng.choice(table))
            dialogue.say(asker, text, labels[:1])

    def _tell(
        self, dialogue: Dialogue, staff: str, client: str, table: list[tuple[str, str]]
    ) -> None:
        attribute, _, value = self._draw(table)
        text = self._tail(self._told(self.rng.choice(phrases.TELLS), attribute, value))
        dialogue.say(
            self.rng.choice((staff, client)), self._dress(text), [(value, attribute, None)]
        )

    def _tell_several(
        self, dialogue: Dialogue, staff: str, client: str, table: list[tuple[str, str]]
    ) -> None:
        rng = self.rng
        drawn = [self._draw(table) for _ in range(min(len(table), rng.choice([2, 2, 3])))]
        if not drawn:
            return
        if rng.random() < 0.4:
            parts = [rng.choice(["the {a} is {v}", "my {a} is {v}", "{a}: {v}", "{v} for the {a}"])
                     .format(a=a, v=v) for a, _, v in drawn]  # fmt: skip
            text = rng.choice([", ", " and ", "; "]).join(parts) + "."
            text = text[0].upper() + text[1:] if not text.startswith(drawn[0][2]) else text
        else:
            text = " ".join(self._sentence(a, v) for a, _, v in drawn)
        labels: list[Label] = [(v, a, None) for a, _, v in drawn]
        dialogue.say(rng.choice((staff, client)), self._dress(text), labels)

    def _sentence(self, attribute: str, value: str) -> str:
        natural = CLEAR_SENTENCES.get(attribute)
        template = self.rng.choice(
            natural if natural and self.rng.random() < 0.6 else phrases.TELLS
        )
        return self._told(template, attribute, value)

    def _natural(
        self, dialogue: Dialogue, staff: str, client: str, table: list[tuple[str, str]]
    ) -> None:
        known = [row for row in table if row[0] in CLEAR_SENTENCES]
        if not known:
            return
        attribute, kind = self.rng.choice(known)
        table.remove((attribute, kind))
        value = self.maker.values.make(kind)
        text = self._tail(self._told(self.rng.choice(CLEAR_SENTENCES[attribute]), attribute, value))
        dialogue.say(
            self.rng.choice((staff, client)), self._dress(text), [(value, attribute, None)]
        )

    def _named(
        self, dialogue: Dialogue, staff: str, client: str, table: list[tuple[str, str]]
    ) -> None:
        rng = self.rng
        name, domain = self.maker.domain()
        subject = self.maker.subject(name, domain)
        attribute, _, value = self._draw(table)
        text = self._told(rng.choice(phrases.NAMED_TELLS), attribute, value, s=subject)
        labels: list[Label] = [(value, attribute, subject)]
        if table and rng.random() < 0.25:
            more, _, extra = self._draw(table)
            other = self.maker.subject(name, domain)
            text += " " + self._told(rng.choice(phrases.NAMED_TELLS), more, extra, s=other)
            labels.append((extra, more, other))
        dialogue.say(rng.choice((staff, client)), self._dress(text), labels)

    def _person(
        self, dialogue: Dialogue, staff: str, client: str, table: list[tuple[str, str]]
    ) -> None:
        """A person named in one sentence and told of by pronoun in the next."""
        people = [row for row in table if row[1] in ("person", "garage", "hotel", "company")]
        if not people or len(table) < 2:
            return
        rng = self.rng
        attribute, kind = rng.choice(people)
        table.remove((attribute, kind))
        person = self.maker.values.make(kind)
        more = rng.choice(["phone number", "address", "e-mail address"])
        extra = self.maker.values.make(
            {"phone number": "phone", "address": "address"}.get(more, "email")
        )
        text = self._sentence(attribute, person)
        text += " " + self._told(rng.choice(phrases.PRONOUN_TELLS), more, extra)
        labels: list[Label] = [(person, attribute, None), (extra, more, person)]
        dialogue.say(rng.choice((staff, client)), self._dress(text), labels)

    def _correct(
        self, dialogue: Dialogue, staff: str, client: str, table: list[tuple[str, str]]
    ) -> None:
        rng = self.rng
        attribute, kind, wrong = self._draw(table)
        right = self.maker.values.make(kind)
        if right == wrong:
            return
        speaker, other = (staff, client) if rng.random() < 0.5 else (client, staff)
        text = self._told(rng.choice(phrases.CONFIRMS + phrases.TELLS), attribute, wrong)
        if attribute not in text:
            text = f"The {attribute} is {wrong}."
        dialogue.say(speaker, self._dress(text), [(wrong, attribute, None)])
        if rng.random() < 0.2:
            dialogue.say(other, "Are you sure about that?" if rng.random() < 0.5 else "Hmm.")
            other = speaker
        text = self._told(rng.choice(phrases.CORRECTIONS), attribute, right, w=wrong)
        dialogue.say(other, text, [(right, attribute, None)])

    def _introduce(
        self,
        dialogue: Dialogue,
        staff: str,  # noqa: ARG002 - one form for all moves
        client: str,
        table: list[tuple[str, str]],  # noqa: ARG002 - one form for all moves
    ) -> None:
        person = self.maker.names.person()
        attribute = "name" if client in FIRST else f"{client.lower()} name"
        if any(label[1] == attribute for each in dialogue.labels for label in each):
            return
        text = self.rng.choice(phrases.NAME_TELLS).format(v=person)
        dialogue.say(client, self._dress(text), [(person, attribute, None)])

    def _noted(
        self, dialogue: Dialogue, staff: str, client: str, table: list[tuple[str, str]]
    ) -> None:
        """The asker acknowledges nothing and the other cannot answer: no fact at all."""
        attribute, kind = self.rng.choice(table) if table else ("note", "word")
        dialogue.say(staff, self._dress(self._ask(attribute, kind)))
        refusals = ("I don't know that.", "I don't have it at hand.", "I'd have to look.", "No idea, sorry.",
                    "Does that matter?", "I will send it later.", "I can't remember.")  # fmt: skip
        dialogue.say(client, self.rng.choice(refusals))


def labelled_windows(
    turns: Sequence[Turn], labels: Sequence[Sequence[Label]]
) -> list[tuple[tuple[Turn, ...], list[Label]]]:
    """Every window with the labels of its sentence, in the order in which they are said."""
    found: list[tuple[tuple[Turn, ...], list[Label]]] = []
    left = [list(each) for each in labels]
    for index, window in sentence_windows(turns):
        sentence = clean(window[-1].text)
        here = [label for label in left[index] if stands_in(label[0], sentence)]
        left[index] = [label for label in left[index] if label not in here]
        found.append((window, sorted(here, key=lambda label: sentence.find(label[0]))))
    return found


def extraction_examples(
    subject: str,
    windows: Sequence[tuple[tuple[Turn, ...], list[Label]]],
    rng: random.Random,
    count: int,
) -> list[tuple[str, str]]:
    """Up to ``count`` (prompt, target) pairs, windows with facts preferred three to one."""
    weights = [3.0 if labels else 1.0 for _, labels in windows]
    chosen: set[int] = set()
    while len(chosen) < min(count, len(windows)):
        chosen.add(rng.choices(range(len(windows)), weights)[0])
    return [
        (_DIALECT.extraction_prompt(window, subject), _DIALECT.extraction_target(labels))
        for window, labels in (windows[i] for i in sorted(chosen))
    ]
