"""A tail that is gone: behind its checkpoint, so refused, and not a byte is written (test 4).

The write-ahead log cut at every byte of its last record, the database cut, emptied or put back
from an old copy, the checkpoint file cut, emptied or missing.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from governance.errors import CheckpointError, PalimpsestError, StoreError
from governance.events import RoleGranted
from governance.home import CHECKPOINTS, DATABASE
from governance.ledger import Head, Ledger, verify_home
from tests.faults import clients
from tests.governance.drafts import append

WAL = f"{DATABASE}.wal"
NOTES = f"{CHECKPOINTS}/checkpoints.log"
COMMANDS = 5
OURS = {"owner.lock", WAL}
"""Not compared: who looked last, and a log that is empty (DuckDB removes it)."""


@dataclass(frozen=True)
class Snapshot:
    """A home as it lies on disk while its owner is running: its last appends are in the WAL."""

    home: Path
    older: Path
    """The same home, closed, before the last appends."""
    head: Head
    wal: bytes
    ends: tuple[int, ...]
    """Length of the WAL after each append."""


@pytest.fixture(scope="module")
def snapshot(fast_root: Path) -> Snapshot:
    folder = fast_root / "tails"
    home = folder / "home"
    with Ledger.open(home, create=True) as ledger:
        clients.run(ledger, 0)
    shutil.copytree(home, folder / "older")
    ends = []
    with Ledger.open(home) as ledger:
        for command in range(1, COMMANDS):
            clients.run(ledger, command)
            ends.append((home / WAL).stat().st_size)
        append(ledger, RoleGranted(principal="last", role="reviewer"))  # as short as can be
        ends.append((home / WAL).stat().st_size)
        shutil.copytree(home, folder / "copy")
        head = ledger.head
    wal = (folder / "copy" / WAL).read_bytes()
    assert len(wal) == ends[-1]
    return Snapshot(folder / "copy", folder / "older", head, wal, tuple(ends))


@pytest.fixture
def victim(snapshot: Snapshot, fast_path: Path) -> Path:
    return Path(shutil.copytree(snapshot.home, fast_path / "home"))


def contents(home: Path) -> dict[str, bytes]:
    """Every byte of a home that is the owner's to change."""
    found = {path.name: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if name not in OURS or len(data) > 300}


def refusal(home: Path) -> PalimpsestError:
    """Why the home is refused for work: nothing is written, and verify says it as well."""
    before = contents(home)
    with pytest.raises(PalimpsestError) as caught:
        Ledger.open(home, patience_s=0).close()
    assert contents(home) == before, "a home that was refused was changed"
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    with suppress(StoreError):  # it does not open at all
        assert not verify_home(home).ok, "verify does not see what opening refused"
    assert contents(home) == before
    return caught.value


def check_whole(home: Path, snapshot: Snapshot) -> None:
    """Control: nothing is missing."""
    with Ledger.open(home, read_only=True) as ledger:
        assert ledger.head == snapshot.head
        assert ledger.verify().ok


# --- the write-ahead log -----------------------------------------------------------------


def refused(home: Path, snapshot: Snapshot, lengths: Iterable[int]) -> Counter[str]:
    """Open the home with its WAL cut to each length; how it is refused, by how often."""
    found: Counter[str] = Counter()
    for length in lengths:
        (home / WAL).write_bytes(snapshot.wal[:length])
        with pytest.raises((CheckpointError, StoreError)) as caught:
            Ledger.open(home, read_only=True)
        behind = isinstance(caught.value, CheckpointError)
        assert not behind or "behind the checkpoint" in str(caught.value)
        found["behind" if behind else "unreadable"] += 1
    (home / WAL).write_bytes(snapshot.wal)
    check_whole(home, snapshot)
    return found


def rows_of(home: Path, bare: duckdb.DuckDBPyConnection) -> int:
    """How many events bare DuckDB finds, without complaint."""
    bare.execute(f"ATTACH '{home / DATABASE}' AS cut (READ_ONLY)")
    [(rows,)] = bare.execute("SELECT count(*) FROM cut.event").fetchall()
    bare.execute("DETACH cut")
    return int(rows)


def test_the_log_cut_at_every_byte_of_its_last_record(victim: Path, snapshot: Snapshot) -> None:
    """Bare DuckDB opens each of these without complaint, an event short. The ledger refuses what
    is shorter than its checkpoint: at the first and last bytes, and at every tenth between."""
    before, whole = snapshot.ends[-2:]
    with duckdb.connect() as bare:
        assert rows_of(victim, bare) == snapshot.head.seq
        for length in range(before, whole):
            (victim / WAL).write_bytes(snapshot.wal[:length])
            assert rows_of(victim, bare) == snapshot.head.seq - 1, length
    middle = range(before + 20, whole - 20, 10)
    lengths = [*range(before, before + 20), *middle, *range(whole - 20, whole)]
    assert refused(victim, snapshot, lengths) == Counter(behind=len(lengths))


