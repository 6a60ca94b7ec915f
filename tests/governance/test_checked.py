"""Opening and reading: what is believed, what is recorded beside the database, what is refused."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from governance import checked as checking
from governance import log as logs
from governance.canonical import decode, encode
from governance.errors import ChainError, LedgerError, SchemaVersionError, SealError, StoreError
from governance.events import MemoryRecalled, RoleGranted
from governance.home import CHECKPOINTS, DATABASE, KEYS
from governance.keystore import Fingerprint, Keystore
from governance.ledger import EventDraft, Ledger, OwnedLog, verify_home
from governance.merkle import LogRow, leaf_hash
from governance.store import DuckStore
from tests.governance.drafts import StepClock, append, draft, life, source


def role(name: object) -> EventDraft:
    return draft(RoleGranted(principal=f"human:p{name}", role="reviewer"))


def used(number: int) -> EventDraft:
    return draft(
        MemoryRecalled(recall_id=f"r{number}", purpose="answer", query="?", entries=["e1"])
    )


def owned(ledger: Ledger) -> OwnedLog:
    assert isinstance(ledger.log, OwnedLog)
    return ledger.log


def recorded(home: Path) -> Fingerprint | None:
    keys = Keystore(home / KEYS, read_only=True)
    found = keys.fingerprint()
    keys.close()
    return found


def forget(home: Path, value: bytes | None = None) -> None:
    with sqlite3.connect(home / KEYS) as database:
        if value is None:
            database.execute("DELETE FROM secret WHERE name = 'fingerprint'")
        else:
            database.execute("UPDATE secret SET value = ? WHERE name = 'fingerprint'", (value,))
    database.close()


@pytest.fixture
def filled(home: Path) -> Path:
    with Ledger.open(home, create=True, clock=StepClock()) as ledger:
        append(ledger, source())
        ledger.append(life())
        ledger.append([used(1), role(1)])
    return home


class Reads:
    """How many rows an opening looked at one by one."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.seqs: list[int] = []
        original = checking.CheckedLog._mentions_of_row

        def counted(log: checking.CheckedLog, row: LogRow) -> Any:
            self.seqs.append(row.seq)
            return original(log, row)

        patch.setattr(checking.CheckedLog, "_mentions_of_row", counted)


# --- the fingerprint ---------------------------------------------------------------------


