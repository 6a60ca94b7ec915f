"""``revoke``, ``correct``, ``share``, ``export`` and ``import`` as a person runs them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from governance import cli, memory_target
from governance.events import ModuleChange, RoleGranted, Scope
from governance.ledger import EventDraft, Ledger
from governance.ports import Progress, Settled
from governance.review import activate_policy
from tests.governance.desk import DESK, Desk, at_once
from tests.governance.drafts import ANN, SYSTEM, StepClock

RUNNER = CliRunner()
NEXT_DOOR = "mutual/garage"


class Target:
    """A memory whose index still has a row, where a test says so."""

    rows: list[str] = []

    def settle(self, scope: Scope, progress: Progress | None = None) -> Sequence[Settled]:
        return [Settled("shard", "ab" * 32, 1, 1, reused=True), Settled("empty", None, 0, 0, True)]

    def adapter_intact(self, digest: str) -> bool:
        return bool(digest)

    def index_digest(self, scope: Scope) -> str:
        return str(scope)

    def indexed(self, scope: Scope, entry_ids: Collection[str]) -> Sequence[str]:
        return [row for row in self.rows if row in entry_ids]

    def weight_difference(self, first: str, second: str) -> Sequence[ModuleChange]:
        return []


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALIMPSEST_ACTOR", "human:ann")
    monkeypatch.delenv("PALIMPSEST_HOME", raising=False)
    monkeypatch.setattr(memory_target, "load_target", lambda _: None)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A desk under its policy: a fact with its card in service, and another fact."""
    folder = tmp_path_factory.mktemp("taking-back") / "home"
    with Ledger.open(folder, create=True, clock=StepClock()) as ledger:
        activate_policy(ledger, at_once("default"), ANN)
        desk = Desk(ledger=ledger)
        ids = {
            "fact": desk.fact("deductible", "300 EUR").entry_id,
            "twin": desk.fact("inspection", "10 March").entry_id,
        }
        ids["card"] = desk.card("deductible", "300 EUR", derived_from=(ids["fact"],)).entry_id
        desk.build(ids["card"])
        ids["case"] = "case-1"
        desk.recall(ids["fact"])
    return folder, ids


@pytest.fixture
def home(filled: tuple[Path, dict[str, str]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled[0], tmp_path / "home"))


@pytest.fixture
def ids(filled: tuple[Path, dict[str, str]]) -> dict[str, str]:
    return filled[1]


def run(home: Path, *args: str, code: int = 0) -> Result:
    result = RUNNER.invoke(cli.app, [*args, "--home", str(home)])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def data(home: Path, *args: str, code: int = 0) -> Any:
    return json.loads(run(home, *args, "--json", code=code).stdout)


def refusals(home: Path) -> list[str]:
    found = data(home, "log", "--type", "command.refused")["events"]
    return [one["payload"]["about"] for one in found]


# --- revoke -----------------------------------------------------------------------------


