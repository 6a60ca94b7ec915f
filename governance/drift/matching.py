"""Which element became which: exact matches first, then optimal assignment.

1. Elements of equal content are paired along the longest common subsequence, so that
   among equal ones as many as possible keep their order.
2. Equal content left over is paired in document order: it has moved.
3. What remains is paired by the assignment of greatest total similarity (Hungarian
   method, ``scipy.optimize.linear_sum_assignment``); a shared key counts extra, and among
   equals order decides. Pairs that are too unlike are no pairs: a deletion and an insertion.
4. Moves: per sequence, the pairs outside a longest increasing subsequence.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from rapidfuzz.distance import LCSseq
from scipy.optimize import linear_sum_assignment

from governance.drift.domains.elements import Element
from governance.drift.domains.similarity import Matrix, equality_matrix, similarity_matrix

MIN_SIMILARITY: Final = 0.6
"""Below this two elements without a common key are two different elements."""
KEY_BONUS: Final = 0.25
"""Added to the similarity of elements with the same key while pairs are chosen."""
MAX_ASSIGNED: Final = 2_000
"""Elements of one side in one assignment; larger remainders are cut in slices."""
_ORDER_WEIGHT: Final = 1e-6


@dataclass(frozen=True)
class Pair:
    """Element ``before`` of the original is element ``after`` of the current document."""

    before: int
    after: int
    similarity: float
    moved: bool = False


def match_elements(original: Sequence[Element], current: Sequence[Element]) -> tuple[Pair, ...]:
    """Pairs in order of the original; every element is in at most one pair."""
    pairs = [Pair(i, j, 1.0) for i, j in _exact(original, current)]
    used_before = {pair.before for pair in pairs}
    used_after = {pair.after for pair in pairs}
    left = [i for i in range(len(original)) if i not in used_before]
    right = [j for j in range(len(current)) if j not in used_after]
    pairs += _assigned(original, current, left, right)
    moved = _moved(sorted(pairs, key=lambda pair: pair.before), original, current)
    return tuple(
        Pair(pair.before, pair.after, pair.similarity, pair.before in moved)
        for pair in sorted(pairs, key=lambda pair: pair.before)
    )


def _exact(original: Sequence[Element], current: Sequence[Element]) -> Iterator[tuple[int, int]]:
    codes: dict[object, int] = {}
    ours = [codes.setdefault(element.signature, len(codes)) for element in original]
    theirs = [codes.setdefault(element.signature, len(codes)) for element in current]
    taken_before: set[int] = set()
    taken_after: set[int] = set()
    for block in LCSseq.opcodes(ours, theirs):
        if block.tag == "equal":
            for i, j in zip(
                range(block.src_start, block.src_end),
                range(block.dest_start, block.dest_end),
                strict=True,
            ):
                taken_before.add(i)
                taken_after.add(j)
                yield i, j
    waiting: defaultdict[int, deque[int]] = defaultdict(deque)
    for j, code in enumerate(theirs):
        if j not in taken_after:
            waiting[code].append(j)
    for i, code in enumerate(ours):
        if i not in taken_before and waiting[code]:
            yield i, waiting[code].popleft()


def _assigned(
    original: Sequence[Element],
    current: Sequence[Element],
    left: Sequence[int],
    right: Sequence[int],
) -> Iterator[Pair]:
    slices = max(1, -(-max(len(left), len(right)) // MAX_ASSIGNED))
    for part in range(slices):
        rows = left[part * len(left) // slices : (part + 1) * len(left) // slices]
        columns = right[part * len(right) // slices : (part + 1) * len(right) // slices]
        if rows and columns:
            yield from _optimal(original, current, rows, columns)


def _optimal(
    original: Sequence[Element],
    current: Sequence[Element],
    rows: Sequence[int],
    columns: Sequence[int],
) -> Iterator[Pair]:
    similarity = similarity_matrix([original[i] for i in rows], [current[j] for j in columns])
    has_key = np.array([bool(original[i].key) for i in rows])[:, None]
    same_key = has_key & equality_matrix(
        [original[i].key for i in rows], [current[j].key for j in columns]
    )
    allowed = (similarity > 0) & ((similarity >= MIN_SIMILARITY) | same_key)
    wanted = np.where(allowed, similarity + KEY_BONUS * same_key - _disorder(rows, columns), 0.0)
    for row, column in zip(*linear_sum_assignment(wanted, maximize=True), strict=True):
        if allowed[row, column]:
            yield Pair(rows[int(row)], columns[int(column)], float(similarity[row, column]))


def _disorder(rows: Sequence[int], columns: Sequence[int]) -> Matrix:
    """A small convex penalty on distance: among equal choices, order is kept."""
    span = max(rows[-1], columns[-1], 1)
    distance = np.subtract.outer(np.array(rows, dtype=float), np.array(columns, dtype=float))
    penalty: Matrix = _ORDER_WEIGHT * (distance / span) ** 2
    return penalty


def _moved(
    pairs: Sequence[Pair], original: Sequence[Element], current: Sequence[Element]
) -> frozenset[int]:
    """``before`` of the pairs that left their place in their sequence."""
    sequences: defaultdict[str, list[Pair]] = defaultdict(list)
    moved: set[int] = set()
    for pair in pairs:
        ours, theirs = original[pair.before].sequence, current[pair.after].sequence
        if ours is not None and ours == theirs:
            sequences[ours].append(pair)
    for members in sequences.values():
        kept = _longest_increasing([pair.after for pair in members])
        moved.update(pair.before for index, pair in enumerate(members) if index not in kept)
    return frozenset(moved)


def _longest_increasing(values: Sequence[int]) -> frozenset[int]:
    """Indexes of one longest increasing subsequence (patience sorting)."""
    tails: list[int] = []
    ends: list[int] = []
    previous: list[int] = []
    for index, value in enumerate(values):
        place = bisect_left(tails, value)
        previous.append(ends[place - 1] if place else -1)
        if place == len(tails):
            tails.append(value)
            ends.append(index)
        else:
            tails[place] = value
            ends[place] = index
    kept: list[int] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        kept.append(index)
        index = previous[index]
    return frozenset(kept)
