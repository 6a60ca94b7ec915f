"""How far is what the entry rests on trusted?"""

from __future__ import annotations

from typing import ClassVar

from governance.events import VerifierResult
from governance.verifiers.protocol import VerificationContext, failed, passed


class Provenance:
    """Records the trust level the policy will see; fails when it is not known.

    The level is the least over all cited sources and over the lineage, and it was set by
    the write path. Nothing that the entry says about itself is read.
    """

    name: ClassVar[str] = "provenance"
    version: ClassVar[int] = 1

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Detail: level, number of spans, author."""
        detail = f"{context.trust}; {len(context.citations)} span(s), proposed by {context.author}"
        if context.trust == "unknown":
            return failed(self, detail, evidence_digest=context.evidence_digest)
        return passed(self, detail, evidence_digest=context.evidence_digest)
