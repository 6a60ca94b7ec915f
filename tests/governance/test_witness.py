from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from governance import notes
from governance.errors import (
    CheckpointError,
    LedgerError,
    ProofError,
    StaleRequestError,
    StoreBusyError,
    StoreError,
)
from governance.merkle import EMPTY_ROOT
from governance.notes import Checkpoint
from governance.witness import (
    EVIDENCE,
    KEY_FILE,
    LOCK,
    LOGS,
    MAX_LINKS,
    Request,
    Witness,
    build_request,
    parse_request,
)
from tests.governance.transparent import ORIGIN, Log, lines_of, log_vkey, private, relined

NAME = "audit.example/w1"
NOW_S = 1_795_700_000


@pytest.fixture
def folder(fast_path: Path) -> Path:
    return fast_path / "witness"


@pytest.fixture
def witness(folder: Path) -> Witness:
    return Witness.create(folder, NAME)


@pytest.fixture
def log() -> Log:
    return Log().append(3)


def state_file(folder: Path) -> Path:
    [path] = (folder / LOGS).iterdir()
    return path


# --- making one --------------------------------------------------------------------------


def test_a_witness_keeps_its_key_to_itself(witness: Witness, folder: Path) -> None:
    key_file = folder / KEY_FILE
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {KEY_FILE, LOGS, EVIDENCE}
    assert Witness(folder).key == witness.key == Witness.create(folder, NAME).key
    assert witness.key.name == NAME
    assert notes.parse_key(str(witness.key), kind=notes.COSIGNATURE) == witness.key
    assert key_file.read_text().startswith(f"PRIVATE+KEY+{NAME}+{witness.key.key_id.hex()}+")
    assert str(witness.key).split("+")[2] not in key_file.read_text()


def test_a_witness_is_not_made_over_something_else(witness: Witness, fast_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is the witness 'audit\.example/w1' already"):
        Witness.create(fast_path / "witness", "other")
    used = fast_path / "used"
    used.mkdir()
    (used / "file").touch()
    with pytest.raises(StoreError, match="holds other files"):
        Witness.create(used, NAME)
    with pytest.raises(StoreError, match="no witness can be made"):
        Witness.create(used / "file" / "below", NAME)
    for name in ("", "two words", "a+b", "n" * 201):
        with pytest.raises(LedgerError, match="cannot name a witness"):
            Witness.create(fast_path / "new", name)
    with pytest.raises(StoreError, match="there is no witness") as caught:
        Witness(fast_path / "new")
    assert "witness init" in caught.value.hint
    assert not (fast_path / "new").exists()


def test_making_one_is_completed_after_an_interruption(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(5, "I/O error")))
        with pytest.raises(StoreError, match="I/O error"):
            Witness.create(folder, NAME)
    with pytest.raises(StoreError, match="there is no witness"):
        Witness(folder)
    assert Witness.create(folder, NAME).key == Witness(folder).key


def test_a_damaged_key_is_refused(witness: Witness, folder: Path) -> None:
    whole = (folder / KEY_FILE).read_text()
    parts = whole.split("+")
    for wrong in (
        "",
        whole[:-4],
        whole.replace(NAME, "other"),
        whole.replace(parts[3], "00000000"),
        whole.replace(parts[3] + "+", ""),
        whole.replace("PRIVATE+KEY+", ""),
        "+".join([*parts[:4], "AAAA\n"]),
        "+".join([*parts[:4], "!\n"]),
    ):
        (folder / KEY_FILE).write_text(wrong)
        with pytest.raises(StoreError, match="damaged"):
            Witness(folder)
    (folder / KEY_FILE).write_text(whole)
    assert Witness(folder).key == witness.key


# --- vouching ----------------------------------------------------------------------------


def test_a_witness_follows_a_log_and_remembers_one_checkpoint(
    witness: Witness, folder: Path, log: Log
) -> None:
    done = witness.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey)
    assert done.checkpoint == notes.parse(log.note())
    note = notes.add_lines(log.note(), done.line)
    assert notes.verify_cosignature(note, witness.key) == done.time_s == NOW_S
    for step in range(1, 4):
        size = len(log.headers)
        log.append(step * 100)
        witness.cosign(build_request(log, size), now_s=NOW_S + step, trust=log.vkey)
        [record] = Witness(folder).records()
        assert (record.note, record.key, record.time_s) == (log.note(), log.vkey, NOW_S + step)
        assert record.checkpoint.size == len(log.headers)
    assert stat.S_IMODE(state_file(folder).stat().st_mode) == 0o600
    assert not list(folder.rglob("*.new"))


