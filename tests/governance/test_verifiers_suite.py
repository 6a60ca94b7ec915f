from __future__ import annotations

import re
import time
from typing import ClassVar

import pytest

from governance.events import Body, CardBody, CaseBody, FactBody, RewardOrigin, VerifierResult
from governance.policy import load_policy
from governance.policy_cases import CaseFacts
from governance.verifiers import NAMES, STANDARD, VerificationContext, least_trust, run_verifiers
from governance.verifiers.outcome import OutcomeOrigin
from governance.verifiers.provenance import Provenance
from governance.verifiers.schema import MAX_VALUE_CHARS, Schema
from governance.verifiers.suite import (
    MAX_ENTRY_CHARS,
    MAX_EVIDENCE_CHARS,
    PARAMETRIC_PPM,
    TRUST_PPM,
    WEIGHTS_PPM,
)
from tests.governance.drafts import card_body, fact_body
from tests.governance.evidence import context


class Broken:
    name: ClassVar[str] = "sensitive"
    version: ClassVar[int] = 9

    def verify(self, context: VerificationContext) -> VerifierResult:
        raise KeyError(context.entry_id)


def test_a_sound_fact_passes_everything() -> None:
    found = run_verifiers(context(fact_body()))
    assert [result.verifier for result in found.results] == list(NAMES)
    assert {result.outcome for result in found.results} == {"pass"}
    assert found.risk_ppm == TRUST_PPM["internal"]


def test_a_verifier_that_breaks_is_an_error_and_never_a_pass() -> None:
    found = run_verifiers(context(fact_body()), [Broken()])
    assert found.results[0].outcome == "error"
    assert found.results[0].detail == "did not run: KeyError"
    assert found.risk_ppm > WEIGHTS_PPM["sensitive"]


class Raising(Broken):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def verify(self, context: VerificationContext) -> VerifierResult:
        raise self.error


class LibraryError(Exception):
    """What a library raises that knows nothing of us."""


ERRORS = [LibraryError("x"), MemoryError(), RecursionError(), SystemExit(0), ImportError()]


@pytest.mark.parametrize("error", [*ERRORS, re.error("x")])
def test_whatever_a_library_raises_is_a_failed_check(error: BaseException) -> None:
    found = run_verifiers(context(fact_body()), [Raising(error), Schema()])
    assert [result.outcome for result in found.results] == ["error", "pass"]
    assert type(error).__name__ in found.results[0].detail
    default = load_policy("default")
    facts = CaseFacts(checks={"sensitive": found.results[0].outcome}).policy_input()
    assert default.decide(facts).rule_id == "check-did-not-run"


def test_an_interruption_by_the_user_stops_everything() -> None:
    with pytest.raises(KeyboardInterrupt):
        run_verifiers(context(fact_body()), [Raising(KeyboardInterrupt())])


def test_a_result_that_is_none_or_of_another_verifier_is_an_error() -> None:
    class Silent(Broken):
        def verify(self, context: VerificationContext) -> VerifierResult:
            return None  # type: ignore[return-value]  # what a careless extension does

    class Borrowing(Broken):
        def verify(self, context: VerificationContext) -> VerifierResult:
            return Schema().verify(context)

    found = run_verifiers(context(fact_body()), [Silent(), Borrowing(), Schema()])
    assert [result.outcome for result in found.results] == ["error", "error", "pass"]
    assert {result.verifier for result in found.results} == {"sensitive", "schema"}


def test_what_is_too_long_is_not_read_and_fails() -> None:
    long = fact_body().model_copy(update={"statement": "300 EUR " * 2_501})
    found = run_verifiers(context(long))
    assert {result.outcome for result in found.results} == {"error"}
    assert f"at most {MAX_ENTRY_CHARS}" in found.results[0].detail
    fits = fact_body().model_copy(update={"statement": "300 EUR " * 1_000})
    assert "error" not in {result.outcome for result in run_verifiers(context(fits)).results}
    text = "The deductible is 300 EUR. " * 8_000
    cited = run_verifiers(context(fact_body(), text=text))
    assert {result.outcome for result in cited.results} == {"error"}
    assert f"at most {MAX_EVIDENCE_CHARS}" in cited.results[0].detail


NASTY = ["a", "1 ", "1-", "a.", "\n", "![", "a://", "sk-"]


