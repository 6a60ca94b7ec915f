"""Deleting something an agent learned, from the first recall to the last byte.

Each step is held against a twin from the same conversations that nobody deletes: what is gone
is gone because it was deleted, not because nothing works any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.gateway import Gateway
from agent.models.scripted import ScriptedModel
from agent.program import Learner, chunks
from agent.target import AgentMemory
from agent.workspace import Source, Workspace
from governance import review
from governance.erasure import approve_erasure, complete_erasure, plan_erasure, request_erasure
from governance.events import Actor, FactBody, Scope
from governance.housekeeping import housekeep
from governance.ledger import Ledger
from governance.rawsearch import pieces, search, spellings
from governance.remains import texts_of
from governance.revocation import plan_revocation, residue, revoke
from governance.sharing import share
from governance.transfer import export_memory
from tests.governance.desk import at_once
from tests.governance.drafts import ANN, BOB

GONE, TWIN = "Ilse Marwood", "Copperfield Motors"
QUESTIONS = {
    GONE: "What is the adjuster of claim CL-1?", TWIN: "What is the garage of claim CL-2?",
}  # fmt: skip
PERSON = "Nora Brennan"
NEXT_DOOR = Scope(tenant="default", agent="next-door")


class Agent:
    """An agent that can be stopped, and started again on the same home."""

    def __init__(self, home: Path, workspace: Workspace, model: ScriptedModel) -> None:
        self.home, self.workspace, self.model = home, workspace, model
        self.start()

    def start(self) -> None:
        self.ledger = Ledger.open(self.home, create=True)
        self.gateway = Gateway(
            self.ledger, scope=self.workspace.settings.scope,
            actor=Actor(kind="agent", id="scripted"), policy=at_once("default"),
        )  # fmt: skip
        self.memory = AgentMemory(self.ledger, self.model)

    def restart(self) -> None:
        self.ledger.close()
        self.start()

    def read(self, source: Source, budget: int) -> None:
        self.gateway.register(source)
        learner = Learner(self.gateway, self.model)
        for chunk in chunks(source, self.model, budget):
            learner.learn(chunk)

    def background(self) -> None:
        """Everything that runs by itself."""
        housekeep(self.ledger, thorough=True)
        self.memory.settle(self.gateway.scope)
        self.memory.external.drop()
        self.ledger.rebuild_projections()

    def answers(self, value: str) -> bool:
        head = self.ledger.head.seq
        said = self.memory.answer_at(head, self.gateway.scope, QUESTIONS[value])
        assert said in {value, "unknown"}
        return said == value

    def fact(self, value: str, scope: Scope | None = None) -> str:
        found = self.ledger.state.having(scope or self.gateway.scope, "active", "verified")
        return next(
            entry.entry_id
            for entry in found
            if isinstance(entry.body, FactBody) and entry.body.value == value
        )

    def acting(self, value: str) -> list[str]:
        """Every entry of any kind and scope that may act and says it."""
        found = self.ledger.state.entries.with_status("approved", "active")
        return [entry.entry_id for entry in found if value in entry.body.model_dump_json()]

    def logged(self, value: str) -> bool:
        return any(
            value in text for event in self.ledger.events() for text in texts_of(event.payload)
        )


@pytest.fixture
def agent(tmp_path: Path, workspace: Workspace, model: ScriptedModel) -> Iterator[Agent]:
    found = Agent(tmp_path / "home", workspace, model)
    yield found
    found.ledger.close()


def fed_again(source: Source) -> Source:
    """The same words in another file."""
    return replace(source, source_id=f"again/{source.source_id}")


def share_next_door(agent: Agent, value: str) -> str:
    copy = share(
        agent.ledger, agent.fact(value), to=NEXT_DOOR, actor=ANN, policy=at_once("default")
    ).entry_id  # fmt: skip
    entry = agent.ledger.state.entries[copy]
    if entry.status != "active":
        review.approve(
            agent.ledger, copy, actor=BOB, reason_code="known-true",
            expected_version=entry.version, expected_digest=entry.content_digest,
        )  # fmt: skip
    return copy


def test_the_deletion_sequence(agent: Agent) -> None:
    # written, and recallable
    for source in agent.workspace.transcripts:
        agent.read(source, budget=350)
    assert agent.answers(GONE)
    assert agent.answers(TWIN)
    copies = {value: share_next_door(agent, value) for value in (GONE, TWIN)}
    assert {agent.ledger.state.entries[one].status for one in copies.values()} == {"active"}

    # deleted: at once, everywhere, and on record
    entry_id = agent.fact(GONE)
    plan = plan_revocation(agent.ledger, entry_id)
    assert copies[GONE] in plan.entry_ids
    receipt = revoke(agent.ledger, plan, actor=ANN, reason_code="subject-request")
    assert residue(agent.ledger.state, plan.entry_ids) == ()
    assert not agent.answers(GONE)
    assert agent.answers(TWIN)
    assert agent.acting(GONE) == []
    statuses = {value: agent.ledger.state.entries[copies[value]].status for value in copies}
    assert statuses == {GONE: "revoked", TWIN: "active"}
    recorded = agent.ledger.event(receipt.first_seq).header
    assert (recorded.type, recorded.actor) == ("entry.revoked", ANN)

    # fed again, with every job in the background, an export and a restart
    for source in agent.workspace.transcripts:
        agent.read(source, budget=10_000)
        agent.read(fed_again(source), budget=350)
    agent.background()
    out = export_memory(agent.ledger, scope=agent.gateway.scope, actor=ANN)
    assert GONE not in out.path.read_text("utf-8")
    assert TWIN in out.path.read_text("utf-8")
    agent.restart()
    agent.background()
    assert not agent.answers(GONE)
    assert agent.answers(TWIN)
    assert agent.acting(GONE) == []

    # erased: the words themselves, from every file and every event
    assert agent.logged(GONE)
    plan_of = plan_erasure(agent.ledger, data_subject=PERSON)
    request = request_erasure(
        agent.ledger, plan_of, basis="consent-withdrawn", reason="her letter", actor=ANN
    )
    erasure_id = getattr(request, "erasure_id", request)
    approve_erasure(agent.ledger, erasure_id, actor=BOB)
    complete_erasure(agent.ledger, erasure_id, actor=BOB)
    needles = {one for piece in pieces(GONE) for one in spellings(piece)}
    assert search(agent.home, needles).hits == {}
    control = agent.home / "exports" / "control.txt"
    control.write_text(GONE, "utf-8")
    assert [path.name for path in search(agent.home, needles).hits] == ["control.txt"]
    control.unlink()
    agent.restart()
    agent.background()
    assert not agent.logged(GONE)
    assert agent.logged(TWIN)
    assert not agent.answers(GONE)
    assert agent.answers(TWIN)
    report = agent.ledger.verify()
    assert report.ok, report.problems
    assert report.erased