def test_an_empty_log_can_be_vouched_for_from_its_birth(witness: Witness) -> None:
    log = Log()
    assert witness.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey).checkpoint.size == 0
    log.append(5)
    assert witness.cosign(build_request(log, 0), now_s=NOW_S).checkpoint.size == 5


def test_first_contact_needs_the_key_of_the_log(witness: Witness, log: Log) -> None:
    request = build_request(log, 0)
    with pytest.raises(LedgerError, match="unknown to this witness") as caught:
        witness.cosign(request, now_s=NOW_S)
    assert "--trust" in caught.value.hint
    with pytest.raises(CheckpointError, match="not signed"):
        witness.cosign(request, now_s=NOW_S, trust=log_vkey(private(9)))
    with pytest.raises(CheckpointError, match="another log"):
        witness.cosign(request, now_s=NOW_S, trust=log_vkey(private(1), "other"))
    assert witness.records() == []
    witness.cosign(request, now_s=NOW_S, trust=log.vkey)
    with pytest.raises(LedgerError, match="another key is already trusted"):
        witness.cosign(Request(3, (), log.note()), now_s=NOW_S, trust=log_vkey(private(9)))


def test_a_witness_says_at_which_size_it_is(witness: Witness, log: Log) -> None:
    with pytest.raises(StaleRequestError, match="at size 0, the request starts at 2") as first:
        witness.cosign(build_request(log, 2), now_s=NOW_S, trust=log.vkey)
    assert first.value.size == 0
    witness.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey)
    log.append(4)
    for old in (0, 2, 4):
        with pytest.raises(StaleRequestError, match="at size 3") as later:
            witness.cosign(build_request(log, old), now_s=NOW_S)
        assert later.value.size == 3
    assert witness.cosign(build_request(log, 3), now_s=NOW_S).checkpoint.size == 7


def test_a_first_checkpoint_must_make_sense_too(witness: Witness, folder: Path, log: Log) -> None:
    odd = notes.sign(Checkpoint(ORIGIN, 0, bytes(32)), private(1))
    with pytest.raises(ProofError, match="hash of nothing"):
        witness.cosign(Request(0, (), odd), now_s=NOW_S, trust=log.vkey)
    with pytest.raises(ProofError, match="must be empty"):
        witness.cosign(Request(0, (EMPTY_ROOT,), log.note()), now_s=NOW_S, trust=log.vkey)
    assert witness.records() == []
    assert list((folder / EVIDENCE).iterdir()) == []
    witness.cosign(Request(0, (), log.note()), now_s=NOW_S, trust=log.vkey)


def test_times_of_cosignatures_never_go_back(witness: Witness, log: Log) -> None:
    witness.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey)
    earlier = witness.cosign(build_request(log, 3), now_s=NOW_S - 86_400)
    assert earlier.time_s == NOW_S
    assert witness.cosign(build_request(log, 3), now_s=NOW_S + 1).time_s == NOW_S + 1


def test_a_witness_follows_several_logs(witness: Witness) -> None:
    logs = [Log(private(number), f"palimpsest/{number}").append(number) for number in (2, 1, 3)]
    for log in logs:
        witness.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey)
    found = [(one.key.name, one.checkpoint.size) for one in witness.records()]
    assert found == [("palimpsest/1", 1), ("palimpsest/2", 2), ("palimpsest/3", 3)]


def test_two_processes_do_not_use_one_witness_at_once(
    witness: Witness, folder: Path, log: Log
) -> None:
    descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(StoreBusyError, match="another process uses the witness"):
            witness.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey)
    finally:
        os.close(descriptor)
    assert witness.records() == []
    witness.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey)
    assert Witness.create(folder, NAME).key == witness.key


def test_a_damaged_record_stops_the_witness(witness: Witness, folder: Path, log: Log) -> None:
    witness.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey)
    path = state_file(folder)
    whole = path.read_text("utf-8")
    head, _, note = whole.partition("\n\n")
    vkey = str(log.vkey)
    other = str(log_vkey(private(9)))
    log.append(1)
    for wrong in (
        "",
        whole[:-3],
        whole.replace("\n3\n", "\n2\n"),
        whole.replace("time ", "time x"),
        whole.replace(vkey, other),
        whole.replace(vkey, "nothing"),
        f"{vkey}\n\n{note}",
        head,
    ):
        path.write_text(wrong, "utf-8")
        with pytest.raises(StoreError, match="damaged"):
            witness.cosign(build_request(log, 3), now_s=NOW_S)
        with pytest.raises(StoreError, match="damaged"):
            witness.records()
    stranger = Log(private(5), "palimpsest/5").append(3)
    path.write_text(f"{stranger.vkey}\ntime 5\n\n{stranger.note()}", "utf-8")
    with pytest.raises(StoreError, match="it is about 'palimpsest/5'"):
        witness.cosign(build_request(log, 3), now_s=NOW_S)
    path.write_text(whole, "utf-8")
    assert witness.cosign(build_request(log, 3), now_s=NOW_S).checkpoint.size == 4


