"""``principal``, ``token`` and ``key`` as a person uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from governance import cli
from governance.access import Token, recognise
from governance.events import Scope
from governance.ledger import Ledger
from tests.governance.drafts import StepClock

RUNNER = CliRunner()


@pytest.fixture
def made(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("PALIMPSEST_HOME", str(home))
    monkeypatch.delenv("PALIMPSEST_ACTOR", raising=False)
    Ledger.open(home, create=True, clock=StepClock()).close()
    return home


def run(*args: str, code: int = 0) -> Result:
    result = RUNNER.invoke(cli.app, list(args))
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def test_a_principal_gets_a_token_and_loses_it(made: Path) -> None:
    added = run("principal", "add", "agent:desk", "--scope", "mutual/desk").stdout
    assert added == "agent:desk acts in mutual/desk, trusted as unknown\n"
    assert "already" in run("principal", "add", "agent:desk", "--scope", "mutual/desk").stdout
    issued = run("token", "issue", "agent:desk", "--days", "7")
    token = Token.parse(issued.stdout.strip())
    assert token is not None
    assert "not shown again" in issued.stderr
    with Ledger.open(made) as ledger:
        principal = recognise(token, ledger.state, 0)
        assert principal.bounds == Scope(tenant="mutual", agent="desk")
    assert "valid" in run("token", "list").stdout
    assert token.secret not in run("token", "list").stdout
    run("token", "revoke", token.token_id, "--reason", "lost")
    assert "revoked" in run("token", "list").stdout
    again = run("token", "revoke", token.token_id, code=2)
    assert "revoked already" in again.stderr


def test_a_principal_is_trusted_as_far_as_an_admin_says(made: Path) -> None:
    add = ("principal", "add", "agent:desk", "--scope", "mutual/desk")
    refused = run(*add, "--trust", "boundless", code=2)
    assert "trusted or internal or customer or unknown" in refused.stderr
    assert "trusted as customer" in run(*add, "--trust", "customer").stdout
    assert "trusted as customer already" in run(*add).stdout
    assert "trusted as unknown\n" in run(*add, "--trust", "unknown").stdout
    with Ledger.open(made) as ledger:
        assert ledger.state.trusted["agent:desk"] == "unknown"


def test_everything_for_machines(made: Path) -> None:
    del made

    def machine(*args: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(run(*args, "--json").stdout)
        return found

    run("role", "grant", "human:ann", "admin")
    added = machine("principal", "add", "human:ana", "--scope", "mutual/desk/u1")
    assert added == {
        "principal": "human:ana", "scope": "mutual/desk/u1", "trust": "internal", "changed": True,
    }  # fmt: skip
    issued = machine("token", "issue", "human:ana")
    run("role", "grant", "human:ana", "reviewer")
    assert machine("principal", "list") == {
        "principals": [
            {"principal": "human:ana", "scope": "mutual/desk/u1", "trust": "internal",
             "roles": ["reviewer"], "tokens": 1}
        ]
    }  # fmt: skip
    assert machine("token", "list")["tokens"] == [
        {"id": issued["id"], "principal": "human:ana", "standing": "valid", "expires_at_us": None}
    ]
    assert machine("token", "revoke", str(issued["id"])) == {"id": issued["id"], "revoked": True}
    assert "human:ana" in run("principal", "list").stdout
    assert "never" in run("token", "list").stdout
    rotated = machine("key", "rotate", "--reason", "yearly")
    assert rotated["old_key"] != rotated["new_key"]


def test_the_key_is_rotated_by_an_admin_and_the_log_still_verifies(made: Path) -> None:
    before = made / "checkpoints"
    assert before.is_dir()
    run("role", "grant", "human:ann", "admin")
    assert "checkpoints are signed by" in run("key", "rotate", "--reason", "yearly").stdout
    run("verify")
    refused = run("key", "rotate", "--reason", "no", "--actor", "human:bob", code=4)
    assert "role admin" in refused.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("principal", "add", "robot", "--scope", "a/b"), 2, "is not a principal"),
        (("principal", "add", "agent:x", "--scope", "a"), 2, "not a scope"),
        (("token", "issue", "agent:nobody"), 2, "is not registered"),
        (("token", "revoke", "none"), 2, "never issued"),
    ],
)
def test_mistakes_are_named(made: Path, args: tuple[str, ...], code: int, words: str) -> None:
    assert words in run(*args, code=code).stderr
    with Ledger.open(made) as ledger:
        assert ledger.head.seq == 0
