"""Test 6 of the trust plan: forged, foreign, revoked, clashing and stripped signatures.

Each is offered where a signature decides: to whoever checks a proof, to a witness, and to a
log that takes in a witness's answer; the honest one beside it is accepted there.
"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from governance import notes
from governance.cosigned import CosignedNotes
from governance.errors import CheckpointError, LedgerError
from governance.notes import ED25519, Checkpoint, VerifierKey, parse_key
from governance.proof import build_proof, verify_proof
from governance.witness import Request, Witness, build_request
from tests.governance.transparent import (
    Log,
    flipped,
    lines_of,
    log_vkey,
    private,
    public,
    relined,
    witness_vkey,
)

NAMES = ["w.example/1", "w.example/2", "w.example/3"]
KEYS = [private(number) for number in (11, 12, 13)]
WITNESSES = [witness_vkey(key, name) for key, name in zip(KEYS, NAMES, strict=True)]
NOW_S = 1_795_700_000
STRANGER = private(77)


@pytest.fixture
def log() -> Log:
    return Log().append(3)


@pytest.fixture
def witness(fast_path: Path) -> Witness:
    return Witness.create(fast_path / "witness", "w.example/real")


def vouched(log: Log, count: int = 3) -> str:
    """The log's newest note, cosigned by the first witnesses."""
    note = log.note()
    for key, name in list(zip(KEYS, NAMES, strict=True))[:count]:
        note = notes.add_lines(note, notes.cosign(note, name, key, NOW_S))
    return note


def test_6_a_forged_signature_is_refused(log: Log, witness: Witness) -> None:
    [line] = lines_of(log.note())
    forged = relined(log.note(), [flipped(line)])
    text = build_proof(log, 2)
    verify_proof(text, [log.vkey])
    with pytest.raises(CheckpointError, match="forged"):
        verify_proof(build_proof(log, 2, forged), [log.vkey])
    with pytest.raises(CheckpointError, match="forged"):
        witness.cosign(Request(0, (), forged), now_s=NOW_S, trust=log.vkey)
    assert witness.records() == []
    witness.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey)


def test_6_a_signature_of_another_key_is_refused(log: Log, witness: Witness) -> None:
    stranger = log.sign(STRANGER)
    with pytest.raises(CheckpointError, match="not signed"):
        verify_proof(build_proof(log, 2, stranger), [log.vkey])
    with pytest.raises(CheckpointError, match="not signed"):
        witness.cosign(Request(0, (), stranger), now_s=NOW_S, trust=log.vkey)
    # The stranger's line beside the log's own is nobody's business.
    both = log.sign(log.keys[0], STRANGER)
    verify_proof(build_proof(log, 2, both), [log.vkey])
    witness.cosign(Request(0, (), both), now_s=NOW_S, trust=log.vkey)


def test_6_a_revoked_key_is_refused_once_its_successor_is_known(log: Log, witness: Witness) -> None:
    old = log.keys[0]
    before = log.vkey
    witness.cosign(build_request(log, 0), now_s=NOW_S, trust=before)
    log.rotate(private(2)).append(2)
    witness.cosign(build_request(log, 3), now_s=NOW_S)
    assert witness.records()[0].key == log.vkey != before

    log.append(1)
    honest = build_request(log, 6)
    revoked = Request(6, honest.proof, log.sign(old))
    with pytest.raises(CheckpointError, match="not signed"):
        witness.cosign(revoked, now_s=NOW_S)
    with pytest.raises(CheckpointError, match="not signed"):
        verify_proof(build_proof(log, 2, log.sign(old)), [log.vkey])
    # Nor can the old key name a successor of its own now.
    fork = log.rewritten(6, 1)
    fork.keys = [old]
    fork.rotate(STRANGER)
    with pytest.raises(CheckpointError, match="not signed"):
        witness.cosign(build_request(fork, 6), now_s=NOW_S)
    assert witness.cosign(honest, now_s=NOW_S).checkpoint.size == 7


