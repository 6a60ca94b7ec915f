"""A map that versions of the memory share; copying it costs the same however large it is.

``State`` is forked for every append, so that readers keep a version that nothing changes.
What was there when the ledger was opened is not held at all: a *source* finds it when it is
asked for. What was set since lies in a few layers of falling size, merged as they grow
(a log-structured merge), each shared by all copies and never changed once it is shared.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from typing import Final, Generic, Protocol, Self, TypeVar
from weakref import ref

V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)

_RECENT: Final = 128
"""Entries of the layer that is copied; larger ones are shared."""


class Source(Protocol[V_co]):
    """Where values come from that nobody has set: fixed for good, so it can be shared."""

    def get(self, key: str) -> V_co | None:
        """The value, or ``None``."""
        ...

    def keys(self) -> Sequence[str]:
        """All keys, in their order."""
        ...

    def load(self) -> Mapping[str, V_co]:
        """All of it in one go, in the order of the keys."""
        ...


class Layered(Mapping[str, V]):
    """A dictionary in insertion order, from which nothing can be removed."""

    __slots__ = ("_recent", "_shared", "_source")

    def __init__(
        self,
        values: Mapping[str, V] | None = None,
        source: Source[V] | None = None,
        *,
        shared: tuple[dict[str, V], ...] = (),
    ) -> None:
        """Hold ``values``, and whatever ``source`` finds beyond them.

        ``shared`` are layers below ``values``, never changed again (:meth:`copy`).
        """
        self._source = source
        self._shared = shared
        self._recent: dict[str, V] = dict(values or {})

    def copy(self) -> Self:
        """An independent copy."""
        if len(self._recent) > _RECENT:
            self._shared, self._recent = _merged((*self._shared, self._recent)), {}
        return type(self)(self._recent, self._source, shared=self._shared)

    def set_here(self) -> dict[str, V]:
        """Everything that was set, without what only the source knows; later ones win."""
        values: dict[str, V] = {}
        for layer in (*self._shared, self._recent):
            values.update(layer)
        return values

    def layers(self) -> tuple[dict[str, V], ...]:
        """Everything that was set, oldest layer first; only the newest is ever added to."""
        recent = self._recent  # first: a copy made meanwhile moves it below
        return (*self._shared, recent)

    @property
    def source(self) -> Source[V] | None:
        """Where the rest comes from."""
        return self._source

    def __getitem__(self, key: str) -> V:
        if key in self._recent:
            return self._recent[key]
        for layer in reversed(self._shared):
            if key in layer:
                return layer[key]
        found = self._source.get(key) if self._source is not None else None
        if found is None:
            raise KeyError(key)
        return found

    def __setitem__(self, key: str, value: V) -> None:
        self._recent[key] = value

    def __iter__(self) -> Iterator[str]:
        own = self.set_here()
        if self._source is None:
            return iter(own)
        return iter(dict.fromkeys((*self._source.keys(), *own)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def items(self) -> ItemsView[str, V]:
        """Pairs, in order; fetched in one go."""
        return self._everything().items()

    def values(self) -> ValuesView[V]:
        """Values, in order; fetched in one go."""
        return self._everything().values()

    def _everything(self) -> dict[str, V]:
        own = self.set_here()
        if self._source is None:
            return own
        return {**self._source.load(), **own}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.set_here()!r}, source={self._source!r})"


class Follower(Generic[V]):
    """Reads what was set from one version of a map to the next, without reading the rest."""

    def __init__(self) -> None:
        # Weakly: a source holds its log, and what held the log would keep it for ever.
        self._source: ref[Source[V]] | None = None
        self._seen: tuple[Mapping[str, V], ...] | None = None

    def unread(self, values: Layered[V]) -> list[V] | None:
        """Values set since the last call, oldest first; some may have been read before.

        ``None`` when all of them have to be read: on the first call, and when the source
        is another one.
        """
        layers, source = values.layers(), values.source
        known = self._source() if self._source is not None else None
        fresh: list[V] | None = None
        if self._seen is not None and known is source:
            seen = {id(layer) for layer in self._seen}
            fresh = [
                value
                for layer in layers
                if id(layer) not in seen
                for value in tuple(layer.values())
            ]
        # The newest layer still grows; the others never change again, and are held here so
        # that no other layer can get the identity of one of them.
        self._seen = layers[:-1]
        self._source = ref(source) if source is not None else None
        return fresh


def _merged(layers: tuple[dict[str, V], ...]) -> tuple[dict[str, V], ...]:
    """Merge from the end while a layer is not much larger than the one after it."""
    older, last = layers[:-1], layers[-1]
    while older and len(older[-1]) <= 2 * len(last):
        older, last = older[:-1], {**older[-1], **last}
    return (*older, last)
