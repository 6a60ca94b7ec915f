"""Checkpoints edited, parts deleted, older copies put back, bits flipped, in a real home.

As in ``test_tamper``: each fault is made with the means of its attacker, and named.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from governance.errors import (
    ChainError,
    CheckpointError,
    PalimpsestError,
    SealError,
    StoreError,
)
from governance.events import RoleGranted
from governance.home import CHECKPOINTS, DATABASE, KEYS
from governance.keystore import AHEAD, BLOCK
from governance.ledger import Ledger, verify_home
from tests.faults.homes import EVENTS, build, checkpoint_file, copied
from tests.governance.drafts import SYSTEM, draft


@pytest.fixture(scope="module")
def whole(fast_root: Path) -> Path:
    return build(fast_root / "tamper-files" / "whole")


@pytest.fixture
def victim(whole: Path, fast_path: Path) -> Path:
    return copied(whole, fast_path / "home")


def role(name: str = "late") -> RoleGranted:
    return RoleGranted(principal=name, role="admin")


def problems(home: Path) -> list[str]:
    return verify_home(home).problems


# --- the checkpoint file -----------------------------------------------------------------


def note_edit(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def apply(home: Path) -> None:
        file = checkpoint_file(home)
        before = file.read_bytes()
        after = change(before)
        assert after != before
        file.write_bytes(after)

    return apply


def last_note(data: bytes) -> bytes:
    parts = data.split(b"\n\n")
    return parts[-3] + b"\n\n" + parts[-2] + b"\n\n"


NOTES: dict[str, Callable[[bytes], bytes]] = {
    "size raised": lambda data: data.replace(b"\n300\n", b"\n301\n"),
    "root changed": lambda data: data.replace(b"\n300\n", b"\n300\nA"),
    "signature changed": lambda data: data[:-10] + b"A" + data[-9:],
    "signature stripped": lambda data: data[: data.rindex("— ".encode())] + b"\n\n",
    "an older note again": lambda data: data + data[: data.index(b"\n\n", 5)],
    "origin changed": lambda data: (
        data[: -len(last_note(data))] + last_note(data).replace(b"palimpsest/", b"palimpsest/0")
    ),
}


@pytest.mark.parametrize("name", sorted(set(NOTES) - {"an older note again"}))
def test_a_changed_last_note_stops_everything(victim: Path, name: str) -> None:
    note_edit(NOTES[name])(victim)
    assert any("checkpoint" in problem for problem in problems(victim))
    with pytest.raises(CheckpointError):
        Ledger.open(victim)


def test_a_changed_earlier_note_is_named_by_verify(victim: Path) -> None:
    note_edit(lambda data: data.replace(b"\n12\n", b"\n13\n"))(victim)
    assert problems(victim)[0].startswith("checkpoint ")
    assert "forged" in problems(victim)[0]


def test_a_note_of_our_own_key_about_another_history_is_a_fork(victim: Path, whole: Path) -> None:
    """Somebody took the keys, too: the two signed roots disagree, whatever the database says."""
    twin = copied(whole, victim.parent / "twin")
    for home, name in ((victim, "left"), (twin, "right")):
        with Ledger.open(home) as ledger:
            ledger.append([draft(role(name))])
    assert not problems(victim)
    checkpoint_file(victim).write_bytes(
        checkpoint_file(victim).read_bytes() + last_note(checkpoint_file(twin).read_bytes())
    )
    assert "two different roots were signed" in problems(victim)[0]
    with pytest.raises(ChainError):
        Ledger.open(victim)


def test_the_checkpoint_file_cut_at_every_byte_of_its_last_notes(victim: Path) -> None:
    """A cut file is an earlier truth or no truth, and the events are never thrown away."""
    file = checkpoint_file(victim)
    data = file.read_bytes()
    ends = [at for at in range(len(data) + 1) if data[:at].endswith(b"\n\n")]
    before = ends[-3]
    unsigned = EVENTS - 15  # the last append was one large batch
    for cut in range(before, len(data), 31):
        file.write_bytes(data[:cut])
        report = verify_home(victim)
        assert report.ok, (cut, report.problems)
        assert report.unsigned == unsigned, cut
    # Opening signs the tail again and says so.
    file.write_bytes(data[: before + 3])
    with Ledger.open(victim) as ledger:
        assert ledger.event(EVENTS + 1).header.type == "ledger.recovered"
        assert ledger.verify().ok


@pytest.mark.parametrize("part", [CHECKPOINTS, DATABASE, KEYS])
def test_a_deleted_part_is_missed(victim: Path, part: str) -> None:
    path = victim / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(StoreError, match=r"half a home|no palimpsest home"):
        Ledger.open(victim)
    if part == CHECKPOINTS:
        assert "no valid signed checkpoint" in problems(victim)[0]
    else:
        with pytest.raises(StoreError):
            verify_home(victim)


# --- older copies ------------------------------------------------------------------------


def test_an_old_database_put_back_is_behind(victim: Path, fast_path: Path) -> None:
    shutil.copy(victim / DATABASE, fast_path / "old")
    with Ledger.open(victim) as ledger:
        ledger.append([draft(role("one"))])
        ledger.append([draft(role("two"))])
    shutil.copy(victim / DATABASE, fast_path / "new")
    shutil.copy(fast_path / "old", victim / DATABASE)
    assert "2 acknowledged event(s) are missing" in problems(victim)[-1]
    with pytest.raises(CheckpointError, match=f"ends at event {EVENTS}, behind") as caught:
        Ledger.open(victim)
    assert "restore the newest" in caught.value.hint
    with pytest.raises(CheckpointError):
        Ledger.open(victim, create=True)
    shutil.copy(fast_path / "new", victim / DATABASE)
    with Ledger.open(victim) as ledger:
        assert ledger.head.seq == EVENTS + 2


@pytest.mark.parametrize("needs", ["a new person", "new event secrets", "a new signing key"])
def test_an_old_keystore_put_back_is_named(victim: Path, fast_path: Path, needs: str) -> None:
    """Whatever the old copy lacks is missed before anything is sealed under other keys."""
    shutil.copy(victim / KEYS, fast_path / "old")
    with Ledger.open(victim) as ledger:
        if needs == "a new person":
            ledger.append([draft(role(), data_subject="anna"), draft(role())])
        elif needs == "new event secrets":
            ledger.append([draft(role())] * BLOCK * (AHEAD + 3))
        else:
            ledger.rotate_key(SYSTEM, "yearly")
        head = ledger.head
    shutil.copy(victim / KEYS, fast_path / "new")
    shutil.copy(fast_path / "old", victim / KEYS)
    if needs == "a new signing key":
        with pytest.raises(CheckpointError, match="does not hold") as newer:
            Ledger.open(victim)
        assert "older than the log" in newer.value.hint
    else:
        assert "its key is gone" in problems(victim)[0]
        with pytest.raises(SealError, match="key is gone") as caught:
            Ledger.open(victim)
        assert "older than the log" in caught.value.hint
    shutil.copy(fast_path / "new", victim / KEYS)
    with Ledger.open(victim) as ledger:
        assert ledger.head == head


def test_an_old_keystore_that_lacks_nothing_is_as_good_as_the_new_one(
    victim: Path, fast_path: Path
) -> None:
    shutil.copy(victim / KEYS, fast_path / "old")
    with Ledger.open(victim) as ledger:
        ledger.append([draft(role("somebody new"))])
    shutil.copy(fast_path / "old", victim / KEYS)
    with Ledger.open(victim) as ledger:
        assert ledger.event(EVENTS + 1).payload == role("somebody new")
        ledger.append([draft(role("another"))])
        assert ledger.verify().ok


# --- random damage -----------------------------------------------------------------------


def test_flipped_bits_in_any_file_are_never_silent(victim: Path) -> None:
    """A bit every few kilobytes of database, keystore and checkpoints: refused or reported,
    or it lay in space that holds nothing, and then everything reads as before."""
    with Ledger.open(victim, read_only=True) as ledger:
        head, state = ledger.head, ledger.state
    harmless = noticed = 0
    files = [victim / DATABASE, victim / KEYS, checkpoint_file(victim)]
    for file in files:
        data = file.read_bytes()
        step = max(len(data) // 10, 1)
        for position in range(step // 2, len(data), step):
            changed = bytearray(data)
            changed[position] ^= 1 << position % 8
            file.write_bytes(changed)
            try:
                report = verify_home(victim)
                with Ledger.open(victim, read_only=True) as ledger:
                    same = ledger.head == head and ledger.state == state
            except PalimpsestError:
                noticed += 1
                continue
            assert same or not report.ok, (file.name, position)
            noticed += not report.ok
            harmless += report.ok
        file.write_bytes(data)
    assert noticed > 8
    assert verify_home(victim).ok
    assert harmless < 20
