from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import checkpoint, notes
from governance.checkpoint import FILE_NAME, CheckpointLog
from governance.errors import CheckpointError, StoreError
from governance.merkle import leaf_hash

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = KEY.public_key().public_bytes_raw()


def note(size: int) -> str:
    return notes.sign(notes.Checkpoint("palimpsest/ab", size, leaf_hash(b"%d" % size)), KEY)


@pytest.fixture
def log(fast_path: Path) -> Iterator[CheckpointLog]:
    opened = CheckpointLog(fast_path)
    yield opened
    opened.close()


@pytest.fixture
def file(fast_path: Path) -> Path:
    return fast_path / FILE_NAME


def test_notes_come_back_in_order_and_survive_reopening(
    log: CheckpointLog, fast_path: Path
) -> None:
    written = [note(size) for size in range(200)]  # more than the tail that `last` reads
    for one in written:
        log.append(one)
    assert log.notes() == written
    assert log.last() == written[-1]
    again = CheckpointLog(fast_path, read_only=True)
    again.drop_torn_tail()  # a reader repairs nothing
    assert again.notes() == written
    assert again.last() == written[-1]
    with pytest.raises(StoreError, match="reading only"):
        again.append(note(201))


def test_file_and_folder_are_private(log: CheckpointLog, file: Path) -> None:
    log.append(note(0))
    assert file.stat().st_mode & 0o077 == 0


def test_no_checkpoint_is_an_error_not_a_zero(log: CheckpointLog, file: Path) -> None:
    with pytest.raises(CheckpointError, match="no signed checkpoint"):
        log.last()
    log.append(note(0))
    assert log.last() == note(0)
    file.unlink()
    assert log.notes() == []
    with pytest.raises(CheckpointError, match="no signed checkpoint"):
        log.last()


@pytest.mark.parametrize("before", [0, 1, 2])
def test_cut_at_every_byte_never_invents_or_alters_a_note(
    before: int, log: CheckpointLog, file: Path
) -> None:
    """What a crash can leave of the last note is dropped; the earlier ones stay."""
    for size in range(before):
        log.append(note(size))
    start = file.stat().st_size
    log.append(note(before))
    whole = file.read_bytes()
    kept = [note(size) for size in range(before)]
    for cut in range(start, len(whole)):
        file.write_bytes(whole[:cut])
        assert log.notes() == kept, cut
        log.drop_torn_tail()
        assert file.read_bytes() == whole[:start], cut
        log.append(note(99))
        assert log.notes() == [*kept, note(99)], cut
    file.write_bytes(whole)
    log.drop_torn_tail()
    assert file.read_bytes() == whole


def test_damage_before_the_end_is_never_taken_for_a_torn_tail(
    log: CheckpointLog, file: Path
) -> None:
    """Flip every bit of the last complete note: it must not verify, and must not be cut off."""
    log.append(note(1))
    start = file.stat().st_size
    log.append(note(2))
    whole = file.read_bytes()
    silent = []
    for position in range(start, len(whole) - 1):
        for bit in range(8):
            changed = bytearray(whole)
            changed[position] ^= 1 << bit
            file.write_bytes(changed)
            try:
                found = notes.verify(log.last(), PUBLIC)
            except CheckpointError:
                continue
            if found.size != 1:
                silent.append((position, bit))
    # Damage to a line end makes the note look unfinished: it is left out, never misread.
    assert silent == []
    file.write_bytes(whole)
    assert notes.verify(log.last(), PUBLIC).size == 2


def test_bytes_that_are_no_text_do_not_shift_the_cut(log: CheckpointLog, file: Path) -> None:
    log.append(note(1))
    first = file.stat().st_size
    log.append(note(2))
    whole = bytearray(file.read_bytes())
    whole[5] = 0xFF
    file.write_bytes(bytes(whole) + b"torn")
    log.drop_torn_tail()
    assert file.read_bytes() == bytes(whole)
    assert [len(one) for one in log.notes()][1] == len(note(2))
    with pytest.raises(CheckpointError):
        notes.verify(log.notes()[0], PUBLIC)
    assert first < len(whole)


def test_foreign_lines_between_notes_show_up_as_bad_notes(log: CheckpointLog, file: Path) -> None:
    log.append(note(1))
    middle = file.stat().st_size
    log.append(note(2))
    whole = file.read_bytes()
    file.write_bytes(whole[:middle] + b"inserted\n\n" + whole[middle:])
    first, damaged, rest = log.notes()
    assert notes.verify(first, PUBLIC).size == 1
    for one in (damaged, rest):
        with pytest.raises(CheckpointError):
            notes.verify(one, PUBLIC)
    file.write_bytes(whole)
    assert [notes.verify(one, PUBLIC).size for one in log.notes()] == [1, 2]


