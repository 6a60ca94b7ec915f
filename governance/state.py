"""What the events add up to.

``State`` is a pure left fold: ``state(seq)`` is the fold of the first ``seq`` events, and
the live state is the same fold, so the two are equal by construction and compared in the
tests all the same. Which event may come next is ``transitions.check``'s business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from governance.errors import LedgerError
from governance.events import (
    Actor,
    AdapterActivated,
    AdapterCertified,
    AdapterTrained,
    AdapterWithdrawn,
    Body,
    CardRef,
    Channel,
    Decision,
    EntryActivated,
    EntryApproved,
    EntryPayload,
    EntryProposed,
    EntryQuarantined,
    EntryRejected,
    EntryRevoked,
    EntrySuperseded,
    EntryVerified,
    Header,
    LedgerFrozen,
    LedgerThawed,
    MemoryRecalled,
    Origin,
    Payload,
    PolicyActivated,
    RelayScored,
    RelayStarted,
    RelayStepped,
    ReviewAssigned,
    RoleGranted,
    RoleWithdrawn,
    RollbackApplied,
    Scope,
    SourceIngested,
    Span,
    Status,
    Trust,
    TrustRange,
    VerifierResult,
    channel_of,
    content_digest,
)
from governance.trail import Trail

LEAVES: Final[dict[type[EntryPayload], frozenset[Status]]] = {
    EntryVerified: frozenset({"proposed", "verified"}),
    ReviewAssigned: frozenset({"verified", "quarantined"}),
    EntryApproved: frozenset({"verified", "quarantined"}),
    EntryRejected: frozenset({"proposed", "verified", "quarantined", "approved"}),
    EntryQuarantined: frozenset({"proposed", "verified", "active"}),
    EntryActivated: frozenset({"approved", "active"}),
    EntrySuperseded: frozenset({"active"}),
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

    def trust_of(self, span: Span) -> Trust:
        """The least trusted voice in ``span``; the source's own where no range says more."""
        inside = [r for r in self.ranges if r.start < span.end and span.start < r.end]
        covered = any(r.start <= span.start and span.end <= r.end for r in inside)
        voices = [r.trust for r in inside] + ([] if covered else [self.trust])
        return min(voices, key=TRUST_ORDER.index)


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
    previous: EntryState | None = field(default=None, compare=False, repr=False)

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


