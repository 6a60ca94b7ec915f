"""An agent that works with a token: its memory, its background work, its whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.gateway import Gateway
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.scripted import ScriptedModel
from agent.run import RunOptions, run
from agent.target import AgentMemory
from agent.workspace import Workspace
from governance.errors import NotAuthorisedError
from governance.events import Actor, CardBody, Scope
from governance.ledger import Ledger
from governance.policy import load_policy
from governance.review import activate_policy
from tests.agent.running.test_target import CountingBuilder
from tests.governance.drafts import ANN, draft, proposed, source, verified
from tests.governance.drafts import BOT as AUTHOR
from tests.governance.serving import Served, serving

NAME = "agent:bot"
BOT = Actor(kind="agent", id="bot")
OURS = Scope(tenant="mutual", agent="desk")
THEIRS = Scope(tenant="rival", agent="desk")


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    with serving(home) as running:
        yield running


def approve(ledger: Ledger, name: str, scope: Scope) -> None:
    from governance.events import EntryApproved, content_digest

    body = CardBody(topic="t", attribute=name, question=f"What is {name}?", answer=name)
    approval = EntryApproved(
        entry_id=name, version=1, content_digest=content_digest(body), reason_code="known-true"
    )
    if f"s-{scope.tenant}" not in ledger.state.sources:
        ledger.append([draft(source(f"s-{scope.tenant}"), scope=scope)])
    span = proposed().spans[0].model_copy(update={"source_id": f"s-{scope.tenant}"})
    ledger.append(
        [
            draft(proposed(name, body, spans=[span]), AUTHOR, scope),
            draft(verified(name), scope=scope),
            draft(approval, ANN, scope),
        ]
    )


def memory_of(ledger: Ledger) -> tuple[AgentMemory, CountingBuilder]:
    memory = AgentMemory(ledger, ScriptedModel({}, dialect=BuiltinDialect()))
    builder = CountingBuilder()
    memory._builder = builder  # type: ignore[assignment]
    return memory, builder


def test_settling_with_a_token_sees_and_builds_one_scope_only(served: Served) -> None:
    for name in ("our-one", "our-two"):
        approve(served.ledger, name, OURS)
    approve(served.ledger, "their-one", THEIRS)
    client = served.client(served.principal(NAME, OURS).text)
    memory, builder = memory_of(client)
    assert memory.settle(THEIRS) == []
    assert builder.trained == []
    settled = memory.settle(OURS)
    assert {card for cards in builder.trained for card in cards} == {"our-one", "our-two"}
    assert sum(one.cards for one in settled) == 2
    state = served.ledger.state
    assert {shard.scope for shard in state.shards.values()} == {OURS}
    assert state.entries["our-one"].status == "active"
    assert state.entries["their-one"].status == "approved"
    [activated] = served.ledger.events(types=["adapter.activated"])
    assert activated.header.actor == BOT
    owner, all_seeing = memory_of(served.ledger)
    assert owner.settle(THEIRS)
    assert all_seeing.trained == [("their-one",)]


def test_an_index_rebuilt_with_a_token_holds_one_scope_only(served: Served) -> None:
    client = served.client(served.principal(NAME, OURS).text)
    empty = memory_of(served.ledger)[0].index_digest(THEIRS)
    from tests.governance.drafts import life

    served.ledger.append([draft(source("s1"), scope=THEIRS)])
    served.ledger.append([draft(one.payload, one.actor, THEIRS) for one in life()])
    assert memory_of(client)[0].index_digest(THEIRS) == empty
    assert memory_of(served.ledger)[0].index_digest(THEIRS) != empty


def test_a_gateway_with_a_token_acts_as_its_holder(served: Served, workspace: Workspace) -> None:
    client = served.client(served.principal(NAME, OURS).text)
    gateway = Gateway(client, scope=OURS, actor=Actor(kind="agent", id="model"))
    assert gateway.register(workspace.sources[0])
    [event] = served.ledger.events(types=["source.ingested"])
    assert event.header.actor == BOT
    abroad = Gateway(client, scope=THEIRS, actor=BOT)
    with pytest.raises(NotAuthorisedError, match="acts in mutual/desk"):
        abroad.register(workspace.sources[1])


def test_a_whole_run_with_a_token_and_no_files(
    served: Served,
    workspace: Workspace,
    model: ScriptedModel,
    tmp_path: Path,
    make_watcher: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    activate_policy(served.ledger, load_policy("default"), ANN)
    scope = workspace.settings.scope
    token = served.principal(NAME, scope, trust="internal")  # its workspace is to be believed
    monkeypatch.setenv("PALIMPSEST_URL", served.url)
    monkeypatch.setenv("PALIMPSEST_TOKEN", token.text)
    folder = tmp_path / "elsewhere"
    options = RunOptions(folder, load_policy("research"))
    summary = run(workspace, model, options, make_watcher())  # type: ignore[arg-type]
    assert not (folder / "ledger.duckdb").exists()
    state = served.ledger.state
    assert list(state.active(scope))
    assert state.active_policy == "default"
    authors = {entry.author for entry in state.entries.values()}
    assert authors == {BOT}
    assert summary.verified
    again = run(workspace, model, options, make_watcher())  # type: ignore[arg-type]
    assert again.verified
    assert served.ledger.state.entries.keys() == state.entries.keys()
