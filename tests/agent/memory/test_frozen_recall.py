"""Under a freeze only what a person reviewed reaches a prompt; thawing brings the rest back."""

from __future__ import annotations

from agent.lora.router import Router
from agent.memory.embed import HashedEmbedder
from agent.memory.recall import ExternalMemory
from agent.target import NOTE_KINDS
from tests.governance.desk import DESK, Desk
from tests.governance.test_freeze import freeze, thaw
from tests.governance.test_rollback import approve

EMBEDDER = HashedEmbedder()


def recalled(memory: ExternalMemory, desk: Desk, question: str) -> list[str]:
    found = memory.recall(
        desk.ledger.state,
        DESK,
        question,
        token_budget=200,
        count_tokens=len,
        kinds=NOTE_KINDS,
    )
    return found.entry_ids


def test_only_reviewed_notes_are_recalled() -> None:
    desk, memory = Desk(), ExternalMemory(EMBEDDER)
    by_rule = desk.fact("deductible", "300 EUR").entry_id
    by_person = desk.fact("plumber", "Wexler Plumbing").entry_id
    approve(desk, by_person)
    asked = {by_rule: "What is the deductible of claim C-17?",
             by_person: "Who is the plumber of claim C-17?"}  # fmt: skip
    digest = memory.index_digest(desk.ledger.state, DESK)
    version = desk.ledger.head.seq
    assert all(recalled(memory, desk, question)[0] == one for one, question in asked.items())
    freeze(desk.ledger)
    assert by_rule not in recalled(memory, desk, asked[by_rule])
    assert recalled(memory, desk, asked[by_person])[0] == by_person
    assert by_rule not in memory.index(desk.ledger.state, DESK)
    # What was recalled before the freeze is still found as it was then.
    assert memory.index_digest(desk.ledger.state_at(version), DESK) == digest
    thaw(desk.ledger)
    assert recalled(memory, desk, asked[by_rule])[0] == by_rule
    assert memory.index_digest(desk.ledger.state, DESK) == digest


def test_only_an_adapter_of_reviewed_cards_is_served() -> None:
    desk = Desk()
    by_rule = desk.card("deductible", "300 EUR").entry_id
    by_person = desk.card("plumber", "Wexler Plumbing").entry_id
    also = desk.card("inspection", "10 March").entry_id
    approve(desk, by_person)
    desk.build(by_rule, also, shard_id="by rule")
    desk.build(by_person, shard_id="by person")
    mixed = {"deductible": "by rule", "plumber": "by person"}

    def routed(attribute: str) -> str | None:
        question = f"What is the {attribute} of claim C-17?"
        return Router.of(desk.ledger.state, DESK, EMBEDDER).route(question).shard_id

    assert {one: routed(one) for one in mixed} == mixed
    freeze(desk.ledger)
    assert {one: routed(one) for one in mixed}["plumber"] == "by person"
    assert routed("deductible") != "by rule"
    thaw(desk.ledger)
    assert {one: routed(one) for one in mixed} == mixed
