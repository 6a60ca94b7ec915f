"""Blocks checked in order, on a long log by several processes; the result is the same."""

from __future__ import annotations

import signal
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

from governance.verify.blocks import (
    BLOCK,
    Checked,
    Packed,
    RowBlock,
    check_block,
    check_packed,
    pack,
)

PARALLEL_AFTER: Final = 32 * BLOCK
"""Events checked alone first: starting a process takes longer than checking these."""

_AHEAD: Final = 3
"""Blocks given to a helper before its first is back, so that it never waits."""


@dataclass
class _Job:
    """A block on its way through the pipeline."""

    block: RowBlock
    first: int
    sizes: Sequence[int]
    checked: Checked | None = None
    future: Future[Checked | None] | None = None

    def done(self) -> bool:
        return self.future is None or self.future.done()

    def result(self) -> Checked:
        """What the helper found, or the slow answer where the fast check says no."""
        if self.future is not None:
            with suppress(BrokenProcessPool):  # a helper was killed: nothing is lost but time
                self.checked = self.future.result()
        return self.checked or check_block(self.block, self.first, self.sizes)


def check_blocks(
    blocks: Iterable[RowBlock], sizes: Sequence[int], processes: int
) -> Iterator[tuple[RowBlock, Checked]]:
    """Steps 2 to 4 of every block, in order.

    Args:
        blocks: All of whole tiles but the last.
        sizes: Log sizes whose tails are wanted, ascending.
        processes: At most so many, this one included.

    Side effects: starts helper processes once the log proves long, ends them at the end.
    """
    jobs: deque[_Job] = deque()
    helpers = _Helpers(processes - 1)
    first = 1
    try:
        for block in blocks:
            stop = first + len(block.seqs)
            wanted = sizes[bisect_left(sizes, first) : bisect_left(sizes, stop)]
            job = _Job(block, first, wanted)
            packed = pack(block, first)
            if packed is not None:
                busy = sum(not one.done() for one in jobs)
                job.future = (
                    helpers.submit(packed, wanted, busy) if first > PARALLEL_AFTER else None
                )
                if job.future is None:
                    job.checked = check_packed(packed, wanted)
            jobs.append(job)
            first = stop
            while jobs and (jobs[0].done() or len(jobs) > helpers.most_jobs):
                done = jobs.popleft()
                yield done.block, done.result()
        for job in jobs:
            yield job.block, job.result()
    finally:
        helpers.close()


class _Helpers:
    """Processes that run :func:`check_packed`; none after one of them broke."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: ProcessPoolExecutor | None = None
        self.most_jobs = 2 * _AHEAD * count

    def submit(
        self, packed: Packed, sizes: Sequence[int], busy: int
    ) -> Future[Checked | None] | None:
        """Hand a block over; ``None`` when this process had better check it itself."""
        if busy >= _AHEAD * self._count:
            return None
        try:
            if self._pool is None:
                # Never forked: the database engine has threads of its own.
                self._pool = ProcessPoolExecutor(
                    self._count, mp_context=get_context("spawn"), initializer=_ignore_interrupts
                )
            return self._pool.submit(check_packed, packed, sizes)
        except (OSError, BrokenProcessPool):
            self._count = 0
            return None

    def close(self) -> None:
        """End the processes; what they have not begun is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C reaches the whole group; only the process in front answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
