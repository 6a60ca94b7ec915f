"""``key``, ``proof``, ``proof-check`` and ``witness`` as a person runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from governance import canonical, cli, notes
from governance.commands import proving
from governance.ledger import Ledger
from governance.merkle import leaf_hash
from governance.proof import build_proof, verify_proof
from governance.witness import Witness, build_request
from tests.governance.desk import Desk
from tests.governance.drafts import StepClock, append, source
from tests.governance.transparent import Log, Stored, lines_of, private

RUNNER = CliRunner()
NAME = "audit.example/w1"


def run(*args: object, code: int = 0, stdin: str | None = None) -> Result:
    result = RUNNER.invoke(cli.app, [str(one) for one in args], input=stdin)
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result


def data(*args: object, stdin: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*args, "--json", stdin=stdin).stdout)
    return found


@pytest.fixture
def home(home: Path) -> Path:
    """A home with a fact in it."""
    with Ledger.open(home, create=True, clock=StepClock()) as ledger:
        Desk(ledger=ledger).fact("deductible", "300 EUR", entry_id="fact-1")
    return home


@pytest.fixture
def folder(fast_path: Path) -> Path:
    return fast_path / "witness"


@pytest.fixture
def vkey(home: Path) -> str:
    return run("key", "show", "--home", home).stdout.strip()


@pytest.fixture
def witness(folder: Path) -> str:
    """Its public key."""
    return run("witness", "init", folder, "--name", NAME).stdout.strip()


def grow(home: Path) -> None:
    with Ledger.open(home) as ledger:
        append(ledger, source())


def vouch(home: Path, folder: Path, witness: str, *options: str) -> Result:
    request = run("witness", "request", "--home", home, "--for", witness).stdout
    line = run("witness", "cosign", folder, *options, stdin=request).stdout
    return run("witness", "accept", "--home", home, stdin=line)


# --- proofs ------------------------------------------------------------------------------


def test_key_prints_the_key_others_check_with(home: Path, vkey: str) -> None:
    found = data("key", "show", "--home", home)
    key = notes.parse_key(vkey, kind=notes.ED25519)
    assert found == {"origin": key.name, "key": vkey, "public_key": key.public.hex()}
    assert key.name.startswith("palimpsest/")


def test_an_event_is_proved_and_checked_without_the_home(
    home: Path, vkey: str, fast_path: Path
) -> None:
    file = fast_path / "1.tlog-proof"
    assert "proof of event 1" in run("proof", 1, "--home", home, "--out", file).stdout
    assert run("proof", 1, "--home", home).stdout == file.read_text("utf-8")
    home.rename(fast_path / "gone")
    shown = run("proof-check", file, "--key", vkey).stdout
    for text in ("event 1 is in the log palimpsest/", "source.ingested", "source:call",
                 "system:palimpsest", "2026-01-01", "Witnesses", "none"):  # fmt: skip
        assert text in shown
    found = data("proof-check", "-", "--key", vkey, stdin=file.read_text("utf-8"))
    assert (found["ok"], found["seq"], found["cosigners"]) == (True, 1, [])
    assert found["header"]["type"] == "source.ingested"


def test_an_entry_is_proved_by_its_latest_event(home: Path, fast_path: Path, vkey: str) -> None:
    with Ledger.open(home, read_only=True) as ledger:
        history = ledger.state.entry("fact-1").history
    for what in ("fact-1", "fact"):
        found = data("proof", what, "--home", home, "--out", fast_path / "p")
        assert found["seq"] == history[-1]
        assert found["file"] == str(fast_path / "p")
        text = (fast_path / "p").read_text("utf-8")
        assert found["proof"] == text
        key = notes.parse_key(vkey, kind=notes.ED25519)
        proven = verify_proof(text, [key])
        assert (proven.header["subject"], proven.checkpoint.size) == (
            "entry:fact-1", found["checkpoint_size"],
        )  # fmt: skip


def test_what_cannot_be_proved_is_said(home: Path, fast_path: Path) -> None:
    assert "event 999 does not exist" in run("proof", 999, "--home", home, code=2).stderr
    assert "event 0 does not exist" in run("proof", 0, "--home", home, code=2).stderr
    assert "does not exist" in run("proof", "nothing", "--home", home, code=2).stderr
    assert "cannot be written" in run(
        "proof", 1, "--home", home, "--out", fast_path / "no" / "file", code=5
    ).stderr  # fmt: skip
    assert "no palimpsest home" in run("proof", 1, "--home", fast_path / "no", code=5).stderr
    assert data("proof", 1, "--home", home)["file"] is None


def test_a_proof_that_does_not_hold_is_an_integrity_error(
    home: Path, vkey: str, fast_path: Path
) -> None:
    file = fast_path / "p"
    run("proof", 2, "--home", home, "--out", file)
    text = file.read_text("utf-8")
    file.write_text(text.replace("index 1", "index 2"), "utf-8")
    assert "does not lead to the root" in run("proof-check", file, "--key", vkey, code=3).stderr
    other = str(Log().vkey)
    assert "another log" in run("proof-check", file, "--key", other, code=3).stderr
    assert "not a verifier key" in run("proof-check", file, "--key", "x", code=3).stderr
    missing = fast_path / "missing"
    assert "cannot be read" in run("proof-check", missing, "--key", vkey, code=5).stderr
    file.write_bytes(b"\xff" * (proving.MAX_INPUT_BYTES + 1))
    assert "longer than" in run("proof-check", file, "--key", vkey, code=2).stderr
    file.write_text(text, "utf-8")
    run("proof-check", file, "--key", vkey)


def test_a_proof_is_checked_through_a_change_of_key(
    fast_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log().append(2).rotate(private(2)).append(1)
    monkeypatch.setattr(proving, "open_ledger", lambda _: nullcontext(log))
    file, link = fast_path / "p", fast_path / "link"
    run("proof", 1, "--home", fast_path, "--out", file)
    run("proof", 3, "--home", fast_path, "--out", link)
    assert link.read_text("utf-8") == build_proof(log, 3, log.first_note(3))
    old = str(Log().vkey)
    refused = run("proof-check", file, "--key", old, code=3).stderr
    assert "--chain" in refused
    shown = run("proof-check", file, "--key", old, "--chain", link).stdout
    assert str(log.vkey) in shown


def test_a_header_by_a_later_version_is_still_shown(fast_path: Path) -> None:
    file = fast_path / "p"
    for header, expected in (
        ({"seq": 1, "type": "future.thing\u202e", "recorded_at_us": 2**53 - 1}, "2255"),
        ({"seq": 1, "actor": {"kind": "human", "id": "ann"}}, "human:ann"),
        ({"seq": 1, "recorded_at_us": "soon"}, "soon"),
    ):
        log = Log()
        log.headers = [canonical.encode(header)]  # type: ignore[arg-type]
        log.stored = Stored([leaf_hash(log.headers[0])])
        log.signed.append(log.sign())
        file.write_text(build_proof(log, 1), "utf-8")
        shown = run("proof-check", file, "--key", log.vkey).stdout
        assert expected in shown
        assert "\u202e" not in shown


# --- witnesses ---------------------------------------------------------------------------


def test_a_witness_vouches_and_proofs_carry_it(
    home: Path, folder: Path, vkey: str, witness: str, fast_path: Path
) -> None:
    assert f"{NAME} vouches for" in vouch(home, folder, witness, "--trust", vkey).stdout
    size = data("witness", "show", folder)["logs"][0]["size"]
    grow(home)
    vouch(home, folder, witness)
    shown = data("witness", "show", folder)
    assert (shown["name"], shown["key"], len(shown["logs"])) == (NAME, witness, 1)
    assert shown["logs"][0]["size"] > size
    assert shown["logs"][0]["key"] == vkey
    text = run("witness", "show", folder).stdout
    assert witness in text
    assert vkey.partition("+")[0] in text

    file = fast_path / "p"
    run("proof", "fact-1", "--home", home, "--out", file)
    found = data("proof-check", file, "--key", vkey, "--witness", witness)
    assert found["cosigners"] == [NAME]
    assert NAME in run("proof-check", file, "--key", vkey, "--witness", witness).stdout
    other = run("witness", "init", fast_path / "w2", "--name", "w2").stdout.strip()
    both = ("--witness", witness, "--witness", other)
    assert "1 of 2 witnesses" in run("proof-check", file, "--key", vkey, *both, code=3).stderr
    assert data("proof-check", file, "--key", vkey, *both, "--quorum", 1)["ok"]
    run("proof-check", file, "--key", vkey, *both, "--quorum", 3, code=2)


def test_a_time_beyond_the_calendar_is_still_shown(folder: Path, witness: str) -> None:
    log = Log().append(1)
    Witness(folder).cosign(build_request(log, 0), now_s=10**15, trust=log.vkey)
    assert f"{10**21} µs" in run("witness", "show", folder).stdout
    assert data("witness", "show", folder)["logs"][0]["time_s"] == 10**15


def test_everything_speaks_json(home: Path, folder: Path, vkey: str, fast_path: Path) -> None:
    made = data("witness", "init", folder, "--name", NAME)
    assert made == data("witness", "init", folder, "--name", NAME)
    assert (made["name"], made["folder"]) == (NAME, str(folder))
    request = data("witness", "request", "--home", home, "--for", made["key"])
    assert (request["witness"], request["old"]) == (NAME, 0)
    file = fast_path / "request"
    file.write_text(request["request"], "utf-8")
    answer = data("witness", "cosign", folder, file, "--trust", vkey)
    assert answer["size"] == request["size"]
    assert answer["origin"] == vkey.partition("+")[0]
    file.write_text(answer["cosignature"], "utf-8")
    accepted = data("witness", "accept", file, "--home", home)["accepted"]
    assert accepted == [{"witness": NAME, "size": request["size"], "time_s": answer["time_s"]}]


def test_a_witness_refuses_with_a_hint(
    home: Path, folder: Path, vkey: str, witness: str, fast_path: Path
) -> None:
    request = run("witness", "request", "--home", home, "--for", witness).stdout
    assert "--trust" in run("witness", "cosign", folder, stdin=request, code=2).stderr
    assert (
        "witness init" in run("witness", "cosign", fast_path / "no", stdin=request, code=5).stderr
    )
    assert "not a request" in run("witness", "cosign", folder, stdin="x", code=2).stderr
    run("witness", "cosign", folder, "--trust", vkey, stdin=request)  # its answer is lost
    grow(home)
    stale = run("witness", "request", "--home", home, "--for", witness).stdout
    hint = run("witness", "cosign", folder, stdin=stale, code=2).stderr
    size = hint.partition("--old ")[2].split("`")[0]
    again = run("witness", "request", "--home", home, "--for", witness, "--old", size).stdout
    line = run("witness", "cosign", folder, stdin=again).stdout
    assert "vouches for" in run("witness", "accept", "--home", home, stdin=line).stdout
    ahead = run("witness", "request", "--home", home, "--for", witness, "--old", 99, code=3)
    assert "old copy or a cut ledger" in ahead.stderr


def test_a_log_does_not_take_a_forged_answer(
    home: Path, folder: Path, vkey: str, witness: str
) -> None:
    assert "was asked yet" in run("witness", "accept", "--home", home, stdin="x", code=2).stderr
    request = run("witness", "request", "--home", home, "--for", witness).stdout
    line = run("witness", "cosign", folder, "--trust", vkey, stdin=request).stdout
    forged = line[:-8] + ("A" if line[-8] != "A" else "B") + line[-7:]
    assert "forged" in run("witness", "accept", "--home", home, stdin=forged, code=3).stderr
    wrong = run("witness", "request", "--home", home, "--for", vkey, code=3).stderr
    assert "not that of a witness" in wrong
    run("witness", "accept", "--home", home, stdin=line)


def test_a_fork_is_an_integrity_error_that_names_the_evidence(folder: Path, witness: str) -> None:
    log = Log().append(4)
    trust = ("--trust", str(log.vkey))
    run("witness", "cosign", folder, *trust, stdin=f"old 0\n\n{log.note()}")
    fork = log.rewritten(2, 2)
    refused = run("witness", "cosign", folder, stdin=f"old 4\n\n{fork.note()}", code=3)
    assert "another history" in refused.stderr
    assert "evidence/" in refused.stderr
    assert refused.stdout == ""
    line = run("witness", "cosign", folder, stdin=f"old 4\n\n{log.note()}").stdout
    assert lines_of(f"{log.note()}{line}")[1] == line


def test_the_three_commands_work_as_one_pipe(
    home: Path, folder: Path, vkey: str, witness: str
) -> None:
    """As `request | ssh elsewhere cosign | accept`, each a process of its own."""
    program = [sys.executable, "-m", "governance.cli", "witness"]
    parts = (
        ["request", "--home", home, "--for", witness],
        ["cosign", folder, "--trust", vkey],
        ["accept", "--home", home],
    )
    running: list[subprocess.Popen[bytes]] = []
    for part in parts:
        source = running[-1].stdout if running else subprocess.DEVNULL
        one = subprocess.Popen(
            [*program, *map(str, part)], stdin=source, stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2], env={**os.environ, "PALIMPSEST_DEBUG": "1"},
        )  # fmt: skip
        if running and running[-1].stdout is not None:
            running[-1].stdout.close()
        running.append(one)
    output, _ = running[-1].communicate(timeout=120)
    assert [one.wait(timeout=120) for one in running] == [0, 0, 0]
    assert output.decode().startswith(f"{NAME} vouches for ")
