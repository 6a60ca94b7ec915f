"""Keys under which rejected and revoked values are remembered; pure.

A tombstone is about a *value*: within one tenant and agent, this value of this attribute
of this topic. It does not name an entry, so the value cannot come back under a new id, in
the other channel (a rejected fact as a flashcard), or in look-alike letters. A paraphrase
has another key on purpose: it is found by similarity and shown to a person (verifier
``restatement``), because refusing everything similar would refuse honest corrections.

The key is an HMAC under the home's secret (``Ledger.keyed``), so that a list of keys does
not let anyone test guesses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from governance.events import Body, CardBody, CaseBody, FactBody, Scope, SubtaskBody
from governance.textforms import value_key

if TYPE_CHECKING:
    from governance.ledger import Ledger
    from governance.state import EntryState

VERSION: Final = "t1"
"""Changes when normalisation does; old keys stay valid beside new ones."""

_SEPARATOR: Final = "\x1f"


@dataclass(frozen=True)
class Claim:
    """What an entry asserts, whatever its kind: topic, attribute, value."""

    topic: str
    attribute: str
    value: str

    @property
    def place(self) -> tuple[str, str]:
        """Normalised topic and attribute: where two claims can contradict each other."""
        return value_key(self.topic), value_key(self.attribute)

    @property
    def key(self) -> str:
        """Normalised value."""
        return value_key(self.value)

    def says(self, other: Claim) -> bool:
        """Whether both assert the same, in whatever spelling: within a scope, the same key."""
        return self.place == other.place and self.key == other.key


def claim_of(body: Body) -> Claim:
    """The assertion in ``body``; a fact and a card of the same thing give the same claim."""
    if isinstance(body, FactBody):
        return Claim(body.topic, body.attribute, body.value)
    if isinstance(body, CardBody):
        return Claim(body.topic, body.attribute or body.question, body.answer)
    if isinstance(body, CaseBody):
        return Claim(body.task, "outcome", "\n".join([*body.plan, body.outcome]))
    if isinstance(body, SubtaskBody):
        return Claim(body.task, body.step, body.result)
    return Claim(body.tool, body.arguments, body.result)


def tombstone_key(
    keyed: Callable[[str], str], scope: Scope, topic: str, attribute: str, value: str
) -> str:
    """The key of one value of one attribute.

    The user part of the scope is left out: a value rejected for one reader must not come
    back through another user of the same agent. Who may *see* a tombstone is decided by
    ``State.tombstones``.

    Args:
        keyed: ``Ledger.keyed``.
        scope: Where the entry lives; tenant and agent count.
        topic: What it is about.
        attribute: Which property, or the question.
        value: The value, or the answer.
    """
    parts = (VERSION, scope.tenant, scope.agent, *(value_key(t) for t in (topic, attribute, value)))
    return f"{VERSION}-{keyed('tombstone:' + _SEPARATOR.join(parts))}"


def tombstone_of(keyed: Callable[[str], str], scope: Scope, body: Body) -> str:
    """:func:`tombstone_key` of the claim in ``body``."""
    claim = claim_of(body)
    return tombstone_key(keyed, scope, claim.topic, claim.attribute, claim.value)


def refused_meanwhile(ledger: Ledger, entry: EntryState) -> str | None:
    """The entry as which the value of ``entry`` was rejected or revoked; ``None`` if it was not.

    For whoever lets something take effect that was approved earlier: the value may have been
    refused since, under another id, in look-alike letters or in the other channel.
    """
    key = tombstone_of(ledger.keyed, entry.scope, entry.body)
    earlier = ledger.state.tombstones(entry.scope).get(key)
    return earlier if earlier != entry.entry_id else None
