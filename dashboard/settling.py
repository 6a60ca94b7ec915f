"""Brings the agent's memory in line after a decision, beside the screen.

A decision stands the moment the ledger has it. Building the adapter that follows from it
takes seconds to minutes, so it happens in one worker thread a process: pages stay usable,
leaving a page interrupts nothing, and two decisions in a row are settled in one go.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from governance.errors import PalimpsestError, StoreError
from governance.events import Scope
from governance.ports import MemoryTarget, Settled

OpenTarget = Callable[[], MemoryTarget | None]


@dataclass(frozen=True)
class Progress:
    """How far the worker is, as pages show it."""

    running: bool = False
    line: str = ""
    started_at_s: float = 0.0
    finished_at_s: float = 0.0
    settled: tuple[Settled, ...] = ()
    problem: str = ""
    hint: str = ""


class SettlingStoppedError(PalimpsestError):
    """The server is going down."""


class Settler:
    """One worker thread; asking again while it works makes it look once more."""

    def __init__(self, open_target: OpenTarget) -> None:
        self._open_target = open_target
        self._target: MemoryTarget | None = None
        self._lock = threading.Lock()
        self._wanted: list[tuple[Scope, tuple[str, ...] | None]] = []
        self._thread: threading.Thread | None = None
        self._progress = Progress()
        self._timers: list[threading.Timer] = []
        self._stopping = False

    @property
    def progress(self) -> Progress:
        """What is going on now."""
        with self._lock:
            return self._progress

    def request(self, scope: Scope, *, missing_only: tuple[str, ...] | None = None) -> None:
        """Settle ``scope`` soon; returns at once.

        Args:
            scope: Whose memory.
            missing_only: Settle only if one of these adapters is not in the store whole;
                a rollback needs nothing built otherwise.
        """
        with self._lock:
            if (scope, missing_only) not in self._wanted:
                self._wanted.append((scope, missing_only))
            if self._thread is None:
                self._progress = Progress(running=True, started_at_s=time.time())
                self._thread = threading.Thread(target=self._work, name="settler")
                self._thread.start()

    def request_later(self, scope: Scope, after_s: float) -> None:
        """Settle ``scope`` in ``after_s`` seconds, unless the server goes down before."""
        timer = threading.Timer(after_s, self._when_due, (scope,))
        timer.daemon = True
        with self._lock:
            self._timers = [one for one in self._timers if one.is_alive()]
            if not self._stopping:
                self._timers.append(timer)
                timer.start()

    def _when_due(self, scope: Scope) -> None:
        if not self._stopping:
            self.request(scope)

    def wait(self, timeout_s: float | None = None) -> None:
        """Return when nothing is left to settle, or after ``timeout_s``."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def stop(self) -> None:
        """Give up between two steps of what runs, forget what waits; the home can close.

        Nothing is lost: settling starts from the ledger and finds what was built.
        """
        with self._lock:
            self._stopping = True
            self._wanted.clear()
            for timer in self._timers:
                timer.cancel()
        self.wait()

    def target(self) -> MemoryTarget:
        """The memory itself, opened at first use.

        Raises:
            StoreError: none is installed.
        """
        if self._target is None:
            self._target = self._open_target()
        if self._target is None:
            raise StoreError(
                "no agent memory is installed, so no adapter was built",
                hint="pip install 'palimpsest-ledger[agent]'; the decision stands",
            )
        return self._target

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    self._progress = replace(
                        self._progress, running=False, finished_at_s=time.time()
                    )
                    return
                scope, needed = self._wanted.pop(0)
            self._settle(scope, needed)

    def _settle(self, scope: Scope, needed: tuple[str, ...] | None) -> None:
        try:
            target = self.target()
            if needed is not None and all(target.adapter_intact(digest) for digest in needed):
                return
            settled = tuple(target.settle(scope, self._say))
        except PalimpsestError as error:
            self._update(problem=str(error), hint=error.hint)
        except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
            # A thread has no caller to raise to; the page must still say what happened.
            self._update(
                problem=f"settling failed: {type(error).__name__}",
                hint="the decision stands; `palimpsest run` settles it again",
            )
        else:
            self._update(settled=settled)

    def _say(self, line: str) -> None:
        if self._stopping:
            raise SettlingStoppedError(
                "settling was stopped", hint="the next start, or `palimpsest run`, goes on"
            )
        self._update(line=line)

    def _update(self, **changes: object) -> None:
        with self._lock:
            self._progress = replace(self._progress, **changes)  # type: ignore[arg-type]  # fields of Progress
