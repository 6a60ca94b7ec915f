"""Clocks that jump: order is by sequence number, whatever the time says (test 12)."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.ledger import Ledger, verify_home
from tests.faults import clients
from tests.governance.drafts import EPOCH_US

SECOND = 1_000_000
HOUR, DAY = 3_600 * SECOND, 86_400 * SECOND
YEAR = 365 * DAY

READINGS = {
    "a day back": [EPOCH_US, EPOCH_US + SECOND, EPOCH_US - DAY, EPOCH_US - DAY + SECOND],
    "ten years on and back": [EPOCH_US, EPOCH_US + 10 * YEAR, EPOCH_US + SECOND],
    "summer time ends": [EPOCH_US, EPOCH_US + 2 * HOUR, EPOCH_US + HOUR, EPOCH_US + HOUR + SECOND],
    "stands still": [EPOCH_US] * 5,
    "before 1970": [EPOCH_US, 1, EPOCH_US + SECOND],
}


class Readings:
    """A clock that says what it is told to say, the last thing for ever."""

    def __init__(self, readings: list[int]) -> None:
        self._readings = list(readings)

    def now_us(self) -> int:
        return self._readings.pop(0) if len(self._readings) > 1 else self._readings[0]


@pytest.mark.parametrize("name", READINGS)
@pytest.mark.parametrize("reopened", [False, True])
def test_order_is_by_number_not_by_time(home: Path, name: str, *, reopened: bool) -> None:
    times = READINGS[name]
    if reopened:  # the clock jumps while the ledger is closed
        for command, time in enumerate(times):
            with Ledger.open(home, create=True, clock=Readings([time])) as ledger:
                clients.run(ledger, command)
    else:
        with Ledger.open(home, create=True, clock=Readings(times)) as ledger:
            for command in range(len(times)):
                clients.run(ledger, command)
    with Ledger.open(home) as ledger:
        events = list(ledger.events())
        assert [event.header.seq for event in events] == list(range(1, len(events) + 1))
        payloads = [
            one.payload for command in range(len(times)) for one in clients.drafts_of(command)
        ]
        assert [event.payload for event in events] == payloads
        # What the clock said is what stands there: it is evidence, and nothing is smoothed.
        said = [time for time in times for _ in range(clients.PER_COMMAND)]
        assert [event.header.recorded_at_us for event in events] == said
        assert len({event.header.event_id for event in events}) == len(events)
        assert ledger.state_at(2).seq == 2
        assert ledger.verify().ok
    assert verify_home(home).ok


def test_the_live_state_does_not_depend_on_the_clock(home: Path, fast_path: Path) -> None:
    def made(folder: Path, times: list[int]) -> Ledger:
        ledger = Ledger.open(folder, create=True, clock=Readings(times))
        for command in range(4):
            clients.run(ledger, command)
        return ledger

    with made(home, READINGS["a day back"]) as odd, made(fast_path / "b", [EPOCH_US]) as even:
        assert odd.state.roles == even.state.roles
        assert odd.head.seq == even.head.seq
        assert odd.head.root != even.head.root


def test_a_command_is_the_same_command_at_any_time(home: Path) -> None:
    with Ledger.open(home, create=True, clock=Readings([EPOCH_US + 10 * YEAR])) as ledger:
        first = clients.run(ledger, 0)
    with Ledger.open(home, clock=Readings([EPOCH_US])) as ledger:
        again = clients.run(ledger, 0)
        assert again.repeated
        assert again.event_ids == first.event_ids
        assert not clients.run(ledger, 1).repeated
