"""Blocks checked in order, on a long log by several processes; the result is the same."""

from __future__ import annotations

import pickle
import signal
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from threading import Thread
from typing import Final

from governance.merkle import RowBlock
from governance.verify.columns import (
    BLOCK,
    Checked,
    Packed,
    check_block,
    check_packed,
    pack_block,
)

PARALLEL_AFTER: Final = 16 * BLOCK
"""Events checked alone first: starting a process takes longer than checking these."""

_AHEAD: Final = 2
"""Blocks given to a helper before its first is back, so that it never waits."""


@dataclass
class _Job:
    """A block on its way through the pipeline."""

    block: RowBlock
    first: int
    sizes: Sequence[int]
    done: bool = False
    checked: Checked | None = None

    def result(self) -> Checked:
        """The quick answer, or the thorough one where the quick check did not say yes."""
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
    helpers: list[_Helper] = []
    first = 1
    try:
        for block in blocks:
            if first > PARALLEL_AFTER and not helpers:
                helpers = [_Helper() for _ in range(processes - 1)]
            stop = first + len(block.seqs)
            wanted = sizes[bisect_left(sizes, first) : bisect_left(sizes, stop)]
            job = _Job(block, first, wanted)
            jobs.append(job)
            _assign(job, helpers)
            first = stop
            while jobs and (jobs[0].done or len(jobs) > 2 * _AHEAD * len(helpers)):
                _await(jobs[0], helpers)
                done = jobs.popleft()
                yield done.block, done.result()
        for job in jobs:
            _await(job, helpers)
            yield job.block, job.result()
    finally:
        for helper in helpers:
            helper.close()


def _assign(job: _Job, helpers: Sequence[_Helper]) -> None:
    """Give ``job`` to a helper with nothing better to do, or do it here."""
    packed = pack_block(job.block, job.first)
    if packed is None:
        job.done = True
        return
    for helper in helpers:
        helper.collect()
        if helper.has_room():
            helper.give(job, packed)
            return
    job.checked = check_packed(packed, job.sizes)
    job.done = True


def _await(job: _Job, helpers: Sequence[_Helper]) -> None:
    for helper in helpers:
        while not job.done and job in helper.waiting:
            helper.collect(wait=True)


class _Helper:
    """A process that runs :func:`check_packed`.

    It is started afresh, not forked: the database engine has threads of its own. A thread
    writes to it, so that this process never waits for it to read.
    """

    def __init__(self) -> None:
        context = get_context("spawn")
        self._here, there = context.Pipe()
        self.waiting: deque[_Job] = deque()
        self._broken = False
        self._process = context.Process(target=serve, args=(there,), daemon=True)
        self._process.start()
        there.close()
        self._outbox: SimpleQueue[bytes] = SimpleQueue()
        self._writer = Thread(target=_write, args=(self._outbox, self._here), daemon=True)
        self._writer.start()

    def has_room(self) -> bool:
        """Whether another block would be begun soon."""
        return not self._broken and len(self.waiting) < _AHEAD

    def give(self, job: _Job, packed: list[Packed]) -> None:
        """Hand a block over."""
        self.waiting.append(job)
        self._outbox.put(pickle.dumps((packed, job.sizes)))

    def collect(self, *, wait: bool = False) -> None:
        """Take what is done; with ``wait``, at least one. A helper that died did nothing."""
        try:
            while self.waiting and (wait or self._here.poll()):
                checked: Checked | None = self._here.recv()
                job = self.waiting.popleft()
                job.checked, job.done, wait = checked, True, False
        except (EOFError, OSError):
            self._broken = True
            for job in self.waiting:
                job.done = True
            self.waiting.clear()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.terminate()
        self._process.join()
        self._outbox.put(b"")
        self._writer.join()
        self._here.close()


def _write(outbox: SimpleQueue[bytes], pipe: Connection) -> None:
    with suppress(OSError):  # the helper died: `collect` notices
        while message := outbox.get():
            pipe.send_bytes(message)


def serve(pipe: Connection) -> None:
    """Answer one block after another, until nobody asks; a helper process runs this.

    Ctrl-C reaches the whole process group, but only the command in front answers it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        while True:
            pipe.send(check_packed(*pickle.loads(pipe.recv_bytes())))  # noqa: S301  # our own
