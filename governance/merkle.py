"""RFC 9162 Merkle tree over events: hashes, roots, tiles, proofs. Pure.

Hashing (RFC 9162 section 2.1.1): ``leaf = SHA-256(0x00 ‖ header)``,
``node = SHA-256(0x01 ‖ left ‖ right)``; the tree of no leaves is SHA-256 of nothing.
Complete runs of 256 hashes are stored as *tiles* (C2SP tlog-tiles), so that opening a log
of any size reads only the unfinished tile of each level, and a proof two tiles a level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import repeat
from typing import TypeAlias, TypeVar, cast

from governance.errors import ProofError

TILE_BITS = 8
_Bytes = TypeVar("_Bytes")
TILE_WIDTH = 1 << TILE_BITS
HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
MAX_PROOF_HASHES = 63
"""What C2SP tlog-witness allows in a request; enough for 2⁶³ leaves."""
_PAIR_BYTES = 2 * HASH_BYTES
_NODE = hashlib.sha256(b"\x01")


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
class RowBlock:
    """Consecutive rows of the log by column, in the order the store returns them.

    ``sealed`` is ``None`` when the payloads were not read. Bytes may also be byte arrays,
    which is what DuckDB gives by the column.
    """

    seqs: Sequence[int]
    event_ids: Sequence[str]
    types: Sequence[str]
    recorded_at_us: Sequence[int]
    subjects: Sequence[str]
    headers: Sequence[bytes]
    leaves: Sequence[bytes]
    commands: Sequence[str | None]
    sealed: Sequence[bytes | None] | None = None

    @classmethod
    def of(cls, rows: Sequence[LogRow], *, sealed: bool = True) -> RowBlock:
        """The columns of these rows."""
        return cls(
            [row.seq for row in rows],
            [row.event_id for row in rows],
            [row.type for row in rows],
            [row.recorded_at_us for row in rows],
            [row.subject for row in rows],
            [row.header for row in rows],
            [row.leaf for row in rows],
            [row.command for row in rows],
            [row.sealed for row in rows] if sealed else None,
        )

    def rows(self) -> Iterator[LogRow]:
        """The same, row by row."""
        return map(
            LogRow,
            self.seqs, self.event_ids, self.types, self.recorded_at_us, self.subjects,
            map(_plain, self.headers), map(_plain, self.leaves),
            map(_plain, self.sealed) if self.sealed is not None else repeat(None), self.commands,
        )  # fmt: skip

    def tiles(self) -> Iterator[RowBlock]:
        """The same in parts of one tile's width, which a processor's cache can hold."""
        for start in range(0, len(self.seqs), TILE_WIDTH):
            cut = slice(start, start + TILE_WIDTH)
            yield RowBlock(
                self.seqs[cut], self.event_ids[cut], self.types[cut], self.recorded_at_us[cut],
                self.subjects[cut], self.headers[cut], self.leaves[cut], self.commands[cut],
            )  # fmt: skip


def _plain(value: _Bytes) -> _Bytes:
    return cast("_Bytes", bytes(value)) if isinstance(value, bytearray) else value


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


def tile_root(hashes: bytes) -> bytes:
    """Root over concatenated 32-byte hashes, 256 of a whole tile or any other number.

    Pairs are folded level by level and an odd last hash moves up as it is, which is the
    RFC's split at the largest power of two read bottom-up; one SHA-256 call per node.

    Raises:
        ProofError: not a whole number of hashes.
    """
    if len(hashes) % HASH_BYTES:
        raise ProofError(f"a tile of {len(hashes)} bytes does not hold whole hashes")
    if not hashes:
        return EMPTY_ROOT
    prefixed = _NODE.copy  # copying a hash that has seen the prefix saves joining it on
    while len(hashes) > HASH_BYTES:
        paired = len(hashes) & -_PAIR_BYTES
        nodes = []
        for at in range(0, paired, _PAIR_BYTES):
            node = prefixed()
            node.update(hashes[at : at + _PAIR_BYTES])
            nodes.append(node.digest())
        hashes = b"".join(nodes) + hashes[paired:]
    return hashes


def root_hash(leaves: Sequence[bytes]) -> bytes:
    """Root of the tree over ``leaves`` (leaf hashes)."""
    return tile_root(b"".join(leaves))


# --- growing -----------------------------------------------------------------------------


@dataclass
class Tree:
    """An append-only tree that keeps only the unfinished tile of every level.

    ``partial`` may be filled by whoever restores a tree, before its first use.
    """

    size: int = 0
    partial: list[list[bytes]] = field(default_factory=lambda: [[]])
    _peaks: list[bytes] | None = field(default=None, repr=False, compare=False)
    """Roots of the perfect subtrees of ``size``'s binary digits, largest first."""

    def append(self, leaf: bytes) -> list[Tile]:
        """Add one leaf hash; returns the tiles this completes, lowest level first."""
        return self._add(0, leaf)

    def extend(self, leaves: Iterable[bytes]) -> list[Tile]:
        """Add many leaf hashes; returns the tiles completed, in the order they were."""
        pending = list(leaves)
        start = min(-self.size % TILE_WIDTH, len(pending))
        done = [tile for leaf in pending[:start] for tile in self._add(0, leaf)]
        while start + TILE_WIDTH <= len(pending):  # a whole tile at once
            hashes = b"".join(pending[start : start + TILE_WIDTH])
            done.append(Tile(0, self.size >> TILE_BITS, hashes))
            done += self._add(1, tile_root(hashes))
            start += TILE_WIDTH
        return done + [tile for leaf in pending[start:] for tile in self._add(0, leaf)]

    def root(self) -> bytes:
        """Root of all leaves added so far: its peaks, folded from the right."""
        return _fold(self._frontier())

    def copy(self) -> Tree:
        """An independent copy; costs at most 256 references a level."""
        return Tree(self.size, [list(hashes) for hashes in self.partial], list(self._frontier()))

    def _add(self, level: int, node: bytes) -> list[Tile]:
        """Add one hash of ``level``, below which the tree must end on a whole tile."""
        peaks = self._frontier()
        done: list[Tile] = []
        before = self.size >> TILE_BITS * level
        self.size += 1 << TILE_BITS * level
        while True:
            while level >= len(self.partial):
                self.partial.append([])
            hashes = self.partial[level]
            hashes.append(node)
            for _ in range(TILE_BITS):
                if not before & 1:
                    peaks.append(node)
                    return done
                node = node_hash(peaks.pop(), node)
                before >>= 1
            done.append(Tile(level, before, b"".join(hashes)))
            hashes.clear()
            level += 1

    def _frontier(self) -> list[bytes]:
        if self._peaks is None:
            self._peaks = [
                root_hash(hashes[start:stop])
                for hashes in reversed(self.partial)
                for start, stop in _perfect(0, len(hashes))
            ]
        return self._peaks