@pytest.mark.parametrize("unit", NASTY)
def test_no_text_within_the_limits_takes_long(unit: str) -> None:
    """Text made to send patterns astray; where time was quadratic, these took minutes."""
    text, cited = (unit * 9_000)[:9_000], (unit * 30_000)[:30_000]
    body = fact_body().model_copy(update={"statement": text, "value": text[:300]})
    start = time.process_time()
    found = run_verifiers(context(body, quote=cited, text=cited))
    assert time.process_time() - start < 10.0
    assert "error" not in {result.outcome for result in found.results}


def test_the_same_context_gives_the_same_results() -> None:
    assert run_verifiers(context(fact_body())) == run_verifiers(context(fact_body()))


def test_risk_adds_doubts_up_and_never_averages_them_away() -> None:
    calm = run_verifiers(context(fact_body())).risk_ppm
    card = run_verifiers(context(card_body())).risk_ppm
    customer = run_verifiers(context(fact_body(), trust="customer")).risk_ppm
    wrong = run_verifiers(context(fact_body("350 EUR"), trust="customer")).risk_ppm
    assert calm < card < customer < wrong < 1_000_000
    expected = (
        1_000_000 - (1_000_000 - TRUST_PPM["internal"]) * (1_000_000 - PARAMETRIC_PPM) // 1_000_000
    )
    assert card == expected


def test_a_verifier_of_another_name_weighs_half() -> None:
    class Extra(Broken):
        name: ClassVar[str] = "extra"

    assert run_verifiers(context(fact_body(), trust="trusted"), [Extra()]).risk_ppm == 500_000


def test_every_standard_verifier_has_a_weight_and_a_version() -> None:
    assert set(WEIGHTS_PPM) == set(NAMES)
    assert len(set(NAMES)) == len(NAMES)
    assert all(verifier.version >= 1 for verifier in STANDARD)


def test_trust_is_the_least_of_all() -> None:
    assert least_trust(["trusted", "customer", "internal"]) == "customer"
    assert least_trust(["trusted"]) == "trusted"
    assert least_trust([]) == "unknown"


def test_provenance_records_the_level_and_fails_on_unknown() -> None:
    result = Provenance().verify(context(fact_body(), trust="customer"))
    assert result.outcome == "pass"
    assert result.detail.startswith("customer; 1 span(s)")
    assert Provenance().verify(context(fact_body(), trust="unknown")).outcome == "fail"


@pytest.mark.parametrize(
    ("origin", "outcome"),
    [("environment", "pass"), ("human", "pass"), ("model", "fail"), ("unknown", "fail")],
)
def test_a_reward_that_only_a_model_gave_fails(origin: RewardOrigin, outcome: str) -> None:
    case = CaseBody(task="t", plan=["a"], outcome="b", reward_ppm=1, reward_origin=origin)
    assert OutcomeOrigin().verify(context(case)).outcome == outcome
    assert OutcomeOrigin().verify(context(fact_body())).outcome == "pass"


FACT, CARD = fact_body(), card_body()
BAD: list[tuple[Body, str]] = [
    (FACT.model_copy(update={"topic": ""}), "topic is missing"),
    (FACT.model_copy(update={"attribute": "\u200b"}), "attribute is blank"),
    (FACT.model_copy(update={"statement": "It is 200 EUR."}), "does not contain its value"),
    (FACT.model_copy(update={"value": "x" * 500, "statement": "x" * 500}), "500 characters"),
    (CARD.model_copy(update={"probes": ["deductible on claim c-17"]}), "probe is also trained"),
    (CARD.model_copy(update={"answer": CARD.question}), "are the same"),
    (CARD.model_copy(update={"rewordings": ["a"] * 40}), "40 items"),
    (CaseBody(task="t", plan=[], outcome="", reward_ppm=0, reward_origin="test"), "needs a plan"),
]


@pytest.mark.parametrize(("body", "problem"), BAD)
def test_malformed_entries_are_refused_with_the_reason(body: Body, problem: str) -> None:
    result = Schema().verify(context(body))
    assert result.outcome == "fail"
    assert problem in result.detail


def test_well_formed_entries_pass() -> None:
    longest = "x" * MAX_VALUE_CHARS
    fact = FactBody(topic="t", attribute="a", value=longest, statement=longest)
    for body in (FACT, CARD, fact):
        assert Schema().verify(context(body)).outcome == "pass"
    assert isinstance(CARD, CardBody)
