"""Which event may come next: the entry state machine, run inside every append.

    proposed → verified → approved → active → superseded | revoked | expired
    proposed | verified → rejected | quarantined;  quarantined → approved | rejected
    approved → revoked | rejected                  (taken back before it acted)

No caller and no screen can go around it. A rollback is the one exception to the arrows:
it may put an entry back into the very version and status it had, and nothing else; while
learning is frozen, back in force only what a person had approved.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from governance.access import check_program, check_role, parse_principal
from governance.errors import (
    AppendConflictError,
    FrozenError,
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
)
from governance.events import (
    Actor,
    AdapterActivated,
    AdapterCertified,
    AdapterTrained,
    AdapterWithdrawn,
    CardRef,
    Decision,
    EntryActivated,
    EntryApproved,
    EntryErased,
    EntryExpired,
    EntryPayload,
    EntryProposed,
    ExportIssued,
    ExportWithdrawn,
    KeyRotated,
    Payload,
    PrincipalRegistered,
    RelayScored,
    RelayStepped,
    RoleGranted,
    RoleWithdrawn,
    RollbackAccepted,
    RollbackApplied,
    RollbackDeclined,
    RollbackPayload,
    RollbackRequested,
    Scope,
    SignerRegistered,
    SignerWithdrawn,
    SourceIngested,
    Status,
    TokenIssued,
    TokenRevoked,
)
from governance.retention_rules import CUSTODY, check_custody, check_erased, check_expired
from governance.review_rules import check_effect, check_review
from governance.rollback_rules import check_agreed, check_answer, check_request, servable_at
from governance.signing_rules import check_signed, check_signer
from governance.state import LEAVES, EntryState, State
from governance.transfer_rules import check_copy, check_export, check_parents

REVISABLE: Final[frozenset[Status]] = frozenset({"proposed", "verified", "expired"})
"""Statuses in which a new version may be proposed. Not once it acts (an unapproved version
would push out the approved one) nor once refused (its tombstone would be shed): what
corrects such an entry is another entry."""

INERT: Final[frozenset[Status]] = frozenset(
    {"expired", "superseded", "revoked", "rejected", "quarantined"}
)
"""Where a rollback may put an entry that did not exist at its target."""

_SERVABLE = frozenset({"certified", "active", "withdrawn"})
_IDENTITY = (
    PrincipalRegistered, RoleGranted, RoleWithdrawn, TokenIssued, TokenRevoked, KeyRotated,
    SignerRegistered, SignerWithdrawn,
)  # fmt: skip
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


def check(state: State, payload: Payload, actor: Actor, scope: Scope, now_us: int) -> None:
    """Refuse an event that may not follow ``state``. Pure; called inside every append.

    ``now_us`` is the time that will stand in its header, microseconds since 1970 UTC.

    Raises:
        FrozenError: learning is frozen and the event would learn.
        IllegalTransitionError: the entry's status does not allow it.
        SelfReviewError: the author decides on their own entry.
        AppendConflictError: version or content are not the current ones.
        NotAuthorisedError: the actor's kind or roles do not cover it.
        LedgerError: it refers to something that does not exist, or breaks a scope.
    """
    if actor.kind == "human" and state.roles:
        check_role(payload.event_type, actor, state.roles.get(str(actor), frozenset()))
    check_program(payload.event_type, actor)
    if state.frozen and isinstance(payload, EntryProposed | EntryActivated | AdapterActivated):
        raise FrozenError("learning is frozen", hint="`palimpsest thaw` ends it")
    if isinstance(payload, EntryProposed):
        _check_proposal(state, payload, actor, scope)
    elif isinstance(payload, EntryPayload):
        _check_step(state, payload, actor, scope, now_us)
        check_signed(state, payload, actor)
    elif isinstance(payload, AdapterTrained):
        _check_build(state, payload, scope, now_us)
    elif isinstance(payload, AdapterCertified | AdapterActivated | AdapterWithdrawn):
        _check_adapter(state, payload, scope, now_us)
    else:
        _check_other(state, payload, actor, scope, now_us)


def _check_other(state: State, payload: Payload, actor: Actor, scope: Scope, now_us: int) -> None:
    """What is about neither an entry nor an adapter."""
    if isinstance(payload, SourceIngested):
        _check_source(state, payload)
    elif isinstance(payload, CUSTODY):
        check_custody(state, payload, actor, scope)
    elif isinstance(payload, ExportIssued | ExportWithdrawn):
        check_export(state, payload, actor, scope)
    elif isinstance(payload, RollbackPayload):
        _check_reversal(state, payload, actor, scope, now_us)
    elif isinstance(payload, _IDENTITY):
        _check_identity(state, payload, actor)
    elif isinstance(payload, RelayStepped | RelayScored) and payload.relay_id not in state.relays:
        raise LedgerError(f"relay {payload.relay_id} was never started")


def _check_identity(state: State, payload: Payload, actor: Actor) -> None:
    """Who may act, and with what, is decided by people and by nobody else."""
    if actor.kind not in {"human", "system"}:
        raise NotAuthorisedError(
            f"{actor} may not append {payload.event_type}", hint="an admin decides who may act"
        )
    if isinstance(payload, PrincipalRegistered):
        parse_principal(payload.principal)
    elif isinstance(payload, SignerRegistered | SignerWithdrawn):
        check_signer(state, payload, actor)
    elif isinstance(payload, TokenIssued | TokenRevoked):
        _check_token(state, payload)
    elif isinstance(payload, KeyRotated) and state.signing_key not in {None, payload.old_key}:
        raise LedgerError("another key signs now than the one to be replaced")


def _check_token(state: State, payload: TokenIssued | TokenRevoked) -> None:
    if isinstance(payload, TokenIssued):
        if payload.principal not in state.principals:
            raise LedgerError(
                f"{payload.principal} is not registered",
                hint=f"palimpsest principal add {payload.principal} --scope TENANT/AGENT",
            )
        if payload.token_id in state.tokens:
            raise LedgerError(f"token {payload.token_id} was issued already")
        if _HEX_DIGEST.fullmatch(payload.digest) is None:
            raise LedgerError(f"token {payload.token_id}: its digest is no SHA-256")
    else:
        token = state.tokens.get(payload.token_id)
        if token is None:
            raise LedgerError(f"token {payload.token_id} was never issued")
        if token.revoked:
            raise LedgerError(f"token {payload.token_id} is revoked already")


def _check_source(state: State, payload: SourceIngested) -> None:
    if payload.source_id in state.sources:
        raise LedgerError(f"source {payload.source_id} is already registered")
    if hashlib.sha256(payload.text.encode()).hexdigest() != payload.sha256:
        raise LedgerError(f"source {payload.source_id}: its digest is not that of its text")
    for rated in payload.ranges:
        if not rated.start < rated.end <= len(payload.text):
            raise LedgerError(f"source {payload.source_id}: a rated range lies outside its text")


def _check_proposal(state: State, payload: EntryProposed, actor: Actor, scope: Scope) -> None:
    current = state.entries.get(payload.entry_id)
    expected = 1 if current is None else current.next_version()
    if payload.version != expected:
        raise AppendConflictError(
            f"entry {payload.entry_id}: version {expected} expected, got {payload.version}"
        )
    if current is not None and current.scope != scope:
        raise LedgerError(f"entry {payload.entry_id} belongs to another scope")
    if current is not None and current.status not in REVISABLE:
        raise IllegalTransitionError(
            f"entry {payload.entry_id} is {current.status} and takes no new version",
            hint="propose another entry that replaces it",
        )
    check_copy(state, payload, actor, scope)
    # Evidence before belief: a span, or a named person who stands for it.
    if not payload.spans and actor.kind != "human":
        raise LedgerError(
            f"entry {payload.entry_id} rests on nothing",
            hint="give a span of a registered source, or propose it as a named person",
        )
    for span in payload.spans:
        source = state.sources.get(span.source_id)
        if source is None or not span.start < span.end <= source.chars:
            raise LedgerError(
                f"entry {payload.entry_id}: span {span.start}–{span.end} does not resolve "
                f"in source {span.source_id}"
            )
        if not scope.sees(source.scope):
            raise LedgerError(f"entry {payload.entry_id} cites a source of another scope")
    for parent in payload.derived_from:
        if parent not in state.entries or not scope.sees(state.entries[parent].scope):
            raise LedgerError(f"entry {payload.entry_id}: unknown parent {parent}")


def _check_step(
    state: State, payload: EntryPayload, actor: Actor, scope: Scope, now_us: int
) -> None:
    entry = state.entries.get(payload.entry_id)
    if entry is None:
        raise LedgerError(f"entry {payload.entry_id} does not exist")
    if entry.scope != scope:
        raise LedgerError(f"entry {payload.entry_id} belongs to another scope")
    if payload.version != entry.version:
        raise AppendConflictError(
            f"entry {payload.entry_id} is at version {entry.version}, not {payload.version}",
            hint="reload it and decide again",
        )
    if isinstance(payload, Decision) and payload.content_digest != entry.content_digest:
        raise AppendConflictError(
            f"entry {payload.entry_id}: the decision is about other content",
            hint="reload it and decide again",
        )
    _check_arrow(entry, payload)
    check_review(state, entry, payload, actor, now_us)
    if isinstance(payload, EntryApproved):
        check_parents(state, entry)
    elif isinstance(payload, EntryErased):
        check_erased(state, entry, payload)
    elif isinstance(payload, EntryExpired):
        check_expired(state, payload, actor)
    elif isinstance(payload, EntryActivated):
        check_effect(entry, now_us)
        if entry.channel == "parametric":
            _check_home(state, payload)


def _check_arrow(entry: EntryState, payload: EntryPayload) -> None:
    """The arrows of the state machine."""
    if entry.status == "erased":
        raise IllegalTransitionError(f"entry {payload.entry_id} was erased: nothing follows")
    allowed = LEAVES.get(type(payload))
    if allowed is not None and entry.status not in allowed:
        raise IllegalTransitionError(
            f"{payload.event_type} does not apply to entry {payload.entry_id}: "
            f"it is {entry.status}, not {' or '.join(sorted(allowed))}"
        )


def _check_home(state: State, payload: EntryActivated) -> None:
    """A card is active only inside a certified adapter that holds and has absorbed it."""
    adapter = state.adapters.get(payload.adapter_digest or "")
    held = adapter is not None and any(
        (ref.entry_id, ref.version) == (payload.entry_id, payload.version) for ref in adapter.cards
    )
    if adapter is None or not held or adapter.status not in _SERVABLE:
        raise IllegalTransitionError(
            f"card {payload.entry_id} is not in a certified adapter and cannot be active"
        )
    if payload.entry_id not in adapter.absorbed:
        raise IllegalTransitionError(
            f"card {payload.entry_id} was not absorbed by its adapter and cannot be active"
        )


def _check_build(state: State, payload: AdapterTrained, scope: Scope, now_us: int) -> None:
    """Adapters are built only from allowed cards of one scope, and named by their bytes.

    The same cards give the same bytes in whichever shard of the scope they are learned: a build
    that is out of service moves to the shard that has them now.
    """
    _check_cards(state, payload.cards, scope, now_us)
    shard = state.shards.get(payload.shard_id)
    if shard is not None and shard.scope != scope:
        raise LedgerError(f"shard {payload.shard_id} belongs to another scope")
    known = state.adapters.get(payload.digest)
    if known is None:
        return
    elsewhere = known.shard_id != payload.shard_id
    if list(known.cards) != payload.cards or (
        elsewhere and state.shards[known.shard_id].scope != scope
    ):
        raise LedgerError(f"adapter {payload.digest[:12]} is already known as another build")
    if elsewhere and known.status == "active":
        raise LedgerError(f"adapter {payload.digest[:12]} is in service in {known.shard_id}")


def _check_cards(state: State, cards: Iterable[CardRef], scope: Scope, now_us: int) -> None:
    for ref in cards:
        entry = state.entries.get(ref.entry_id)
        if entry is None or entry.version != ref.version or entry.channel != "parametric":
            raise LedgerError(f"adapter holds unknown card {ref.entry_id} v{ref.version}")
        if entry.status not in {"approved", "active"}:
            raise IllegalTransitionError(
                f"card {ref.entry_id} is {entry.status}: only approved cards may be trained"
            )
        if entry.scope != scope:
            raise LedgerError(f"adapter mixes scopes: card {ref.entry_id}")
        check_effect(entry, now_us)


def _check_adapter(
    state: State,
    payload: AdapterCertified | AdapterActivated | AdapterWithdrawn,
    scope: Scope,
    now_us: int,
) -> None:
    adapter = state.adapters.get(payload.digest)
    if adapter is None or adapter.shard_id != payload.shard_id:
        raise LedgerError(f"adapter {payload.digest[:12]} is not a build of {payload.shard_id}")
    if state.shards[payload.shard_id].scope != scope:
        raise LedgerError(f"shard {payload.shard_id} belongs to another scope")
    if isinstance(payload, AdapterWithdrawn):
        if adapter.status != "active":
            raise IllegalTransitionError(f"adapter {payload.digest[:12]} is not in service")
    elif isinstance(payload, AdapterActivated):
        if adapter.status not in _SERVABLE:
            raise IllegalTransitionError(
                f"adapter {payload.digest[:12]} is {adapter.status}: it must be certified first"
            )
        _check_cards(state, adapter.cards, scope, now_us)
    elif adapter.status == "active" and not payload.passed:
        raise IllegalTransitionError(
            f"adapter {payload.digest[:12]} is in service: withdraw it before refusing it"
        )


def _check_reversal(
    state: State,
    payload: RollbackPayload,
    actor: Actor,
    scope: Scope,
    now_us: int,
) -> None:
    if isinstance(payload, RollbackRequested):
        check_request(state, payload, actor)
    elif isinstance(payload, RollbackAccepted | RollbackDeclined):
        check_answer(state, payload, actor, scope)
    elif isinstance(payload, RollbackApplied):
        _check_rollback(state, payload, scope, now_us)
        check_agreed(state, payload, scope)


def _check_rollback(state: State, payload: RollbackApplied, scope: Scope, now_us: int) -> None:
    if payload.to_seq > state.seq:
        raise LedgerError(f"version {payload.to_seq} does not exist yet (head is {state.seq})")
    names = [change.entry_id for change in payload.entries]
    names += [change.shard_id for change in payload.shards]
    if len(set(names)) != len(names):
        raise LedgerError("a rollback names the same thing twice")
    after = state.entries.copy()
    for change in payload.entries:
        entry = state.entries.get(change.entry_id)
        if entry is None or entry.status != change.before:
            raise AppendConflictError(
                f"entry {change.entry_id} changed since the rollback was planned",
                hint="plan it again",
            )
        after[change.entry_id] = _restored(entry, change.after, payload.to_seq, scope)
    for shard in payload.shards:
        current = state.shards.get(shard.shard_id)
        if current is None or current.active != shard.before:
            raise AppendConflictError(
                f"shard {shard.shard_id} changed since the rollback was planned",
                hint="plan it again",
            )
        if not scope.sees(current.scope):
            raise LedgerError(f"shard {shard.shard_id} belongs to another scope")
        if shard.after != servable_at(state, current, payload.to_seq):
            raise LedgerError(
                f"shard {shard.shard_id} did not serve that adapter at version {payload.to_seq}"
            )
        if shard.after is not None:
            cards = state.adapters[shard.after].cards
            _check_cards(State(entries=after), cards, current.scope, now_us)
    _check_thawed(state, payload, after)


def _check_thawed(state: State, payload: RollbackApplied, after: Mapping[str, EntryState]) -> None:
    """Under a freeze a rollback takes away, and brings back only what a person had approved."""
    if not state.frozen:
        return
    moved = [(state.entries[one.entry_id], after[one.entry_id]) for one in payload.entries]
    anew = [
        then
        for now, then in moved
        if then.status == "active" and (now.status, now.version) != ("active", then.version)
    ]
    served = [state.adapters[one.after] for one in payload.shards if one.after is not None]
    anew += [after[ref.entry_id] for adapter in served for ref in adapter.cards]
    for entry in anew:
        if not entry.reviewed:
            raise FrozenError(
                f"learning is frozen, and the rollback would bring {entry.entry_id} back, "
                "which no person reviewed",
                hint="`palimpsest thaw` ends the freeze; a rollback that only takes away goes on",
            )


def _restored(entry: EntryState, status: Status, to_seq: int, scope: Scope) -> EntryState:
    """``entry`` as a rollback leaves it: what it was at ``to_seq``, or out of the way."""
    if not scope.sees(entry.scope):
        raise LedgerError(f"entry {entry.entry_id} belongs to another scope")
    if entry.status == "erased":
        raise IllegalTransitionError(f"entry {entry.entry_id} was erased and stays so")
    then = entry.as_of(to_seq)
    if then is None:
        if status not in INERT:
            raise LedgerError(
                f"entry {entry.entry_id} did not exist at version {to_seq} "
                f"and cannot become {status}"
            )
        return replace(entry, status=status)
    if status != then.status:
        raise LedgerError(
            f"entry {entry.entry_id} was {then.status} at version {to_seq}, not {status}"
        )
    return then
