from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.models.builtin import patching
from agent.models.builtin.dialect import END, BuiltinDialect
from agent.models.builtin.patching import apply_patch, locate_patches
from agent.models.protocol import Patch

ROWS = ("id,payee,amount", "P-1,Holm Motors,300", "P-2,Holm Motors,45.50", "P-13,Ana Berg,300")

lines_of = st.lists(st.text("abc 123,", min_size=1, max_size=8), min_size=1, max_size=8)


def edited(text: str, lines: tuple[str, ...] = ROWS) -> tuple[str, ...]:
    return apply_patch(lines, locate_patches(text, lines))


def test_change_one_line() -> None:
    result = edited(patching.change("P-1", "300", "310"))
    assert result == (ROWS[0], "P-1,Holm Motors,310", *ROWS[2:])


def test_change_finds_the_line_by_its_old_value_where_that_is_alone() -> None:
    result = edited(patching.change("the record above", "45.50", "50"))
    assert result[2] == "P-2,Holm Motors,50"
    assert edited(patching.change("the record above", "300", "50")) == ROWS


def test_old_value_inside_a_longer_one_is_not_touched() -> None:
    lines = ("P-1,1300", "P-1x,300")
    assert edited(patching.change("P-1", "300", "5"), lines) == ("P-1,1300", "P-1x,5")
    assert edited(patching.rename("30", "9"), lines) == lines
    assert edited(patching.rename("300", "9"), lines) == ("P-1,1300", "P-1x,9")


def test_rename_in_several_lines() -> None:
    result = edited(patching.rename("Holm Motors", "Lund Motors"))
    assert result == tuple(line.replace("Holm", "Lund") for line in ROWS)


def test_delete_and_insert() -> None:
    assert edited(patching.delete("P-2")) == (ROWS[0], ROWS[1], ROWS[3])
    assert edited(patching.insert("P-2", "P-3,x,1")) == (*ROWS[:3], "P-3,x,1", ROWS[3])


def test_insert_takes_the_indentation_of_its_neighbour() -> None:
    lines = ("{", '  "a": 1,', "}")
    assert edited(patching.insert("a", '"b": 2,'), lines) == ("{", '  "a": 1,', '  "b": 2,', "}")


def test_several_edits_in_one_answer() -> None:
    text = "\n".join([patching.change("P-1", "300", "310"), patching.delete("P-13")])
    assert edited(text) == (ROWS[0], "P-1,Holm Motors,310", ROWS[2])


def test_what_does_not_resolve_changes_nothing() -> None:
    for text in (
        "",
        " none",
        " delete Holm Motors",  # two lines
        " delete P-99",
        " delete ",
        " after P-99 : x",
        " after P-1",
        " P-2 : 300 => 5",  # ambiguous: 300 is in two other lines
        " P-1 : 999 => 5",
        " * : 999 => 5",
        " P-1 300 => 5",
    ):
        assert edited(text) == ROWS, text
    assert edited(" delete P-1") != ROWS


def test_dialect_parses_up_to_the_end_marker() -> None:
    patches = BuiltinDialect().parse_patch(f" delete P-1{END} delete P-2", ROWS)
    assert patches == (Patch(ROWS[1], None),)


@given(lines_of, st.data())
def test_untouched_lines_are_kept(lines: list[str], data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(lines))
    new = data.draw(st.one_of(st.none(), st.text("xyz", max_size=5)))
    result = apply_patch(lines, [Patch(victim, new)])
    assert [line for line in result if line != new] == [
        line for line in lines if line not in (victim, new)
    ]
    if new is not None:
        assert result.count(new) == lines.count(victim) + (lines.count(new) if new != victim else 0)


@given(lines_of, st.data())
def test_insert_then_delete_is_nothing(lines: list[str], data: st.DataObject) -> None:
    anchor = data.draw(st.sampled_from(lines))
    inserted = apply_patch(lines, [Patch(None, "new line", anchor)])
    assert len(inserted) == len(lines) + 1
    assert apply_patch(inserted, [Patch("new line", None)]) == tuple(lines)


@given(lines_of)
def test_unknown_lines_change_nothing(lines: list[str]) -> None:
    patches = [Patch("absent", "x"), Patch("absent", None), Patch(None, "x", "absent")]
    assert apply_patch(lines, patches) == tuple(lines)
