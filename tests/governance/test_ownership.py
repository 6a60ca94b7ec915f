"""Who owns a home: locks that die with their owner, and what others are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from governance.errors import StoreError
from governance.ownership import (
    LOCK,
    SERVICE,
    Endpoint,
    Ownership,
    endpoint_of,
    owner_of,
    publish,
    withdraw,
)


@pytest.fixture
def folder(home: Path) -> Path:
    home.mkdir()
    return home


def claim(folder: Path, *, shared: bool = False) -> Ownership | None:
    return Ownership.claim(folder, shared=shared, doing="testing")


def test_a_writer_is_alone_and_readers_are_many(folder: Path) -> None:
    first = claim(folder)
    assert first is not None
    assert claim(folder) is None
    assert claim(folder, shared=True) is None
    first.release()
    first.release()
    readers = [claim(folder, shared=True) for _ in range(3)]
    assert None not in readers
    assert claim(folder) is None
    for reader in readers:
        assert reader is not None
        reader.release()
    last = claim(folder)
    assert last is not None
    last.release()
    assert (folder / LOCK).stat().st_mode & 0o077 == 0


def test_others_are_told_who_and_what_for(folder: Path) -> None:
    assert owner_of(folder) == "another process"
    owner = claim(folder)
    assert owner is not None
    assert owner_of(folder) == f"process {os.getpid()} (testing)"
    for nonsense in ("{", "[]", '{"pid": "x"}', '{"pid": 1}'):
        (folder / LOCK).write_text(nonsense)
        assert owner_of(folder) == "another process"
    owner.release()


def test_a_lock_dies_with_its_owner(folder: Path) -> None:
    script = (
        "import sys, os, signal\n"
        "from pathlib import Path\n"
        "from governance.ownership import Ownership\n"
        "assert Ownership.claim(Path(sys.argv[1]), shared=False, doing='dying')\n"
        "print('held', flush=True)\n"
        "sys.stdin.readline()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        assert claim(folder) is None
        assert owner_of(folder) == f"process {child.pid} (dying)"
        child.kill()
    taken = claim(folder)
    assert taken is not None
    taken.release()


def test_a_home_that_cannot_be_locked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr("governance.ownership.os.open", refuse)
        reader = claim(folder, shared=True)  # nobody can write there
        assert reader is not None
        reader.release()
        with pytest.raises(StoreError, match="Read-only file system"):
            claim(folder)
    with pytest.raises(StoreError, match="cannot be opened"):
        claim(folder / "nowhere", shared=True)


def test_what_the_owner_says_of_itself_is_only_a_courtesy(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("governance.ownership.os.pwrite", full)
        owner = claim(folder)
    assert owner is not None
    assert claim(folder) is None
    owner.release()


# --- where the service answers -----------------------------------------------------------

HERE = Endpoint("http://127.0.0.1:4711", "secret", 4711, "0.3")


def test_an_endpoint_is_published_for_this_user_alone(folder: Path) -> None:
    assert endpoint_of(folder) is None
    publish(folder, HERE)
    assert endpoint_of(folder) == HERE
    assert (folder / SERVICE).stat().st_mode & 0o077 == 0
    withdraw(folder)
    withdraw(folder)
    assert endpoint_of(folder) is None


@pytest.mark.parametrize("left", ["", "{", "[]", '{"url": "x"}', '{"url":"","token":"","pid":{}}'])
def test_half_an_endpoint_is_none(folder: Path, left: str) -> None:
    (folder / SERVICE).write_text(left)
    assert endpoint_of(folder) is None
    publish(folder, HERE)
    assert json.loads((folder / SERVICE).read_text())["pid"] == 4711
    assert endpoint_of(folder) == HERE


def test_an_endpoint_of_somebody_else_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(folder, HERE)

    def denied(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", denied)
        with pytest.raises(StoreError, match="belongs to another user") as caught:
            endpoint_of(folder)
        assert "PALIMPSEST_TOKEN" in caught.value.hint
    assert endpoint_of(folder) == HERE


def test_an_endpoint_that_cannot_be_removed_is_named(folder: Path) -> None:
    (folder / SERVICE).mkdir()
    with pytest.raises(StoreError, match="cannot be removed"):
        withdraw(folder)
    (folder / SERVICE).rmdir()
    withdraw(folder)
