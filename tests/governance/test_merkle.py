from __future__ import annotations

import hashlib
import random

import pytest

from governance.merkle import (
    EMPTY_ROOT,
    TILE_WIDTH,
    Tile,
    Tree,
    leaf_hash,
    node_hash,
    root_hash,
)

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
