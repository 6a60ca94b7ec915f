from __future__ import annotations

import hashlib
import random
from collections import Counter

import pytest

from governance.errors import ProofError
from governance.merkle import (
    EMPTY_ROOT,
    TILE_WIDTH,
    Tile,
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_hash,
    tile_root,
    verify_consistency,
    verify_inclusion,
)
from tests.governance.transparent import Stored, naive_consistency, naive_path, naive_root

# The inputs and roots that certificate-transparency implementations share.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def numbered(count: int) -> list[bytes]:
    return [leaf_hash(b"%d" % number) for number in range(count)]


def tiles_of(leaves: list[bytes]) -> list[Tile]:
    """Every complete tile, straight from the definition."""
    tiles, level, hashes = [], 0, leaves
    while len(hashes) >= TILE_WIDTH:
        whole = [
            hashes[start : start + TILE_WIDTH]
            for start in range(0, len(hashes) - TILE_WIDTH + 1, TILE_WIDTH)
        ]
        tiles += [Tile(level, index, b"".join(run)) for index, run in enumerate(whole)]
        level, hashes = level + 1, [root_hash(run) for run in whole]
    return tiles


@pytest.mark.parametrize("size", range(9))
def test_reference_roots(size: int) -> None:
    leaves = [leaf_hash(data) for data in LEAVES[:size]]
    tree = Tree()
    tree.extend(leaves)
    assert root_hash(leaves).hex() == tree.root().hex() == ROOTS[size]
    assert naive_root(leaves).hex() == tile_root(b"".join(leaves)).hex() == ROOTS[size]


def test_leaves_and_nodes_live_in_separate_domains() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(b"a") == hashlib.sha256(b"\x00a").digest()
    assert node_hash(left, right) == hashlib.sha256(b"\x01" + left + right).digest()
    assert node_hash(left, right) != leaf_hash(left + right)
    assert hashlib.sha256(b"").digest() == EMPTY_ROOT


def test_growing_tree_equals_the_definition_across_tile_boundaries() -> None:
    leaves = numbered(700)
    tree, tiles = Tree(), []
    assert tree.root() == EMPTY_ROOT
    for size, leaf in enumerate(leaves, start=1):
        tiles += tree.append(leaf)
        assert tree.size == size
        assert tree.root() == root_hash(leaves[:size]), size
        assert all(len(hashes) < TILE_WIDTH for hashes in tree.partial)
    assert tiles == tiles_of(leaves)
    assert [(tile.level, tile.index) for tile in tiles] == [(0, 0), (0, 1)]


def test_second_level_tile_boundary() -> None:
    """65 535, 65 536 and 65 537 leaves, compared with the roots of their 256-leaf runs."""
    leaves = numbered(TILE_WIDTH**2 + 1)
    runs = [root_hash(leaves[at : at + TILE_WIDTH]) for at in range(0, TILE_WIDTH**2, TILE_WIDTH)]
    last = leaves[TILE_WIDTH**2 - TILE_WIDTH : TILE_WIDTH**2 - 1]
    # The last run without its last leaf, folded into the peaks of the 255 whole ones.
    peaks, start = [], 0
    for width in (128, 64, 32, 16, 8, 4, 2, 1):
        peaks.append(root_hash(runs[start : start + width]))
        start += width
    expected = root_hash(last)
    for peak in reversed(peaks):
        expected = node_hash(peak, expected)
    full = root_hash(runs)

    tree = Tree()
    tiles = tree.extend(leaves[: TILE_WIDTH**2 - 1])
    assert (tree.root(), len(tiles)) == (expected, 255)
    tiles += tree.append(leaves[TILE_WIDTH**2 - 1])
    assert tree.root() == full
    assert [(tile.level, tile.index) for tile in tiles[-2:]] == [(0, 255), (1, 0)]
    assert tiles[-1].hashes == b"".join(runs)
    assert tree.append(leaves[-1]) == []
    assert tree.root() == node_hash(full, leaves[-1])


def test_a_copy_is_independent() -> None:
    leaves = numbered(300)
    tree = Tree()
    tree.extend(leaves[:255])
    before = tree.root()
    other = tree.copy()
    assert other.extend(leaves[255:])
    assert tree.root() == before == root_hash(leaves[:255])
    assert other.root() == root_hash(leaves)


def test_order_and_every_bit_matter() -> None:
    leaves = numbered(257)
    root = root_hash(leaves)
    swapped = [leaves[1], leaves[0], *leaves[2:]]
    flipped = [*leaves[:200], bytes([leaves[200][0] ^ 1]) + leaves[200][1:], *leaves[201:]]
    again = list(leaves)
    random.Random(3).shuffle(again)
    for other in (swapped, flipped, again, leaves[:-1], [*leaves, leaves[-1]]):
        assert root_hash(other) != root
    assert root_hash(list(leaves)) == root


def test_extending_in_any_steps_is_appending() -> None:
    leaves = numbered(1_300)
    one, tiles = Tree(), []
    for leaf in leaves:
        tiles += one.append(leaf)
    for step in (1, 100, 255, 256, 257, 700, 1_300):
        tree, found = Tree(), []
        for start in range(0, len(leaves), step):
            found += tree.extend(leaves[start : start + step])
        assert (tree.size, tree.root(), found) == (1_300, one.root(), tiles)
        assert tree.partial == one.partial
    assert Tree().extend([]) == []


