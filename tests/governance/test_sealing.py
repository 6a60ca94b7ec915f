from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from governance.errors import SealError
from governance.ledger import Ledger
from governance.merkle import leaf_hash
from governance.sealing import Commitment, Opened, commit, derive, seal, unseal
from tests.governance.drafts import ANN, BOT, append, draft, fact_body, proposed, source

KEY = bytes(range(32))
HOLDER = b"holder-12345"
LEAF = leaf_hash(b"header")
TEXT = b'{"secret":"the deductible is 300 EUR"}'


class Ring:
    """A keyring in plain sight: one event of format 2, one subject of format 1."""

    def __init__(self, key: bytes | None = KEY) -> None:
        self.key = key

    def event_key(self, seq: int, holder: bytes, event_id: str) -> bytes | None:
        """The key of event 1 (``e-1``) of :data:`HOLDER`, another one for all others."""
        if self.key is None:
            return None
        return self.key if (seq, holder, event_id) == (1, HOLDER, "e-1") else bytes(32)

    def subject_key(self, subject: str) -> bytes | None:
        """The key of ``entry:e1``."""
        if self.key is None:
            return None
        return self.key if subject == "entry:e1" else bytes(32)


def box_2(
    text: bytes = TEXT, event_id: str = "e-1", leaf: bytes = LEAF
) -> tuple[bytes, Commitment]:
    commitment = commit(text)
    assert event_id == "e-1"
    return seal(text, commitment, key=KEY, holder=HOLDER, leaf=leaf), commitment


def box_1(text: bytes = TEXT) -> tuple[bytes, Commitment]:
    """As format 1 sealed; nothing writes it any more."""
    commitment, iv = commit(text), bytes(12)
    key = derive(KEY, bytes(hashlib.sha256().digest_size), "e-1")
    return b"\x01" + iv + AESGCM(key).encrypt(iv, commitment.nonce + text, LEAF), commitment


def unsealed(box: bytes, commitment: Commitment, **changes: object) -> Opened | None:
    arguments: dict[str, object] = {
        "keys": Ring(), "seq": 1, "subject": "entry:e1", "event_id": "e-1", "leaf": LEAF,
        "commit": commitment.digest,
    }  # fmt: skip
    return unseal(box, **(arguments | changes))  # type: ignore[arg-type]  # changed one by one


def opened(box: bytes, commitment: Commitment, **changes: object) -> bytes:
    found = unsealed(box, commitment, **changes)
    assert found is not None
    assert found.nonce == commitment.nonce
    return found.payload


MAKERS = pytest.mark.parametrize("boxed", [box_1, box_2])
Maker = Callable[..., tuple[bytes, Commitment]]


@MAKERS
def test_round_trip_hides_the_text(boxed: Maker) -> None:
    box, commitment = boxed()
    assert opened(box, commitment) == TEXT
    assert TEXT not in box
    assert b"deductible" not in box
    assert commitment.nonce not in box


def test_the_same_text_never_looks_the_same() -> None:
    (first, one), (second, two) = box_2(), box_2()
    assert first != second
    assert one.digest != two.digest
    assert opened(first, one) == opened(second, two)


@MAKERS
def test_every_byte_of_the_box_is_authenticated(boxed: Maker) -> None:
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


@pytest.mark.parametrize(
    ("boxed", "changes"),
    [
        (box_2, [{"event_id": "e-2"}, {"seq": 2}]),
        (box_1, [{"event_id": "e-2"}, {"subject": "entry:e2"}]),
    ],
)
def test_a_box_belongs_to_one_event_one_header_and_one_key(
    boxed: Maker, changes: list[dict[str, Any]]
) -> None:
    box, commitment = boxed()
    for change in (*changes, {"leaf": leaf_hash(b"another header")}, {"keys": Ring(bytes(32))}):
        with pytest.raises(SealError, match="altered"):
            opened(box, commitment, **change)
    assert opened(box, commitment) == TEXT


@MAKERS
def test_a_destroyed_key_opens_nothing(boxed: Maker) -> None:
    box, commitment = boxed()
    assert unsealed(box, commitment, keys=Ring(None)) is None
    assert opened(box, commitment) == TEXT


@MAKERS
def test_whoever_holds_the_key_cannot_swap_the_payload(boxed: Maker) -> None:
    """AES-GCM accepts any text under the right key; the commitment in the header does not."""
    _, commitment = boxed()
    forged, other = boxed(b'{"secret":"900 EUR"}')
    with pytest.raises(SealError, match="commitment"):
        opened(forged, commitment)
    assert opened(forged, other) == b'{"secret":"900 EUR"}'
    with pytest.raises(SealError, match="commitment"):
        unsealed(forged, other, commit="é")  # not even hexadecimal


def test_an_unknown_box_version_is_refused() -> None:
    box, commitment = box_2()
    for version in (b"\x00", b"\x03", b""):
        with pytest.raises(SealError, match="unknown version"):
            opened(version + box[1:] if version else b"", commitment)
    assert opened(b"\x02" + box[1:], commitment) == TEXT


def test_derivation_is_the_hkdf_of_rfc_5869() -> None:
    """Against an implementation of somebody else's."""
    for salt in (bytes(32), KEY[::-1]):
        other = HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"e-1").derive(KEY)
        assert derive(KEY, salt, "e-1") == other
    assert derive(KEY, bytes(32), "e-1") != derive(KEY, bytes(32), "e-2")


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
