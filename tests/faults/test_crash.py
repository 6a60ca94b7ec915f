"""kill -9 at every numbered step of the append: nothing acknowledged is lost, nothing is half
written, and the same command run again is not done twice."""

from __future__ import annotations

import multiprocessing
import random
import signal
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from governance.ledger import Ledger, verify_home
from tests.faults import crash_child
from tests.faults.crash_child import ANYWHERE, PER_COMMAND, STEPS, Order, drafts_of, key_of

DURABLE = {
    "4 committed",
    "5 checkpoint half written",
    "5 checkpoint written, not synced",
    "5 checkpoint synced",
    "6 acknowledged",
}
"""Steps after which the events must be there; at the earlier ones they must not."""

UNSIGNED = {"4 committed", "5 checkpoint half written"}
"""Steps after which the next open must recover; at the others it must not claim to."""


@dataclass
class Crashes:
    """One home that is killed again and again, and what its clients were told."""

    home: Path
    acknowledged: Path
    command: int = 0
    settled: int = 0
    """Where the log ended when the last kill had been dealt with."""
    acks: dict[int, tuple[int, int]] = field(default_factory=dict)
    outcomes: dict[str, list[bool]] = field(default_factory=dict)

    def round(self, step: str, rng: random.Random) -> None:
        first, doomed = self.command + 1, self.command + 1 + rng.randrange(3)
        self._kill(first, doomed, step, delay_us=rng.randrange(200, 8_000))
        self.command = doomed
        for line in self.acknowledged.read_text().splitlines():
            command, low, high = map(int, line.split())
            self.acks[command] = (low, high)
        self._check(doomed, step)

    def _kill(self, first: int, doomed: int, step: str, *, delay_us: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([crash_child.__name__])
        order = Order(self.home, self.acknowledged, first, doomed, step, delay_us)
        child = context.Process(target=crash_child.work, args=(order,))
        # A page test may have left its script as ``__main__``, which the child would run.
        with mock.patch.dict(sys.modules, {"__main__": types.ModuleType("__main__")}):
            child.start()
        child.join()
        assert child.exitcode == -(signal.SIGALRM if step == ANYWHERE else signal.SIGKILL)
        child.close()

    def _check(self, doomed: int, step: str) -> None:
        with Ledger.open(self.home) as ledger:
            self._check_acknowledged(ledger)
            self._check_doomed(ledger, doomed, step)
            report = ledger.verify()
            assert report.ok, report.problems
            assert report.unsigned == 0

    def _check_acknowledged(self, ledger: Ledger) -> None:
        for command, seqs in self.acks.items():
            receipt = ledger.receipt(key_of(command))
            assert receipt is not None, f"acknowledged command {command} is lost"
            assert (receipt.first_seq, receipt.last_seq) == seqs
            found = [event.payload for event in ledger.events(*seqs)]
            assert found == [one.payload for one in drafts_of(command)]

    def _check_doomed(self, ledger: Ledger, doomed: int, step: str) -> None:
        before = ledger.head.seq
        receipt = ledger.receipt(key_of(doomed))
        if step != ANYWHERE:
            assert (receipt is not None) == (step in DURABLE)
            new = [event.header.type for event in ledger.events(self.settled + 1)]
            assert ("ledger.recovered" in new[-1:]) == (step in UNSIGNED)
        if receipt is not None:
            assert len(receipt.event_ids) == PER_COMMAND, "half a batch"
        again = ledger.append(drafts_of(doomed), key=key_of(doomed))
        assert again.repeated == (receipt is not None)
        assert ledger.head.seq == before + (0 if receipt else PER_COMMAND)
        self.acks[doomed] = (again.first_seq, again.last_seq)
        self.settled = ledger.head.seq
        self.outcomes.setdefault(step, []).append(receipt is not None)


def started(folder: Path) -> Crashes:
    folder.mkdir(exist_ok=True)
    with Ledger.open(folder / "home", create=True) as ledger:
        ledger.append(drafts_of(0), key=key_of(0))
    (folder / "acknowledged").touch()
    return Crashes(folder / "home", folder / "acknowledged")


@pytest.fixture
def crashes(fast_path: Path) -> Crashes:
    return started(fast_path)


def run(crashes: Crashes, rounds: int, rng: random.Random) -> None:
    steps = [*STEPS, ANYWHERE]
    for number in range(rounds):
        crashes.round(steps[number % len(steps)], rng)
    assert set(crashes.outcomes) == set(steps)
    report = verify_home(crashes.home)
    assert report.ok
    assert report.events >= crashes.command * PER_COMMAND


def test_fifty_kills_lose_nothing(crashes: Crashes) -> None:
    run(crashes, 55, random.Random(1))


@pytest.mark.long
def test_a_thousand_kills_lose_nothing(fast_path: Path) -> None:
    rng = random.Random(2)
    timed = []
    for number in range(13):
        crashes = started(fast_path / str(number))
        run(crashes, 77, rng)
        timed += crashes.outcomes[ANYWHERE]
    assert set(timed) == {True, False}, "the timer always hit the same side of the commit"


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_home_can_be_checked_before_it_is_opened(crashes: Crashes, step: str) -> None:
    """``verify`` reads the bytes as the kill left them, and writes none."""
    crashes.round("6 acknowledged", random.Random(3))
    first = crashes.command + 1
    crashes._kill(first, first, step, delay_us=0)
    before = {path: path.read_bytes() for path in crashes.home.rglob("*") if path.is_file()}
    report = verify_home(crashes.home)
    assert report.ok, report.problems
    assert report.unsigned == (PER_COMMAND if step in UNSIGNED else 0)
    after = {path: path.read_bytes() for path in crashes.home.rglob("*") if path.is_file()}
    assert after == before
