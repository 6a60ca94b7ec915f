"""Small files that are replaced whole or not at all, also through a power cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from governance.errors import StoreError


def write_whole(path: Path, text: str) -> None:
    """Write ``text`` beside ``path``, force it to disk, and rename it into place (0600).

    Raises:
        StoreError: it could not be made durable; what was there before is unchanged.
    """
    temporary = path.with_name(f"{path.name}.new")
    with reported(f"{path.name} cannot be written"):
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)


def read_text(path: Path) -> str | None:
    """The text of a small file, ``None`` when there is no such file.

    Bytes that are no text become U+FFFD, which no check of ours accepts.

    Raises:
        StoreError: it is there and cannot be read.
    """
    with reported(f"{path.name} cannot be read"):
        try:
            return path.read_bytes().decode("utf-8", errors="replace")
        except FileNotFoundError:
            return None


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Turn an error of the operating system into one of ours.

    Raises:
        StoreError: ``what``, and why.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{what}: {error.strerror}", hint="check permissions and free space"
        ) from error


def sync_folder(folder: Path) -> None:
    """Force a folder's entries to disk.

    Raises:
        OSError: it cannot be opened or synced.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
