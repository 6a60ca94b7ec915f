"""The ledger: what a governed append, a batch, many writers, a proof and an opening cost.

Every figure is measured beside its baseline, interleaved in the same run; the ratios are what
counts. Metrics (see ``README.md`` for the last full run):

single_append_ratio   p50 of one governed durable append (checks, sealing, tree, DuckDB commit,
                      signed checkpoint with its own fsync) over p50 of one durable single-row
                      DuckDB insert of the same columns and bytes
batch_events_per_s    events per second in appends of 1,000
writers8_speedup      events per second of 8 writer processes through the daemon, one event an
                      append, over those of one writer process; writers8_p99_ms beside it
verify_vs_sha256      rate of the structural verification (signatures, sequence, copies, leaves,
                      roots, tiles) over one-thread SHA-256 of the same header bytes;
                      verify_payloads_vs_sha256 opens every payload as well; verify_rss_mb
state_at_ratio        state_at(v) with the status of every entry, over the best bare SQL for it
proof_ms              p50 of an inclusion proof at a random event; proof_file_ms with header,
                      checkpoint and a check of the result, as `palimpsest proof` writes it
open_1m_s             opening the ledger, closed properly before; open_crashed_s after kill -9
stall_p999_ms         p99.9 of single appends over a long run, database checkpoints included
"""

from __future__ import annotations

import gc
import hashlib
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from benchmarks import _writers
from governance.batch import EventDraft
from governance.events import (
    Actor,
    EntryActivated,
    EntryApproved,
    EntryProposed,
    EntryVerified,
    FactBody,
    MemoryRecalled,
    OutcomeRecorded,
    Payload,
    SourceIngested,
    Span,
    Status,
    VerifierResult,
    content_digest,
)
from governance.ledger import Ledger
from governance.merkle import inclusion_proof, leaf_hash
from governance.projection import STATUS_TYPES
from governance.proof import build_proof
from governance.store.engine import CONFIG

AGENT = Actor(kind="agent", id="desk")
POLICY = Actor(kind="policy", id="default")
VERIFIERS = Actor(kind="system", id="verifiers")
_INSERT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
PER_ENTRY = 5
"""Events an entry of the long log goes through: its life, and one question that used it."""


def run(*, quick: bool) -> dict[str, float]:
    """All figures; see the module docstring."""
    figures: dict[str, float] = {}
    with _folder() as folder:
        figures |= _single(folder, rounds=300 if quick else 2_000)
        figures |= _batches(folder, batches=10 if quick else 60)
        figures |= _writers.measure(folder, seconds=2.0 if quick else 6.0, rounds=1 if quick else 3)
        figures |= _long_log(folder, events=50_000 if quick else 1_000_000)
        if not quick:
            figures |= _stalls(folder, appends=60_000)
    return figures


# --- one append ------------------------------------------------------------------------


def _single(folder: Path, rounds: int) -> dict[str, float]:
    """Governed and bare appends in turn; the bare one writes the very bytes of the other."""
    governed, bare = [], []
    with Ledger.open(folder / "single", create=True) as ledger:
        ledger.append([_evidence()])
        connection = _bare(folder / "bare.duckdb")
        for number in range(rounds):
            drafts = [_proposal(f"e{number}")]
            governed.append(_timed(ledger.append, drafts))
            [row] = ledger.log.rows(ledger.head.seq, ledger.head.seq)  # type: ignore[attr-defined]
            values = list(vars(row).values())
            bare.append(_timed(connection.execute, _INSERT, values))
        connection.close()
    median = statistics.median(governed), statistics.median(bare)
    return {
        "single_append_ratio": median[0] / median[1],
        "single_append_ms": median[0] * 1e3,
        "bare_insert_ms": median[1] * 1e3,
        "bare_fsync_ms": _fsync_ms(folder),
    }


def _bare(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path), config=CONFIG)
    connection.execute(
        "CREATE TABLE event (seq BIGINT PRIMARY KEY, event_id VARCHAR NOT NULL UNIQUE,"
        " type VARCHAR NOT NULL, recorded_at_us BIGINT NOT NULL, subject VARCHAR NOT NULL,"
        " header BLOB NOT NULL, leaf BLOB NOT NULL, sealed BLOB, command VARCHAR)"
    )
    connection.execute("CHECKPOINT")
    return connection


