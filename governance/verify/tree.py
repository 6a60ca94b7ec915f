"""The Merkle tree of a scan: roots at any size, and the stored tiles beside it (step 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from governance.merkle import EMPTY_ROOT, TILE_WIDTH, Tile, node_hash
from governance.verify.columns import HASH_BYTES
from governance.verify.report import Rank, VerificationReport


class WholeTiles:
    """The whole tiles so far: their tree (a compact range) and the tiles above them."""

    def __init__(self) -> None:
        self.count = 0
        self._peaks: list[bytes] = []
        self._levels: list[list[bytes]] = []

    def add(self, tile_root: bytes) -> list[Tile]:
        """Count one more tile of level 0; the higher tiles that this completes."""
        carry, number = tile_root, self.count
        while number & 1:
            carry, number = node_hash(self._peaks.pop(), carry), number >> 1
        self._peaks.append(carry)
        self.count += 1
        done: list[Tile] = []
        carry, level = tile_root, 0
        while True:
            if level == len(self._levels):
                self._levels.append([])
            hashes = self._levels[level]
            hashes.append(carry)
            if len(hashes) < TILE_WIDTH:
                return done
            level += 1
            done.append(Tile(level, (self.count >> 8 * level) - 1, b"".join(hashes)))
            carry = _root(hashes)
            hashes.clear()

    def root(self, tail: Sequence[bytes]) -> bytes:
        """Root of the log that goes on with these perfect trees, largest first."""
        peaks = [*self._peaks, *tail]
        if not peaks:
            return EMPTY_ROOT
        root = peaks.pop()
        while peaks:
            root = node_hash(peaks.pop(), root)
        return root


def _root(hashes: Sequence[bytes]) -> bytes:
    """Root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(*pair) for pair in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


class StoredTiles:
    """Compares stored tiles with what they must hold, as both come along.

    Stored tiles are taken one by one; only those that come out of order are kept.
    """

    def __init__(self, stored: Iterable[Tile]) -> None:
        self._stored = iter(stored)
        self._early: dict[tuple[int, int], bytes] = {}
        self._owed: dict[tuple[int, int], bytes] = {}
        self._wrong: dict[tuple[int, int], int] = {}
        """Place of a tile → position of its first wrong hash."""

    def expect(self, tile: Tile) -> None:
        """A tile as it must be."""
        place = (tile.level, tile.index)
        if tile.level == 0 and place not in self._early:
            self._take_one()
        if place in self._early:
            self._compare(place, tile.hashes)
        else:
            self._owed[place] = tile.hashes

    def finish(self, report: VerificationReport) -> None:
        """Compare what came out of order, and tell what is wrong."""
        while self._take_one():
            pass
        for place in self._owed.keys() & self._early.keys():
            self._compare(place, self._owed.pop(place))
        wrong = dict.fromkeys([*self._wrong, *self._early], "does not hold the tree's hashes")
        wrong |= dict.fromkeys(self._owed, "is missing")
        for (level, index), what in sorted(wrong.items()):
            report.add(f"tile {index} of level {level} {what}", rank=Rank.TILE, place=level)

    def first_event(self, after: int, up_to: int) -> int | None:
        """The first event of this range whose leaf a stored tile remembers differently."""
        events = (
            index * TILE_WIDTH + position + 1
            for (level, index), position in self._wrong.items()
            if level == 0
        )
        return min((event for event in events if after < event <= up_to), default=None)

    def _take_one(self) -> bool:
        for tile in self._stored:
            self._early[tile.level, tile.index] = tile.hashes
            return True
        return False

    def _compare(self, place: tuple[int, int], right: bytes) -> None:
        found = self._early.pop(place)
        if found != right:
            same = (
                right[at : at + HASH_BYTES] == found[at : at + HASH_BYTES]
                for at in range(0, len(right), HASH_BYTES)
            )
            self._wrong[place] = next(at for at, equal in enumerate((*same, False)) if not equal)
