"""Which rows are nearest to a question, exactly, without multiplying everything.

A question has few dimensions that are not zero, so only those are visited, one column of
all rows at a time. The sums, in single precision, are off by no more than is known, so all
rows but a few cannot be the nearest; the few are scored again in double precision, each by
itself. The outcome is that of comparing with every row, wherever a row happens to lie.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import saxpy

from agent.errors import MemoryIndexError
from agent.memory.embed import Vectors

TIE: Final = 1e-6
"""Rows no more than this below the best count as equally near."""
_SLACK: Final = 1e-3
"""Above twice what a sum of unit vectors' products can be off in float32: d · 2⁻²⁴, d ≤ 4096."""
_FIRST_ROOM: Final = 256
_ALWAYS: Final = (np.iinfo(np.int64).min, np.iinfo(np.int64).max)


class Rows:
    """Vectors by column, each with its owner's number and the time in which it counts."""

    def __init__(self, dimension: int) -> None:
        self._count = 0
        self._columns = np.zeros((dimension, _FIRST_ROOM), dtype=np.float32)
        self._owners = np.zeros(_FIRST_ROOM, dtype=np.int64)
        self._times = np.zeros((2, _FIRST_ROOM), dtype=np.int64)

    def __len__(self) -> int:
        return self._count

    def add(
        self,
        vectors: Vectors,
        owners: Sequence[int],
        times: Sequence[tuple[int | None, int | None]],
    ) -> None:
        """Add rows.

        Args:
            vectors: One row each, of length one or zero.
            owners: Number of the owner of each row; an owner may have several.
            times: From when and until when it counts (microseconds, UTC); ``None``: no bound.

        Raises:
            MemoryIndexError: the vectors are of another shape.
        """
        expected = (len(owners), len(self._columns))
        if vectors.shape != expected:
            raise MemoryIndexError(
                f"embedder gave vectors of shape {vectors.shape}, expected {expected}",
                hint="use the embedder that this index was made with",
            )
        start, stop = self._count, self._count + len(owners)
        if stop > len(self._owners):
            self._grow(max(stop, 2 * len(self._owners)))
        self._columns[:, start:stop] = vectors.T
        self._owners[start:stop] = owners
        self._times[:, start:stop] = np.array(
            [
                [_ALWAYS[0] if since is None else since, _ALWAYS[1] if until is None else until]
                for since, until in times
            ],
            dtype=np.int64,
        ).reshape(-1, 2).T  # fmt: skip
        self._count = stop

    def remove(self, owners: Collection[int]) -> None:
        """Remove all rows of these owners; what they held is overwritten."""
        gone = np.isin(self._owners[: self._count], list(owners))
        count = self._count - int(gone.sum())
        holes, last = np.flatnonzero(gone[:count]), count + np.flatnonzero(~gone[count:])
        for held in (self._columns, self._owners, self._times):
            held[..., holes] = held[..., last]
            held[..., count : self._count] = 0
        self._count = count

    def nearest(self, vector: Vectors, now_us: int | None = None) -> tuple[float, list[int]]:
        """The best cosine with ``vector``, and the owners of all rows that are as good.

        Rows that do not count at ``now_us`` are left out; without it, none is. No owners,
        and a score of 0, when there are no rows.
        """
        used = np.flatnonzero(vector)
        scores = self._scores(vector, used.tolist())
        if now_us is not None:
            since, until = self._times[:, : self._count]
            scores[(now_us < since) | (now_us >= until)] = -np.inf
        best = scores.max(initial=-np.inf)
        if best == -np.inf:
            return 0.0, []
        near = np.flatnonzero(scores >= best - _SLACK)
        # Row by row in one order, so that a score does not depend on what else was scored.
        rows = np.ascontiguousarray(self._columns[np.ix_(used, near)].T, dtype=np.float64)
        exact = (rows * vector[used].astype(np.float64)).sum(axis=1)
        first = float(exact.max())
        return first, self._owners[near[exact >= first - TIE]].tolist()

    def _scores(self, vector: Vectors, used: Sequence[int]) -> NDArray[np.float32]:
        scores = np.zeros(self._count, dtype=np.float32)
        if self._count:
            for at in used:
                scores = saxpy(self._columns[at, : self._count], scores, a=vector[at])
        return scores

    def _grow(self, room: int) -> None:
        more = room - len(self._owners)
        self._columns = np.pad(self._columns, ((0, 0), (0, more)))
        self._owners = np.pad(self._owners, (0, more))
        self._times = np.pad(self._times, ((0, 0), (0, more)))
