"""The commands as a person runs them: output, JSON, exit codes, hostile text."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from governance import cli, memory_target
from governance.errors import PalimpsestError
from governance.events import FactBody
from governance.ledger import Ledger
from governance.policy import load_policy
from tests.governance.desk import DESK, Desk, fact
from tests.governance.drafts import ANN, BOT, StepClock
from tests.governance.target import Target

RUNNER = CliRunner()


@pytest.fixture
def target(monkeypatch: pytest.MonkeyPatch) -> type[Target]:
    Target.calls, Target.error = [], None
    monkeypatch.setattr(memory_target, "load_target", lambda _: Target())
    return Target


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "ann")
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.delenv("PALIMPSEST_HOME", raising=False)
    monkeypatch.delenv("PALIMPSEST_ACTOR", raising=False)
    monkeypatch.setattr(memory_target, "load_target", lambda _: None)


def desk_on(ledger: Ledger) -> Desk:
    """The desk of a ledger that was filled before."""
    desk = object.__new__(Desk)
    desk.ledger, desk.scope, desk.policy, desk.builds = ledger, DESK, load_policy("default"), 0
    return desk


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A home with every kind of entry in it; copied, never used itself."""
    folder = tmp_path_factory.mktemp("filled") / "home"
    with Ledger.open(folder, create=True, clock=StepClock()) as ledger:
        desk = Desk(ledger=ledger)
        found = {"fact": desk.fact("deductible", "300 EUR").entry_id}
        derived = desk.card("deductible", "300 EUR", derived_from=(found["fact"],))
        found["card"] = derived.entry_id
        found["first"] = desk.build(found["card"])
        found["other"] = desk.card("adjuster", "Hugo Bancroft").entry_id
        found["second"] = desk.build(found["card"], found["other"])
        found["waiting"] = desk.fact("plumber", "Wexler Plumbing").entry_id
        found["odd"] = desk.fact("garage", "Pedal House").entry_id
        desk.recall(found["fact"])
        found["seq"] = str(ledger.head.seq)
    return folder, found


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


def data(home: Path, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(home, *args, "--json").stdout)
    return found


# --- homes -----------------------------------------------------------------------------


def test_init_makes_a_home_with_a_policy_in_force(tmp_path: Path) -> None:
    found = data(tmp_path / "new", "init")
    assert (found["policy"], found["head"]) == ("default", 1)
    assert data(tmp_path / "new", "verify")["ok"]
    again = run(tmp_path / "new", "init")
    assert "is ready" in again.stdout
    assert data(tmp_path / "new", "verify")["events"] == 1


def test_no_home_is_an_environment_error_in_two_lines(tmp_path: Path) -> None:
    result = run(tmp_path / "none", "log", code=5)
    first, second = result.stderr.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("hint: ")
    assert not (tmp_path / "none").exists()


def test_verify_names_tampering_with_exit_code_3(home: Path, ids: dict[str, str]) -> None:
    good = run(home, "verify").stdout
    assert f"verified: {ids['seq']} events" in good
    assert f"{ids['seq']} payloads opened, 0 erased" in good
    assert "notice" not in good
    quick = run(home, "verify", "--no-payloads").stdout
    assert quick == good.replace(f"{ids['seq']} payloads opened, 0 erased", "no payload opened")
    notes = next((home / "checkpoints").iterdir())
    notes.write_text(notes.read_text().replace("palimpsest/", "palimpsest/x"), encoding="utf-8")
    result = run(home, "verify", code=3)
    assert "does not prove what it claims" in result.stderr
    assert "first bad event" not in result.stdout  # the checkpoints are what is wrong
    assert json.loads(run(home, "verify", "--json", code=3).stdout)["ok"] is False


# --- looking ---------------------------------------------------------------------------


