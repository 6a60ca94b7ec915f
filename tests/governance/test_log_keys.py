"""Replacing the signing key: crashes at every step, failures, threads."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from governance import notes
from governance.checkpoint import CheckpointLog
from governance.errors import CheckpointError, StoreError
from governance.events import KeyRotated, RoleGranted
from governance.home import KEYS
from governance.keystore import Keystore
from governance.ledger import EventDraft, Ledger, OwnedLog, verify_home
from governance.store import DuckStore
from tests.governance.drafts import SYSTEM, draft


class Killed(BaseException):
    """Nothing but a test catches it, like a kill."""


def role(name: object) -> EventDraft:
    return draft(RoleGranted(principal=f"human:p{name}", role="reviewer"))


def owned(ledger: Ledger) -> OwnedLog:
    assert isinstance(ledger.log, OwnedLog)
    return ledger.log


@pytest.fixture
def filled(home: Path) -> Path:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
    return home


def signers(note: str, *keys: bytes) -> list[bool]:
    """Which of the keys signed it."""
    found = []
    for key in keys:
        try:
            notes.verify(note, key)
        except Exception:  # noqa: BLE001  # whichever way it is refused
            found.append(False)
        else:
            found.append(True)
    return found


@pytest.fixture(params=["memory", "duck"])
def any_ledger(request: pytest.FixtureRequest, home: Path) -> Iterator[Ledger]:
    made = Ledger.in_memory() if request.param == "memory" else Ledger.open(home, create=True)
    with made:
        yield made


def test_a_rotation_is_signed_by_both_keys_once(any_ledger: Ledger) -> None:
    ledger = any_ledger
    ledger.append([role(1)])
    first = ledger.public_key
    receipt = ledger.rotate_key(SYSTEM, "yearly")
    second = ledger.public_key
    assert second != first
    event = ledger.event(receipt.first_seq)
    assert event.payload == KeyRotated(old_key=first.hex(), new_key=second.hex(), reason="yearly")
    assert event.header.subject == f"key:{second.hex()}"
    assert ledger.rotations() == [2]
    assert signers(ledger.first_note(2), first, second) == [True, True]
    ledger.append([role(2)])
    assert signers(ledger.note(), first, second) == [False, True]
    ledger.rotate_key(SYSTEM, "drill")
    ledger.append([role(3)])
    report = ledger.verify()
    assert report.ok, report.problems
    assert ledger.state.signing_key == ledger.public_key.hex()


STEPS = {
    "before the key is staged": (Keystore, "stage_next_key", False, 1, 0),
    "after the key was staged": (Keystore, "stage_next_key", True, 1, 0),
    "before the commit": (DuckStore, "append", False, 1, 0),
    "after the commit": (DuckStore, "append", True, 2, 1),
    "before the checkpoint": (CheckpointLog, "append", False, 2, 1),
    "after the checkpoint": (CheckpointLog, "append", True, 2, 0),
    "before the promotion": (Keystore, "promote_next_key", False, 2, 0),
    "after the promotion": (Keystore, "promote_next_key", True, 2, 0),
}
"""What dies, before or after; events that are there then; and events the next open adds."""


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_of_a_rotation_leaves_one_chain_of_keys(
    filled: Path, step: str, monkeypatch: pytest.MonkeyPatch, fast_path: Path
) -> None:
    owner, name, after, left, added = STEPS[step]
    original = getattr(owner, name)

    def dying(*arguments: object, **options: object) -> None:
        if after:
            original(*arguments, **options)
        raise Killed

    copy = fast_path / "killed"
    with Ledger.open(filled) as ledger:
        first = ledger.public_key
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, dying)
            with pytest.raises(Killed):
                ledger.rotate_key(SYSTEM, "yearly")
            shutil.copytree(filled, copy)
    report = verify_home(copy)
    assert report.ok, report.problems
    assert (report.events, report.unsigned) == (left, added)
    with Ledger.open(copy) as ledger:
        assert ledger.head.seq == left + added
        rotated = left == 2
        assert (ledger.public_key != first) is rotated
        assert ledger.rotations() == ([2] if rotated else [])
        if rotated:
            assert ledger.state.signing_key == ledger.public_key.hex()
            assert signers(ledger.first_note(2), first, ledger.public_key) == [True, True]
        ledger.rotate_key(SYSTEM, "again")
        ledger.append([role(2)])
        assert signers(ledger.note(), first, ledger.public_key) == [False, True]
        report = ledger.verify()
        assert report.ok, report.problems
    assert verify_home(copy).ok


@pytest.mark.parametrize("what", ["commit", "checkpoint", "promotion", "staging"])
def test_a_rotation_that_failed_is_finished_before_another_begins(
    filled: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The announced key must never be thrown away for a newer one."""

    def full(*_: object) -> None:
        raise StoreError("disk full")

    target = {
        "commit": (DuckStore, "append"), "checkpoint": (CheckpointLog, "append"),
        "promotion": (Keystore, "promote_next_key"), "staging": (Keystore, "stage_next_key"),
    }[what]  # fmt: skip
    with Ledger.open(filled) as ledger:
        first = ledger.public_key
        with monkeypatch.context() as patch:
            patch.setattr(*target, full)
            for _ in range(2):
                with pytest.raises(StoreError, match="disk full"):
                    ledger.rotate_key(SYSTEM, "yearly")
        assert ledger.public_key == first
        ledger.rotate_key(SYSTEM, "again")
        assert ledger.rotations() == ([2, 3] if what in {"checkpoint", "promotion"} else [2])
        ledger.append([role(2)])
        assert ledger.state.signing_key == ledger.public_key.hex()
        report = ledger.verify()
        assert report.ok, report.problems
    assert verify_home(filled).ok
    Ledger.open(filled).close()


