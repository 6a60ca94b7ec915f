"""The contract every storage engine keeps (``tests/contracts/test_store_contract.py``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from governance.merkle import LogRow, Tile, Tree

STORE_FORMAT = 1
"""Layout of the tables; a higher one than this is refused."""


class LedgerStore(Protocol):
    """An append-only table of events with the tiles of their Merkle tree.

    Nothing here hashes, signs or decides: the ledger does, the store keeps.
    """

    def append(self, rows: Sequence[LogRow], tiles: Sequence[Tile]) -> None:
        """Write all rows and tiles in one durable transaction, or none of them.

        Raises:
            StoreError: the engine refused; nothing was written.
        """
        ...

    def read(self, start: int, stop: int) -> Iterator[LogRow]:
        """Rows with ``start <= seq <= stop``, in order of ``seq``, whatever those are.

        Raises:
            StoreError: the engine cannot read them.
        """
        ...

    def size(self) -> int:
        """The highest ``seq``, 0 without events; it counts them unless the log is damaged."""
        ...

    def tiles(self) -> Iterator[Tile]:
        """All stored tiles, by level then index."""
        ...

    def tree(self) -> Tree:
        """The Merkle tree's unfinished tiles, from stored tiles and the last leaves."""
        ...

    def close(self) -> None:
        """Release the engine; idempotent."""
        ...
