"""One sealed payload model per event type: a closed, versioned union.

A payload is what may have to be forgotten, so it is encrypted; the header keeps only
a commitment to it. Types are past tense. A new field gets a default, a changed meaning
gets a new type: what was ever written stays readable (``tests/golden``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from governance.events.bodies import Channel, EntryKind, Ppm
from governance.events.entries import (
    EntryActivated,
    EntryApproved,
    EntryErased,
    EntryExpired,
    EntryProposed,
    EntryQuarantined,
    EntryRejected,
    EntryRevoked,
    EntrySuperseded,
    EntryVerified,
    Status,
)
from governance.events.header import Frozen, Payload, Scope, Trust
from governance.events.identity import (
    KeyRotated,
    PrincipalRegistered,
    RoleGranted,
    RoleWithdrawn,
    TokenIssued,
    TokenRevoked,
)
from governance.events.policies import DriftHeld, DriftReleased, PolicyActivated, VerifierRated
from governance.events.relays import (
    RelayScored,
    RelayStarted,
    RelayStepped,
)
from governance.events.retention import (
    ErasureApproved,
    ErasureCompleted,
    ErasureDeclined,
    ErasureRequested,
    ExportIssued,
    ExportWithdrawn,
    HoldLifted,
    HoldPlaced,
    SourceErased,
)
from governance.events.reviews import (
    CommandRefused,
    DecisionSigned,
    ReviewAssigned,
    ReviewClaimed,
    ReviewCommented,
    ReviewEndorsed,
    ReviewWithdrawn,
    SignerRegistered,
    SignerWithdrawn,
)

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


class RollbackPayload(Payload):
    """Base of what concerns one rollback."""

    rollback_id: str

    def subject_id(self) -> str:
        """``rollback:ID``."""
        return f"rollback:{self.rollback_id}"


class RollbackRequested(RollbackPayload):
    """Somebody wants to go back to ``to_seq``; a second person must accept.

    ``plan_digest`` is of the preview that both have seen: if what would change changes, both
    look again.
    """

    event_type: ClassVar[str] = "rollback.requested"
    to_seq: int = Field(ge=0)
    only_scope: Scope | None
    only_channel: Channel | None
    plan_digest: str
    reason_code: str = Field(min_length=1)
    comment: str = ""


class RollbackAccepted(RollbackPayload):
    """A second person agrees to what was requested."""

    event_type: ClassVar[str] = "rollback.accepted"
    comment: str = ""


class RollbackDeclined(RollbackPayload):
    """A second person does not agree, or the requester takes it back; nothing moves."""

    event_type: ClassVar[str] = "rollback.declined"
    comment: str = ""


class RollbackApplied(RollbackPayload):
    """Entries and shards were put back to how they stood at ``to_seq``, exactly."""

    event_type: ClassVar[str] = "rollback.applied"
    to_seq: int = Field(ge=0)
    entries: list[EntryChange]
    shards: list[ShardChange]
    reason_code: str = Field(min_length=1)
    comment: str = ""
    request_id: str | None = None
    """The request that a second person accepted."""

    def mentions(self) -> Iterable[str]:
        """The entries and shards it moved."""
        yield from (f"entry:{change.entry_id}" for change in self.entries)
        yield from (f"shard:{change.shard_id}" for change in self.shards)


# --- governance ------------------------------------------------------------------------


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
        ReviewClaimed, ReviewEndorsed, ReviewWithdrawn, DecisionSigned,
        SignerRegistered, SignerWithdrawn, CommandRefused,
        EntryExpired, EntryErased, SourceErased,
        HoldPlaced, HoldLifted, ExportIssued, ExportWithdrawn,
        ErasureRequested, ErasureApproved, ErasureDeclined, ErasureCompleted,
        RollbackRequested, RollbackAccepted, RollbackDeclined,
        VerifierRated, DriftHeld, DriftReleased,
    )
}  # fmt: skip
"""Every event type this version writes or reads."""

ENTRY_KINDS: tuple[EntryKind, ...] = ("fact", "card", "case", "subtask", "tool")
