"""Who says that a case went well or badly?"""

from __future__ import annotations

from typing import ClassVar, Final

from governance.events import CaseBody, RewardOrigin, VerifierResult
from governance.verifiers.protocol import VerificationContext, failed, passed

OBSERVED: Final[frozenset[RewardOrigin]] = frozenset(
    {"environment", "test", "ground_truth", "human"}
)
"""Origins outside the model that is being judged."""


class OutcomeOrigin:
    """A reward that only a model gave, or nobody knows who gave, fails."""

    name: ClassVar[str] = "outcome"
    version: ClassVar[int] = 1

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Entries other than cases pass: they carry no reward."""
        body = context.body
        if not isinstance(body, CaseBody):
            return passed(self)
        if body.reward_origin in OBSERVED:
            return passed(self, body.reward_origin)
        return failed(self, f"reward origin: {body.reward_origin}")
