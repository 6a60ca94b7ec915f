"""Many at once: threads on one ledger, processes on one home (test 11)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from governance.errors import StoreBusyError
from governance.ledger import Ledger, Receipt, verify_home
from tests.faults import clients
from tests.faults.faulty import ROOT

WRITERS, READERS, COMMANDS = 8, 2, 12


@contextmanager
def threads(*works: Callable[[], None]) -> Iterator[None]:
    """Run all at once; what any of them raises is raised here, after the ``with`` block."""
    failures: list[BaseException] = []
    start = threading.Barrier(len(works))

    def guarded(work: Callable[[], None]) -> None:
        try:
            start.wait()
            work()
        except BaseException as error:  # noqa: BLE001  # raised below, in the test's own thread
            failures.append(error)

    running = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in running:
        thread.start()
    yield
    for thread in running:
        thread.join()
    if failures:
        raise failures[0]


def looked_at(ledger: Ledger) -> int:
    """Read all there is, while others append: whole commands, in order, and nothing torn."""
    state, head = ledger.state, ledger.head
    events = list(ledger.events(1, head.seq))
    assert [event.header.seq for event in events] == list(range(1, head.seq + 1))
    assert set(Counter(event.header.command for event in events).values()) <= {clients.PER_COMMAND}
    assert state.seq % clients.PER_COMMAND == 0
    assert state.seq <= head.seq
    assert len(state.roles) == state.seq, "the state is between two events"
    return head.seq


def test_eight_threads_append_while_two_read(home: Path) -> None:
    receipts: dict[int, Receipt] = {}
    done = threading.Event()
    seen: list[int] = []

    with Ledger.open(home, create=True) as ledger:

        def writer(number: int) -> Callable[[], None]:
            def work() -> None:
                for turn in range(COMMANDS):
                    command = number * COMMANDS + turn
                    receipts[command] = clients.run(ledger, command)
                    assert ledger.head.seq >= receipts[command].last_seq, "not there yet"

            return work

        def reader() -> None:
            while not done.is_set():
                seen.append(looked_at(ledger))

        def finished() -> None:
            with threads(*map(writer, range(WRITERS))):
                pass
            done.set()

        with threads(finished, *[reader] * READERS):
            pass
        check_receipts(ledger, receipts)
        assert ledger.verify().ok
    assert len(set(seen)) > 2, "nobody looked while events were appended"
    assert verify_home(home).events == WRITERS * COMMANDS * clients.PER_COMMAND


def check_receipts(ledger: Ledger, receipts: dict[int, Receipt]) -> None:
    """The receipts share the sequence out without gap or overlap; each holds its own events."""
    taken: list[int] = []
    for command, receipt in receipts.items():
        taken += range(receipt.first_seq, receipt.last_seq + 1)
        events = list(ledger.events(receipt.first_seq, receipt.last_seq))
        assert tuple(event.header.event_id for event in events) == receipt.event_ids
        assert [event.payload for event in events] == [
            one.payload for one in clients.drafts_of(command)
        ]
    assert sorted(taken) == list(range(1, ledger.head.seq + 1))


def test_one_command_from_eight_threads_is_done_once(home: Path) -> None:
    receipts: list[Receipt] = []
    with Ledger.open(home, create=True) as ledger:
        with threads(*[lambda: receipts.append(clients.run(ledger, 7))] * WRITERS):
            pass
        assert ledger.head.seq == clients.PER_COMMAND
        assert len({receipt.event_ids for receipt in receipts}) == 1
        assert Counter(receipt.repeated for receipt in receipts) == {False: 1, True: WRITERS - 1}
        assert ledger.verify().ok


# --- processes ---------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
from governance.errors import StoreBusyError
from governance.ledger import Ledger
from tests.faults import clients
try:
    with Ledger.open(Path(sys.argv[1]), patience_s=float(sys.argv[3])) as ledger:
        receipt = clients.run(ledger, int(sys.argv[2]))
    print(receipt.first_seq, receipt.last_seq)
except StoreBusyError as error:
    print("busy:", error, error.hint)
"""


def process(home: Path, command: int, *, patience_s: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(home), str(command), str(patience_s)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def said(running: subprocess.Popen[str]) -> str:
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    return out.strip()


def test_of_two_processes_one_owns_the_home(home: Path) -> None:
    with Ledger.open(home, create=True, doing="a test") as ledger:
        clients.run(ledger, 0)
        refused = said(process(home, 1, patience_s=0))
        assert refused.startswith(f"busy: process {os.getpid()} (a test) has ")
        assert "palimpsest serve" in refused, "no hint"
        with pytest.raises(StoreBusyError):  # nor twice in this one
            Ledger.open(home, patience_s=0)
        assert not clients.run(ledger, 2).repeated  # the owner is not disturbed
    assert said(process(home, 1, patience_s=0)) == "5 6"
    clients.check_kept(home, {0: (1, 2), 1: (5, 6), 2: (3, 4)}, [0, 1, 2])


def test_processes_that_wait_take_turns(home: Path) -> None:
    with Ledger.open(home, create=True) as ledger:
        clients.run(ledger, 0)
    running = [process(home, command, patience_s=50) for command in range(1, 4)]
    found = {command: said(one) for command, one in enumerate(running, 1)}
    assert sorted(found.values()) == ["3 4", "5 6", "7 8"]
    seqs = {command: tuple(map(int, text.split())) for command, text in found.items()}
    clients.check_kept(home, {one: (two[0], two[1]) for one, two in seqs.items()}, range(4))
