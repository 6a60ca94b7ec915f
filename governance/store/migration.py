"""Earlier layouts of the ledger file: how they are read, and how they become the present one.

A migration never changes a file in place: it writes a new one beside it and puts it there by
one rename, so a kill at any moment leaves the old file or the new one. Not a byte of a header,
leaf, payload or tile changes; only their places do.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Final

import duckdb

from governance.errors import StoreError

_FORMAT_1: Final = (
    "SELECT seq, event_id, type, recorded_at_us, subject, header, leaf, box AS sealed,"
    " TRY(json_extract_string(decode(header), '$.command')) AS command"
    " FROM {catalog}.event LEFT JOIN {catalog}.sealed USING (seq)"
)
"""Payloads lay in a table of their own, and the command only in the header."""


def view_of_format_1(path: Path) -> str:
    """SQL that makes the file at ``path``, opened for reading only, look like the present one.

    The view hides the table of the same name, which it has to name in full.
    """
    name = path.stem.replace('"', '""')
    return f"CREATE TEMP VIEW event AS {_FORMAT_1.format(catalog=f'{chr(34)}{name}{chr(34)}.main')}"


def rewrite_format_1(path: Path) -> None:
    """Write the ledger file at ``path`` anew in the present layout.

    Raises:
        StoreError: the old file cannot be read or the new one not written; the old one is
            as it was.
    """
    fresh = path.with_name(f"{path.name}.migrating")
    schema = resources.files("governance.store").joinpath("schema/002.sql").read_text("utf-8")
    try:
        for leftover in (fresh, fresh.with_name(f"{fresh.name}.wal")):
            leftover.unlink(missing_ok=True)
        with duckdb.connect(str(fresh)) as connection:
            connection.execute(schema)
            connection.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS old")
            connection.execute("CHECKPOINT old")
            connection.execute(
                f"INSERT INTO event {_FORMAT_1.format(catalog='old.main')} ORDER BY seq"
            )
            connection.execute("INSERT INTO tile SELECT * FROM old.main.tile ORDER BY level, idx")
            connection.execute("INSERT INTO meta VALUES ('format', '2')")
            connection.execute("DETACH old")
            connection.execute("CHECKPOINT")
        synced(fresh).replace(path)
        synced(path.parent)
    except (duckdb.Error, OSError) as error:
        raise StoreError(
            f"{path.name} could not be brought up to the present format: "
            f"{str(error).splitlines()[0]}",
            hint="it is as it was; check free space, or install the version that wrote it",
        ) from error


def synced(path: Path) -> Path:
    """``path``, a file or folder whose bytes are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path
