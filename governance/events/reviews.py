"""What people do while an entry waits for them, and how they vouch for it."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from governance.events.entries import Decision, EntryPayload, ReviewTerms
from governance.events.header import Payload
from governance.events.identity import PrincipalPayload


class ReviewAssigned(EntryPayload):
    """The entry waits in the queue: the policy asks for a person, or a person names one."""

    event_type: ClassVar[str] = "review.assigned"
    rule_id: str
    message: str
    assignee: str | None = None
    terms: ReviewTerms | None = None
    """``None``: those it was queued under before."""


class ReviewClaimed(EntryPayload):
    """Whoever appends it decides on the entry until then, and nobody else; 0 lets it go."""

    event_type: ClassVar[str] = "review.claimed"
    until_us: int = Field(ge=0)


class ReviewEndorsed(Decision):
    """The first of two approvals. Nothing acts on it yet."""

    event_type: ClassVar[str] = "review.endorsed"


class ReviewWithdrawn(EntryPayload):
    """Somebody takes their own last decision back, before it acted."""

    event_type: ClassVar[str] = "review.withdrawn"
    comment: str = ""


class ReviewCommented(EntryPayload):
    """A remark that changes nothing."""

    event_type: ClassVar[str] = "review.commented"
    comment: str = Field(min_length=1)


class DecisionSigned(EntryPayload):
    """A reviewer's own signature over a decision, with what it means (21 CFR 11.50, 11.70).

    Args:
        decision_seq: Number of the decision event.
        leaf: Its leaf hash (hex): the signature is bound to exactly that record.
        meaning: What signing it says, such as ``approved after reading the evidence``.
        name: The signer's printed name.
        key: Raw Ed25519 key (hex), registered for the actor.
        signature: Ed25519 (hex) over the statement that ``governance.signatures`` describes.
    """

    event_type: ClassVar[str] = "decision.signed"
    decision_seq: int = Field(ge=1)
    leaf: str = Field(min_length=64, max_length=64)
    meaning: str = Field(min_length=1)
    name: str = Field(min_length=1)
    key: str = Field(min_length=64, max_length=64)
    signature: str = Field(min_length=128, max_length=128)


class SignerRegistered(PrincipalPayload):
    """The principal signs decisions with this key (raw Ed25519, hex) from now on."""

    event_type: ClassVar[str] = "signer.registered"
    key: str = Field(min_length=64, max_length=64)
    name: str = Field(min_length=1)


class SignerWithdrawn(PrincipalPayload):
    """The principal's key signs nothing any more; what it signed before stays signed."""

    event_type: ClassVar[str] = "signer.withdrawn"
    reason: str


class CommandRefused(Payload):
    """Somebody tried what they may not, or what no longer fits; nothing else changed.

    Args:
        command: ``approve``, ``revoke``, …
        about: What it was tried on, as ``kind:id``.
        error: The kind of refusal, such as ``SelfReviewError``.
        message: What the caller was told.
    """

    event_type: ClassVar[str] = "command.refused"
    command: str
    about: str
    error: str
    message: str

    def subject_id(self) -> str:
        """``refusal:COMMAND``."""
        return f"refusal:{self.command}"

    def mentions(self) -> tuple[str, ...]:
        """What it was tried on."""
        return (self.about,)
