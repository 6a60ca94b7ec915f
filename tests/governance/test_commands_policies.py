"""``policy report`` and ``policy simulate`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from governance import cli, review
from governance.events import EntryApproved, EntryRejected
from governance.ledger import Ledger
from governance.policy import load_policy
from tests.governance.desk import QUOTES, Desk
from tests.governance.drafts import ANN, StepClock
from tests.governance.test_worth import OTHER, Reviewed, useless

RUNNER = CliRunner()


def run(*args: str, code: int = 0) -> str:
    result = RUNNER.invoke(cli.app, list(args))
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result.stdout


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


def reviewed(home: Path) -> Reviewed:
    made = Reviewed.__new__(Reviewed)
    made.ledger, made.made = Ledger.open(home, create=True, clock=StepClock()), 0
    from tests.governance.drafts import append, source

    append(made.ledger, source())
    made.activate("a" * 64)
    return made


def test_a_report_of_nothing(home: Path) -> None:
    Ledger.open(home, create=True, clock=StepClock()).close()
    assert "nobody has decided" in run("policy", "report", "--home", str(home))


def test_a_report_of_what_people_decided(home: Path) -> None:
    made = reviewed(home)
    useless(made)
    made.decide(EntryApproved, policy=OTHER)
    made.ledger.close()
    shown = run("policy", "report", "--home", str(home))
    assert "non-informative" in shown
    assert "10 of 20" in shown
    assert "50 [30, 70]" in shown
    assert OTHER[:12] in shown
    assert "recorded" not in shown
    recorded = run("policy", "report", "--record", "--actor", "human:ann", "--home", str(home))
    assert "recorded: conflict is non-informative" in recorded
    assert "no rule may allow an entry on: conflict" in recorded
    found: dict[str, Any] = json.loads(run("policy", "report", "--json", "--home", str(home)))
    assert found["non_informative"] == ["conflict"]
    assert found["recorded"] == []
    [conflict] = [
        one for one in found["verifiers"]
        if one["verifier"] == "conflict" and one["policy_name"] == "default"
    ]  # fmt: skip
    assert (conflict["bad"], conflict["bad_flagged"], conflict["standing"]) == (
        20, 10, "non-informative",
    )  # fmt: skip
    assert conflict["gain"]["low"] < 0 < conflict["gain"]["high"]
    assert EntryRejected.event_type == "entry.rejected"


def test_a_simulation(home: Path) -> None:
    desk = Desk(ledger=Ledger.open(home, create=True, clock=StepClock()))
    review.activate_policy(desk.ledger, load_policy("default"), ANN)
    for attribute, value in QUOTES:
        desk.fact(attribute, value)
    head = desk.ledger.head.seq
    desk.ledger.close()
    shown = run("policy", "simulate", "strict", "--home", str(home))
    assert "3 of 8 proposals would be decided otherwise" in shown
    assert "allow by routine" in shown
    assert "review by everything-else" in shown
    same = run("policy", "simulate", "default", "--home", str(home))
    assert "0 of 8 proposals" in same
    assert "allow by routine" not in same
    none = run("policy", "simulate", "strict", "--since", str(head + 1), "--home", str(home))
    assert none.splitlines()[-1] == "0 of 0 proposals would be decided otherwise"
    found: dict[str, Any] = json.loads(
        run("policy", "simulate", "strict", "--json", "--home", str(home))
    )
    assert (found["policy"], found["decided"], found["unreadable"]) == ("strict", 8, 0)
    assert {"before": "allow", "after": "review", "entries": 3} in found["moves"]
    assert found["changes"][0]["before"] == {"outcome": "allow", "rule_id": "routine"}
    with Ledger.open(home, clock=StepClock()) as ledger:
        assert ledger.head.seq == head


def test_long_lists_are_cut_and_say_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from governance.commands import policies
    from governance.simulate import Replayed, Simulation, Verdict
    from tests.governance.drafts import HERE

    changes = tuple(
        Replayed(seq, f"e{seq}", 1, "fact", HERE, None, Verdict("deny", "r")) for seq in range(60)
    )
    found = Simulation("p", "d" * 64, 60, 2, {("none", "deny"): 60}, changes)
    monkeypatch.setattr("governance.simulate.simulate", lambda *_, **__: found)
    Ledger.open(home, create=True, clock=StepClock()).close()
    shown = run("policy", "simulate", "strict", "--home", str(home))
    assert f"and {60 - policies._SHOWN} more" in shown
    assert "no policy" in shown
    assert "2 proposals were erased" in shown
    found_json = json.loads(run("policy", "simulate", "strict", "--json", "--home", str(home)))
    assert found_json["changes"][0]["before"] is None