def test_a_full_disk_is_not_acknowledged_and_leaves_no_half_note(
    log: CheckpointLog, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(note(1))
    whole = file.read_bytes()
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[: len(data) // 2])

    with monkeypatch.context() as patch:
        patch.setattr("governance.checkpoint.os.write", half)
        with pytest.raises(StoreError, match="could not be written") as caught:
            log.append(note(2))
        assert "nothing is lost" in caught.value.hint
    assert file.read_bytes() == whole
    log.append(note(2))
    assert log.notes() == [note(1), note(2)]


def test_a_note_that_could_not_be_cut_back_is_cut_before_the_next(
    log: CheckpointLog, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append(note(1))

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("governance.checkpoint.os.fsync", refuse)
        patch.setattr("governance.checkpoint.os.ftruncate", refuse)
        with pytest.raises(StoreError, match="Input/output error"):
            log.append(note(2))
        with pytest.raises(StoreError, match="Input/output error"):
            log.append(note(3))
    log.append(note(4))
    # What had reached the file whole when its sync failed says nothing false; it may stay.
    sizes = [notes.verify(one, PUBLIC).size for one in log.notes()]
    assert (sizes[0], sizes[-1]) == (1, 4)
    assert file.read_bytes() == "".join(f"{one}\n" for one in log.notes()).encode()


def test_a_file_that_cannot_be_opened_says_so(fast_path: Path) -> None:
    (fast_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        CheckpointLog(fast_path / "file")
    assert caught.value.hint
    (fast_path / "file").unlink()
    CheckpointLog(fast_path / "file").close()


def test_a_file_that_cannot_be_read_says_so(fast_path: Path) -> None:
    (fast_path / FILE_NAME).mkdir()
    with pytest.raises(StoreError, match="cannot be read"):
        CheckpointLog(fast_path, read_only=True).notes()


# --- thinning ----------------------------------------------------------------------------

OTHER = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))


def both(size: int) -> str:
    found = notes.Checkpoint("palimpsest/ab", size, leaf_hash(b"%d" % size))
    return notes.sign(found, KEY, OTHER)


@pytest.fixture
def grown(log: CheckpointLog, monkeypatch: pytest.MonkeyPatch) -> CheckpointLog:
    """Sizes 0 to 29, of which 13 introduces a key; thinned above 1 KiB."""
    monkeypatch.setattr(checkpoint, "NEWEST", 4)
    monkeypatch.setattr(checkpoint, "STRIDE", 10)
    monkeypatch.setattr(checkpoint, "THIN_ABOVE_BYTES", 1_024)
    for size in range(30):
        log.append(both(size) if size == 13 else note(size))
    return log


def sizes(log: CheckpointLog) -> list[int]:
    return [notes.parse(one).size for one in log.notes()]


def test_old_notes_are_thinned_and_new_ones_follow(grown: CheckpointLog, file: Path) -> None:
    grown.thin()
    kept = [0, 9, 13, 19, 26, 27, 28, 29]
    assert sizes(grown) == kept
    assert file.stat().st_mode & 0o077 == 0
    grown.append(note(30))
    assert sizes(grown) == [*kept, 30]
    assert file.read_bytes().endswith(note(30).encode() + b"\n")
    assert sizes(CheckpointLog(file.parent, read_only=True)) == [*kept, 30]
    assert [path.name for path in file.parent.iterdir()] == [FILE_NAME]


def test_a_small_file_is_left_alone(
    grown: CheckpointLog, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "THIN_ABOVE_BYTES", 1 << 20)
    before = file.read_bytes()
    grown.thin()
    assert file.read_bytes() == before
    reader = CheckpointLog(file.parent, read_only=True)
    monkeypatch.setattr(checkpoint, "THIN_ABOVE_BYTES", 0)
    reader.thin()
    assert file.read_bytes() == before


def test_what_is_no_note_is_kept_for_the_check(grown: CheckpointLog, file: Path) -> None:
    data = file.read_bytes()
    bad = note(5).replace("\n5\n", "\nfive\n")
    file.write_bytes(data.replace(note(5).encode(), bad.encode()))
    grown.thin()
    assert bad in grown.notes()
    assert note(4) in grown.notes()  # what came before it cannot be judged either
    assert len(grown.notes()) == 10


@pytest.mark.parametrize("call", ["open", "replace", "fsync", "stat"])
def test_a_thinning_that_fails_loses_no_note(
    grown: CheckpointLog, file: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    before = file.read_bytes()
    real = os.open

    def open_but(path: object, flags: int, mode: int = 0o777) -> int:
        if str(path).endswith(".thin"):
            raise OSError(24, "Too many open files")
        return real(path, flags, mode)  # type: ignore[arg-type]  # passed through

    real_replace = Path.replace

    def replace_but(self: Path, target: Path) -> Path:
        if self.name.endswith(".thin"):
            raise OSError(5, "Input/output error")
        return real_replace(self, target)

    with monkeypatch.context() as patch:
        if call == "open":
            patch.setattr("governance.checkpoint.os.open", open_but)
        elif call == "replace":
            patch.setattr(Path, "replace", replace_but)
        elif call == "stat":
            patch.setattr(Path, "stat", full)
        else:
            patch.setattr("governance.durable.os.fsync", full)
        with pytest.raises(StoreError):
            grown.thin()
    assert file.read_bytes() == before
    grown.append(note(30))
    assert CheckpointLog(file.parent, read_only=True).last() == note(30)
    grown.thin()
    assert sizes(grown) == [0, 9, 13, 19, 27, 28, 29, 30]
