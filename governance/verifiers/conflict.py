"""Does the entry contradict something that is in force?"""

from __future__ import annotations

import re
from typing import ClassVar

from governance.events import CardBody, FactBody, VerifierResult
from governance.facts import missing_facts
from governance.literals import canonical_value
from governance.textforms import value_key
from governance.verifiers.protocol import VerificationContext, failed, passed

_DIGITS = re.compile(r"\d+")


class Conflict:
    """Another value for the same attribute of the same topic, in either channel.

    A card is compared with facts and a fact with cards: the agent must not learn one thing
    in its weights and read another in its prompt. A declared replacement is still a
    conflict, so that a person confirms it.
    """

    name: ClassVar[str] = "conflict"
    version: ClassVar[int] = 1

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails naming the entries contradicted and what they say."""
        if not isinstance(context.body, FactBody | CardBody):
            return passed(self)
        claim = context.claim
        against = [
            f"{peer.entry_id} says {peer.claim.value!r}"
            + (" (to be replaced)" if peer.entry_id == context.replaces else "")
            for peer in context.neighbours.at(claim)
            if peer.entry_id != context.entry_id
            and isinstance(peer.body, FactBody | CardBody)
            and not agree(peer.claim.value, claim.value)
        ]
        return failed(self, "; ".join(against)) if against else passed(self)


def agree(first: str, second: str) -> bool:
    """True when both values mean the same, or one only says less (``350``, ``350 euros``)."""
    if value_key(first) == value_key(second) or canonical_value(first) == canonical_value(second):
        return True
    if len(_DIGITS.findall(value_key(first))) != len(_DIGITS.findall(value_key(second))):
        return False
    short, long = sorted((first, second), key=lambda text: len(value_key(text)))
    words = set(value_key(short).split())
    return bool(words) and words <= set(value_key(long).split()) and not missing_facts(short, long)
