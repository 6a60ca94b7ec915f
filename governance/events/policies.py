"""Which rules decide, what they may rely on, and what holds learning back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from governance.events.bodies import Ppm
from governance.events.header import Frozen, Payload


class PolicyTerms(Frozen):
    """What a policy asks of people, apart from its rules on entries.

    Args:
        rollback_people: How many people a rollback takes.
        bulk_cap: The most entries that one command may decide on.
        bulk_risk_ppm: Entries above this risk are decided on one by one.
        claim_s: How long a claimed entry stays with one reviewer, in seconds.
        ttl_days: By kind of entry, days after its approval in which it expires.
    """

    rollback_people: int = Field(default=1, ge=1, le=2)
    bulk_cap: int = Field(default=25, ge=1)
    bulk_risk_ppm: Ppm = 300_000
    claim_s: int = Field(default=900, ge=1)
    ttl_days: dict[str, int] = {}


class PolicyActivated(Payload):
    """From here on this policy decides. ``digest`` is of ``text`` in UTF-8.

    ``terms`` repeats what ``text`` asks of people, so that the ledger can hold everybody to it.
    """

    event_type: ClassVar[str] = "policy.activated"
    name: str
    digest: str
    text: str
    terms: PolicyTerms | None = None

    def subject_id(self) -> str:
        """``policy:NAME``."""
        return f"policy:{self.name}"


class VerifierRated(Payload):
    """How well a verifier's failures agree with what reviewers decided, under one policy.

    Args:
        verifier: Its name.
        version: The version that was measured.
        policy: SHA-256 (hex) of the policy under which its results were decided on.
        bad: Entries that people refused or took back.
        bad_flagged: Of these, how many it failed.
        good: Entries that people approved.
        good_flagged: Of these, how many it failed.
        lower_ppm: Lower bound of TPR − FPR.
        upper_ppm: Upper bound.
        standing: ``non-informative`` once the lower bound has reached 0; ``unmeasured``
            while there are too few decisions to tell.
    """

    event_type: ClassVar[str] = "verifier.rated"
    verifier: str
    version: int
    policy: str
    bad: int
    bad_flagged: int
    good: int
    good_flagged: int
    lower_ppm: Ppm
    upper_ppm: Ppm
    standing: Literal["informative", "non-informative", "unmeasured"]

    def subject_id(self) -> str:
        """``verifier:NAME``."""
        return f"verifier:{self.verifier}"


class DriftPayload(Payload):
    """Base of what concerns one hold on memory that made a workflow worse."""

    hold_id: str
    reason: str

    def subject_id(self) -> str:
        """``drift:ID``."""
        return f"drift:{self.hold_id}"


class DriftHeld(DriftPayload):
    """A measured effect speaks against these entries or adapters; ``alarm`` says which."""

    event_type: ClassVar[str] = "drift.held"
    alarm: str
    entries: list[str] = []
    adapters: list[str] = []

    def mentions(self) -> Iterable[str]:
        """The entries held."""
        return (f"entry:{entry_id}" for entry_id in self.entries)


class DriftReleased(DriftPayload):
    """Somebody looked into it and let it go."""

    event_type: ClassVar[str] = "drift.released"
