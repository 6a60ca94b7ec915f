"""What is known about each thing the events are about, and which statuses follow which."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from governance.events import (
    Actor,
    Body,
    CardRef,
    Channel,
    DriftHeld,
    EntryActivated,
    EntryApproved,
    EntryErased,
    EntryExpired,
    EntryPayload,
    EntryQuarantined,
    EntryRejected,
    EntryRevoked,
    EntrySuperseded,
    EntryVerified,
    ErasureRequested,
    ExportIssued,
    HoldPlaced,
    Origin,
    ReviewAssigned,
    ReviewEndorsed,
    ReviewTerms,
    RollbackRequested,
    Scope,
    Span,
    Status,
    Trust,
    TrustRange,
    VerifierResult,
    channel_of,
)
from governance.events.header import Frozen
from governance.layered import Layered, Source

LEAVES: Final[dict[type[EntryPayload], frozenset[Status]]] = {
    EntryVerified: frozenset({"proposed", "verified"}),
    ReviewAssigned: frozenset({"verified", "quarantined"}),
    EntryApproved: frozenset({"verified", "quarantined"}),
    EntryRejected: frozenset({"proposed", "verified", "quarantined", "approved"}),
    EntryQuarantined: frozenset({"proposed", "verified", "active"}),
    EntryActivated: frozenset({"approved", "active"}),
    EntrySuperseded: frozenset({"active"}),
    EntryExpired: frozenset(
        {"proposed", "verified", "quarantined", "approved", "active", "superseded"}
    ),
    ReviewEndorsed: frozenset({"verified", "quarantined"}),
    EntryRevoked: frozenset({"approved", "active", "quarantined", "superseded"}),
}
"""From which statuses each event may leave. ``active → active`` re-homes a card."""

ARRIVES: Final[dict[type[EntryPayload], Status]] = {
    EntryVerified: "verified",
    EntryApproved: "approved",
    EntryRejected: "rejected",
    EntryQuarantined: "quarantined",
    EntryActivated: "active",
    EntrySuperseded: "superseded",
    EntryRevoked: "revoked",
    EntryExpired: "expired",
    EntryErased: "erased",
}


TRUST_ORDER: Final[tuple[Trust, ...]] = ("unknown", "customer", "internal", "trusted")
"""Least trusted first."""


@dataclass(frozen=True)
class SourceState:
    """A registered source. Its text stays sealed in event ``seq``."""

    source_id: str
    kind: str
    name: str
    media_type: str
    sha256: str
    trust: Trust
    scope: Scope
    chars: int
    seq: int
    ranges: tuple[TrustRange, ...] = ()
    registered_by: Actor | None = None

    def trust_of(self, span: Span) -> Trust:
        """The least trusted voice in ``span``; the source's own where no range says more.

        As its registrar said; how far that may be believed is ``lineage.span_trust``'s business.
        """
        inside = [r for r in self.ranges if r.start < span.end and span.start < r.end]
        covered = any(r.start <= span.start and span.end <= r.end for r in inside)
        voices = [r.trust for r in inside] + ([] if covered else [self.trust])
        return min(voices, key=TRUST_ORDER.index)


_NO_TERMS: Final = ReviewTerms()


@dataclass(frozen=True)
class EntryState:
    """One entry as it stands: its current version, status and who put it there.

    ``previous`` is the entry as it was before the last event of ``history``.
    """

    entry_id: str
    version: int
    status: Status
    body: Body
    spans: tuple[Span, ...]
    scope: Scope
    author: Actor
    origin: Origin | None
    derived_from: tuple[str, ...]
    replaces: str | None
    episode: str | None
    content_digest: str
    proposed_seq: int
    history: tuple[int, ...]
    results: tuple[VerifierResult, ...] = ()
    risk_ppm: int = 0
    in_review: bool = False
    review_message: str = ""
    decided_by: Actor | None = None
    reason_code: str = ""
    adapter_digest: str | None = None
    tombstone: str | None = None
    valid_from_us: int | None = None
    valid_to_us: int | None = None
    copy_of: str | None = None
    terms: ReviewTerms = _NO_TERMS
    endorsed_by: tuple[Actor, ...] = ()
    assignee: str | None = None
    claimed_by: Actor | None = None
    claimed_until_us: int = 0
    decided_seq: int | None = None
    decided_at_us: int | None = None
    signed_by: Actor | None = None
    """Who signed the last decision, if anybody did."""
    previous: EntryState | None = field(default=None, compare=False, repr=False)

    @property
    def parents(self) -> tuple[str, ...]:
        """Entries it was made from, in this scope or (a copy) in another."""
        return self.derived_from + ((self.copy_of,) if self.copy_of is not None else ())

    @property
    def reviewed(self) -> bool:
        """Whether a person, and not a rule alone, decided on it as it stands."""
        return self.decided_by is not None and self.decided_by.kind == "human"

    @property
    def acts_from_us(self) -> int | None:
        """When its approval takes effect; ``None`` while it is not approved, or not signed yet."""
        if self.status != "approved" or self.decided_at_us is None:
            return None
        if self.terms.signed and self.signed_by is None:
            return None
        return self.decided_at_us + self.terms.delay_s * 1_000_000

    def claimant(self, now_us: int) -> Actor | None:
        """Who is deciding on it at that time; a claim ends by itself."""
        return self.claimed_by if now_us < self.claimed_until_us else None

    def as_of(self, seq: int) -> EntryState | None:
        """The entry as it was right after event ``seq``; ``None`` before its proposal."""
        entry: EntryState | None = self
        while entry is not None and entry.history[-1] > seq:
            entry = entry.previous
        return entry

    def next_version(self) -> int:
        """The number a new proposal gets; one that a rollback undid is not used again."""
        latest, entry = 0, self.previous
        while entry is not None:
            latest, entry = max(latest, entry.version), entry.previous
        return max(latest, self.version) + 1

    @property
    def channel(self) -> Channel:
        """``parametric`` for cards, else ``external``."""
        return channel_of(self.body)


@dataclass(frozen=True)
class AdapterState:
    """One build of a shard. ``status``: trained, certified, refused, active, withdrawn."""

    digest: str
    shard_id: str
    version: int
    inputs_digest: str
    base_digest: str
    cards: tuple[CardRef, ...]
    seq: int
    status: str = "trained"
    certified_cards: int = 0
    certificate_seq: int | None = None
    absorbed: tuple[str, ...] = ()
    """Entry ids of the cards whose absorption was certified."""


@dataclass(frozen=True)
class ShardState:
    """Up to 32 cards of one scope; ``active`` is the digest served, if any.

    ``served`` lists (event, digest served from it on), oldest first.
    """

    shard_id: str
    scope: Scope
    active: str | None = None
    versions: tuple[str, ...] = ()
    served: tuple[tuple[int, str | None], ...] = ()

    def active_at(self, seq: int) -> str | None:
        """The digest served right after event ``seq``."""
        return next((digest for since, digest in reversed(self.served) if since <= seq), None)


@dataclass(frozen=True)
class RelayState:
    """A relay's progress: enough to resume it after a kill."""

    relay_id: str
    document: str
    started_seq: int
    step_seqs: tuple[int, ...] = ()
    scored_seq: int | None = None


