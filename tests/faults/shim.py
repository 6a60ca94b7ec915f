"""Drives ``shim.c``: which call of a process fails, and how."""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import struct
import subprocess
from enum import IntEnum, IntFlag
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("shim.c")
VARIABLE: Final = "PALIMPSEST_SHIM"

_NUMBERS: Final = struct.Struct("6q")  # mode, nth, error, kinds, calls, failed
_FOLDER, _PART, _LOG = 48, 48 + 512, 48 + 512 + 128
_FOLDER_BYTES, _PART_BYTES, _LINE_BYTES, _LINES = 512, 128, 64, 4096


class Mode(IntEnum):
    """See ``enum mode`` in the source."""

    OFF = 0
    COUNT = 1
    ONCE = 2
    STICKY = 3
    SHORT = 4
    FULL = 5


class Kind(IntFlag):
    """See ``enum kind`` in the source."""

    WRITE = 1
    SYNC = 2
    TRUNCATE = 4
    RENAME = 8
    UNLINK = 16
    OPEN = 32


ALL: Final = Kind(63)
CHANGES: Final = ALL & ~Kind.SYNC
"""What a file system that is mounted for reading refuses."""


def compiled(folder: Path) -> Path:
    """The shim as a shared library in ``folder``."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    assert compiler is not None, (
        "the fault tests need a C compiler (cc): they build tests/faults/shim.c, which makes "
        "system calls fail. Install one, for example with `apt install gcc libc6-dev`."
    )
    library = folder / "shim.so"
    command = [
        compiler,
        "-shared",
        "-fPIC",
        "-O2",
        "-Wall",
        "-o",
        str(library),
        str(SOURCE),
        "-ldl",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{SOURCE} does not compile:\n{done.stderr}"
    return library


def environment(library: Path, page: Path) -> dict[str, str]:
    """Environment of a process that runs on the shim; makes the page."""
    page.write_bytes(bytes(_LOG + _LINES * _LINE_BYTES))
    return {**os.environ, "LD_PRELOAD": str(library), VARIABLE: str(page)}


class Shim:
    """The page that the shim of one process (and of its forks) looks at."""

    def __init__(self, page: Path) -> None:
        with page.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), 0)

    def arm(
        self,
        folder: Path,
        mode: Mode,
        *,
        nth: int = 1,
        error: int = errno.EIO,
        kinds: Kind = ALL,
        part: str = "",
    ) -> None:
        """From now on spoil call ``nth`` (1-based) in ``folder`` on a path with ``part``."""
        self.disarm()
        self._text(_FOLDER, _FOLDER_BYTES, str(folder))
        self._text(_PART, _PART_BYTES, part)
        _NUMBERS.pack_into(self._page, 0, Mode.OFF, nth, error, kinds, 0, 0)
        self._mode(mode)

    def disarm(self) -> None:
        self._mode(Mode.OFF)

    @property
    def calls(self) -> int:
        """How many calls matched since it was armed."""
        return int(_NUMBERS.unpack_from(self._page)[4])

    @property
    def failed(self) -> int:
        """How many of them were spoiled."""
        return int(_NUMBERS.unpack_from(self._page)[5])

    def log(self) -> list[str]:
        """The calls that matched: ``pwrite ledger.duckdb.wal``."""
        lines = range(min(self.calls, _LINES))
        starts = [_LOG + number * _LINE_BYTES for number in lines]
        found = [self._page[start : start + _LINE_BYTES] for start in starts]
        return [line.split(b"\0")[0].decode() for line in found]

    def _mode(self, mode: Mode) -> None:
        self._page[:8] = int(mode).to_bytes(8, "little")

    def _text(self, start: int, size: int, text: str) -> None:
        data = text.encode()
        assert len(data) < size
        self._page[start : start + size] = data.ljust(size, b"\0")