def _fsync_ms(folder: Path) -> float:
    with (folder / "raw").open("ab", buffering=0) as file:

        def write() -> None:
            file.write(b"x" * 1_000)
            os.fdatasync(file.fileno())

        return statistics.median(_timed(write) for _ in range(200)) * 1e3


def _batches(folder: Path, batches: int) -> dict[str, float]:
    with Ledger.open(folder / "batch", create=True) as ledger:
        ledger.append([_evidence()])
        work = [list(_life(start, 1_000)) for start in range(0, batches * 1_000, 1_000)]
        seconds = _timed(lambda: [ledger.append(drafts) for drafts in work])
    return {"batch_events_per_s": batches * 1_000 / seconds}


# --- a long log ------------------------------------------------------------------------


def _long_log(folder: Path, events: int) -> dict[str, float]:
    home = folder / "long"
    with Ledger.open(home, create=True) as ledger:
        ledger.append([_evidence()])
        for start in range(0, events - 1_000, 1_000):
            ledger.append(list(_life(start, 1_000)))
            _progress(f"long log: {start + 1_000:,} of {events:,} events", start)
        size = ledger.head.seq
    figures = {"long_events": float(size), "open_1m_s": _best(lambda: Ledger.open(home).close())}
    with Ledger.open(home) as ledger:
        rng = random.Random(1)
        seqs = [rng.randint(1, size) for _ in range(500)]
        proofs = sorted(_timed(inclusion_proof, seq - 1, size, ledger.tile) for seq in seqs)
        figures["proof_ms"] = statistics.median(proofs) * 1e3
        figures["proof_p99_ms"] = proofs[-5] * 1e3
        files = [_timed(build_proof, ledger, seq) for seq in seqs]
        figures["proof_file_ms"] = statistics.median(files) * 1e3
        figures |= _state_at(ledger, size)
        figures["first_queue_s"] = _timed(lambda: ledger.state.queue(ledger.event(1).header.scope))
    figures |= _verification(home)
    figures |= _crashed(home)
    return figures


