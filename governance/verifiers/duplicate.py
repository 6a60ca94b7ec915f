"""Is the same thing already known in this channel?"""

from __future__ import annotations

from typing import ClassVar

from governance.events import VerifierResult
from governance.verifiers.protocol import VerificationContext, failed, passed


class Duplicate:
    """Same kind, topic, attribute and value as an entry in force, at the same time.

    Not the one it takes the place of with another interval: that bounds what is known.
    """

    name: ClassVar[str] = "duplicate"
    version: ClassVar[int] = 2

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails naming the entry that already says it."""
        claim = context.claim
        for peer in context.neighbours.at(claim):
            if (
                peer.entry_id != context.entry_id
                and peer.body.kind == context.body.kind
                and peer.claim.key == claim.key
                and peer.valid.meets(context.valid)
                and not (peer.entry_id == context.replaces and peer.valid != context.valid)
            ):
                return failed(self, f"same as {peer.entry_id}")
        return passed(self)
