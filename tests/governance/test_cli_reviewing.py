"""``review`` as a person runs it: whose an entry is, what a decision still takes, many at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner, Result

from governance import cli, memory_target
from governance.events import EntryQuarantined, ReviewClaimed
from governance.ledger import Ledger
from governance.review import activate_policy
from tests.governance.desk import DESK, Desk, at_once, policy_with
from tests.governance.drafts import ANN, EPOCH_US, StepClock, draft
from tests.governance.target import Target

RUNNER = CliRunner()
BOB = ("--actor", "bob")
TRUE = ("--reason", "known-true")
LATER_S = 3600
"""No test takes so long that an approval acts meanwhile."""

Filled: TypeAlias = Callable[..., tuple[Path, dict[str, str]]]


@pytest.fixture(autouse=True)
def target(monkeypatch: pytest.MonkeyPatch) -> type[Target]:
    monkeypatch.setenv("PALIMPSEST_ACTOR", "human:ann")
    monkeypatch.delenv("PALIMPSEST_HOME", raising=False)
    monkeypatch.setattr(Target, "calls", [])
    monkeypatch.setattr(memory_target, "load_target", lambda _: Target())
    return Target


@pytest.fixture
def filled(home: Path) -> Filled:
    """A home under a policy that asks these terms, with two entries that wait."""

    def fill(**terms: object) -> tuple[Path, dict[str, str]]:
        with Ledger.open(home, create=True, clock=StepClock()) as ledger:
            policy = policy_with(bulk_risk=0.99, **terms)
            activate_policy(ledger, policy, ANN)
            desk = Desk(ledger=ledger, policy=policy)
            desk.fact("adjuster", "Hugo Bancroft", policy=at_once("default"))
            names = {"plumber": "Wexler Plumbing", "adjuster": "Ilse Marwood"}
            return home, {one: desk.fact(one, names[one]).entry_id for one in names}

    return fill


def run(home: Path, *args: str, code: int = 0) -> Result:
    result = RUNNER.invoke(cli.app, ["review", *args, "--home", str(home)])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def data(home: Path, *args: str) -> Any:
    return json.loads(run(home, *args, "--json").stdout)


def status(home: Path, entry_id: str) -> str:
    with Ledger.open(home, read_only=True) as ledger:
        return ledger.state.entries[entry_id].status


def listed(home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "250")
    return run(home, "list").stdout


# --- claims -----------------------------------------------------------------------------


def test_a_claim_keeps_others_away_until_it_is_released(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, ids = filled()
    text = run(home, "claim", ids["plumber"]).stdout
    assert f"{ids['plumber']} is verified" in text
    assert "; human:ann decides on it until 20" in text
    shown = listed(home, monkeypatch)
    assert shown.count("claimed by human:ann") == 1
    wrong = ("--reason", "wrong")
    for verb, *why in (("claim",), ("release",), ("approve", *TRUE), ("reject", *wrong)):
        refused = run(home, verb, ids["plumber"], *why, *BOB, code=4)
        assert "human:ann is deciding" in refused.stderr
    assert run(home, "release", ids["plumber"]).stdout.endswith(")\n")
    assert "claimed" not in listed(home, monkeypatch)
    run(home, "approve", ids["plumber"], *TRUE, *BOB)
    assert status(home, ids["plumber"]) == "approved"


def test_a_claim_that_is_over_is_told_no_more(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, ids = filled()
    with Ledger.open(home, clock=StepClock()) as ledger:
        until = EPOCH_US + 600_000_000
        over = ReviewClaimed(entry_id=ids["plumber"], version=1, until_us=until)
        ledger.append([draft(over, ANN, DESK)])
    assert "claimed" not in listed(home, monkeypatch)
    assert "decides on it" not in run(home, "comment", ids["plumber"], "asked Emeka", *BOB).stdout
    assert "human:bob decides on it" in run(home, "claim", ids["plumber"], *BOB).stdout
    assert "claimed by human:bob" in listed(home, monkeypatch)


def test_only_what_waits_is_claimed_and_only_by_somebody(filled: Filled) -> None:
    home, ids = filled()
    run(home, "reject", ids["adjuster"], "--reason", "wrong")
    assert "waits for nobody" in run(home, "claim", ids["adjuster"], code=4).stderr
    assert "does not exist" in run(home, "claim", "nothing", code=2).stderr
    assert "not a person" in run(home, "claim", ids["plumber"], "--actor", "agent:b", code=2).stderr
    assert data(home, "claim", ids["plumber"])["status"] == "verified"


# --- assignment -------------------------------------------------------------------------


def test_somebody_is_asked(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    home, ids = filled()
    assert "not a person" in run(home, "assign", ids["plumber"], "agent:bot", code=2).stderr
    assert "for human:bob" not in listed(home, monkeypatch)
    assert data(home, "assign", ids["plumber"], "human:bob")["status"] == "verified"
    assert listed(home, monkeypatch).count("for human:bob") == 1
    mine = data(home, "list", "--mine", *BOB)
    assert [one["entry_id"] for one in mine["entries"]] == [ids["plumber"]]
    assert data(home, "list", "--mine")["waiting"] == 0
    assert data(home, "list")["waiting"] > 1
    run(home, "claim", ids["plumber"], *BOB)
    assert "claimed by human:bob, for human:bob" in listed(home, monkeypatch)
    other = next(one["entry_id"] for one in data(home, "list")["entries"]
                 if one["entry_id"] != ids["plumber"])  # fmt: skip
    run(home, "claim", other)
    assert [one["entry_id"] for one in data(home, "list", "--mine")["entries"]] == [other]


# --- what a decision still takes --------------------------------------------------------


def test_an_approval_says_when_it_acts_and_how_to_take_it_back(filled: Filled) -> None:
    home, ids = filled(approval_delay_s=LATER_S)
    text = run(home, "approve", ids["plumber"], *TRUE).stdout
    assert f"{ids['plumber']} is approved" in text
    assert f"until then: palimpsest review withdraw {ids['plumber']}" in text
    refused = run(home, "withdraw", ids["plumber"], *BOB, code=4)
    assert "human:ann decided" in refused.stderr
    assert run(home, "withdraw", ids["plumber"], "--comment", "too quick").stdout.startswith(
        f"{ids['plumber']} is verified"
    )
    assert "nothing to withdraw" in run(home, "withdraw", ids["plumber"], code=4).stderr
    found = data(home, "approve", ids["plumber"], *TRUE)
    assert found["acts_from_us"] > EPOCH_US


def test_an_approval_that_acts_at_once_says_no_more(filled: Filled) -> None:
    home, ids = filled(approval_delay_s=0)
    text = run(home, "approve", ids["plumber"], *TRUE).stdout
    assert text.startswith(f"{ids['plumber']} is active (version ")
    assert text.endswith(")\n")


def test_an_approval_that_is_to_be_signed_says_so(filled: Filled) -> None:
    home, ids = filled(signed="true")
    text = run(home, "approve", ids["plumber"], *TRUE).stdout
    assert "; it acts once it is signed" in text


def test_the_first_of_two_people_is_told_and_shown(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, ids = filled(two_people="true", approval_delay_s=0)
    run(home, "claim", ids["plumber"])
    assert "; another reviewer must agree" in run(home, "approve", ids["plumber"], *TRUE).stdout
    assert "human:ann agreed" in listed(home, monkeypatch)
    assert "is the first" in run(home, "approve", ids["plumber"], *TRUE, code=4).stderr
    run(home, "approve", ids["plumber"], *TRUE, *BOB)
    assert status(home, ids["plumber"]) == "active"


def test_what_became_of_the_adapters_is_told(home: Path, target: type[Target]) -> None:
    with Ledger.open(home, create=True, clock=StepClock()) as ledger:
        desk = Desk(ledger=ledger)
        waiting = desk.card("plumber", "Wexler Plumbing").entry_id
        fact = desk.fact("adjuster", "Hugo Bancroft").entry_id
        assert desk.status(waiting) == "verified"
    text = run(home, "quarantine", fact, "--reason", "suspected-wrong").stdout
    assert "shard" not in text
    text = run(home, "approve", waiting, *TRUE).stdout
    assert "shard shard: abababababab built" in text
    assert target.calls == ["mutual/desk"]


# --- many at once -----------------------------------------------------------------------


def test_many_are_approved_or_none(filled: Filled) -> None:
    home, ids = filled(approval_delay_s=LATER_S)
    both = [ids["plumber"], ids["adjuster"]]
    with Ledger.open(home, clock=StepClock()) as ledger:
        entry = ledger.state.entries[ids["adjuster"]]
        apart = EntryQuarantined(
            entry_id=entry.entry_id, version=1, content_digest=entry.content_digest,
            reason_code="suspected-wrong",
        )  # fmt: skip
        ledger.append([draft(apart, ANN, DESK)])
    assert "is quarantined" in run(home, "many", "approve", *both, *TRUE, code=4).stderr
    assert status(home, ids["plumber"]) == "verified"
    text = run(home, "many", "approve", ids["plumber"], *TRUE).stdout
    assert text == f"{ids['plumber']} is approved\n"


def test_many_are_rejected(filled: Filled) -> None:
    home, ids = filled()
    found = data(home, "many", "reject", *ids.values(), "--reason", "wrong")
    assert found["entries"] == dict.fromkeys(ids.values(), "rejected")
    assert found["receipt"]["last_seq"] > found["receipt"]["first_seq"]
    assert data(home, "list")["waiting"] == 0


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("perhaps", "{plumber}", *TRUE), 4, "no verdict"),
        (("approve", "nothing", *TRUE), 2, "does not exist"),
        (("approve", "{plumber}", "{plumber}", *TRUE), 4, "chosen twice"),
        (("approve", "{plumber}", "--reason", "because"), 4, "one of: "),
        (("approve",), 2, "entry_ids"),
    ],
    ids=["verdict", "unknown", "twice", "reason", "none"],
)
def test_many_that_make_no_sense(
    filled: Filled, args: tuple[str, ...], code: int, words: str
) -> None:
    home, ids = filled(approval_delay_s=LATER_S)
    wrong = run(home, "many", *(one.format(**ids) for one in args), code=code)
    assert words in wrong.stderr.lower()
    assert status(home, ids["plumber"]) == "verified"
    run(home, "many", "approve", ids["plumber"], *TRUE)
    assert status(home, ids["plumber"]) == "approved"
