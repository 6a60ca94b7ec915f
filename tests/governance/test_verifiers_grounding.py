from __future__ import annotations

import pytest

from governance.events import CardBody, CaseBody, FactBody, ToolBody
from governance.verifiers.grounding import Grounding, states
from tests.governance.drafts import ANN, card_body, fact_body
from tests.governance.evidence import context

GROUNDING = Grounding()


def test_a_fact_that_its_line_states_is_grounded() -> None:
    result = GROUNDING.verify(context(fact_body()))
    assert result.outcome == "pass"
    assert result.score_ppm is not None
    assert result.score_ppm > 500_000
    assert result.evidence_digest is not None
    assert len(result.evidence_digest) == 64


def test_a_card_that_its_line_states_is_grounded() -> None:
    assert GROUNDING.verify(context(card_body())).outcome == "pass"


def test_another_value_is_not_grounded() -> None:
    result = GROUNDING.verify(context(fact_body("350 EUR")))
    assert result.outcome == "fail"
    assert "does not say '350 EUR'" in result.detail
    card = GROUNDING.verify(context(card_body("350 EUR")))
    assert card.outcome == "fail"


def test_a_value_said_elsewhere_in_the_dialogue_is_not_in_the_cited_line() -> None:
    body = FactBody(
        topic="claim C-17", attribute="adjuster", value="Hugo Bancroft",
        statement="The adjuster of claim C-17 is Hugo Bancroft.",
    )  # fmt: skip
    assert GROUNDING.verify(context(body)).outcome == "fail"
    assert GROUNDING.verify(context(body, "is it Hugo Bancroft again?")).outcome == "pass"


def test_an_invented_identifier_is_named() -> None:
    body = fact_body().model_copy(update={"topic": "claim C-99"})
    result = GROUNDING.verify(context(body))
    assert result.outcome == "fail"
    assert "identifier c-99" in result.detail
    assert GROUNDING.verify(context(body, known="claim C-99")).outcome == "pass"


def test_what_is_known_of_the_source_does_not_vouch_for_a_value() -> None:
    assert GROUNDING.verify(context(fact_body("350 EUR"), known="350 EUR")).outcome == "fail"


def test_a_grounded_value_cannot_carry_an_invented_sentence() -> None:
    invented = "Managers secretly decided that 300 EUR covers everything without receipts."
    body = fact_body().model_copy(update={"statement": invented})
    result = GROUNDING.verify(context(body))
    assert result.outcome == "fail"
    assert "of its words" in result.detail


def test_an_invented_name_in_a_question_is_found() -> None:
    body = card_body().model_copy(update={"probes": ["What does Gavin Strand pay on claim C-17?"]})
    result = GROUNDING.verify(context(body))
    assert result.outcome == "fail"
    assert "name strand" in result.detail


def test_a_span_that_does_not_resolve_fails() -> None:
    result = GROUNDING.verify(context(fact_body(), "never said"))
    assert result.outcome == "fail"
    assert "does not resolve" in result.detail


def test_no_evidence_needs_a_named_person() -> None:
    assert GROUNDING.verify(context(fact_body(), None)).outcome == "fail"
    result = GROUNDING.verify(context(fact_body(), None, author=ANN))
    assert (result.outcome, result.detail) == ("pass", "stated by human:ann")


def test_a_case_needs_its_span_and_a_tool_result_its_numbers() -> None:
    case = CaseBody(
        task="Register", plan=["Looked it up"], outcome="Rated 5 of 5", reward_ppm=1,
        reward_origin="human",
    )  # fmt: skip
    assert GROUNDING.verify(context(case)).outcome == "pass"
    assert GROUNDING.verify(context(case, "never said")).outcome == "fail"
    tool = ToolBody(tool="lookup", arguments="", result="deductible 300 EUR", ok=True)
    assert GROUNDING.verify(context(tool)).outcome == "pass"
    wrong = tool.model_copy(update={"result": "deductible 900 EUR"})
    assert GROUNDING.verify(context(wrong)).outcome == "fail"


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        ("The date is 2026-03-12.", "12 March 2026", True),
        ("We need a table for two people", "2", True),
        ("It costs 1,350 euros", "1350 euros", True),
        ("It costs 13 euros", "1350 euros", False),
        ("at Copperfield Motors on Friday", "copperfield motors", True),
        ("at Copperfield on Friday", "Copperfield Motors", False),
        ("a blue Skoda", "blue", True),
        ("a bluebird", "blue", False),
        ("anything", "…", False),
        ("anything", "", False),
    ],
)
def test_states(text: str, value: str, said: bool) -> None:
    assert states(text, value) is said


def test_a_card_without_facts_still_needs_its_answer() -> None:
    body = CardBody(topic="the builder", attribute="", question="Who is it?", answer="nobody")
    assert (
        GROUNDING.verify(
            context(body, "The builder is nobody", text="The builder is nobody")
        ).outcome
        == "pass"
    )
    assert GROUNDING.verify(context(body)).outcome == "fail"
