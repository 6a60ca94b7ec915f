"""``palimpsest verify`` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from governance import cli
from governance.events import RoleGranted
from governance.ledger import Ledger
from tests.governance.desk import Desk
from tests.governance.drafts import StepClock, draft


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    with Ledger.open(folder, create=True, clock=StepClock()) as ledger:
        Desk(ledger=ledger).fact("deductible", "300 EUR")
        ledger.append([draft(RoleGranted(principal="ann", role="admin"))] * 9)
    return folder


def run(home: Path, *args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli.app, [*args, "--home", str(home)])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def data(home: Path, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(home, *args, "--json").stdout)
    return found


def test_verify_names_the_first_bad_event(home: Path) -> None:
    whole = data(home, "verify")
    assert whole["ok"]
    assert (whole["first_bad"], whole["problems"], whole["notices"]) == (None, [], [])
    assert (whole["payloads"], whole["unsigned"]) == (whole["events"], 0)
    quick = data(home, "verify", "--no-payloads")
    assert quick == whole | {"payloads": None, "erased": None, "signatures": None}
    with duckdb.connect(str(home / "ledger.duckdb")) as database:
        database.execute("UPDATE event SET subject = 'entry:\u202e' WHERE seq IN (4, 9)")
    result = run(home, "verify", code=3)
    assert "first bad event: 4\n" in result.stdout
    assert "event 4: column subject says" in result.stdout
    assert "\u202e" not in result.stdout
    found = json.loads(run(home, "verify", "--json", "--no-payloads", code=3).stdout)
    assert found["first_bad"] == 4


def test_verify_tells_oddities_and_how_far_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(home, "verify").stderr == ""
    monkeypatch.setattr("governance.commands.inspection.PROGRESS_EVERY_S", 0)
    with Ledger.open(home) as ledger:
        ledger.append([draft(RoleGranted(principal="late", role="admin"))])
        events = ledger.head.seq
    with Ledger.open(home, clock=StepClock()) as ledger:
        ledger.append([draft(RoleGranted(principal="early", role="admin"))])
    result = run(home, "verify")
    assert f"notice: event {events + 1}: the clock went back by " in result.stdout
    assert f"{events + 1} events checked" in result.stderr