def _state_at(ledger: Ledger, size: int) -> dict[str, float]:
    """Ours: the state object and every entry's status. Bare: the best SQL of storage.md."""
    store = ledger.log.store  # type: ignore[attr-defined]
    connection = store._connection.cursor()  # noqa: SLF001  # the same open file
    sql = (
        "SELECT e.subject, e.seq, e.type FROM event e JOIN (SELECT max(seq) AS seq FROM event"
        " WHERE seq <= ? AND type IN (SELECT unnest(?)) GROUP BY subject) USING (seq)"
    )
    ours, bare = [], []
    for version in [size, size // 2, size * 9 // 10, size // 3, size]:
        ours.append(_timed(_statuses, ledger, version))
        bare.append(_timed(_rows, connection, sql, [version, list(STATUS_TYPES)]))
    ratios = [mine / other for mine, other in zip(ours, bare, strict=True)]
    return {
        "state_at_ratio": statistics.median(ratios),
        "state_at_ms": statistics.median(ours) * 1e3,
    }


def _statuses(ledger: Ledger, version: int) -> dict[str, Status]:
    return ledger.state_at(version).entries.statuses()


def _rows(connection: duckdb.DuckDBPyConnection, sql: str, values: list[object]) -> list[object]:
    return list(connection.execute(sql, values).fetchall())


def _verification(home: Path) -> dict[str, float]:
    """In a process of its own, whose memory is the verification's."""
    program = (
        "import re, sys, time; from pathlib import Path;"
        " from governance.ledger import verify_home;"
        " start = time.perf_counter();"
        " report = verify_home(Path(sys.argv[1]), payloads=sys.argv[2] == 'all');"
        " assert report.ok, report.problems;"
        " seconds = time.perf_counter() - start;"
        " peak = re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text());"
        " print(seconds, int(peak[1]) / 1024, report.events)"
    )
    figures = {}
    for what, name in (("headers", "verify"), ("all", "verify_payloads")):
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-c", program, str(home), what],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        seconds, rss_mb, events = map(float, done.stdout.split())
        figures[f"{name}_vs_sha256"] = _sha256_s(home) / seconds
        figures[f"{name}_rss_mb"] = rss_mb
        figures[f"{name}_events_per_s"] = events / seconds
    return figures


def _sha256_s(home: Path) -> float:
    """Seconds that one thread needs to hash all headers, already in memory."""
    with Ledger.open(home, read_only=True) as ledger:
        seconds, size = 0.0, ledger.head.seq
        for start in range(1, size + 1, 50_000):
            headers = [row.header for row in ledger.log.rows(start, start + 49_999)]  # type: ignore[attr-defined]
            gc.collect()
            seconds += _timed(list, map(leaf_hash, headers))
    return seconds


def _crashed(home: Path) -> dict[str, float]:
    """Opening after the owner was killed with 2,000 single appends in the write-ahead log."""
    program = (
        "import os, sys; from pathlib import Path; from governance.ledger import Ledger;"
        " from benchmarks.ledger import _proposal;"
        " ledger = Ledger.open(Path(sys.argv[1]));"
        " [ledger.append([_proposal(f'crash{n}')]) for n in range(2000)];"
        " os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(home)], check=False)  # noqa: S603
    return {"open_crashed_s": _timed(lambda: Ledger.open(home).close())}


def _stalls(folder: Path, appends: int) -> dict[str, float]:
    times = []
    with Ledger.open(folder / "stalls", create=True) as ledger:
        ledger.append([_evidence()])
        for number in range(appends):
            drafts = [_proposal(f"s{number}")]
            times.append(_timed(ledger.append, drafts))
            _progress(f"stalls: {number:,} of {appends:,} appends", number)
    times.sort()
    return {
        "stall_p999_ms": times[-len(times) // 1_000] * 1e3,
        "stall_p99_ms": times[-len(times) // 100] * 1e3,
        "stall_max_ms": times[-1] * 1e3,
    }


# --- what is written -------------------------------------------------------------------


def _evidence() -> EventDraft:
    text = "The deductible of claim C-17 is 300 EUR. " * 20
    digest = hashlib.sha256(text.encode()).hexdigest()
    return EventDraft(
        SourceIngested(
            source_id="s1", kind="transcript", name="call.jsonl", media_type="text/plain",
            sha256=digest, trust="customer", text=text,
        ),
        AGENT,
    )  # fmt: skip


def _proposal(name: str) -> EventDraft:
    return EventDraft(_proposed(name), AGENT)


def _proposed(name: str) -> EntryProposed:
    body = FactBody(
        topic=f"claim {name}", attribute="deductible", value="300 EUR",
        statement=f"The deductible of claim {name} is 300 EUR, as the customer said on the phone.",
    )  # fmt: skip
    return EntryProposed(
        entry_id=f"entry-{name}", version=1, body=body,
        spans=[Span(source_id="s1", start=0, end=40)],
    )  # fmt: skip


def _life(start: int, events: int) -> Iterator[EventDraft]:
    for number in range(start, start + events, PER_ENTRY):
        proposed = _proposed(str(number))
        digest = content_digest(proposed.body)
        entry = proposed.entry_id
        result = VerifierResult(verifier="grounding", version=1, outcome="pass")
        payloads: list[tuple[Payload, Actor]] = [
            (proposed, AGENT),
            (EntryVerified(entry_id=entry, version=1, results=[result], risk_ppm=100_000),
             VERIFIERS),
            (EntryApproved(entry_id=entry, version=1, content_digest=digest, reason_code="policy",
                           rule_id="low-risk"), POLICY),
            (EntryActivated(entry_id=entry, version=1), POLICY),
            (_use(number, entry), AGENT),
        ]  # fmt: skip
        yield from (EventDraft(payload, actor) for payload, actor in payloads)


def _use(number: int, entry: str) -> Payload:
    if number % 2:
        return OutcomeRecorded(
            task_id=f"t{number}", run_id="r", arm="both", question="What is the deductible?",
            answer="300 EUR", expected=["300 EUR"], exact=True, f1_ppm=1_000_000, origin="test",
        )  # fmt: skip
    return MemoryRecalled(
        recall_id=f"r{number}", purpose="answer", query="What is the deductible?", entries=[entry]
    )


# --- measuring -------------------------------------------------------------------------


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder on a real disk: memory file systems make every fsync free."""
    folder = Path(tempfile.mkdtemp(prefix="palimpsest-benchmark-", dir=os.environ.get("TMPDIR")))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _timed(work: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def _best(work: Callable[[], object], rounds: Sequence[int] = range(3)) -> float:
    return min(_timed(work) for _ in rounds)


def _progress(line: str, number: int) -> None:
    if number % 50_000 == 0:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"{line}, {peak} MB", file=sys.stderr, flush=True)
