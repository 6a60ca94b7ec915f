"""What only the DuckDB engine does: files, locks, formats, damage."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from governance.errors import SchemaVersionError, StoreBusyError, StoreError
from governance.merkle import LogRow, Tree, leaf_hash
from governance.store import DuckStore
from governance.store.engine import _opening_failed


def row(seq: int) -> LogRow:
    return LogRow(seq, f"id-{seq}", "t", seq, "s", b"h%d" % seq, leaf_hash(b"h%d" % seq), b"box")


@pytest.fixture
def path(fast_path: Path) -> Path:
    return fast_path / "ledger.duckdb"


def write(path: Path, rows: int = 3) -> None:
    store = DuckStore(path, create=True)
    store.append([row(seq) for seq in range(1, rows + 1)], [])
    store.close()


def raw(path: Path, *statements: str) -> None:
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_rows_survive_reopening_in_both_modes(path: Path) -> None:
    write(path)
    for read_only in (False, True):
        store = DuckStore(path, read_only=read_only)
        assert [one.seq for one in store.read(1, 9)] == [1, 2, 3]
        store.close()


def test_blocks_are_in_order_however_the_rows_lie_in_the_file(path: Path) -> None:
    write(path, rows=5)
    raw(
        path,
        "CREATE TABLE aside AS SELECT * FROM event",
        "DELETE FROM event",
        "CHECKPOINT",
        "INSERT INTO event SELECT * FROM aside ORDER BY seq DESC",
    )
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT seq FROM event").fetchall()[0] == (5,)
    store = DuckStore(path, read_only=True)
    blocks = list(store.blocks(3, sealed=True))
    store.close()
    assert [list(block.seqs) for block in blocks] == [[1, 2, 3], [4, 5]]
    assert [one for block in blocks for one in block.rows()] == [row(seq) for seq in range(1, 6)]


def test_read_only_writes_nothing(path: Path) -> None:
    write(path)
    before = path.read_bytes()
    store = DuckStore(path, read_only=True)
    with pytest.raises(StoreError, match="refused the append"):
        store.append([row(4)], [])
    assert store.size() == 3
    store.close()
    assert path.read_bytes() == before
    store = DuckStore(path)
    store.append([row(4)], [])
    assert store.size() == 4
    store.close()


def test_unclosed_file_is_whole_for_the_next_reader(path: Path, fast_path: Path) -> None:
    """The write-ahead log is replayed, for writing and for reading only."""
    write(path)
    store = DuckStore(path)
    store.append([row(4)], [])
    for name, read_only in (("a", True), ("b", False)):
        copy = fast_path / f"{name}.duckdb"
        copy.write_bytes(path.read_bytes())
        copy.with_suffix(".duckdb.wal").write_bytes(path.with_suffix(".duckdb.wal").read_bytes())
        reader = DuckStore(copy, read_only=read_only)
        assert reader.size() == 4
        reader.close()
    store.close()


def test_what_is_no_ledger_is_refused_in_one_line(path: Path, fast_path: Path) -> None:
    with pytest.raises(StoreError, match="is missing"):
        DuckStore(path)
    path.write_bytes(b"text" * 5_000)
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        DuckStore(path)
    assert "\n" not in str(caught.value)
    path.unlink()
    raw(path, "CREATE TABLE other (x INTEGER)")
    with pytest.raises(StoreError, match="is not a ledger"):
        DuckStore(path)
    path.unlink()
    write(path)
    DuckStore(path).close()
    with pytest.raises(StoreError, match="may not hold"):
        DuckStore(fast_path / "what?" / "ledger.duckdb", create=True)


def test_formats(path: Path) -> None:
    write(path)
    raw(path, "UPDATE meta SET value = '3' WHERE name = 'format'")
    with pytest.raises(SchemaVersionError, match="format 3") as caught:
        DuckStore(path)
    assert "newer" in caught.value.hint
    for value in ("'0'", "'x'", "''"):
        raw(path, f"UPDATE meta SET value = {value} WHERE name = 'format'")
        with pytest.raises(StoreError, match="format"):
            DuckStore(path)
    raw(path, "DELETE FROM meta")
    with pytest.raises(StoreError, match="no format number"):
        DuckStore(path)
    raw(path, "INSERT INTO meta VALUES ('format', '2')")
    DuckStore(path).close()


def test_who_is_in_the_way_decides_the_error(path: Path) -> None:
    """The engine's texts, as DuckDB 2.0 writes them; the real ones are met in subprocesses."""
    busy = duckdb.IOException('IO Error: Could not set lock on file "x": Conflicting lock')
    denied = duckdb.IOException('IO Error: Cannot open file "x": Permission denied')
    other = duckdb.IOException("IO Error: broken\nmore")
    assert type(_opening_failed(path, busy)) is StoreBusyError
    assert "permissions" in _opening_failed(path, denied).hint
    assert str(_opening_failed(path, other)).endswith("IO Error: broken")


def test_damaged_logs_are_read_as_they_are(path: Path) -> None:
    """Gaps and strange numbers must reach the checker, not be skipped or loop for ever."""
    write(path, rows=5)
    raw(
        path,
        "DELETE FROM event WHERE seq = 2",
        "UPDATE event SET seq = -7 WHERE seq = 3",
        f"UPDATE event SET seq = {2**62} WHERE seq = 5",
    )
    store = DuckStore(path)
    seqs = [one.seq for one in store.read(-(2**63) + 1, 2**63 - 1)]
    assert seqs == [-7, 1, 4, 2**62]
    assert store.size() == 2**62
    store.close()


def test_a_closed_or_broken_engine_raises_our_errors(path: Path) -> None:
    write(path)
    store = DuckStore(path)
    assert store.size() == 3
    store.close()
    for call in (
        store.size,
        lambda: list(store.read(1, 2)),
        lambda: list(store.tiles()),
        lambda: store.tree(3),
        lambda: store.command("0" * 24),
        lambda: store.fingerprint("s", 1, 2),
        lambda: store.replace_mentions([]),
        lambda: store.append([row(4)], []),
    ):
        with pytest.raises(StoreError):
            call()


def test_a_checkpoint_that_fails_is_harmless(path: Path) -> None:
    write(path)
    store = DuckStore(path)
    store._connection.close()
    store.checkpoint()
    assert store.size() == 3  # opened anew
    store.checkpoint()
    store.close()


def test_a_process_out_of_files_gets_an_error_and_lives(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> int:
        raise OSError(24, "Too many open files")

    write(path)
    with monkeypatch.context() as patch:
        patch.setattr("governance.store.engine.os.open", exhausted)
        with pytest.raises(StoreError, match="Too many open files") as caught:
            DuckStore(path)
        assert "ulimit" in caught.value.hint
    DuckStore(path).close()


def test_events_cannot_be_stored_without_their_number_being_next_to_the_tree(path: Path) -> None:
    """A lost leaf makes the rebuilt tree differ, it is not papered over."""
    write(path, rows=5)
    store = DuckStore(path)
    tree = Tree()
    tree.extend(row(seq).leaf for seq in range(1, 6))
    assert store.tree(5).root() == tree.root()
    store.close()
    raw(path, "DELETE FROM event WHERE seq = 2")
    store = DuckStore(path)
    assert store.tree(5).root() != tree.root()
    store.close()
