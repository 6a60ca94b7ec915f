"""The reference store: lists in memory. For tests and throw-away ledgers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from governance.errors import StoreError
from governance.merkle import LogRow, Tile, Tree


class MemoryStore:
    """Keeps the contract of :class:`governance.store.LedgerStore` in plain lists."""

    def __init__(self) -> None:
        self._rows: list[LogRow] = []
        self._tiles: dict[tuple[int, int], Tile] = {}
        self._ids: set[str] = set()

    def append(self, rows: Sequence[LogRow], tiles: Sequence[Tile]) -> None:
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

    def read(self, start: int, stop: int) -> Iterator[LogRow]:
        """See the contract."""
        return iter(self._rows[max(start, 1) - 1 : max(stop, 0)])

    def size(self) -> int:
        """See the contract."""
        return len(self._rows)

    def tiles(self) -> Iterator[Tile]:
        """See the contract."""
        return iter([self._tiles[place] for place in sorted(self._tiles)])

    def tree(self) -> Tree:
        """See the contract."""
        tree = Tree()
        tree.extend(row.leaf for row in self._rows)
        return tree

    def close(self) -> None:
        """Nothing to release."""
