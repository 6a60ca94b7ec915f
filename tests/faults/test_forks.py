"""Test 5 of the trust plan: two histories shown to two readers.

Whoever holds the signing key and the database can rewrite history and sign it again. The
witness is what stops that: it vouches for one history only, and keeps both signed
checkpoints as evidence when it is shown a second one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from governance import notes
from governance.errors import (
    CheckpointError,
    ForkError,
    ProofError,
    StaleRequestError,
    StoreError,
)
from governance.merkle import consistency_proof, verify_consistency
from governance.proof import build_proof, verify_proof
from governance.witness import EVIDENCE, LogRecord, Request, Witness, build_request
from tests.governance.transparent import Log

NOW_S = 1_795_700_000


@pytest.fixture
def folder(fast_path: Path) -> Path:
    return fast_path / "witness"


@pytest.fixture
def log() -> Log:
    return Log().append(10)


@pytest.fixture
def witness(folder: Path, log: Log) -> Witness:
    """It has vouched for ten events of ``log``."""
    made = Witness.create(folder, "w.example/1")
    made.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey)
    return made


def evidence(folder: Path) -> set[str]:
    return {path.read_text("utf-8") for path in (folder / EVIDENCE).iterdir()}


def remembered(witness: Witness) -> LogRecord:
    [record] = witness.records()
    return record


def test_5_two_readers_with_two_histories_find_out_by_a_consistency_proof(log: Log) -> None:
    first, second = log.append(3), log.rewritten(6, 9)
    shown = [notes.verify(one.note(), log.public_key) for one in (first, second)]
    assert [point.size for point in shown] == [13, 15]
    for one in (first, second):  # both carry the log's good signature, and prove their events
        assert verify_proof(build_proof(one, 8), [log.vkey]).seq == 8
    for size in (3, 6):  # what the two histories share
        shared = log.rewritten(size, 0).stored.tree.root()
        proof = consistency_proof(size, 15, second.tile)
        verify_consistency(size, 15, shared, shown[1].root, proof)
    for proof in (consistency_proof(13, 15, second.tile), []):
        with pytest.raises(ProofError):
            verify_consistency(13, 15, shown[0].root, shown[1].root, proof)


def test_5_a_rewritten_history_is_not_vouched_for_and_both_heads_are_kept(
    log: Log, witness: Witness, folder: Path
) -> None:
    before = remembered(witness)
    fork = log.rewritten(6, 9)
    with pytest.raises(ForkError, match="another history") as caught:
        witness.cosign(build_request(fork, 10), now_s=NOW_S)
    assert EVIDENCE in str(caught.value)
    assert evidence(folder) == {log.note(), fork.note()}
    for note in evidence(folder):  # each convicts the log by its own signature
        notes.verify(note, log.public_key)
    assert remembered(witness) == before
    done = witness.cosign(build_request(log.append(1), 10), now_s=NOW_S)  # control
    assert done.checkpoint.size == 11


def test_5_another_root_at_the_same_size_is_a_fork_whatever_the_request_says(
    log: Log, witness: Witness, folder: Path
) -> None:
    fork = log.rewritten(6, 4)
    for request in (
        Request(10, (), fork.note()),
        Request(0, (), fork.note()),
        build_request(fork, 7),
    ):
        with pytest.raises(ForkError, match="two histories of 10 events"):
            witness.cosign(request, now_s=NOW_S)
    assert evidence(folder) == {log.note(), fork.note()}
    assert len(list((folder / EVIDENCE).iterdir())) == 2
    again = witness.cosign(Request(10, (), log.note()), now_s=NOW_S + 1)  # control
    assert again.time_s == NOW_S + 1


def test_5_a_cut_history_is_not_vouched_for(log: Log, witness: Witness, folder: Path) -> None:
    cut = log.rewritten(6, 0)
    assert notes.parse(cut.note()).size == 6
    for old in (0, 6):
        with pytest.raises(StaleRequestError, match="the witness is at size 10") as caught:
            witness.cosign(Request(old, (), cut.note()), now_s=NOW_S)
        assert caught.value.size == 10
        assert "--old 10" in caught.value.hint
    with pytest.raises(ProofError, match="does not extend"):
        witness.cosign(Request(10, (), cut.note()), now_s=NOW_S)
    assert evidence(folder) == set()
    assert remembered(witness).checkpoint.size == 10
    # The log itself sees that the witness knows more than it holds.
    with pytest.raises(CheckpointError, match="vouched for 10 events, this ledger ends at 6"):
        build_request(cut, 10)
    assert build_request(log, 10).old == 10


def test_5_a_log_that_grows_in_one_of_two_histories_is_caught_at_the_next_request(
    log: Log, witness: Witness, folder: Path
) -> None:
    """The attacker shows both branches in turn, each with proofs of its own."""
    left, right = log.append(5), log.rewritten(9, 6)
    witness.cosign(build_request(left, 10), now_s=NOW_S)
    with pytest.raises(ForkError):
        witness.cosign(build_request(right, 10), now_s=NOW_S)  # same size 15
    with pytest.raises(ForkError):
        witness.cosign(build_request(right.append(5), 15), now_s=NOW_S)
    assert len(evidence(folder)) == 3
    witness.cosign(build_request(left.append(5), 15), now_s=NOW_S)
    assert remembered(witness).checkpoint.size == 20


def test_5_a_change_of_key_does_not_hide_a_fork(log: Log, witness: Witness) -> None:
    fork = log.rewritten(6, 9)
    fork.rotate(Log().keys[0])
    with pytest.raises(ForkError):
        witness.cosign(build_request(fork, 10), now_s=NOW_S)
    assert remembered(witness).key == log.vkey


def test_5_nothing_is_signed_unless_it_is_kept(
    log: Log, witness: Witness, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record is durable before the signature exists: killed between them loses nothing."""
    calls: list[str] = []
    real = notes.cosign

    def watched(note: str, name: str, key: object, time_s: int) -> str:
        calls.append(f"signed at {remembered(Witness(folder)).checkpoint.size}")
        return real(note, name, key, time_s)  # type: ignore[arg-type]

    monkeypatch.setattr(notes, "cosign", watched)
    log.append(1)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            witness.cosign(build_request(log, 10), now_s=NOW_S)
    assert calls == []
    assert remembered(witness).checkpoint.size == 10
    witness.cosign(build_request(log, 10), now_s=NOW_S)
    assert calls == ["signed at 11"]


def test_5_without_a_witness_a_rewritten_and_signed_history_looks_whole(log: Log) -> None:
    """What the ledger alone cannot prove, stated as a test."""
    fork = log.rewritten(6, 9)
    assert verify_proof(build_proof(fork, 8), [log.vkey]).checkpoint.size == 15
