"""The certificate of an erasure: who, when, why, how much; never what."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from governance.durable import write_whole
from governance.erasure import known
from governance.errors import LedgerError
from governance.events import ErasureApproved, ErasureCompleted, Event
from governance.ledger import Ledger
from governance.proof import build_proof, log_key

FORMAT: Final = 1
LIMITS: Final = (
    "This certificate says what this program did to the files under its control. It says "
    "nothing about copies elsewhere: backups, exports that were handed out, or what a disk "
    "keeps of overwritten blocks."
)


def write_certificate(ledger: Ledger, erasure_id: str, out: Path) -> tuple[Path, ...]:
    """Write ``out`` (JSON), and beside it the same as text and the proof of its last event.

    Raises:
        LedgerError: no such erasure, it is not complete, or one of the files exists.
        ProofError: the stored hashes do not prove what was signed.
        StoreError: a file cannot be written.
    """
    erasure = known(ledger, erasure_id)
    if erasure.status != "completed":
        raise LedgerError(
            f"erasure {erasure_id} is {erasure.status}, not complete",
            hint=f"palimpsest erase complete {erasure_id}",
        )
    files = (out, out.with_suffix(".txt"), out.with_suffix(".tlog-proof"))
    for path in files:
        if path.exists():
            raise LedgerError(f"{path} exists", hint="a certificate is never overwritten")
    data, seq = _data(ledger, erasure_id)
    proof = build_proof(ledger, seq)
    lines = [f"{name.replace('_', ' ')}: {value}" for name, value in data.items()]
    head = f"Erasure {erasure_id}"
    text = "\n".join([head, "=" * len(head), "", *lines, "", LIMITS, ""])
    document = {**data, "limits": LIMITS, "proof": proof}
    for path, content in zip(
        files, (json.dumps(document, indent=2) + "\n", text, proof), strict=True
    ):
        write_whole(path, content)
    return files


def _data(ledger: Ledger, erasure_id: str) -> tuple[dict[str, str | int], int]:
    """What the certificate says, and the number of the event that completed it."""
    erasure = ledger.state.erasures[erasure_id]
    events = list(ledger.events(erasure.seq, subjects=[f"erasure:{erasure_id}"]))
    [approved] = [event for event in events if isinstance(event.payload, ErasureApproved)]
    [done] = [event for event in events if isinstance(event.payload, ErasureCompleted)]
    payload = done.payload
    assert isinstance(payload, ErasureCompleted)
    return {
        "format": FORMAT,
        "erasure_id": erasure_id,
        "log": ledger.origin,
        "log_key": str(log_key(ledger)),
        "of": "a person" if erasure.requested.data_subject else "entries",
        "basis": erasure.requested.basis,
        "requested_by": str(erasure.requested_by),
        "requested_at": _time(events[0]),
        "approved_by": str(erasure.approved_by),
        "approved_at": _time(approved),
        "completed_by": str(done.header.actor),
        "completed_at": _time(done),
        "completed_in_event": done.header.seq,
        "entries": payload.entries,
        "sources": payload.sources,
        "records_destroyed": len(payload.events),
        "adapter_builds_deleted": len(payload.adapters),
        "exports_withdrawn": len(payload.exports),
        "files_searched": payload.searched,
        "files_with_remains": payload.hits,
        "head": ledger.head.seq,
        "root": ledger.head.root,
    }, done.header.seq  # fmt: skip


def _time(event: Event) -> str:
    """ISO 8601, UTC."""
    return datetime.fromtimestamp(event.header.recorded_at_us / 1e6, UTC).isoformat()
