"""``access``, ``erase``, ``hold`` and ``prune`` as a person runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from governance import cli, erasure, memory_target
from governance.events import RoleGranted, Span
from governance.ledger import Ledger
from tests.governance.drafts import ANN, BOT, StepClock, draft, proposed
from tests.governance.erasable import NORA, OTHERS, WORDS, carded, fact_of, home_of
from tests.governance.target import Target

RUNNER = CliRunner()
NORAS = ["nora-1", "nora-2", "nora-3", "nora-card"]
BOB = ("--actor", "bob")
WHY = ("--basis", "objection", "--reason", "asked by letter")


@pytest.fixture(autouse=True)
def target(monkeypatch: pytest.MonkeyPatch) -> type[Target]:
    monkeypatch.setenv("PALIMPSEST_ACTOR", "human:ann")
    monkeypatch.delenv("PALIMPSEST_HOME", raising=False)
    monkeypatch.setattr(Target, "calls", [])
    monkeypatch.setattr(Target, "forgotten", [])
    for module in (memory_target, erasure):
        monkeypatch.setattr(module, "load_target", lambda _: Target())
    return Target


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a person in it; copied, never used itself."""
    folder = tmp_path_factory.mktemp("erasable")
    with home_of(folder) as ledger:
        return ledger.home


@pytest.fixture
def home(filled: Path, fast_path: Path) -> Path:
    return Path(shutil.copytree(filled, fast_path / "home"))


def run(home: Path, *args: str, code: int = 0) -> Result:
    result = RUNNER.invoke(cli.app, [*args, "--home", str(home)])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def data(home: Path, *args: str) -> Any:
    return json.loads(run(home, *args, "--json").stdout)


def status(home: Path, entry_id: str) -> str:
    with Ledger.open(home, read_only=True) as ledger:
        return ledger.state.entries[entry_id].status


def head(home: Path) -> int:
    with Ledger.open(home, read_only=True) as ledger:
        return ledger.head.seq


def request(home: Path, *what: str) -> str:
    found: str = data(home, "erase", "request", *what, *WHY)["erasure_id"]
    return found


def refusals(home: Path) -> list[str]:
    events = data(home, "log", "--type", "command.refused")["events"]
    return [one["payload"]["error"] for one in events]


# --- access -----------------------------------------------------------------------------


def test_a_person_is_given_what_is_held_about_them_and_nothing_else(
    home: Path, tmp_path: Path
) -> None:
    out = tmp_path / "nora.json"
    done = data(home, "access", "--subject", NORA, "--out", str(out))
    document = json.loads(out.read_text(encoding="utf-8"))
    assert (done["entries"], done["sources"]) == (4, 1)
    assert done["events"] == sum(len(one) for one in document.values() if isinstance(one, list))
    assert WORDS in [one["content"]["text"] for one in document["sources"]]
    assert OTHERS not in out.read_text(encoding="utf-8")
    again = tmp_path / "again.json"
    assert "1 source(s), 4 entries" in run(
        home, "access", "--subject", NORA, "--out", str(again)
    ).stdout  # fmt: skip
    issued = data(home, "log", "--type", "export.issued")["events"]
    assert [one["payload"]["path"] for one in issued] == [None, None]


