"""Which events a command appended, found without an index in the database.

An idempotency key has to be recognised for good, and an index in the file would double the
cost of every append. So the first look reads the column once (about 0.1 s a million events)
into a sorted array of 60-bit prefixes; what is appended later is kept in a dictionary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from governance.merkle import LogRow

Query = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]

_PREFIX: Final = 15
"""Hex digits that fit a signed 64-bit integer."""


class CommandIndex:
    """Finds events by the digest of the command that appended them."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._earlier: npt.NDArray[np.int64] | None = None
        self._until = 0
        self._later: dict[str, list[tuple[int, str]]] = {}

    def note(self, rows: Sequence[LogRow]) -> None:
        """Rows that were (perhaps) appended; a search looks whether they are there."""
        for row in rows:
            if row.command is not None:
                self._later.setdefault(row.command, []).append((row.seq, row.event_id))

    def find(self, digest: str) -> list[tuple[int, str]]:
        """Number and id of the events with this command, in order."""
        if self._earlier is None:
            self._load()
        assert self._earlier is not None
        prefix = int(digest[:_PREFIX], 16)
        place = int(np.searchsorted(self._earlier, prefix))
        known = place < len(self._earlier) and int(self._earlier[place]) == prefix
        if not known and digest not in self._later:
            return []
        rows = self._query(
            "SELECT seq, event_id FROM event WHERE command = ? ORDER BY seq", [digest]
        )
        return [(int(seq), str(event_id)) for seq, event_id in rows]

    def _load(self) -> None:
        rows = self._query(
            f"SELECT ('0x' || command[1:{_PREFIX}])::BIGINT FROM event WHERE command IS NOT NULL",
            [],
        )
        self._earlier = np.sort(np.fromiter((row[0] for row in rows), np.int64, len(rows)))
