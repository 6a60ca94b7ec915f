"""The one thread that appends: whatever waits for it shares one durable commit.

Requests come from the event loop and answers go back to it. While a commit is on its way the
loop reads the next requests, so the next commit takes all of them (group commit).
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Sequence
from typing import Final, TypeAlias

from governance.batch import EventDraft
from governance.errors import PalimpsestError, StoreError
from governance.log import OwnedLog, Receipt

QUIET_S: Final = 3.0
"""After so long without an append the log is tidied."""
_LOG = logging.getLogger(__name__)

Outcome: TypeAlias = Receipt | PalimpsestError


class _Waiting:
    """An append and who waits for it."""

    __slots__ = ("drafts", "future", "key")

    def __init__(
        self, drafts: Sequence[EventDraft], key: str | None, future: asyncio.Future[Receipt]
    ) -> None:
        self.drafts = drafts
        self.key = key
        self.future = future


class Writer:
    """Appends to one log on a thread of its own."""

    def __init__(self, log: OwnedLog, loop: asyncio.AbstractEventLoop) -> None:
        self._log = log
        self._loop = loop
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="palimpsest-writer")
        self._thread.start()

    async def append(self, drafts: Sequence[EventDraft], key: str | None) -> Receipt:
        """See :meth:`governance.ledger.Ledger.append`. Called on the loop."""
        waiting = _Waiting(drafts, key, self._loop.create_future())
        self._queue.put(waiting)
        return await waiting.future

    def stop(self) -> None:
        """Finish what waits, then end the thread; idempotent."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        untidy = False
        while True:
            try:
                first = self._queue.get(timeout=QUIET_S if untidy else None)
            except queue.Empty:
                self._log.tidy()
                untidy = False
                continue
            group, last = self._take(first)
            if group:
                self._carry_out(group)
                untidy = True
            if last:
                return

    def _take(self, first: _Waiting | None) -> tuple[list[_Waiting], bool]:
        """Everything that waits, and whether it is the end."""
        group: list[_Waiting] = []
        item = first
        while item is not None:
            group.append(item)
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _carry_out(self, group: Sequence[_Waiting]) -> None:
        try:
            outcomes: list[Outcome] = list(
                self._log.append_each([(one.drafts, one.key) for one in group])
            )
        except Exception:  # noqa: BLE001  # the one place for what nobody foresaw, in this thread
            _LOG.exception("an append failed")
            failure = StoreError("the service failed", hint="service.log has the details")
            outcomes = [failure] * len(group)
        self._loop.call_soon_threadsafe(_deliver, list(zip(group, outcomes, strict=True)))


def _deliver(found: Sequence[tuple[_Waiting, Outcome]]) -> None:
    for waiting, outcome in found:
        if waiting.future.done():  # whoever asked has hung up; it stands in the log all the same
            continue
        if isinstance(outcome, Receipt):
            waiting.future.set_result(outcome)
        else:
            waiting.future.set_exception(outcome)
