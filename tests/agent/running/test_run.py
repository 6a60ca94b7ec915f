from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.answering import Answerer, Asked
from agent.errors import AgentError, WorkspaceError
from agent.gateway import Gateway
from agent.models.builtin.dialect import NOTES, BuiltinDialect
from agent.models.scripted import ScriptedModel
from agent.run import RunOptions, ask_home, run
from agent.summary import Summary
from agent.target import AgentMemory, remembered_model
from agent.workspace import Workspace, load_workspace
from governance import review
from governance.cli import app, load_commands
from governance.errors import PolicyError, StoreError
from governance.events import Actor, FactBody, MemoryRecalled, OutcomeRecorded
from governance.ledger import Ledger
from governance.policy import load_policy

PERSON = Actor(kind="human", id="rosa")


@pytest.fixture
def options(tmp_path: Path) -> RunOptions:
    return RunOptions(tmp_path / "home", load_policy("default"))


def results(summary: Summary) -> Summary:
    """Without what may differ between equal runs: time, keys and event ids."""
    return replace(summary, seconds=0.0, root="", head=0)


def test_a_run_learns_answers_relays_and_verifies(
    workspace: Workspace,
    model: ScriptedModel,
    options: RunOptions,
    make_watcher: Callable[..., Any],
) -> None:
    watcher = make_watcher()
    summary = run(workspace, model, options, watcher)
    assert watcher.stages == ["Ingest", "Learn", "Answer", "Relay", "Verify"]
    assert summary.verified
    assert summary.arms.keys() == {"none", "external"}  # a script has no weights to adapt
    assert (summary.arms["none"].em, summary.arms["external"].em) == (0.5, 1.0)
    (relayed,) = summary.relay
    assert (relayed.rs, relayed.applied) == ({2: 1.0, 4: 1.0}, 1.0)


def test_the_json_has_the_documented_keys(
    workspace: Workspace,
    model: ScriptedModel,
    options: RunOptions,
    make_watcher: Callable[..., Any],
) -> None:
    found = json.loads(json.dumps(run(workspace, model, options, make_watcher()).to_json()))
    assert found.keys() == {
        "ledger", "entries", "shards", "adapters", "arms", "relay", "seconds", "model",
    }  # fmt: skip
    assert found["ledger"].keys() == {"head", "root", "verified"}
    assert found["entries"].keys() == {"by_status", "by_kind"}
    assert {"n", "em", "f1", "ci"} <= found["arms"]["external"].keys()
    assert {"document", "rs", "applied", "critical"} <= found["relay"][0].keys()
    assert found["model"].keys() == {"id", "digest"}


def test_a_second_run_changes_nothing(
    workspace: Workspace,
    model: ScriptedModel,
    options: RunOptions,
    make_watcher: Callable[..., Any],
) -> None:
    first = run(workspace, model, options, make_watcher())
    asked = len(model.calls)
    second = run(workspace, model, options, make_watcher())
    assert replace(second, seconds=0.0) == replace(first, seconds=0.0)
    assert len(model.calls) == asked


@pytest.mark.parametrize(
    ("stage", "step"), [("Ingest", 2), ("Learn", 1), ("Learn", 2), ("Answer", 3), ("Relay", 2)]
)
def test_a_run_stopped_anywhere_is_continued_by_the_same_command(
    workspace: Workspace,
    model: ScriptedModel,
    options: RunOptions,
    make_watcher: Callable[..., Any],
    tmp_path: Path,
    stage: str,
    step: int,
) -> None:
    watcher = make_watcher(stop=lambda at, count: (at, count) == (stage, step))
    with pytest.raises(KeyboardInterrupt):
        run(workspace, model, options, watcher)
    with Ledger.open(options.home) as ledger:
        assert ledger.verify().ok
    continued = run(workspace, model, options, make_watcher())
    whole = run(workspace, model, replace(options, home=tmp_path / "whole"), make_watcher())
    assert results(continued) == results(whole)


def test_a_changed_memory_is_asked_again(
    workspace: Workspace,
    model: ScriptedModel,
    options: RunOptions,
    make_watcher: Callable[..., Any],
) -> None:
    before = run(workspace, model, options, make_watcher())
    with Ledger.open(options.home) as ledger:
        (entry,) = (
            one
            for one in ledger.state.active(workspace.settings.scope)
            if isinstance(one.body, FactBody) and one.body.attribute == "adjuster"
        )
        review.quarantine(
            ledger, entry.entry_id, actor=PERSON, reason_code="suspected-wrong",
            expected_version=entry.version, expected_digest=entry.content_digest,
        )  # fmt: skip
    after = run(workspace, model, options, make_watcher())
    assert before.arms["external"].em == 1.0
    assert after.arms["external"].em == 0.5


def test_only_active_entries_reach_a_prompt(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, ledger: Ledger
) -> None:
    from agent.program import Learner, chunks

    for source in workspace.transcripts:
        for chunk in chunks(source, model, 32):
            Learner(gateway, model).learn(chunk)
    waiting = {e.body.statement for e in ledger.state.queue(gateway.scope) if e.body.kind == "fact"}
    acting = {e.body.statement for e in ledger.state.active(gateway.scope) if e.body.kind == "fact"}
    assert waiting
    assert acting
    home_memory = AgentMemory(ledger, model)
    answerer = Answerer(gateway, model, home_memory)
    for entry in ledger.state.entries.values():
        if isinstance(entry.body, FactBody):
            question = f"What is the {entry.body.attribute} of {entry.body.topic}?"
            answerer.ask(Asked("t", question, ("x",)), "external", run_id="r")
    prompts = [prompt for prompt in model.calls if prompt.startswith(NOTES)]
    assert any(statement in prompt for prompt in prompts for statement in acting)
    assert not any(statement in prompt for prompt in prompts for statement in waiting)