def test_a_fingerprint_spares_looking_at_every_event(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recorded(filled) == replace(recorded(filled) or Fingerprint(0, "", ""), seq=7)
    reads = Reads(monkeypatch)
    Ledger.open(filled).close()
    assert reads.seqs == []
    forget(filled)
    with Ledger.open(filled, read_only=True) as ledger:
        assert len(ledger.state.recalls["e1"]) == 1
    assert reads.seqs == [1, 2, 3, 4, 5, 6, 7]
    assert recorded(filled) is None  # who only reads records nothing


def test_what_was_found_by_looking_is_recorded_though_nothing_follows(filled: Path) -> None:
    before = recorded(filled)
    assert before is not None
    forget(filled)
    Ledger.open(filled).close()
    assert recorded(filled) == before


def test_another_version_of_the_engine_looks_again(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Reads(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(DuckStore, "engine", "duckdb 99")
        Ledger.open(filled).close()
        assert len(reads.seqs) == 7
        found = recorded(filled)
        assert found is not None
        assert found.engine == "duckdb 99"
    Ledger.open(filled).close()
    assert len(reads.seqs) == 14
    Ledger.open(filled).close()
    assert len(reads.seqs) == 14


def test_events_after_the_last_record_are_looked_at(
    filled: Path, monkeypatch: pytest.MonkeyPatch, fast_path: Path
) -> None:
    """As after a crash."""
    copy = fast_path / "keys"
    copy.write_bytes((filled / KEYS).read_bytes())
    with Ledger.open(filled) as ledger:
        ledger.append([used(2), role(2)])
    (filled / KEYS).write_bytes(copy.read_bytes())
    reads = Reads(monkeypatch)
    with Ledger.open(filled) as ledger:
        assert reads.seqs == [8, 9]
        assert len(ledger.state.recalls["e1"]) == 2
    found = recorded(filled)
    assert found is not None
    assert found.seq == 9


def test_a_long_running_owner_records_now_and_then(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "RECORD_EVERY", 5)
    with Ledger.open(filled) as ledger:
        seen = []
        for number in range(12):
            ledger.append([used(number)])
            found = recorded(filled)
            assert found is not None
            seen.append(found.seq)
        assert seen == [7, 7, 7, 7, 12, 12, 12, 12, 12, 17, 17, 17]
        owned(ledger).tidy()
        found = recorded(filled)
        assert found is not None
        assert found.seq == 19
    with Ledger.open(filled) as ledger:
        assert len(ledger.state.recalls["e1"]) == 13


def test_a_record_that_cannot_be_written_costs_only_time(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Keystore, "record_fingerprint", full)
        with Ledger.open(filled) as ledger:
            ledger.append([role(2)])
    found = recorded(filled)
    assert found is not None
    assert found.seq == 7
    with Ledger.open(filled) as ledger:
        assert ledger.head.seq == 8


@pytest.mark.parametrize("value", [b"7|duckdb", b"x|duckdb 2|1", b"\xff"])
def test_a_record_that_was_altered_is_named(filled: Path, value: bytes) -> None:
    forget(filled, value)
    with pytest.raises(StoreError, match="fingerprint in the keystore was altered"):
        Ledger.open(filled)
    forget(filled)
    Ledger.open(filled).close()


def test_another_value_is_another_database(filled: Path) -> None:
    found = recorded(filled)
    assert found is not None
    forget(filled, f"7|{found.engine}|{int(found.value) + 1}".encode())
    with pytest.raises(ChainError, match="changed from outside"):
        Ledger.open(filled)
    with Ledger.open(filled, read_only=True, distrust=True) as ledger:
        assert ledger.head.seq == 7


# --- rows that are missing ---------------------------------------------------------------


@pytest.mark.parametrize("gone", [1, 100, 255, 256])
def test_a_row_of_a_complete_tile_is_missed_without_a_fingerprint(home: Path, gone: int) -> None:
    """The root does not need it, and no other row is altered."""
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(n) for n in range(256)])
    log = home / CHECKPOINTS / "checkpoints.log"
    kept = log.read_bytes()
    with Ledger.open(home) as ledger:
        ledger.append([role("after")])
    if gone == 256:
        log.write_bytes(kept)  # the last one that is signed
    forget(home)
    Ledger.open(home, read_only=True).close()
    with duckdb.connect(str(home / DATABASE)) as connection:
        connection.execute("DELETE FROM event WHERE seq = ?", [gone])
    with pytest.raises(ChainError, match=f"event {gone} is missing"):
        Ledger.open(home)
    assert verify_home(home).problems[0].startswith(f"event {gone} is missing")


# --- the tail ----------------------------------------------------------------------------


def cut_notes(home: Path, *, events: int) -> None:
    """As a crash leaves it that came before the last checkpoints."""
    log = home / CHECKPOINTS / "checkpoints.log"
    parts = log.read_bytes().split(b"\n\n")
    pairs = [parts[at : at + 2] for at in range(0, len(parts) - 1, 2)]
    kept = [pair for pair in pairs if int(pair[0].split(b"\n")[1]) <= events]
    log.write_bytes(b"".join(b"\n\n".join(pair) + b"\n\n" for pair in kept))


def test_a_tail_is_read_and_recovered(filled: Path) -> None:
    cut_notes(filled, events=5)
    with Ledger.open(filled, read_only=True) as ledger:
        assert ledger.head.seq == 7
        assert len(ledger.state.recalls["e1"]) == 1
        assert ledger.event(7).payload == role(1).payload
    with Ledger.open(filled) as ledger:
        assert [event.header.type for event in ledger.events(7)] == [
            "role.granted", "ledger.recovered",
        ]  # fmt: skip
        assert len(ledger.state.recalls["e1"]) == 1
        assert ledger.verify().ok


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("DELETE FROM mention WHERE seq = 6", "projection"),
        ("INSERT INTO mention VALUES (7, 'memory.recalled', 'entry:e2')", "projection"),
        ("UPDATE event SET leaf = unhex('00') WHERE seq = 7", "event 7 was altered or moved"),
        ("UPDATE event SET seq = 9 WHERE seq = 7", "event 9 was altered or moved"),
        ("UPDATE event SET sealed = NULL WHERE seq = 7", "event 7: its payload is gone"),
        ("UPDATE event SET type = 'x' WHERE seq = 7", "event 7: its columns"),
        ("UPDATE event SET command = 'x' WHERE seq = 7", "event 7: its columns"),
    ],
)
def test_a_changed_tail_is_not_signed(filled: Path, change: str, match: str) -> None:
    cut_notes(filled, events=5)
    with duckdb.connect(str(filled / DATABASE)) as connection:
        connection.execute(change)
    notes = (filled / CHECKPOINTS / "checkpoints.log").read_bytes()
    for read_only in (True, False):
        with pytest.raises((ChainError, SealError), match=match):
            Ledger.open(filled, read_only=read_only)
    assert (filled / CHECKPOINTS / "checkpoints.log").read_bytes() == notes


