"""Cards as a build sees them: content only, in canonical order.

Entry ids, versions and the order of approval are left out on purpose. Two ledgers that
approved the same cards build the same adapter, and a shard rebuilt without a card equals
one that never saw it, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from governance import canonical
from governance.events import CardBody, Scope

INPUTS_FORMAT = 1


@dataclass(frozen=True, order=True)
class TrainingCard:
    """One flashcard. ``probes`` are held-out wordings: asked afterwards, never trained."""

    question: str
    answer: str
    topic: str
    attribute: str
    rewordings: tuple[str, ...] = ()
    probes: tuple[str, ...] = ()

    @classmethod
    def of(cls, body: CardBody) -> TrainingCard:
        """The card in an entry's body."""
        return cls(
            question=body.question,
            answer=body.answer,
            topic=body.topic,
            attribute=body.attribute,
            rewordings=tuple(body.rewordings),
            probes=tuple(body.probes),
        )

    def digest(self, rewordings: int) -> str:
        """SHA-256 (hex) of what is trained: the probes are not, nor further rewordings."""
        return canonical.digest(
            {
                "question": self.question,
                "answer": self.answer,
                "topic": self.topic,
                "attribute": self.attribute,
                "rewordings": list(self.rewordings[:rewordings]),
            }
        )


def canonical_order(cards: Iterable[TrainingCard]) -> tuple[TrainingCard, ...]:
    """Sorted by question, answer and the rest; the same set always comes out alike."""
    return tuple(sorted(cards))


def scope_digest(scope: Scope) -> str:
    """SHA-256 (hex) of a scope's labels."""
    return canonical.digest(scope.model_dump(mode="json"))


@dataclass(frozen=True)
class BuildInputs:
    """Everything an adapter is a function of. All digests are lowercase hex.

    ``realm`` is the scope's digest: two tenants with equal cards get different builds, so
    that neither can tell from the store what the other one learned.
    """

    base_digest: str
    recipe_digest: str
    subspace_digest: str
    rehearsal: str
    realm: str
    cards: tuple[str, ...]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the inputs: the name under which a build is looked up."""
        return canonical.digest(
            {
                "format": INPUTS_FORMAT,
                "base": self.base_digest,
                "recipe": self.recipe_digest,
                "subspace": self.subspace_digest,
                "rehearsal": self.rehearsal,
                "realm": self.realm,
                "cards": list(self.cards),
            }
        )

    @property
    def seed(self) -> int:
        """48 bits from the cards and their realm."""
        text = "\n".join((self.realm, *self.cards))
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def card_digests(cards: Sequence[TrainingCard], rewordings: int) -> tuple[str, ...]:
    """Digests in canonical order."""
    return tuple(card.digest(rewordings) for card in canonical_order(cards))
