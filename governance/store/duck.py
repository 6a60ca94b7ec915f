"""The DuckDB store: one file, one owning process, one transaction per append.

DuckDB 2.0 is required: the secondary indexes of 1.5 can silently lose rows after a crash
(``docs/adr``). Only (seq) and (event_id) are indexed; events are never updated.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any, Final

import duckdb

from governance.durable import sync_folder
from governance.errors import SchemaVersionError, StoreError
from governance.merkle import TILE_WIDTH, LogRow, RowBlock, Tile, Tree, tile_root
from governance.store import migration, rewriting
from governance.store.base import FINGERPRINTS, STORE_FORMAT, LastSteps, Mention
from governance.store.commands import CommandIndex
from governance.store.engine import connect, first_line
from governance.store.rows import RECORDS, narrowed, values_of

_PAGE: Final = 5_000
_FETCH: Final = 1_000
"""Rows found by other columns than their number are fetched in such portions."""
_LOWEST: Final = -(2**63) + 1
_HIGHEST: Final = 2**63 - 1
_COLUMNS: Final = "seq, event_id, type, recorded_at_us, subject, header, leaf, sealed, command"
"""In the order of :class:`LogRow`."""


class DuckStore:
    """Keeps the contract of :class:`governance.store.LedgerStore` in a DuckDB file."""

    def __init__(
        self, path: Path, *, create: bool = False, read_only: bool = False, frugal: bool = False
    ) -> None:
        """Open the file, or make it with its tables.

        Args:
            path: The file.
            create: Make it.
            read_only: Write nothing; several processes may.
            frugal: Keep the engine's buffers small, for one pass through all of it.

        Raises:
            StoreError: missing, unreadable or not a ledger.
            StoreBusyError: another process owns the file.
            SchemaVersionError: written by a newer version.

        Side effects: a file of an earlier format is rewritten in this one, unless it is
        opened for reading only.
        """
        if not create and not path.is_file():
            raise StoreError(f"{path.name} is missing", hint="`palimpsest init` makes a new home")
        # DuckDB reads "?" as the start of options and "md:" as a server: neither is a file.
        if "?" in str(path):
            raise StoreError(f"{path}: a home's path may not hold '?'", hint="rename the folder")
        self._path = path.absolute()
        self._log_path = self._path.with_name(f"{path.name}.wal")
        self._log_inode = 0
        self._read_only = read_only
        self._appenders: dict[str, Any] = {}
        self._broken = False
        self._closed = False
        self._gone: list[int] | None = None
        self._temporary = False
        """Something that is read belongs to this one connection, and cursors do not see it."""
        self._reviving = threading.Lock()
        self._private = threading.Lock()
        """Held while the writer's own connection is used to read."""
        self._connection = connect(self._path, read_only=read_only, frugal=frugal)
        try:
            if create:
                self._create()
            self._format = self._check_format()
            if self._format < STORE_FORMAT:
                self._adopt()
        except duckdb.Error as error:
            self.abandon()
            what = "cannot be made" if create else "is not a ledger"
            raise StoreError(
                f"{path.name} {what}: {first_line(error)}",
                hint="check free space and permissions of the home"
                if create
                else "`palimpsest verify` says more; restore the home from a backup",
            ) from error
        except StoreError:
            self.abandon()
            raise
        self._commands = CommandIndex(self._query)

    def _create(self) -> None:
        schema = resources.files("governance.store").joinpath("schema/002.sql").read_text("utf-8")
        self._connection.execute(schema)
        self._connection.execute(
            "INSERT INTO meta VALUES ('format', ?), ('mentions', 'complete')", [str(STORE_FORMAT)]
        )
        # Keeps table definitions out of the write-ahead log, whose replay of them has bugs.
        self._connection.execute("CHECKPOINT")

    def _check_format(self) -> int:
        rows = self._connection.execute("SELECT value FROM meta WHERE name = 'format'").fetchall()
        found = int(rows[0][0]) if rows and str(rows[0][0]).isdecimal() else 0
        if found > STORE_FORMAT:
            raise SchemaVersionError(
                f"this home has ledger format {found}; this version reads up to {STORE_FORMAT}",
                hint="install the version of palimpsest that wrote it, or a newer one",
            )
        if found < 1:
            raise StoreError("the ledger file has no format number")
        return found

    def _adopt(self) -> None:
        """Read an earlier format: through a view, or by writing the file anew."""
        if self._read_only:
            self._connection.execute(migration.view_of_format_1(self._path))
            self._temporary = True
            return
        self._connection.close()
        migration.rewrite_format_1(self._path)
        self._connection = connect(self._path, read_only=False)
        self._format = self._check_format()

    # --- writing -----------------------------------------------------------------------

    def append(
        self, rows: Sequence[LogRow], tiles: Sequence[Tile], mentions: Sequence[Mention] = ()
    ) -> None:
        """See the contract."""
        parts: list[tuple[str, list[tuple[object, ...]]]] = [
            ("event", [values_of(row) for row in rows]),
            ("tile", [(tile.level, tile.index, tile.hashes) for tile in tiles]),
            ("mention", [(one.seq, one.type, one.subject) for one in mentions]),
        ]
        full = [(table, values) for table, values in parts if values]
        try:
            self._revive()
            with self._private:
                self._write(full)
            self._sync_new_log()
        except (duckdb.Error, OSError) as error:
            self._roll_back()
            raise StoreError(
                f"the ledger file refused the append: {first_line(error)}",
                hint="nothing was acknowledged; check free space and permissions, then try again",
            ) from error
        finally:
            self._commands.note(rows)

    def _write(self, full: Sequence[tuple[str, Sequence[tuple[object, ...]]]]) -> None:
        """One transaction."""
        if len(full) == 1:  # one statement commits by itself, and saves two more
            self._insert(*full[0])
            return
        self._connection.execute("BEGIN TRANSACTION")
        for table, values in full:
            self._insert(table, values)
        self._connection.execute("COMMIT")

    def _sync_new_log(self) -> None:
        """The engine syncs its write-ahead log, but not the folder in which it made the file.

        Raises:
            OSError: the folder cannot be synced.
        """
        try:
            inode = self._log_path.stat().st_ino
        except FileNotFoundError:  # merged into the file just now
            return
        if inode != self._log_inode:
            sync_folder(self._path.parent)
            self._log_inode = inode

    def _insert(self, table: str, values: Sequence[tuple[object, ...]]) -> None:
        """Through DuckDB's appender: a third of the cost of a statement per row."""
        appender = self._appenders.get(table)
        if appender is None:
            appender = self._appenders[table] = self._connection.appender(table)
        appender.append_rows(values)
        appender.flush()

    def erase(self, seqs: Collection[int]) -> bool:
        """See the contract: the file is written anew beside this one, then renamed over it."""
        if not self._query(
            "SELECT 1 FROM event WHERE sealed IS NOT NULL AND seq IN (SELECT unnest(?::BIGINT[]))"
            " UNION ALL SELECT 1 FROM mention WHERE seq IN (SELECT unnest(?::BIGINT[])) LIMIT 1",
            [list(seqs), list(seqs)],
        ):
            return False
        with self._reviving, self._private:
            self._appenders.clear()
            self._connection.close()
            try:
                rewriting.rewrite_without(self._path, seqs)
            finally:
                self._broken = True  # opened anew before it is used again
        return True

    def _roll_back(self) -> None:
        """Leave nothing of a failed append behind, in the file or in memory.

        What the engine holds in memory after a failed commit is not to be trusted: it may refuse
        everything from now on, and ``max(seq)``, which it answers from statistics, counts rows
        that were taken back. So the file is opened anew before it is used again.
        """
        self._appenders.clear()
        with suppress(duckdb.Error):  # a failed commit has already ended the transaction
            self._connection.execute("ROLLBACK")
        self._broken = True

    def _revive(self) -> None:
        with self._reviving:
            if self._broken and not self._closed:  # whoever closed it has let go of the lock, too
                self._appenders.clear()
                with suppress(duckdb.Error):
                    self._connection.close()
                self._connection = connect(self._path, read_only=self._read_only)
                self._commands, self._gone = CommandIndex(self._query), None
                self._broken = False

    # --- reading -----------------------------------------------------------------------

    def read(
        self,
        start: int,
        stop: int,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[LogRow]:
        """See the contract."""
        if types is None and subjects is None:
            return self._read_range(start, stop)
        return self._read_selected(start, stop, types, subjects)

    def _read_range(self, start: int, stop: int) -> Iterator[LogRow]:
        low = start
        while low <= stop:
            high = min(low + _PAGE - 1, stop, _HIGHEST)
            rows = self._query(
                f"SELECT {_COLUMNS} FROM event WHERE seq BETWEEN ? AND ? ORDER BY seq",
                [low, high],
            )
            yield from (LogRow(*row) for row in rows)
            low = high + 1
            if not rows:  # a gap, in a damaged log: go on where there is something
                [(found,)] = self._query("SELECT min(seq) FROM event WHERE seq > ?", [high])
                low = stop + 1 if found is None else int(found)

    def _read_selected(
        self,
        start: int,
        stop: int,
        types: Collection[str] | None,
        subjects: Collection[str] | None,
    ) -> Iterator[LogRow]:
        """Numbers first, then the rows: sorting whole rows would hold all of them."""
        where, values = "seq BETWEEN ? AND ?", [start, stop]
        where, values = narrowed(where, values, "type", types)
        where, values = narrowed(where, values, "subject", subjects)
        found = self._query(f"SELECT seq FROM event WHERE {where} ORDER BY seq", values)
        seqs = [row[0] for row in found]
        for at in range(0, len(seqs), _FETCH):
            rows = self._query(
                f"SELECT {_COLUMNS} FROM event WHERE seq IN (SELECT unnest(?)) ORDER BY seq",
                [seqs[at : at + _FETCH]],
            )
            yield from (LogRow(*row) for row in rows)

    def blocks(self, width: int, *, sealed: bool) -> Iterator[RowBlock]:
        """See the contract."""
        names = _COLUMNS if sealed else _COLUMNS.replace(", sealed", "")
        select = f"SELECT {names} FROM event WHERE seq >= ? AND seq < ?"
        low: int | None = self._next_seq(_LOWEST)
        while low is not None:
            cut = [low, low + width]
            found = self._columns(select, cut)
            if found["seq"] != sorted(found["seq"]):  # damaged; to sort always costs a third
                found = self._columns(f"{select} ORDER BY seq", cut)
            yield RowBlock(
                found["seq"], found["event_id"], found["type"], found["recorded_at_us"],
                found["subject"], found["header"], found["leaf"], found["command"],
                found.get("sealed"),
            )  # fmt: skip
            low += width
            if len(found["seq"]) != width:  # the end, or a gap in a damaged log
                low = self._next_seq(low)

    def _next_seq(self, low: int) -> int | None:
        [(found,)] = self._query("SELECT min(seq) FROM event WHERE seq >= ?", [low])
        return None if found is None else int(found)

    def size(self) -> int:
        """See the contract."""
        [(highest,)] = self._query("SELECT coalesce(max(seq), 0) FROM event", [])
        return int(highest)

    def types(self) -> frozenset[str]:
        """See the contract."""
        return frozenset(row[0] for row in self._query("SELECT DISTINCT type FROM event", []))

    def last_steps(self, kind: str, start: int, stop: int, *, types: Collection[str]) -> LastSteps:
        """See the contract."""
        where, values = narrowed("seq BETWEEN ? AND ?", [start, stop], "type", types)
        if self._erased():
            where, values = f"{where} AND seq NOT IN (SELECT unnest(?::BIGINT[]))", [
                *values, self._erased(),
            ]  # fmt: skip
        columns = self._columns(
            "SELECT subject[?:] AS id, max(seq) AS seq, arg_max(type, seq) AS type FROM event"
            f" WHERE {where} AND starts_with(subject, ?) GROUP BY subject ORDER BY min(seq)",
            [len(kind) + 2, *values, f"{kind}:"],
        )
        return LastSteps(columns["id"], columns["seq"], columns["type"])

    def _erased(self) -> list[int]:
        """Numbers of the events without a payload; looked up once, where anything was erased."""
        if self._gone is None:
            self._gone = []
            if self._query("SELECT 1 FROM meta WHERE name = ?", [rewriting.MARK]):
                rows = self._query("SELECT seq FROM event WHERE sealed IS NULL", [])
                self._gone = [row[0] for row in rows]
        return self._gone

    def mentions(
        self, start: int, stop: int, *, types: Collection[str], subject: str | None = None
    ) -> list[Mention]:
        """See the contract."""
        subjects = None if subject is None else [subject]
        where, values = narrowed("seq BETWEEN ? AND ?", [start, stop], "type", types)
        where, values = narrowed(where, values, "subject", subjects)
        rows = self._query(
            f"SELECT seq, type, subject FROM mention WHERE {where} ORDER BY seq, rowid",
            values,
        )
        return [Mention(*row) for row in rows]

    @property
    def engine(self) -> str:
        """See the contract."""
        return f"duckdb {duckdb.__version__}, records 1"

    def fingerprint(self, secret: str, start: int, stop: int) -> str:
        """See the contract. DuckDB's keyed hash: no proof, but quick and not to be guessed."""
        total = 0
        for table, record in RECORDS.items():
            [(found,)] = self._query(
                f"SELECT coalesce(sum(hash(concat(?, {record}))), 0) FROM {table}"
                " WHERE seq BETWEEN ? AND ?",
                [secret, start, stop],
            )
            total += int(found)
        return str(total % FINGERPRINTS)

    def mentions_complete(self) -> bool:
        """See the contract."""
        return bool(self._query("SELECT 1 FROM meta WHERE name = 'mentions'", []))

    def replace_mentions(self, mentions: Iterable[Mention]) -> None:
        """See the contract."""
        values = [(one.seq, one.type, one.subject) for one in mentions]
        temporary = "TEMP " if self._read_only else ""
        table = "(seq BIGINT NOT NULL, type VARCHAR NOT NULL, subject VARCHAR NOT NULL)"
        self._appenders.clear()
        try:
            with self._private:
                self._connection.execute("BEGIN TRANSACTION")
                self._temporary = self._temporary or self._read_only
                self._connection.execute(f"CREATE OR REPLACE {temporary}TABLE mention {table}")
                if values:
                    appender = self._connection.appender("mention")
                    appender.append_rows(values)
                    appender.flush()
                if not self._read_only:
                    self._connection.execute(
                        "INSERT INTO meta SELECT 'mentions', 'complete'"
                        " WHERE NOT EXISTS (FROM meta WHERE name = 'mentions')"
                    )
                self._connection.execute("COMMIT")
                if not self._read_only:
                    self._connection.execute("CHECKPOINT")
        except duckdb.Error as error:
            self._roll_back()
            raise StoreError(
                f"the projection could not be written: {first_line(error)}",
                hint="check free space and permissions of the home, then try again",
            ) from error

    def command(self, digest: str) -> list[tuple[int, str]]:
        """See the contract."""
        return self._commands.find(digest)

    def tile(self, level: int, index: int) -> bytes | None:
        """See the contract."""
        rows = self._query("SELECT hashes FROM tile WHERE level = ? AND idx = ?", [level, index])
        return bytes(rows[0][0]) if rows else None

    def tiles(self) -> Iterator[Tile]:
        """See the contract."""
        for (level,) in self._query("SELECT DISTINCT level FROM tile ORDER BY level", []):
            low: int | None = _LOWEST
            while low is not None:
                rows = self._query(
                    "SELECT level, idx, hashes FROM tile WHERE level = ? AND idx >= ?"
                    " ORDER BY idx LIMIT ?",
                    [level, low, TILE_WIDTH],
                )
                yield from (Tile(*row) for row in rows)
                low = rows[-1][1] + 1 if len(rows) == TILE_WIDTH else None

    def tree(self, size: int) -> Tree:
        """See the contract."""
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
        return [tile_root(bytes(row[0])) for row in rows]

    def _query(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._reading() as connection:
            return connection.execute(sql, values).fetchall()

    def _columns(self, sql: str, values: Sequence[object]) -> dict[str, list[Any]]:
        """All columns of a query: for many rows half the cost of :meth:`_query`."""
        with self._reading() as connection:
            found = connection.execute(sql, values).fetchnumpy()
        return {name: column.tolist() for name, column in found.items()}

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own, so that readers run beside the writer.

        Raises:
            StoreError: the engine cannot read.
        """
        try:
            self._revive()
            if self._temporary:
                with self._private:
                    yield self._connection
                return
            with self._connection.cursor() as cursor:
                yield cursor
        except duckdb.Error as error:
            self._broken = self._broken or isinstance(error, duckdb.FatalException)
            raise StoreError(
                f"the ledger file cannot be read: {first_line(error)}",
                hint="`palimpsest verify` says more; restore the home from a backup",
            ) from error

    # --- closing -----------------------------------------------------------------------

    def checkpoint(self) -> None:
        """See the contract. Failing is harmless: it is tried again at the next occasion."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("CHECKPOINT")
        except duckdb.Error:
            self._broken = True  # a checkpoint that fails half way leaves an engine that refuses

    def close(self) -> None:
        """See the contract."""
        self._closed = True
        self._appenders.clear()
        self._connection.close()

    def abandon(self) -> None:
        """See the contract: the write-ahead log is not merged."""
        with suppress(duckdb.Error):
            self._connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        self.close()
