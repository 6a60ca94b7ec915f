from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.trail import Trail


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=60))
def test_trails_that_share_a_list_never_disturb_each_other(steps: list[tuple[int, int]]) -> None:
    """Any trail may grow at any time; tuples that do the same are the model."""
    trails = [Trail()]
    models: list[tuple[int, ...]] = [()]
    for which, number in steps:
        at = which % len(trails)
        trails.append(trails[at].plus(number))
        models.append((*models[at], number))
    assert [trail[:] for trail in trails] == models


def test_it_reads_like_a_tuple() -> None:
    trail = Trail().plus(4).plus(7).plus(9)
    assert (len(trail), trail[0], trail[-1], trail[1:]) == (3, 4, 9, (7, 9))
    assert (list(trail), 7 in trail, 8 in trail) == ([4, 7, 9], True, False)
    assert trail == (4, 7, 9) == tuple(trail)
    assert trail != (4, 7)
    assert trail != "479"
    assert trail != 479
    assert isinstance(trail, Sequence)
    assert hash(trail) == hash(Trail().plus(4).plus(7).plus(9))
    assert repr(trail) == "Trail(4, 7, 9)"
    with pytest.raises(IndexError):
        _ = trail[3]


def test_growing_does_not_copy() -> None:
    trail = Trail()
    for number in range(100):
        trail = trail.plus(number)
    longer = trail.plus(100)
    assert longer._shared is trail._shared
    assert trail.plus(-1)._shared is not trail._shared
    assert longer[-1] == 100