def test_log_lists_and_filters(home: Path, ids: dict[str, str]) -> None:
    assert "entry.proposed" in run(home, "log").stdout
    events = data(home, "log", "--limit", "3")["events"]
    assert [event["seq"] for event in events] == [int(ids["seq"]) - n for n in (2, 1, 0)]
    kinds = {event["type"] for event in data(home, "log", "--type", "adapter")["events"]}
    assert kinds == {"adapter.trained", "adapter.certified", "adapter.activated"}
    own = data(home, "log", "--entry", ids["waiting"])["events"]
    assert [event["type"] for event in own] == [
        "entry.proposed", "entry.verified", "review.assigned",
    ]  # fmt: skip
    assert "event type" in run(home, "log", "--type", "nope", code=2).stderr


def test_show_tells_everything(home: Path, ids: dict[str, str]) -> None:
    found = data(home, "show", ids["card"][:9])
    assert found["status"] == "active"
    assert found["evidence"][0]["text"] == "The deductible is 300 EUR."
    assert found["trust"] == "internal"
    assert found["derived_from"] == [ids["fact"]]
    assert found["served_by"] == [{"shard": "shard", "digest": ids["second"]}]
    text = run(home, "show", ids["fact"]).stdout
    assert "1 times" in text
    assert ids["card"] in text
    assert run(home, "review", "show", ids["fact"]).stdout == text
    assert "does not exist" in run(home, "show", "nothing", code=2).stderr


def test_diff_of_an_entry_against_its_evidence(home: Path, ids: dict[str, str]) -> None:
    text = run(home, "diff", ids["fact"]).stdout
    assert "{+of claim C-17+}" in text.replace("{+of claim C-17 +}", "{+of claim C-17+}")
    found = data(home, "diff", ids["fact"])
    assert found["against"] == "evidence"
    assert "".join(part["after"] for part in found["parts"]) == found["after"]
    assert (
        "replaces nothing" in run(home, "diff", ids["fact"], "--against", "replaced", code=2).stderr
    )
    assert "no earlier" in run(home, "diff", ids["fact"], "--against", "previous", code=2).stderr
    assert "not known" in run(home, "diff", ids["fact"], "--against", "x", code=2).stderr


def test_diff_against_the_replaced_entry(home: Path, ids: dict[str, str]) -> None:
    with Ledger.open(home, clock=StepClock()) as ledger:
        desk = desk_on(ledger)
        new = desk.fact("deductible", "350 EUR", replaces=ids["fact"]).entry_id
        alone = desk.submit(fact("adjuster", "Ilse Marwood"), None, actor=ANN).entry_id
    assert "[-300-]{+350+}" in run(home, "diff", new).stdout
    assert data(home, "diff", new)["against"] == "replaced"
    assert "cites no evidence" in run(home, "diff", alone, code=2).stderr


@pytest.mark.usefixtures("target")
def test_diff_of_two_adapters(home: Path, ids: dict[str, str]) -> None:
    found = data(home, "diff", "--adapter", "shard:1", ids["second"][:10])
    assert [one["entry_id"] for one in found["added"]] == [ids["other"]]
    assert found["removed"] == []
    assert found["modules"] == [{"module": "layer.0", "relative": 0.0012}]
    back = data(home, "diff", "--adapter", "v2", "1")
    assert [one["entry_id"] for one in back["removed"]] == [ids["other"]]
    text = run(home, "diff", "--adapter", "1", "2").stdout
    assert "Hugo Bancroft" in text
    assert "0.1200%" in text
    same = run(home, "diff", "--adapter", "1", "1").stdout
    assert "Both hold the same cards." in same
    assert "known: shard:1, shard:2" in run(home, "diff", "--adapter", "1", "9", code=2).stderr
    assert "ONE" in run(home, "diff", "1", "2", code=2).stderr.upper()


def test_diff_of_adapters_without_a_target_still_shows_the_cards(home: Path) -> None:
    found = data(home, "diff", "--adapter", "1", "2")
    assert found["modules"] == []
    assert "no memory target" in found["weights_note"]
    assert len(found["added"]) == 1


# --- deciding --------------------------------------------------------------------------


def test_the_queue_is_listed_riskiest_first(home: Path, ids: dict[str, str]) -> None:
    found = data(home, "review", "list")
    assert [one["entry_id"] for one in found["entries"]] == [ids["odd"], ids["waiting"]]
    assert "2 waiting" in run(home, "review", "list").stdout
    assert data(home, "review", "list", "--scope", "mutual/desk")["waiting"] == 2
    assert data(home, "review", "list", "--scope", "other/desk")["waiting"] == 0
    assert "not a scope" in run(home, "review", "list", "--scope", "x", code=2).stderr


