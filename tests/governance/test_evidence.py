"""Evidence bundles of real and made-up logs: what is in them, what is not, how they fail."""

from __future__ import annotations

import hashlib
import json
import os
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from governance import cli, standalone
from governance.errors import CheckpointError, LedgerError, StoreError
from governance.evidence import verifier, write_bundle
from governance.ledger import Ledger
from governance.policy import load_policy
from governance.review import activate_policy
from tests.governance.bundles import LENGTH, SECRET, Source, bundle, source
from tests.governance.desk import Desk
from tests.governance.drafts import ANN, StepClock
from tests.governance.verify_logs import event, public, signed_at

NAMES = [
    "README.txt", "checkpoints.txt", "cosigned.txt", "disclosed.jsonl", "headers.jsonl",
    "key.txt", "manifest.json", "policies.jsonl", "verify.py",
]  # fmt: skip


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


# --- the file --------------------------------------------------------------------------------


def test_the_same_log_gives_the_same_bytes(tmp_path: Path) -> None:
    log = source()
    first, second = bundle(tmp_path / "a.zip", log), bundle(tmp_path / "b.zip", log)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as file:
        assert file.namelist() == NAMES
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    files = members(first)
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest == {
        "format": 1,
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    assert files["verify.py"] == verifier()
    assert files["headers.jsonl"] == b"".join(header + b"\n" for _, header in log.logged)
    assert files["key.txt"].decode() == f"origin {log.origin}\nfirst-key {public(1).hex()}\n"


def test_the_receipt_says_what_was_written(tmp_path: Path) -> None:
    receipt = write_bundle(tmp_path / "a.zip", source(), [7, 7])
    assert receipt.sha256 == hashlib.sha256(receipt.path.read_bytes()).hexdigest()
    assert receipt.verifier_sha256 == hashlib.sha256(verifier()).hexdigest()
    assert (receipt.events, receipt.disclosed) == (LENGTH, 2)  # one, and the policy
    assert receipt.root in members(receipt.path)["README.txt"].decode()


def test_only_what_is_disclosed_is_in_it_and_it_stays_data(tmp_path: Path) -> None:
    """Trust test 20 for bundles: JSON lines only, no table a spreadsheet would run."""
    files = members(bundle(tmp_path / "a.zip"))
    shown = [json.loads(line) for line in files["disclosed.jsonl"].splitlines()]
    assert [one["seq"] for one in shown] == [3, 7]
    assert shown[1]["payload"]["text"] == f"{SECRET} 7"
    everything = b"".join(files.values())
    assert b"<script> 7" not in everything
    assert "\u202e' 7".encode() in everything
    assert "\u202e' 8".encode() not in everything
    for name in files:
        assert name.endswith((".txt", ".jsonl", ".json", "verify.py"))
    for name in ("disclosed.jsonl", "headers.jsonl", "policies.jsonl"):
        assert all(line.startswith(b'{"') for line in files[name].splitlines())
    [policy] = files["policies.jsonl"].splitlines()
    assert json.loads(policy)["digest"] == hashlib.sha256("rules: ∅".encode()).hexdigest()


def test_events_after_the_last_checkpoint_are_left_out(tmp_path: Path) -> None:
    log = source()
    log.signed = log.signed[:-1]
    files = members(bundle(tmp_path / "a.zip", log))
    assert len(files["headers.jsonl"].splitlines()) == 16
    assert standalone.verify(standalone.Bundle(tmp_path / "a.zip")).problems() == []
    with pytest.raises(LedgerError, match="event 17 is not covered"):
        write_bundle(tmp_path / "b.zip", log, [17])
    assert not (tmp_path / "b.zip").exists()


def test_what_was_erased_cannot_be_disclosed(tmp_path: Path) -> None:
    log = source()
    log.opened[7] = None
    with pytest.raises(LedgerError, match="the payload of event 7 was erased"):
        bundle(tmp_path / "a.zip", log)
    assert list(tmp_path.iterdir()) == []
    log = source()
    log.opened[3] = None  # a policy that is gone is not listed, and nothing fails
    assert members(bundle(tmp_path / "a.zip", log))["policies.jsonl"] == b""
    assert standalone.verify(standalone.Bundle(tmp_path / "a.zip")).problems() == []


def test_nothing_is_overwritten_and_nothing_half_written_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.zip"
    target.write_text("mine")
    with pytest.raises(LedgerError, match="exists"):
        bundle(target)
    assert target.read_text() == "mine"
    target.unlink()
    with pytest.raises(StoreError, match="cannot be written"):
        bundle(tmp_path / "none" / "a.zip")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            bundle(target)
    assert list(tmp_path.iterdir()) == []
    bundle(target)
    assert list(tmp_path.iterdir()) == [target]


def test_a_log_without_a_checkpoint_gives_no_evidence(tmp_path: Path) -> None:
    log = source()
    log.signed = []
    with pytest.raises(LedgerError, match="no signed checkpoint"):
        bundle(tmp_path / "a.zip", log)
    log.signed = ["rubbish"]
    with pytest.raises(CheckpointError):
        bundle(tmp_path / "a.zip", log)


def test_writing_takes_no_memory_that_grows_with_the_log(tmp_path: Path) -> None:
    count, row = 40_000, event(1)

    class Long(Source):
        def headers(self, stop: int) -> Iterator[bytes]:
            return (row.header + b"%d" % seq for seq in range(stop))

    signed = signed_at([row], 1, 1).replace("\n1\n", f"\n{count}\n")
    tracemalloc.start()
    try:
        receipt = write_bundle(tmp_path / "a.zip", Long([], [signed]), [])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert receipt.events == count
    written = len(members(receipt.path)["headers.jsonl"])
    assert written > 20_000_000
    assert peak < written / 8


# --- the command -------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    with Ledger.open(folder, create=True, clock=StepClock()) as ledger:
        activate_policy(ledger, load_policy("default"), ANN)
        desk = Desk(ledger=ledger)
        desk.fact("deductible", "300 EUR")
        desk.fact("adjuster", "Hugo Bancroft")
    return folder


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(cli.app, ["evidence", *arguments])
    assert result.exit_code == code, (result.output, result.stderr, result.exception)
    return result.stdout if code == 0 else result.stderr


def test_the_command_writes_a_bundle_that_verifies(home: Path, tmp_path: Path) -> None:
    with Ledger.open(home, read_only=True) as ledger:
        entries = list(ledger.state.entries)
        history = ledger.state.entry(entries[0]).history
        head, key = ledger.head, ledger.first_key
        policies = sum(1 for one in ledger.events(types=["policy.activated"]))
    out = tmp_path / "evidence.zip"
    found = json.loads(run(str(out), "--home", str(home), "--entry", entries[0], "--json"))
    assert (found["events"], found["root"], found["key"]) == (head.seq, head.root, key.hex())
    report = standalone.verify(standalone.Bundle(out), key)
    assert report.problems() == []
    assert (report.events, report.policies) == (head.seq, policies)
    assert report.disclosed == len(history) + policies == found["disclosed"]
    text = b"".join(members(out).values())
    assert b"300 EUR" in text
    assert b"Hugo Bancroft" not in text
    assert (home / "checkpoints" / "checkpoints.log").read_bytes() == members(out)[
        "checkpoints.txt"
    ]


def test_the_command_in_words_and_its_refusals(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "evidence.zip"
    text = run(str(out), "--home", str(home))
    assert f"sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}" in text
    assert "give the reader this key in another way: " in text
    assert "exists" in run(str(out), "--home", str(home), code=2)
    assert "does not exist" in run(
        str(tmp_path / "b.zip"), "--home", str(home), "--entry", "nope", code=2
    )
    assert "no palimpsest home" in run(
        str(tmp_path / "b.zip"), "--home", str(tmp_path / "x"), code=5
    )
    assert not (tmp_path / "b.zip").exists()


def test_cosigned_checkpoints_of_the_home_are_included(home: Path, tmp_path: Path) -> None:
    with Ledger.open(home, read_only=True) as ledger:
        note = ledger.checkpoints()[-1]
        assert ledger.cosigned() == []
    folder = home / "checkpoints" / "cosigned"
    folder.mkdir()
    (folder / "w.note").write_text(note, encoding="utf-8")
    run(str(tmp_path / "a.zip"), "--home", str(home))
    assert members(tmp_path / "a.zip")["cosigned.txt"].decode() == f"{note}\n"
    assert standalone.verify(standalone.Bundle(tmp_path / "a.zip")).problems() == []


def test_a_ledger_in_memory_gives_evidence_too(tmp_path: Path) -> None:
    with Ledger.in_memory(clock=StepClock()) as ledger:
        desk = Desk(ledger=ledger)
        entry = desk.fact("deductible", "300 EUR")
        history = ledger.state.entry(entry.entry_id).history
        receipt = write_bundle(tmp_path / "a.zip", ledger, history[:1])
        assert ledger.cosigned() == []
    assert receipt.events > 1
    assert standalone.verify(standalone.Bundle(tmp_path / "a.zip")).problems() == []
