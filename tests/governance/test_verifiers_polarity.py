"""Denials, opposites and times: what contradicts what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from governance.events import FactBody, ToolBody
from governance.verifiers import Interval, Peer
from governance.verifiers.conflict import Conflict, agree
from governance.verifiers.duplicate import Duplicate
from governance.verifiers.polarity import says_nothing, statements_oppose, values_oppose
from tests.governance.drafts import card_body, fact_body
from tests.governance.evidence import context


def dogs(value: str, statement: str) -> FactBody:
    return FactBody(topic="Hotel Aurora", attribute="dogs", value=value, statement=statement)


@pytest.mark.parametrize(
    ("first", "second", "opposed"),
    [
        ("allowed", "not allowed", True),
        ("allowed", "forbidden", True),
        ("permitted", "allowed", False),
        ("not forbidden", "allowed", False),
        ("isn't allowed", "is allowed", True),
        ("isn’t allowed", "allowed", True),
        ("yes", "no", True),
        ("true", "false", True),
        ("covered", "not covered by the policy", True),
        ("mandatory", "optional", True),
        ("mandatory", "required", False),
        ("300 EUR", "not known", False),
        ("not blue", "not green", False),
    ],
)
def test_values_that_deny_each_other(first: str, second: str, *, opposed: bool) -> None:
    assert values_oppose(first, second) is opposed
    assert values_oppose(second, first) is opposed
    if opposed:
        assert not agree(first, second)


def test_statements_oppose_only_about_the_same() -> None:
    yes, no = "Dogs are allowed in the garden.", "Dogs are never allowed in the garden."
    assert statements_oppose(yes, no)
    assert not statements_oppose(yes, yes)
    assert not statements_oppose(yes, "Cats are not welcome in the house.")


def test_a_denial_contradicts_what_is_in_force() -> None:
    known = Peer("old", dogs("allowed", "Dogs are allowed at Hotel Aurora."))
    denied = dogs("not allowed", "Dogs are not allowed at Hotel Aurora.")
    result = Conflict().verify(context(denied, active=[known]))
    assert (result.outcome, result.detail) == ("fail", "old says 'allowed'")
    again = dogs("allowed", "At Hotel Aurora dogs are allowed.")
    assert Conflict().verify(context(again, active=[known])).outcome == "pass"


def test_the_same_value_with_a_denying_sentence_contradicts_too() -> None:
    known = Peer("old", dogs("small dogs", "Hotel Aurora takes small dogs."))
    denied = dogs("small dogs", "Hotel Aurora never takes small dogs.")
    result = Conflict().verify(context(denied, active=[known]))
    assert (result.outcome, result.detail) == ("fail", "old says 'Hotel Aurora takes small dogs.'")
    card = Peer("card", card_body())
    assert Conflict().verify(context(fact_body(), active=[card])).outcome == "pass"


@pytest.mark.parametrize(
    ("mine", "theirs", "meet"),
    [
        ((None, None), (None, None), True),
        ((None, 10), (10, None), False),
        ((None, 11), (10, None), True),
        ((0, 5), (5, 9), False),
        ((0, 6), (5, 9), True),
        ((3, 4), (None, None), True),
    ],
)
def test_what_is_true_at_other_times_neither_repeats_nor_contradicts(
    mine: tuple[int | None, int | None], theirs: tuple[int | None, int | None], *, meet: bool
) -> None:
    here, there = Interval(*mine), Interval(*theirs)
    assert here.meets(there) is meet
    assert there.meets(here) is meet
    expected = "fail" if meet else "pass"
    known = Peer("old", fact_body(), there)
    other = replace(context(fact_body("200 EUR"), active=[known]), valid=here)
    assert Conflict().verify(other).outcome == expected
    same = replace(context(fact_body(), active=[known]), valid=here)
    assert Duplicate().verify(same).outcome == expected


@pytest.mark.parametrize("key", ["no", "yes", "a", "allowed", "never", "closed"])
def test_values_that_stand_in_every_text_say_nothing(key: str) -> None:
    assert says_nothing(key)
    assert not says_nothing("300 eur")
    assert not says_nothing("ilse marwood")


def test_a_call_of_a_tool_contradicts_nothing() -> None:
    tool = Peer("tool", ToolBody(tool="claim C-17", arguments="deductible", result="9", ok=True))
    assert Conflict().verify(context(fact_body(), active=[tool])).outcome == "pass"
    assert Conflict().verify(context(fact_body("9 EUR"), active=[Peer("e", fact_body())])).detail
