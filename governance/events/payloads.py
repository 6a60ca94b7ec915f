"""One sealed payload model per event type: a closed, versioned union.

A payload is what may have to be forgotten, so it is encrypted; the header keeps only
a commitment to it. Types are past tense. A new field gets a default, a changed meaning
gets a new type: what was ever written stays readable (``tests/golden``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from governance.events.bodies import Body, EntryKind, Ppm, Span
from governance.events.header import Frozen, Payload
from governance.events.identity import (
    KeyRotated,
    PrincipalRegistered,
    RoleGranted,
    RoleWithdrawn,
    TokenIssued,
    TokenRevoked,
)
from governance.events.relays import (
    RelayScored,
    RelayStarted,
    RelayStepped,
)

Status = Literal[
    "proposed", "verified", "approved", "active", "superseded", "revoked", "expired",
    "rejected", "quarantined", "erased",
]  # fmt: skip
Trust = Literal["trusted", "internal", "customer", "unknown"]
Arm = Literal["none", "external", "parametric", "both"]


# --- sources ---------------------------------------------------------------------------


class TrustRange(Frozen):
    """Characters of a source that somebody else than its registrar wrote or said."""

    start: int = Field(ge=0)
    end: int = Field(gt=0)
    trust: Trust


class SourceIngested(Payload):
    """Evidence was registered. ``sha256`` is of ``text`` in UTF-8; spans index ``text``.

    ``ranges`` rate single speakers apart from the whole; who registers the source says
    so, never the source itself.
    """

    event_type: ClassVar[str] = "source.ingested"
    source_id: str
    kind: Literal["transcript", "document", "tool", "human"]
    name: str
    media_type: str
    sha256: str
    trust: Trust
    ranges: list[TrustRange] = []
    text: str

    def subject_id(self) -> str:
        """``source:ID``."""
        return f"source:{self.source_id}"


# --- entries ---------------------------------------------------------------------------


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

    def mentions(self) -> Iterable[str]:
        """Its parents."""
        return (f"entry:{parent}" for parent in self.derived_from)


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
    """Suspicious: kept apart, acts on nothing, waits for a person."""

    event_type: ClassVar[str] = "entry.quarantined"


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


class ReviewAssigned(EntryPayload):
    """The policy asks for a person; the entry waits in the queue."""

    event_type: ClassVar[str] = "review.assigned"
    rule_id: str
    message: str
    assignee: str | None = None


class ReviewCommented(EntryPayload):
    """A remark that changes nothing."""

    event_type: ClassVar[str] = "review.commented"
    comment: str = Field(min_length=1)


# --- use -------------------------------------------------------------------------------


class MemoryRecalled(Payload):
    """What was put before the model: entries in the prompt, and the adapter served."""

    event_type: ClassVar[str] = "memory.recalled"
    recall_id: str
    purpose: Literal["answer", "extract", "relay", "plan"]
    query: str
    entries: list[str]
    shard_id: str | None = None
    adapter_digest: str | None = None
    router_score_ppm: Ppm | None = None

    def subject_id(self) -> str:
        """``recall:ID``."""
        return f"recall:{self.recall_id}"

    def mentions(self) -> Iterable[str]:
        """The entries in the prompt."""
        return (f"entry:{entry_id}" for entry_id in self.entries)


class OutcomeRecorded(Payload):
    """An answer and how it scored; ``origin`` says who knew the right one."""

    event_type: ClassVar[str] = "outcome.recorded"
    task_id: str
    run_id: str
    arm: Arm
    question: str
    answer: str
    expected: list[str]
    exact: bool
    f1_ppm: Ppm
    origin: str

    def subject_id(self) -> str:
        """``task:ID``."""
        return f"task:{self.task_id}"


# --- adapters --------------------------------------------------------------------------


class AdapterPayload(Payload):
    """Base of what happens to one adapter. ``digest`` is of its tensors (hex)."""

    shard_id: str
    digest: str

    def subject_id(self) -> str:
        """``shard:ID``: an adapter is a version of its shard."""
        return f"shard:{self.shard_id}"


class CardRef(Frozen):
    """One version of a card that went into a build."""

    entry_id: str
    version: int


class AdapterTrained(AdapterPayload):
    """A build product: same inputs, same bytes. ``reused`` means it was already in store."""

    event_type: ClassVar[str] = "adapter.trained"
    version: int = Field(ge=1)
    inputs_digest: str
    base_digest: str
    recipe_digest: str
    subspace_digest: str
    cards: list[CardRef]
    seed: int
    steps: int
    environment: str
    duration_ms: int
    reused: bool

    def subject_version(self) -> int:
        """Of the shard's build."""
        return self.version


