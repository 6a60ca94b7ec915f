"""Nothing left to write to: a full disk, a read-only medium, no descriptor (test 10).

``Faulty.meet`` checks that only our own errors are seen, each with a hint, that nothing is
acknowledged that is not there, and that the same process goes on once there is room again.
"""

from __future__ import annotations

import errno
import os

import pytest

from tests.faults.faulty import Faulty
from tests.faults.io_child import Outcome
from tests.faults.shim import CHANGES, Kind, Mode


def full_disk(faulty: Faulty, nth: int, *, killed: bool) -> Outcome:
    """The disk is full from call ``nth`` on; what is written then is cut."""
    return faulty.meet("append", mode=Mode.FULL, nth=nth, error=errno.ENOSPC, killed=killed)


def test_a_full_disk_stops_appends_until_there_is_room(faulty: Faulty) -> None:
    calls = faulty.meet("append", mode=Mode.COUNT).calls
    assert len(calls) > 20
    for nth in range(1, len(calls) + 1, 5):
        outcome = full_disk(faulty, nth, killed=nth % 2 == 0)
        assert outcome.spoiled > 0
        refused = [step for step in outcome.refused if step.startswith("command")]
        assert refused, "a full disk went unnoticed"
        assert all(": StoreError: " in step for step in refused)


@pytest.mark.long
@pytest.mark.parametrize("killed", [True, False])
def test_a_disk_that_fills_up_at_any_call(faulty: Faulty, *, killed: bool) -> None:
    for nth in range(1, len(faulty.meet("append", mode=Mode.COUNT).calls) + 1):
        assert full_disk(faulty, nth, killed=killed).refused


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_a_medium_that_may_not_be_written(faulty: Faulty, error: int) -> None:
    """Refused when it is opened for work, with a hint, and not a byte of it is changed; it can be
    read and checked all the same. (By the shim: permission bits do not bind root.)"""
    refused = faulty.meet("open", mode=Mode.STICKY, error=error, kinds=int(CHANGES))
    assert len(refused.refused) == 1
    assert refused.refused[0].startswith("open: StoreError: ")
    assert os.strerror(error) in refused.refused[0]
    assert {call.split()[0] for call in refused.calls} <= {"open", "open64"}

    readable = faulty.meet("read", mode=Mode.STICKY, error=error, kinds=int(CHANGES))
    assert readable.refused == []
    assert readable.steps[0] == "read only: ok"


@pytest.mark.parametrize("part", ["keys.sqlite", "ledger.duckdb", "checkpoints.log", "owner.lock"])
@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_one_file_that_may_not_be_written(faulty: Faulty, part: str, error: int) -> None:
    outcome = faulty.meet(
        "open", mode=Mode.STICKY, error=error, kinds=int(Kind.OPEN), part=part, killed=True
    )
    assert outcome.spoiled > 0
    assert len(outcome.refused) == 1
    assert outcome.refused[0].startswith("open: StoreError: ")


def test_a_medium_that_becomes_read_only_while_it_is_open(faulty: Faulty) -> None:
    """What file systems do after an I/O error: every change fails, what is open can be read."""
    for nth in (1, 2, 12, 21, 23, 25):
        outcome = faulty.meet(
            "append", mode=Mode.STICKY, nth=nth, error=errno.EROFS, kinds=int(CHANGES)
        )
        assert any(": StoreError: " in step for step in outcome.refused)


# --- descriptors -------------------------------------------------------------------------


def test_no_descriptors_left_to_open_with(faulty: Faulty) -> None:
    refused = 0
    tried = [*range(7), 9, 12, 16]
    for descriptors in tried:
        outcome = faulty.meet("open", descriptors=descriptors, killed=descriptors % 2 == 0)
        refused += bool(outcome.refused)
        assert all(step.startswith("open: StoreError: ") for step in outcome.refused)
    assert 3 < refused < len(tried), "either too few were refused, or even the usual number was"


def test_no_descriptors_left_to_append_and_read_with(faulty: Faulty) -> None:
    refused = 0
    for descriptors in range(5):
        outcome = faulty.meet("append", descriptors=descriptors)
        commands = [step for step in outcome.refused if step.startswith("command")]
        refused += len(commands)
        assert all(": StoreError: " in step for step in commands)
    assert refused > 0
    assert faulty.meet("append", descriptors=64).refused == []


def test_no_descriptors_left_to_close_and_to_read_only_with(faulty: Faulty) -> None:
    for descriptors in (0, 1, 3, 5):
        faulty.meet("close", descriptors=descriptors)
        faulty.meet("read", descriptors=descriptors)
    assert faulty.meet("read", descriptors=64).refused == []
