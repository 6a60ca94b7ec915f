"""What the events add up to.

``State`` is a pure left fold: ``state(seq)`` is the fold of the first ``seq`` events. What one
event changes depends only on the things it is about, so the fold of one entry's own events
is that entry: ``governance.projection`` reads single entries off the log that way, and the
tests compare it with the fold of everything. Which event may come next is
``transitions.check``'s business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from governance.errors import LedgerError
from governance.events import (
    AdapterActivated,
    AdapterCertified,
    AdapterPayload,
    AdapterTrained,
    AdapterWithdrawn,
    Body,
    CardBody,
    CardRef,
    CaseBody,
    Channel,
    Decision,
    DecisionSigned,
    EntryActivated,
    EntryErased,
    EntryExpired,
    EntryKind,
    EntryPayload,
    EntryProposed,
    EntryQuarantined,
    EntryVerified,
    FactBody,
    Header,
    MemoryRecalled,
    Payload,
    PolicyTerms,
    RelayScored,
    RelayStarted,
    RelayStepped,
    ReviewAssigned,
    ReviewClaimed,
    ReviewEndorsed,
    ReviewTerms,
    ReviewWithdrawn,
    RollbackApplied,
    Scope,
    SourceErased,
    SourceIngested,
    Status,
    SubtaskBody,
    ToolBody,
    Trust,
    VerifierRated,
    content_digest,
)
from governance.governing import govern
from governance.layered import Layered
from governance.records import (
    ARRIVES,
    LEAVES,
    TRUST_ORDER,
    AdapterState,
    DriftHold,
    Entries,
    EntryState,
    ErasureState,
    ExportState,
    HoldState,
    RelayState,
    RollbackState,
    ShardState,
    SignerState,
    SourceState,
    TokenState,
)
from governance.trail import Trail


@dataclass
class State:
    """The memory as of version ``seq``. Mutated only by :meth:`apply`."""

    seq: int = 0
    sources: Layered[SourceState] = field(default_factory=Layered)
    entries: Entries = field(default_factory=Entries)
    shards: Layered[ShardState] = field(default_factory=Layered)
    adapters: Layered[AdapterState] = field(default_factory=Layered)
    relays: Layered[RelayState] = field(default_factory=Layered)
    policies: Layered[str] = field(default_factory=Layered)
    active_policy: str | None = None
    roles: Layered[frozenset[str]] = field(default_factory=Layered)
    principals: Layered[Scope] = field(default_factory=Layered)
    tokens: Layered[TokenState] = field(default_factory=Layered)
    recalls: Layered[Trail] = field(default_factory=Layered)
    trusted: Layered[Trust] = field(default_factory=Layered)
    """Principal → the most that a source it registers can be trusted."""
    signers: Layered[SignerState] = field(default_factory=Layered)
    verifiers: Layered[VerifierRated] = field(default_factory=Layered)
    """Verifier → how good it was found to be."""
    holds: Layered[HoldState] = field(default_factory=Layered)
    drift_holds: Layered[DriftHold] = field(default_factory=Layered)
    exports: Layered[ExportState] = field(default_factory=Layered)
    erasures: Layered[ErasureState] = field(default_factory=Layered)
    rollbacks: Layered[RollbackState] = field(default_factory=Layered)
    """Rollbacks that were asked for, by id."""
    terms: PolicyTerms = field(default_factory=PolicyTerms)
    """What the policy in force asks of people."""
    signing_key: str | None = None
    """Public key (hex) announced by the last rotation; ``None`` before the first."""
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
            for entry in self.having(reader, "active")
            if channel is None or entry.channel == channel
        )

    def may_recall(self, entry: EntryState) -> bool:
        """Whether an entry may reach a prompt: it is active and, under a freeze, reviewed."""
        return entry.status == "active" and (entry.reviewed or not self.frozen)

    def may_serve(self, digest: str) -> bool:
        """Whether an adapter may answer: under a freeze, every card in it is reviewed."""
        cards = self.adapters[digest].cards if self.frozen else ()
        return all(self.entries[ref.entry_id].reviewed for ref in cards)

    def having(self, reader: Scope, *statuses: Status) -> Iterator[EntryState]:
        """Entries of ``reader``'s scope that have one of these statuses, oldest first."""
        found = self.entries.with_status(*statuses)
        return (entry for entry in found if reader.sees(entry.scope))

    def queue(self, reader: Scope) -> list[EntryState]:
        """Entries that wait for a person, riskiest first, then oldest."""
        waiting = (
            entry
            for entry in self.having(reader, "verified", "quarantined")
            if entry.in_review or entry.status == "quarantined"
        )
        return sorted(waiting, key=lambda entry: (-entry.risk_ppm, entry.proposed_seq))

    def tombstones(self, scope: Scope) -> dict[str, str]:
        """Tombstone key → entry id, of every rejected, revoked or erased value in ``scope``."""
        return {
            entry.tombstone: entry.entry_id
            for entry in self.having(scope, "rejected", "revoked", "erased")
            if entry.tombstone
        }

    def derivatives(self, entry_id: str) -> list[EntryState]:
        """Everything whose lineage leads to ``entry_id``, nearest first, without itself."""
        return self.entries.derivatives([entry_id])

    def shard_cards(self, shard_id: str) -> tuple[CardRef, ...]:
        """Cards in the adapter now served for ``shard_id``; empty when none is."""
        active = self.shards[shard_id].active
        return self.adapters[active].cards if active else ()

    def fork(self) -> State:
        """An independent copy to try events on; costs one reference per item."""
        other = State(**vars(self))
        for name, value in vars(self).items():
            if isinstance(value, Layered):
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
        self.absorb(header, payload)

    def absorb(self, header: Header, payload: Payload | None) -> None:
        """:meth:`apply` for a selection of the events, which must come in order.

        Right for everything whose events are all in the selection.
        """
        self.seq = header.seq
        if isinstance(payload, EntryProposed):
            self._propose(header, payload)
        elif isinstance(payload, EntryPayload):
            self._advance(header, payload)
        elif isinstance(payload, RollbackApplied):
            self._roll_back(header, payload)
        elif isinstance(payload, AdapterPayload):
            self._build(header, payload)
        elif isinstance(payload, RelayStarted | RelayStepped | RelayScored):
            self._relay(header, payload)
        elif isinstance(payload, SourceIngested | SourceErased):
            self._register(header, payload)
        elif isinstance(payload, MemoryRecalled):
            for entry_id in dict.fromkeys(payload.entries):
                self.recalls[entry_id] = self.recalls.get(entry_id, Trail()).plus(header.seq)
        elif payload is not None:
            govern(self, header, payload)

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
            copy_of=payload.copy_of,
            previous=earlier,
        )

    def _advance(self, header: Header, payload: EntryPayload) -> None:
        if isinstance(payload, EntryErased):
            self._erase(header, payload)
            return
        entry = self.entries[payload.entry_id]
        if isinstance(payload, ReviewWithdrawn):
            # Everything as it was before the decision, its place in the queue included.
            then = entry.as_of((entry.decided_seq or header.seq) - 1) or entry
            history = (*entry.history, header.seq)
            self.entries[payload.entry_id] = replace(then, history=history, previous=entry)
            return
        moved = EntryState(**{
            **vars(entry),
            "status": ARRIVES.get(type(payload), entry.status),
            "history": (*entry.history, header.seq),
            "previous": entry,
            **_changes(entry, header, payload),
        })  # fmt: skip  # as dataclasses.replace does, at a third of its cost
        self.entries[payload.entry_id] = moved

    def _erase(self, header: Header, payload: EntryErased) -> None:
        """All that is left of an entry: that there was one, of which kind and whose."""
        body = erased_body(payload.kind)
        self.entries[payload.entry_id] = EntryState(
            entry_id=payload.entry_id, version=payload.version, status="erased", body=body,
            spans=(), scope=header.scope, author=header.actor, origin=None, derived_from=(),
            replaces=None, episode=None, content_digest=content_digest(body),
            proposed_seq=header.seq, history=(header.seq,), tombstone=payload.tombstone,
        )  # fmt: skip

    def _roll_back(self, header: Header, payload: RollbackApplied) -> None:
        asked = self.rollbacks.get(payload.request_id or "")
        if asked is not None:
            self.rollbacks[asked.requested.rollback_id] = replace(asked, status="applied")
        for change in payload.entries:
            entry = self.entries.get(change.entry_id)
            if entry is None:
                continue  # erased since, or not selected
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
            if shard.shard_id in self.shards:
                self._serve(shard.shard_id, shard.after, header.seq)

    def _build(self, header: Header, payload: AdapterPayload) -> None:
        if isinstance(payload, AdapterActivated):
            self._serve(payload.shard_id, payload.digest, header.seq)
        elif isinstance(payload, AdapterWithdrawn):
            self._serve(payload.shard_id, None, header.seq)
        elif isinstance(payload, AdapterCertified):
            self._certify(header, payload)
        elif isinstance(payload, AdapterTrained):
            shard = self.shards.get(payload.shard_id) or ShardState(payload.shard_id, header.scope)
            versions = (*(v for v in shard.versions if v != payload.digest), payload.digest)
            self.shards[payload.shard_id] = replace(shard, versions=versions)
            known = self.adapters.get(payload.digest)
            if known is not None:  # the same build, found in the store
                self.adapters[payload.digest] = replace(
                    known, shard_id=payload.shard_id, version=payload.version
                )
            else:
                self.adapters[payload.digest] = AdapterState(
                    digest=payload.digest,
                    shard_id=payload.shard_id,
                    version=payload.version,
                    inputs_digest=payload.inputs_digest,
                    base_digest=payload.base_digest,
                    cards=tuple(payload.cards),
                    seq=header.seq,
                )

    def _certify(self, header: Header, payload: AdapterCertified) -> None:
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
        before = self.adapters[shard.active] if shard.active else None
        # A build that moved to another shard meanwhile (or just now, in a rollback) is that one's.
        if before is not None and before.digest != digest and before.shard_id == shard_id:
            self.adapters[before.digest] = replace(before, status="withdrawn")
        if digest:
            self.adapters[digest] = replace(
                self.adapters[digest], status="active", shard_id=shard_id
            )
        served = (*shard.served, (seq, digest))
        self.shards[shard_id] = replace(shard, active=digest, served=served)

    def _register(self, header: Header, payload: SourceIngested | SourceErased) -> None:
        if isinstance(payload, SourceIngested):
            self.sources[payload.source_id] = SourceState(
                payload.source_id, payload.kind, payload.name, payload.media_type,
                payload.sha256, payload.trust, header.scope, len(payload.text), header.seq,
                tuple(payload.ranges), header.actor,
            )  # fmt: skip
        else:
            self.sources[payload.source_id] = SourceState(
                payload.source_id, "erased", "[erased]", "", "", "unknown", header.scope, 0,
                header.seq,
            )  # fmt: skip

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


