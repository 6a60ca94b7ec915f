"""Stored tiles that are believed only after they were checked against the signed root.

Opening a log compares the root of its unfinished tiles with the last signed checkpoint.
Everything else hangs below those tiles: a complete tile folds to one hash in the tile above
it, so each is checked once, when it is first needed, and a read of any event is covered by
the signature without hashing the whole log.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from governance.errors import ChainError
from governance.merkle import TILE_WIDTH, LogRow, Tree, leaf_hash, tile_root

_HASH_BYTES: Final = hashlib.sha256().digest_size
_CACHED: Final = 1_024
"""8 KiB each."""

Load = Callable[[int, int], bytes | None]
"""Level and index → the stored hashes of a complete tile."""


class SignedTiles:
    """The tiles of one tree that only grows; safe to use from several threads."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._checked: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def tile(self, tree: Tree, level: int, index: int) -> bytes:
        """Hashes of a tile as it stands in ``tree``, whose unfinished tiles are trusted.

        Raises:
            ChainError: the stored tile is missing, or is not the one that was signed.
        """
        complete = tree.size >> 8 * (level + 1)
        if index >= complete:
            known = level < len(tree.partial) and index == complete
            return b"".join(tree.partial[level]) if known else b""
        place = level, index
        with self._lock:
            if place in self._checked:
                self._checked.move_to_end(place)
                return self._checked[place]
        hashes = self._load(level, index)
        above = self.tile(tree, level + 1, index // TILE_WIDTH)
        at = index % TILE_WIDTH * _HASH_BYTES
        if (
            hashes is None
            or len(hashes) != TILE_WIDTH * _HASH_BYTES
            or tile_root(hashes) != above[at : at + _HASH_BYTES]
        ):
            raise ChainError(
                f"tile {index} of level {level} is not the one that was signed",
                hint="`palimpsest verify` lists what is wrong",
            )
        with self._lock:
            self._checked[place] = hashes
            if len(self._checked) > _CACHED:
                self._checked.popitem(last=False)
        return hashes

    def checked(self, tree: Tree, rows: Iterable[LogRow]) -> Iterator[LogRow]:
        """``rows``, each after its header was found to be the one that was signed.

        Raises:
            ChainError: a row was changed, moved or invented.
        """
        block, hashes = -1, b""
        for row in rows:
            number, place = divmod(row.seq - 1, TILE_WIDTH)
            if number != block:
                block, hashes = number, self.tile(tree, 0, number) if number >= 0 else b""
            at = place * _HASH_BYTES
            leaf = leaf_hash(row.header)
            if row.leaf != leaf or hashes[at : at + _HASH_BYTES] != leaf:
                raise ChainError(
                    f"event {row.seq} was altered or moved",
                    hint="`palimpsest verify` lists what is wrong",
                )
            yield row
