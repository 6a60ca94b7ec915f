"""The file of signed checkpoints, kept outside the database.

DuckDB opens cleanly after its write-ahead log lost its tail; this file is what notices.
A checkpoint is on disk (``fsync``) before an append is acknowledged.

One checkpoint a commit would make the file grow faster than the log is worth: the newest one
covers all that came before it. So the file is *thinned* now and then: the newest
:data:`NEWEST` stay, and of older ones the last in every :data:`STRIDE` events, the very first,
and those that introduce a key. Thinning writes a new file and renames it, so a kill leaves one
or the other.

Each note (``notes``: body, empty line, signature line) is followed by one empty line. What
follows the last complete note is a note that a crash left unfinished: it acknowledged
nothing and is left out.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from governance import notes
from governance.durable import sync_folder, write_whole
from governance.errors import CheckpointError, StoreError

FILE_NAME = "checkpoints.log"
_END = b"\n\n"
_SIGNATURE = "— ".encode()
NEWEST = 1_024
STRIDE = 4_096
THIN_ABOVE_BYTES = 2 * 1024 * 1024
"""Some ten thousand notes."""
_TAIL_BYTES = 16_384
"""Enough for the last note and an unfinished one, so opening does not read the whole file."""


class CheckpointLog:
    """Append-only file of signed notes, each followed by one empty line."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """Open (or create) the file in ``folder``.

        Raises:
            StoreError: the folder or file cannot be opened.
        """
        self._path = folder / FILE_NAME
        self._descriptor: int | None = None
        self._torn = False
        if read_only:
            return
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(
                self._path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            sync_folder(folder)
        except OSError as error:
            self.close()
            raise StoreError(
                f"checkpoint file {self._path} cannot be opened: {error.strerror}",
                hint="check permissions and free space of the home",
            ) from error

    def append(self, note: str) -> None:
        """Write one note and force it to disk.

        Raises:
            StoreError: the write failed; the append it belongs to is not acknowledged.
        """
        if self._descriptor is None:
            raise StoreError("checkpoint file is open for reading only")
        data = (note + "\n").encode()
        try:
            if self._torn:
                self.drop_torn_tail()
            self._torn = True
            _write_all(self._descriptor, data)
            os.fsync(self._descriptor)
            self._torn = False
        except OSError as error:
            with suppress(OSError):  # tried again before the next write
                self.drop_torn_tail()
            raise StoreError(
                f"checkpoint could not be written: {error.strerror}",
                hint="free some space, then run the command again: nothing is lost",
            ) from error

    def thin(self) -> None:
        """Leave out most of the old notes, once the file has grown; see the module.

        Raises:
            StoreError: it could not be rewritten; no note is lost.
        """
        try:
            if self._descriptor is None or self._path.stat().st_size < THIN_ABOVE_BYTES:
                return
            signed = self.notes()
            kept = [note for note, keep in zip(signed, _worth(signed), strict=True) if keep]
            fresh = self._path.with_name(f"{FILE_NAME}.thin")
            write_whole(fresh, "".join(f"{note}\n" for note in kept))
            # Opened before it is put in place: what follows must never be written to a file
            # that has no name any more.
            descriptor = os.open(fresh, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            try:
                fresh.replace(self._path)
            except OSError:
                os.close(descriptor)
                raise
            os.close(self._descriptor)
            self._descriptor, self._torn = descriptor, False
            sync_folder(self._path.parent)
        except OSError as error:
            raise StoreError(
                f"checkpoint file could not be thinned: {error.strerror}",
                hint="check free space of the home; nothing is lost",
            ) from error

    def drop_torn_tail(self) -> None:
        """Cut off a note that a crash left unfinished, so the next one starts on its own line.

        Raises:
            OSError: the file cannot be cut.
        """
        if self._descriptor is None:
            return
        torn = _split(self._read(_TAIL_BYTES)).torn_bytes
        if torn:
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - torn)
            os.fsync(self._descriptor)

    def notes(self) -> list[str]:
        """All complete notes, oldest first; an unfinished last one is left out.

        What is between two notes and is none comes back as a note that no check accepts.
        """
        parts = _split(self._read(None)).parts
        found = [_note(*pair) for pair in zip(parts[0::2], parts[1::2], strict=False)]
        return found if len(parts) % 2 == 0 else [*found, _note(parts[-1], b"")]

    def last(self) -> str:
        """The newest complete note.

        Raises:
            CheckpointError: there is none.
        """
        parts = _split(self._read(_TAIL_BYTES)).parts
        if len(parts) < 2:  # noqa: PLR2004  # a body and its signature
            raise CheckpointError(
                f"no signed checkpoint in {self._path.name}",
                hint="restore the checkpoints folder: without it a cut ledger looks whole",
            )
        return _note(parts[-2], parts[-1])

    def close(self) -> None:
        """Release the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self, tail_bytes: int | None) -> bytes:
        """The file, or (about) its last bytes."""
        try:
            with self._path.open("rb") as file:
                if tail_bytes is not None:
                    size = file.seek(0, os.SEEK_END)
                    file.seek(max(0, size - tail_bytes))
                return file.read()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise StoreError(
                f"checkpoint file cannot be read: {error.strerror}",
                hint="check its permissions, and how many files may be open (ulimit -n)",
            ) from error


def _worth(signed: Sequence[str]) -> Iterator[bool]:
    """Which notes are kept; what cannot be read is kept for the check to refuse."""
    stays = len(signed) - NEWEST
    for number, note in enumerate(signed):
        if number == 0 or number >= stays or note.count(f"\n{_SIGNATURE.decode()}") > 1:
            yield True
            continue
        try:
            here, after = notes.parse(note).size, notes.parse(signed[number + 1]).size
        except CheckpointError:
            yield True
            continue
        yield here // STRIDE != after // STRIDE


def _write_all(descriptor: int, data: bytes) -> None:
    if os.write(descriptor, data) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@dataclass(frozen=True)
class _Parts:
    """Bodies and signatures in turn, and how many bytes of an unfinished note follow."""

    parts: list[bytes]
    torn_bytes: int


def _split(data: bytes) -> _Parts:
    parts = data.split(_END)
    torn = len(parts.pop())
    # A crash can leave a body without its signature. Only what follows a signature (or
    # nothing) is one: anything else is damage, and stays for the signature check to refuse.
    follows = len(parts) == 1 or (len(parts) > 1 and parts[-2].startswith(_SIGNATURE))
    if follows and not parts[-1].startswith(_SIGNATURE):
        torn += len(parts.pop()) + len(_END)
    return _Parts(parts, torn)


def _note(body: bytes, signature: bytes) -> str:
    return (body + _END + signature + b"\n").decode("utf-8", errors="replace")
