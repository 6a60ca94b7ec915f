from __future__ import annotations

import stat
from pathlib import Path

import pytest

from governance import notes
from governance.cosigned import FOLDER, CosignedNotes
from governance.errors import CheckpointError, LedgerError, StoreError
from tests.governance.transparent import Log, flipped, lines_of, private, relined, witness_vkey

ONE = witness_vkey(private(8), "w.example/1")
TWO = witness_vkey(private(9), "w.example/2")
KEYS = {ONE.name: private(8), TWO.name: private(9)}
NOW_S = 1_795_700_000


@pytest.fixture
def cosigned(fast_path: Path) -> CosignedNotes:
    return CosignedNotes(fast_path)


def asked(cosigned: CosignedNotes, log: Log, *witnesses: notes.VerifierKey) -> None:
    """Every one of them is asked about the newest checkpoint, and answers."""
    for one in witnesses:
        cosigned.remember_request(one, log.note())
        cosigned.accept(notes.cosign(log.note(), one.name, KEYS[one.name], NOW_S))


def test_an_answer_is_kept_beside_the_checkpoints(cosigned: CosignedNotes, fast_path: Path) -> None:
    log = Log().append(3)
    assert cosigned.witnesses() == []
    assert cosigned.last_size(ONE) == 0
    with pytest.raises(LedgerError, match="no witness was asked yet"):
        cosigned.accept("")
    asked(cosigned, log, ONE)
    assert cosigned.last_size(ONE) == 3
    assert cosigned.last_size(TWO) == 0
    assert cosigned.witnesses() == [ONE]
    path = fast_path / FOLDER / "w.example%2F1.note"
    assert notes.cosigners(path.read_text("utf-8"), [ONE]) == {ONE}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    asked(cosigned, log.append(2), ONE)
    assert cosigned.last_size(ONE) == 5


def test_one_answer_may_hold_the_lines_of_several_witnesses(cosigned: CosignedNotes) -> None:
    log = Log().append(3)
    for one in (ONE, TWO):
        cosigned.remember_request(one, log.note())
    answer = "".join(
        notes.cosign(log.note(), one.name, KEYS[one.name], NOW_S) for one in (TWO, ONE)
    )
    assert [one.witness for one in cosigned.accept(answer)] == [ONE, TWO]
    assert [one.time_s for one in cosigned.accept(answer)] == [NOW_S, NOW_S]  # again: the same


def test_a_witness_that_changed_its_key_starts_over(
    cosigned: CosignedNotes, fast_path: Path
) -> None:
    log = Log().append(3)
    asked(cosigned, log, ONE)
    renewed = witness_vkey(private(7), ONE.name)
    assert cosigned.last_size(renewed) == 0
    cosigned.remember_request(renewed, log.note())
    assert cosigned.witnesses() == [renewed]
    cosigned.accept(notes.cosign(log.note(), ONE.name, private(7), NOW_S))
    assert cosigned.last_size(renewed) == 3
    (fast_path / FOLDER / "w.example%2F1.request").unlink()
    with pytest.raises(CheckpointError, match="no cosignature of a witness that was asked"):
        cosigned.accept(notes.cosign(log.note(), ONE.name, private(7), NOW_S))


def test_a_proof_is_made_under_the_checkpoint_most_witnesses_vouched_for(
    cosigned: CosignedNotes,
) -> None:
    log = Log().append(3)
    newest = log.note()
    assert cosigned.best_note(newest, 2) == newest
    asked(cosigned, log, ONE, TWO)
    log.append(2)
    asked(cosigned, log, ONE)
    log.append(2)
    # Only TWO still vouches for three events: its note was not replaced.
    best = cosigned.best_note(log.note(), 2)
    assert notes.parse(best).size == 5
    assert notes.cosigners(best, [ONE, TWO]) == {ONE}
    asked(cosigned, log, ONE, TWO)
    best = cosigned.best_note(log.note(), 2)
    assert notes.parse(best).size == 7
    assert notes.cosigners(best, [ONE, TWO]) == {ONE, TWO}
    assert lines_of(best)[0] == lines_of(log.note())[0]
    log.append(1)
    assert cosigned.best_note(log.note(), 2) == best
    assert cosigned.best_note(log.note(), 8) == log.note()  # nobody vouches for event 8 yet


def test_what_was_altered_in_the_folder_is_refused(
    cosigned: CosignedNotes, fast_path: Path
) -> None:
    log = Log().append(3)
    asked(cosigned, log, ONE)
    folder = fast_path / FOLDER
    path = folder / "w.example%2F1.note"
    whole = path.read_text("utf-8")
    assert cosigned.best_note(log.note(), 1) == whole
    signed, vouched = lines_of(whole)
    path.write_text(relined(whole, [signed, flipped(vouched)]), "utf-8")
    for call in (lambda: cosigned.best_note(log.note(), 1), lambda: cosigned.last_size(ONE)):
        with pytest.raises(CheckpointError, match="forged"):
            call()
    path.write_text(whole, "utf-8")
    assert cosigned.last_size(ONE) == 3
    (folder / "w.example%2F1.vkey").write_text("nothing")
    with pytest.raises(CheckpointError, match="not a verifier key"):
        cosigned.witnesses()


def test_a_folder_that_cannot_be_used_is_an_environment_error(fast_path: Path) -> None:
    (fast_path / "file").touch()
    blocked = CosignedNotes(fast_path / "file")
    with pytest.raises(StoreError, match="cannot be made"):
        blocked.remember_request(ONE, Log().note())
    long = witness_vkey(private(8), "é" * 200)
    with pytest.raises(StoreError, match="cannot be written"):
        CosignedNotes(fast_path).remember_request(long, Log().note())
    CosignedNotes(fast_path).remember_request(ONE, Log().note())  # control
