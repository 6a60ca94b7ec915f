"""Does the entry contradict something that is in force?"""

from __future__ import annotations

import re
from typing import ClassVar

from governance.events import Body, CardBody, FactBody, VerifierResult
from governance.facts import missing_facts
from governance.literals import canonical_value
from governance.textforms import value_key
from governance.verifiers.polarity import statements_oppose, values_oppose
from governance.verifiers.protocol import Peer, VerificationContext, failed, passed

_DIGITS = re.compile(r"\d+")


class Conflict:
    """Another value, or a denial, for the same attribute of the same topic, in either channel.

    A card is compared with facts and a fact with cards: the agent must not learn one thing
    in its weights and read another in its prompt. What is true at other times is no
    contradiction. A declared replacement is still a conflict, so that a person confirms it.
    """

    name: ClassVar[str] = "conflict"
    version: ClassVar[int] = 2

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails naming the entries contradicted and what they say."""
        if not isinstance(context.body, FactBody | CardBody):
            return passed(self)
        against = [
            f"{peer.entry_id} says {said!r}"
            + (" (to be replaced)" if peer.entry_id == context.replaces else "")
            for peer in context.neighbours.at(context.claim)
            if peer.entry_id != context.entry_id and peer.valid.meets(context.valid)
            for said in [_contradicted(peer, context)]
            if said is not None
        ]
        return failed(self, "; ".join(against)) if against else passed(self)


def _contradicted(peer: Peer, context: VerificationContext) -> str | None:
    """What ``peer`` says against the proposal, if it does."""
    if not isinstance(peer.body, FactBody | CardBody):
        return None
    if not agree(peer.claim.value, context.claim.value):
        return peer.claim.value
    there, here = _statement(peer.body), _statement(context.body)
    return there if there and here and statements_oppose(there, here) else None


def _statement(body: Body) -> str:
    return body.statement if isinstance(body, FactBody) else ""


def agree(first: str, second: str) -> bool:
    """True when both values mean the same, or one only says less (``350``, ``350 euros``)."""
    if value_key(first) == value_key(second) or canonical_value(first) == canonical_value(second):
        return True
    if values_oppose(first, second):
        return False
    if len(_DIGITS.findall(value_key(first))) != len(_DIGITS.findall(value_key(second))):
        return False
    short, long = sorted((first, second), key=lambda text: len(value_key(text)))
    words = set(value_key(short).split())
    return bool(words) and words <= set(value_key(long).split()) and not missing_facts(short, long)
