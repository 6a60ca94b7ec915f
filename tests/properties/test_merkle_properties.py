"""The fast tree against the RFC's definitions, at random sizes; every mutation is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import ProofError
from governance.merkle import (
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.governance.transparent import Stored, naive_consistency, naive_path, naive_root

DATA = [b"%d" % number for number in range(1_100)]
LEAVES = [leaf_hash(one) for one in DATA]
STORED = Stored(LEAVES)

sizes = st.integers(1, len(DATA))


@given(st.lists(st.integers(0, 400), max_size=6))
def test_growing_in_any_steps_gives_the_tree_of_the_definition(steps: list[int]) -> None:
    tree, tiles, size = Tree(), [], 0
    for step in steps:
        tiles += tree.extend(LEAVES[size : size + step])
        size = min(size + step, len(LEAVES))
        assert tree.copy().root() == tree.root() == naive_root(LEAVES[:size])
    one = Tree()
    assert tiles == [tile for leaf in LEAVES[:size] for tile in one.append(leaf)]


@given(st.data(), sizes)
def test_inclusion(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(index, size, STORED.tile)
    root = naive_root(LEAVES[:size])
    assert path == naive_path(index, LEAVES[:size])
    verify_inclusion(DATA[index], index, size, path, root)

    other = data.draw(st.integers(-2, size + 2).filter(lambda one: one != index))
    with pytest.raises(ProofError):
        verify_inclusion(DATA[index], other, size, path, root)
    with pytest.raises(ProofError):
        verify_inclusion(DATA[index] + b"x", index, size, path, root)
    for changed in mutations(data, path):
        with pytest.raises(ProofError):
            verify_inclusion(DATA[index], index, size, changed, root)


@given(st.data(), sizes)
def test_consistency(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(0, new))
    path = consistency_proof(old, new, STORED.tile)
    before, after = naive_root(LEAVES[:old]), naive_root(LEAVES[:new])
    assert path == naive_consistency(old, LEAVES[:new])
    verify_consistency(old, new, before, after, path)

    for one, another in ((old - 1, new), (old + 1, new)):
        with pytest.raises(ProofError):
            verify_consistency(one, another, before, after, path)
    for changed in mutations(data, path):
        with pytest.raises(ProofError):
            verify_consistency(old, new, before, after, changed)


def mutations(data: st.DataObject, path: list[bytes]) -> list[list[bytes]]:
    """A bit flipped, one hash more, less, or twice; two swapped."""
    extra = data.draw(st.binary(min_size=32, max_size=32))
    place = data.draw(st.integers(0, len(path)))
    found = [[*path[:place], extra, *path[place:]]]
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        bit = 1 << data.draw(st.integers(0, 7))
        flipped = bytes([path[at][0] ^ bit]) + path[at][1:]
        found += [
            [*path[:at], flipped, *path[at + 1 :]],
            [*path[:at], *path[at + 1 :]],
            [*path[:at], path[at], *path[at:]],
        ]
    if len(path) > 1:
        found.append([path[1], path[0], *path[2:]])
    return found
