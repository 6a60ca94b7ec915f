"""What happens to an entry: proposed, verified, decided on, in force, ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from governance.events.bodies import Body, EntryKind, Ppm, Span
from governance.events.header import Frozen, Payload

Status = Literal[
    "proposed", "verified", "approved", "active", "superseded", "revoked", "expired",
    "rejected", "quarantined", "erased",
]  # fmt: skip


class EntryPayload(Payload):
    """Base of everything that happens to one version of one entry."""

    entry_id: str
    version: int = Field(ge=1)

    def subject_id(self) -> str:
        """``entry:ID``."""
        return f"entry:{self.entry_id}"

    def subject_version(self) -> int:
        """Of the entry."""
        return self.version


class Origin(Frozen):
    """Which model wrote it, under which adapter and with which memory in its prompt."""

    model_id: str
    model_digest: str
    adapter_digest: str | None = None
    recalled: list[str] = []
    prompt_digest: str | None = None


class EntryProposed(EntryPayload):
    """Somebody wants this remembered. Nothing acts on it yet."""

    event_type: ClassVar[str] = "entry.proposed"
    body: Body
    spans: list[Span] = []
    origin: Origin | None = None
    derived_from: list[str] = []
    replaces: str | None = None
    valid_from_us: int | None = None
    valid_to_us: int | None = None
    copy_of: str | None = None
    """An entry of another scope that a person shared into this one; a parent like others."""

    def parents(self) -> list[str]:
        """Everything it was made from."""
        return self.derived_from + ([self.copy_of] if self.copy_of is not None else [])

    def mentions(self) -> Iterable[str]:
        """Its parents."""
        return (f"entry:{parent}" for parent in self.parents())


class VerifierResult(Frozen):
    """What one verifier found. ``error`` counts as a failure, never as a pass."""

    verifier: str
    version: int
    outcome: Literal["pass", "fail", "error"]
    detail: str = ""
    score_ppm: Ppm | None = None
    evidence_digest: str | None = None


class EntryVerified(EntryPayload):
    """The verifiers ran; each result stands by itself."""

    event_type: ClassVar[str] = "entry.verified"
    results: list[VerifierResult]
    risk_ppm: Ppm


class ReviewTerms(Frozen):
    """What it takes until a person's approval acts, by the policy that asked for a person.

    Args:
        people: How many different reviewers must agree.
        delay_s: Seconds between the last approval and its effect, in which it can be undone.
        signed: Whether the decision must carry the reviewer's own signature to act.
    """

    people: int = Field(default=1, ge=1, le=2)
    delay_s: int = Field(default=0, ge=0)
    signed: bool = False


class Decision(EntryPayload):
    """Base of decisions on an entry, by a policy rule or a person."""

    content_digest: str
    reason_code: str = Field(min_length=1)
    comment: str = ""
    rule_id: str | None = None


class EntryApproved(Decision):
    """Allowed to act once its channel has taken it up."""

    event_type: ClassVar[str] = "entry.approved"


class EntryRejected(Decision):
    """Refused; ``tombstone`` keeps the value from coming back under another id."""

    event_type: ClassVar[str] = "entry.rejected"
    tombstone: str | None = None


class EntryQuarantined(Decision):
    """Suspicious: kept apart, acts on nothing, waits for a person.

    Without ``terms`` it keeps those it was queued under before.
    """

    event_type: ClassVar[str] = "entry.quarantined"
    terms: ReviewTerms | None = None


class EntryRevoked(Decision):
    """Taken back, with everything derived from it."""

    event_type: ClassVar[str] = "entry.revoked"
    tombstone: str | None = None


class EntryActivated(EntryPayload):
    """In force: recallable, or (cards) held by the adapter named here."""

    event_type: ClassVar[str] = "entry.activated"
    adapter_digest: str | None = None


class EntrySuperseded(EntryPayload):
    """Replaced by another entry."""

    event_type: ClassVar[str] = "entry.superseded"
    by: str


class EntryExpired(EntryPayload):
    """Its time is over; it acts no more, and its value may be learned again."""

    event_type: ClassVar[str] = "entry.expired"
    reason_code: Literal["valid-to", "ttl", "pruned", "episode-ended"]
    comment: str = ""


class EntryErased(EntryPayload):
    """What it said is destroyed, with everything ever recorded about it.

    ``tombstone`` keeps the value out without saying what it was.
    """

    event_type: ClassVar[str] = "entry.erased"
    kind: EntryKind
    erasure_id: str
    tombstone: str | None = None

    def mentions(self) -> Iterable[str]:
        """The erasure."""
        return (f"erasure:{self.erasure_id}",)