@dataclass(frozen=True)
class TokenState:
    """An API token; ``digest`` is SHA-256 (hex) of its secret."""

    token_id: str
    principal: str
    digest: str
    expires_at_us: int | None
    revoked: bool = False

    def standing(self, now_us: int) -> str:
        """``valid``, ``revoked`` or ``expired``."""
        if self.revoked:
            return "revoked"
        expired = self.expires_at_us is not None and self.expires_at_us <= now_us
        return "expired" if expired else "valid"


@dataclass(frozen=True)
class SignerState:
    """The key (raw Ed25519, hex) with which a principal signs decisions, and their name."""

    key: str
    name: str
    withdrawn: bool = False


@dataclass(frozen=True)
class HoldState:
    """A legal hold; once lifted it binds nobody."""

    placed: HoldPlaced
    seq: int
    lifted: bool = False


@dataclass(frozen=True)
class DriftHold:
    """Memory that a measured effect speaks against."""

    held: DriftHeld
    scope: Scope
    seq: int
    released: bool = False


@dataclass(frozen=True)
class ExportState:
    """A file with entries in it that was handed out."""

    issued: ExportIssued
    scope: Scope
    seq: int
    withdrawn: bool = False


@dataclass(frozen=True)
class ErasureState:
    """An erasure on its way. ``status``: requested, approved, declined, completed."""

    requested: ErasureRequested
    requested_by: Actor
    scope: Scope
    seq: int
    status: str = "requested"
    approved_by: Actor | None = None


