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
from governance.events import PAYLOADS, Header, RoleGranted
from governance.ledger import Ledger, verify_home
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


def test_the_frozen_box_opens_with_its_key_only() -> None:
    frozen: dict[str, str] = json.loads((FOLDER / "box.json").read_text("utf-8"))
    header = json.loads(frozen["header"])
    arguments: dict[str, Any] = {
        "event_id": header["event_id"],
        "leaf": leaf_hash(frozen["header"].encode()),
        "commit": header["payload_commit"],
    }
    box, key = bytes.fromhex(frozen["box"]), bytes.fromhex(frozen["key"])
    assert sealing.unseal(box, key=key, **arguments).decode() == EVENTS[header["type"]]["payload"]
    with pytest.raises(SealError):
        sealing.unseal(box, key=bytes(32), **arguments)


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
    report = verify_home(home)
    assert report.ok, report.problems
    assert (report.events, report.root) == (expected["head"], expected["root"])
    with Ledger.open(home) as ledger:
        assert (ledger.head.seq, ledger.head.root) == (expected["head"], expected["root"])
        assert_holds(plain(ledger.state), expected["state"])
        for seq, state in expected["past"].items():
            assert_holds(plain(ledger.state_at(int(seq))), state)
        assert ledger.keyed("a value") == expected["keyed"]
        receipt = ledger.receipt("life of fact-1")
        assert receipt is not None
        assert len(receipt.event_ids) == 4
        append(ledger, RoleGranted(principal="new", role="officer"))
        assert ledger.verify().ok
        assert ledger.head.root != expected["root"]


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