# --- proving -----------------------------------------------------------------------------

TileReader: TypeAlias = Callable[[int, int], bytes]
"""``(level, index)`` → the hashes of one tile, joined. It may hold more hashes than the
proven size covers: only those the size covers are used."""


def inclusion_proof(index: int, size: int, tiles: TileReader) -> list[bytes]:
    """PATH(index, D[size]) of RFC 9162 section 2.1.3.1: siblings, the leaf's first.

    Reads at most two tiles of each level, each once: the one above the leaf, and the one
    that was unfinished at ``size``.

    Raises:
        ProofError: no such leaf, or a tile that is too short.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} leaves has no leaf {index}")
    read, path, start, stop = cache(tiles), [], 0, size
    while stop - start > 1:
        split = start + _split(stop - start)
        left = index < split
        path.append(_subtree(split, stop, read) if left else _subtree(start, split, read))
        start, stop = (start, split) if left else (split, stop)
    return path[::-1]


def consistency_proof(old: int, new: int, tiles: TileReader) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 9162 section 2.1.4.1; empty for ``old`` 0 or ``new``.

    Raises:
        ProofError: ``old`` is larger than ``new``, or a tile is too short.
    """
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {new} leaves does not extend one of {old}")
    read, path, start, stop = cache(tiles), [], 0, new
    if old == 0:
        return []
    while old != stop:
        split = start + _split(stop - start)
        left = old <= split
        path.append(_subtree(split, stop, read) if left else _subtree(start, split, read))
        start, stop = (start, split) if left else (split, stop)
    # The old tree itself is known to the verifier; a part of it is not (SUBPROOF's flag).
    return path[::-1] if start == 0 else [_subtree(start, stop, read), *path[::-1]]


