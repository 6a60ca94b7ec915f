"""The reference store: lists in memory. For tests and throw-away ledgers."""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from governance.errors import StoreError
from governance.merkle import LogRow, RowBlock, Tile, Tree
from governance.store.base import FINGERPRINTS, LastSteps, Mention


class MemoryStore:
    """Keeps the contract of :class:`governance.store.LedgerStore` in plain lists."""

    def __init__(self) -> None:
        self._rows: list[LogRow] = []
        self._tiles: dict[tuple[int, int], Tile] = {}
        self._ids: set[str] = set()
        self._mentions: list[Mention] = []
        self._commands: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)

    def append(
        self, rows: Sequence[LogRow], tiles: Sequence[Tile], mentions: Sequence[Mention] = ()
    ) -> None:
        """See the contract."""
        first = len(self._rows) + 1
        if [row.seq for row in rows] != list(range(first, first + len(rows))):
            raise StoreError(f"events {first} onwards expected")
        ids = {row.event_id for row in rows}
        if len(ids) < len(rows) or ids & self._ids:
            raise StoreError("event id already stored")
        places = {(tile.level, tile.index): tile for tile in tiles}
        if len(places) < len(tiles) or places.keys() & self._tiles.keys():
            raise StoreError("tile already stored")
        self._rows += rows
        self._ids |= ids
        self._tiles |= places
        self._mentions += mentions
        for row in rows:
            if row.command is not None:
                self._commands[row.command].append((row.seq, row.event_id))

    def read(
        self,
        start: int,
        stop: int,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[LogRow]:
        """See the contract."""
        return (
            row
            for row in self._rows[max(start, 1) - 1 : max(stop, 0)]
            if (types is None or row.type in types)
            and (subjects is None or row.subject in subjects)
        )

    def blocks(self, width: int, *, sealed: bool) -> Iterator[RowBlock]:
        """See the contract."""
        for start in range(0, len(self._rows), width):
            yield RowBlock.of(self._rows[start : start + width], sealed=sealed)

    def size(self) -> int:
        """See the contract."""
        return len(self._rows)

    def types(self) -> frozenset[str]:
        """See the contract."""
        return frozenset(row.type for row in self._rows)

    def last_steps(self, kind: str, start: int, stop: int, *, types: Collection[str]) -> LastSteps:
        """See the contract."""
        last: dict[str, LogRow] = {}
        for row in self.read(start, stop, types=types):
            found, _, name = row.subject.partition(":")
            if found == kind and row.sealed is not None:
                last[name] = row
        steps = list(last.values())
        return LastSteps(list(last), [row.seq for row in steps], [row.type for row in steps])

    def mentions(
        self, start: int, stop: int, *, types: Collection[str], subject: str | None = None
    ) -> list[Mention]:
        """See the contract."""
        return [
            mention
            for mention in self._mentions
            if start <= mention.seq <= stop
            and mention.type in types
            and subject in {None, mention.subject}
        ]

    engine = "memory"

    def fingerprint(self, secret: str, start: int, stop: int) -> str:
        """See the contract."""
        rows = self.read(start, stop)
        records = [repr(replace(row, header=b"", sealed=None)) for row in rows]
        records += [repr(one) for one in self._mentions if start <= one.seq <= stop]
        digests = (hmac.digest(secret.encode(), one.encode(), "sha256") for one in records)
        return str(sum(int.from_bytes(one[:8], "big") for one in digests) % FINGERPRINTS)

    def erase(self, seqs: Collection[int]) -> bool:
        """See the contract."""
        gone = frozenset(seqs)
        left = any(row.seq in gone and row.sealed is not None for row in self._rows)
        self._rows = [replace(row, sealed=None) if row.seq in gone else row for row in self._rows]
        kept = [one for one in self._mentions if one.seq not in gone]
        left, self._mentions = left or len(kept) < len(self._mentions), kept
        return left

    def mentions_complete(self) -> bool:
        """See the contract."""
        return True

    def replace_mentions(self, mentions: Iterable[Mention]) -> None:
        """See the contract."""
        self._mentions = list(mentions)

    def command(self, digest: str) -> list[tuple[int, str]]:
        """See the contract."""
        return list(self._commands.get(digest, ()))

    def tile(self, level: int, index: int) -> bytes | None:
        """See the contract."""
        found = self._tiles.get((level, index))
        return None if found is None else found.hashes

    def tiles(self) -> Iterator[Tile]:
        """See the contract."""
        return iter([self._tiles[place] for place in sorted(self._tiles)])

    def tree(self, size: int) -> Tree:
        """See the contract."""
        tree = Tree()
        tree.extend(row.leaf for row in self._rows[:size])
        return tree

    def checkpoint(self) -> None:
        """Nothing to tidy."""

    def close(self) -> None:
        """Nothing to release."""

    def abandon(self) -> None:
        """Nothing to release."""
