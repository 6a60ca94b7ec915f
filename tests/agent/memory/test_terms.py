from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.memory.terms import MAX_CHARS, STOPWORDS, stem, terms


def texts(text: str, *kinds: str) -> list[str]:
    return [term.text for term in terms(text) if not kinds or term.kind in kinds]


@pytest.mark.parametrize(
    "spelling", ["CL-20417", "cl-20417", "CL20417", "CL-20417's", "CL–20417".replace("–", "-")]
)
def test_identifiers_are_whole_whatever_the_punctuation(spelling: str) -> None:
    assert texts(f"about {spelling}.", "identifier") == ["cl20417"]


def test_pieces_of_identifiers_are_kept_apart() -> None:
    assert texts("1_00000", "identifier") == ["100000"]
    assert texts("1_00000", "part") == ["00000"]
    assert texts("408-247-8880", "part") == ["408", "247", "8880"]


def test_possessive_is_grammar() -> None:
    assert texts("Ilse Brandt's car") == ["ilse", "brandt", "car"]
    assert texts("Ilse Brandt’s car") == ["ilse", "brandt", "car"]
    # Positive control: an apostrophe inside a name joins nothing but splits it.
    assert texts("O'Neill") == ["neill"]


def test_stop_words_and_single_letters_go() -> None:
    assert texts("What is the deductible of a claim?") == ["deductible", "claim"]
    assert "deductible" not in STOPWORDS


def test_capitalised_words_are_names() -> None:
    kinds = {term.text: term.kind for term in terms("the garage of Marwood")}
    assert kinds == {"garage": "word", "marwood": "name"}


def test_accents_width_and_case_fold() -> None:
    assert texts("Müller") == texts("MULLER") == texts("Ｍｕｌｌｅｒ") == ["muller"]


def test_underscores_part_words() -> None:
    assert texts("restaurant_name") == ["restaurant", "name"]


def test_ideographs_become_pairs() -> None:
    assert texts("東京都庁") == ["東京", "京都", "都庁"]


@pytest.mark.parametrize(
    ("word", "root"),
    [
        ("claims", "claim"), ("policies", "policy"), ("boxes", "box"), ("address", "address"),
        ("status", "status"), ("gas", "gas"), ("analysis", "analysis"), ("crashes", "crash"),
    ],
)  # fmt: skip
def test_plural_endings(word: str, root: str) -> None:
    assert stem(word) == root


def test_very_long_text_is_cut() -> None:
    assert texts("word " * MAX_CHARS + "last")[-1] == "word"


@given(st.text())
def test_any_text_has_terms_or_none(text: str) -> None:
    assert all(term.text and not term.text.isspace() for term in terms(text))
