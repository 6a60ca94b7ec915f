"""``rollback`` as people run it, by one or by two."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from governance import cli, memory_target
from governance.events import PolicyActivated, PolicyTerms, Scope
from governance.ledger import EventDraft, Ledger
from governance.ports import Progress, Settled
from tests.governance.desk import Desk
from tests.governance.drafts import ANN
from tests.governance.target import Target

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


def test_what_became_of_the_adapters_is_said(
    fast_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = fast_path / "home"
    with Ledger.open(home, create=True) as ledger:
        desk = Desk(ledger)
        card = desk.card("deductible", "300 EUR").entry_id
        desk.build(card)
        with_card = str(ledger.head.seq)
    monkeypatch.setattr(memory_target, "load_target", lambda _: Settling())
    out_of_service = run(home, "rollback", "--to", "1")
    assert "rolled back to version 1" in out_of_service
    assert "cards" not in out_of_service  # nothing serves, so nothing is built
    text = run(home, "rollback", "--to", with_card)
    assert "shard new: abababababab, 2 cards, built\n" in text
    assert "shard same: cdcdcdcdcdcd, 1 cards, found in the store\n" in text
    assert "shard empty: no adapter, 0 cards, found in the store\n" in text
    run(home, "rollback", "--to", "1")
    done = data(home, "rollback", "--to", with_card)
    assert [(one["shard"], one["reused"]) for one in done["adapters"]] == [
        ("new", False), ("same", True), ("empty", True),
    ]  # fmt: skip


class Settling(Target):
    """Builds one adapter, finds another, and has a shard with nothing left in it."""

    def settle(self, scope: Scope, progress: Progress | None = None) -> Sequence[Settled]:
        return [
            Settled("new", "ab" * 32, 2, 2, reused=False),
            Settled("same", "cd" * 32, 1, 1, reused=True),
            Settled("empty", None, 0, 0, reused=True),
        ]
