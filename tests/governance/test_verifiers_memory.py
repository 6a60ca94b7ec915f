"""Checks against what is in force and what was refused."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from rapidfuzz import fuzz

from governance.events import CardBody, FactBody, ToolBody
from governance.verifiers import Neighbourhood, Peer
from governance.verifiers.conflict import Conflict, agree
from governance.verifiers.duplicate import Duplicate
from governance.verifiers.protocol import NEAR
from governance.verifiers.restatement import Restatement
from governance.verifiers.tombstoned import Tombstoned
from tests.governance.drafts import card_body, fact_body
from tests.governance.evidence import context

FACT = Peer("fact-1", fact_body())
CARD = Peer("card-1", card_body())


def test_the_same_fact_again_is_a_duplicate() -> None:
    again = FactBody(
        topic="Claim C-17", attribute="Deductible", value="300 eur",
        statement="He pays 300 eur himself.",
    )  # fmt: skip
    result = Duplicate().verify(context(again, active=[FACT]))
    assert (result.outcome, result.detail) == ("fail", "same as fact-1")
    assert Duplicate().verify(context(again, active=[CARD])).outcome == "pass"
    assert Duplicate().verify(context(fact_body("200 EUR"), active=[FACT])).outcome == "pass"
    assert Duplicate().verify(context(again, active=[FACT], entry_id="fact-1")).outcome == "pass"


def test_another_value_for_the_same_attribute_is_a_conflict_in_either_channel() -> None:
    for peer in (FACT, CARD):
        result = Conflict().verify(context(fact_body("200 EUR"), active=[peer]))
        assert (result.outcome, result.detail) == ("fail", f"{peer.entry_id} says '300 EUR'")
        assert Conflict().verify(context(fact_body(), active=[peer])).outcome == "pass"
    assert Conflict().verify(context(card_body("200 EUR"), active=[FACT])).outcome == "fail"


def test_a_declared_replacement_is_still_shown_as_a_conflict() -> None:
    result = Conflict().verify(context(fact_body("200 EUR"), active=[FACT], replaces="fact-1"))
    assert result.detail == "fact-1 says '300 EUR' (to be replaced)"


def test_kinds_that_assert_nothing_do_not_conflict() -> None:
    tool = ToolBody(tool="lookup", arguments="C-17", result="1", ok=True)
    other = Peer("tool-1", tool.model_copy(update={"result": "2"}))
    assert Conflict().verify(context(tool, active=[other])).outcome == "pass"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("350 euros", "350", True),
        ("EUR 1,350", "1350 euros", True),
        ("12 March 2026", "2026-03-12", True),
        ("Ilse Marwood", "Marwood", True),
        ("200 euros", "1 200 euros", False),
        ("Ilse Marwood", "Hugo Bancroft", False),
        ("yes", "no", False),
    ],
)
def test_agree(first: str, second: str, same: bool) -> None:
    assert agree(first, second) is same
    assert agree(second, first) is same


def test_a_refused_value_is_refused_under_every_spelling_and_in_both_channels() -> None:
    for peer in (FACT, CARD):
        for body in (fact_body("３００ ЕUR"), card_body("300\u200b eur")):
            result = Tombstoned().verify(context(body, rejected=[peer]))
            assert result.outcome == "fail"
            assert peer.entry_id in result.detail
        assert Tombstoned().verify(context(fact_body("301 EUR"), rejected=[peer])).outcome == "pass"


def test_a_key_laid_under_an_older_normalisation_still_counts() -> None:
    found = context(fact_body(), rejected=[FACT])
    older = replace(found, tombstones={"t0-old": "fact-1"})
    assert Tombstoned().verify(older).outcome == "fail"
    assert Tombstoned().verify(replace(older, rejected=Neighbourhood())).outcome == "pass"


def test_a_reworded_refused_value_is_shown_to_a_person() -> None:
    reworded = fact_body().model_copy(
        update={"attribute": "own share", "statement": "The deductible on claim C-17 is 300 EUR"}
    )
    assert Tombstoned().verify(context(reworded, rejected=[FACT])).outcome == "pass"
    result = Restatement().verify(context(reworded, rejected=[FACT]))
    assert result.outcome == "fail"
    assert "fact-1, which was refused" in result.detail
    assert result.score_ppm is not None
    assert result.score_ppm > 880_000


def test_a_near_match_in_force_is_a_restatement_but_another_claim_is_not() -> None:
    other = fact_body().model_copy(
        update={"topic": "claim C-18", "statement": "The deductible of claim C-18 is 300 EUR."}
    )
    assert Restatement().verify(context(other, active=[FACT])).outcome == "pass"
    booking = FactBody(topic="booking 1_7", attribute="day", value="today",
                       statement="The day of booking 1_7 is today.")  # fmt: skip
    next_one = booking.model_copy(
        update={"topic": "booking 1_8", "statement": "The day of booking 1_8 is today."}
    )
    assert Restatement().verify(context(next_one, active=[Peer("b", booking)])).outcome == "pass"
    assert Restatement().verify(context(fact_body(), active=[FACT])).outcome == "pass"
    same = fact_body().model_copy(
        update={
            "attribute": "deductibles",
            "statement": "The deductibles of claim C-17 is 300 EUR.",
        }
    )
    result = Restatement().verify(context(same, active=[FACT]))
    assert result.detail == "nearly the same as fact-1"


def test_a_neighbourhood_keeps_the_first_of_an_id() -> None:
    peers = Neighbourhood([FACT, Peer("fact-1", fact_body("9 EUR"))])
    assert len(peers) == 1
    assert peers.get("fact-1") is FACT
    assert list(peers.at(FACT.claim)) == [FACT]
    assert not peers.at(
        Peer("x", CardBody(topic="t", attribute="a", question="q", answer="a")).claim
    )


def test_a_neighbourhood_lets_entries_go() -> None:
    peers = Neighbourhood([FACT, Peer("fact-2", fact_body("9 EUR"))])
    peers.remove("fact-1")
    peers.remove("never-here")
    assert [peer.entry_id for peer in peers] == ["fact-2"]
    assert [peer.entry_id for peer in peers.at(FACT.claim)] == ["fact-2"]
    assert [peer.entry_id for peer in peers.about(FACT.claim)] == ["fact-2"]
    assert not list(peers.like(FACT.body, FACT.key))
    peers.remove("fact-2")
    assert not peers.about(FACT.claim)


def test_no_near_text_is_missed_by_the_bands_of_length() -> None:
    """Every pair of texts that is near enough, of any length, is in the same or the next band."""
    draw = random.Random(7)
    near = 0
    for _ in range(400):
        words = [draw.choice(["car", "claim", "garage", "is", "x"]) for _ in range(40)]
        text = " ".join(words[: draw.randint(1, 40)])
        longer = text + " and so on"[: draw.randint(1, 10)] * draw.choice([1, 1, 2, 4])
        peers = [Peer("p", FactBody(topic="t", attribute="a", value=text, statement=text))]
        other = Peer("q", FactBody(topic="t", attribute="a", value=longer, statement=longer))
        if fuzz.ratio(peers[0].key, other.key) >= 100 * NEAR:
            near += 1
            found = [one for texts in Neighbourhood(peers).like(other.body, other.key)
                     for one in texts]  # fmt: skip
            assert found == ["p"]
    assert near > 100
