from __future__ import annotations

from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import ModelError
from agent.gateway import Gateway
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.scripted import ScriptedModel
from agent.relay import PatchEditor, RelayDriver, drift_pair, relevant_windows
from agent.workspace import Workspace
from governance.events import RelayScored
from governance.ledger import Ledger

NAME = "documents/payments.csv"


def relay(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, run_id: str = "run-1"
) -> list[object]:
    driver = RelayDriver(gateway, model)
    return list(
        driver.run(
            workspace.source(NAME), workspace.edits_of(NAME), seed=3, round_trips=2, run_id=run_id
        )
    )


def scored(ledger: Ledger) -> list[RelayScored]:
    payloads = [event.payload for event in ledger.events(types={"relay.scored"})]
    return [payload for payload in payloads if isinstance(payload, RelayScored)]


def test_a_perfect_editor_scores_one_and_every_step_is_an_event(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, ledger: Ledger
) -> None:
    steps = relay(gateway, model, workspace)
    assert len(steps) == 4
    (result,) = scored(ledger)
    assert [(one.k, one.score_ppm) for one in result.rs] == [(2, 1_000_000), (4, 1_000_000)]
    assert (result.applied_ppm, result.critical, result.errors) == (1_000_000, 0, 0)
    assert len(list(ledger.events(types={"relay.stepped"}))) == 4


def test_an_editor_that_does_nothing_is_never_a_pass(
    gateway: Gateway, workspace: Workspace, ledger: Ledger
) -> None:
    idle = ScriptedModel({}, dialect=BuiltinDialect(), default=" none")
    relay(gateway, idle, workspace)
    (result,) = scored(ledger)
    assert result.applied_ppm == 0
    assert all(one.score_ppm == 0 for one in result.rs)


def test_a_stopped_relay_goes_on_where_it_was(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, ledger: Ledger
) -> None:
    driver = RelayDriver(gateway, model)
    steps = driver.run(
        workspace.source(NAME), workspace.edits_of(NAME), seed=3, round_trips=2, run_id="run-1"
    )
    next(steps)
    assert isinstance(steps, Generator)
    steps.close()
    assert not scored(ledger)
    rest = relay(gateway, model, workspace)
    assert len(rest) == 3
    assert scored(ledger)[0].rs[-1].score_ppm == 1_000_000
    assert relay(gateway, model, workspace) == []
    assert len(scored(ledger)) == 1


def test_a_model_that_fails_leaves_the_relay_resumable(
    gateway: Gateway, model: ScriptedModel, workspace: Workspace, ledger: Ledger
) -> None:
    with pytest.raises(ModelError):
        relay(gateway, ScriptedModel({}, dialect=BuiltinDialect()), workspace)
    assert not list(ledger.events(types={"relay.stepped"}))
    assert len(relay(gateway, model, workspace)) == 4


def test_what_was_there_before_proves_no_edit(workspace: Workspace) -> None:
    (pair,) = workspace.edits_of(NAME)
    expect = drift_pair(pair, workspace.source(NAME).text).expect
    assert expect is not None
    assert (expect.appear, expect.disappear) == (("104.00",), ("96.50",))
    afterwards = drift_pair(pair, workspace.source(NAME).text.replace("96.50", "104.00")).expect
    assert afterwards is None


def test_only_the_part_an_instruction_names_is_shown_to_the_model(model: ScriptedModel) -> None:
    lines = [f"P-{number},Payee {number},{number}.50" for number in range(100, 140)]
    shown: list[str] = []

    def note(prompt: str) -> str:
        shown.append(prompt)
        return " P-131 : 131.50 => 7.25"

    editor = PatchEditor(ScriptedModel(note, dialect=BuiltinDialect()))
    edited = editor("\n".join(lines), "Change the amount of P-131 from 131.50 to 7.25.").document
    assert len(shown) == 1
    assert "P-131" in shown[0]
    assert edited.split("\n")[31] == "P-131,Payee 131,7.25"
    assert [a for a, b in zip(edited.split("\n"), lines, strict=True) if a != b] == [
        "P-131,Payee 131,7.25"
    ]


@given(count=st.integers(1, 60), size=st.integers(1, 20))
def test_windows_never_overlap_and_never_exceed_their_size(count: int, size: int) -> None:
    windows = relevant_windows([f"line {n}" for n in range(count)], "Sort everything.", size)
    assert [at for at, _ in windows] == list(range(0, count, size))
    assert all(0 < end - at <= size for at, end in windows)
    assert windows[-1][1] == count
