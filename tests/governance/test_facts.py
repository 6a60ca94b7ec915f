from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.facts import Fact, conserved_facts, missing_facts

SUPPORTED = [
    ("The excess is EUR 250.", "Excess is €250.00, as agreed"),
    ("The excess is 250.", "Excess is €250.00"),
    ("The excess is EUR 250.", "all amounts in EUR; excess: 250"),
    ("The time is 11:30 am.", "a table at half past 11 in the morning"),
    ("The time is 2:30 pm.", "at 2:30 please"),
    ("The number of seats is 2.", "a table for two"),
    ("The number of seats is 1.", "just one please"),
    ("There are 25 claims.", "twenty-five claims are open"),
    ("Anna Keller called on March 3rd.", "anna keller called on 2026-03-03"),
    ("Sino", "Can you try Sino?"),
    ("Send it to DE89370400440532013000.", "It is DE89 3704 0044 0532 0130 00."),
    ("It was on 2026-03-04.", "on 04/03/2026"),
    ("The weight is 200 g.", "0.2 kg"),
    ("The unit is 1000.", "377 Santana Row #1000"),
    ("Customers get 10 days.", "the customer has ten days"),
    ("The claim is c-1042.", "Claim C-1042"),
    ("Ms Anna-Maria Roth agreed.", "Anna-Maria Roth agreed"),
]
UNSUPPORTED = [
    ("The excess is EUR 250.", "excess: 250", ["money EUR 250"]),
    ("The excess is EUR 250.", "the excess is USD 250", ["money EUR 250"]),
    ("The excess is 251.", "the excess is 250", ["number 251"]),
    ("Bella called.", "Anna called", ["name bella"]),
    ("It was Bella Roth on 3 May.", "It was Anna Roth on 4 May", ["name bella", "date --05-03"]),
    ("It was on 4 March 2026.", "on March 4th", ["date 2026-03-04"]),
    ("The claim is C-1042.", "claim C-1043", ["identifier c-1042"]),
    ("The time is 14:30.", "at 2:30 am", ["time 14:30"]),
    ("There are three seats.", "two seats", ["number 3"]),
    ("It is DE89370400440532013000.", "the IBAN is known", ["identifier de89370400440532013000"]),
    ("The day is Monday.", "on Tuesday", ["weekday monday"]),
    ("Anna-Bella agreed.", "Anna agreed", ["name anna-bella"]),
]


@pytest.mark.parametrize(("claim", "evidence"), SUPPORTED)
def test_supported_claims_miss_nothing(claim: str, evidence: str) -> None:
    assert missing_facts(claim, evidence) == ()
    assert missing_facts(claim, "something else") != ()


@pytest.mark.parametrize(("claim", "evidence", "missing"), UNSUPPORTED)
def test_unsupported_facts_are_named_in_order(
    claim: str, evidence: str, missing: list[str]
) -> None:
    assert [str(fact) for fact in missing_facts(claim, evidence)] == missing
    assert missing_facts(claim, claim) == ()


def test_facts_are_counted() -> None:
    facts = conserved_facts("Anna pays EUR 5. Then Anna pays 5 EUR on 4 March 2026, two times.")
    assert facts == Counter(
        {
            Fact("name", "anna"): 2,
            Fact("money", "EUR 5"): 2,
            Fact("date", "2026-03-04"): 1,
            Fact("number", "2"): 1,
        }
    )


def test_ordinary_openers_are_no_names_but_names_that_open_are() -> None:
    assert not conserved_facts("Please wait. The customer called.")
    assert conserved_facts("Keller called.") == Counter({Fact("name", "keller"): 1})


@settings(deadline=None)
@given(st.text(max_size=200))
def test_every_text_supports_itself(text: str) -> None:
    assert missing_facts(text, text) == ()


@settings(deadline=None)
@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_a_number_is_supported_by_itself_only(first: int, second: int) -> None:
    claim, evidence = f"The amount is {first}.", f"An amount of {second:,} was paid."
    assert (missing_facts(claim, evidence) == ()) == (first == second)
