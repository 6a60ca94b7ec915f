"""Test 7 of the trust plan: every way to pass a proof for something it does not prove.

Each attack stands beside the honest proof it is made from, which is accepted.
"""

from __future__ import annotations

import base64

import pytest

from governance import notes
from governance.errors import CheckpointError, PalimpsestError, ProofError
from governance.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from governance.notes import Checkpoint
from governance.proof import build_proof, verify_proof
from tests.governance.transparent import ORIGIN, Log, Stored, naive_root, private

SIZE = 11
DATA = [b"event %d" % number for number in range(SIZE)]
LEAVES = [leaf_hash(one) for one in DATA]
STORED = Stored(LEAVES)
ROOT = naive_root(LEAVES)
PATHS = [inclusion_proof(index, SIZE, STORED.tile) for index in range(SIZE)]


def honest(index: int) -> list[bytes]:
    """The proof of a leaf, after it was accepted."""
    verify_inclusion(DATA[index], index, SIZE, PATHS[index], ROOT)
    return PATHS[index]


def refused(data: bytes, index: int, size: int, path: list[bytes], root: bytes = ROOT) -> None:
    with pytest.raises(ProofError):
        verify_inclusion(data, index, size, path, root)


def test_7_a_proof_is_refused_at_every_other_index() -> None:
    for index in range(SIZE):
        path = honest(index)
        for other in (*range(-2, SIZE + 3), index + SIZE, index + 16, index + 2**62):
            if other != index:
                refused(DATA[index], other, SIZE, path)


def test_7_a_proof_is_refused_at_another_size() -> None:
    """Where the path has the same shape at another size, the signed root belongs to one size.

    The size of a tree is not hashed into its root, so a bare proof of a leaf on the left can
    be replayed at a size whose path is equally long; what binds it is the checkpoint.
    """
    for index in range(SIZE):
        path = honest(index)
        for size in range(40):
            other = naive_root([*LEAVES, *LEAVES, *LEAVES, *LEAVES][:size])
            if size != SIZE:
                refused(DATA[index], index, size, path, other)
    verify_inclusion(DATA[0], 0, 12, PATHS[0], ROOT)
    log = Log().append(SIZE)
    text = build_proof(log, 3)
    assert verify_proof(text, [log.vkey]).checkpoint.size == SIZE
    for size in range(3, 17):
        if size != SIZE:
            with pytest.raises(CheckpointError, match="forged"):
                verify_proof(text.replace(f"\n{SIZE}\n", f"\n{size}\n"), [log.vkey])


def test_7_a_short_or_long_path_is_refused() -> None:
    for index in range(SIZE):
        path = honest(index)
        for cut in range(len(path)):
            refused(DATA[index], index, SIZE, path[:cut])
            refused(DATA[index], index, SIZE, path[cut + 1 :])
        for extra in (bytes(32), ROOT, path[-1]):
            refused(DATA[index], index, SIZE, [*path, extra])
            refused(DATA[index], index, SIZE, [extra, *path])
        refused(DATA[index], index, SIZE, [*path] * 20)
        refused(DATA[index], index, SIZE, [*path[:-1], path[-1][:31]])
        refused(DATA[index], index, SIZE, [*path[:-1], path[-1] + b"\0"])


def test_7_an_inner_node_does_not_pass_for_a_leaf() -> None:
    """Its children, given as a leaf's content, are hashed as a leaf: in another domain."""
    path = honest(0)
    children = LEAVES[0] + LEAVES[1]
    parent = node_hash(LEAVES[0], LEAVES[1])
    refused(children, 0, SIZE, path[1:])
    refused(children, 0, 6, path[1:])  # a tree of six such "leaves" has the very same root
    refused(b"\x01" + children, 0, 6, path[1:])
    pairs = [node_hash(*LEAVES[at : at + 2]) for at in range(0, 10, 2)] + [LEAVES[10]]
    assert naive_root(pairs) == ROOT
    assert pairs[0] == parent


def test_7_there_is_no_leaf_in_a_tree_of_size_zero() -> None:
    honest(0)
    refused(b"", 0, 0, [], EMPTY_ROOT)
    refused(DATA[0], 0, 0, PATHS[0])
    single = leaf_hash(DATA[0])
    verify_inclusion(DATA[0], 0, 1, [], single)
    refused(DATA[0], 0, 1, [single], single)
    refused(b"", 0, 1, [], EMPTY_ROOT)


def test_7_a_proof_of_one_of_two_equal_leaves_does_not_hold_for_the_other() -> None:
    data = [b"same", b"a", b"b", b"same", b"c", b"d", b"same"]
    leaves = [leaf_hash(one) for one in data]
    stored, root = Stored(leaves), naive_root(leaves)
    for index in (0, 3, 6):
        path = inclusion_proof(index, 7, stored.tile)
        verify_inclusion(b"same", index, 7, path, root)
        for other in {0, 3, 6} - {index}:
            refused(b"same", other, 7, path, root)


def test_7_swapped_sides_are_refused() -> None:
    for index in range(SIZE):
        path = honest(index)
        for at in range(len(path) - 1):
            swapped = [*path[:at], path[at + 1], path[at], *path[at + 2 :]]
            refused(DATA[index], index, SIZE, swapped)
        refused(DATA[index], index ^ 1, SIZE, path)
        sibling = index ^ 1
        if sibling < SIZE:  # the sibling's content with our path, and the other way round
            refused(DATA[sibling], index, SIZE, path)
            refused(DATA[sibling], sibling, SIZE, path)