def test_a_dry_run_lists_everything_across_channels_and_scopes(
    home: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    copy = data(home, "share", ids["fact"], "--to", NEXT_DOOR)["entry_id"]
    export = data(home, "export")["export_id"]
    away = data(home, "export", "--out", str(tmp_path / "away.jsonl"))["export_id"]
    head = data(home, "verify")["events"]
    plan = data(home, "revoke", ids["fact"], "--dry-run")
    assert {one["entry_id"]: one["relation"] for one in plan["revoked"]} == {
        ids["fact"]: "itself", ids["card"]: "derived",
    }  # fmt: skip
    assert [one["entry_id"] for one in plan["rejected"]] == [copy]
    assert plan["scopes"] == ["mutual/desk", NEXT_DOOR]
    assert plan["index_rows"] == [ids["fact"]]
    assert set(plan["exports"]) == {export, away}
    assert plan["exports_elsewhere"] == [away]
    assert plan["used_in"][0]["answers"][0]["answer"] == "300 EUR"
    assert len(plan["withdrawn"]) == 1
    text = run(home, "revoke", ids["fact"], "--dry-run").stdout
    for words in ("Entries that go (3)", "leaves service", "ask for them back", "recall index: 1"):
        assert words in text
    assert data(home, "verify")["events"] == head
    run(home, "revoke", "nothing", "--dry-run", code=2)
    assert data(home, "verify")["events"] == head


def test_a_receipt_proves_itself(home: Path, ids: dict[str, str], tmp_path: Path) -> None:
    file, proof = tmp_path / "receipt.json", tmp_path / "receipt.proof"
    done = data(home, "revoke", ids["fact"], "--receipt", str(file), "--comment", "misheard")
    receipt = json.loads(file.read_text())
    assert (receipt["actor"], receipt["reason"], receipt["comment"]) == (
        "human:ann", "wrong", "misheard",
    )  # fmt: skip
    assert receipt["entry_id"] == ids["fact"]
    assert receipt["residue"] == []
    assert receipt["events"][0]["seq"] == done["receipt"]["first_seq"]
    proof.write_text(receipt["proof"])
    key = data(home, "key", "show")["key"]
    run(home, "verify")
    checked = RUNNER.invoke(cli.app, ["proof-check", str(proof), "--key", key, "--json"])
    assert checked.exit_code == 0
    assert json.loads(checked.stdout)["seq"] == done["receipt"]["first_seq"]


def test_a_receipt_that_cannot_be_written_says_that_the_revocation_stands(
    home: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    result = run(home, "revoke", ids["fact"], "--receipt", str(tmp_path / "no" / "r"), code=5)
    assert "the revocation stands" in result.stderr
    assert data(home, "show", ids["fact"])["status"] == "revoked"


def test_a_row_left_in_the_index_is_residue(
    home: Path, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_target, "load_target", lambda _: Target())
    monkeypatch.setattr(Target, "rows", [ids["fact"], ids["twin"]])
    result = run(home, "revoke", ids["fact"], code=3)
    assert f"index row of {ids['fact']}" in result.stderr
    assert ids["twin"] not in result.stderr
    assert "found in the store" in result.stdout
    assert "no adapter" in result.stdout


def test_a_refusal_is_recorded_under_the_entry(home: Path, ids: dict[str, str]) -> None:
    run(home, "revoke", ids["fact"], "--no-build")
    assert refusals(home) == []
    run(home, "revoke", ids["fact"], code=4)
    run(home, "revoke", "nothing", code=2)
    assert len(refusals(home)) == 2


def test_what_it_had_superseded_is_offered(home: Path, ids: dict[str, str]) -> None:
    run(home, "correct", ids["fact"], "--value", "350 EUR", "--comment", "see letter")
    run(home, "correct", ids["fact"], "--accept", "--actor", "human:bob")
    (new,) = [
        one["entry_id"]
        for one in data(home, "state")["entries"]
        if one["status"] == "active" and "350" in one["text"]
    ]
    plan = data(home, "revoke", new, "--dry-run")
    assert set(plan["restorable"]) == {ids["fact"], ids["card"]}
    assert "--reinstate" in run(home, "revoke", new, "--dry-run").stdout
    text = run(home, "revoke", new, "--reinstate", "--no-build").stdout
    assert text.count("proposed again") == 2
    assert "stored" not in text
    plan = data(home, "revoke", ids["fact"], "--dry-run")
    assert plan["stored_builds"]
    assert "in the store" in run(home, "revoke", ids["fact"], "--dry-run").stdout


def test_what_says_the_same_is_named_and_a_plain_entry_is_told_plainly(
    home: Path, ids: dict[str, str]
) -> None:
    with Ledger.open(home, clock=StepClock()) as ledger:
        desk = object.__new__(Desk)
        desk.ledger, desk.scope, desk.policy = ledger, DESK, at_once("default")
        alone = desk.card("inspection", "10 March").entry_id
    text = run(home, "revoke", ids["twin"], "--dry-run").stdout
    assert f"Still says the same, and stays: {alone}" in text
    for words in ("Adapters", "Where it was used", "Exports"):
        assert words not in text
    assert "recall index" not in run(home, "revoke", alone, "--dry-run").stdout


# --- correct ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [
        ("--value", "350 EUR"),
        ("--statement", "The deductible of C-17 is 350 EUR.", "--value", "350 EUR"),
        ("--negate", "--statement", "The deductible of claim C-17 is not 300 EUR."),
        ("--keep", "building=300 EUR", "--keep", "contents=300 EUR"),
        ("--valid-to", "2026-12-31"),
        ("--valid-from", "2026-01-01T08:00:00+01:00", "--value", "350 EUR"),
    ],
    ids=lambda args: args[0],
)
def test_each_kind_of_correction(home: Path, ids: dict[str, str], args: tuple[str, ...]) -> None:
    found = data(home, "correct", ids["fact"], *args)
    assert {one["outcome"] for one in found["proposed"]} == {"review"}, found
    assert found["status"] == "active"
    again = run(home, "correct", ids["fact"], *args, "--comment", "again").stdout
    assert f"{ids['fact']} is active" in again
    done = data(home, "correct", ids["fact"], "--accept", "--actor", "human:bob")
    assert done["status"] == "superseded"
    for one in found["proposed"]:
        assert data(home, "show", one["entry_id"])["status"] == "active"
    assert data(home, "show", ids["twin"])["status"] == "active"


def test_the_answer_of_a_card(home: Path, ids: dict[str, str]) -> None:
    found = data(home, "correct", ids["card"], "--answer", "350 EUR")
    assert found["proposed"][0]["outcome"] == "review"


