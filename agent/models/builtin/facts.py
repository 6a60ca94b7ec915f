# ruff: noqa: E501, PLR2004 - sentences unbroken; shares of a random mixture are plain where they are used
"""Generated facts and their wordings as notes and questions."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Final

from agent.models.builtin.attributes import (
    DOMAINS,
    HEADS,
    MODIFIERS,
    NOUNS,
    QUESTIONS,
    ROLES,
    Domain,
)
from agent.models.builtin.dialect import BuiltinDialect, question_for, statement_for
from agent.models.builtin.names import Names
from agent.models.builtin.values import Values

_DIALECT: Final = BuiltinDialect()
_PERSON_LIKE: Final = ("staff", "personal", "health")
_WHEN: Final = ("date", "time", "year", "weekday")
_PLURAL_WORDINGS: Final = (
    "What's the {a} of {s}?",
    "What is the {a} for {s}?",
    "What is {s}'s {a}?",
    "Give me the {a} for {s}.",
    "{a} of {s}?",
    "Can you tell me the {a} of {s}?",
    "What was the {a} in {s}?",
    "In {s}, what is the {a}?",
    "I need the {a} of {s}.",
    "What do we know about the {a} of {s}?",
)
_BY_KIND: Final[dict[str, tuple[str, ...]]] = {
    "when": ("When is the {a} of {s}?", "When is the {a} for {s}?", "On which date is the {a} of {s}?"),
    "person": (
        "Who is the {a} of {s}?", "Who is the {a} for {s}?", "Who is the {a} in {s}?",
        "Who handles {s} as {a}?", "Which {a} works on {s}?", "Which {a} came for {s}?",
    ),
    "money": (
        "How much is the {a} of {s}?", "How much is the {a} for {s}?", "How high is the {a} in {s}?",
    ),
    "time": ("At what time is the {a} of {s}?", "When is the {a} of {s}?"),
    "duration": ("How long is the {a} of {s}?", "How long is the {a} in {s}?"),
    "count": ("What is the {a} of {s}?", "How many is the {a} in {s}?"),
    "address": ("Where is the {a} of {s}?", "Where is the {a} in {s}?"),
    "town": ("Where is the {a} of {s}?", "In which town is the {a} of {s}?"),
}  # fmt: skip
_WHICH: Final = (
    "Which {a} belongs to {s}?",
    "Which {a} is used for {s}?",
    "Which {a} is it in {s}?",
)
_NOTE_WORDINGS: Final = (
    "{s}'s {a} is {v}.",
    "{s}: {a} {v}.",
    "{s}: {a} is {v}.",
    "The {a} for {s} is {v}.",
    "{a} of {s}: {v}",
    "{s} has the {a} {v}.",
    "For {s}, the {a} is {v}.",
    "{s} | {a} | {v}",
    "The {a} in {s} was {v}.",
)


@dataclass(frozen=True)
class Fact:
    """``subject`` has ``value`` as its ``attribute``; ``kind`` names the value's kind."""

    subject: str
    attribute: str
    value: str
    kind: str