def test_approving_rejecting_commenting(home: Path, ids: dict[str, str]) -> None:
    run(home, "review", "comment", ids["waiting"], "asked Emeka")
    found = data(home, "review", "approve", ids["waiting"], "--reason", "evidence-confirmed")
    assert (found["status"], found["receipt"]["repeated"]) == ("active", False)
    refused = run(home, "review", "reject", ids["odd"], "--reason", "nope", code=4)
    assert "hint: one of: injection" in refused.stderr
    assert (
        "is rejected" in run(home, "review", "reject", ids["odd"], "--reason", "injection").stdout
    )
    assert data(home, "review", "list")["waiting"] == 0
    assert data(home, "show", ids["waiting"])["decided_by"] == "human:ann"


def test_the_actor_is_a_named_person(home: Path, ids: dict[str, str]) -> None:
    args = ("review", "approve", ids["waiting"], "--reason", "known-true", "--actor")
    assert "is not a person" in run(home, *args, "agent:bot", code=2).stderr
    assert "is not a person" in run(home, *args, "human:", code=2).stderr
    assert run(home, *args, "bob").exit_code == 0
    assert data(home, "show", ids["waiting"])["decided_by"] == "human:bob"


def test_quarantine_withdraws_and_rebuilds(
    home: Path, ids: dict[str, str], target: type[Target]
) -> None:
    args = ("review", "quarantine", ids["card"], "--reason", "suspected-wrong")
    found = data(home, *args)
    assert found["status"] == "quarantined"
    assert found["adapters"] == [{"shard": "shard", "digest": "ab" * 32, "reused": False}]
    assert target.calls == ["mutual/desk"]
    run(home, "review", "approve", ids["card"], "--reason", "cleared", "--no-build")
    assert target.calls == ["mutual/desk"]


# --- taking back -----------------------------------------------------------------------


def test_revoke_dry_run_changes_nothing(home: Path, ids: dict[str, str]) -> None:
    found = data(home, "revoke", ids["fact"][:9], "--dry-run")
    assert [one["entry_id"] for one in found["revoked"]] == [ids["fact"], ids["card"]]
    assert found["withdrawn"][0]["digest"] == ids["second"]
    assert found["used_in"][0]["answers"][0]["answer"] == "300 EUR"
    assert (found["receipt"], found["residue"]) == (None, [])
    assert data(home, "verify")["events"] == int(ids["seq"])
    assert "dry run" in run(home, "revoke", ids["fact"], "--dry-run").stdout


def test_revoke_takes_everything_out_and_rebuilds(
    home: Path, ids: dict[str, str], target: type[Target]
) -> None:
    result = run(home, "revoke", ids["fact"], "--reason", "wrong", "--comment", "misheard")
    assert "residue: 0" in result.stdout
    assert ", built" in result.stdout
    assert target.calls == ["mutual/desk"]
    for name in ("fact", "card"):
        assert data(home, "show", ids[name])["status"] == "revoked"
    assert data(home, "show", ids["other"])["status"] == "active"
    assert "cannot be revoked" in run(home, "revoke", ids["fact"], code=4).stderr


def test_a_failed_rebuild_does_not_undo_the_revocation(
    home: Path, ids: dict[str, str], target: type[Target]
) -> None:
    target.error = PalimpsestError("the model is gone", hint="put it back")
    result = run(home, "revoke", ids["card"], code=1)
    assert "residue: 0" in result.stdout
    assert "the model is gone" in result.stderr
    assert data(home, "show", ids["card"])["status"] == "revoked"