def test_a_retraction(home: Path, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_target, "load_target", lambda _: Target())
    done = data(home, "correct", ids["fact"], "--retract", "--never-again")
    assert (done["status"], done["adapters"][0]["shard"]) == ("revoked", "shard")
    assert data(home, "revoke", ids["twin"], "--dry-run")["withdrawn"] == []
    assert data(home, "show", ids["fact"])["tombstone"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "what is right"),
        (("--retract", "--value", "x"), "do not go together"),
        (("--never-again", "--value", "x"), "goes with --retract"),
        (("--valid-from", "soon"), "neither a day nor a time"),
        (("--negate",), "sentence"),
        (("--keep", "alone"), "both names"),
        (("--valid-from", "2026-02-01", "--valid-to", "2026-01-01"), "ends before"),
    ],
)
def test_a_correction_that_says_nothing_useful(
    home: Path, ids: dict[str, str], args: tuple[str, ...], words: str
) -> None:
    assert words in run(home, "correct", ids["fact"], *args, code=2).stderr
    assert data(home, "show", ids["fact"])["status"] == "active"


# --- share, export, import --------------------------------------------------------------


def test_sharing_and_taking_it_back(home: Path, ids: dict[str, str]) -> None:
    first = data(home, "share", ids["fact"], "--to", NEXT_DOOR)
    assert (first["status"], first["outcome"], first["repeated"]) == ("verified", "review", False)
    assert "It rests on a person" in run(home, "share", ids["fact"], "--to", NEXT_DOOR).stdout
    run(home, "review", "approve", first["entry_id"], "--actor", "human:bob",
        "--reason", "known-true")  # fmt: skip
    run(home, "revoke", ids["fact"], "--no-build")
    assert data(home, "show", first["entry_id"])["status"] == "revoked"
    assert "not a scope" in run(home, "share", ids["twin"], "--to", "x", code=2).stderr


def test_a_backup_comes_back_without_what_was_refused(
    home: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "backup.jsonl"
    assert "3 entries" in run(home, "export", "--out", str(out)).stdout
    assert data(home, "export", "--kind", "card", "--scope", "mutual/desk")["entries"] == 1
    run(home, "revoke", ids["fact"], "--no-build")
    text = run(home, "import", str(out), "--scope", "mutual/desk", "--trust", "internal").stdout
    assert "3 entries: 3 rejected" in text  # two refused before, one known already
    elsewhere = data(home, "import", str(out), "--scope", "mutual/new", "--importer", "backup")
    assert elsewhere["by_status"] == {"verified": 3}
    assert elsewhere["known_before"] == 0
    again = data(home, "import", str(out), "--scope", "mutual/new")
    assert again["known_before"] == 3
    assert "Not in force" in run(home, "import", str(out), "--scope", "mutual/new").stdout


def test_bad_lines_are_listed_and_end_with_code_2(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "mixed.jsonl"
    run(home, "export", "--out", str(file))
    file.write_text("junk\n" + file.read_text())
    result = run(home, "import", str(file), "--scope", "mutual/new", code=2)
    assert "Not entries" in result.stdout
    assert "1 lines" in result.stderr
    found = RUNNER.invoke(
        cli.app, ["import", str(file), "--scope", "mutual/new", "--home", str(home), "--json"]
    )
    assert json.loads(found.stdout)["bad_lines"][0]["line"] == 1
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    assert "0 entries: nothing" in run(home, "import", str(empty), "--scope", "mutual/n").stdout


def test_what_cannot_be_transferred(home: Path, tmp_path: Path) -> None:
    assert "no kind" in run(home, "export", "--kind", "rumour", code=2).stderr
    args = ("import", str(tmp_path / "none"), "--scope", "mutual/new")
    assert "no trust" in run(home, *args, "--trust", "blind", code=2).stderr
    assert "cannot be read" in run(home, *args, code=5).stderr


def test_an_export_of_several_agents_names_one(home: Path, ids: dict[str, str]) -> None:
    copy = data(home, "share", ids["fact"], "--to", NEXT_DOOR)["entry_id"]
    run(home, "review", "approve", copy, "--actor", "human:bob", "--reason", "known-true")
    assert NEXT_DOOR in run(home, "export", code=2).stderr
    assert data(home, "export", "--scope", NEXT_DOOR)["entries"] == 1
    with Ledger.open(home) as ledger:
        ledger.append([EventDraft(RoleGranted(principal="human:zoe", role="admin"), SYSTEM)])
    assert "role" in run(home, "export", "--scope", NEXT_DOOR, code=4).stderr
    assert len(refusals(home)) == 1


def test_an_empty_home_has_nothing_to_export(tmp_path: Path) -> None:
    home = tmp_path / "fresh"
    with Ledger.open(home, create=True):
        pass
    assert "nothing is in force" in run(home, "export", code=2).stderr
    result = run(home, "share", "x", "--to", NEXT_DOOR, code=4)
    assert "policy activate" in result.stderr
