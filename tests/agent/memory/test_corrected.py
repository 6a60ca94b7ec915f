"""What is recalled before and after a correction of each kind; the twin is recalled throughout."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.answering import Answerer, Asked
from agent.gateway import Gateway
from agent.memory.recall import ExternalMemory
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.scripted import ScriptedModel
from agent.target import AgentMemory
from governance import review
from governance.corrections import accept, bound, correct, kept, negated, replaced, retract
from governance.revocation import plan_revocation, revoke
from governance.sharing import share
from governance.verifiers import Interval
from tests.governance.desk import DESK, Desk, at_once
from tests.governance.drafts import ANN, BOB, ELSEWHERE, EPOCH_US

POLICY = at_once("default")
OLD = "The deductible of claim C-17 is 300 EUR."
TWIN = "The inspection of claim C-17 is 10 March."
DENIAL = "The deductible of claim C-17 is not 300 EUR."
NOW_US = EPOCH_US + 1_000_000_000


def recalled(desk: Desk, question: str = "What is the deductible of claim C-17?") -> set[str]:
    found = ExternalMemory().recall(
        desk.ledger.state, DESK, question, token_budget=10_000, count_tokens=len, k=8,
        as_of_us=NOW_US,
    )  # fmt: skip
    return set(found.texts)


def silent() -> ScriptedModel:
    return ScriptedModel({}, dialect=BuiltinDialect(), default="unknown")


def by_replacement(desk: Desk, old: str) -> None:
    new = replaced(desk.entry(old).body, "350 EUR")
    correct(desk.ledger, old, [new], actor=ANN, policy=POLICY)


def by_negation(desk: Desk, old: str) -> None:
    correct(desk.ledger, old, [negated(desk.entry(old).body, DENIAL)], actor=ANN, policy=POLICY)


def by_parts(desk: Desk, old: str) -> None:
    parts = [kept(desk.entry(old).body, f"deductible on {one}", "300 EUR") for one in ("A", "B")]
    correct(desk.ledger, old, parts, actor=ANN, policy=POLICY)


def by_a_time_that_is_over(desk: Desk, old: str) -> None:
    bound(desk.ledger, old, Interval(None, NOW_US), actor=ANN, policy=POLICY)


def by_a_time_that_has_not_come(desk: Desk, old: str) -> None:
    bound(desk.ledger, old, Interval(NOW_US + 1, None), actor=ANN, policy=POLICY)


def by_a_time_that_is_now(desk: Desk, old: str) -> None:
    bound(desk.ledger, old, Interval(NOW_US, NOW_US + 1), actor=ANN, policy=POLICY)


KINDS: list[tuple[Callable[[Desk, str], None], set[str]]] = [
    (by_replacement, {"The deductible of claim C-17 is 350 EUR."}),
    (by_negation, {DENIAL}),
    (by_parts, {"claim C-17, deductible on A: 300 EUR.", "claim C-17, deductible on B: 300 EUR."}),
    (by_a_time_that_is_over, set()),
    (by_a_time_that_has_not_come, set()),
    (by_a_time_that_is_now, {OLD}),
]


@pytest.mark.parametrize(("kind", "after"), KINDS, ids=lambda one: getattr(one, "__name__", ""))
def test_recall_answers_with_what_is_right_once_it_is_approved(
    kind: Callable[[Desk, str], None], after: set[str]
) -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    desk.fact("inspection", "10 March")
    kind(desk, old)
    assert OLD in recalled(desk)
    assert TWIN in recalled(desk, "When is the inspection of claim C-17?")
    then = desk.ledger.head.seq
    accept(desk.ledger, old, actor=BOB)
    assert recalled(desk) - {TWIN} == after
    assert TWIN in recalled(desk, "When is the inspection of claim C-17?")
    assert desk.ledger.state_at(then).entries[old].status == "active"


def test_recall_answers_with_nothing_after_a_retraction() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    desk.fact("inspection", "10 March")
    assert OLD in recalled(desk)
    retract(desk.ledger, old, actor=ANN)
    assert recalled(desk) - {TWIN} == set()
    assert TWIN in recalled(desk, "When is the inspection of claim C-17?")


def test_a_revoked_original_leaves_no_row_in_the_index_of_either_scope() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    twin = desk.fact("inspection", "10 March").entry_id
    copy = share(desk.ledger, old, to=ELSEWHERE, actor=ANN, policy=POLICY).entry_id
    entry = desk.entry(copy)
    review.approve(
        desk.ledger, copy, actor=BOB, reason_code="known-true", expected_version=1,
        expected_digest=entry.content_digest,
    )  # fmt: skip
    memory = AgentMemory(desk.ledger, silent())
    ids = [old, copy, twin]
    assert list(memory.indexed(DESK, ids)) == [old, twin]
    assert list(memory.indexed(ELSEWHERE, ids)) == [copy]
    revoke(desk.ledger, plan_revocation(desk.ledger, old), actor=ANN, reason_code="wrong")
    assert list(memory.indexed(DESK, ids)) == [twin]
    assert list(memory.indexed(ELSEWHERE, ids)) == []


class Still:
    """A clock that stands."""

    def now_us(self) -> int:
        return NOW_US


def test_an_answer_reads_nothing_whose_time_is_over() -> None:
    desk = Desk()
    old = desk.fact("deductible", "300 EUR").entry_id
    gateway = Gateway(desk.ledger, scope=DESK, actor=ANN)
    model = silent()
    answerer = Answerer(gateway, model, AgentMemory(desk.ledger, model), Still())
    asked = Asked("t", "What is the deductible of claim C-17?", ("300 EUR",))
    assert answerer.ask(asked, "external", run_id="r").recalled.entries == [old]
    by_a_time_that_is_over(desk, old)
    accept(desk.ledger, old, actor=BOB)
    assert answerer.ask(asked, "external", run_id="r").recalled.entries == []
