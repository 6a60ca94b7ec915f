"""``signer``, ``review approve --sign`` and what ``verify`` says of signatures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from governance import cli, memory_target
from governance.errors import ChainError
from governance.events import DecisionSigned
from governance.ledger import Ledger
from tests.governance.desk import DESK, Desk
from tests.governance.drafts import ANN, StepClock, draft


@pytest.fixture
def desk(home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("PALIMPSEST_HOME", str(home))
    monkeypatch.delenv("PALIMPSEST_ACTOR", raising=False)
    monkeypatch.setattr(memory_target, "load_target", lambda _: None)
    with Ledger.open(home, create=True, clock=StepClock()) as ledger:
        made = Desk(ledger=ledger)
        return {
            "plumber": made.fact("plumber", "Wexler Plumbing").entry_id,
            "garage": made.fact("garage", "Pedal House").entry_id,
        }


def run(*args: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli.app, list(args))
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def data(*args: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*args, "--json", code=code).stdout)
    return found


def status(home: Path, entry_id: str) -> str:
    with Ledger.open(home, read_only=True) as ledger:
        return ledger.state.entries[entry_id].status


def test_a_reviewer_signs_an_approval(
    desk: dict[str, str], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = str(tmp_path / "ann.key")
    monkeypatch.setenv("ANN_PASS", "correct horse")
    locked = ("--passphrase-env", "ANN_PASS")
    assert "register" in run("signer", "new", key, *locked).stdout
    approve = ("review", "approve", desk["plumber"], "--reason", "known-true", "--sign", key)
    assert "has not registered" in run(*approve, *locked, code=4).stderr
    assert status(home, desk["plumber"]) == "verified"  # not approved without its signature
    run("signer", "register", "--key", f"{key}.pub", "--name", "Ann Meyer")
    run(*approve, *locked)
    assert status(home, desk["plumber"]) in {"approved", "active"}  # as the policy's terms have it
    assert "signatures of reviewers: 1 checked, all hold" in run("verify").stdout
    assert data("verify")["signatures"] == 1
    assert "Ann Meyer" in run("signer", "list").stdout
    run("review", "reject", desk["garage"], "--reason", "injection")
    assert "signed event" in run("signer", "sign", desk["garage"], "--key", key, *locked).stdout
    run("signer", "withdraw", "--reason", "lost")
    assert "withdrawn" in run("signer", "list").stdout
    assert data("verify")["signatures"] == 2


def test_everything_for_machines(desk: dict[str, str], tmp_path: Path) -> None:
    key = str(tmp_path / "bob.key")
    made = data("signer", "new", key)
    assert made == {"file": key, "key": made["key"], "encrypted": False}
    run("role", "grant", "human:ann", "admin")
    run("role", "grant", "human:bob", "reviewer")
    whose = ("--principal", "bob")
    added = data("signer", "register", "--key", key, "--name", "Bob", *whose)
    assert (added["principal"], added["key"]) == ("human:bob", made["key"])
    run("review", "reject", desk["garage"], "--reason", "injection", "--actor", "bob")
    sign = data("signer", "sign", desk["garage"], "--key", key, "--actor", "bob")
    assert sign["event"] > sign["decision"]
    assert data("signer", "list")["signers"] == [
        {"principal": "human:bob", "name": "Bob", "key": made["key"], "standing": "in force"}
    ]
    assert data("signer", "withdraw", *whose, "--reason", "left")["principal"] == "human:bob"


def test_a_passphrase_that_is_not_there_is_named(desk: dict[str, str], tmp_path: Path) -> None:
    del desk
    key = str(tmp_path / "ann.key")
    missing = run("signer", "new", key, "--passphrase-env", "NOT_SET_HERE", code=2)
    assert "NOT_SET_HERE" in missing.stderr
    assert not Path(key).exists()
    run("signer", "new", key)
    assert Path(key).exists()


def test_verify_names_a_signature_that_does_not_hold(
    desk: dict[str, str], home: Path, tmp_path: Path
) -> None:
    key = str(tmp_path / "ann.key")
    public = data("signer", "new", key)["key"]
    run("signer", "register", "--key", key, "--name", "Ann")
    run("review", "approve", desk["plumber"], "--reason", "known-true")
    assert data("verify")["ok"]
    with Ledger.open(home) as ledger:
        seq = ledger.state.entries[desk["plumber"]].decided_seq
        assert seq is not None
        payload = DecisionSigned(
            entry_id=desk["plumber"], version=1, decision_seq=seq, leaf=ledger.leaf(seq),
            meaning="m", name="Ann", key=public, signature="00" * 64,
        )  # fmt: skip
        event = ledger.append([draft(payload, ANN, DESK)]).last_seq
    found = data("verify", code=3)
    assert (found["ok"], found["first_bad"]) == (False, None)
    assert found["problems"][0].startswith(f"event {event}: the signature of human:ann")
    assert f"event {event}: the signature" in run("verify", code=3).stdout
    assert data("verify", "--no-payloads")["signatures"] is None


def test_signatures_that_cannot_be_read_are_no_success(
    desk: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del desk
    assert data("verify")["notices"] == []

    def broken(*_: object, **__: object) -> None:
        raise ChainError("the log was altered meanwhile")

    monkeypatch.setattr("governance.commands.inspection.open_ledger", broken)
    found = data("verify")
    assert found["signatures"] is None
    assert found["notices"] == [
        "the signatures of reviewers were not checked: the log was altered meanwhile"
    ]
