"""Opening a DuckDB file, and saying in our words what went wrong."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import duckdb

from governance.errors import StoreBusyError, StoreError

CONFIG: Final[dict[str, str | bool | int | float | list[str]]] = {
    # Merging the write-ahead log stalls appends, replaying it after a crash costs about
    # 0.15 s a MiB. The daemon merges when it is idle, so normal work never gets here.
    "checkpoint_threshold": "16MiB",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_FRUGAL: Final = "64MiB"


def connect(path: Path, *, read_only: bool, frugal: bool = False) -> duckdb.DuckDBPyConnection:
    """A connection to the file.

    Args:
        path: Made if it is not there.
        read_only: Write nothing.
        frugal: Keep the buffers small.

    Raises:
        StoreError: it cannot be opened.
        StoreBusyError: another process owns it.
    """
    config = {**CONFIG, "memory_limit": _FRUGAL} if frugal else CONFIG
    try:  # DuckDB ends the whole process when not even one file can be opened any more
        os.close(os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise StoreError(
            f"{path.name} cannot be opened: {error.strerror}",
            hint="check the permissions of the home, and how many files may be open (ulimit -n)",
        ) from error
    try:
        return duckdb.connect(str(path), read_only=read_only, config=config)
    except duckdb.Error as error:
        raise _opening_failed(path, error) from error


def _opening_failed(path: Path, error: duckdb.Error) -> StoreError:
    text = str(error)
    if "Could not set lock" in text:
        return StoreBusyError(
            f"another process has {path.name} open",
            hint="close the other palimpsest command on this home, then retry",
        )
    if "ermission" in text or "Read-only" in text:
        return StoreError(
            f"{path} cannot be opened for writing",
            hint="check the permissions of the home, or choose another with --home",
        )
    return StoreError(
        f"{path.name} cannot be opened: {first_line(error)}",
        hint="`palimpsest verify` says more; restore the home from a backup if it is damaged",
    )


def first_line(error: Exception) -> str:
    """What the engine says, without its advice."""
    return str(error).splitlines()[0]
