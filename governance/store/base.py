"""The contract every storage engine keeps (``tests/contracts/test_store_contract.py``).

Written so that an engine with a server behind it (PostgreSQL) joins without touching a
caller: no connection, cursor or SQL shows, every range is explicit, and what an engine may
answer from an index of its own (``last_steps``, ``mentions``, ``command``) is asked as a
question, not as a table.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from governance.merkle import LogRow, RowBlock, Tile, Tree

STORE_FORMAT: Final = 2
"""Layout of the tables; a higher one than this is refused."""

FINGERPRINTS: Final = 2**96
"""Fingerprints are sums modulo this: order does not matter, and twice is not never."""


@dataclass(frozen=True)
class Mention:
    """Event ``seq`` of this type names ``subject`` (``kind:id``) beside its own.

    Mentions are a projection: they can be dropped and made again from the payloads.
    """

    seq: int
    type: str
    subject: str


class LastStep(NamedTuple):
    """The last event of some types about a thing."""

    seq: int
    type: str


class LastSteps(Mapping[str, LastStep]):
    """The last step of many things, by id, in columns: there may be millions."""

    def __init__(self, ids: Sequence[str], seqs: Sequence[int], types: Sequence[str]) -> None:
        """Columns of equal length, in the order the things first occurred."""
        self.ids = ids
        self.seqs = seqs
        self.types = types
        self._places: dict[str, int] | None = None

    def __getitem__(self, key: str) -> LastStep:
        if self._places is None:
            self._places = dict(zip(self.ids, range(len(self.ids)), strict=True))
        place = self._places[key]
        return LastStep(self.seqs[place], self.types[place])

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __len__(self) -> int:
        return len(self.ids)


def joined(first: str, second: str) -> str:
    """The fingerprint of two adjacent ranges."""
    return str((int(first) + int(second)) % FINGERPRINTS)


class LedgerStore(Protocol):
    """An append-only table of events with the tiles of their Merkle tree.

    Nothing here hashes, signs or decides: the ledger does, the store keeps.
    """

    def append(
        self, rows: Sequence[LogRow], tiles: Sequence[Tile], mentions: Sequence[Mention] = ()
    ) -> None:
        """Write all rows, tiles and mentions in one durable transaction, or none of them.

        Raises:
            StoreError: the engine refused; nothing was written.
        """
        ...

    def read(
        self,
        start: int,
        stop: int,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[LogRow]:
        """Rows with ``start <= seq <= stop``, in order of ``seq``, whatever those are.

        Args:
            start: First number.
            stop: Last number.
            types: Only these; ``None`` is all.
            subjects: Only these; ``None`` is all.

        Raises:
            StoreError: the engine cannot read them.
        """
        ...

    def blocks(self, width: int, *, sealed: bool) -> Iterator[RowBlock]:
        """Every row there is, by column, ``width`` at a time; for checking all of them.

        Args:
            width: Rows of a block; the last one is shorter.
            sealed: Read the payloads too.
        """
        ...

    def size(self) -> int:
        """The highest ``seq``, 0 without events; it counts them unless the log is damaged."""
        ...

    def types(self) -> frozenset[str]:
        """Every type of event there is."""
        ...

    def last_steps(self, kind: str, start: int, stop: int, *, types: Collection[str]) -> LastSteps:
        """The last event of these types in the range, by id of its subject ``kind:id``.

        In the order in which the subjects first occur in the range.
        """
        ...

    def mentions(
        self, start: int, stop: int, *, types: Collection[str], subject: str | None = None
    ) -> list[Mention]:
        """Mentions by events of these types in the range, in order of ``seq``."""
        ...

    def fingerprint(self, secret: str, start: int, stop: int) -> str:
        """What the unhashed copies and mentions of events ``start`` to ``stop`` amount to.

        Changes (but for a chance of 1 in 2⁶⁴) when any of them is changed, added or removed
        by somebody who does not know ``secret``. Adjacent ranges add up by
        :func:`joined`. Comparable only between stores of equal :attr:`engine`.
        """
        ...

    @property
    def engine(self) -> str:
        """Name and version of what computes fingerprints."""
        ...

    def erase(self, seqs: Collection[int]) -> bool:
        """Write everything anew without the payloads and mentions of these events.

        Nothing of them is left where the store keeps its data, old pages and logs included.

        Returns:
            False when there was nothing left to erase.

        Raises:
            StoreError: the engine refused; what was there is as it was.
        """
        ...

    def mentions_complete(self) -> bool:
        """False when mentions have to be made again: after a migration, or a broken rebuild."""
        ...

    def replace_mentions(self, mentions: Iterable[Mention]) -> None:
        """Put these in the place of all that there are, in one durable transaction.

        Raises:
            StoreError: the engine refused; those before are still there.
        """
        ...

    def command(self, digest: str) -> list[tuple[int, str]]:
        """Number and id of the events that the command with this digest appended."""
        ...

    def tile(self, level: int, index: int) -> bytes | None:
        """The 256 hashes of one complete tile; ``None`` if it is not there."""
        ...

    def tiles(self) -> Iterator[Tile]:
        """All stored tiles, by level then index."""
        ...

    def tree(self, size: int) -> Tree:
        """The unfinished tiles of the tree over the first ``size`` events.

        From stored tiles and the last leaves; nothing of it is checked.
        """
        ...

    def checkpoint(self) -> None:
        """Tidy up while nobody waits, so that the next open is quick; may do nothing."""
        ...

    def close(self) -> None:
        """Release the engine; idempotent."""
        ...

    def abandon(self) -> None:
        """:meth:`close` without writing a byte: what was refused stays as it was found."""
        ...