def verify_inclusion(
    data: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Prove that a leaf is at ``index`` of a tree (RFC 9162 section 2.1.3.2).

    Args:
        data: Content of the leaf; hashed here, never by the caller, so that no inner node
            can pass for a leaf.
        index: Place of the leaf, from 0.
        size: Leaves of the tree, from a checkpoint whose signature was checked.
        proof: Sibling hashes, the leaf's first.
        root: From the same checkpoint.

    Raises:
        ProofError: no such place, a proof of another length, or another root.
    """
    if not 0 <= index < size:  # step 1
        raise ProofError(f"a tree of {size} leaves has no leaf {index}")
    _check_hashes(proof)
    place, last, found = index, size - 1, leaf_hash(data)  # steps 2 and 3
    for sibling in proof:  # step 4
        if last == 0:
            raise ProofError("the inclusion proof is too long for the size of the tree")
        if place & 1 or place == last:
            found = node_hash(sibling, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:  # step 5
        raise ProofError("the inclusion proof is too short for the size of the tree")
    if found != root:
        raise ProofError(f"the inclusion proof of leaf {index} does not lead to the root")


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Prove that a tree only grew (RFC 9162 section 2.1.4.2, and the cases it leaves out).

    From size 0 everything grows, with an empty proof; a tree of the same size must have
    the same root, with an empty proof.

    Raises:
        ProofError: sizes out of order, a proof of another length, or another root.
    """
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {new} leaves does not extend one of {old}")
    _check_hashes(proof)
    for size, root in ((old, old_root), (new, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise ProofError("the root of an empty tree is the hash of nothing")
    if (old in {0, new}) is bool(proof):  # step 1, and its counterpart
        must = "must" if proof else "cannot"
        raise ProofError(f"a consistency proof from {old} to {new} {must} be empty")
    if old == new and old_root != new_root:
        raise ProofError(f"two trees of {old} leaves with different roots")
    if proof:
        path = list(proof) if old & (old - 1) else [old_root, *proof]  # step 2
        before, after = _replayed(old, new, path)
        if before != old_root:  # step 7
            raise ProofError(f"the consistency proof does not start from the root at size {old}")
        if after != new_root:
            raise ProofError(f"the consistency proof does not lead to the root at size {new}")


def _replayed(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots that a consistency proof leads to: steps 3 to 6 of its check."""
    place, last = old - 1, new - 1  # step 3
    while place & 1:  # step 4
        place, last = place >> 1, last >> 1
    before = after = path[0]  # step 5
    for sibling in path[1:]:  # step 6
        if last == 0:
            raise ProofError("the consistency proof is too long for the sizes of the trees")
        if place & 1 or place == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise ProofError("the consistency proof is too short for the sizes of the trees")
    return before, after


def _check_hashes(proof: Sequence[bytes]) -> None:
    if len(proof) > MAX_PROOF_HASHES or any(len(one) != HASH_BYTES for one in proof):
        raise ProofError("a proof is at most 63 hashes of 32 bytes")


def _split(width: int) -> int:
    """The largest power of two below ``width``: where the RFC splits a tree of two or more."""
    return 1 << (width - 1).bit_length() - 1


def _perfect(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Perfect subtrees of the RFC's tree over ``start`` to ``stop``, largest first.

    ``start`` is a multiple of the largest one, as it is wherever the RFC splits a tree.
    """
    while start < stop:
        width = 1 << (stop - start).bit_length() - 1
        yield start, start + width
        start += width


def _fold(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    *rest, found = peaks
    for peak in reversed(rest):
        found = node_hash(peak, found)
    return found


def _subtree(start: int, stop: int, tiles: TileReader) -> bytes:
    """Hash of the subtree over leaves ``start`` to ``stop``, one split of a larger tree."""
    return _fold([_perfect_root(*one, tiles) for one in _perfect(start, stop)])


def _perfect_root(start: int, stop: int, tiles: TileReader) -> bytes:
    """Hash of a perfect subtree, from the one tile that holds all hashes it needs."""
    level = ((stop - start).bit_length() - 1) // TILE_BITS
    first, last = start >> TILE_BITS * level, stop >> TILE_BITS * level
    index = first >> TILE_BITS
    offset = (first - (index << TILE_BITS)) * HASH_BYTES
    hashes = tiles(level, index)[offset : offset + (last - first) * HASH_BYTES]
    if len(hashes) != (last - first) * HASH_BYTES:
        raise ProofError(
            f"tile {index} of level {level} is too short",
            hint="`palimpsest verify` names what is damaged",
        )
    return tile_root(hashes)
