from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import notes
from governance.errors import CheckpointError
from governance.merkle import leaf_hash
from governance.notes import Checkpoint

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
POINT = Checkpoint("palimpsest/0011", 7, leaf_hash(b"root"))
NOTE = notes.sign(POINT, KEY)


def parts(note: str) -> tuple[str, str]:
    body, _, signature = note.partition("\n\n")
    return body + "\n", signature


def relined(raw: bytes, name: str = POINT.origin) -> str:
    """The note with another signature line."""
    return f"{POINT.body()}\n— {name} {base64.b64encode(raw).decode()}\n"


def test_the_note_has_the_c2sp_form() -> None:
    body, line = parts(NOTE)
    assert body == f"palimpsest/0011\n7\n{base64.b64encode(POINT.root).decode()}\n"
    dash, name, encoded = line.removesuffix("\n").split(" ")
    assert (dash, name) == ("—", "palimpsest/0011")
    raw = base64.b64decode(encoded)
    key_id = hashlib.sha256(b"palimpsest/0011\n\x01" + PUBLIC).digest()[:4]
    assert raw[:4] == key_id == notes.key_id(POINT.origin, PUBLIC)
    assert len(raw) == 4 + 64
    KEY.public_key().verify(raw[4:], body.encode())


def test_key_id_of_the_specification() -> None:
    """The verifier key PeterNeumann+c74f20a3+… of the example in C2SP signed-note."""
    name, key_id, encoded = (
        "PeterNeumann", "c74f20a3", "ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    )  # fmt: skip
    raw = base64.b64decode(encoded)
    assert raw[0] == notes.ED25519
    assert notes.key_id(name, raw[1:]).hex() == key_id


def test_a_signed_note_verifies_and_names_its_log() -> None:
    assert notes.verify(NOTE, PUBLIC) == POINT
    assert notes.verify(NOTE, PUBLIC, origin=POINT.origin) == POINT
    with pytest.raises(CheckpointError, match="another log"):
        notes.verify(NOTE, PUBLIC, origin="palimpsest/ffff")


def test_unknown_signatures_beside_the_right_one_are_ignored() -> None:
    body, line = parts(NOTE)
    other = "— witness.example/w " + base64.b64encode(bytes(80)).decode() + "\n"
    assert notes.verify(f"{body}\n{other}{line}", PUBLIC) == POINT
    assert notes.verify(f"{body}\n{line}{other}", PUBLIC) == POINT
    with pytest.raises(CheckpointError, match="not signed"):
        notes.verify(f"{body}\n{other}", PUBLIC)


def test_forged_stripped_and_foreign_signatures_are_refused() -> None:
    assert notes.verify(NOTE, PUBLIC) == POINT
    body, line = parts(NOTE)
    raw = base64.b64decode(line.split(" ")[2])
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    reserved = hashlib.sha256(
        POINT.origin.encode() + b"\n" + bytes([notes.ML_DSA_44_RESERVED]) + PUBLIC
    ).digest()[:4]
    wrong = {
        "a changed size": NOTE.replace("\n7\n", "\n8\n", 1),
        "a changed root": notes.sign(Checkpoint(POINT.origin, 7, bytes(32)), KEY)[: len(body) + 1]
        + line,
        "a changed signature": relined(raw[:-1] + bytes([raw[-1] ^ 1])),
        "another key": notes.sign(POINT, stranger),
        "another key under our id": relined(raw[:4] + stranger.sign(POINT.body().encode())),
        "a note about another log": notes.sign(
            Checkpoint("palimpsest/x", 7, POINT.root), KEY
        ).replace("palimpsest/x", POINT.origin),
        "another name before the signature": relined(raw, "palimpsest/0012"),
        "the reserved type": relined(reserved + raw[4:]),
        "a short signature": relined(raw[:-1]),
        "no bytes": relined(b""),
        "no signature": f"{body}\n",
        "no dash": NOTE.replace("— ", "- "),
        "signature not base64": NOTE[:-3] + "!\n",
    }
    for what, note in wrong.items():
        with pytest.raises(CheckpointError):
            notes.verify(note, PUBLIC)
        assert what
    with pytest.raises(CheckpointError):
        notes.verify(NOTE, stranger.public_key().public_bytes_raw())


def test_what_is_no_checkpoint_is_refused_without_any_other_error() -> None:
    assert notes.parse(NOTE) == POINT
    root = base64.b64encode(POINT.root).decode()
    for body in (
        "",
        "palimpsest/0011",
        "palimpsest/0011\n7",
        f"palimpsest/0011\n7\n{root}\nextension",
        f"palimpsest/0011\n-7\n{root}",
        f"palimpsest/0011\n07\n{root}",
        f"palimpsest/0011\n٧\n{root}",  # a digit, but not a plain one
        f"palimpsest/0011\n{'9' * 5_000}\n{root}",  # more than int() converts
        f"palimpsest/0011\nseven\n{root}",
        f"palimpsest/0011\n7\n{root[:-1]}",
        f"palimpsest/0011\n7\n{root[:-2]}F=",  # other spelling of the same bytes
        "palimpsest/0011\n7\nAAAA",
        "palimpsest/0011\n7\nröot",
    ):
        with pytest.raises(CheckpointError):
            notes.parse(f"{body}\n\n{parts(NOTE)[1]}")
    with pytest.raises(CheckpointError):
        notes.parse(NOTE.replace("\n\n", "\n"))


def test_every_single_byte_of_the_note_counts() -> None:
    data = NOTE.encode()
    accepted = []
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 0x01
        try:
            notes.verify(changed.decode(errors="replace"), PUBLIC)
        except CheckpointError:
            continue
        accepted.append(position)
    # Only the newline that ends the note carries nothing.
    assert accepted in ([], [len(data) - 1])
    assert notes.verify(data.decode(), PUBLIC) == POINT
