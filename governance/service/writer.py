"""The one thread that appends: whatever waits for it shares one durable commit.

The event loop collects requests into groups, the thread carries out one group at a time.
After a commit the loop waits a moment for those who were just answered, when there are
several of them: writers that go on writing come back within a fraction of a commit, and one
commit for all of them costs little more than one for half of them. A lone writer never waits.
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
LINGER_S: Final = 0.002
"""How long a group waits for writers that were there a moment ago."""
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
    """Appends to one log on a thread of its own. All methods are called on the loop."""

    def __init__(self, log: OwnedLog, loop: asyncio.AbstractEventLoop) -> None:
        self._log = log
        self._loop = loop
        self._waiting: list[_Waiting] = []
        self._busy = False
        self._expected = 1
        """So many appends were under way when the last group ended."""
        self._patience: asyncio.TimerHandle | None = None
        self._groups: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="palimpsest-writer")
        self._thread.start()

    async def append(self, drafts: Sequence[EventDraft], key: str | None) -> Receipt:
        """See :meth:`governance.ledger.Ledger.append`."""
        waiting = _Waiting(drafts, key, self._loop.create_future())
        self._waiting.append(waiting)
        self._consider()
        return await waiting.future

    def stop(self) -> None:
        """Finish what was handed over, then end the thread."""
        self._groups.put(None)
        self._thread.join()

    # --- on the loop ---------------------------------------------------------------------

    def _consider(self) -> None:
        """Hand over what waits, if the thread is free and nobody else is about to come."""
        if self._busy or not self._waiting:
            return
        if len(self._waiting) >= self._expected:
            self._hand_over()
        elif self._patience is None:
            self._patience = self._loop.call_later(LINGER_S, self._hand_over)

    def _hand_over(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        group, self._waiting = self._waiting, []
        self._busy = True
        self._groups.put(group)

    def _deliver(self, group: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
        for waiting, outcome in zip(group, outcomes, strict=True):
            if waiting.future.done():  # whoever asked has hung up; it stands in the log anyway
                continue
            if isinstance(outcome, Receipt):
                waiting.future.set_result(outcome)
            else:
                waiting.future.set_exception(outcome)
        self._busy = False
        self._expected = len(group) + len(self._waiting)
        self._consider()

    # --- on the thread -------------------------------------------------------------------

    def _run(self) -> None:
        untidy = False
        while True:
            try:
                group = self._groups.get(timeout=QUIET_S if untidy else None)
            except queue.Empty:
                self._log.tidy()
                untidy = False
                continue
            if group is None:
                return
            outcomes = self._carry_out(group)
            self._loop.call_soon_threadsafe(self._deliver, group, outcomes)
            untidy = True

    def _carry_out(self, group: Sequence[_Waiting]) -> Sequence[Outcome]:
        try:
            return self._log.append_each([(one.drafts, one.key) for one in group])
        except Exception:  # noqa: BLE001  # the one place for what nobody foresaw, in this thread
            _LOG.exception("an append failed")
            failure = StoreError("the service failed", hint="service.log has the details")
            return [failure] * len(group)
