"""Does the entry hold a secret, payment data or a national identifier?"""

from __future__ import annotations

from typing import ClassVar

from governance.events import VerifierResult
from governance.verifiers.protocol import VerificationContext, failed, passed
from governance.verifiers.recognisers import find_secrets


class Sensitive:
    """Looks at every text of the entry, not only at its value."""

    name: ClassVar[str] = "sensitive"
    version: ClassVar[int] = 2

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails with the kinds found, masked."""
        found = dict.fromkeys(str(hit) for text in context.strings() for hit in find_secrets(text))
        return failed(self, ", ".join(found)) if found else passed(self)
