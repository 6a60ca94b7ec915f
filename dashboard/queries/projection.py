"""What the screen needs of the log beyond the live state, kept up to date with the head.

One pass over each event, ever: a rerun costs what was appended since the last one. Nothing
here is a source of truth; drop it and it is built again from the ledger.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from governance.events import (
    Actor,
    AdapterCertified,
    AdapterTrained,
    Arm,
    Header,
    MemoryRecalled,
    OutcomeRecorded,
    Payload,
    RelayScored,
    RelayStarted,
    Scope,
)
from governance.ledger import Ledger


@dataclass(frozen=True)
class EventRow:
    """One event, without its payload."""

    seq: int
    type: str
    at_us: int
    actor: Actor
    subject: str
    scope: Scope
    episode: str | None


@dataclass(frozen=True)
class Answer:
    """How one question was answered in one arm of one run."""

    run_id: str
    arm: Arm
    task_id: str
    exact: bool
    f1_ppm: int
    seq: int
    scope: Scope


@dataclass(frozen=True)
class RelayFacts:
    """What a relay was run on and how it ended."""

    relay_id: str
    source_id: str
    document: str
    domain: str
    editor: str
    model_id: str
    round_trips: int
    scope: Scope
    started_seq: int
    rs: tuple[tuple[int, int], ...] = ()
    applied_ppm: int | None = None
    critical: int = 0
    errors: int = 0


class Projection:
    """Rows, answers, relays and certificates of one ledger, as of :attr:`seq`."""

    def __init__(self) -> None:
        self.seq = 0
        self.rows: list[EventRow] = []
        self.answers: dict[tuple[str, Arm, str], Answer] = {}
        self.relays: dict[str, RelayFacts] = {}
        self.builds: dict[str, AdapterTrained] = {}
        self.certificates: dict[str, AdapterCertified] = {}
        self.served: dict[str, int] = {}
        self._lock = threading.Lock()

    def follow(self, ledger: Ledger) -> Projection:
        """Take in what was appended since the last call; returns itself."""
        with self._lock:
            for event in ledger.events(self.seq + 1, ledger.head.seq):
                self._take(event.header, event.payload)
                self.seq = event.header.seq
        return self

    def at_us(self, seq: int) -> int:
        """When event ``seq`` was recorded."""
        return self.rows[seq - 1].at_us

    def _take(self, header: Header, payload: Payload | None) -> None:
        self.rows.append(
            EventRow(
                header.seq, header.type, header.recorded_at_us, header.actor, header.subject,
                header.scope, header.episode,
            )
        )  # fmt: skip
        if isinstance(payload, OutcomeRecorded):
            # A question asked again after the memory changed replaces its first answer.
            self.answers[payload.run_id, payload.arm, payload.task_id] = Answer(
                payload.run_id, payload.arm, payload.task_id, payload.exact, payload.f1_ppm,
                header.seq, header.scope,
            )  # fmt: skip
        elif isinstance(payload, AdapterTrained):
            self.builds[payload.digest] = payload
        elif isinstance(payload, AdapterCertified):
            self.certificates[payload.digest] = payload
        elif isinstance(payload, MemoryRecalled) and payload.adapter_digest:
            count = self.served.get(payload.adapter_digest, 0)
            self.served[payload.adapter_digest] = count + 1
        elif isinstance(payload, RelayStarted):
            self.relays[payload.relay_id] = RelayFacts(
                payload.relay_id, payload.source_id, payload.document, payload.domain,
                payload.editor, payload.model_id, payload.round_trips, header.scope, header.seq,
            )  # fmt: skip
        elif isinstance(payload, RelayScored):
            self._score(payload)

    def _score(self, payload: RelayScored) -> None:
        facts = self.relays[payload.relay_id]
        self.relays[payload.relay_id] = RelayFacts(
            facts.relay_id, facts.source_id, facts.document, facts.domain, facts.editor,
            facts.model_id, facts.round_trips, facts.scope, facts.started_seq,
            tuple((score.k, score.score_ppm) for score in payload.rs),
            payload.applied_ppm, payload.critical, payload.errors,
        )  # fmt: skip