def test_an_append_finishes_what_a_rotation_left(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("disk full")

    with Ledger.open(filled) as ledger:
        first = ledger.public_key
        with monkeypatch.context() as patch:
            patch.setattr(CheckpointLog, "append", full)
            with pytest.raises(StoreError):
                ledger.rotate_key(SYSTEM, "yearly")
        ledger.append([role(2)])
        next_key = owned(ledger).keys.next_key
        assert next_key is not None
        both = first, next_key.public_key().public_bytes_raw()
        assert signers(ledger.first_note(2), *both) == [True, True]
        assert ledger.verify().ok
    with Ledger.open(filled) as ledger:
        assert ledger.public_key == both[1]
        assert ledger.verify().ok


def test_rotations_at_once_make_one_chain(filled: Path) -> None:
    with Ledger.open(filled) as ledger:

        def rotate() -> None:
            for _ in range(3):
                ledger.rotate_key(SYSTEM, "drill")
                ledger.append([role("x")])

        threads = [threading.Thread(target=rotate) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rotated = [event.payload for event in ledger.events(types=[KeyRotated.event_type])]
        assert len(rotated) == 12
        keys = [one for one in rotated if isinstance(one, KeyRotated)]
        assert [one.old_key for one in keys[1:]] == [one.new_key for one in keys[:-1]]
        assert ledger.public_key.hex() == keys[-1].new_key
        report = ledger.verify()
        assert report.ok, report.problems


def test_who_only_reads_replaces_no_key(filled: Path) -> None:
    before = (filled / "keys.sqlite").read_bytes()
    with Ledger.open(filled, read_only=True) as ledger:
        with pytest.raises(StoreError, match="reading only"):
            ledger.rotate_key(SYSTEM, "yearly")
        with pytest.raises(StoreError, match="reading only"):
            ledger.rebuild_projections()
    assert (filled / "keys.sqlite").read_bytes() == before


def test_a_keystore_older_than_the_rotation_is_refused(filled: Path, fast_path: Path) -> None:
    """The note of the rotation is signed by both keys, so the old one alone accepts it."""
    older, newer = fast_path / "older", fast_path / "newer"
    shutil.copy(filled / KEYS, older)
    with Ledger.open(filled) as ledger:
        first = ledger.public_key
        ledger.rotate_key(SYSTEM, "yearly")
    shutil.copy(filled / KEYS, newer)
    shutil.copy(older, filled / KEYS)
    for read_only in (True, False):
        with pytest.raises(CheckpointError, match="announced a signing key") as caught:
            Ledger.open(filled, read_only=read_only)
        assert "newest keys.sqlite" in caught.value.hint
    shutil.copy(newer, filled / KEYS)
    with Ledger.open(filled) as ledger:
        assert ledger.public_key != first
        assert ledger.verify().ok
