from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import notes
from governance.errors import CheckpointError
from governance.merkle import leaf_hash
from governance.notes import COSIGNATURE, ED25519, Checkpoint, VerifierKey
from tests.governance.transparent import flipped, lines_of, private, public, relined, witness_vkey

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
POINT = Checkpoint("palimpsest/0011", 7, leaf_hash(b"root"))
NOTE = notes.sign(POINT, KEY)


def parts(note: str) -> tuple[str, str]:
    body, _, signature = note.partition("\n\n")
    return body + "\n", signature


def with_line(raw: bytes, name: str = POINT.origin) -> str:
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
        "a changed signature": with_line(raw[:-1] + bytes([raw[-1] ^ 1])),
        "another key": notes.sign(POINT, stranger),
        "another key under our id": with_line(raw[:4] + stranger.sign(POINT.body().encode())),
        "a note about another log": notes.sign(
            Checkpoint("palimpsest/x", 7, POINT.root), KEY
        ).replace("palimpsest/x", POINT.origin),
        "another name before the signature": with_line(raw, "palimpsest/0012"),
        "the reserved type": with_line(reserved + raw[4:]),
        "a short signature": with_line(raw[:-1]),
        "no bytes": with_line(b""),
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
    assert accepted == []
    assert notes.verify(data.decode(), PUBLIC) == POINT


# --- several signatures ------------------------------------------------------------------


NEXT, LAST = private(2), private(3)


def test_several_keys_sign_one_note() -> None:
    note = notes.sign(POINT, KEY, NEXT)
    assert lines_of(note) == lines_of(NOTE) + lines_of(notes.sign(POINT, NEXT))
    everybody = [PUBLIC, public(NEXT), public(LAST)]
    assert notes.signers(note, everybody) == {PUBLIC, public(NEXT)}
    assert notes.signers(note, [public(LAST)]) == notes.signers(note, []) == frozenset()
    assert notes.verify(note, PUBLIC) == notes.verify(note, public(NEXT)) == POINT
    with pytest.raises(CheckpointError, match="not signed"):
        notes.verify(note, public(LAST))
    # A note cut off between its lines is still the note of those that remain.
    assert notes.signers(relined(note, lines_of(note)[1:]), everybody) == {public(NEXT)}


def test_one_forged_line_of_a_known_key_spoils_the_note() -> None:
    good, other = lines_of(notes.sign(POINT, KEY, NEXT))
    forged = relined(NOTE, [flipped(good), other])
    assert notes.signers(forged, [public(NEXT)]) == {public(NEXT)}  # KEY is unknown here
    for note in (forged, relined(NOTE, [good, flipped(good)]), relined(NOTE, [flipped(good)])):
        with pytest.raises(CheckpointError, match="forged"):
            notes.signers(note, [PUBLIC, public(NEXT)])


def test_two_known_keys_may_share_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "key_id", lambda *_: b"same")
    note = notes.sign(POINT, KEY)
    assert notes.signers(note, [PUBLIC, public(NEXT)]) == {PUBLIC}
    with pytest.raises(CheckpointError, match="forged"):
        notes.signers(note, [public(NEXT), public(LAST)])


def test_what_is_no_signature_line_is_refused() -> None:
    line = lines_of(NOTE)[0]
    many = [line] * notes.MAX_SIGNATURES
    assert notes.signers(relined(NOTE, many), [PUBLIC]) == {PUBLIC}
    for lines in (
        [*many, line],
        [],
        [line.rstrip("\n")],
        [line, "\n"],
        [line, line[1:]],
        [line, "— two words AAAAAAAA\n"],
        [line, "— a+b AAAAAAAA\n"],
        [line, "— \u00a0 AAAAAAAA\n"],
        [line, "— name AAAAAA==\n"],  # four bytes: an id without a signature
        [line, "— name\tx AAAAAAAA\n"],
        [line, "— name\x07 AAAAAAAA\n"],
        [line, f"— {'n' * 201} AAAAAAAA\n"],
    ):
        with pytest.raises(CheckpointError):
            notes.parse(relined(NOTE, lines))
    assert notes.parse(relined(NOTE, [line, "— name AAAAAAAA\n"])) == POINT
    with pytest.raises(CheckpointError, match="control characters or broken"):
        notes.parse(NOTE.replace("palimpsest", "palimpsest\udc00"))
    with pytest.raises(CheckpointError, match="control characters or broken"):
        notes.parse(NOTE.replace("palimpsest", "palimp\rsest"))
    with pytest.raises(CheckpointError, match="origin, size and root"):
        notes.parse(NOTE.replace("palimpsest/0011\n", "\n", 1))


# --- cosignatures ------------------------------------------------------------------------


