"""Events and entries as plain text and plain data; no terminal, no markup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from governance.events import (
    AdapterCertified,
    AdapterPayload,
    AdapterTrained,
    AdapterWithdrawn,
    CommandRefused,
    Decision,
    DecisionSigned,
    DriftHeld,
    DriftReleased,
    EntryActivated,
    EntryErased,
    EntryExpired,
    EntryProposed,
    EntrySuperseded,
    EntryVerified,
    ErasureApproved,
    ErasureCompleted,
    ErasureDeclined,
    ErasureRequested,
    ExportIssued,
    ExportWithdrawn,
    HoldLifted,
    HoldPlaced,
    KeyRotated,
    LedgerFrozen,
    LedgerRecovered,
    LedgerThawed,
    MemoryRecalled,
    OutcomeRecorded,
    Payload,
    PolicyActivated,
    PrincipalRegistered,
    RelayPayload,
    RelayScored,
    RelayStepped,
    ReviewAssigned,
    ReviewClaimed,
    ReviewCommented,
    ReviewWithdrawn,
    RoleGranted,
    RoleWithdrawn,
    RollbackAccepted,
    RollbackApplied,
    RollbackDeclined,
    RollbackRequested,
    SignerRegistered,
    SignerWithdrawn,
    SourceErased,
    SourceIngested,
    TokenIssued,
    TokenRevoked,
    VerifierRated,
    text_of,
)

if TYPE_CHECKING:
    from governance.commands.options import Json
    from governance.ledger import Event, Receipt
    from governance.state import EntryState

_PPM = 1_000_000


def time_of(recorded_at_us: int) -> str:
    """UTC, to the second."""
    moment = datetime.fromtimestamp(recorded_at_us // 1_000_000, tz=UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def summary(payload: Payload | None) -> str:
    """What happened, in one line of plain text."""
    if payload is None:
        return "(erased)"
    text = _entry_summary(payload) or _other_summary(payload)
    return " ".join(text.split())


def _entry_summary(payload: Payload) -> str:
    if isinstance(payload, EntryProposed):
        return text_of(payload.body)
    if isinstance(payload, EntryVerified):
        failing = [r.verifier for r in payload.results if r.outcome != "pass"]
        found = f"failed: {', '.join(failing)}" if failing else "all checks passed"
        return f"risk {payload.risk_ppm / _PPM:.2f}, {found}"
    if isinstance(payload, EntryActivated):
        return f"in adapter {payload.adapter_digest[:12]}" if payload.adapter_digest else ""
    if isinstance(payload, EntrySuperseded):
        return f"by {payload.by}"
    return _review_summary(payload)


def _review_summary(payload: Payload) -> str:
    if isinstance(payload, Decision):
        reason = payload.rule_id or payload.reason_code
        return f"{reason}: {payload.comment}" if payload.comment else reason
    if isinstance(payload, ReviewAssigned):
        return f"{payload.rule_id}: {payload.message}"
    return _desk_summary(payload)


def _desk_summary(payload: Payload) -> str:
    if isinstance(payload, ReviewClaimed):
        return f"until {time_of(payload.until_us)} UTC" if payload.until_us else "let go"
    if isinstance(payload, DecisionSigned):
        return f"{payload.name}: {payload.meaning} (event {payload.decision_seq})"
    if isinstance(payload, EntryExpired):
        return " ".join(filter(None, (payload.reason_code, payload.comment)))
    if isinstance(payload, EntryErased):
        return payload.erasure_id
    return payload.comment if isinstance(payload, ReviewCommented | ReviewWithdrawn) else ""


def _other_summary(payload: Payload) -> str:
    if isinstance(payload, SourceIngested):
        return f"{payload.name} ({payload.kind}, {payload.trust})"
    if isinstance(payload, MemoryRecalled):
        return f"for {payload.purpose}: {payload.query} [{len(payload.entries)} entries]"
    if isinstance(payload, OutcomeRecorded):
        mark = "right" if payload.exact else "wrong"
        return f"{payload.arm}, {mark}: {payload.question} → {payload.answer}"
    if isinstance(payload, AdapterPayload):
        return _adapter_summary(payload)
    if isinstance(payload, RelayPayload):
        return _relay_summary(payload)
    return _governance_summary(payload)


def _governance_summary(payload: Payload) -> str:
    if isinstance(payload, RollbackApplied):
        return (
            f"to version {payload.to_seq}: {len(payload.entries)} entries, "
            f"{len(payload.shards)} shards; {payload.reason_code} {payload.comment}"
        )
    if isinstance(payload, PolicyActivated):
        return f"{payload.name} {payload.digest[:12]}"
    if isinstance(payload, RoleGranted | RoleWithdrawn):
        return f"{payload.role} for {payload.principal}"
    if isinstance(payload, LedgerFrozen | LedgerThawed | LedgerRecovered):
        return payload.reason
    return _access_summary(payload)


def _access_summary(payload: Payload) -> str:
    if isinstance(payload, PrincipalRegistered):
        return f"{payload.principal} within {payload.bounds}"
    if isinstance(payload, TokenIssued):
        until = "for good"
        if payload.expires_at_us is not None:
            until = f"until {time_of(payload.expires_at_us)} UTC"
        return f"{payload.token_id} for {payload.principal}, {until}"
    if isinstance(payload, TokenRevoked):
        return f"{payload.token_id}: {payload.reason}"
    if isinstance(payload, KeyRotated):
        return f"{payload.old_key[:12]} → {payload.new_key[:12]}: {payload.reason}"
    return _signer_summary(payload)


def _signer_summary(payload: Payload) -> str:
    if isinstance(payload, SignerRegistered):
        return f"{payload.name} signs with {payload.key[:12]}"
    if isinstance(payload, SignerWithdrawn):
        return payload.reason
    if isinstance(payload, CommandRefused):
        return f"{payload.command} on {payload.about}: {payload.message}"
    return _request_summary(payload)


def _request_summary(payload: Payload) -> str:
    """What one person asks for and another must agree to, or may not touch."""
    if isinstance(payload, RollbackRequested):
        return f"to version {payload.to_seq}: {payload.reason_code} {payload.comment}"
    if isinstance(payload, ErasureRequested):
        whose = "a data subject" if payload.data_subject else f"{len(payload.entries)} entries"
        return f"{whose}: {payload.basis} {payload.reason}"
    if isinstance(payload, ErasureCompleted):
        return f"{len(payload.events)} payloads destroyed, {payload.hits} found afterwards"
    if isinstance(payload, RollbackAccepted | RollbackDeclined | ErasureApproved | ErasureDeclined):
        return payload.comment
    return _custody_summary(payload)


def _custody_summary(payload: Payload) -> str:
    if isinstance(payload, HoldPlaced | HoldLifted | DriftHeld | DriftReleased):
        return payload.reason
    if isinstance(payload, ExportIssued):
        return f"{payload.purpose}: {len(payload.entries)} entries"
    if isinstance(payload, ExportWithdrawn):
        return payload.reason_code
    if isinstance(payload, SourceErased):
        return payload.erasure_id
    if isinstance(payload, VerifierRated):
        low, high = payload.lower_ppm / _PPM, payload.upper_ppm / _PPM
        return f"{payload.verifier} {payload.standing}: {low:+.2f} to {high:+.2f}"
    return ""


def _adapter_summary(payload: AdapterPayload) -> str:
    about = payload.digest[:12]
    if isinstance(payload, AdapterTrained):
        how = "found in the store" if payload.reused else f"{payload.steps} steps"
        return f"{about} v{payload.version}, {len(payload.cards)} cards, {how}"
    if isinstance(payload, AdapterCertified):
        absorbed = sum(card.certified for card in payload.cards)
        verdict = "passed" if payload.passed else f"refused: {payload.reason}"
        return f"{about} {verdict}, {absorbed} of {len(payload.cards)} cards absorbed"
    if isinstance(payload, AdapterWithdrawn):
        return f"{about} {payload.reason_code}"
    return about


def _relay_summary(payload: RelayPayload) -> str:
    if isinstance(payload, RelayStepped):
        score = "error" if payload.score_ppm is None else f"{payload.score_ppm / _PPM:.3f}"
        return f"step {payload.index} {payload.direction} {payload.pair_id}: {score}"
    if isinstance(payload, RelayScored):
        return ", ".join(f"RS@{one.k} {one.score_ppm / _PPM:.3f}" for one in payload.rs)
    return str(getattr(payload, "document", ""))


def event_data(event: Event) -> dict[str, Json]:
    """An event as JSON data; ``payload`` is null once it was erased."""
    return {
        **event.header.model_dump(mode="json"),
        "payload": None if event.payload is None else event.payload.model_dump(mode="json"),
    }


def entry_data(entry: EntryState) -> dict[str, Json]:
    """An entry as JSON data."""
    return {
        "entry_id": entry.entry_id,
        "version": entry.version,
        "status": entry.status,
        "kind": entry.body.kind,
        "channel": entry.channel,
        "text": text_of(entry.body),
        "body": entry.body.model_dump(mode="json"),
        "content_digest": entry.content_digest,
        "scope": str(entry.scope),
        "author": str(entry.author),
        "decided_by": str(entry.decided_by) if entry.decided_by else None,
        "reason_code": entry.reason_code,
        "risk": entry.risk_ppm / _PPM,
        "in_review": entry.in_review,
        "review_message": entry.review_message,
        "checks": [result.model_dump(mode="json") for result in entry.results],
        "spans": [span.model_dump(mode="json") for span in entry.spans],
        "derived_from": list(entry.derived_from),
        "replaces": entry.replaces,
        "adapter_digest": entry.adapter_digest,
        "tombstone": entry.tombstone is not None and entry.status in {"rejected", "revoked"},
        "history": list(entry.history),
    }


def receipt_data(receipt: Receipt) -> dict[str, Json]:
    """A receipt as JSON data."""
    return {
        "first_seq": receipt.first_seq,
        "last_seq": receipt.last_seq,
        "event_ids": list(receipt.event_ids),
        "repeated": receipt.repeated,
    }