def test_6_a_key_name_clash_is_refused(
    log: Log, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's key under the log's name, and one whose short id was made to collide."""
    clash = log_vkey(STRANGER)
    assert clash.name == log.vkey.name
    assert clash.key_id != log.vkey.key_id
    with pytest.raises(CheckpointError, match="not signed"):
        verify_proof(build_proof(log, 2, log.sign(STRANGER)), [log.vkey])

    raw = base64.b64decode(lines_of(log.sign(STRANGER))[0].rpartition(" ")[2])
    same_id = base64.b64encode(log.vkey.key_id + raw[4:]).decode()
    collision = relined(log.note(), [f"— {log.origin} {same_id}\n"])
    beside = relined(log.note(), [*lines_of(log.note()), f"— {log.origin} {same_id}\n"])
    for note in (collision, beside):
        with pytest.raises(CheckpointError, match="forged"):
            verify_proof(build_proof(log, 2, note), [log.vkey])
        with pytest.raises(CheckpointError, match="forged"):
            witness.cosign(Request(0, (), note), now_s=NOW_S, trust=log.vkey)

    # A key that says it has the id of another one is not even read.
    told = str(clash).replace(clash.key_id.hex(), log.vkey.key_id.hex())
    with pytest.raises(CheckpointError, match="its own id"):
        parse_key(told, kind=ED25519)
    assert parse_key(str(clash), kind=ED25519) == clash
    witness.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey)
    with pytest.raises(LedgerError, match="another key is already trusted"):
        witness.cosign(build_request(log, 3), now_s=NOW_S, trust=clash)


def test_6_a_stripped_cosignature_leaves_too_few(log: Log) -> None:
    note = vouched(log)
    text = build_proof(log, 2, note)
    for quorum in range(4):
        found = verify_proof(text, [log.vkey], witnesses=WITNESSES, quorum=quorum)
        assert found.cosigners == set(WITNESSES)
    for gone in (1, 2, 3):
        lines = lines_of(note)
        stripped = build_proof(log, 2, relined(note, [*lines[:gone], *lines[gone + 1 :]]))
        found = verify_proof(stripped, [log.vkey], witnesses=WITNESSES, quorum=2)
        assert len(found.cosigners) == 2
        with pytest.raises(CheckpointError, match=r"2 of 3 witnesses .* 3 are needed"):
            verify_proof(stripped, [log.vkey], witnesses=WITNESSES, quorum=3)
    with pytest.raises(CheckpointError, match="0 of 3 witnesses"):
        verify_proof(build_proof(log, 2), [log.vkey], witnesses=WITNESSES, quorum=1)


def test_6_a_forged_cosignature_is_refused_even_when_the_others_are_enough(log: Log) -> None:
    note = vouched(log)
    for place in (1, 2, 3):
        lines = lines_of(note)
        lines[place] = flipped(lines[place])
        forged = build_proof(log, 2, relined(note, lines))
        with pytest.raises(CheckpointError, match=r"cosignature of .* is forged"):
            verify_proof(forged, [log.vkey], witnesses=WITNESSES, quorum=2)
        others = [one for at, one in enumerate(WITNESSES, start=1) if at != place]
        verify_proof(forged, [log.vkey], witnesses=others, quorum=2)


def test_6_a_cosignature_does_not_vouch_for_anything_but_what_was_signed(log: Log) -> None:
    note = vouched(log, 1)
    later = Log().append(3).append(1)
    moved = relined(later.note(), [lines_of(later.note())[0], lines_of(note)[1]])
    verify_proof(build_proof(log, 2, note), [log.vkey], witnesses=WITNESSES[:1], quorum=1)
    with pytest.raises(CheckpointError, match="forged"):
        verify_proof(build_proof(later, 2, moved), [log.vkey], witnesses=WITNESSES[:1], quorum=1)
    for at, wrong in ((4, b"\x80"), (11, b"\x00")):  # a time beyond 2⁶³, another time
        raw = bytearray(base64.b64decode(lines_of(note)[1].rpartition(" ")[2]))
        raw[at : at + 1] = wrong
        line = f"— {NAMES[0]} {base64.b64encode(bytes(raw)).decode()}\n"
        with pytest.raises(CheckpointError, match="forged"):
            notes.verify_cosignature(relined(note, [line]), WITNESSES[0])


def test_6_the_logs_own_key_is_no_witness(log: Log) -> None:
    """A log signature (type 1) never counts as a cosignature (type 4) of the same key."""
    own = VerifierKey(log.origin, notes.COSIGNATURE, public(log.keys[0]))
    assert notes.signers(log.note(), [own.public])
    with pytest.raises(CheckpointError, match="0 of 1 witnesses"):
        verify_proof(build_proof(log, 2), [log.vkey], witnesses=[own], quorum=1)


def test_6_the_log_refuses_forged_and_stripped_answers(log: Log, fast_path: Path) -> None:
    cosigned = CosignedNotes(fast_path)
    cosigned.remember_request(WITNESSES[0], log.note())
    good = notes.cosign(log.note(), NAMES[0], KEYS[0], NOW_S)
    by_another = notes.cosign(log.note(), NAMES[0], STRANGER, NOW_S)
    elsewhere = notes.sign(Checkpoint(log.origin, 3, bytes(32)), log.keys[0])
    for answer, message in (
        ("", "no cosignature of a witness that was asked"),
        (by_another, "no cosignature of a witness that was asked"),
        (notes.cosign(log.note(), NAMES[1], KEYS[1], NOW_S), "no cosignature of a witness"),
        (flipped(good), "does not fit the last request"),
        (notes.cosign(elsewhere, NAMES[0], KEYS[0], NOW_S), "does not fit the last request"),
        ("not a line\n", "not a signature line"),
    ):
        with pytest.raises(CheckpointError, match=message):
            cosigned.accept(answer)
        assert cosigned.last_size(WITNESSES[0]) == 0
    [accepted] = cosigned.accept(by_another + good)  # unknown lines are ignored
    assert (accepted.witness, accepted.checkpoint.size) == (WITNESSES[0], 3)
    assert cosigned.last_size(WITNESSES[0]) == 3