class Destroyed(Frozen):
    """What an erasure on its way destroyed; content-free, kept outside the log until it is over.

    Args:
        erasure_id: Which erasure.
        events: Numbers of the events whose keys are gone.
        entries: How many entries.
        sources: How many sources.
        adapters: Digests of builds to be deleted.
        exports: Ids of exports that were withdrawn.
    """

    erasure_id: str
    events: list[int]
    entries: int
    sources: int
    adapters: list[str]
    exports: list[str]


@dataclass(frozen=True)
class RollbackState:
    """A rollback on its way. ``status``: requested, accepted, applied, declined."""

    requested: RollbackRequested
    requested_by: Actor
    scope: Scope
    seq: int
    status: str = "requested"
    answered_by: Actor | None = None
    """Who accepted or declined it."""


class EntrySource(Source[EntryState], Protocol):
    """Entries that the log knows, found without reading all of it."""

    def with_status(self, statuses: Collection[Status]) -> Iterable[EntryState]:
        """Entries that have one of these statuses, and only those are read."""
        ...

    def statuses(self) -> dict[str, Status]:
        """Every entry's id and status, oldest first, without reading what it says."""
        ...

    def touched_since(self, seq: int) -> Iterable[str]:
        """Ids of entries about which something happened after event ``seq``."""
        ...

    def children(self, entry_ids: Collection[str]) -> Iterable[str]:
        """Ids of entries that were ever proposed as derived from one of these."""
        ...

    def fetch(self, keys: Sequence[str]) -> dict[str, EntryState]:
        """Several entries at once, in the order of ``keys``."""
        ...


class Entries(Layered[EntryState]):
    """The entries, oldest first; most questions are answered without reading all of them."""

    __slots__ = ()
    _source: EntrySource | None

    def statuses(self) -> dict[str, Status]:
        """Every entry's status by id, oldest first, without reading what it says."""
        found = self._source.statuses() if self._source is not None else {}
        return found | {key: entry.status for key, entry in self.set_here().items()}

    def with_status(self, *statuses: Status) -> Iterator[EntryState]:
        """Entries that have one of these statuses, oldest first."""
        own = self.set_here()
        found = [entry for entry in own.values() if entry.status in statuses]
        if self._source is not None:
            known = self._source.with_status(statuses)
            found += [entry for entry in known if entry.entry_id not in own]
        return iter(sorted(found, key=lambda entry: entry.history[0]))

    def touched_since(self, seq: int) -> Iterator[EntryState]:
        """Entries about which something happened after event ``seq``, oldest first."""
        own = self.set_here()
        found = [entry for entry in own.values() if entry.history[-1] > seq]
        if self._source is not None:
            ids = [one for one in self._source.touched_since(seq) if one not in own]
            found += self._source.fetch(ids).values()
        return iter(sorted(found, key=lambda entry: entry.history[0]))

    def derivatives(self, roots: Collection[str]) -> list[EntryState]:
        """Everything whose lineage leads to one of ``roots``, nearest first, without them.

        What may belong to it is found by name first and read in one go.
        """
        own = self.set_here()
        born: dict[str, list[EntryState]] = {}
        for entry in (*own.values(), *self._ever_derived(roots, own)):
            for parent in entry.parents:
                born.setdefault(parent, []).append(entry)
        found: dict[str, EntryState] = {}
        frontier = set(roots)
        while frontier:
            children = {
                child.entry_id: child
                for parent in frontier
                for child in born.get(parent, ())
                if child.entry_id not in found and child.entry_id not in roots
            }
            nearest = sorted(children.values(), key=lambda entry: entry.history[0])
            found |= {child.entry_id: child for child in nearest}
            frontier = set(children)
        return list(found.values())

    def _ever_derived(
        self, roots: Collection[str], own: Mapping[str, EntryState]
    ) -> Iterable[EntryState]:
        """Entries that only the source knows and that ever were below ``roots`` in any way."""
        if self._source is None:
            return ()
        born: dict[str, list[str]] = {}
        for entry in own.values():
            for parent in entry.parents:
                born.setdefault(parent, []).append(entry.entry_id)
        known, frontier = set(roots), set(roots)
        while frontier:
            here = {child for parent in frontier for child in born.get(parent, ())}
            frontier = {*here, *self._source.children(frontier)} - known
            known |= frontier
        below = [name for name in known.difference(roots) if name not in own]
        return self._source.fetch(below).values()
