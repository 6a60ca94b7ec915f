from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from governance.textdiff import DiffPart, word_diff


def test_a_changed_value_is_one_edit() -> None:
    diff = word_diff("The deductible is 200 euros now.", "The deductible is 350 euros now.")
    assert diff.parts == (
        DiffPart("equal", "The deductible is ", "The deductible is "),
        DiffPart("replace", "200", "350"),
        DiffPart("equal", " euros now.", " euros now."),
    )
    assert (diff.removed_words, diff.added_words, diff.changed) == (1, 1, True)


def test_edits_split_only_by_a_space_are_joined() -> None:
    diff = word_diff("sent to Ana Brennan today", "sent to Ilse Marwood today")
    assert [part.operation for part in diff.parts] == ["equal", "replace", "equal"]
    assert diff.parts[1] == DiffPart("replace", "Ana Brennan", "Ilse Marwood")


def test_nothing_changed_and_everything_changed() -> None:
    same = word_diff("a b", "a b")
    assert (same.changed, same.similarity_ppm) == (False, 1_000_000)
    other = word_diff("a", "b")
    assert (other.changed, other.similarity_ppm) == (True, 0)
    assert word_diff("", "new").parts == (DiffPart("insert", "", "new"),)
    assert word_diff("old", "").parts == (DiffPart("delete", "old", ""),)
    assert word_diff("", "").parts == ()


def test_white_space_alone_is_a_change() -> None:
    assert word_diff("a b", "a  b").changed
    assert not word_diff("a  b", "a  b").changed


@given(st.text("ab ,\n", max_size=30), st.text("ab ,\n", max_size=30))
def test_the_parts_rebuild_both_texts(before: str, after: str) -> None:
    parts = word_diff(before, after).parts
    assert "".join(part.before for part in parts) == before
    assert "".join(part.after for part in parts) == after
    assert all(part.before == part.after for part in parts if part.operation == "equal")
    assert all(part.before != part.after for part in parts if part.operation != "equal")
