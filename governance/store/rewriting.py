"""Writing the ledger file anew without what was erased.

DuckDB keeps deleted rows in its file, so nothing is deleted: a new file is written beside the
old one and renamed over it. Not a byte of a header, leaf, tile or remaining payload changes.
A kill at any moment leaves the old file or the new one, and the next attempt starts over.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib import resources
from pathlib import Path
from typing import Final

import duckdb

from governance.errors import StoreError
from governance.store.engine import first_line
from governance.store.migration import synced

MARK: Final = "erased"
"""Name in ``meta`` that says: some events have no payload any more."""


def rewrite_without(path: Path, seqs: Collection[int]) -> None:
    """Put a copy of the closed file at ``path`` in its place, without these payloads.

    Args:
        path: The ledger file; nobody has it open. Its write-ahead log is merged and removed.
        seqs: Events whose sealed payloads and mentions are left out.

    Raises:
        StoreError: the new file cannot be written; the old one is as it was.
    """
    fresh = path.with_name(f"{path.name}.erasing")
    leftovers = (fresh, fresh.with_name(f"{fresh.name}.wal"))
    schema = resources.files("governance.store").joinpath("schema/002.sql").read_text("utf-8")
    quoted = str(path).replace("'", "''")
    gone = "SELECT unnest(?::BIGINT[])"
    try:
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)
        with duckdb.connect(str(fresh)) as connection:
            connection.execute(schema)
            connection.execute(f"ATTACH '{quoted}' AS old")
            connection.execute("CHECKPOINT old")
            connection.execute(
                "INSERT INTO event SELECT seq, event_id, type, recorded_at_us, subject, header,"
                f" leaf, CASE WHEN seq IN ({gone}) THEN NULL ELSE sealed END, command"
                " FROM old.main.event ORDER BY seq",
                [list(seqs)],
            )
            connection.execute("INSERT INTO tile SELECT * FROM old.main.tile ORDER BY level, idx")
            connection.execute(
                f"INSERT INTO mention SELECT * FROM old.main.mention WHERE seq NOT IN ({gone})"
                " ORDER BY seq, rowid",
                [list(seqs)],
            )
            connection.execute("INSERT INTO meta SELECT * FROM old.main.meta WHERE name <> ?",
                               [MARK])  # fmt: skip
            connection.execute("INSERT INTO meta VALUES (?, 'some')", [MARK])
            connection.execute("DETACH old")
            connection.execute("CHECKPOINT")
        synced(fresh).replace(path)
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
        synced(path.parent)
    except (duckdb.Error, OSError) as error:
        raise StoreError(
            f"{path.name} could not be written anew: {first_line(error)}",
            hint="nothing was lost; check free space (twice the file), then try again",
        ) from error