def test_rollback_and_back_again(home: Path, ids: dict[str, str]) -> None:
    run(home, "revoke", ids["fact"], "--no-build")
    preview = data(home, "rollback", "--to", ids["seq"], "--dry-run")
    assert {one["entry_id"]: one["effects"] for one in preview["entries"]} == {
        ids["fact"]: ["acts again"], ids["card"]: ["acts again"],
    }  # fmt: skip
    assert preview["shards"] == [
        {"shard": "shard", "before": None, "after": ids["second"], "intact": None,
         "holds_erased": False}
    ]  # fmt: skip
    assert "look twice" in run(home, "rollback", "--to", ids["seq"], "--dry-run").stdout
    assert "rolled back" in run(home, "rollback", "--to", ids["seq"], "--reason", "drill").stdout
    assert data(home, "show", ids["card"])["served_by"][0]["digest"] == ids["second"]
    head = data(home, "verify")["events"]
    run(home, "rollback", "--to", str(head - 1))
    assert data(home, "show", ids["fact"])["status"] == "revoked"
    assert data(home, "verify")["ok"]


def test_rollback_builds_what_the_store_lost(
    home: Path, ids: dict[str, str], target: type[Target]
) -> None:
    run(home, "revoke", ids["card"], "--no-build")
    found = data(home, "rollback", "--to", ids["seq"])
    assert found["missing_adapters"] == [ids["second"]]
    assert target.calls == ["mutual/desk"]


def test_rollback_refuses_what_makes_no_sense(home: Path, ids: dict[str, str]) -> None:
    assert "does not exist" in run(home, "rollback", "--to", "9999", code=4).stderr
    assert "already stands" in run(home, "rollback", "--to", ids["seq"], code=4).stderr
    assert "no channel" in run(home, "rollback", "--to", "1", "--channel", "x", code=4).stderr
    only = data(home, "rollback", "--to", "1", "--channel", "external", "--dry-run")
    assert only["shards"] == []
    assert ids["fact"] in {one["entry_id"] for one in only["entries"]}


# --- the home as a whole ---------------------------------------------------------------


def test_freeze_and_thaw(home: Path, ids: dict[str, str]) -> None:
    assert data(home, "freeze", "--reason", "incident") == {
        "frozen": True, "changed": True, "head": int(ids["seq"]) + 1,
    }  # fmt: skip
    assert "frozen already" in run(home, "freeze").stdout
    refused = run(home, "review", "approve", ids["waiting"], "--reason", "known-true", code=4)
    assert "palimpsest thaw" in refused.stderr
    assert "not frozen" in run(home, "thaw").stdout
    run(home, "review", "approve", ids["waiting"], "--reason", "known-true")


def test_roles_hold_once_granted(home: Path, ids: dict[str, str]) -> None:
    assert "first role" in run(home, "role", "grant", "bob", "reviewer", code=4).stderr
    run(home, "role", "grant", "ann", "admin")
    args = ("review", "approve", ids["waiting"], "--reason", "known-true", "--actor", "bob")
    assert "role grant human:bob reviewer" in run(home, *args, code=4).stderr
    assert data(home, "role", "grant", "bob", "reviewer")["roles"] == ["reviewer"]
    run(home, *args)
    assert "no role" in run(home, "role", "withdraw", "bob", "reviewer").stdout
    assert "there is no role" in run(home, "role", "grant", "bob", "king", code=4).stderr


def test_policies_are_shown_tested_and_activated(home: Path, tmp_path: Path) -> None:
    shown = RUNNER.invoke(cli.app, ["policy", "show", "strict"]).stdout
    assert "everything-else" in shown
    assert json.loads(RUNNER.invoke(cli.app, ["policy", "show", "--json"]).stdout)["rules"]
    tested = RUNNER.invoke(cli.app, ["policy", "test"])
    assert (tested.exit_code, "cases as expected" in tested.stdout) == (0, True)
    assert data(home, "policy", "activate", "strict")["changed"]
    assert "already" in run(home, "policy", "activate", "strict").stdout
    broken = tmp_path / "p.yaml"
    broken.write_text("name: x\n", encoding="utf-8")
    result = RUNNER.invoke(cli.app, ["policy", "show", str(broken)])
    assert (result.exit_code, f"{broken}:1:" in result.stderr) == (2, True)