# --- changes of key ----------------------------------------------------------------------


def test_a_witness_moves_on_to_a_new_key_by_the_chain_the_log_sends(
    witness: Witness, log: Log
) -> None:
    witness.cosign(build_request(log, 0), now_s=NOW_S, trust=log.vkey)
    log.rotate(private(2)).append(3).rotate(private(3)).append(2)
    assert len(lines_of(log.note())) == 1  # signed by the newest key alone
    request = parse_request(build_request(log, 3).text())
    assert len(request.chain) == 2
    for chain in ((), request.chain[:1], request.chain[1:]):
        with pytest.raises(CheckpointError, match="not signed"):
            witness.cosign(Request(3, request.proof, request.note, chain), now_s=NOW_S)
    assert witness.cosign(request, now_s=NOW_S).checkpoint.size == 10
    [record] = witness.records()
    assert record.key == log.vkey == log_vkey(private(3))
    log.append(1)
    later = build_request(log, 10)
    assert later.chain == ()  # it knows by now
    assert witness.cosign(later, now_s=NOW_S).checkpoint.size == 11


def test_a_new_witness_may_trust_any_key_the_log_has_had(folder: Path, log: Log) -> None:
    log.rotate(private(2)).append(3)
    for number, key in enumerate((log_vkey(private(1)), log.vkey)):
        made = Witness.create(folder.with_name(f"w{number}"), NAME)
        assert made.cosign(build_request(log, 0), now_s=NOW_S, trust=key).checkpoint.size == 7
        assert made.records()[0].key == log.vkey
    stranger = Witness.create(folder.with_name("w3"), NAME)
    with pytest.raises(CheckpointError, match="not signed"):
        stranger.cosign(build_request(log, 0), now_s=NOW_S, trust=log_vkey(private(9)))


# --- requests ----------------------------------------------------------------------------


def test_a_request_is_the_body_of_the_c2sp_call() -> None:
    log = Log().append(3).append(5)
    request = build_request(log, 3)
    text = request.text()
    head, _, note = text.partition("\n\n")
    assert head.split("\n")[0] == "old 3"
    assert len(head.split("\n")) == 1 + len(request.proof)
    assert note == log.note()
    assert parse_request(text) == request
    assert parse_request(build_request(log, 0).text()) == build_request(log, 0)
    assert build_request(log, 8).text() == f"old 8\n\n{log.note()}"


def test_a_request_with_a_chain_survives_the_trip() -> None:
    log = Log().append(3).rotate(private(2)).append(1).rotate(private(3)).append(1)
    request = build_request(log, 2)
    assert len(request.chain) == 2
    assert request.text().startswith(request.chain[0] + "\n")
    assert parse_request(request.text()) == request
    assert [len(build_request(log, old).chain) for old in (0, 3, 4, 5, 6, 7)] == [2, 2, 1, 1, 0, 0]


def test_what_is_no_request_is_refused(log: Log) -> None:
    good = build_request(log, 2).text()
    assert parse_request(good).old == 2
    link = Log().append(1).rotate(private(2))
    links = build_request(link, 0).text()
    assert parse_request(links).chain
    for wrong, error in (
        ("", LedgerError),
        ("old 2\n", LedgerError),
        (f"{good}\n\n", LedgerError),
        (f"\n\n{good}", LedgerError),
        (good.replace("old 2", "old"), LedgerError),
        (good.replace("old 2", "old 02"), LedgerError),
        (good.replace("old 2", "old -2"), LedgerError),
        (good.replace("old 2", f"old {'9' * 5_000}"), LedgerError),
        (good.replace("old 2", "new 2"), LedgerError),
        (good.replace("old 2\n", "old 2\n!\n"), ProofError),
        (links.split("old ")[0] * (MAX_LINKS + 1) + good, LedgerError),
    ):
        with pytest.raises(error):
            parse_request(wrong)
    assert len(parse_request(links.split("old ")[0] * MAX_LINKS + good).chain) == MAX_LINKS


def test_a_note_that_is_none_is_refused_before_anything_else(
    witness: Witness, folder: Path, log: Log
) -> None:
    with pytest.raises(CheckpointError):
        witness.cosign(Request(0, (), relined(log.note(), [])), now_s=NOW_S, trust=log.vkey)
    assert not (folder / LOCK).exists()
    witness.cosign(Request(0, (), log.note()), now_s=NOW_S, trust=log.vkey)
    assert (folder / LOCK).exists()
