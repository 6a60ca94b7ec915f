"""The DuckDB store: one file, one owning process, one transaction per append.

DuckDB 2.0 is required: the secondary indexes of 1.5 can silently lose rows after a crash
(``docs/adr``). Only (seq) and (event_id) are indexed; events are never updated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb

from governance.errors import SchemaVersionError, StoreBusyError, StoreError
from governance.merkle import TILE_WIDTH, LogRow, Tile, Tree
from governance.store.base import STORE_FORMAT

_PAGE = 5_000
_HIGHEST = 2**63 - 1
_HASH_BYTES = 32
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    # A checkpoint of the write-ahead log stalls appends; 64 MiB keeps it out of normal runs.
    "checkpoint_threshold": "64MiB",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_COLUMNS = "seq, event_id, type, recorded_at_us, subject, header, leaf"


class DuckStore:
    """Keeps the contract of :class:`governance.store.LedgerStore` in a DuckDB file."""

    def __init__(self, path: Path, *, create: bool = False, read_only: bool = False) -> None:
        """Open the file, or make it with its tables.

        Raises:
            StoreError: missing, unreadable or not a ledger.
            StoreBusyError: another process owns the file.
            SchemaVersionError: written by a newer version.
        """
        if not create and not path.is_file():
            raise StoreError(f"{path.name} is missing", hint="`palimpsest init` makes a new home")
        # DuckDB reads "?" as the start of options and "md:" as a server: neither is a file.
        if "?" in str(path):
            raise StoreError(f"{path}: a home's path may not hold '?'", hint="rename the folder")
        try:
            self._connection = duckdb.connect(
                str(path.absolute()), read_only=read_only, config=_CONFIG
            )
        except duckdb.Error as error:
            raise _opening_failed(path, error) from error
        try:
            if create:
                self._create()
            self._check_format()
        except duckdb.Error as error:
            self.abandon()
            raise StoreError(f"{path.name} is not a ledger: {_first_line(error)}") from error
        except StoreError:
            self.abandon()
            raise

    def _create(self) -> None:
        schema = resources.files("governance.store").joinpath("schema/001.sql").read_text("utf-8")
        self._connection.execute(schema)
        self._connection.execute("INSERT INTO meta VALUES ('format', ?)", [str(STORE_FORMAT)])
        # Keeps table definitions out of the write-ahead log, whose replay of them has bugs.
        self._connection.execute("CHECKPOINT")

    def _check_format(self) -> None:
        row = self._connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchone()
        found = int(row[0]) if row and str(row[0]).isdecimal() else 0
        if found > STORE_FORMAT:
            raise SchemaVersionError(
                f"this home has ledger format {found}; this version reads up to {STORE_FORMAT}",
                hint="install the version of palimpsest that wrote it, or a newer one",
            )
        if found < 1:
            raise StoreError("the ledger file has no format number")

    def append(self, rows: Sequence[LogRow], tiles: Sequence[Tile]) -> None:
        """See the contract."""
        connection = self._connection
        try:
            connection.execute("BEGIN TRANSACTION")
            _insert(connection, "event", [_event_columns(row) for row in rows])
            sealed = [(row.seq, row.sealed) for row in rows if row.sealed is not None]
            _insert(connection, "sealed", sealed)
            _insert(connection, "tile", [(tile.level, tile.index, tile.hashes) for tile in tiles])
            connection.execute("COMMIT")
        except duckdb.Error as error:
            self._roll_back()
            raise StoreError(
                f"the ledger file refused the append: {_first_line(error)}",
                hint="nothing was written; check free space and permissions, then try again",
            ) from error

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error:
            return  # a failed commit has already ended the transaction

    def read(self, start: int, stop: int) -> Iterator[LogRow]:
        """See the contract."""
        low = start
        while low <= stop:
            high = min(low + _PAGE - 1, stop, _HIGHEST)
            rows = self._query(
                f"SELECT {_COLUMNS}, box FROM event LEFT JOIN sealed USING (seq)"  # noqa: S608  # constant columns
                " WHERE seq BETWEEN ? AND ? ORDER BY seq",
                [low, high],
            )
            yield from (LogRow(*row) for row in rows)
            low = high + 1
            if not rows:  # a gap, in a damaged log: go on where there is something
                [(found,)] = self._query("SELECT min(seq) FROM event WHERE seq > ?", [high])
                low = stop + 1 if found is None else int(found)

    def size(self) -> int:
        """See the contract."""
        [(highest,)] = self._query("SELECT coalesce(max(seq), 0) FROM event", [])
        return int(highest)

    def tiles(self) -> Iterator[Tile]:
        """See the contract."""
        rows = self._query("SELECT level, idx, hashes FROM tile ORDER BY level, idx", [])
        return (Tile(*row) for row in rows)

    def tree(self) -> Tree:
        """See the contract."""
        size = self.size()
        tree = Tree(size, [])
        level, whole = 0, size
        while whole or level == 0:
            first = whole // TILE_WIDTH * TILE_WIDTH
            tree.partial.append(self._hashes(level, first, whole))
            level, whole = level + 1, whole // TILE_WIDTH
        return tree

    def _hashes(self, level: int, first: int, stop: int) -> list[bytes]:
        """Hashes ``first`` to ``stop`` (exclusive, 0-based) of the unfinished tile."""
        if level == 0:
            rows = self._query(
                "SELECT leaf FROM event WHERE seq > ? AND seq <= ? ORDER BY seq", [first, stop]
            )
            return [bytes(row[0]) for row in rows]
        rows = self._query(
            "SELECT hashes FROM tile WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx",
            [level - 1, first, stop],
        )
        return [_tile_root(bytes(row[0])) for row in rows]

    def _query(self, sql: str, values: Sequence[int]) -> list[tuple[Any, ...]]:
        """All rows of a query, on a cursor of its own: readers may run beside the writer."""
        try:
            with self._connection.cursor() as cursor:
                return cursor.execute(sql, values).fetchall()
        except duckdb.Error as error:
            raise StoreError(
                f"the ledger file cannot be read: {_first_line(error)}",
                hint="`palimpsest verify` says more; restore the home from a backup",
            ) from error

    def close(self) -> None:
        """See the contract."""
        self._connection.close()

    def abandon(self) -> None:
        """Close without merging the write-ahead log: what was refused stays as it was found."""
        with suppress(duckdb.Error):
            self._connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        self.close()


def _tile_root(hashes: bytes) -> bytes:
    tree = Tree()
    tree.extend(hashes[at : at + _HASH_BYTES] for at in range(0, len(hashes), _HASH_BYTES))
    return tree.root()


def _event_columns(row: LogRow) -> tuple[object, ...]:
    return (
        row.seq, row.event_id, row.type, row.recorded_at_us, row.subject, row.header, row.leaf,
    )  # fmt: skip


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]
) -> None:
    """One statement however many rows: DuckDB pays per statement, not per row."""
    if not rows:
        return
    if len(rows) == 1:
        marks = ", ".join("?" for _ in rows[0])
        connection.execute(f"INSERT INTO {table} VALUES ({marks})", rows[0])  # noqa: S608  # constant names
        return
    columns = [list(column) for column in zip(*rows, strict=True)]
    marks = ", ".join("unnest(?)" for _ in columns)
    connection.execute(f"INSERT INTO {table} SELECT {marks}", columns)  # constant names


def _opening_failed(path: Path, error: duckdb.Error) -> StoreError:
    text = str(error)
    if "Could not set lock" in text:
        return StoreBusyError(
            f"another process has {path.name} open",
            hint="close the dashboard or the other palimpsest command on this home, then retry",
        )
    if "ermission" in text or "Read-only" in text:
        return StoreError(
            f"{path} cannot be opened for writing",
            hint="check the permissions of the home, or choose another with --home",
        )
    return StoreError(
        f"{path.name} cannot be opened: {_first_line(error)}",
        hint="`palimpsest verify` says more; restore the home from a backup if it is damaged",
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