def test_a_tree_restored_from_its_unfinished_tiles_goes_on() -> None:
    leaves = numbered(600)
    whole = Tree()
    whole.extend(leaves[:550])
    restored = Tree(550, [list(hashes) for hashes in whole.partial])
    assert restored == whole
    assert restored.root() == whole.root()
    assert restored.extend(leaves[550:]) == whole.extend(leaves[550:])
    assert restored.root() == whole.root() == naive_root(leaves)


def test_a_tile_is_folded_like_the_tree_it_is() -> None:
    leaves = numbered(TILE_WIDTH)
    for count in (1, 2, 3, 5, 128, 255, 256):
        assert tile_root(b"".join(leaves[:count])) == naive_root(leaves[:count])
    assert tile_root(b"") == EMPTY_ROOT
    with pytest.raises(ProofError, match="whole hashes"):
        tile_root(b"".join(leaves)[:-1])


# --- proofs ------------------------------------------------------------------------------

# What certificate-transparency implementations check theirs with: leaf and size from 1.
INCLUSION = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (3, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (2, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


@pytest.mark.parametrize(("place", "size"), INCLUSION)
def test_reference_inclusion_proofs(place: int, size: int) -> None:
    expected = [bytes.fromhex(text) for text in INCLUSION[place, size]]
    stored = Stored([leaf_hash(data) for data in LEAVES])
    assert inclusion_proof(place - 1, size, stored.tile) == expected
    root = bytes.fromhex(ROOTS[size])
    verify_inclusion(LEAVES[place - 1], place - 1, size, expected, root)


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_reference_consistency_proofs(old: int, new: int) -> None:
    expected = [bytes.fromhex(text) for text in CONSISTENCY[old, new]]
    stored = Stored([leaf_hash(data) for data in LEAVES])
    assert consistency_proof(old, new, stored.tile) == expected
    roots = [bytes.fromhex(text) for text in ROOTS]
    verify_consistency(old, new, roots[old], roots[new], expected)


def test_every_proof_of_small_trees_is_the_definitions_and_holds() -> None:
    """All pairs up to 70 leaves, from tiles that hold all 70 whatever size is proved."""
    data = [b"%d" % number for number in range(70)]
    leaves = [leaf_hash(one) for one in data]
    stored = Stored(leaves)
    roots = [naive_root(leaves[:size]) for size in range(71)]
    for size in range(71):
        for index in range(size):
            path = inclusion_proof(index, size, stored.tile)
            assert path == naive_path(index, leaves[:size])
            verify_inclusion(data[index], index, size, path, roots[size])
        for old in range(size + 1):
            path = consistency_proof(old, size, stored.tile)
            assert path == naive_consistency(old, leaves[:size])
            verify_consistency(old, size, roots[old], roots[size], path)


@pytest.mark.parametrize("size", [255, 256, 257, 511, 513, 65_535, 65_536, 65_537, 66_000])
def test_proofs_across_tile_boundaries_read_few_tiles(size: int) -> None:
    data = [b"%d" % number for number in range(66_000)]
    stored = Stored([leaf_hash(one) for one in data])
    exact = Stored([leaf_hash(one) for one in data[:size]])
    root = exact.tree.root()
    chosen = random.Random(size)
    for index in {0, 1, 254, size // 2, size - 2, size - 1, chosen.randrange(size)}:
        read: Counter[tuple[int, int]] = Counter()

        def reading(level: int, place: int, read: Counter[tuple[int, int]] = read) -> bytes:
            read[level, place] += 1
            return stored.tile(level, place)

        path = inclusion_proof(index, size, reading)
        verify_inclusion(data[index], index, size, path, root)
        assert path == inclusion_proof(index, size, exact.tile)
        assert max(read.values()) == 1
        # Of whole tiles of leaves only the one with the leaf; of each level at most that
        # and the unfinished one.
        unfinished = size // TILE_WIDTH if size % TILE_WIDTH else None
        assert {place for level, place in read if level == 0} <= {index // TILE_WIDTH, unfinished}
        assert max(Counter(level for level, _ in read).values()) <= 2

        old = max(1, index)
        grown = consistency_proof(old, size, exact.tile)
        before = Stored([leaf_hash(one) for one in data[:old]]).tree.root()
        verify_consistency(old, size, before, root, grown)
        assert grown == consistency_proof(old, size, stored.tile)


def test_there_is_no_proof_of_what_is_not_there() -> None:
    leaves = numbered(300)
    stored = Stored(leaves)
    assert inclusion_proof(299, 300, stored.tile) == naive_path(299, leaves)
    for index, size in ((300, 300), (-1, 300), (0, 0), (5, 3)):
        with pytest.raises(ProofError, match="has no leaf"):
            inclusion_proof(index, size, stored.tile)
    assert consistency_proof(255, 300, stored.tile) == naive_consistency(255, leaves)
    for old, new in ((-1, 3), (4, 3)):
        with pytest.raises(ProofError, match="does not extend"):
            consistency_proof(old, new, stored.tile)


def test_a_tile_that_is_too_short_is_refused() -> None:
    stored = Stored(numbered(300))

    def cut(level: int, index: int) -> bytes:
        return stored.tile(level, index)[:-32]

    assert inclusion_proof(299, 300, stored.tile)
    with pytest.raises(ProofError, match="tile 0 of level 1 is too short"):
        inclusion_proof(299, 300, cut)
    assert consistency_proof(299, 300, stored.tile)
    with pytest.raises(ProofError, match="tile 0 of level 1 is too short"):
        consistency_proof(299, 300, cut)