def test_access_that_cannot_be_given(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "nora.json"
    args = ("access", "--subject", NORA, "--out", str(out))
    nobody = run(home, "access", "--subject", "Nora Brenan", "--out", str(out), code=2)
    assert "check the spelling" in nobody.stderr
    assert not out.exists()
    run(home, *args)
    assert "exists" in run(home, *args, code=2).stderr
    no_folder = run(home, "access", "--subject", NORA, "--out", str(tmp_path / "no" / "f"), code=5)
    assert "f" in no_folder.stderr
    with Ledger.open(home, clock=StepClock()) as ledger:
        ledger.append([draft(RoleGranted(principal="human:zoe", role="admin"))])
    elsewhere = ("access", "--subject", NORA, "--out", str(tmp_path / "new.json"))
    assert "role" in run(home, *elsewhere, code=4).stderr
    assert not (tmp_path / "new.json").exists()
    run(home, *elsewhere, "--actor", "zoe")
    assert refusals(home) == ["NotAuthorisedError"]


# --- erase ------------------------------------------------------------------------------


def test_a_person_is_erased_and_a_certificate_proves_it(
    home: Path, tmp_path: Path, target: type[Target]
) -> None:
    plan = data(home, "erase", "request", "--subject", NORA, *WHY)
    assert sorted(plan["entries"]) == NORAS
    assert (plan["dry_run"], status(home, "nora-1")) == (False, "active")
    erasure_id = plan["erasure_id"]
    done = data(home, "erase", "approve", erasure_id, "--comment", "I checked", *BOB)
    assert {status(home, one) for one in NORAS} == {"erased"}
    assert status(home, "other") == "active"
    assert (done["events"], done["entries"], done["sources"]) == (plan["events"], 4, 1)
    assert target.forgotten == done["adapters"] == ["a1" * 32]
    assert target.calls == ["default/default"]

    out = tmp_path / "certificate.json"
    files = data(home, "erase", "certificate", erasure_id, "--out", str(out))["files"]
    assert [Path(one).suffix for one in files] == [".json", ".txt", ".tlog-proof"]
    said = json.loads(out.read_text(encoding="utf-8"))
    assert (said["requested_by"], said["approved_by"]) == ("human:ann", "human:bob")
    assert (said["of"], said["basis"]) == ("a person", "objection")
    assert said["records_destroyed"] == done["events"]
    assert said["files_searched"] == done["searched"] > 0
    assert said["completed_in_event"] == done["receipt"]["first_seq"]
    assert said["proof"] == Path(files[2]).read_text(encoding="utf-8")
    for file in files:  # who, when, how much; never what
        text = Path(file).read_text(encoding="utf-8")
        assert not any(word in text for word in ("Nora", "Brennan", "IE43"))
    assert "approved by: human:bob" in Path(files[1]).read_text(encoding="utf-8")
    assert data(home, "verify")["ok"]


def test_the_proof_of_a_certificate_holds_without_the_home_and_only_untouched(
    home: Path, tmp_path: Path
) -> None:
    erasure_id = request(home, "--entry", "nora-1")
    run(home, "erase", "approve", erasure_id, *BOB)
    out = tmp_path / "certificate.json"
    printed = run(home, "erase", "certificate", erasure_id, "--out", str(out)).stdout.splitlines()
    said = json.loads(out.read_text(encoding="utf-8"))
    key = data(home, "key", "show")["key"]
    assert said["log_key"] == key
    shutil.rmtree(home)
    check = ["proof-check", printed[2], "--key", key, "--json"]
    good = RUNNER.invoke(cli.app, check)
    assert good.exit_code == 0, good.output
    found = json.loads(good.stdout)
    assert found["seq"] == said["completed_in_event"]
    assert found["header"]["subject"] == f"erasure:{erasure_id}"
    proof = Path(printed[2])
    lines = proof.read_text(encoding="utf-8").splitlines(keepends=True)
    proof.write_text("".join([*lines[:2], "index 1\n", *lines[3:]]), encoding="utf-8")
    assert RUNNER.invoke(cli.app, check).exit_code == 3


def test_a_certificate_is_of_something_complete_and_never_overwritten(
    home: Path, tmp_path: Path
) -> None:
    out = tmp_path / "c.json"
    args = ("erase", "certificate")
    assert "no erasure 'x'" in run(home, *args, "x", "--out", str(out), code=2).stderr
    erasure_id = request(home, "--entry", "nora-1")
    assert "not complete" in run(home, *args, erasure_id, "--out", str(out), code=2).stderr
    run(home, "erase", "approve", erasure_id, *BOB)
    (tmp_path / "c.txt").write_text("mine", encoding="utf-8")
    assert "c.txt exists" in run(home, *args, erasure_id, "--out", str(out), code=2).stderr
    assert not out.exists()
    (tmp_path / "c.txt").unlink()
    run(home, *args, erasure_id, "--out", str(out))
    assert out.exists()


def test_a_request_lists_all_that_would_go_and_all_that_would_stay(
    home: Path, tmp_path: Path
) -> None:
    spans = [Span(source_id=one, start=0, end=5) for one in ("nora", "desk")]
    with Ledger.open(home, clock=StepClock()) as ledger:
        ledger.append(
            [draft(proposed("both", fact_of("A note that rests on both."), spans=spans), BOT)]
        )
        ledger.append([draft(RoleGranted(principal="human:ann", role="admin"), data_subject=NORA)])
    run(home, "access", "--subject", NORA, "--out", str(tmp_path / "away.json"))
    before = head(home)
    text = run(home, "erase", "request", "--subject", NORA, *WHY, "--dry-run").stdout
    for words in (
        "Stay, because they also rest on other evidence: both", "to be deleted by hand: export-",
        "1 event(s) that govern the ledger stay", "nothing was changed",
    ):  # fmt: skip
        assert words in text
    plan = data(home, "erase", "request", "--subject", NORA, *WHY, "--dry-run")
    assert (plan["erasure_id"], plan["shared_entries"]) == ("", ["both"])
    assert plan["exports_outside"] == plan["exports"]
    assert len(plan["kept_events"]) == 1
    assert head(home) == before
    plain = run(home, "erase", "request", "--entry", "other", *WHY).stdout
    assert "Stay" not in plain
    assert "by hand" not in plain
    assert "palimpsest erase approve erasure-" in plain
    assert head(home) == before + 1


def test_approving_and_completing_can_be_two_steps(home: Path) -> None:
    erasure_id = request(home, "--entry", "nora-1")
    assert "not approved" in run(home, "erase", "complete", erasure_id, code=4).stderr
    text = run(home, "erase", "approve", erasure_id, "--no-complete", *BOB).stdout
    assert f"palimpsest erase complete {erasure_id}" in text
    assert status(home, "nora-1") == "active"
    text = run(home, "erase", "complete", erasure_id).stdout
    assert "nothing found" in text
    assert f"palimpsest erase certificate {erasure_id}" in text
    assert status(home, "nora-1") == "erased"
    other = request(home, "--entry", "other")
    answer = data(home, "erase", "approve", other, "--no-complete", *BOB)
    assert answer == {"erasure_id": other, "status": "approved"}
    assert data(home, "erase", "complete", other)["entries"] == 1
    assert "completed" in run(home, "erase", "complete", other, code=4).stderr


def test_nobody_approves_their_own_request_and_it_can_be_declined(home: Path) -> None:
    first, second = request(home, "--entry", "nora-1"), request(home, "--entry", "other")
    assert "may not approve it" in run(home, "erase", "approve", first, code=4).stderr
    assert refusals(home) == ["SelfReviewError"]
    assert "declined" in run(home, "erase", "decline", first, "--comment", "an error").stdout
    assert data(home, "erase", "decline", second, *BOB)["status"] == "declined"
    for verb in ("approve", "decline"):
        assert "waits for no answer" in run(home, "erase", verb, first, *BOB, code=4).stderr
    assert status(home, "nora-1") == "active"
    again = request(home, "--entry", "nora-1")
    run(home, "erase", "approve", again, *BOB)
    assert status(home, "nora-1") == "erased"


def test_what_changed_since_the_request_is_requested_again(home: Path) -> None:
    first = request(home, "--entry", "nora-1")
    with Ledger.open(home, clock=StepClock()) as ledger:
        span = Span(source_id="desk", start=0, end=5)
        body = fact_of("Derived later.")
        more = proposed("nora-4", body, spans=[span], derived_from=["nora-1"])
        ledger.append([draft(more, BOT)])
    assert "has changed" in run(home, "erase", "approve", first, *BOB, code=2).stderr
    second = request(home, "--entry", "nora-1")
    run(home, "erase", "approve", second, *BOB)
    assert status(home, "nora-4") == "erased"


def test_erasures_are_listed(home: Path) -> None:
    assert data(home, "erase", "list") == {"erasures": []}
    person, entry = request(home, "--subject", NORA), request(home, "--entry", "other")
    run(home, "erase", "approve", entry, *BOB)
    found = data(home, "erase", "list")["erasures"]
    assert [(one["erasure_id"], one["status"], one["approved_by"]) for one in found] == [
        (person, "requested", None), (entry, "completed", "human:bob"),
    ]  # fmt: skip
    assert found[1]["entries"] == ["other"]
    text = run(home, "erase", "list").stdout
    for words in ("a person", "1 entries", "completed", "human:bob"):
        assert words in text
    assert "Nora" not in text


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (WHY, "either entries or a person"),
        (("--entry", "other", "--subject", NORA, *WHY), "either entries or a person"),
        (("--entry", "nothing", *WHY), "does not exist"),
        (("--subject", "Tom", *WHY), "nothing is held about this person"),
        (("--entry", "other", "--basis", "because", "--reason", "x"), "one of "),
        (("--entry", "other", "--basis", "objection"), "--reason"),
    ],
    ids=["nothing", "both", "unknown", "nobody", "basis", "reason"],
)
def test_a_request_that_asks_for_nothing(home: Path, args: tuple[str, ...], words: str) -> None:
    before = head(home)
    assert words in run(home, "erase", "request", *args, code=2).stderr
    assert head(home) == before
    run(home, "erase", "request", "--entry", "other", *WHY)
    assert head(home) == before + 1


