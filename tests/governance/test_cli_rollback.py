"""``rollback`` by two people, as they run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from governance import cli
from governance.events import PolicyActivated, PolicyTerms
from governance.ledger import EventDraft, Ledger
from tests.governance.desk import Desk
from tests.governance.drafts import ANN

RUNNER = CliRunner()


def run(home: Path, *arguments: str, code: int = 0) -> str:
    result = RUNNER.invoke(cli.app, [*arguments, "--home", str(home)])
    assert result.exit_code == code, result.output
    return result.output


def data(home: Path, *arguments: str) -> Any:  # what a command printed
    return json.loads(run(home, *arguments, "--json"))


def test_one_asks_another_accepts(fast_path: Path) -> None:
    home = fast_path / "home"
    with Ledger.open(home, create=True) as ledger:
        desk = Desk(ledger)
        terms = PolicyTerms(rollback_people=2)
        payload = PolicyActivated(name="default", digest="d", text="t", terms=terms)
        ledger.append([EventDraft(payload, ANN)])
        then = ledger.head.seq
        desk.fact("deductible", "300 EUR")
    back = ("rollback", "--to", str(then), "--actor", "ann")
    assert data(home, *back, "--dry-run")["requested"] is None
    assert "asked for; nothing has changed yet" in run(home, *back)
    (first,) = data(home, *back)["requested"]["ids"]
    assert [one["status"] for one in data(home, "rollback", "list")["rollbacks"]] == [
        "lapsed", "requested",
    ]  # fmt: skip
    no = ("rollback", "decline", first, "--actor", "bob", "--comment", "not now")
    assert "declined; nothing has changed" in run(home, *no)
    (second,) = data(home, *back)["requested"]["ids"]
    taken_back = data(home, "rollback", "decline", second, "--actor", "ann")
    assert taken_back == {"rollback_id": second, "status": "declined"}
    (first,) = data(home, *back)["requested"]["ids"]
    assert "may not accept it" in run(home, "rollback", "accept", first, "--actor", "ann", code=4)
    done = data(home, "rollback", "accept", first, "--actor", "bob")
    assert done["plans"][0]["to_seq"] == then
    assert "human:bob" in json.dumps(data(home, "rollback", "list"))
    assert first in run(home, "rollback", "list")
    assert "already" in run(home, "rollback", "accept", first, "--actor", "bob", code=4)
    assert data(home, "verify")["ok"]


def test_a_version_must_be_named(fast_path: Path) -> None:
    home = fast_path / "home"
    with Ledger.open(home, create=True) as ledger:
        Desk(ledger)
    assert "no version was named" in run(home, "rollback", code=2)
    assert "already stands" in run(home, "rollback", "--to", "1", code=4)
