"""The keystore: keys for every event, made ahead, destroyed without a trace, upgraded."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance import keystore
from governance.errors import SchemaVersionError, SealError, StoreError
from governance.keystore import AHEAD, BLOCK, Fingerprint, Keystore
from governance.ledger import KEYS
from governance.sealing import derive


@pytest.fixture
def path(fast_path: Path) -> Path:
    return fast_path / KEYS


def made(path: Path) -> Keystore:
    return Keystore(path, create=True)


def raw(path: Path, sql: str, *values: object) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA secure_delete=ON")
        found = database.execute(sql, values).fetchall()
    database.close()
    return found


def key_of(keys: Keystore, seq: int, person: str = "") -> bytes | None:
    return keys.event_key(seq, keys.holder(person), f"id-{seq}")


# --- keys of events ----------------------------------------------------------------------


def test_keys_persist_and_differ(path: Path) -> None:
    keys = made(path)
    assert key_of(keys, 1) is None
    keys.prepare(1, 3, {"", "anna"})
    found = [key_of(keys, seq, person) for seq in (1, 2, 3) for person in ("", "anna")]
    facts = (keys.home_id, keys.public_key, keys.keyed("x"), keys.origin)
    keys.prepare(1, 3, {"anna"})
    keys.close()
    assert len(set(found)) == 6
    assert all(key is not None and len(key) == 32 for key in found)
    again = Keystore(path)
    assert [key_of(again, seq, person) for seq in (1, 2, 3) for person in ("", "anna")] == found
    assert (again.home_id, again.public_key, again.keyed("x"), again.origin) == facts
    assert key_of(again, 1, "bert") is None
    assert path.stat().st_mode & 0o077 == 0
    again.close()


def test_secrets_are_made_in_blocks_so_that_most_appends_write_nothing(path: Path) -> None:
    keys = made(path)
    writes: list[int] = []
    keys._database.set_trace_callback(
        lambda sql: writes.append(1) if sql.startswith("BEGIN") else None
    )
    last = BLOCK * (AHEAD + 1) - 1
    for seq in range(1, last + 1):
        keys.prepare(seq, seq, {""})
    assert len(writes) == 1
    keys.prepare(last + 1, last + 1, {""})
    assert len(writes) == 2
    blocks = raw(path, "SELECT block FROM event_secrets ORDER BY block")
    assert [row[0] for row in blocks] == list(range(len(blocks)))
    assert key_of(keys, last) != key_of(keys, last + 1)
    keys.close()


def test_a_large_append_gets_all_its_secrets_at_once(path: Path) -> None:
    keys = made(path)
    keys.prepare(1, 2_000, {""})
    found = {key_of(keys, seq) for seq in range(1, 2_001)}
    assert None not in found
    assert len(found) == 2_000
    keys.close()


def test_secrets_start_where_the_first_event_of_format_2_is(path: Path) -> None:
    """Earlier events of an upgraded home have keys of their subjects, and no secrets."""
    keys = made(path)
    keys.prepare(1_000, 1_001, {""})
    assert key_of(keys, 999) is None
    assert key_of(keys, 1_000) is not None
    assert raw(path, "SELECT min(block) FROM event_secrets") == [(1_000 // BLOCK,)]
    keys.close()
    again = Keystore(path)
    assert key_of(again, 999) is None
    assert key_of(again, 1_001) is not None
    again.close()


def test_blocks_in_memory_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystore, "_CACHED_BLOCKS", 2)
    keys = made(path)
    keys.prepare(1, BLOCK * 4, {""})
    first = [key_of(keys, seq) for seq in range(1, BLOCK * 4, BLOCK)]
    assert len(keys._blocks) == 2
    assert [key_of(keys, seq) for seq in range(1, BLOCK * 4, BLOCK)] == first
    assert None not in first
    keys.close()


def test_a_zeroed_or_cut_secret_is_a_destroyed_one(path: Path) -> None:
    keys = made(path)
    keys.prepare(1, 3, {""})
    keys.close()
    [(secrets,)] = raw(path, "SELECT secrets FROM event_secrets WHERE block = 0")
    assert isinstance(secrets, bytes)
    zeroed = secrets[:64] + bytes(32) + secrets[96:]
    raw(path, "UPDATE event_secrets SET secrets = ? WHERE block = 0", zeroed)
    raw(path, "UPDATE event_secrets SET secrets = X'0102' WHERE block = 1")
    keys = Keystore(path)
    assert key_of(keys, 1) is not None
    assert key_of(keys, 2) is None
    assert key_of(keys, BLOCK) is None
    assert key_of(keys, BLOCK * 40) is None
    assert [keys.destroyed(seq, "entry:e1") for seq in (1, 2, BLOCK)] == [False, True, True]
    keys.close()


def test_destroying_a_persons_key_forgets_the_person_and_nobody_else(path: Path) -> None:
    keys = made(path)
    keys.prepare(1, 3, {"anna", "bert"})
    holder = keys.holder("anna").hex()
    keys.close()
    raw(path, "DELETE FROM holder_key WHERE holder = ?", holder)
    keys = Keystore(path)
    assert key_of(keys, 1, "anna") is None
    assert key_of(keys, 1, "anna") is None  # also when asked again
    assert key_of(keys, 1, "bert") is not None
    keys.close()


def test_keyed_digests_cannot_be_tested_without_the_keystore() -> None:
    one, two = Keystore(None, create=True), Keystore(None, create=True)
    assert one.keyed("300 EUR") == one.keyed("300 EUR")
    assert one.keyed("300 EUR") != one.keyed("301 EUR")
    assert one.keyed("300 EUR") != two.keyed("300 EUR")
    assert one.holder("anna") == one.holder("anna") != two.holder("anna")
    assert len(one.keyed("x")) == 24
    assert one.fingerprint_secret() != two.fingerprint_secret()
    one.close()
    two.close()


def test_names_of_people_are_not_in_the_keystore(path: Path) -> None:
    keys = made(path)
    keys.prepare(1, 1, {"anna.keller@example.com"})
    holder = keys.holder("anna.keller@example.com")
    keys.close()
    data = path.read_bytes()
    assert b"anna.keller" not in data
    assert holder.hex().encode() in data  # control: plain text would be found


def test_deleted_keys_leave_no_trace_in_the_file(path: Path) -> None:
    keys = made(path)
    keys.prepare(1, 2_000, {f"person-{number}" for number in range(200)})
    keys.close()
    held = [row[0] for row in raw(path, "SELECT key FROM holder_key")]
    secrets = [row[0] for row in raw(path, "SELECT secrets FROM event_secrets")]
    needles = [one for one in (*held, *(row[:32] for row in secrets)) if isinstance(one, bytes)]  # type: ignore[index]  # blobs
    assert len(needles) > 200
    assert all(needle in path.read_bytes() for needle in needles)  # control
    keys = Keystore(path)
    keys._write([("DELETE FROM holder_key", ()), ("DELETE FROM event_secrets", ())])
    keys.close()
    data = path.read_bytes()
    assert not [needle for needle in needles if needle in data]


# --- format 1 ----------------------------------------------------------------------------


def downgraded(path: Path) -> bytes:
    """A keystore as format 1 wrote it, with a key of ``entry:e1`` and one of ``entry:e2``."""
    keys = made(path)
    keys.prepare(1, 1, {"anna"})
    holder = keys.holder("anna").hex()
    keys.close()
    [(key,)] = raw(path, "SELECT key FROM holder_key")
    assert isinstance(key, bytes)
    for name, iv in (("entry:e1", bytes(12)), ("entry:e2", bytes([1] * 12))):
        wrapped = iv + AESGCM(key).encrypt(iv, name.encode().ljust(32), name.encode())
        raw(path, "INSERT INTO subject_key VALUES (?, ?, ?)", name, holder, wrapped)
    raw(path, "DROP TABLE event_secrets")
    raw(path, "DROP TABLE retired_key")
    raw(path, "DELETE FROM secret WHERE name = 'first_slot'")
    raw(path, "UPDATE secret SET value = X'31' WHERE name = 'format'")
    return b"entry:e1".ljust(32)


def test_format_1_is_read_as_it_is_and_upgraded_where_it_is_written(path: Path) -> None:
    key = downgraded(path)
    before = path.read_bytes()
    keys = Keystore(path, read_only=True)
    assert keys.subject_key("entry:e1") == key
    assert keys.subject_key("entry:e1") == key  # also when asked again
    assert keys.subject_key("entry:e9") is None
    assert key_of(keys, 1) is None
    assert not keys.destroyed(1, "entry:e1")
    assert keys.destroyed(1, "entry:e9")
    keys.close()
    assert path.read_bytes() == before
    keys = Keystore(path)
    assert raw(path, "SELECT value FROM secret WHERE name = 'format'") == [(b"2",)]
    keys.prepare(7, 7, {""})
    assert key_of(keys, 7) is not None
    assert keys.subject_key("entry:e1") == key
    keys.close()
    Keystore(path).close()


def test_an_altered_key_of_a_subject_is_named(path: Path) -> None:
    downgraded(path)
    raw(
        path,
        "UPDATE subject_key SET wrapped = (SELECT wrapped FROM subject_key"
        " WHERE subject = 'entry:e2') WHERE subject = 'entry:e1'",
    )
    keys = Keystore(path)
    with pytest.raises(SealError, match="entry:e1 was altered"):
        keys.subject_key("entry:e1")
    assert keys.subject_key("entry:e2")
    keys.close()


# --- signing keys ------------------------------------------------------------------------


def test_a_staged_key_signs_nothing_until_it_is_promoted(path: Path) -> None:
    keys = made(path)
    first = keys.public_key
    assert keys.first_public_key == first
    staged = keys.stage_next_key()
    assert keys.public_key == first
    keys.close()
    keys = Keystore(path)
    assert keys.next_key is not None
    assert keys.next_key.public_key().public_bytes_raw() == staged
    [(private,)] = raw(path, "SELECT value FROM secret WHERE name = 'signing'")
    assert isinstance(private, bytes)
    assert private in path.read_bytes()  # control
    keys.promote_next_key()
    assert keys.public_key == staged
    assert not hasattr(keys.next_key, "private_bytes_raw")
    assert keys.first_public_key == first
    second = keys.stage_next_key()
    keys.promote_next_key()
    keys.close()
    assert private not in path.read_bytes()
    keys = Keystore(path)
    assert (keys.public_key, keys.first_public_key, keys.next_key) == (second, first, None)
    keys.close()


def test_the_last_record_of_a_fingerprint_is_kept(path: Path) -> None:
    keys = made(path)
    assert keys.fingerprint() is None
    for seq in (3, 9):
        keys.record_fingerprint(Fingerprint(seq, "engine 1", "12345"))
    keys.close()
    keys = Keystore(path)
    assert keys.fingerprint() == Fingerprint(9, "engine 1", "12345")
    keys.close()


# --- files -------------------------------------------------------------------------------


def test_odd_paths_work(fast_path: Path) -> None:
    folder = fast_path / "50% of #1 ?mode=memory é"
    folder.mkdir()
    Keystore(folder / KEYS, create=True).close()
    assert (folder / KEYS).is_file()
    Keystore(folder / KEYS, read_only=True).close()


def test_what_is_no_keystore_is_refused_in_one_line(fast_path: Path, path: Path) -> None:
    with pytest.raises(StoreError, match="is missing"):
        Keystore(path)
    path.write_bytes(b"")
    with pytest.raises(StoreError):
        Keystore(path)
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        Keystore(path)
    path.unlink()
    with pytest.raises(StoreError, match="cannot be opened"):
        Keystore(fast_path / "nowhere" / KEYS, create=True)
    made(path).close()
    cut = fast_path / "cut.sqlite"
    for kept in (-1, -4_096):
        cut.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(StoreError, match=r"cut short|malformed"):
            Keystore(cut)
    for change, error in (
        ("UPDATE secret SET value = X'33' WHERE name = 'format'", SchemaVersionError),
        ("UPDATE secret SET value = X'ff' WHERE name = 'format'", StoreError),
        ("UPDATE secret SET value = X'00' WHERE name = 'signing'", StoreError),
        ("DELETE FROM secret WHERE name = 'lookup'", StoreError),
        ("DROP TABLE event_secrets", StoreError),
        ("UPDATE secret SET value = zeroblob(32) WHERE name = 'lookup'", StoreError),
    ):
        broken = fast_path / "broken.sqlite"
        broken.write_bytes(path.read_bytes())
        raw(broken, change)
        with pytest.raises(error):
            Keystore(broken)
    Keystore(path).close()


def test_keys_that_cannot_be_written_stop_the_append(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(path).close()
    keys = Keystore(path)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    keys._database.execute("PRAGMA busy_timeout=0")
    with pytest.raises(StoreError, match="could not be written"):
        keys.prepare(1, 1, {""})
    blocker.execute("ROLLBACK")
    blocker.close()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(keystore, "_execute", full)
        with pytest.raises(StoreError, match="disk is full"):
            keys.prepare(1, 1, {""})
    assert key_of(keys, 1) is None
    keys.prepare(1, 1, {""})
    assert key_of(keys, 1)
    keys.close()
    with pytest.raises(StoreError, match="cannot be read"):
        key_of(keys, 1)
    with pytest.raises(StoreError, match="cannot be read"):
        keys.subject_key("entry:e2")


def test_the_salt_of_an_event_key_is_its_persons_key(path: Path) -> None:
    keys = made(path)
    keys.prepare(1, 1, {"anna"})
    [(holder_key,)] = raw(path, "SELECT key FROM holder_key")
    [(secrets,)] = raw(path, "SELECT secrets FROM event_secrets WHERE block = 0")
    assert isinstance(holder_key, bytes)
    assert isinstance(secrets, bytes)
    assert key_of(keys, 1, "anna") == derive(secrets[32:64], holder_key, "id-1")
    keys.close()
