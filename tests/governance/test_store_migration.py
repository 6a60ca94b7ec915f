"""Homes of format 1 become homes of format 2 whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Self

import duckdb
import pytest

from governance.errors import ChainError, PalimpsestError, SealError, StoreError
from governance.events import LedgerThawed
from governance.home import DATABASE
from governance.ledger import Ledger, OwnedLog, verify_home
from governance.store import DuckStore, migration
from tests.golden.regenerate import FOLDER, plain, unpack
from tests.governance.drafts import append

ARCHIVE = FOLDER / "home-format-1.tar.gz"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "home-format-1.json").read_text("utf-8"))


@pytest.fixture
def old(fast_path: Path) -> Path:
    return unpack(fast_path / 'it\'s "old"', ARCHIVE)


def format_of(home: Path) -> str:
    with duckdb.connect(str(home / DATABASE), read_only=True) as connection:
        [(found,)] = connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchall()
    return str(found)


def contents(home: Path) -> tuple[int, str, dict[str, Any]]:
    with Ledger.open(home, read_only=True) as ledger:
        return ledger.head.seq, ledger.head.root, plain(ledger.state)


class Killed(BaseException):
    """Nothing but a test catches it, like a kill."""


def test_a_home_is_migrated_when_it_is_opened_for_writing(old: Path) -> None:
    before = contents(old)
    assert before[:2] == (EXPECTED["head"], EXPECTED["root"])
    assert format_of(old) == "1"
    Ledger.open(old).close()
    assert format_of(old) == "2"
    assert contents(old) == before
    assert verify_home(old).ok
    assert not list(old.glob("*.migrating*"))
    with duckdb.connect(str(old / DATABASE), read_only=True) as connection:
        tables = {row[0] for row in connection.execute("SHOW TABLES").fetchall()}
    assert tables == {"meta", "event", "tile", "mention"}


class Dying:
    """A connection that is killed before its statement number ``last``."""

    def __init__(self, connection: Any, last: int) -> None:
        self._connection, self._left = connection, last

    def execute(self, sql: str) -> None:
        if self._left == 0:
            raise Killed
        self._left -= 1
        self._connection.execute(sql)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


STATEMENTS = 8


@pytest.mark.parametrize("last", range(STATEMENTS + 4))
def test_a_kill_at_any_step_leaves_a_home_that_opens(
    old: Path, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(old)
    connect, replaced, synced = duckdb.connect, Path.replace, migration.synced

    def dying(path: str, **options: Any) -> Any:
        made = connect(path, **options)
        return Dying(made, last) if path.endswith(".migrating") else made

    def kill_before_rename(self: Path, target: Path) -> Path:
        if last == STATEMENTS + 1:
            raise Killed
        found = replaced(self, target)
        if last == STATEMENTS + 2:
            raise Killed
        return found

    def kill_before_sync(path: Path) -> Path:
        if last == STATEMENTS and path.name.endswith(".migrating"):
            raise Killed
        return synced(path)

    def kill_before_projecting(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("governance.store.migration.duckdb.connect", dying)
        patch.setattr(Path, "replace", kill_before_rename)
        patch.setattr(migration, "synced", kill_before_sync)
        patch.setattr(DuckStore, "replace_mentions", kill_before_projecting)
        with pytest.raises(Killed):
            Ledger.open(old)
    moved = last >= STATEMENTS + 2
    assert format_of(old) == ("2" if moved else "1")
    assert verify_home(old).ok
    assert contents(old) == before  # read as it was left, projections or not
    with Ledger.open(old) as ledger:
        assert (ledger.head.seq, ledger.head.root) == before[:2]
        assert plain(ledger.state) == before[2]
        append(ledger, LedgerThawed(reason="after the kill"))
        assert ledger.verify().ok
    assert format_of(old) == "2"
    assert not list(old.glob("*.migrating*"))


def test_a_migration_that_fails_leaves_the_old_home(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(old)

    def full(_: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(migration, "synced", full)
        with pytest.raises(StoreError, match="brought up to the present format") as caught:
            Ledger.open(old)
        assert "\n" not in str(caught.value)
    assert format_of(old) == "1"
    assert contents(old) == before
    (old / f"{DATABASE}.migrating").unlink()
    (old / f"{DATABASE}.migrating").mkdir()  # in the way, and not to be removed
    with pytest.raises(StoreError, match="brought up"):
        Ledger.open(old)
    (old / f"{DATABASE}.migrating").rmdir()
    Ledger.open(old).close()


def test_an_unsigned_tail_survives_the_migration(old: Path) -> None:
    """Killed between commit and checkpoint by the version that wrote format 1."""
    log = old / "checkpoints" / "checkpoints.log"
    notes = log.read_bytes().split(b"\n\n")
    log.write_bytes(b"\n\n".join(notes[: 2 * (len(notes) // 4)]) + b"\n\n")
    report = verify_home(old)
    assert report.ok
    assert report.unsigned > 3
    with Ledger.open(old, read_only=True) as ledger:
        assert plain(ledger.state) == plain_of_copy(old)
    with Ledger.open(old) as ledger:
        assert ledger.head.seq == EXPECTED["head"] + 1
        assert ledger.event(EXPECTED["head"] + 1).header.type == "ledger.recovered"
        state, log_ = plain(ledger.state), ledger.log
        assert isinstance(log_, OwnedLog)
        assert log_.rebuild_projections() == len(log_.projected())
        assert plain(ledger.state) == state
        assert ledger.verify().ok


def plain_of_copy(home: Path) -> dict[str, Any]:
    copy = home.parent / "copy"
    shutil.copytree(home, copy)
    with Ledger.open(copy) as ledger:
        return plain(ledger.state_at(EXPECTED["head"]))


@pytest.mark.parametrize(
    ("change", "begins"),
    [
        ("UPDATE event SET header = 'no json'::BLOB WHERE seq = 7", "event 7:"),
        ("UPDATE event SET header = unhex('ff') WHERE seq = 7", "event 7:"),
        ("UPDATE event SET subject = 'entry:x' WHERE seq = 7", "event 7:"),
        ("DELETE FROM sealed WHERE seq = 7", "event 7:"),
        ("UPDATE sealed SET box = unhex('02ff') WHERE seq = 7", "event 7:"),
        ("DELETE FROM event WHERE seq = 7", "event 7 is missing"),
    ],
)
def test_damage_is_named_before_and_after_the_migration(
    old: Path, change: str, begins: str
) -> None:
    with duckdb.connect(str(old / DATABASE)) as connection:
        connection.execute(change)
    assert verify_home(old).problems[0].startswith(begins)
    with pytest.raises(PalimpsestError):
        read_all(old, read_only=True)
    with pytest.raises((ChainError, SealError, StoreError)):
        read_all(old, read_only=False)
    assert verify_home(old).problems[0].startswith(begins)


def read_all(home: Path, *, read_only: bool) -> None:
    with Ledger.open(home, read_only=read_only) as ledger:
        list(ledger.events())


def test_format_1_without_its_tables_is_no_ledger(fast_path: Path) -> None:
    path = fast_path / "x.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE meta (name VARCHAR, value VARCHAR)")
        connection.execute("INSERT INTO meta VALUES ('format', '1')")
    for read_only in (True, False):
        with pytest.raises(StoreError):
            DuckStore(path, read_only=read_only)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM meta").fetchall() == [(1,)]
