from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from governance.errors import SchemaVersionError, SealError, StoreError
from governance.ledger import KEYS, Ledger
from governance.merkle import leaf_hash
from governance.sealing import Commitment, Keystore, commit, seal, unseal
from tests.governance.drafts import ANN, BOT, append, draft, fact_body, proposed, source

KEY = bytes(range(32))
LEAF = leaf_hash(b"header")
TEXT = b'{"secret":"the deductible is 300 EUR"}'


def boxed(
    text: bytes = TEXT, event_id: str = "e-1", leaf: bytes = LEAF
) -> tuple[bytes, Commitment]:
    commitment = commit(text)
    return seal(text, commitment, key=KEY, event_id=event_id, leaf=leaf), commitment


def opened(box: bytes, commitment: Commitment, **changes: object) -> bytes:
    arguments = {"key": KEY, "event_id": "e-1", "leaf": LEAF, "commit": commitment.digest}
    return unseal(box, **(arguments | changes))  # type: ignore[arg-type]


def test_round_trip_hides_the_text() -> None:
    box, commitment = boxed()
    assert opened(box, commitment) == TEXT
    assert TEXT not in box
    assert b"deductible" not in box
    assert commitment.nonce not in box


def test_the_same_text_never_looks_the_same() -> None:
    (first, one), (second, two) = boxed(), boxed()
    assert first != second
    assert one.digest != two.digest
    assert opened(first, one) == opened(second, two)


def test_every_byte_of_the_box_is_authenticated() -> None:
    box, commitment = boxed()
    for position in range(len(box)):
        changed = bytearray(box)
        changed[position] ^= 1
        with pytest.raises(SealError):
            opened(bytes(changed), commitment)
    for cut in range(len(box)):
        with pytest.raises(SealError):
            opened(box[:cut], commitment)
    assert opened(box, commitment) == TEXT


def test_a_box_belongs_to_one_event_one_header_and_one_key() -> None:
    box, commitment = boxed()
    for change in (
        {"event_id": "e-2"},
        {"leaf": leaf_hash(b"another header")},
        {"key": bytes(32)},
    ):
        with pytest.raises(SealError, match="altered"):
            opened(box, commitment, **change)
    assert opened(box, commitment) == TEXT


def test_whoever_holds_the_key_cannot_swap_the_payload() -> None:
    """AES-GCM accepts any text under the right key; the commitment in the header does not."""
    _, commitment = boxed()
    forged, other = boxed(b'{"secret":"900 EUR"}')
    with pytest.raises(SealError, match="commitment"):
        opened(forged, commitment)
    assert opened(forged, other) == b'{"secret":"900 EUR"}'
    with pytest.raises(SealError, match="commitment"):
        opened(forged, other, commit="é")  # not even hexadecimal


def test_an_unknown_box_version_is_refused() -> None:
    box, commitment = boxed()
    with pytest.raises(SealError, match="unknown version"):
        opened(b"\x02" + box[1:], commitment)
    assert opened(b"\x01" + box[1:], commitment) == TEXT


# --- the keystore ----------------------------------------------------------------------


def test_keys_persist_and_differ(fast_path: Path) -> None:
    path = fast_path / KEYS
    keys = Keystore(path, create=True)
    assert keys.subject_key("entry:e1") is None
    keys.ensure([("entry:e1", "anna"), ("entry:e2", "anna"), ("entry:e3", "")])
    found = {subject: keys.subject_key(subject) for subject in ("entry:e1", "entry:e2", "entry:e3")}
    facts = (keys.home_id, keys.public_key, keys.keyed("x"))
    keys.ensure([("entry:e1", "anna")])
    keys.close()
    assert len(set(found.values())) == 3
    assert all(key is not None and len(key) == 32 for key in found.values())
    again = Keystore(path)
    assert {subject: again.subject_key(subject) for subject in found} == found
    assert (again.home_id, again.public_key, again.keyed("x")) == facts
    assert path.stat().st_mode & 0o077 == 0
    again.close()


def test_keyed_digests_cannot_be_tested_without_the_keystore() -> None:
    one, two = Keystore(None, create=True), Keystore(None, create=True)
    assert one.keyed("300 EUR") == one.keyed("300 EUR")
    assert one.keyed("300 EUR") != one.keyed("301 EUR")
    assert one.keyed("300 EUR") != two.keyed("300 EUR")
    assert len(one.keyed("x")) == 24
    one.close()
    two.close()


def test_keys_are_wrapped_by_their_data_subject(fast_path: Path) -> None:
    """Destroying the person's key makes every one of her entries unreadable, and no other."""
    path = fast_path / KEYS
    keys = Keystore(path, create=True)
    keys.ensure([("entry:e1", "anna"), ("entry:e2", "anna"), ("entry:e3", "bert")])
    holder = keys.keyed("holder:anna")
    keys.close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA secure_delete=ON")
        database.execute("DELETE FROM holder_key WHERE holder = ?", (holder,))
    database.close()
    keys = Keystore(path)
    assert keys.subject_key("entry:e1") is None
    assert keys.subject_key("entry:e2") is None
    assert keys.subject_key("entry:e3") is not None
    keys.close()


