"""Everything that is held about a person, in one file they can read (GDPR 15 and 20)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from governance.durable import write_whole
from governance.errors import LedgerError
from governance.events import (
    Actor,
    EntryPayload,
    EntryProposed,
    Event,
    ExportIssued,
    MemoryRecalled,
    OutcomeRecorded,
    SourceIngested,
)
from governance.exports import FOLDER
from governance.footprint import footprint, owned
from governance.ledger import EventDraft, Ledger
from governance.refusals import recording

FORMAT: Final = 1
_ID_CHARS: Final = 12
Data: TypeAlias = "str | int | list[Data] | dict[str, Data]"


@dataclass(frozen=True)
class SubjectAccess:
    """The file that was written."""

    export_id: str
    path: Path
    sha256: str
    events: int
    entries: int
    sources: int


def give_access(ledger: Ledger, data_subject: str, out: Path, *, actor: Actor) -> SubjectAccess:
    """Write everything about a person to ``out`` as JSON: all the record says, as it says it.

    Raises:
        LedgerError: nothing is held about them, ``out`` exists, or another process owns the
            files.
        NotAuthorisedError: the actor is no person, or no officer.
        StoreError: the file cannot be written.

    Side effects: appends ``export.issued`` first, then writes: what was handed out is always
    on record.
    """
    log = owned(ledger)
    found = footprint(ledger, holder=log.keys.holder(data_subject))
    if not found.events:
        raise LedgerError("nothing is held about this person", hint="check the spelling")
    if out.exists():
        raise LedgerError(f"{out} exists", hint="name a new file")
    events = [event for seq in found.events for event in ledger.events(seq, seq)]
    text = json.dumps(_document(ledger, data_subject, events), indent=2, ensure_ascii=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    export_id = f"export-{ledger.keyed(f'access:{ledger.head.seq}')[:_ID_CHARS]}"
    issued = ExportIssued(
        export_id=export_id, purpose="subject-access", path=_below(ledger, out), sha256=digest,
        entries=list(found.entries), data_subject=log.keys.holder(data_subject).hex(),
    )  # fmt: skip
    with recording(ledger, "access", f"export:{export_id}", actor=actor):
        ledger.append([EventDraft(issued, actor)])
    write_whole(out, text)
    return SubjectAccess(
        export_id, out, digest, len(events), len(found.entries), len(found.sources)
    )


def _below(ledger: Ledger, out: Path) -> str | None:
    """The path relative to the home; ``None`` outside its folder of exports."""
    if not ledger.has_home or out.resolve().parent != ledger.home.resolve() / FOLDER:
        return None
    return f"{FOLDER}/{out.name}"


def _document(ledger: Ledger, data_subject: str, events: list[Event]) -> dict[str, Data]:
    sections: dict[str, list[Data]] = {
        "sources": [], "entries": [], "decisions": [], "recalls": [], "outcomes": [], "other": [],
    }  # fmt: skip
    for event in events:
        sections[_section(event)].append(_record(event))
    return {
        "format": FORMAT,
        "about": data_subject,
        "log": ledger.origin,
        "version": ledger.head.seq,
        **sections,
    }


def _section(event: Event) -> str:
    payload = event.payload
    if isinstance(payload, SourceIngested):
        return "sources"
    if isinstance(payload, EntryProposed):
        return "entries"
    if isinstance(payload, EntryPayload):
        return "decisions"
    if isinstance(payload, MemoryRecalled):
        return "recalls"
    return "outcomes" if isinstance(payload, OutcomeRecorded) else "other"


def _record(event: Event) -> Data:
    header, payload = event.header, event.payload
    assert payload is not None
    return {
        "version": header.seq,
        "what": header.type,
        "when_us": header.recorded_at_us,
        "by": str(header.actor),
        "scope": str(header.scope),
        "content": payload.model_dump(mode="json"),
    }