class FactMaker:
    """Draws domains, subjects, attributes and facts on one side of the hold-out."""

    def __init__(self, rng: random.Random, *, held_out: bool = False) -> None:
        self.rng = rng
        self.names = Names(rng, held_out=held_out)
        self.values = Values(self.names)

    def domain(self) -> tuple[str, Domain]:
        """A domain; insurance claims come up most, as the product's own field."""
        name = "insurance" if self.rng.random() < 0.3 else self.rng.choice(tuple(DOMAINS))
        return name, DOMAINS[name]

    def record(self, domain: Domain) -> str:
        """What the program calls the transcript's subject: ``claim CL-20417``."""
        noun = self.rng.choice(domain.nouns)
        if self.rng.random() < 0.12:
            return f"{noun} {self.names.digits(1)}_{self.rng.randint(0, 99999):05d}"
        return f"{noun} {self.names.code()}"

    def subject(self, name: str, domain: Domain) -> str:
        """A record, a person or a business that facts may be about."""
        roll = self.rng.random()
        if roll < (0.2 if name in _PERSON_LIKE else 0.5):
            return self.record(domain)
        if roll < 0.85:
            return self.names.person()
        if roll < 0.95:
            return self.values.make(self.rng.choice(["company", "hotel", "garage", "venue"]))
        return self.names.town()

    def sibling(self, subject: str) -> str:
        """Another subject much like ``subject``: the next claim, a person of that name."""
        number = re.search(r"\d{3,}$", subject)
        if number is not None:
            return subject[: number.start()] + self.names.digits(len(number.group()))
        first, blank, _ = subject.rpartition(" ")
        if not blank:
            return f"{subject} {self.names.last()}"
        return f"{first} {self.names.last()}" if self.rng.random() < 0.5 else self.names.person()

    def attribute(self, domain: Domain) -> tuple[str, str]:
        """An attribute and the kind of its values, at times with a modifier."""
        if (roll := self.rng.random()) < 0.3:
            head, kind = self.rng.choice(HEADS)
            return f"{self.rng.choice(NOUNS)} {head}", kind
        if roll < 0.36:
            return self.rng.choice(ROLES), self.rng.choice(["person", "person", "company"])
        attribute, kind = self.rng.choice(domain.attributes)
        if self.rng.random() < 0.12:
            attribute = f"{self.rng.choice(MODIFIERS)} {attribute}"
        return attribute, kind

    def attributes(self, domain: Domain, count: int) -> list[tuple[str, str]]:
        """``count`` different attributes."""
        found: dict[str, str] = {}
        while len(found) < count:
            attribute, kind = self.attribute(domain)
            found.setdefault(attribute, kind)
        return list(found.items())

    def fact(self, subject: str, attribute: str, kind: str) -> Fact:
        """A fact with a fresh value."""
        return Fact(subject, attribute, self.values.make(kind), kind)

    def facts(self, count: int) -> list[Fact]:
        """``count`` facts of one domain, two to a subject on average, no pair twice."""
        name, domain = self.domain()
        subjects = [self.subject(name, domain)]
        alike = self.rng.random() < 0.4
        for _ in range(self.rng.randint(1, count) - 1):
            fresh = self.sibling(subjects[0]) if alike else self.subject(name, domain)
            subjects.append(fresh)
        table = self.attributes(domain, self.rng.randint(1, max(2, count)))
        found: dict[tuple[str, str], Fact] = {}
        for _ in range(60):
            subject = self.rng.choice(subjects)
            attribute, kind = self.rng.choice(table)
            found.setdefault((subject, attribute), self.fact(subject, attribute, kind))
            if len(found) == count:
                return list(found.values())
        table += self.attributes(domain, count)
        while len(found) < count:
            attribute, kind = self.rng.choice(table)
            found.setdefault((subjects[0], attribute), self.fact(subjects[0], attribute, kind))
        return list(found.values())

    def question(self, subject: str, attribute: str, kind: str) -> str:
        """The question for a fact in one of many wordings, the canonical one most."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.35:
            return question_for(subject, attribute)
        if roll < 0.5:
            return rng.choice(_DIALECT.rewordings(subject, attribute, held_out=False))
        if roll < 0.6:
            return rng.choice(_DIALECT.rewordings(subject, attribute, held_out=True))
        if roll < 0.75 and attribute in QUESTIONS:
            return rng.choice(QUESTIONS[attribute]).format(s=subject)
        if roll < 0.85:
            wordings = _BY_KIND.get("when" if kind in _WHEN else kind, _WHICH)
            return rng.choice(wordings).format(a=attribute, s=subject)
        text = rng.choice(_PLURAL_WORDINGS).format(a=attribute, s=subject)
        return text[0].upper() + text[1:]

    def note(self, fact: Fact) -> str:
        """A note that states ``fact``; the canonical statement in most cases."""
        if self.rng.random() < 0.6:
            return statement_for(fact.subject, fact.attribute, fact.value)
        wording = self.rng.choice(_NOTE_WORDINGS)
        text = wording.format(s=fact.subject, a=fact.attribute, v=fact.value)
        return text[0].upper() + text[1:]
