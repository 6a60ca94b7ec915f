"""The fast search gives what comparing with every row gives, whatever was added and removed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.errors import MemoryIndexError
from agent.lora.nearest import TIE, Rows

DIMENSION = 8
NOW = 1_000

_part = st.sampled_from([-2, -1, 0, 0, 0, 1, 2])
_vector = st.lists(_part, min_size=DIMENSION, max_size=DIMENSION)
_nudge = st.sampled_from([0.0, 1e-8, 3e-7, 2e-6, 1e-4])
_limit = st.sampled_from([None, NOW - 1, NOW, NOW + 1])
_row = st.tuples(_vector, _nudge, st.tuples(_limit, _limit))
_step = st.one_of(
    st.lists(_row, max_size=6).map(lambda rows: ("add", rows)),
    st.sets(st.integers(0, 12), max_size=4).map(lambda owners: ("remove", owners)),
)


def _unit(parts: list[int], nudge: float = 0.0) -> NDArray[np.float32]:
    vector = np.array(parts, dtype=np.float64)
    vector[0] += nudge
    norm = float(np.linalg.norm(vector))
    return (vector / norm if norm else vector).astype(np.float32)


Held = list[tuple[int, NDArray[np.float32], tuple[int | None, int | None]]]


def _all_compared(
    held: Held, asked: NDArray[np.float32], now: int | None
) -> tuple[float, set[int]]:
    scores = [
        (float(np.dot(row.astype(np.float64), asked.astype(np.float64))), owner)
        for owner, row, (since, until) in held
        if now is None or ((since is None or since <= now) and (until is None or now < until))
    ]
    best = max((score for score, _ in scores), default=0.0)
    return best, {owner for score, owner in scores if score >= best - TIE}


@given(st.lists(_step, max_size=8), _vector, st.sampled_from([None, NOW]))
def test_the_nearest_rows_are_those_of_comparing_with_all(
    steps: list[tuple[str, object]], asked: list[int], now: int | None
) -> None:
    rows, held, owner = Rows(DIMENSION), Held(), 0
    for kind, what in steps:
        if kind == "add":
            assert isinstance(what, list)
            new = [(owner + i, _unit(v, nudge), times) for i, (v, nudge, times) in enumerate(what)]
            owner += len(new)
            vectors = [vector for _, vector, _ in new]
            rows.add(
                np.array(vectors, dtype=np.float32).reshape(-1, DIMENSION),
                [number for number, _, _ in new],
                [times for _, _, times in new],
            )
            held += new
        else:
            assert isinstance(what, set)
            rows.remove(what)
            held = [one for one in held if one[0] not in what]
        assert len(rows) == len(held)
        score, owners = rows.nearest(_unit(asked), now)
        best, expected = _all_compared(held, _unit(asked), now)
        assert score == pytest.approx(best, abs=1e-12)
        assert set(owners) == expected


def test_many_rows_find_room_and_removed_ones_leave_nothing_behind() -> None:
    rows = Rows(DIMENSION)
    vectors = np.eye(DIMENSION, dtype=np.float32)
    for owner in range(400):
        rows.add(vectors[[owner % DIMENSION]], [owner], [(None, None)])
    assert rows.nearest(vectors[3])[1] == list(range(3, 400, DIMENSION))
    rows.remove(range(3, 400, DIMENSION))
    assert sorted(rows.nearest(vectors[4])[1]) == list(range(4, 400, DIMENSION))
    assert rows.nearest(vectors[3])[0] == 0.0
    assert len(rows) == 350


def test_vectors_of_another_embedder_are_refused() -> None:
    rows = Rows(DIMENSION)
    with pytest.raises(MemoryIndexError, match="expected"):
        rows.add(np.zeros((1, DIMENSION + 1), dtype=np.float32), [0], [(None, None)])
    rows.add(np.zeros((1, DIMENSION), dtype=np.float32), [0], [(None, None)])
    assert rows.nearest(np.zeros(DIMENSION, dtype=np.float32)) == (0.0, [0])