@pytest.mark.parametrize("verb", ["approve", "decline", "complete"])
def test_an_erasure_that_does_not_exist(home: Path, verb: str) -> None:
    wrong = run(home, "erase", verb, "erasure-0", *BOB, code=2)
    assert "`palimpsest erase list` names them" in wrong.stderr
    if verb == "complete":
        right = request(home, "--entry", "other")
        run(home, "erase", "approve", right, "--no-complete", *BOB)
    else:
        right = request(home, "--entry", "other")
    run(home, "erase", verb, right, *BOB)


def test_a_rollback_does_not_bring_back_an_adapter_that_held_what_was_erased(home: Path) -> None:
    then = str(head(home))
    back = ("rollback", "--to", then, "--dry-run")
    with Ledger.open(home, clock=StepClock()) as ledger:
        ledger.append(carded("kept", "Pedal House", "desk", "b2" * 32))
    before = data(home, *back)["shards"]
    assert [(one["after"], one["holds_erased"]) for one in before] == [("a1" * 32, False)]
    assert "built without it" not in run(home, *back).stdout
    run(home, "erase", "approve", request(home, "--entry", "nora-card"), *BOB)
    plan = data(home, *back)
    assert [(one["after"], one["holds_erased"]) for one in plan["shards"]] == [(None, True)]
    assert plan["erased"] == ["nora-card"]
    assert "built without it" in run(home, *back).stdout