WITNESS = witness_vkey(NEXT, "witness.example/w1")
OTHER = witness_vkey(LAST, "witness.example/w2")
TIME_S = 1_795_700_000


def cosigned(note: str = NOTE, time_s: int = TIME_S) -> str:
    return notes.add_lines(note, notes.cosign(note, WITNESS.name, NEXT, time_s))


def test_a_cosignature_has_the_c2sp_form() -> None:
    line = notes.cosign(NOTE, WITNESS.name, NEXT, TIME_S)
    dash, name, encoded = line.removesuffix("\n").split(" ")
    raw = base64.b64decode(encoded)
    wanted = hashlib.sha256(WITNESS.name.encode() + b"\n\x04" + public(NEXT)).digest()[:4]
    assert (dash, name, len(raw)) == ("—", WITNESS.name, 4 + 8 + 64)
    assert raw[:4] == wanted == WITNESS.key_id
    assert int.from_bytes(raw[4:12], "big") == TIME_S
    message = f"cosignature/v1\ntime {TIME_S}\n{POINT.body()}".encode()
    NEXT.public_key().verify(raw[12:], message)


def test_a_cosigned_note_names_its_witnesses() -> None:
    note = cosigned()
    assert notes.verify(note, PUBLIC) == POINT
    assert notes.verify_cosignature(note, WITNESS) == TIME_S
    assert notes.cosigners(note, [WITNESS, OTHER]) == {WITNESS}
    assert notes.names(note, WITNESS)
    assert not notes.names(note, OTHER)
    with pytest.raises(CheckpointError, match="not cosigned"):
        notes.verify_cosignature(note, OTHER)
    both = notes.add_lines(note, notes.cosign(note, OTHER.name, LAST, 5))
    assert notes.cosigners(both, [WITNESS, OTHER]) == {WITNESS, OTHER}


def test_one_witness_key_under_two_names_counts_once() -> None:
    again = VerifierKey("witness.example/again", COSIGNATURE, WITNESS.public)
    note = notes.add_lines(cosigned(), notes.cosign(NOTE, again.name, NEXT, TIME_S))
    assert notes.cosigners(note, [again]) == {again}
    assert len(notes.cosigners(note, [WITNESS, again])) == 1


def test_a_newer_line_of_a_key_replaces_the_older_one() -> None:
    note = cosigned(cosigned(), TIME_S + 60)
    assert len(lines_of(note)) == 2
    assert notes.verify_cosignature(note, WITNESS) == TIME_S + 60
    twice = relined(note, [*lines_of(note), lines_of(cosigned())[1]])
    assert notes.verify_cosignature(twice, WITNESS) == TIME_S + 60
    with pytest.raises(CheckpointError):
        notes.add_lines(NOTE, "no line")


# --- keys as others write them -----------------------------------------------------------


def test_keys_are_read_and_written_in_their_c2sp_form() -> None:
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    key = notes.parse_key(text, kind=ED25519)
    assert (key.name, key.kind, str(key)) == ("PeterNeumann", ED25519, text)
    assert notes.parse_key(str(WITNESS), kind=COSIGNATURE) == WITNESS


def test_what_is_no_key_is_refused() -> None:
    text = str(WITNESS)
    name, key_id, encoded = text.split("+", 2)
    raw = base64.b64decode(encoded)
    assert notes.parse_key(text, kind=COSIGNATURE) == WITNESS
    reserved = VerifierKey(name, notes.ML_DSA_44_RESERVED, WITNESS.public)
    for wrong, message in (
        ("", "not a verifier key"),
        (name, "not a verifier key"),
        (f"{name}+{key_id}", "not a verifier key"),
        (f"{name}+{key_id}+{encoded[:-4]}", "not a verifier key"),
        (f"{name}+{key_id}+{encoded}AAAA", "not a verifier key"),
        (f"{name} x+{key_id}+{encoded}", "not a verifier key"),
        (f"+{key_id}+{encoded}", "not a verifier key"),
        (f"{name}\udc00+{key_id}+{encoded}", "not a verifier key"),
        (f"{name}+{key_id.upper()}+{encoded}", "does not match its own id"),
        (f"{name}+00000000+{encoded}", "does not match its own id"),
        (f"{name}x+{key_id}+{encoded}", "does not match its own id"),
        (str(VerifierKey(name, ED25519, raw[1:])), "type 1, not that of a witness"),
        (str(reserved), "type 6, not that of a witness"),
    ):
        with pytest.raises(CheckpointError, match=message):
            notes.parse_key(wrong, kind=COSIGNATURE)
    with pytest.raises(CheckpointError, match="type 4, not that of a log"):
        notes.parse_key(text, kind=ED25519)