@dataclass
class State:
    """The memory as of version ``seq``. Mutated only by :meth:`apply`."""

    seq: int = 0
    sources: dict[str, SourceState] = field(default_factory=dict)
    entries: dict[str, EntryState] = field(default_factory=dict)
    shards: dict[str, ShardState] = field(default_factory=dict)
    adapters: dict[str, AdapterState] = field(default_factory=dict)
    relays: dict[str, RelayState] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    active_policy: str | None = None
    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    recalls: dict[str, Trail] = field(default_factory=dict)
    frozen: bool = False

    # --- reading -----------------------------------------------------------------------

    def entry(self, entry_id: str) -> EntryState:
        """The entry, or its unique match by prefix.

        Raises:
            LedgerError: no such entry, or the prefix is ambiguous.
        """
        if entry_id in self.entries:
            return self.entries[entry_id]
        matches = [key for key in self.entries if entry_id and key.startswith(entry_id)]
        if len(matches) == 1:
            return self.entries[matches[0]]
        problem = "is ambiguous" if matches else "does not exist"
        raise LedgerError(f"entry {entry_id!r} {problem}", hint="`palimpsest log` lists entries")

    def visible(self, reader: Scope) -> Iterator[EntryState]:
        """Entries of ``reader``'s scope, oldest first."""
        return (entry for entry in self.entries.values() if reader.sees(entry.scope))

    def active(self, reader: Scope, channel: Channel | None = None) -> Iterator[EntryState]:
        """Entries that may act: status ``active``, in scope, optionally one channel."""
        return (
            entry
            for entry in self.visible(reader)
            if entry.status == "active" and (channel is None or entry.channel == channel)
        )

    def queue(self, reader: Scope) -> list[EntryState]:
        """Entries that wait for a person, riskiest first, then oldest."""
        waiting = (
            entry
            for entry in self.visible(reader)
            if (entry.in_review and entry.status == "verified") or entry.status == "quarantined"
        )
        return sorted(waiting, key=lambda entry: (-entry.risk_ppm, entry.proposed_seq))

    def tombstones(self, scope: Scope) -> dict[str, str]:
        """Tombstone key → entry id, of every rejected or revoked value in ``scope``."""
        return {
            entry.tombstone: entry.entry_id
            for entry in self.entries.values()
            if entry.tombstone
            and entry.status in {"rejected", "revoked"}
            and scope.sees(entry.scope)
        }

    def derivatives(self, entry_id: str) -> list[EntryState]:
        """Everything whose lineage leads to ``entry_id``, nearest first, without itself."""
        found: dict[str, EntryState] = {}
        frontier = [entry_id]
        while frontier:
            parents = set(frontier)
            frontier = []
            for entry in self.entries.values():
                if entry.entry_id not in found and parents & set(entry.derived_from):
                    found[entry.entry_id] = entry
                    frontier.append(entry.entry_id)
        found.pop(entry_id, None)
        return list(found.values())

    def shard_cards(self, shard_id: str) -> tuple[CardRef, ...]:
        """Cards in the adapter now served for ``shard_id``; empty when none is."""
        active = self.shards[shard_id].active
        return self.adapters[active].cards if active else ()

    def fork(self) -> State:
        """An independent copy to try events on; costs one reference per item."""
        other = State(**vars(self))
        for name, value in vars(self).items():
            if isinstance(value, dict):
                setattr(other, name, value.copy())
        return other

    # --- the fold ----------------------------------------------------------------------

    def apply(self, header: Header, payload: Payload | None) -> None:
        """Advance by one event. ``payload is None`` means it was erased: only ``seq`` moves.

        Raises:
            LedgerError: the event is not the next one.
        """
        if header.seq != self.seq + 1:
            raise LedgerError(f"event {header.seq} cannot follow version {self.seq}")
        self.seq = header.seq
        if isinstance(payload, EntryProposed):
            self._propose(header, payload)
        elif isinstance(payload, EntryPayload):
            self._advance(header, payload)
        elif isinstance(payload, RollbackApplied):
            self._roll_back(header, payload)
        elif isinstance(payload, AdapterTrained | AdapterCertified):
            self._build(header, payload)
        elif isinstance(payload, AdapterActivated):
            self._serve(payload.shard_id, payload.digest, header.seq)
        elif isinstance(payload, AdapterWithdrawn):
            self._serve(payload.shard_id, None, header.seq)
        elif isinstance(payload, RelayStarted | RelayStepped | RelayScored):
            self._relay(header, payload)
        elif payload is not None:
            self._govern(header, payload)

    def _propose(self, header: Header, payload: EntryProposed) -> None:
        earlier = self.entries.get(payload.entry_id)
        self.entries[payload.entry_id] = EntryState(
            entry_id=payload.entry_id,
            version=payload.version,
            status="proposed",
            body=payload.body,
            spans=tuple(payload.spans),
            scope=header.scope,
            author=header.actor,
            origin=payload.origin,
            derived_from=tuple(payload.derived_from),
            replaces=payload.replaces,
            episode=header.episode,
            content_digest=content_digest(payload.body),
            proposed_seq=header.seq,
            history=(*(earlier.history if earlier else ()), header.seq),
            valid_from_us=payload.valid_from_us,
            valid_to_us=payload.valid_to_us,
            previous=earlier,
        )

    def _advance(self, header: Header, payload: EntryPayload) -> None:
        entry = self.entries[payload.entry_id]
        changes = replace(
            entry,
            status=ARRIVES.get(type(payload), entry.status),
            history=(*entry.history, header.seq),
            previous=entry,
        )
        if isinstance(payload, EntryVerified):
            changes = replace(changes, results=tuple(payload.results), risk_ppm=payload.risk_ppm)
        elif isinstance(payload, ReviewAssigned):
            changes = replace(changes, in_review=True, review_message=payload.message)
        elif isinstance(payload, EntryActivated):
            changes = replace(changes, adapter_digest=payload.adapter_digest)
        elif isinstance(payload, Decision):
            changes = replace(
                changes,
                in_review=False,
                decided_by=header.actor,
                reason_code=payload.reason_code,
                tombstone=getattr(payload, "tombstone", None),
            )
        self.entries[payload.entry_id] = changes

    def _roll_back(self, header: Header, payload: RollbackApplied) -> None:
        for change in payload.entries:
            entry = self.entries.get(change.entry_id)
            if entry is None:
                continue  # erased since
            # What stood then comes back whole, tombstone and place in the queue included.
            # An entry that was not there yet ends without a verdict on its value.
            then = entry.as_of(payload.to_seq) or replace(
                entry,
                status=change.after,
                in_review=False,
                decided_by=header.actor,
                reason_code=payload.reason_code,
            )
            history = (*entry.history, header.seq)
            self.entries[change.entry_id] = replace(then, history=history, previous=entry)
        for shard in payload.shards:
            self._serve(shard.shard_id, shard.after, header.seq)

    def _build(self, header: Header, payload: AdapterTrained | AdapterCertified) -> None:
        if isinstance(payload, AdapterTrained):
            shard = self.shards.get(payload.shard_id) or ShardState(payload.shard_id, header.scope)
            versions = (*(v for v in shard.versions if v != payload.digest), payload.digest)
            self.shards[payload.shard_id] = replace(shard, versions=versions)
            if payload.digest not in self.adapters:  # else the same build, found in the store
                self.adapters[payload.digest] = AdapterState(
                    digest=payload.digest,
                    shard_id=payload.shard_id,
                    version=payload.version,
                    inputs_digest=payload.inputs_digest,
                    base_digest=payload.base_digest,
                    cards=tuple(payload.cards),
                    seq=header.seq,
                )
            return
        adapter = self.adapters[payload.digest]
        absorbed = tuple(card.entry_id for card in payload.cards if card.certified)
        kept = "active" if adapter.status == "active" else "certified"
        self.adapters[payload.digest] = replace(
            adapter,
            status=kept if payload.passed else "refused",
            certified_cards=len(absorbed),
            certificate_seq=header.seq,
            absorbed=absorbed,
        )

    def _serve(self, shard_id: str, digest: str | None, seq: int) -> None:
        shard = self.shards[shard_id]
        if shard.active and shard.active != digest:
            self.adapters[shard.active] = replace(self.adapters[shard.active], status="withdrawn")
        if digest:
            self.adapters[digest] = replace(self.adapters[digest], status="active")
        served = (*shard.served, (seq, digest))
        self.shards[shard_id] = replace(shard, active=digest, served=served)

    def _relay(self, header: Header, payload: RelayStarted | RelayStepped | RelayScored) -> None:
        if isinstance(payload, RelayStarted):
            self.relays[payload.relay_id] = RelayState(
                payload.relay_id, payload.document, header.seq
            )
            return
        relay = self.relays[payload.relay_id]
        if isinstance(payload, RelayStepped):
            relay = replace(relay, step_seqs=(*relay.step_seqs, header.seq))
        else:
            relay = replace(relay, scored_seq=header.seq)
        self.relays[payload.relay_id] = relay

    def _govern(self, header: Header, payload: Payload) -> None:
        if isinstance(payload, SourceIngested):
            self.sources[payload.source_id] = SourceState(
                payload.source_id, payload.kind, payload.name, payload.media_type,
                payload.sha256, payload.trust, header.scope, len(payload.text), header.seq,
                tuple(payload.ranges),
            )  # fmt: skip
        elif isinstance(payload, MemoryRecalled):
            for entry_id in dict.fromkeys(payload.entries):
                self.recalls[entry_id] = self.recalls.get(entry_id, Trail()).plus(header.seq)
        elif isinstance(payload, PolicyActivated):
            self.policies[payload.name] = payload.digest
            self.active_policy = payload.name
        elif isinstance(payload, RoleGranted):
            held = self.roles.get(payload.principal, frozenset())
            self.roles[payload.principal] = held | {payload.role}
        elif isinstance(payload, RoleWithdrawn):
            held = self.roles.get(payload.principal, frozenset())
            self.roles[payload.principal] = held - {payload.role}
        elif isinstance(payload, LedgerFrozen | LedgerThawed):
            self.frozen = isinstance(payload, LedgerFrozen)
