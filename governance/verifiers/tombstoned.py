"""Was this value rejected or revoked before?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from governance.events import VerifierResult
from governance.tombstone import Claim, tombstone_key
from governance.verifiers.protocol import VerificationContext, failed, passed


class Tombstoned:
    """Compares the tombstone key of the value with those in force in the scope.

    Keys are recomputed from the rejected entries too, so a newer normalisation also covers
    tombstones that were laid under an older one. A value is also refused in every place that
    the entry's lineage speaks about: what replaces an entry, or is made from it, cannot bring
    a refused value of it back under another attribute.
    """

    name: ClassVar[str] = "tombstone"
    version: ClassVar[int] = 2

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails naming the entry that was rejected or revoked."""
        for claim in _places(context):
            refused = _refused(context, claim)
            if refused is not None:
                return failed(self, f"rejected or revoked before as {refused}")
        return passed(self)


def _places(context: VerificationContext) -> Iterator[Claim]:
    """The claim, and its value said of everything that the lineage is about."""
    yield context.claim
    value = context.claim.value
    for peer in context.lineage:
        yield Claim(peer.claim.topic, peer.claim.attribute, value)


def _refused(context: VerificationContext, claim: Claim) -> str | None:
    """The entry as which this claim was refused, if it was."""
    key = tombstone_key(context.keyed, context.scope, claim.topic, claim.attribute, claim.value)
    if key in context.tombstones:
        return context.tombstones[key]
    for peer in context.rejected.at(claim):
        if peer.claim.key == claim.key:
            return peer.entry_id
    return None
