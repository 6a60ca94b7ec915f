"""Several processes give the report that one gives, also when one of them dies."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import Pipe
from threading import Thread

import pytest

from governance.merkle import LogRow
from governance.verify import BLOCK, pipeline
from governance.verify.columns import blocks, check_packed, pack_block
from tests.governance.verify_logs import FullLog, event, public

LENGTH = 9 * BLOCK + 100


@pytest.fixture(scope="module")
def rows() -> list[LogRow]:
    return [event(seq) for seq in range(1, LENGTH + 1)]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "PARALLEL_AFTER", BLOCK)


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[pipeline._Helper]]:
    """The helpers that are started, none of which may outlive the check."""
    started: list[pipeline._Helper] = []

    class Watched(pipeline._Helper):
        def __init__(self) -> None:
            super().__init__()
            started.append(self)

    monkeypatch.setattr(pipeline, "_Helper", Watched)
    yield started
    assert all(not one._process.is_alive() for one in started)


def test_the_report_does_not_depend_on_the_number_of_processes(
    rows: list[LogRow], helpers: list[pipeline._Helper]
) -> None:
    log = FullLog.of(rows, (1, 255, 256, 5 * BLOCK, 5 * BLOCK + 1, LENGTH - 1))
    alone = log.check(processes=1)
    assert helpers == []
    assert alone.ok, alone.problems
    assert log.check(processes=2) == alone
    assert len(helpers) == 1
    assert log.check(processes=3) == alone
    for at in (0, BLOCK, 3 * BLOCK + 17, 6 * BLOCK, LENGTH - 1):
        log.rows = [*rows]
        log.rows[at] = replace(rows[at], type="entry.approved")
        del log.rows[7 * BLOCK + 1]
        log.rows.append(replace(rows[5], seq=LENGTH))
        report = log.check(processes=1)
        assert report.first_bad == min(at + 1, 7 * BLOCK + 2)
        assert log.check(processes=2) == report


def test_a_helper_that_is_killed_costs_time_and_nothing_else(
    rows: list[LogRow], helpers: list[pipeline._Helper], monkeypatch: pytest.MonkeyPatch
) -> None:
    give = pipeline._Helper.give
    given: list[int] = []

    def killing(self: pipeline._Helper, job: pipeline._Job, packed: list[object]) -> None:
        given.append(job.first)
        if len(given) == 2:
            assert self._process.pid is not None
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.join()
        give(self, job, packed)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline._Helper, "give", killing)
    log = FullLog.of(rows)
    report = log.check(processes=2)
    assert len(given) >= 2
    assert report.ok, report.problems
    assert report == log.check(processes=1)
    assert helpers[0]._broken


def test_stopping_early_ends_the_helpers(
    rows: list[LogRow], helpers: list[pipeline._Helper]
) -> None:
    checked = pipeline.check_blocks(blocks(rows), [], 2)
    for _ in range(4):
        next(checked)
    assert len(helpers) == 1
    checked.close()  # type: ignore[attr-defined]


def test_a_helper_answers_until_nobody_asks(rows: list[LogRow]) -> None:
    """What runs in the other process, in this one, where its lines are counted."""
    here, there = Pipe()
    before = signal.getsignal(signal.SIGINT)
    (block,) = blocks(rows[:300])
    packed = pack_block(block, 1)
    assert packed is not None

    def ask() -> None:
        here.send_bytes(pickle.dumps((packed, [3])))
        answers.append(here.recv())
        here.close()

    answers: list[object] = []
    asking = Thread(target=ask)
    asking.start()
    try:
        pipeline.serve(there)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
        there.close()
    asking.join()
    assert answers == [check_packed(packed, [3])]
    assert public(1)