# --- hold -------------------------------------------------------------------------------


def test_a_hold_stops_erasing_until_it_is_lifted(home: Path) -> None:
    hold_id = data(home, "hold", "place", "--subject", NORA, "--reason", "case 7")["hold_id"]
    held = run(home, "erase", "request", "--entry", "nora-1", *WHY, code=4)
    assert f"palimpsest hold lift {hold_id}" in held.stderr
    request(home, "--entry", "other")
    assert refusals(home) == ["HoldError"]
    assert "lifted" in run(home, "hold", "lift", hold_id, "--reason", "settled").stdout
    run(home, "erase", "approve", request(home, "--entry", "nora-1"), *BOB)
    assert status(home, "nora-1") == "erased"


def test_holds_are_placed_lifted_and_listed(home: Path) -> None:
    assert data(home, "hold", "list") == {"holds": []}
    text = run(
        home, "hold", "place", "--entry", "other", "--entry", "nora-1", "--reason", "a"
    ).stdout
    first = text.split()[0]
    assert text == f"{first} is in force\n"
    everything = data(home, "hold", "place", "--everything", "--reason", "b")["hold_id"]
    assert data(home, "hold", "lift", everything, "--reason", "c") == {
        "hold_id": everything, "lifted": True,
    }  # fmt: skip
    found = data(home, "hold", "list")["holds"]
    assert [(one["hold_id"], one["lifted"], one["entries"]) for one in found] == [
        (first, False, ["other", "nora-1"]), (everything, True, []),
    ]  # fmt: skip
    listed = run(home, "hold", "list").stdout
    assert "in force" in listed
    assert "lifted" in listed


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--reason", "x"), "say what to keep"),
        (("--everything", "--entry", "other", "--reason", "x"), "say what to keep"),
        (("--entry", "nothing", "--reason", "x"), "does not exist"),
        (("--entry", "other"), "--reason"),
    ],
    ids=["nothing", "both", "unknown", "reason"],
)
def test_a_hold_that_keeps_nothing(home: Path, args: tuple[str, ...], words: str) -> None:
    assert words in run(home, "hold", "place", *args, code=2).stderr
    assert data(home, "hold", "list") == {"holds": []}
    run(home, "hold", "place", "--entry", "other", "--reason", "x")
    assert len(data(home, "hold", "list")["holds"]) == 1


