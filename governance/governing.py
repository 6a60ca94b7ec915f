"""The fold of what governs the whole: identity, policies, holds, exports, requests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from governance.events import (
    DriftHeld,
    DriftReleased,
    ErasureApproved,
    ErasureCompleted,
    ErasureDeclined,
    ErasureRequested,
    ExportIssued,
    ExportWithdrawn,
    Header,
    HoldLifted,
    HoldPlaced,
    KeyRotated,
    LedgerFrozen,
    LedgerThawed,
    Payload,
    PolicyActivated,
    PolicyTerms,
    PrincipalRegistered,
    RoleGranted,
    RoleWithdrawn,
    RollbackAccepted,
    RollbackDeclined,
    RollbackRequested,
    SignerRegistered,
    SignerWithdrawn,
    TokenIssued,
    TokenRevoked,
    VerifierRated,
)
from governance.records import (
    DriftHold,
    ErasureState,
    ExportState,
    HoldState,
    RollbackState,
    SignerState,
    TokenState,
)

if TYPE_CHECKING:
    from governance.state import State

_OUTCOMES: Final = {
    ErasureApproved: "approved", ErasureDeclined: "declined", ErasureCompleted: "completed",
}  # fmt: skip


def govern(state: State, header: Header, payload: Payload) -> None:
    """Take up one event that is about neither an entry, a source, an adapter nor a relay."""
    if isinstance(payload, PolicyActivated):
        state.policies[payload.name] = payload.digest
        state.active_policy = payload.name
        state.terms = payload.terms or PolicyTerms()
    elif isinstance(payload, VerifierRated):
        state.verifiers[payload.verifier] = payload
    elif isinstance(payload, KeyRotated):
        state.signing_key = payload.new_key
    elif isinstance(payload, LedgerFrozen | LedgerThawed):
        state.frozen = isinstance(payload, LedgerFrozen)
    else:
        _identify(state, payload)
        _hold(state, header, payload)
        _request(state, header, payload)


def _identify(state: State, payload: Payload) -> None:
    """Who may act, in which roles, within which scope, with which token and key."""
    if isinstance(payload, RoleGranted):
        held = state.roles.get(payload.principal, frozenset())
        state.roles[payload.principal] = held | {payload.role}
    elif isinstance(payload, RoleWithdrawn):
        held = state.roles.get(payload.principal, frozenset())
        state.roles[payload.principal] = held - {payload.role}
    elif isinstance(payload, PrincipalRegistered):
        state.principals[payload.principal] = payload.bounds
        state.trusted[payload.principal] = payload.trust
    elif isinstance(payload, TokenIssued):
        state.tokens[payload.token_id] = TokenState(
            payload.token_id, payload.principal, payload.digest, payload.expires_at_us
        )
    elif isinstance(payload, TokenRevoked):
        state.tokens[payload.token_id] = replace(state.tokens[payload.token_id], revoked=True)
    elif isinstance(payload, SignerRegistered):
        state.signers[payload.principal] = SignerState(payload.key, payload.name)
    elif isinstance(payload, SignerWithdrawn):
        known = state.signers[payload.principal]
        state.signers[payload.principal] = replace(known, withdrawn=True)


def _hold(state: State, header: Header, payload: Payload) -> None:
    """What may not be destroyed, what drift speaks against, what was handed out."""
    if isinstance(payload, HoldPlaced):
        state.holds[payload.hold_id] = HoldState(payload, header.seq)
    elif isinstance(payload, HoldLifted):
        state.holds[payload.hold_id] = replace(state.holds[payload.hold_id], lifted=True)
    elif isinstance(payload, DriftHeld):
        state.drift_holds[payload.hold_id] = DriftHold(payload, header.scope, header.seq)
    elif isinstance(payload, DriftReleased):
        held = state.drift_holds[payload.hold_id]
        state.drift_holds[payload.hold_id] = replace(held, released=True)
    elif isinstance(payload, ExportIssued):
        state.exports[payload.export_id] = ExportState(payload, header.scope, header.seq)
    elif isinstance(payload, ExportWithdrawn):
        issued = state.exports[payload.export_id]
        state.exports[payload.export_id] = replace(issued, withdrawn=True)


def _request(state: State, header: Header, payload: Payload) -> None:
    """What one person asked for and another must agree to."""
    if isinstance(payload, ErasureRequested):
        state.erasures[payload.erasure_id] = ErasureState(
            payload, header.actor, header.scope, header.seq
        )
    elif isinstance(payload, ErasureApproved | ErasureDeclined | ErasureCompleted):
        erasure = state.erasures[payload.erasure_id]
        approver = header.actor if isinstance(payload, ErasureApproved) else erasure.approved_by
        state.erasures[payload.erasure_id] = replace(
            erasure, status=_OUTCOMES[type(payload)], approved_by=approver
        )
    elif isinstance(payload, RollbackRequested):
        state.rollbacks[payload.rollback_id] = RollbackState(
            payload, header.actor, header.scope, header.seq
        )
    elif isinstance(payload, RollbackAccepted | RollbackDeclined):
        accepted = isinstance(payload, RollbackAccepted)
        state.rollbacks[payload.rollback_id] = replace(
            state.rollbacks[payload.rollback_id],
            status="accepted" if accepted else "declined",
            answered_by=header.actor,
        )
