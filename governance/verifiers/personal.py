"""Does the entry hold personal contact data?"""

from __future__ import annotations

from typing import ClassVar

from governance.events import VerifierResult
from governance.verifiers.protocol import VerificationContext, failed, passed
from governance.verifiers.recognisers import PERSONAL, find


class Personal:
    """E-mail addresses, phone numbers, dates of birth: a signal, not a secret."""

    name: ClassVar[str] = "personal"
    version: ClassVar[int] = 2

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails with the kinds found, masked."""
        found = dict.fromkeys(
            str(hit) for text in context.strings() for hit in find(PERSONAL, text)
        )
        return failed(self, ", ".join(found)) if found else passed(self)
