"""The process whose system calls fail: ``python -m tests.faults.io_child``, on the shim.

It reads orders, one JSON object a line, and runs each in a fork of its own, so that the
interpreter starts once for a thousand faults. What happened goes back as one line.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from governance.errors import PalimpsestError
from governance.ledger import Ledger
from tests.faults import clients
from tests.faults.shim import VARIABLE, Kind, Mode, Shim

Phase = Literal["create", "open", "append", "close"]


@dataclass(frozen=True)
class Order:
    """Work in ``home`` from command ``first`` on, and meet the fault in one phase of it."""

    home: str
    notes: str
    first: int
    phase: Phase
    mode: int
    nth: int
    error: int
    kinds: int = int(Kind(63))
    part: str = ""
    killed: bool = False
    """Ends without closing anything."""


@dataclass
class Outcome:
    """What the process saw. ``steps``: ``name: ok`` or ``name: TypeOfError: message``."""

    steps: list[str] = field(default_factory=list)
    tried: list[int] = field(default_factory=list)
    foreign: str = ""
    """Traceback of an exception that is none of ours."""
    hintless: list[str] = field(default_factory=list)
    spoiled: int = 0
    call: str = ""
    """The first call that was spoiled."""
    calls: int = 0
    signal: int = 0
    resumed: bool = False
    """Worked again, in the same process, once the fault was over."""


class Life:
    """One process's work; every step is noted, and only our own errors are survived."""

    def __init__(self, order: Order, shim: Shim) -> None:
        self.order = order
        self.outcome = Outcome()
        self._shim = shim
        self._home = Path(order.home)
        self._ledger: Ledger | None = None

    def live(self) -> None:
        """The fault, more work while it lasts, and the same again once it is over."""
        first, phase = self.order.first, self.order.phase
        with self._armed(phase in {"create", "open"}):
            self._open()
        self._open()
        with self._armed(phase == "append"):
            self._command(first)
            self._command(first)  # what a client does that got an error
            self._command(first + 1)
        if phase == "close":
            with self._armed(True):
                self._close()
            self._open()
        works = [self._command(first), self._command(first + 2)]
        works.append(self._step("read", lambda: clients._effects(self._opened())))
        self.outcome.resumed = all(works)
        if not self.order.killed:
            self._close()

    @contextmanager
    def _armed(self, now: bool) -> Iterator[None]:
        if not now:
            yield
            return
        order, shim = self.order, self._shim
        shim.arm(
            self._home, Mode(order.mode), nth=order.nth, error=order.error,
            kinds=Kind(order.kinds), part=order.part,
        )  # fmt: skip
        yield
        shim.disarm()
        self.outcome.spoiled, self.outcome.calls = shim.failed, shim.calls
        if shim.failed:
            self.outcome.call = shim.log()[order.nth - 1]

    def _step(self, name: str, action: Callable[[], object]) -> bool:
        try:
            action()
        except PalimpsestError as error:
            self.outcome.steps.append(f"{name}: {type(error).__name__}: {error}")
            if not error.hint:
                self.outcome.hintless.append(str(error))
            return False
        except Exception:  # noqa: BLE001  # exactly what the test is there to find
            self.outcome.steps.append(f"{name}: foreign")
            self.outcome.foreign += traceback.format_exc()
            return False
        self.outcome.steps.append(f"{name}: ok")
        return True

    def _open(self) -> None:
        def opened() -> None:
            create = self.order.phase == "create"
            self._ledger = Ledger.open(self._home, create=create, patience_s=0)

        if self._ledger is None:
            self._step("open", opened)

    def _opened(self) -> Ledger:
        assert self._ledger is not None, "it did not open"
        return self._ledger

    def _command(self, command: int) -> bool:
        def run() -> None:
            receipt = clients.run(self._opened(), command)
            clients.note(Path(self.order.notes), command, receipt)

        self.outcome.tried.append(command)
        return self._step(f"command {command}", run)

    def _close(self) -> None:
        self._step("close", self._opened().close)
        self._ledger = None


def _forked(order: Order, shim: Shim) -> Outcome:
    """Run ``order`` in a fork, which never returns here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        life = Life(order, shim)
        with suppress(AssertionError):  # noted: a step that needs an open ledger has none
            life.live()
        os.write(writing, json.dumps(asdict(life.outcome)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    outcome = Outcome(**json.loads(data)) if data else Outcome(calls=shim.calls)
    outcome.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return outcome


def main() -> None:
    """Serve orders until there are no more."""
    shim = Shim(Path(os.environ[VARIABLE]))
    for line in sys.stdin:
        outcome = _forked(Order(**json.loads(line)), shim)
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