def test_a_hold_is_lifted_once(home: Path) -> None:
    lift = ("hold", "lift")
    assert "no hold" in run(home, *lift, "hold-0", "--reason", "x", code=2).stderr
    hold_id = data(home, "hold", "place", "--everything", "--reason", "a")["hold_id"]
    assert "--reason" in run(home, *lift, hold_id, code=2).stderr
    run(home, *lift, hold_id, "--reason", "x")
    assert "in force" in run(home, *lift, hold_id, "--reason", "x", code=2).stderr


# --- prune ------------------------------------------------------------------------------


def test_old_entries_expire_and_stay_on_record(home: Path, target: type[Target]) -> None:
    old = ("prune", "--older-than", "1d")
    plan = data(home, *old, "--dry-run")
    assert (plan["dry_run"], sorted(plan["entries"])) == (True, [*NORAS, "other"])
    assert "5 would expire (dry run)" in run(home, *old, "--dry-run").stdout
    assert data(home, "prune", "--older-than", "99999d", "--dry-run")["entries"] == []
    assert status(home, "nora-card") == "active"
    assert data(home, *old, "--kind", "card", "--no-build")["entries"] == ["nora-card"]
    assert target.calls == []
    narrowed = (*old, "--status", "active", "--scope", "default/default")
    assert "4 expired" in run(home, *narrowed).stdout
    assert {status(home, one) for one in [*NORAS, "other"]} == {"expired"}
    assert "0 expired" in run(home, *old).stdout
    assert data(home, "verify")["ok"]


def test_pruning_a_card_builds_its_shard_again(home: Path, target: type[Target]) -> None:
    run(home, "prune", "--older-than", "1d", "--kind", "fact")
    assert target.calls == []
    run(home, "prune", "--older-than", "1d", "--kind", "card")
    assert target.calls == ["default/default"]


def test_a_held_entry_is_not_pruned(home: Path) -> None:
    hold_id = data(home, "hold", "place", "--entry", "other", "--reason", "a")["hold_id"]
    assert hold_id in run(home, "prune", "--older-than", "1d", code=4).stderr
    assert status(home, "nora-1") == "active"
    run(home, "hold", "lift", hold_id, "--reason", "b")
    run(home, "prune", "--older-than", "1d")
    assert status(home, "nora-1") == status(home, "other") == "expired"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--older-than", "90"), "no number of days"),
        (("--older-than", "xd"), "no number of days"),
        (("--older-than", "1d", "--kind", "rumour"), "no kind 'rumour'"),
        (("--older-than", "1d", "--status", "revoked"), "cannot be pruned"),
        ((), "--older-than"),
    ],
)
def test_what_cannot_be_pruned(home: Path, args: tuple[str, ...], words: str) -> None:
    assert words in run(home, "prune", *args, code=2).stderr
    assert status(home, "other") == "active"
    run(home, "prune", "--older-than", "1d", "--kind", "fact", "--status", "active")
    assert status(home, "other") == "expired"


def test_a_model_is_no_officer(home: Path) -> None:
    wrong = run(home, "prune", "--older-than", "1d", "--actor", "agent:bot", code=2)
    assert "is not a person" in wrong.stderr
    run(home, "prune", "--older-than", "1d", "--actor", str(ANN))
    assert status(home, "other") == "expired"