@pytest.mark.long
def test_the_log_cut_at_every_byte(victim: Path, snapshot: Snapshot) -> None:
    """As above, with the ledger itself, for all records; cut before its header is complete, the
    log is no log."""
    found = refused(victim, snapshot, range(len(snapshot.wal)))
    assert found["behind"] > found["unreadable"]


@pytest.mark.parametrize("back", [0, 1, 40])
def test_a_cut_log_is_refused_for_work_and_not_repaired(
    victim: Path, snapshot: Snapshot, back: int
) -> None:
    """DuckDB would cut a torn log to size when it opens it: the evidence has to stay."""
    cut = snapshot.wal[: snapshot.ends[-2 if back == 0 else -1] - back]
    (victim / WAL).write_bytes(cut)
    error = refusal(victim)
    assert "behind the checkpoint" in str(error)
    assert (victim / WAL).read_bytes() == cut
    (victim / WAL).write_bytes(snapshot.wal)
    check_whole(victim, snapshot)


# --- the database ------------------------------------------------------------------------


@pytest.mark.parametrize("keep_log", [True, False])
def test_an_old_database_put_back_is_behind(
    victim: Path, snapshot: Snapshot, *, keep_log: bool
) -> None:
    new = (victim / DATABASE).read_bytes()
    shutil.copy(snapshot.older / DATABASE, victim / DATABASE)
    if not keep_log:
        (victim / WAL).unlink()
        assert "behind the checkpoint" in str(refusal(victim))
    else:  # the log fits the old file, which it was begun on: then nothing is missing
        check_whole(victim, snapshot)
    (victim / DATABASE).write_bytes(new)
    (victim / WAL).write_bytes(snapshot.wal)
    check_whole(victim, snapshot)


def test_a_database_without_events_is_behind(
    victim: Path, snapshot: Snapshot, fast_path: Path
) -> None:
    Ledger.open(fast_path / "fresh", create=True).close()
    shutil.copy(fast_path / "fresh" / DATABASE, victim / DATABASE)
    (victim / WAL).unlink()
    error = refusal(victim)
    assert f"ends at event 0, behind the checkpoint signed at {snapshot.head.seq}" in str(error)
    assert "restore" in error.hint


@pytest.mark.parametrize("size", [0, 1, 4_096, 12_288, 100_000])
def test_a_database_cut_or_emptied_is_refused(victim: Path, size: int) -> None:
    data = (victim / DATABASE).read_bytes()
    assert size < len(data)
    (victim / DATABASE).write_bytes(data[:size])
    (victim / WAL).unlink()
    assert isinstance(refusal(victim), CheckpointError | StoreError)


# --- the checkpoint file -----------------------------------------------------------------


def test_no_checkpoint_is_no_proof(victim: Path, snapshot: Snapshot) -> None:
    notes = (victim / NOTES).read_bytes()
    for left in (b"", notes[:30]):
        (victim / NOTES).write_bytes(left)
        assert "no signed checkpoint" in str(refusal(victim))
    (victim / NOTES).write_bytes(notes)
    check_whole(victim, snapshot)


def test_a_missing_checkpoint_file_is_not_made_anew(victim: Path, snapshot: Snapshot) -> None:
    """Beside one that is empty: what opening leaves of it proves nothing either."""
    notes = (victim / NOTES).read_bytes()
    (victim / NOTES).unlink()
    for _ in range(2):
        with pytest.raises(CheckpointError, match="no signed checkpoint"):
            Ledger.open(victim)
        assert not verify_home(victim).ok
    (victim / NOTES).write_bytes(notes)
    check_whole(victim, snapshot)


def test_checkpoints_cut_at_every_byte_of_the_last_one(victim: Path, snapshot: Snapshot) -> None:
    """Then the events are ahead of the last whole checkpoint: they are checked one by one,
    signed again, and ``ledger.recovered`` says so. None is thrown away."""
    notes = (victim / NOTES).read_bytes()
    last = notes.rindex(b"palimpsest/", 0, notes.rindex(b"\n\n", 0, len(notes) - 2))
    for cut in range(last, len(notes), 9):
        (victim / NOTES).write_bytes(notes[:cut])
        report = verify_home(victim)
        assert report.ok, (cut, report.problems)
        assert report.unsigned == 1
    (victim / NOTES).write_bytes(notes[: last + 20])
    with Ledger.open(victim) as ledger:
        assert ledger.head.seq == snapshot.head.seq + 1
        assert ledger.event(ledger.head.seq).header.type == "ledger.recovered"
        assert ledger.verify().ok
    clients.check_kept(victim, {1: (3, 4), COMMANDS - 1: (9, 10)}, range(COMMANDS))


def test_old_checkpoints_put_back_lose_nothing(victim: Path, snapshot: Snapshot) -> None:
    shutil.copy(snapshot.older / NOTES, victim / NOTES)
    report = verify_home(victim)
    assert report.unsigned == snapshot.head.seq - clients.PER_COMMAND
    clients.check_kept(victim, {0: (1, 2), 1: (3, 4)}, range(COMMANDS))
