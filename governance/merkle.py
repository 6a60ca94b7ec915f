"""RFC 9162 Merkle tree over events: leaf and node hashes, roots, tiles. Pure.

Hashing (RFC 9162 section 2.1.1): ``leaf = SHA-256(0x00 ‖ header)``,
``node = SHA-256(0x01 ‖ left ‖ right)``; the tree of no leaves is SHA-256 of nothing.
Complete runs of 256 hashes are stored as *tiles* (C2SP tlog-tiles), so that opening a log
of any size reads only the unfinished tile of each level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

TILE_WIDTH = 256
EMPTY_ROOT = hashlib.sha256(b"").digest()


@dataclass(frozen=True)
class LogRow:
    """One event as it lies in a store: the hashed header, its leaf, and unhashed copies.

    ``sealed`` is the encrypted payload, ``None`` once it was erased; ``command`` is the
    keyed digest of the idempotency key, ``None`` without one.
    """

    seq: int
    event_id: str
    type: str
    recorded_at_us: int
    subject: str
    header: bytes
    leaf: bytes
    sealed: bytes | None
    command: str | None = None


@dataclass(frozen=True)
class Tile:
    """256 consecutive hashes of one level; level 0 holds leaves, level n+1 tile roots."""

    level: int
    index: int
    hashes: bytes


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf's content (32 bytes)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (32 bytes)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Root of the tree over ``leaves`` (leaf hashes), straight from the RFC's definition."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(root_hash(leaves[:split]), root_hash(leaves[split:]))


@dataclass
class Tree:
    """An append-only tree that keeps only the unfinished tile of every level."""

    size: int = 0
    partial: list[list[bytes]] = field(default_factory=lambda: [[]])

    def append(self, leaf: bytes) -> list[Tile]:
        """Add one leaf hash; returns the tiles this completes, lowest level first."""
        self.size += 1
        done: list[Tile] = []
        carry, level = leaf, 0
        while True:
            if level == len(self.partial):
                self.partial.append([])
            hashes = self.partial[level]
            hashes.append(carry)
            if len(hashes) < TILE_WIDTH:
                return done
            done.append(Tile(level, (self.size >> 8 * (level + 1)) - 1, b"".join(hashes)))
            carry, level = root_hash(hashes), level + 1
            hashes.clear()

    def extend(self, leaves: Iterable[bytes]) -> list[Tile]:
        """Add many leaf hashes; returns the tiles completed."""
        return [tile for leaf in leaves for tile in self.append(leaf)]

    def root(self) -> bytes:
        """Root of all leaves added so far.

        The unfinished tiles hold perfect subtrees of falling size; folding their peaks
        from the right is the RFC's recursive definition read bottom-up.
        """
        peaks: list[bytes] = []
        for hashes in reversed(self.partial):
            start = 0
            for bit in reversed(range(len(hashes).bit_length())):
                width = len(hashes) & (1 << bit)
                if width:
                    peaks.append(root_hash(hashes[start : start + width]))
                    start += width
        if not peaks:
            return EMPTY_ROOT
        accumulated = peaks.pop()
        while peaks:
            accumulated = node_hash(peaks.pop(), accumulated)
        return accumulated

    def copy(self) -> Tree:
        """An independent copy; costs at most 256 references a level."""
        return Tree(self.size, [list(hashes) for hashes in self.partial])