def _changes(entry: EntryState, header: Header, payload: EntryPayload) -> dict[str, object]:
    """What one step changes, apart from status and history."""
    changes: dict[str, object] = {}
    if isinstance(payload, EntryVerified):
        changes = {"results": tuple(payload.results), "risk_ppm": payload.risk_ppm}
    elif isinstance(payload, ReviewAssigned):
        changes = {
            "in_review": True, "review_message": payload.message, "assignee": payload.assignee,
            "terms": payload.terms or entry.terms,
        }  # fmt: skip
    elif isinstance(payload, ReviewClaimed):
        holder = header.actor if payload.until_us else None
        changes = {"claimed_by": holder, "claimed_until_us": payload.until_us}
    elif isinstance(payload, DecisionSigned) and payload.decision_seq == entry.decided_seq:
        changes = {"signed_by": header.actor}
    elif isinstance(payload, EntryActivated):
        changes = {"adapter_digest": payload.adapter_digest}
    elif isinstance(payload, EntryExpired):
        changes = {"in_review": False}
    elif isinstance(payload, Decision):
        changes = _decided(entry, header, payload)
    return changes


def _decided(entry: EntryState, header: Header, payload: Decision) -> dict[str, object]:
    changes: dict[str, object] = {
        "decided_seq": header.seq, "decided_at_us": header.recorded_at_us, "signed_by": None,
    }  # fmt: skip
    if isinstance(payload, ReviewEndorsed):
        agreed = (*entry.endorsed_by, header.actor)
        return changes | {"endorsed_by": agreed, "claimed_by": None, "claimed_until_us": 0}
    if header.actor.kind == "policy":  # people have the terms; rules act at once
        changes["terms"] = ReviewTerms()
    if isinstance(payload, EntryQuarantined):
        changes |= {"terms": payload.terms or entry.terms, "endorsed_by": ()}
    return changes | {
        "in_review": False,
        "decided_by": header.actor,
        "reason_code": payload.reason_code,
        "tombstone": getattr(payload, "tombstone", None),
        "claimed_by": None,
        "claimed_until_us": 0,
    }


def erased_body(kind: EntryKind) -> Body:
    """What stands where an erased entry's content was."""
    gone = "[erased]"
    if kind == "card":
        return CardBody(topic=gone, attribute=gone, question=gone, answer=gone)
    if kind == "case":
        return CaseBody(task=gone, plan=[], outcome=gone, reward_ppm=0, reward_origin="unknown")
    if kind == "subtask":
        return SubtaskBody(task=gone, step=gone, result=gone)
    if kind == "tool":
        return ToolBody(tool=gone, arguments="", result=gone, ok=False)
    return FactBody(topic=gone, attribute=gone, value=gone, statement=gone)


__all__ = [
    "ARRIVES", "LEAVES", "TRUST_ORDER", "AdapterState", "DriftHold", "Entries", "EntryState",
    "ErasureState", "ExportState", "HoldState", "RelayState", "RollbackState", "ShardState",
    "SignerState", "SourceState", "State", "TokenState", "erased_body",
]  # fmt: skip