def test_a_tail_without_its_payload_is_not_ours(filled: Path) -> None:
    """Destroyed like an erased one; but erasures come after a checkpoint."""
    cut_notes(filled, events=5)
    zero = bytes(32)
    with sqlite3.connect(filled / KEYS) as database:
        [(secrets,)] = database.execute(
            "SELECT secrets FROM event_secrets WHERE block = 0"
        ).fetchall()
        database.execute(
            "UPDATE event_secrets SET secrets = ? WHERE block = 0",
            (secrets[: 7 * 32] + zero + secrets[8 * 32 :],),
        )
    database.close()
    with duckdb.connect(str(filled / DATABASE)) as connection:
        connection.execute("UPDATE event SET sealed = NULL WHERE seq = 7")
    with pytest.raises(ChainError, match="event 7 comes after the last checkpoint and has no"):
        Ledger.open(filled)


def test_tiles_of_the_tail_must_be_those_of_its_events(home: Path) -> None:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(0)])
        ledger.append([role(n) for n in range(300)])
    cut_notes(home, events=1)
    with duckdb.connect(str(home / DATABASE)) as connection:
        [(hashes,)] = connection.execute("SELECT hashes FROM tile").fetchall()
        connection.execute("UPDATE tile SET hashes = ?", [bytes(32) + bytes(hashes)[32:]])
    with pytest.raises(ChainError, match="tiles disagree"):
        Ledger.open(home)
    with duckdb.connect(str(home / DATABASE)) as connection:
        connection.execute("UPDATE tile SET hashes = ?", [hashes])
    Ledger.open(home).close()


# --- reading one event -------------------------------------------------------------------


def changed(row: LogRow, **fields: Any) -> LogRow:
    header = decode(row.header) | fields
    data = encode(header)
    return replace(row, header=data, leaf=leaf_hash(data))


def test_what_is_no_event_is_named(filled: Path) -> None:
    with Ledger.open(filled, read_only=True) as ledger:
        log = owned(ledger)
        [row] = log.store.read(7, 7)
        assert log.decode(row).payload == role(1).payload
        cases: list[tuple[LogRow, type[Exception], str]] = [
            (replace(row, header=b"{"), ChainError, "event 7: unreadable header"),
            (changed(row, format="x"), ChainError, "event 7: unreadable header"),
            (changed(row, format=2, more="x"), SchemaVersionError, "event 7 has format 2"),
            (replace(row, subject="x"), ChainError, "event 7: its columns"),
            (replace(row, sealed=None), SealError, "event 7: its payload is gone"),
            (replace(row, sealed=b"\x02" + bytes(80)), SealError, "event 7: its key is gone"),
            (replace(row, sealed=b"\x09"), SealError, "event 7: sealed payload of an unknown"),
        ]
        for bad, error, match in cases:
            with pytest.raises(error, match=match):
                log.decode(bad)


def test_a_row_looked_at_on_opening_must_have_a_readable_header(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(filled, read_only=True) as ledger:
        log = owned(ledger)
        [row] = log.store.read(7, 7)
        with pytest.raises(ChainError, match="event 7: unreadable header"):
            log._mentions_of_row(replace(row, header=b"{"))
        with pytest.raises(ChainError, match="event 7: its columns"):
            log._mentions_of_row(replace(row, command="x"))
        assert log._mentions_of_row(row) == []
        assert log._mentions_of_row(replace(row, sealed=None)) == []


def test_an_erased_payload_is_none_and_a_lost_one_is_named(filled: Path) -> None:
    with Ledger.open(filled) as ledger:
        log = owned(ledger)
        keys = log.keys
        [row] = log.store.read(7, 7)
        number, place = divmod(7, 256)
        [(secrets,)] = keys._database.execute(
            "SELECT secrets FROM event_secrets WHERE block = ?", (number,)
        ).fetchall()
        zeroed = secrets[: place * 32] + bytes(32) + secrets[(place + 1) * 32 :]
        keys._write([("UPDATE event_secrets SET secrets = ? WHERE block = ?", (zeroed, number))])
        keys._blocks.clear()
        with pytest.raises(SealError, match="its key is gone"):
            log.decode(row)
        assert log.decode(replace(row, sealed=None)).payload is None
        with pytest.raises(LedgerError, match="does not exist"):
            ledger.header(8)
