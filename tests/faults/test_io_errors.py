"""EIO and ENOSPC on every write, sync, truncate, rename, unlink and open, and short writes.

Tests 8 and 9 of the trust reference, with real system calls (``shim.c``). ``Faulty.meet`` checks
after each fault that no acknowledged command is lost, that nothing signed is absent, that nothing
happened twice, and that the same process goes on.
"""

from __future__ import annotations

import errno
import random
from typing import Any, Final, get_args

import pytest

from tests.faults.faulty import Faulty
from tests.faults.io_child import Phase
from tests.faults.shim import Kind, Mode

ERRORS: Final = [errno.EIO, errno.ENOSPC]
LAST: Final = "fsync checkpoints.log"
"""An append is acknowledged after this call."""
TOUCHED: Final = {
    "checkpoints.log", "keys.sqlite", "keys.sqlite-journal", "ledger.duckdb.wal",
}  # fmt: skip
"""Files that one append of a new data subject writes."""


def counted(faulty: Faulty, phase: Phase) -> list[str]:
    """Control: the same life without a fault, and the calls it makes in this phase."""
    outcome = faulty.meet(phase, mode=Mode.COUNT)
    assert outcome.refused == []
    assert outcome.spoiled == 0
    return outcome.calls


def one_append(faulty: Faulty) -> list[str]:
    calls = counted(faulty, "append")
    return calls[: calls.index(LAST) + 1]


@pytest.mark.parametrize("error", ERRORS)
def test_every_call_of_an_append_fails_once(faulty: Faulty, error: int) -> None:
    calls = one_append(faulty)
    assert {call.split()[1] for call in calls} >= TOUCHED
    assert {"fsync checkpoints.log", "fdatasync ledger.duckdb.wal"} <= set(calls)
    noticed = []
    for nth in range(1, len(calls) + 1):
        outcome = faulty.meet("append", mode=Mode.ONCE, nth=nth, error=error, killed=nth % 2 == 0)
        assert outcome.spoiled == 1
        assert outcome.calls[nth - 1] == calls[nth - 1]
        if outcome.refused:
            noticed.append(calls[nth - 1])
            assert outcome.refused[0].startswith("command 1: StoreError: ")
            assert len(outcome.refused) == 1, "one fault, one refusal"
    # SQLite does not look at the folder's sync; all the others are noticed.
    unnoticed = [call for call in calls if call not in noticed]
    assert [call for call in unnoticed if call.split()[1] in TOUCHED] == []


def test_every_write_of_an_append_is_short_once(faulty: Faulty) -> None:
    """A short write is no error to the system, so it has to be looked for."""
    calls = counted(faulty, "append")
    writes = [nth for nth, call in enumerate(calls, 1) if "write" in call.split()[0]]
    until = calls.index(LAST) + 1
    assert len(writes) > 5
    for nth in writes:
        if nth > until:
            break
        outcome = faulty.meet("append", mode=Mode.SHORT, nth=nth, killed=True)
        assert outcome.spoiled == 1, calls[nth - 1]


@pytest.mark.parametrize(
    ("phase", "step"),
    [("open", 1), ("close", 3), pytest.param("close", 1, marks=pytest.mark.long)],
)
def test_calls_of_opening_and_closing_fail_once(faulty: Faulty, phase: Phase, step: int) -> None:
    calls = counted(faulty, phase)
    assert len(calls) > 4
    for nth in range(len(calls), 0, -step):
        error = ERRORS[nth % 2]
        outcome = faulty.meet(phase, mode=Mode.ONCE, nth=nth, error=error, killed=nth % 3 == 0)
        assert outcome.spoiled == 1
        if phase == "open":
            assert all(step.startswith("open: StoreError: ") for step in outcome.refused)


def created(faulty: Faulty, step: int) -> int:
    calls = counted(faulty, "create")
    assert {"rename ledger.duckdb", "rename keys.sqlite", "rename checkpoints"} <= set(calls)
    refused = 0
    for nth in range(1, len(calls) + 1, step):
        outcome = faulty.meet("create", mode=Mode.ONCE, nth=nth, error=ERRORS[nth % 2])
        refused += bool(outcome.refused)
        assert all(step.startswith("open: StoreError: ") for step in outcome.refused), outcome
    return refused


def test_calls_of_making_a_home_fail_once(faulty: Faulty) -> None:
    """A home comes into being whole or is made again, by the same process."""
    assert created(faulty, 5) > 5


@pytest.mark.long
def test_every_call_of_making_a_home_fails_once(faulty: Faulty) -> None:
    assert created(faulty, 1) > 40


@pytest.mark.long
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("mode", [Mode.ONCE, Mode.STICKY, Mode.SHORT, Mode.FULL])
def test_every_call_of_two_appends_in_every_way(faulty: Faulty, mode: Mode, error: int) -> None:
    """The second append finds its log and its keys, the first makes them."""
    for nth in range(1, len(counted(faulty, "append")) + 1):
        for killed in (True, False):
            faulty.meet("append", mode=mode, nth=nth, error=error, killed=killed)


@pytest.mark.long
def test_a_thousand_faults_anywhere(faulty: Faulty) -> None:
    rng = random.Random(9)
    calls: dict[Phase, int] = {
        phase: len(counted(faulty, phase)) for phase in get_args(Phase) if phase != "read"
    }
    met = refused = 0
    for _ in range(1_000):
        phase = rng.choice(list(calls))
        fault: dict[str, Any] = {
            "mode": rng.choice([Mode.ONCE, Mode.STICKY, Mode.SHORT, Mode.FULL]),
            "nth": rng.randrange(1, calls[phase] + 1),
            "error": rng.choice(ERRORS),
            "killed": rng.random() < 0.5,
        }
        if rng.random() < 0.3:  # one kind of call, or one file, so that others go on
            fault["kinds"] = int(rng.choice(list(Kind)))
            fault["nth"] = rng.randrange(1, 6)
        elif rng.random() < 0.3:
            fault["part"] = rng.choice(sorted(TOUCHED))
            fault["nth"] = rng.randrange(1, 6)
        outcome = faulty.meet(phase, **fault)
        met += outcome.spoiled > 0
        refused += bool(outcome.refused)
    assert met > 600
    assert refused > 400