class CardCertificate(Frozen):
    """Was this card absorbed? Probabilities are of its answer tokens, teacher-forced."""

    entry_id: str
    min_p_ppm: Ppm
    min_p_off_ppm: Ppm
    first_failing: int | None
    exact: bool
    probes_exact: int
    probes: int
    certified: bool


class Probe(Frozen):
    """A question asked with the adapter off and on."""

    question: str
    kind: Literal["card", "reworded", "world", "stranger", "context"]
    expected: str
    before: str
    after: str


class ModuleChange(Frozen):
    """Frobenius norm of a module's weight change relative to the weight itself."""

    module: str
    relative_ppm: int


class AdapterCertified(AdapterPayload):
    """The absorption certificate and behaviour diff of one build."""

    event_type: ClassVar[str] = "adapter.certified"
    passed: bool
    reason: str
    cards: list[CardCertificate]
    controls_kept_ppm: Ppm
    abstain_kept_ppm: Ppm
    context_kept_ppm: Ppm
    probes: list[Probe]
    modules: list[ModuleChange]


class AdapterActivated(AdapterPayload):
    """Served from now on for questions routed to its shard."""

    event_type: ClassVar[str] = "adapter.activated"


class AdapterWithdrawn(AdapterPayload):
    """No longer served; questions of its shard fall back."""

    event_type: ClassVar[str] = "adapter.withdrawn"
    reason_code: str


# --- reversal --------------------------------------------------------------------------


class EntryChange(Frozen):
    """An entry's status before and after a rollback."""

    entry_id: str
    before: Status
    after: Status


class ShardChange(Frozen):
    """A shard's served adapter before and after a rollback; ``None`` is no adapter."""

    shard_id: str
    before: str | None
    after: str | None


class RollbackApplied(Payload):
    """Entries and shards were put back to how they stood at ``to_seq``, exactly."""

    event_type: ClassVar[str] = "rollback.applied"
    rollback_id: str
    to_seq: int = Field(ge=0)
    entries: list[EntryChange]
    shards: list[ShardChange]
    reason_code: str = Field(min_length=1)
    comment: str = ""

    def subject_id(self) -> str:
        """``rollback:ID``."""
        return f"rollback:{self.rollback_id}"

    def mentions(self) -> Iterable[str]:
        """The entries and shards it moved."""
        yield from (f"entry:{change.entry_id}" for change in self.entries)
        yield from (f"shard:{change.shard_id}" for change in self.shards)


# --- governance ------------------------------------------------------------------------


class PolicyActivated(Payload):
    """From here on this policy decides. ``digest`` is of ``text`` in UTF-8."""

    event_type: ClassVar[str] = "policy.activated"
    name: str
    digest: str
    text: str

    def subject_id(self) -> str:
        """``policy:NAME``."""
        return f"policy:{self.name}"


class LedgerPayload(Payload):
    """Base of what concerns the ledger itself."""

    reason: str

    def subject_id(self) -> str:
        """``ledger:self``."""
        return "ledger:self"


class LedgerFrozen(LedgerPayload):
    """Learning stopped."""

    event_type: ClassVar[str] = "ledger.frozen"


class LedgerThawed(LedgerPayload):
    """Learning goes on."""

    event_type: ClassVar[str] = "ledger.thawed"


class LedgerRecovered(LedgerPayload):
    """After a crash the tail was checked and signed; nothing acknowledged was missing."""

    event_type: ClassVar[str] = "ledger.recovered"
    from_size: int
    to_size: int


PAYLOADS: dict[str, type[Payload]] = {
    model.event_type: model
    for model in (
        SourceIngested,
        EntryProposed, EntryVerified, EntryApproved, EntryRejected, EntryQuarantined,
        EntryRevoked, EntryActivated, EntrySuperseded, ReviewAssigned, ReviewCommented,
        MemoryRecalled, OutcomeRecorded,
        AdapterTrained, AdapterCertified, AdapterActivated, AdapterWithdrawn,
        RollbackApplied, RelayStarted, RelayStepped, RelayScored,
        PolicyActivated, PrincipalRegistered, RoleGranted, RoleWithdrawn,
        TokenIssued, TokenRevoked, KeyRotated,
        LedgerFrozen, LedgerThawed, LedgerRecovered,
    )
}  # fmt: skip
"""Every event type this version writes or reads."""

ENTRY_KINDS: tuple[EntryKind, ...] = ("fact", "card", "case", "subtask", "tool")