def test_every_answer_leaves_a_recall_and_an_outcome(
    workspace: Workspace,
    model: ScriptedModel,
    options: RunOptions,
    make_watcher: Callable[..., Any],
) -> None:
    run(workspace, model, options, make_watcher())
    with Ledger.open(options.home) as ledger:
        payloads = [event.payload for event in ledger.events()]
    outcomes = [one for one in payloads if isinstance(one, OutcomeRecorded)]
    recalls = [one for one in payloads if isinstance(one, MemoryRecalled) and one.entries]
    assert len(outcomes) == 2 * len(workspace.questions)
    assert all(one.purpose == "answer" for one in recalls)
    (right,) = [one for one in outcomes if one.arm == "external" and one.task_id == "q1"]
    assert (right.answer, right.exact, right.f1_ppm) == ("Ilse Marwood", True, 1_000_000)


def test_asking_a_home(
    workspace: Workspace,
    model: ScriptedModel,
    options: RunOptions,
    make_watcher: Callable[..., Any],
) -> None:
    run(workspace, model, options, make_watcher())
    question = "What is the adjuster of claim CL-1?"
    known = ask_home(options.home, question, "external", model)
    assert (known.answer, len(known.notes) > 0) == ("Ilse Marwood", True)
    assert ask_home(options.home, question, "none", model).answer == "unknown"
    with pytest.raises(AgentError, match="unknown arm"):
        ask_home(options.home, question, "telepathy", model)


def test_a_gateway_without_a_policy_proposes_nothing(
    ledger: Ledger, gateway: Gateway, model: ScriptedModel, workspace: Workspace
) -> None:
    from agent.program import Learner, chunks

    bare = Gateway(ledger, scope=gateway.scope, actor=Actor(kind="agent", id="a"))
    (chunk,) = chunks(workspace.transcripts[0], model, 10_000)
    with pytest.raises(PolicyError):
        Learner(bare, model).learn(chunk)
    assert Learner(gateway, model).learn(chunk).proposed > 0


def test_the_home_remembers_its_model(tmp_path: Path) -> None:
    from agent.target import remember_model

    assert remembered_model(tmp_path) == "builtin"
    remember_model(tmp_path, "local:models/own")
    assert remembered_model(tmp_path) == "local:models/own"


# --- the command line -------------------------------------------------------------------


@pytest.fixture
def palimpsest() -> Callable[..., tuple[int, str]]:
    load_commands()
    runner = CliRunner()

    def call(*arguments: str) -> tuple[int, str]:
        result = runner.invoke(app, list(arguments))
        return result.exit_code, result.output

    return call


def test_bad_input_is_one_line_with_a_hint(
    palimpsest: Callable[..., tuple[int, str]], tmp_path: Path, desk: Path
) -> None:
    home = str(tmp_path / "home")
    empty = tmp_path / "empty"
    empty.mkdir()
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    cases = {
        ("run", str(tmp_path / "nowhere"), "--home", home): 2,
        ("run", str(empty), "--home", home): 2,
        ("run", "--home", home): 2,
        ("run", str(desk), "--limit", "3", "--home", home): 2,
        ("run", "--source", str(tmp_path / "no.jsonl"), "--home", home): 2,
        ("run", str(desk), "--home", home, "--policy", "lenient"): 2,
        ("run", str(desk), "--home", home, "--model", "magic"): 5,
        ("run", str(desk), "--home", home, "--model", f"local:{tmp_path}/nothing"): 5,
        ("run", str(desk), "--home", str(blocked / "home"), "--model", "builtin"): 5,
        ("ask", "Who?", "--home", home): 5,
    }
    for arguments, expected in cases.items():
        code, output = palimpsest(*arguments)
        assert code == expected, (arguments, output)
        assert "error:" in output, (arguments, output)
        assert "hint:" in output, (arguments, output)
        assert "Traceback" not in output
    assert not Path(home).exists()


def test_strict_refuses_what_a_lenient_run_reports(
    palimpsest: Callable[..., tuple[int, str]], desk: Path, tmp_path: Path
) -> None:
    broken = desk / "transcripts" / "b.jsonl"
    broken.write_text(broken.read_text() + "{not json\n")
    with pytest.raises(WorkspaceError, match=r"b\.jsonl:4"):
        load_workspace(desk, strict=True)
    assert any("b.jsonl:4" in str(one) for one in load_workspace(desk, strict=False).problems)
    code, output = palimpsest("run", str(desk), "--strict", "--home", str(tmp_path / "home"))
    assert code == 2
    assert "b.jsonl:4" in output


def test_a_home_that_is_open_elsewhere_is_refused(
    workspace: Workspace,
    model: ScriptedModel,
    options: RunOptions,
    make_watcher: Callable[..., Any],
) -> None:
    blocked = replace(options, home=options.home.parent / "file" / "home")
    (options.home.parent / "file").write_text("in the way")
    with pytest.raises(StoreError):
        run(workspace, model, blocked, make_watcher())
    assert run(workspace, model, options, make_watcher()).verified


def test_an_endpoint_that_cannot_be_reached_leaves_no_home(
    palimpsest: Callable[..., tuple[int, str]], desk: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    code, output = palimpsest(
        "run", str(desk), "--home", str(home), "--model", "endpoint:http://127.0.0.1:9#m"
    )
    assert code == 5, output
    assert "hint:" in output
    assert not home.exists()


def test_the_dialect_of_the_script_is_the_builtin_one(model: ScriptedModel) -> None:
    assert isinstance(model.dialect, BuiltinDialect)
