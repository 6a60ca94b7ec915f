"""Was this value rejected or revoked before?"""

from __future__ import annotations

from typing import ClassVar

from governance.events import VerifierResult
from governance.tombstone import tombstone_of
from governance.verifiers.protocol import VerificationContext, failed, passed


class Tombstoned:
    """Compares the tombstone key of the value with those in force in the scope.

    Keys are recomputed from the rejected entries too, so a newer normalisation also covers
    tombstones that were laid under an older one.
    """

    name: ClassVar[str] = "tombstone"
    version: ClassVar[int] = 1

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails naming the entry that was rejected or revoked."""
        key = tombstone_of(context.keyed, context.scope, context.body)
        if key in context.tombstones:
            return failed(self, f"rejected or revoked before as {context.tombstones[key]}")
        for peer in context.rejected.at(context.claim):
            if peer.claim.key == context.claim.key:
                return failed(self, f"rejected or revoked before as {peer.entry_id}")
        return passed(self)