def test_a_wrong_case_fails_the_policy(tmp_path: Path) -> None:
    path = tmp_path / "default.yaml"
    path.write_text(load_policy("default").text, encoding="utf-8")
    folder = tmp_path / "cases" / "default" / "ALLOW"
    folder.mkdir(parents=True)
    (folder / "wrong.json").write_text('{"about": "x", "rule": "secret"}', encoding="utf-8")
    result = RUNNER.invoke(cli.app, ["policy", "test", str(path)])
    assert result.exit_code == 4
    assert "allow by secret" in result.stdout
    assert "no case for default: routine" in result.stdout
    as_json = RUNNER.invoke(cli.app, ["policy", "test", str(path), "--json"])
    assert json.loads(as_json.stdout)["wrong"]


# --- hostile text, errors, help --------------------------------------------------------

HOSTILE = "[bold red]300 EUR[/] \u202eRUE\u202c \x1b[2J\u200b[link=https://evil.example]x[/link]"


def test_hostile_text_is_shown_and_never_obeyed(home: Path) -> None:
    body = FactBody(topic="[blink]t", attribute="a", value="x", statement=HOSTILE)
    with Ledger.open(home, clock=StepClock()) as ledger:
        desk = desk_on(ledger)
        entry = desk.submit(body, "The deductible is 300 EUR.", entry_id="odd", actor=BOT)
    for args in (["show", "odd"], ["log"], ["diff", "odd"]):
        text = run(home, *args).stdout
        assert "[bold red]300 EUR[/]" in text
        assert "⟨U+202E⟩" in text
        assert "⟨U+001B⟩" in text
        assert not set("\x1b\u202e\u200b") & set(text)
    raw = run(home, "show", "odd", "--json").stdout
    assert raw.isascii()
    assert json.loads(raw)["body"]["statement"] == HOSTILE
    assert entry.decision.outcome == "deny"


def test_help_documents_exit_codes_and_lists_the_commands() -> None:
    text = RUNNER.invoke(cli.app, ["--help"]).stdout
    for word in ("integrity", "refused", "130", "PALIMPSEST_DEBUG"):
        assert word in text
    commands = (
        "init", "log", "show", "diff", "review", "revoke", "rollback", "verify", "freeze", "thaw",
        "role", "policy", "evidence",
    )  # fmt: skip
    for command in commands:
        assert f"│ {command} " in text
        assert RUNNER.invoke(cli.app, [command, "--help"]).exit_code == 0
    assert RUNNER.invoke(cli.app, ["nonsense"]).exit_code == 2
    assert RUNNER.invoke(cli.app, ["rollback"]).exit_code == 2


def test_interrupting_says_how_to_go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("governance.commands.inspection.open_ledger", interrupted)
    result = run(home, "log", code=130)
    assert "interrupted" in result.stderr


def test_debugging_shows_the_traceback(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" not in run(home, "show", "x", code=2).stderr
    monkeypatch.setenv("PALIMPSEST_DEBUG", "1")
    run(home, "show", "x", code=2)


def test_unforeseen_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise ZeroDivisionError("\x1b[2Jboom")

    monkeypatch.setattr(cli, "app", broken)
    monkeypatch.setattr(cli, "load_commands", lambda: None)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    assert "internal error: ZeroDivisionError: ⟨U+001B⟩[2Jboom" in capsys.readouterr().err
    monkeypatch.setenv("PALIMPSEST_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_commands_of_other_packages_are_merged_and_missing_ones_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands, groups = list(cli.app.registered_commands), list(cli.app.registered_groups)
    points = [
        EntryPoint("extra", "governance.commands.policies:app", cli.COMMAND_GROUP),
        EntryPoint("gone", "no_such_module:app", cli.COMMAND_GROUP),
    ]
    monkeypatch.setattr(cli, "entry_points", lambda **_: points)
    try:
        cli.load_commands()
        assert len(cli.app.registered_groups) == len(groups) + 1
    finally:
        cli.app.registered_commands[:], cli.app.registered_groups[:] = commands, groups
    error = capsys.readouterr().err
    assert "note: the commands of 'gone' are not available" in error
    assert "extra" not in error


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, governance.cli; "
        "print([m for m in ('duckdb','torch','pydantic','cel_expr_python','rapidfuzz','numpy') "
        "if m in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
