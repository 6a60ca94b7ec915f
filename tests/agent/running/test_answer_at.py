"""The memory is asked as it was, and as if something had never been learned."""

from __future__ import annotations

from agent.gateway import Gateway
from agent.models.scripted import ScriptedModel
from agent.program import Learner, chunks
from agent.target import AgentMemory
from agent.workspace import Workspace
from governance import review
from governance.corrections import correct, replaced
from tests.governance.desk import at_once
from tests.governance.drafts import ANN, BOB

POLICY = at_once("default")

QUESTION = "What is the adjuster of claim CL-1?"


def test_earlier_versions_and_left_out_entries(
    gateway: Gateway, workspace: Workspace, model: ScriptedModel
) -> None:
    before = gateway.ledger.head.seq
    learner = Learner(gateway, model)
    for source in workspace.transcripts:
        for chunk in chunks(source, model, 350):
            learner.learn(chunk)
    ledger = gateway.ledger
    memory, head = AgentMemory(ledger, model), ledger.head.seq
    (fact,) = [
        entry.entry_id
        for entry in ledger.state.active(gateway.scope, "external")
        if getattr(entry.body, "value", "") == "Ilse Marwood"
    ]
    assert memory.answer_at(head, gateway.scope, QUESTION) == "Ilse Marwood"
    assert memory.answer_at(before, gateway.scope, QUESTION) == "unknown"
    assert memory.answer_at(head, gateway.scope, QUESTION, without=[fact]) == "unknown"
    other = next(e for e in ledger.state.active(gateway.scope) if e.entry_id != fact)
    kept = memory.answer_at(head, gateway.scope, QUESTION, without=[other.entry_id, "nothing"])
    assert kept == "Ilse Marwood"
    assert ledger.head.seq == head  # asked, not used
    assert ledger.state.entries[fact].status == "active"


def test_what_the_left_out_entry_superseded_counts_again(
    gateway: Gateway, workspace: Workspace, model: ScriptedModel
) -> None:
    learner = Learner(gateway, model)
    for chunk in chunks(workspace.transcripts[0], model, 350):
        learner.learn(chunk)
    ledger = gateway.ledger
    memory = AgentMemory(ledger, model)
    (old,) = [
        entry
        for entry in ledger.state.active(gateway.scope, "external")
        if getattr(entry.body, "value", "") == "Ilse Marwood"
    ]
    (done,) = correct(
        ledger, old.entry_id, [replaced(old.body, "Hugo Bancroft")], actor=ANN, policy=POLICY
    )
    new = ledger.state.entries[done.entry_id]
    review.approve(
        ledger, new.entry_id, actor=BOB, reason_code="correction", expected_version=1,
        expected_digest=new.content_digest,
    )  # fmt: skip
    assert ledger.state.entries[old.entry_id].status == "superseded"

    def said(*without: str) -> str:
        return memory.answer_at(ledger.head.seq, gateway.scope, QUESTION, without=without)

    assert said() == "Hugo Bancroft"
    assert said(new.entry_id) == "Ilse Marwood"
    assert said(new.entry_id, old.entry_id) == "unknown"
    assert said(old.entry_id) == "Hugo Bancroft"
