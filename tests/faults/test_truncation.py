"""Files cut short. Bare DuckDB opens a cut write-ahead log cleanly, with fewer rows: we must
be complete or refuse, never silently shorter."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from governance.errors import CheckpointError, PalimpsestError, SealError, StoreError
from governance.home import DATABASE, KEYS
from governance.ledger import Head, Ledger, verify_home
from tests.faults.crash_child import drafts_of

WAL = f"{DATABASE}.wal"
COMMANDS = 6


@dataclass(frozen=True)
class Snapshot:
    """A home as it lies on disk while its owner is running: its last appends are in the WAL."""

    home: Path
    head: Head
    wal: bytes
    ends: tuple[int, ...]
    """Length of the WAL after each append."""


@pytest.fixture(scope="module")
def snapshot(fast_root: Path) -> Snapshot:
    folder = fast_root / "truncation"
    ends = []
    with Ledger.open(folder / "home", create=True) as ledger:
        for command in range(COMMANDS):
            ledger.append(drafts_of(command))
            ends.append((folder / "home" / WAL).stat().st_size)
        shutil.copytree(folder / "home", folder / "copy")
        head = ledger.head
    wal = (folder / "copy" / WAL).read_bytes()
    assert len(wal) == ends[-1]
    return Snapshot(folder / "copy", head, wal, tuple(ends))


@pytest.fixture
def victim(snapshot: Snapshot, fast_path: Path) -> Path:
    shutil.copytree(snapshot.home, fast_path / "home")
    return fast_path / "home"


def contents(home: Path) -> dict[Path, bytes]:
    """Every byte of a home. DuckDB removes a write-ahead log that is empty."""
    found = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    return {path: data for path, data in found.items() if data or path.name != WAL}


def outcome(home: Path, snapshot: Snapshot) -> str:
    """``whole``, or why it was refused; anything else fails the test."""
    pristine = contents(home)
    try:
        report = verify_home(home)
        noticed = not report.ok
    except PalimpsestError:
        noticed = True
    assert contents(home) == pristine
    refusal: PalimpsestError
    try:
        with Ledger.open(home) as ledger:
            assert ledger.head == snapshot.head, "silently shorter"
            assert ledger.verify().ok
            assert not noticed
    except (CheckpointError, StoreError, SealError) as error:
        refusal = error
    else:
        return "whole"
    assert contents(home) == pristine  # not a byte was written, the cut log included
    assert "\n" not in str(refusal)
    if isinstance(refusal, CheckpointError):
        assert "behind the checkpoint" in str(refusal)
        assert noticed
        return "behind"
    return "refused"


def cut_at(victim: Path, snapshot: Snapshot, length: int, scratch: Path) -> str:
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(victim, scratch)
    (scratch / WAL).write_bytes(snapshot.wal[:length])
    return outcome(scratch, snapshot)


def raw_rows(home: Path, wal: bytes, scratch: Path) -> int:
    """How many events bare DuckDB finds, without complaint."""
    scratch.mkdir()
    shutil.copy(home / DATABASE, scratch / DATABASE)
    (scratch / WAL).write_bytes(wal)
    with duckdb.connect(str(scratch / DATABASE)) as connection:
        return int(connection.execute("SELECT count(*) FROM event").fetchall()[0][0])


def test_control_the_uncut_snapshot_is_whole_and_bare_duckdb_hides_a_cut(
    victim: Path, snapshot: Snapshot, fast_path: Path
) -> None:
    assert cut_at(victim, snapshot, len(snapshot.wal), fast_path / "scratch") == "whole"
    assert raw_rows(victim, snapshot.wal, fast_path / "a") == snapshot.head.seq
    cut = snapshot.wal[: snapshot.ends[-2] + 20]
    assert raw_rows(victim, cut, fast_path / "b") == snapshot.head.seq - 2


def test_a_cut_write_ahead_log_is_refused_as_behind(
    victim: Path, snapshot: Snapshot, fast_path: Path
) -> None:
    *_, before, last = snapshot.ends
    inside = range(before + 1, last, max((last - before) // 12, 1))
    found = {
        cut: cut_at(victim, snapshot, cut, fast_path / "scratch")
        for cut in {0, 1, snapshot.ends[0], before - 1, before, *inside, last - 1}
    }
    assert found[before] == "behind"
    assert found[0] in {"behind", "refused"}
    assert set(found.values()) <= {"behind", "refused"}
    assert "behind" in found.values()


@pytest.mark.long
def test_a_write_ahead_log_cut_at_every_byte_of_its_last_records(
    victim: Path, snapshot: Snapshot, fast_path: Path
) -> None:
    for cut in range(snapshot.ends[-3], snapshot.ends[-1]):
        assert cut_at(victim, snapshot, cut, fast_path / "scratch") != "whole", cut


def test_a_deleted_write_ahead_log_is_refused(victim: Path, snapshot: Snapshot) -> None:
    (victim / WAL).unlink()
    assert outcome(victim, snapshot) == "behind"
    (victim / WAL).write_bytes(snapshot.wal)
    assert outcome(victim, snapshot) == "whole"


@pytest.mark.parametrize("part", [DATABASE, KEYS])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.999])
def test_a_cut_file_is_refused_or_had_nothing_there(
    victim: Path, snapshot: Snapshot, part: str, share: float
) -> None:
    data = (victim / part).read_bytes()
    (victim / part).write_bytes(data[: int(len(data) * share)])
    found = outcome(victim, snapshot)
    assert found == "refused" or (part == DATABASE and share > 0.5 and found == "whole")
