from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from governance.durable import read_text, reported, write_whole
from governance.errors import StoreError


def test_a_file_is_replaced_whole(fast_path: Path) -> None:
    path = fast_path / "state"
    assert read_text(path) is None
    write_whole(path, "first, and longer\n")
    write_whole(path, "second — é\n")
    assert read_text(path) == "second — é\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in fast_path.iterdir()] == ["state"]


def test_each_step_is_forced_to_disk_in_order(
    fast_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fast_path / "state"
    seen: list[tuple[str, bool]] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        seen.append((kind, path.exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_whole(path, "text")
    assert seen == [("file", False), ("folder", True)]


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_write_that_fails_leaves_what_was_there(
    call: str, fast_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fast_path / "state"
    write_whole(path, "before")

    def failing(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if call == "replace":
            patch.setattr(Path, call, failing)
        else:
            patch.setattr(os, call, failing)
        with pytest.raises(StoreError, match="state cannot be written: No space left on device"):
            write_whole(path, "after")
    assert read_text(path) == "before"
    write_whole(path, "after")  # what the failure left beside it is in nobody's way
    assert read_text(path) == "after"
    assert [one.name for one in fast_path.iterdir()] == ["state"]


def test_what_is_no_text_or_no_file_is_said(fast_path: Path) -> None:
    (fast_path / "binary").write_bytes(b"\xff\xfe")
    assert read_text(fast_path / "binary") == "\ufffd\ufffd"
    with pytest.raises(StoreError, match="cannot be read"):
        read_text(fast_path)
    with reported("control"):
        pass
