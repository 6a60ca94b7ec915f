from __future__ import annotations

from typing import TypeVar

from agent.gateway import Gateway
from agent.models.builtin.dialect import CARDS, BuiltinDialect
from agent.models.scripted import ScriptedModel
from agent.program import Learner, chunks
from agent.workspace import Workspace
from governance.events import CardBody, CaseBody, FactBody, MemoryRecalled, ToolBody
from governance.ledger import Ledger
from governance.state import EntryState

B = TypeVar("B", FactBody, CardBody, CaseBody, ToolBody)


def learn_all(gateway: Gateway, model: ScriptedModel, workspace: Workspace) -> int:
    learner = Learner(gateway, model)
    proposed = 0
    for source in workspace.transcripts:
        for chunk in chunks(source, model, workspace.settings.context.budget_tokens):
            proposed += learner.learn(chunk).proposed
        proposed += learner.finish(source)
    return proposed


def entries(ledger: Ledger, kind: type[B]) -> list[tuple[EntryState, B]]:
    return [(one, one.body) for one in ledger.state.entries.values() if isinstance(one.body, kind)]


def test_chunks_hold_every_turn_once_and_respect_the_budget(
    workspace: Workspace, model: ScriptedModel
) -> None:
    source = workspace.transcripts[0]
    for budget in (1, 9, 20, 32, 10_000):
        parts = list(chunks(source, model, budget))
        assert [turn for part in parts for turn in part.turns] == list(source.turns)
        assert [part.number for part in parts] == list(range(len(parts)))
        for part in parts:
            tokens = sum(model.count_tokens(f"{t.speaker}: {t.text}\n") for t in part.turns)
            assert tokens <= budget or len(part.turns) == 1
    assert len(list(chunks(source, model, 1))) == len(source.turns)
    assert len(list(chunks(source, model, 10_000))) == 1


def test_what_is_learned_rests_on_the_characters_it_cites(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, ledger: Ledger
) -> None:
    learn_all(gateway, model, workspace)
    facts = {body.attribute: (entry, body) for entry, body in entries(ledger, FactBody)}
    assert set(facts) == {"claim number", "adjuster", "inspection date", "garage"}
    for entry, body in facts.values():
        (span,) = entry.spans
        cited = ledger.source_text(span.source_id)[span.start : span.end]
        assert body.value in cited
    assert facts["adjuster"][1].statement == "The adjuster of claim CL-1 is Ilse Marwood."
    assert facts["garage"][0].status == "active"


def test_every_card_is_a_derivative_of_the_fact_it_restates(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, ledger: Ledger
) -> None:
    learn_all(gateway, model, workspace)
    for entry, card in entries(ledger, CardBody):
        (parent,) = entry.derived_from
        fact = ledger.state.entries[parent].body
        assert isinstance(fact, FactBody)
        assert (fact.attribute, fact.value) == (card.attribute, card.answer)
        assert not set(card.rewordings) & set(card.probes)
        # The corrected date came in a later chunk: it contradicts what is in force.
        doubtful = card.answer == "14 March"
        assert entry.status == ("verified" if doubtful else "approved")


def test_a_correction_in_the_same_chunk_replaces_what_it_corrects(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, ledger: Ledger
) -> None:
    source = workspace.transcripts[0]
    (whole,) = chunks(source, model, 10_000)
    Learner(gateway, model).learn(whole)
    values = [body.value for _, body in entries(ledger, FactBody)]
    assert "14 March" in values
    assert "12 March" not in values


def test_tool_calls_and_finished_tasks_become_memory(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, ledger: Ledger
) -> None:
    learn_all(gateway, model, workspace)
    ((_, tool),) = entries(ledger, ToolBody)
    assert (tool.tool, tool.ok) == ("lookup_policy", True)
    ((_, case),) = entries(ledger, CaseBody)
    assert (case.reward_ppm, case.reward_origin) == (1_000_000, "environment")


def test_learning_again_changes_nothing(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, ledger: Ledger
) -> None:
    assert learn_all(gateway, model, workspace) > 0
    head, asked = ledger.head, len(model.calls)
    assert learn_all(gateway, model, workspace) == 0
    assert ledger.head == head
    assert len(model.calls) == asked


def test_a_chunk_killed_before_its_mark_is_learned_without_duplicates(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, ledger: Ledger
) -> None:
    (whole,) = chunks(workspace.transcripts[0], model, 10_000)
    learner = Learner(gateway, model)
    # Everything but the mark: as if the process had died after the last proposal.
    _, drafts = learner.extract(whole)
    assert drafts
    for proposal in learner._from_drafts(whole, drafts):
        assert gateway.propose(proposal, known=whole.source.subject)
    before = len(ledger.state.entries)
    learned = learner.learn(whole)
    assert not learned.repeated
    assert learned.proposed == 1  # the tool call, which had not been reached
    assert len(ledger.state.entries) == before + 1


def test_extraction_sees_only_the_transcript(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, ledger: Ledger
) -> None:
    learn_all(gateway, model, workspace)
    said = {turn.text for source in workspace.transcripts for turn in source.turns}
    prompts = [prompt for prompt in model.calls if prompt.startswith(CARDS)]
    assert prompts
    for prompt in prompts:
        body = prompt.split("\n", 1)[1]
        spoken = [line.partition(": ")[2] for line in body.replace("<|out|>", "").split("\n")]
        assert set(spoken) <= said
    marks = [
        event.payload
        for event in ledger.events(types={"memory.recalled"})
        if isinstance(event.payload, MemoryRecalled)
    ]
    assert marks
    assert all(mark.entries == [] and mark.adapter_digest is None for mark in marks)


def test_output_that_cites_nothing_said_is_never_proposed(
    gateway: Gateway, workspace: Workspace, ledger: Ledger
) -> None:
    def invent(prompt: str) -> str:
        return " Nobody Atall | adjuster\n Ilse Marwood | adjuster"

    (whole,) = chunks(workspace.transcripts[0], ScriptedModel({}, dialect=BuiltinDialect()), 10_000)
    learned = Learner(gateway, ScriptedModel(invent, dialect=BuiltinDialect())).learn(whole)
    values = [body.value for _, body in entries(ledger, FactBody)]
    assert learned.drafts == 1
    assert values == ["Ilse Marwood"]