def test_names_of_people_are_not_in_the_keystore(fast_path: Path) -> None:
    keys = Keystore(fast_path / KEYS, create=True)
    keys.ensure([("entry:e1", "anna.keller@example.com")])
    keys.close()
    data = (fast_path / KEYS).read_bytes()
    assert b"anna.keller" not in data
    assert b"entry:e1" in data  # control: plain text would be found


def test_deleted_keys_leave_no_trace_in_the_file(fast_path: Path) -> None:
    path = fast_path / KEYS
    keys = Keystore(path, create=True)
    keys.ensure([(f"entry:e{number}", "anna") for number in range(200)])
    keys.close()
    with sqlite3.connect(path) as database:
        wrapped = [row[0] for row in database.execute("SELECT wrapped FROM subject_key")]
    assert all(key in path.read_bytes() for key in wrapped)  # control
    keys = Keystore(path)
    keys._database.execute("DELETE FROM subject_key")
    keys.close()
    data = path.read_bytes()
    assert not [key for key in wrapped if key in data]


def test_an_altered_key_is_named(fast_path: Path) -> None:
    path = fast_path / KEYS
    keys = Keystore(path, create=True)
    keys.ensure([("entry:e1", "anna"), ("entry:e2", "anna")])
    keys.close()
    with sqlite3.connect(path) as database:
        database.execute(
            "UPDATE subject_key SET wrapped = (SELECT wrapped FROM subject_key"
            " WHERE subject = 'entry:e2') WHERE subject = 'entry:e1'"
        )
    database.close()
    keys = Keystore(path)
    with pytest.raises(SealError, match="entry:e1 was altered"):
        keys.preload()
    with pytest.raises(SealError, match="entry:e1 was altered"):
        keys.subject_key("entry:e1")
    assert keys.subject_key("entry:e2")
    keys.close()


def test_odd_paths_work(fast_path: Path) -> None:
    folder = fast_path / "50% of #1 ?mode=memory é"
    folder.mkdir()
    Keystore(folder / KEYS, create=True).close()
    assert (folder / KEYS).is_file()
    Keystore(folder / KEYS, read_only=True).close()


def test_what_is_no_keystore_is_refused_in_one_line(fast_path: Path) -> None:
    path = fast_path / KEYS
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
    Keystore(path, create=True).close()
    for change, error in (
        ("UPDATE secret SET value = X'32' WHERE name = 'format'", SchemaVersionError),
        ("UPDATE secret SET value = X'ff' WHERE name = 'format'", StoreError),
        ("UPDATE secret SET value = X'00' WHERE name = 'signing'", StoreError),
        ("DELETE FROM secret WHERE name = 'lookup'", StoreError),
    ):
        broken = fast_path / "broken.sqlite"
        broken.write_bytes(path.read_bytes())
        with sqlite3.connect(broken) as database:
            database.execute(change)
        database.close()
        with pytest.raises(error):
            Keystore(broken)
    Keystore(path).close()


def test_keys_that_cannot_be_written_stop_the_append(
    fast_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fast_path / KEYS
    Keystore(path, create=True).close()
    keys = Keystore(path)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    keys._database.execute("PRAGMA busy_timeout=0")
    with pytest.raises(StoreError, match="could not be written"):
        keys.ensure([("entry:e1", "")])
    blocker.execute("ROLLBACK")
    blocker.close()

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Keystore, "_insert", full)
        with pytest.raises(StoreError, match="disk is full"):
            keys.ensure([("entry:e1", "")])
    assert keys.subject_key("entry:e1") is None
    keys.ensure([("entry:e1", "")])
    assert keys.subject_key("entry:e1")
    keys.close()
    with pytest.raises(StoreError, match="cannot be read"):
        keys.preload()
    with pytest.raises(StoreError, match="cannot be read"):
        keys.subject_key("entry:e2")


# --- nothing readable on disk ----------------------------------------------------------


def test_no_payload_text_is_in_any_file_of_a_home(home: Path) -> None:
    """DESIGN section 4: a leaked or backed-up home shows nothing."""
    needles = [b"XQ-SECRET-93", b"IBAN DE89", b"Zwetschgenkuchen"]
    text = "XQ-SECRET-93 pays from IBAN DE89 to Zwetschgenkuchen"
    with Ledger.open(home, create=True) as ledger:
        append(ledger, source(text=text))
        append(ledger, proposed(body=fact_body("XQ-SECRET-93")), BOT)
        ledger.append([draft(proposed("e2", fact_body("IBAN DE89")), ANN, data_subject="anna")])
        live = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
        assert any(file.name.endswith(".wal") for file in home.rglob("*"))
    closed = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
    assert sum(map(len, closed)) > 10_000
    for needle in needles:
        assert not [data for data in live + closed if needle in data]
    # Control: the header, which is not sealed, and an unsealed copy are found the same way.
    assert [data for data in closed if b"source.ingested" in data]
    (home / "copy.json").write_bytes(source(text=text).model_dump_json().encode())
    copied = [file.read_bytes() for file in home.rglob("*") if file.is_file()]
    assert all(any(needle in data for data in copied) for needle in needles)
