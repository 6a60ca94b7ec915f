"""What was ever written stays readable, byte for byte."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import canonical, notes, sealing
from governance.errors import SealError
from governance.events import PAYLOADS, Header, RoleGranted, Scope
from governance.ledger import Ledger, Receipt, verify_home
from governance.merkle import leaf_hash
from tests.golden import regenerate
from tests.golden.regenerate import FOLDER, HOME, RECORDS, STATE, plain, rendered, unpack
from tests.governance.drafts import append

EVENTS: dict[str, dict[str, str]] = json.loads((FOLDER / "events.json").read_text("utf-8"))


@pytest.mark.parametrize("name", RECORDS)
def test_todays_code_writes_yesterdays_bytes(name: str) -> None:
    assert rendered(RECORDS[name]()) == (FOLDER / name).read_text("utf-8")


def test_every_event_type_is_frozen() -> None:
    assert set(EVENTS) == set(PAYLOADS)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("events*.json")))
def test_yesterdays_bytes_are_read_by_todays_code(file: Path) -> None:
    for kind, frozen in json.loads(file.read_text("utf-8")).items():
        check_readable(kind, frozen, current=file.name == "events.json")


def check_readable(kind: str, frozen: dict[str, str], *, current: bool) -> None:
    data = frozen["header"].encode()
    assert leaf_hash(data).hex() == frozen["leaf"]
    header = Header.model_validate_json(data)
    assert header.canonical() == data
    assert header.type == kind
    payload = PAYLOADS[kind].model_validate_json(frozen["payload"])
    written = canonical.encode(payload.model_dump(mode="json"))
    assert written == frozen["payload"].encode() or not current


class Ring:
    """What a keystore does, from the frozen values alone."""

    def __init__(self, frozen: dict[str, str]) -> None:
        self.frozen = frozen

    def event_key(self, seq: int, holder: bytes, event_id: str) -> bytes | None:
        """HKDF of the event's secret, salted with the person's key."""
        assert (seq, holder.hex()) == (1, self.frozen["holder"])
        secret, salt = (bytes.fromhex(self.frozen[name]) for name in ("secret", "holder_key"))
        return sealing.derive(secret, salt, event_id)

    def subject_key(self, subject: str) -> bytes | None:
        """Format 1."""
        assert subject == json.loads(self.frozen["header"])["subject"]
        return bytes.fromhex(self.frozen["key"])


@pytest.mark.parametrize("name", ["box.json", "box-2.json"])
def test_frozen_boxes_open_with_their_key_only(name: str) -> None:
    frozen: dict[str, str] = json.loads((FOLDER / name).read_text("utf-8"))
    header = json.loads(frozen["header"])
    box, zero = bytes.fromhex(frozen["box"]), bytes(32).hex()
    others = frozen | {"key": zero, "secret": zero}
    arguments: dict[str, Any] = {
        "seq": header["seq"],
        "subject": header["subject"],
        "event_id": header["event_id"],
        "leaf": leaf_hash(frozen["header"].encode()),
        "commit": header["payload_commit"],
    }
    opened = sealing.unseal(box, keys=Ring(frozen), **arguments)
    assert opened is not None
    assert opened.payload.decode() == EVENTS[header["type"]]["payload"]
    with pytest.raises(SealError):
        sealing.unseal(box, keys=Ring(others), **arguments)


def test_the_frozen_note_verifies() -> None:
    text = (FOLDER / "note.txt").read_text("utf-8")
    key = Ed25519PrivateKey.from_private_bytes(regenerate.KEY)
    checkpoint = notes.verify(text, key.public_key().public_bytes_raw())
    assert checkpoint.size == len(EVENTS)


@pytest.mark.parametrize("archive", sorted(FOLDER.glob("home-format-*.tar.gz")))
def test_homes_of_every_format_open_verify_and_fold_to_the_same_state(
    archive: Path, fast_path: Path
) -> None:
    expected = json.loads(archive.with_name(archive.name.replace(".tar.gz", ".json")).read_text())
    home = unpack(fast_path / "home", archive)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    report = verify_home(home)
    assert report.ok, report.problems
    assert (report.events, report.root) == (expected["head"], expected["root"])
    assert report.payloads == expected["head"]
    with Ledger.open(home, read_only=True) as ledger:
        check_home(ledger, expected)
    # Nobody writes to it until somebody opens it for writing.
    assert all(path.read_bytes() == data for path, data in before.items())
    with Ledger.open(home) as ledger:
        check_home(ledger, expected)
        append(ledger, RoleGranted(principal="new", role="officer"))
        assert ledger.verify().ok
        assert ledger.head.root != expected["root"]
    with Ledger.open(home, read_only=True) as ledger:
        assert ledger.head.seq == expected["head"] + 1
        assert ledger.event(expected["head"] + 1).payload == RoleGranted(
            principal="new", role="officer"
        )
        assert ledger.verify().ok


def check_home(ledger: Ledger, expected: dict[str, Any]) -> None:
    assert (ledger.head.seq, ledger.head.root) == (expected["head"], expected["root"])
    assert_holds(plain(ledger.state), expected["state"])
    for seq, state in expected["past"].items():
        assert_holds(plain(ledger.state_at(int(seq))), state)
    assert ledger.keyed("a value") == expected["keyed"]
    receipt = ledger.receipt("life of fact-1")
    assert receipt is not None
    assert len(receipt.event_ids) == 4
    assert {event.header.command for event in ledger.events(*seqs_of(receipt))} == {
        ledger.keyed("command:life of fact-1")
    }
    assert [entry.entry_id for entry in ledger.state.having(Scope(), "active")] == ["fact-1", "c1"]


def seqs_of(receipt: Receipt) -> tuple[int, int]:
    return receipt.first_seq, receipt.last_seq


def assert_holds(found: Any, frozen: Any) -> None:
    """``found`` says all that ``frozen`` says; a newer version may know more fields."""
    if isinstance(frozen, dict):
        for key, value in frozen.items():
            assert_holds(found[key], value)
    elif isinstance(frozen, list):
        assert len(found) == len(frozen)
        for one, other in zip(found, frozen, strict=True):
            assert_holds(one, other)
    else:
        assert found == frozen


def test_the_frozen_home_is_small_and_shows_no_text() -> None:
    assert HOME.stat().st_size < 300_000
    data = gzip.decompress(HOME.read_bytes())
    assert b"source.ingested" in data  # control: headers are readable
    for text in (b"900 EUR", b"deductible", b"Customer: ok"):
        assert text not in data
    assert b"deductible" in STATE.read_bytes()
