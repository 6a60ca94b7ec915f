"""A map that versions share: like a dictionary, whatever lies in layers or in a source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import layered
from governance.layered import Follower, Layered

KEYS = [f"k{number}" for number in range(12)]


class Known:
    """A source that counts what it is asked for."""

    def __init__(self, values: Mapping[str, int]) -> None:
        self.values = dict(values)
        self.asked: list[str] = []

    def get(self, key: str) -> int | None:
        self.asked.append(key)
        return self.values.get(key)

    def keys(self) -> Sequence[str]:
        return list(self.values)

    def load(self) -> Mapping[str, int]:
        self.asked.append("everything")
        return dict(self.values)


@given(
    known=st.dictionaries(st.sampled_from(KEYS), st.integers(0, 9), max_size=6),
    steps=st.lists(
        st.tuples(st.sampled_from(["set", "copy"]), st.sampled_from(KEYS), st.integers(10, 99)),
        max_size=60,
    ),
    recent=st.integers(0, 4),
)
def test_it_is_a_dictionary_whose_copies_are_independent(
    known: dict[str, int], steps: list[tuple[str, str, int]], recent: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layered, "_RECENT", recent)
        for source in (None, Known(known)):
            start = dict(known) if source is not None else {}
            pairs = [(Layered[int](source=source), start)]
            for what, key, value in steps:
                mine, model = pairs[-1]
                if what == "copy":
                    pairs.append((mine.copy(), dict(model)))
                else:
                    mine[key] = value
                    model[key] = value
            for mine, model in pairs:
                assert list(mine) == list(model)
                assert list(mine.items()) == list(model.items())
                assert list(mine.values()) == list(model.values())
                assert len(mine) == len(model)
                assert mine == model
                assert {key: mine.get(key) for key in KEYS} == {key: model.get(key) for key in KEYS}
                assert [key in mine for key in KEYS] == [key in model for key in KEYS]


def test_copies_share_all_but_what_is_recent() -> None:
    first = Layered({str(number): number for number in range(10_000)})
    second = first.copy()
    assert len(first._recent) == len(second._recent) == 0
    assert first._shared[0] is second._shared[0]
    second["new"] = 1
    assert "new" not in first
    third = second.copy()
    assert len(third._recent) == 1
    assert third._shared is second._shared


def test_layers_stay_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layered, "_RECENT", 8)
    values: Layered[int] = Layered()
    for number in range(5_000):
        values = values.copy()
        values[str(number)] = number
    assert len(values._shared) < 15
    assert list(values.values()) == list(range(5_000))


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["set", "copy", "look"]), st.sampled_from(KEYS)), max_size=60
    ),
    recent=st.integers(0, 4),
)
def test_a_follower_reads_what_was_set_and_ends_with_the_latest(
    steps: list[tuple[str, str]], recent: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layered, "_RECENT", recent)
        values: Layered[tuple[str, int]] = Layered()
        follower: Follower[tuple[str, int]] = Follower()
        assert follower.unread(values) is None
        known: dict[str, tuple[str, int]] = {}
        for number, (what, key) in enumerate(steps):
            if what == "set":
                values[key] = (key, number)
            elif what == "copy":
                values = values.copy()
            else:
                fresh = follower.unread(values)
                assert fresh is not None
                known |= {value[0]: value for value in fresh}
                assert known == dict(values.items())


def test_a_follower_reads_only_layers_it_has_not_seen_and_starts_afresh_with_the_source() -> None:
    follower: Follower[int] = Follower()
    values = Layered({str(number): number for number in range(10_000)})
    assert follower.unread(values) is None
    values = values.copy()
    assert len(follower.unread(values) or ()) == 10_000
    values["new"] = -1
    assert follower.unread(values.copy()) == [-1]
    assert follower.unread(Layered(source=Known({"a": 1}))) is None


def test_what_was_set_is_not_asked_for() -> None:
    source = Known({"a": 1, "b": 2})
    values = Layered({"c": 3}, source)
    values["a"] = 9
    assert (values["a"], values["c"], source.asked) == (9, 3, [])
    assert values["b"] == 2
    assert source.asked == ["b"]
    assert values.set_here() == {"c": 3, "a": 9}
    assert values.source is source
    with pytest.raises(KeyError, match="z"):
        values["z"]
    with pytest.raises(KeyError, match="z"):
        Layered[int]()["z"]
    assert "c" in repr(values)