def test_7_consistency_of_equal_sizes_needs_equal_roots_and_no_proof() -> None:
    other = node_hash(ROOT, ROOT)
    for size in (1, 2, 8, SIZE):
        root = naive_root(LEAVES[:size])
        verify_consistency(size, size, root, root, [])
        for proof in ([root], [root, root], [bytes(32)]):
            with pytest.raises(ProofError, match="must be empty"):
                verify_consistency(size, size, root, root, proof)
        with pytest.raises(ProofError, match="different roots"):
            verify_consistency(size, size, root, other, [])


def test_7_consistency_from_nothing_takes_the_empty_root_only() -> None:
    verify_consistency(0, SIZE, EMPTY_ROOT, ROOT, [])
    verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, [])
    for old, new, before, after, proof in (
        (0, SIZE, ROOT, ROOT, []),
        (0, SIZE, EMPTY_ROOT, ROOT, [ROOT]),
        (0, 0, EMPTY_ROOT, ROOT, []),
        (0, 0, ROOT, ROOT, []),
        (0, 0, EMPTY_ROOT, EMPTY_ROOT, [EMPTY_ROOT]),
        (-1, SIZE, EMPTY_ROOT, ROOT, []),
        (1, 0, LEAVES[0], EMPTY_ROOT, []),
    ):
        with pytest.raises(ProofError):
            verify_consistency(old, new, before, after, proof)


def test_7_consistency_does_not_hold_for_other_sizes_roots_or_paths() -> None:
    roots = [naive_root(LEAVES[:size]) for size in range(SIZE + 1)]
    for new in range(2, SIZE + 1):
        for old in range(1, new):
            path = consistency_proof(old, new, STORED.tile)
            verify_consistency(old, new, roots[old], roots[new], path)
            attacks = [
                (new, old, roots[old], roots[new], path),
                (old, new, roots[new], roots[old], path),
                (old, new, roots[old], roots[old], path),
                (old, new, roots[new], roots[new], path),
                (old, new, roots[old], roots[new], []),
                (old, new, roots[old], roots[new], path[:-1]),
                (old, new, roots[old], roots[new], path[1:]),
                (old, new, roots[old], roots[new], [*path, roots[new]]),
                (old, new, roots[old], roots[new], [roots[old], *path]),
                (old, new, roots[old], roots[new], [path[0][:31], *path[1:]]),
                (old - 1, new, roots[old], roots[new], path),
                (old + 1, new, roots[old], roots[new], path),
            ]
            for one in attacks:
                with pytest.raises(ProofError):
                    verify_consistency(*one)


# --- in the file that travels ------------------------------------------------------------


LOG = Log().append(5).append(4)
TEXT = build_proof(LOG, 6)


def test_7_every_single_byte_of_a_proof_file_counts() -> None:
    assert verify_proof(TEXT, [LOG.vkey]).seq == 6
    data = TEXT.encode()
    for position in range(len(data)):
        for bit in (0x01, 0x20):
            changed = bytearray(data)
            changed[position] ^= bit
            with pytest.raises(PalimpsestError):
                verify_proof(changed.decode(errors="replace"), [LOG.vkey])


def test_7_a_header_of_another_event_is_refused() -> None:
    proven = verify_proof(TEXT, [LOG.vkey])
    assert proven.header["seq"] == 6
    head = base64.b64encode(LOG.headers[5]).decode()
    for other in (LOG.headers[6], b"", leaf_hash(LOG.headers[5]), LOG.headers[5] + b" "):
        changed = TEXT.replace(head, base64.b64encode(other).decode())
        assert changed != TEXT
        with pytest.raises(ProofError):
            verify_proof(changed, [LOG.vkey])


def test_7_a_proven_leaf_must_be_a_header_that_says_its_place() -> None:
    """Not even the log's own signature makes a leaf an event at another place."""
    for headers, message in (
        ([b'{"seq":2}', b'{"seq":2}'], "says it is 2"),
        ([b'{"seq":"1"}', b'{"seq":2}'], "says it is '1'"),
        ([b"{}", b'{"seq":2}'], "says it is None"),
        ([b'{"seq": 1}', b'{"seq":2}'], "not an event header"),
        ([b"[1]", b'{"seq":2}'], "not an event header"),
        ([b'{"seq":1}', b'{"seq":2}'], ""),
    ):
        log = Log()
        log.headers = headers
        log.stored = Stored([leaf_hash(one) for one in headers])
        log.signed.append(log.sign())
        text = build_proof(log, 1)
        if message:
            with pytest.raises(ProofError, match=message):
                verify_proof(text, [log.vkey])
        else:
            assert verify_proof(text, [log.vkey]).seq == 1
        assert verify_proof(build_proof(log, 2), [log.vkey]).seq == 2


def test_7_a_root_of_the_attackers_own_needs_a_signature() -> None:
    assert verify_proof(TEXT, [LOG.vkey]).checkpoint.root == LOG.stored.tree.root()
    forged = notes.sign(Checkpoint(ORIGIN, 9, ROOT), private(99))
    text = TEXT.replace(LOG.note(), forged)
    assert text != TEXT
    with pytest.raises(CheckpointError, match="not signed by the log's key"):
        verify_proof(text, [LOG.vkey])
