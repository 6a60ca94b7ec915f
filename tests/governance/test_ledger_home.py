"""Opening homes: whole, half, foreign, newer, locked, read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from governance import home as homes
from governance.errors import (
    ChainError,
    CheckpointError,
    SchemaVersionError,
    StoreBusyError,
    StoreError,
)
from governance.events import PAYLOADS, LedgerFrozen, RelayScored, RoleGranted
from governance.home import CONFIG, PARTS, READY, STAGING
from governance.ledger import CHECKPOINTS, DATABASE, KEYS, EventDraft, Ledger, verify_home
from governance.ownership import LOCK, SERVICE
from tests.golden.regenerate import plain
from tests.governance.drafts import SYSTEM, StepClock, append, draft, learned_card, life, source


def role(number: int) -> EventDraft:
    return draft(RoleGranted(principal=f"p{number}", role="reviewer"))


def listing(home: Path) -> set[str]:
    return {path.name for path in home.iterdir()} - {f"{DATABASE}.wal", LOCK}


def facts(ledger: Ledger) -> tuple[object, ...]:
    """What a reader sees, read now: a state answers only while its ledger is open."""
    return ledger.head, plain(ledger.state), list(ledger.events()), ledger.keyed("x")


def test_reopening_changes_nothing(home: Path) -> None:
    with Ledger.open(home, create=True, clock=StepClock()) as ledger:
        append(ledger, source())
        ledger.append(life(), key="life")
        ledger.append(learned_card())
        before = facts(ledger)
        assert ledger.home == home
    for _ in range(2):
        with Ledger.open(home) as ledger:
            assert facts(ledger) == before
            assert ledger.append(life(), key="life").repeated
            assert ledger.verify().ok
    assert listing(home) == {*PARTS, "blobs", CONFIG}
    assert not (home / STAGING).exists()


def test_the_home_is_private(home: Path) -> None:
    Ledger.open(home, create=True).close()
    assert home.stat().st_mode & 0o077 == 0
    assert (home / KEYS).stat().st_mode & 0o077 == 0
    assert (home / CONFIG).read_text().startswith("format = 1\n")


def test_opening_needs_a_home_unless_it_may_make_one(home: Path) -> None:
    with pytest.raises(StoreError, match="no palimpsest home") as caught:
        Ledger.open(home)
    assert "init" in caught.value.hint
    assert not home.exists()
    with pytest.raises(StoreError, match="no palimpsest home"):
        verify_home(home)
    with pytest.raises(StoreError, match="no palimpsest home"):
        Ledger.open(home, create=True, read_only=True)
    home.mkdir()  # an empty folder may become one
    Ledger.open(home, create=True).close()
    Ledger.open(home, create=True).close()


def test_a_folder_that_is_not_ours_is_left_alone(home: Path) -> None:
    home.mkdir()
    (home / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="holds other files"):
        Ledger.open(home, create=True)
    assert listing(home) == {"thesis.txt"}
    with pytest.raises(StoreError, match="no palimpsest home"):
        Ledger.open(home)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("create", [False, True])
def test_half_a_home_is_refused_and_not_completed(home: Path, part: str, create: bool) -> None:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
    aside = home.parent / "aside"
    (home / part).rename(aside)
    left = listing(home)
    with pytest.raises(StoreError, match=f"half a home: {part} missing") as caught:
        Ledger.open(home, create=create)
    assert "restore" in caught.value.hint
    assert listing(home) == left
    aside.rename(home / part)
    with Ledger.open(home, create=create) as ledger:
        assert ledger.head.seq == 1


def test_an_emptied_checkpoint_folder_is_not_a_fresh_start(home: Path) -> None:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
    file = home / CHECKPOINTS / "checkpoints.log"
    kept = file.read_bytes()
    file.write_bytes(b"")
    with pytest.raises(CheckpointError, match="no signed checkpoint"):
        Ledger.open(home)
    report = verify_home(home)
    assert not report.ok
    assert "no valid signed checkpoint" in report.problems[0]
    file.write_bytes(kept)
    Ledger.open(home).close()


@pytest.mark.parametrize("step", range(8))
def test_a_creation_killed_at_any_step_is_finished(
    home: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the build, before each rename (ready, five parts) and before the end."""
    rename, build, rmdir, done = Path.rename, homes._build, Path.rmdir, 0

    def count() -> None:
        nonlocal done
        if done == step:
            raise _Killed
        done += 1

    def counted_rename(self: Path, target: Path) -> Path:
        count()
        return rename(self, target)

    def counted_build(staging: Path) -> None:
        if done == step:
            staging.mkdir()
            (staging / DATABASE).write_bytes(b"begun")
        count()
        build(staging)

    def counted_rmdir(self: Path) -> None:
        count()
        rmdir(self)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", counted_rename)
        patch.setattr(Path, "rmdir", counted_rmdir)
        patch.setattr(homes, "_build", counted_build)
        # A killed process does not clean up behind itself.
        patch.setattr("governance.home.shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(_Killed):
            Ledger.open(home, create=True)
    assert (home / STAGING).is_dir() or (home / READY).is_dir()
    whole = all((home / part).exists() for part in PARTS)
    if not whole:
        with pytest.raises(StoreError) as caught:
            Ledger.open(home)
        assert "init" in caught.value.hint
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
        assert ledger.verify().ok
    whole_home = {*PARTS, "blobs", CONFIG}
    assert whole_home <= listing(home) <= {*whole_home, READY}
    with Ledger.open(home) as ledger:
        assert ledger.head.seq == 1


class _Killed(BaseException):
    """Nothing but a test catches it, like a kill."""


def test_a_creation_that_fails_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("governance.home.write_whole", full)
        with pytest.raises(StoreError, match="No space left"):
            Ledger.open(home, create=True)
    assert listing(home) == set()
    Ledger.open(home, create=True).close()


def test_a_staging_folder_in_a_whole_home_is_no_way_in(home: Path, fast_path: Path) -> None:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
    Ledger.open(fast_path / "other", create=True).close()
    shutil.copytree(fast_path / "other", home / STAGING)
    with Ledger.open(home, create=True) as ledger:
        assert ledger.head.seq == 1


def test_a_place_that_cannot_be_written_says_so(fast_path: Path) -> None:
    file = fast_path / "file"
    file.write_text("x")
    for home in (file, file / "below"):
        with pytest.raises(StoreError) as caught:
            Ledger.open(home, create=True)
        assert "--home" in caught.value.hint
    assert file.read_text() == "x"
    with pytest.raises(StoreError, match=r"may not hold '\?'"):
        Ledger.open(fast_path / "what?", create=True)
    Ledger.open(fast_path / "50% #1 é", create=True).close()


def test_a_read_only_ledger_reads_and_refuses_to_write(home: Path) -> None:
    with Ledger.open(home, create=True) as ledger:
        append(ledger, source())
        head = ledger.head
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    with Ledger.open(home, read_only=True) as ledger:
        assert ledger.head == head
        assert ledger.source_text("s1") == source().text
        assert ledger.verify().ok
        with pytest.raises(StoreError, match="reading only"):
            ledger.append([role(1)])
        with Ledger.open(home, read_only=True) as second:
            assert second.head == head
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_clear_error(home: Path) -> None:
    Ledger.open(home, create=True).close()
    with Ledger.open(home) as ledger:
        ledger.append([role(1)])
    home.chmod(0o500)
    (home / DATABASE).chmod(0o400)
    try:
        with pytest.raises(StoreError, match="cannot be opened") as caught:
            Ledger.open(home)
        assert "permissions" in caught.value.hint
        with Ledger.open(home, read_only=True) as ledger:
            assert ledger.head.seq == 1
    finally:
        (home / DATABASE).chmod(0o600)
        home.chmod(0o700)
    Ledger.open(home).close()


def test_a_newer_home_is_refused_unchanged(home: Path) -> None:
    Ledger.open(home, create=True).close()
    for value, error in (("3", SchemaVersionError), ("2", None)):
        with duckdb.connect(str(home / DATABASE)) as connection:
            connection.execute("UPDATE meta SET value = ? WHERE name = 'format'", [value])
        if error is None:
            Ledger.open(home).close()
            continue
        with pytest.raises(error, match="format 3") as caught:
            Ledger.open(home)
        assert caught.value.exit_code == 5
        with pytest.raises(error):
            verify_home(home)


@contextmanager
def unknown(event_type: str) -> Iterator[None]:
    """As in a version that does not have the type yet; their order is part of the docs."""
    kept = dict(PAYLOADS)
    del PAYLOADS[event_type]
    try:
        yield
    finally:
        PAYLOADS.clear()
        PAYLOADS.update(kept)


def test_an_event_type_of_the_future_is_named_not_skipped(home: Path) -> None:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
    with unknown("role.granted"):
        assert verify_home(home).ok  # proofs do not depend on knowing the type
        before = (home / DATABASE).read_bytes()
        with Ledger.open(home) as ledger:
            assert ledger.event(1).header.type == "role.granted"
            assert ledger.event(1).payload is None
            assert ledger.verify().ok
            refused: list[Callable[[], object]] = [
                lambda: ledger.state,
                lambda: ledger.state_at(1),
                lambda: ledger.append([draft(LedgerFrozen(reason="x"))]),
                lambda: ledger.rotate_key(SYSTEM, "x"),
                ledger.rebuild_projections,
            ]
            for call in refused:
                with pytest.raises(SchemaVersionError, match=r"does not know: role\.granted"):
                    call()
        assert (home / DATABASE).read_bytes() == before
    with Ledger.open(home) as ledger:
        assert ledger.event(1).payload == role(1).payload
        ledger.append([role(2)])


def test_a_payload_that_no_longer_fits_its_type_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
    with monkeypatch.context() as patch:
        patch.setitem(PAYLOADS, "role.granted", RelayScored)
        with pytest.raises(ChainError, match="event 1: payload does not fit"):
            Ledger.open(home)
    Ledger.open(home).close()


def test_half_a_note_that_cannot_be_cut_stops_the_opening(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
    log = home / CHECKPOINTS / "checkpoints.log"
    log.write_bytes(log.read_bytes() + b"palimpsest/")

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr("governance.checkpoint.os.ftruncate", refuse)
        with pytest.raises(StoreError, match="Read-only file system"):
            Ledger.open(home)
        Ledger.open(home, read_only=True).close()
    with Ledger.open(home) as ledger:
        ledger.append([role(2)])
        assert ledger.verify().ok


_OTHER = """
import sys
from pathlib import Path
from governance.errors import StoreBusyError
from governance.ledger import Ledger, verify_home
for call in (
    lambda home: Ledger.open(home),
    lambda home: Ledger.open(home, read_only=True),
    lambda home: verify_home(home),
):
    try:
        call(Path(sys.argv[1]))
    except StoreBusyError as error:
        print("busy:", error.exit_code, bool(error.hint))
    else:
        print("opened")
"""


def test_a_second_process_is_told_who_is_in_the_way(home: Path) -> None:
    command = [sys.executable, "-c", _OTHER, str(home)]
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
        first = subprocess.run(command, capture_output=True, text=True, check=True)
        ledger.append([role(2)])
    assert first.stdout.splitlines() == ["busy: 5 True"] * 3, first.stderr
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert second.stdout.splitlines()[0] == "opened", second.stderr


def test_failed_opening_releases_every_file(home: Path) -> None:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
    keys = (home / KEYS).read_bytes()
    (home / KEYS).write_bytes(b"nothing" * 1_000)
    for _ in range(3):
        with pytest.raises(StoreError):
            Ledger.open(home)
    (home / KEYS).write_bytes(keys)
    log = home / CHECKPOINTS / "checkpoints.log"
    log.rename(home / "aside")
    log.mkdir()
    with pytest.raises(StoreError, match="checkpoint file"):
        Ledger.open(home)
    log.rmdir()
    (home / "aside").rename(log)
    with Ledger.open(home) as ledger:
        assert ledger.head.seq == 1


def test_a_checkpoint_that_fails_is_made_up_before_anything_else(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The events are committed but not acknowledged; a retry must neither lose nor repeat."""
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)], key="one")

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("governance.checkpoint.os.fsync", full)
            with pytest.raises(StoreError, match="No space left"):
                ledger.append([role(2)], key="two")
            assert ledger.head.seq == 1
            assert ledger.receipt("two") is None
            with pytest.raises(StoreError, match="No space left"):
                ledger.append([role(3)], key="three")
        retried = ledger.append([role(2)], key="two")
        assert (retried.repeated, retried.first_seq) == (True, 2)
        assert ledger.append([role(3)], key="three").first_seq == 3
        assert ledger.head.seq == 3
        assert ledger.verify().ok
    with Ledger.open(home) as ledger:
        assert [event.header.seq for event in ledger.events()] == [1, 2, 3]


def test_wrong_keystore_of_another_home_is_refused(home: Path, fast_path: Path) -> None:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
    Ledger.open(fast_path / "other", create=True).close()
    shutil.copy(home / KEYS, fast_path / "keys")
    shutil.copy(fast_path / "other" / KEYS, home / KEYS)
    with pytest.raises(CheckpointError, match="another log"):
        Ledger.open(home)
    assert not verify_home(home).ok
    shutil.copy(fast_path / "keys", home / KEYS)
    Ledger.open(home).close()


def test_a_keystore_that_others_read_signs_nothing(home: Path) -> None:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1)])
    for mode in (0o640, 0o604, 0o666):
        (home / KEYS).chmod(mode)
        with pytest.raises(StoreError, match=f"mode {mode:04o}") as caught:
            Ledger.open(home)
        assert "chmod 600" in caught.value.hint
        with Ledger.open(home, read_only=True) as ledger:
            assert ledger.head.seq == 1
    (home / KEYS).chmod(0o600)
    with Ledger.open(home) as ledger:
        ledger.append([role(2)])


def test_a_keystore_that_is_gone_says_so_itself(home: Path) -> None:
    Ledger.open(home, create=True).close()
    (home / KEYS).unlink()
    with pytest.raises(StoreError, match=f"{KEYS} is missing"):
        homes.open_files(home, read_only=False)


def test_a_service_file_that_cannot_be_removed_stops_the_opening(home: Path) -> None:
    Ledger.open(home, create=True).close()
    (home / SERVICE).mkdir()
    for _ in range(2):  # the lock was let go of
        with pytest.raises(StoreError, match="cannot be removed"):
            Ledger.open(home)
    (home / SERVICE).rmdir()
    Ledger.open(home).close()


def test_busy_error_is_a_store_error() -> None:
    assert issubclass(StoreBusyError, StoreError)
