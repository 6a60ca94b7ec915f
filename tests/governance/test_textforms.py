from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.textforms import (
    changes_direction,
    hidden_characters,
    skeleton,
    value_key,
    visible,
    without_invisible,
)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("secret", "ЅЕСRЕТ"),  # Cyrillic
        ("Hugo Bancroft", "Ηugο Βаncrоft"),  # Greek and Cyrillic mixed in
        ("350 euros", "３５０ ｅｕｒｏｓ"),  # full width
        ("350 euros", "3\u200b50\u2060 eu\u00adros"),  # zero width, soft hyphen
        ("TQ-88136", "tq 88136"),
        ("TQ-88136", "TQ–88136"),
        ("1,350 euros", "1350 euros"),
        ("Mill  Street\n roundabout", "mill street roundabout"),
        ("ﬁne", "fine"),
        ("«Wexler» Plumbing!", "Wexler Plumbing"),
    ],
)
def test_look_alikes_have_one_key(first: str, second: str) -> None:
    assert value_key(first) == value_key(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("5", "-5"), ("1.5", "15"), ("1.5", "1:5"), ("1/5", "1.5"), ("5", "5%"), ("350 €", "350 $"),
        ("CL-10", "CL-lO"), ("modern", "modem"), ("café", "cafe"), ("1,350", "1,35"),
        ("12 March", "13 March"), ("yes", "no"), ("A&B", "A B"), ("#7", "7"),
    ],
)  # fmt: skip
def test_other_values_have_other_keys(first: str, second: str) -> None:
    assert value_key(first) != value_key(second)


def test_case_does_not_matter_in_other_scripts_either() -> None:
    assert value_key("НОС") == value_key("нос")
    assert value_key("Straße") == value_key("STRASSE")


def test_punctuation_alone_is_still_a_value() -> None:
    assert value_key("...") == "..."
    assert value_key("…?!") != value_key("...")
    assert value_key(" \u200b\n") == ""


@given(st.text(max_size=40))
def test_skeleton_and_key_are_stable(text: str) -> None:
    assert skeleton(skeleton(text)) == skeleton(text)
    assert value_key(text) == value_key(without_invisible(text))


@given(st.text("abcdefghijklmnopqrstuvwxyz 0123456789", min_size=1, max_size=20))
def test_ascii_words_are_told_apart(text: str) -> None:
    """No two different ASCII letters or digits ever share a key."""
    assert value_key(text) == " ".join(text.split())


def test_hidden_characters_are_shown_and_counted() -> None:
    text = "pay\u202e 100\u200b\x1b[2J"
    assert visible(text) == "pay⟨U+202E⟩ 100⟨U+200B⟩⟨U+001B⟩[2J"
    assert hidden_characters(text) == ("U+202E", "U+200B", "U+001B")
    assert changes_direction(text)
    ordinary = "first line\n\tsecond: 5 €"
    assert visible(ordinary) == ordinary
    assert not hidden_characters(ordinary)
    assert not changes_direction(ordinary)
