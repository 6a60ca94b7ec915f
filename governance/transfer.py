"""Memory as a file: what is in force, one JSON object a line, and back in through the policy.

An export is an event that lists every entry in the file, so that taking one back withdraws
the file (``governance.exports``). An import trusts nothing that a file says about itself:
its status, its author, its approval. Each line is registered as evidence, as far trusted as
whoever imports it says, and proposed like anything else; so a value that was rejected,
revoked or erased here does not come back with an older backup.

An export leaves out who approved what: that is in the log, and ``palimpsest evidence``
proves it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governance import canonical
from governance.authority import require_role
from governance.durable import reported, write_whole
from governance.errors import LedgerError
from governance.events import (
    Actor,
    Body,
    CaseBody,
    EntryKind,
    EntryProposed,
    ExportIssued,
    Scope,
    SourceIngested,
    Span,
    Trust,
    content_digest,
)
from governance.exports import FOLDER, remove_withdrawn
from governance.ledger import EventDraft, Ledger, Receipt
from governance.policy import Policy
from governance.refusals import recording
from governance.review import submit
from governance.state import EntryState

FORMAT: Final = "palimpsest-memory-1"
MAX_LINE_BYTES: Final = 1_000_000
"""A longer line is refused by its number; nothing longer is ever held in memory."""
_ID_CHARS: Final = 12


class Quote(BaseModel):
    """A passage that an entry rested on, word for word."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    source: str
    text: str


class Line(BaseModel):
    """One entry as it leaves a ledger. ``log`` and ``head`` say which, and as of when."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["palimpsest-memory-1"]
    id: str = Field(min_length=1)
    version: int = Field(ge=1)
    body: Body
    digest: str
    scope: Scope
    evidence: list[Quote] = []
    valid_from_us: int | None = None
    valid_to_us: int | None = None
    log: str
    head: int = Field(ge=0)

    def text(self) -> str:
        """The line as it is written, without its end; readable, and the same every time."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True)


# --- out --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exported:
    """A file that was handed out."""

    export_id: str
    path: Path
    entries: int
    sha256: str
    receipt: Receipt


def export_memory(
    ledger: Ledger,
    *,
    scope: Scope,
    actor: Actor,
    out: Path | None = None,
    kinds: frozenset[EntryKind] = frozenset(),
) -> Exported:
    """Write every entry of a scope that is in force to a file, and record that it was.

    Args:
        ledger: Where they are.
        scope: Whose memory.
        actor: The officer or admin who hands it out.
        out: The file; it must not exist. ``None``: below the home, where revoking one of its
            entries deletes it.
        kinds: Only these kinds; empty: all.

    Raises:
        NotAuthorisedError: the actor may not hand memory out.
        LedgerError: nothing to export, the file exists, or there is no home to put it in.
        StoreError: it cannot be written.

    Side effects: appends ``export.issued``, then writes the file, readable by its owner only.
    """
    with recording(ledger, "export", f"scope:{scope}", actor=actor, scope=scope):
        require_role(ledger.state, actor, "officer")
        remove_withdrawn(ledger)
        entries = [
            entry for entry in ledger.state.active(scope) if not kinds or entry.body.kind in kinds
        ]
        if not entries:
            raise LedgerError(f"nothing of {scope} is in force", hint="palimpsest log")
        texts: dict[str, str] = {}
        text = "".join(f"{line_of(ledger, entry, texts).text()}\n" for entry in entries)
        digest = hashlib.sha256(text.encode()).hexdigest()
        export_id = ledger.keyed(f"export:{ledger.head.seq}:{scope}:{digest}")[:_ID_CHARS]
        target, place = _place(ledger, export_id, out)
        issued = ExportIssued(
            export_id=export_id, purpose="memory", path=place, sha256=digest,
            entries=[entry.entry_id for entry in entries],
        )  # fmt: skip
        with reported(f"{target.parent} cannot be made"):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The event first: a file that nobody knows of could not be withdrawn.
        receipt = ledger.append([EventDraft(issued, actor, scope)])
        write_whole(target, text)
    return Exported(export_id, target, len(entries), digest, receipt)


def line_of(ledger: Ledger, entry: EntryState, texts: dict[str, str] | None = None) -> Line:
    """An entry as it leaves the ledger; passages that were erased are left out.

    ``texts`` keeps what was read of sources, for the next entry.
    """
    return Line(
        format=FORMAT, id=entry.entry_id, version=entry.version, body=entry.body,
        digest=entry.content_digest, scope=entry.scope,
        evidence=list(_quotes(ledger, entry, {} if texts is None else texts)),
        valid_from_us=entry.valid_from_us, valid_to_us=entry.valid_to_us, log=ledger.origin,
        head=ledger.head.seq,
    )  # fmt: skip


def _quotes(ledger: Ledger, entry: EntryState, texts: dict[str, str]) -> Iterator[Quote]:
    for span in entry.spans:
        source = ledger.state.sources.get(span.source_id)
        if source is None or not source.chars:
            continue
        if span.source_id not in texts:
            texts[span.source_id] = ledger.source_text(span.source_id)
        text = texts[span.source_id]
        yield Quote(source=source.name, text=text[span.start : span.end])


def _place(ledger: Ledger, export_id: str, out: Path | None) -> tuple[Path, str | None]:
    """The file, and its path below the home if it lies in the folder of exports."""
    ours = ledger.home / FOLDER if ledger.has_home else None
    if out is None:
        if ours is None:
            raise LedgerError("there is no home to keep the export in", hint="name it with --out")
        name = f"{export_id}.jsonl"
        return ours / name, f"{FOLDER}/{name}"
    if out.exists() or out.is_symlink():
        raise LedgerError(f"{out} exists", hint="an export overwrites nothing; name a new file")
    if ours is not None and out.resolve().parent == ours.resolve():
        raise LedgerError(f"{ours} holds the exports of this home", hint="leave out --out")
    return out, None


