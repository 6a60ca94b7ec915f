"""A growing list of event numbers that many versions of the memory share."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final, overload

_GROWING: Final = threading.Lock()


class Trail(Sequence[int]):
    """Immutable; adding a number costs the same however long it is.

    All trails that grew out of one another share one list and remember how much of it is
    theirs. Only a trail that is not the longest copies when it grows.
    """

    __slots__ = ("_shared", "_size")

    def __init__(self, shared: list[int] | None = None, size: int = 0) -> None:
        """``Trail()`` is empty; the arguments are for :meth:`plus`."""
        self._shared = [] if shared is None else shared
        self._size = size

    def plus(self, number: int) -> Trail:
        """This trail with ``number`` at its end."""
        with _GROWING:
            shared = self._shared
            if len(shared) != self._size:
                shared = shared[: self._size]
            shared.append(number)
            return Trail(shared, self._size + 1)

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...
    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        places = range(self._size)[index]
        if isinstance(places, int):
            return self._shared[places]
        return tuple(self._shared[place] for place in places)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self[:] == tuple(other)

    def __hash__(self) -> int:
        return hash(self[:])

    def __repr__(self) -> str:
        return f"Trail{self[:]}"
