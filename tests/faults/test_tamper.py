"""Every row that is persisted, changed, dropped, swapped or invented, in a real home.

Each fault is made with the means of its attacker: SQL on the database file (no key), an
editor on the checkpoint file, or a copy of an older home. ``verify_home`` must name the
first bad event, and ``Ledger.open`` must not hand out a ledger that looks whole.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import pytest

from governance.errors import (
    ChainError,
    SealError,
    StoreError,
    VerificationError,
)
from governance.events import RoleGranted
from governance.home import DATABASE, KEYS
from governance.ledger import Ledger, OwnedLog, verify_home
from governance.merkle import leaf_hash
from tests.faults.homes import (
    EVENTS,
    build,
    checkpoint_file,
    copied,
    rewrite,
    sql,
    unconstrained,
)
from tests.golden.regenerate import plain
from tests.governance.drafts import draft


@pytest.fixture(scope="module")
def whole(fast_root: Path) -> Path:
    return build(fast_root / "tamper" / "whole")


@pytest.fixture
def victim(whole: Path, fast_path: Path) -> Path:
    return copied(whole, fast_path / "home")


def role(name: str = "late") -> RoleGranted:
    return RoleGranted(principal=name, role="admin")


def problems(home: Path) -> list[str]:
    return verify_home(home).problems


def test_control_the_untouched_copy_holds(victim: Path) -> None:
    report = verify_home(victim)
    assert report.ok
    assert (report.events, report.payloads) == (EVENTS, EVENTS)
    with Ledger.open(victim) as ledger:
        assert ledger.head.seq == EVENTS


# --- SQL on the database -----------------------------------------------------------------

# What is done, and how the first problem that `verify` reports begins.
EDITS: dict[str, tuple[list[str], str]] = {
    "column event_id": (["UPDATE event SET event_id = 'x' WHERE seq = 7"], "event 7:"),
    "column type": (["UPDATE event SET type = 'ledger.thawed' WHERE seq = 7"], "event 7:"),
    "column recorded_at_us": (["UPDATE event SET recorded_at_us = 1 WHERE seq = 7"], "event 7:"),
    "column subject": (["UPDATE event SET subject = 'entry:e1' WHERE seq = 7"], "event 7:"),
    "column command": (["UPDATE event SET command = 'x' WHERE seq = 7"], "event 7:"),
    "column command emptied": (["UPDATE event SET command = NULL WHERE seq = 2"], "event 2:"),
    "column command, of nothing": (["UPDATE event SET command = '' WHERE seq = 7"], "event 7:"),
    "column leaf": (
        ["UPDATE event SET leaf = (SELECT leaf FROM event WHERE seq = 8) WHERE seq = 7"],
        "event 7:",
    ),
    "a header byte": (
        [("UPDATE event SET header = replace(header::VARCHAR, 'agent', 'human')::BLOB"
         " WHERE seq = 2")],
        "event 2:",
    ),
    "a header emptied": (["UPDATE event SET header = ''::BLOB WHERE seq = 7"], "event 7:"),
    "a row deleted": (["DELETE FROM event WHERE seq = 7"], "event 7 is missing"),
    "a row deleted and the gap closed": (
        unconstrained(
            "event", "DELETE FROM event WHERE seq = 7",
            "UPDATE event SET seq = seq - 1 WHERE seq > 7",
        ),
        "event 7:",
    ),
    "two rows swapped": (
        unconstrained(
            "event",
            "UPDATE event SET seq = CASE seq WHEN 7 THEN 8 ELSE 7 END WHERE seq IN (7, 8)",
        ),
        "event 7:",
    ),
    "a row twice": (
        unconstrained("event", "INSERT INTO event SELECT * FROM event WHERE seq = 7"),
        "event 8 is missing or out of order: found event 7",
    ),
    "a row before the first": (
        [("INSERT INTO event SELECT 0, 'x', type, recorded_at_us, subject, header, leaf,"
         " sealed, command FROM event WHERE seq = 7")],
        "event 1 is missing or out of order: found event 0",
    ),
    "a row far below": (
        [("INSERT INTO event SELECT -9000000000, 'x', type, recorded_at_us, subject, header, leaf,"
         " sealed, command FROM event WHERE seq = 7")],
        "event 1 is missing or out of order: found event -9000000000",
    ),
    "a row far beyond": (
        [("INSERT INTO event SELECT 9000000000000, 'x', type, recorded_at_us, subject, header,"
         " leaf, sealed, command FROM event WHERE seq = 7")],
        f"event {EVENTS + 1} is missing or out of order: found event 9000000000000",
    ),
    "the last row moved beyond": (
        [f"UPDATE event SET seq = {EVENTS + 50} WHERE seq = {EVENTS}"],
        f"event {EVENTS} is missing or out of order: found event {EVENTS + 50}",
    ),
    "a sealed payload byte": (
        ["UPDATE event SET sealed = unhex(hex(sealed)[:-3] || 'ff') WHERE seq = 7"],
        "event 7:",
    ),
    "a sealed payload cut": (
        ["UPDATE event SET sealed = unhex(hex(sealed)[:20]) WHERE seq = 7"], "event 7:",
    ),
    "a sealed payload deleted": (["UPDATE event SET sealed = NULL WHERE seq = 7"], "event 7:"),
    "payloads of one subject swapped": (
        [("UPDATE event SET sealed = (SELECT sealed FROM event other WHERE other.seq ="
         " 7 - event.seq) WHERE seq IN (3, 4)")],
        "event 3:",
    ),
    "a payload twice": (
        ["UPDATE event SET sealed = (SELECT sealed FROM event WHERE seq = 7) WHERE seq = 8"],
        "event 8:",
    ),
    "all payloads deleted": (["UPDATE event SET sealed = NULL"], "event 1:"),
    "a tile byte": (
        ["UPDATE tile SET hashes = unhex(hex(hashes)[:-3] || '00')"], "tile 0 of level 0",
    ),
    "a tile deleted": (["DELETE FROM tile"], "tile 0 of level 0 is missing"),
    "a tile too many": (
        ["INSERT INTO tile SELECT 1, 0, hashes FROM tile"], "tile 0 of level 1",
    ),
    "the tail": ([f"DELETE FROM event WHERE seq > {EVENTS - 3}"], "the log ends at event 297"),
    "the tail with payloads and tiles": (
        ["DELETE FROM event WHERE seq > 200", "DELETE FROM tile"],
        "the log ends at event 200",
    ),
    "everything": (
        ["DELETE FROM event", "DELETE FROM tile", "DELETE FROM mention"],
        "the log ends at event 0",
    ),
}  # fmt: skip


PROJECTIONS: dict[str, list[str]] = {
    "a mention's event": ["UPDATE mention SET seq = seq + 1 WHERE seq = 16"],
    "a mention's type": ["UPDATE mention SET type = 'entry.revoked' WHERE seq = 16"],
    "a mention's subject": ["UPDATE mention SET subject = 'entry:e2' WHERE seq = 16"],
    "a mention deleted": ["DELETE FROM mention WHERE seq = 16"],
    "a mention twice": ["INSERT INTO mention SELECT * FROM mention WHERE seq = 16"],
    "a mention too many": ["INSERT INTO mention VALUES (7, 'memory.recalled', 'entry:e1')"],
    "a mention before the first": ["INSERT INTO mention VALUES (0, 'memory.recalled', 'entry:e1')"],
    "a mention of the future": [
        f"INSERT INTO mention VALUES ({EVENTS + 1}, 'memory.recalled', 'entry:e1')"
    ],
    "all mentions": ["DELETE FROM mention"],
}
"""What no proof covers, and what finds histories."""

NOT_USED_TO_OPEN = {"a tile too many"}
"""What no answer of the ledger depends on."""

FOUND_WHEN_READ = {
    "a header byte", "a header emptied", "a sealed payload byte", "a sealed payload cut",
    "a sealed payload deleted", "payloads of one subject swapped", "a payload twice",
    "all payloads deleted",
}  # fmt: skip
"""What opening does not look at: it is refused by whoever reads it, and by `verify`."""


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_the_database_is_named_and_never_opened(victim: Path, name: str) -> None:
    statements, begins = EDITS[name]
    sql(victim, *statements)
    found = problems(victim)
    assert found, "the edit went unnoticed"
    assert found[0].startswith(begins), found
    if name in NOT_USED_TO_OPEN:
        with Ledger.open(victim) as ledger:
            assert ledger.head.seq == EVENTS
        return
    try:
        ledger = Ledger.open(victim)
    except (VerificationError, SealError, StoreError) as error:
        refused: Exception = error
    else:
        with ledger, pytest.raises((ChainError, SealError)) as caught:
            list(ledger.events())
        assert name in FOUND_WHEN_READ, "it was opened"
        refused = caught.value
    assert "\n" not in str(refused)


@pytest.mark.parametrize("name", sorted(FOUND_WHEN_READ))
def test_what_was_altered_is_never_read(victim: Path, name: str) -> None:
    """Whichever way it is read: as an event, as evidence, as part of the state."""
    statements, _ = EDITS[name]
    with Ledger.open(victim, read_only=True) as ledger:
        whole = {seq: ledger.event(seq) for seq in range(1, 10)}
    sql(victim, *statements)
    try:
        ledger = Ledger.open(victim, read_only=True)
    except SealError:
        return
    refused = 0
    with ledger:
        for seq, event in whole.items():
            try:
                assert ledger.event(seq) == event, seq
            except (ChainError, SealError) as error:
                assert str(error).startswith(f"event {seq}"), error  # noqa: PT017  # any may be
                refused += 1
    assert refused


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("name", PROJECTIONS)
def test_an_edit_of_a_projection_is_never_opened(victim: Path, name: str, recorded: bool) -> None:
    """With the fingerprint that is kept beside the database, and without it (another engine)."""
    if not recorded:
        forget_fingerprint(victim)
        with Ledger.open(victim, read_only=True) as ledger:
            assert ledger.head.seq == EVENTS
    sql(victim, *PROJECTIONS[name])
    assert "projection" in problems(victim)[0]
    with pytest.raises(ChainError, match="projection"):
        Ledger.open(victim)


@pytest.mark.parametrize("name", sorted(set(EDITS) - FOUND_WHEN_READ - NOT_USED_TO_OPEN))
def test_an_edit_is_refused_without_a_fingerprint_too(victim: Path, name: str) -> None:
    forget_fingerprint(victim)
    sql(victim, *EDITS[name][0])
    with pytest.raises((VerificationError, SealError, StoreError)):
        Ledger.open(victim)


def test_a_projection_that_was_dropped_is_made_again_whole(victim: Path) -> None:
    with Ledger.open(victim) as ledger:
        before, state = owned(ledger).projected(), plain(ledger.state)
        assert before
    sql(victim, "DELETE FROM mention", "DELETE FROM meta WHERE name = 'mentions'")
    for read_only in (True, False):
        with Ledger.open(victim, read_only=read_only) as ledger:
            assert owned(ledger).projected() == before
            assert plain(ledger.state) == state
            assert [one.entry_id for one in ledger.state.derivatives("e1")] == ["e2"]


def owned(ledger: Ledger) -> OwnedLog:
    assert isinstance(ledger.log, OwnedLog)
    return ledger.log


def forget_fingerprint(home: Path) -> None:
    """As before the first record, or after an update of the engine."""
    with sqlite3.connect(home / KEYS) as database:
        database.execute("DELETE FROM secret WHERE name = 'fingerprint'")
    database.close()


@pytest.mark.parametrize("seq", [1, 150, 256, 257, EVENTS])
def test_an_attacker_who_recomputes_leaf_and_tree_without_the_key_is_caught(
    victim: Path, seq: int
) -> None:
    rewrite(victim, seq, lambda header: header.replace(b'"format":1', b'"format":0'))
    found = problems(victim)
    assert found[0].startswith(f"event {seq}:"), found  # its payload is sealed to another header
    assert any("root differs" in problem for problem in found)
    with pytest.raises((ChainError, SealError)):
        Ledger.open(victim)


def test_a_header_of_no_known_shape_is_named(victim: Path) -> None:
    rewrite(victim, 150, lambda header: header.replace(b'"kind":"system"', b'"kind":"robots"'))
    assert problems(victim)[0].startswith("event 150:")
    with pytest.raises(ChainError, match="not the one that was signed"):
        Ledger.open(victim)


def test_a_header_replaced_in_its_row_alone_is_named(victim: Path) -> None:
    sql(victim, "UPDATE event SET header = '{}'::BLOB WHERE seq = 3")
    assert problems(victim)[0].startswith("event 3:")
    with Ledger.open(victim) as ledger, pytest.raises(ChainError, match="event 3 was altered"):
        ledger.event(3)


def test_an_attacker_who_also_removes_the_payload_is_caught_by_the_root(victim: Path) -> None:
    rewrite(victim, 150, lambda header: header.replace(b'"kind":"system"', b'"kind":"policy"'))
    sql(victim, "UPDATE event SET sealed = NULL WHERE seq = 150")
    assert any("root differs" in problem for problem in problems(victim))
    with pytest.raises((ChainError, SealError)):
        Ledger.open(victim)


def forged_row(home: Path, seq: int, like: int) -> tuple[Any, ...]:
    """A new event ``seq`` whose header is that of event ``like``, renumbered."""
    with duckdb.connect(str(home / DATABASE)) as connection:
        [(header, kind, when, subject)] = connection.execute(
            "SELECT header, type, recorded_at_us, subject FROM event WHERE seq = ?", [like]
        ).fetchall()
    text = bytes(header).replace(b'"seq":%d' % like, b'"seq":%d' % seq)
    old = text[text.index(b'"event_id":"') + 12 :][:36]
    text = text.replace(old, b"f" + old[1:])
    return (seq, (b"f" + old[1:]).decode(), kind, when, subject, text, leaf_hash(text))


@pytest.mark.parametrize("box", ["none", "copied", "of an unknown subject"])
def test_a_forged_tail_is_not_signed_on_the_next_open(victim: Path, box: str) -> None:
    """The tail after the last checkpoint is signed when a crash left it there, so it must be
    the ledger's own: whoever only has the database cannot seal a payload."""
    row = forged_row(victim, EVENTS + 1, like=EVENTS)
    with duckdb.connect(str(victim / DATABASE)) as connection:
        if box == "of an unknown subject":
            text = bytes(row[5]).replace(str(row[4]).encode(), b"principal:mallory")
            row = (*row[:4], "principal:mallory", text, leaf_hash(text))
        connection.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)", row)
        if box == "copied":
            connection.execute(
                "UPDATE event SET sealed = (SELECT sealed FROM event WHERE seq = ?) WHERE seq = ?",
                [EVENTS, EVENTS + 1],
            )
    found = problems(victim)
    assert found
    assert found[0].startswith(f"event {EVENTS + 1}:")
    notes_before = checkpoint_file(victim).read_bytes()
    with pytest.raises((ChainError, SealError)):
        Ledger.open(victim)
    assert checkpoint_file(victim).read_bytes() == notes_before, "the forgery was signed"


def committed_but_unsigned(home: Path) -> None:
    """What a crash between commit and checkpoint leaves."""
    kept = checkpoint_file(home).read_bytes()
    with Ledger.open(home) as ledger:
        ledger.append([draft(role())])
    checkpoint_file(home).write_bytes(kept)


def test_an_honest_tail_is_recovered_an_altered_one_is_not(victim: Path, fast_path: Path) -> None:
    committed_but_unsigned(victim)
    altered = copied(victim, fast_path / "altered")
    rewrite(
        altered,
        EVENTS + 1,
        lambda header: header.replace(b'"id":"palimpsest"', b'"id":"palimpsext"'),
    )
    assert problems(altered)[0].startswith(f"event {EVENTS + 1}:")
    with pytest.raises(SealError):
        Ledger.open(altered)

    report = verify_home(victim)
    assert report.ok
    assert report.unsigned == 1
    with Ledger.open(victim) as ledger:
        assert ledger.head.seq == EVENTS + 2
        assert ledger.event(EVENTS + 1).payload == role()
        assert ledger.event(EVENTS + 2).header.type == "ledger.recovered"
        assert ledger.verify().ok