# --- in ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Imported:
    """What became of one line."""

    line: int
    entry_id: str
    status: str
    why: str
    repeated: bool


@dataclass(frozen=True)
class BadLine:
    """A line that is no entry, and why."""

    line: int
    why: str


@dataclass
class ImportReport:
    """What became of a file."""

    entries: list[Imported] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)

    def count(self, *statuses: str) -> int:
        """How many lines ended in one of these statuses."""
        return sum(one.status in statuses for one in self.entries)


def import_memory(
    ledger: Ledger,
    file: Path,
    *,
    scope: Scope,
    actor: Actor,
    policy: Policy,
    trust: Trust = "unknown",
    data_subject: str = "",
) -> ImportReport:
    """Propose every entry of a file in a scope. Nothing is approved because the file says so.

    Safe to stop and to repeat: sources and entries are keyed on their content, so what is
    known already stays as it is. A line that is no entry is reported and left out.

    Args:
        ledger: Where to.
        file: As :func:`export_memory` writes it.
        scope: Whose memory it becomes, whatever the file says.
        actor: The importer.
        policy: Decides on each line.
        trust: How far what the file says is trusted.
        data_subject: Whose key encrypts what is imported.

    Raises:
        StoreError: the file cannot be read.

    Side effects: per line appends its source, then proposal, checks and decision.
    """
    report = ImportReport()
    with recording(ledger, "import", f"file:{file.name}", actor=actor, scope=scope):
        remove_withdrawn(ledger)
        with reported(f"{file} cannot be read"), file.open("rb") as stream:
            for number, found in _lines(stream):
                if isinstance(found, BadLine):
                    report.bad.append(found)
                    continue
                report.entries.append(
                    _import(
                        ledger, number, found, scope=scope, actor=actor, policy=policy,
                        trust=trust, data_subject=data_subject,
                    )
                )  # fmt: skip
    return report


def _lines(stream: BinaryIO) -> Iterator[tuple[int, Line | BadLine]]:
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            while not raw.endswith(b"\n") and (raw := stream.readline(MAX_LINE_BYTES)):
                pass
            yield number, BadLine(number, f"longer than {MAX_LINE_BYTES} bytes")
        elif raw.strip():
            yield number, _parsed(number, raw)


def _parsed(number: int, raw: bytes) -> Line | BadLine:
    try:
        line = Line.model_validate_json(raw)
        digest = content_digest(line.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return BadLine(number, f"{where}: {first['msg']}" if where else str(first["msg"]))
    if digest != line.digest:
        return BadLine(number, "its digest is not that of its body: it was altered")
    return line


def _import(
    ledger: Ledger,
    number: int,
    line: Line,
    *,
    scope: Scope,
    actor: Actor,
    policy: Policy,
    trust: Trust,
    data_subject: str,
) -> Imported:
    said = {"said": [[quote.source, quote.text] for quote in line.evidence]}
    interval = f"{line.valid_from_us}:{line.valid_to_us}"
    identity = f"import:{scope}:{line.digest}:{canonical.digest(said)}:{interval}"
    key = ledger.keyed(identity)[:_ID_CHARS]
    source_id, entry_id = f"source-{key}", f"{line.body.kind}-{key}"
    known = ledger.state.sources.get(source_id)
    if known is None:
        text = _readable(line)
        source = SourceIngested(
            source_id=source_id, kind="document", name=f"import/{line.id}",
            media_type="text/plain", sha256=hashlib.sha256(text.encode()).hexdigest(),
            trust=trust, text=text,
        )  # fmt: skip
        draft = EventDraft(source, actor, scope, data_subject=data_subject)
        ledger.append([draft], key=f"ingest:{source_id}")
        known = ledger.state.sources[source_id]
    proposal = EntryProposed(
        entry_id=entry_id, version=1, body=unrated(line.body),
        spans=[Span(source_id=source_id, start=0, end=known.chars)],
        valid_from_us=line.valid_from_us, valid_to_us=line.valid_to_us,
    )  # fmt: skip
    done = submit(
        ledger, proposal, actor=actor, scope=scope, policy=policy, data_subject=data_subject
    )
    status = ledger.state.entries[entry_id].status
    why = done.decision.message or done.decision.rule_id
    return Imported(number, entry_id, status, why, done.receipt.repeated)


def _readable(line: Line) -> str:
    """What the file says, as a reviewer reads it and as it is searched for the value."""
    said = [f"Imported from {line.log}, version {line.head}, entry {line.id}."]
    for name, value in line.body.model_dump(mode="json").items():
        parts = value if isinstance(value, list) else [value]
        said += [f"{name}: {part}" for part in parts if part not in {"", None}]
    said += [f"{quote.source} says: {quote.text}" for quote in line.evidence]
    return "\n".join(said)


def unrated(body: Body) -> Body:
    """``body`` as from somebody who does not say who judged how a task ended.

    A file does not: that came from where it was learned. Nor does a program that is trusted no
    further than outsiders are.
    """
    if isinstance(body, CaseBody):
        return body.model_copy(update={"reward_origin": "unknown"})
    return body


__all__ = [
    "BadLine", "Exported", "ImportReport", "Imported", "Line", "Quote", "export_memory",
    "import_memory", "line_of", "remove_withdrawn", "unrated",
]  # fmt: skip
