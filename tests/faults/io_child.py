"""The process whose system calls fail: ``python -m tests.faults.io_child``, on the shim.

It reads orders, one JSON object a line, and runs each in a fork of its own, so that the
interpreter starts once for a thousand faults. What happened goes back as one line.
"""

from __future__ import annotations

import json
import os
import resource
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
from tests.faults.shim import ALL, VARIABLE, Kind, Mode, Shim

Phase = Literal["create", "open", "append", "close", "read"]


@dataclass(frozen=True)
class Order:
    """Work in ``home`` from command ``first`` on, and meet the fault in one phase of it."""

    home: str
    notes: str
    first: int
    phase: Phase
    mode: int = Mode.OFF
    nth: int = 1
    error: int = 0
    kinds: int = int(ALL)
    part: str = ""
    descriptors: int = -1
    """How many more files may be opened during the phase; -1: as many as usual."""
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
    calls: list[str] = field(default_factory=list)
    """The calls that matched during the phase."""
    spoiled: int = 0
    signal: int = 0
    resumed: bool = False
    """Worked again, in the same process, once the fault was over."""

    @property
    def refused(self) -> list[str]:
        """The steps that failed."""
        return [step for step in self.steps if not step.endswith(": ok")]


class Life:
    """One process's work; every step is noted, and only our own errors are survived."""

    def __init__(self, order: Order, shim: Shim) -> None:
        self.order = order
        self.outcome = Outcome()
        self._shim = shim
        self._home = Path(order.home)
        self._notes = clients.notes_of(Path(order.notes))
        self._ledger: Ledger | None = None

    def live(self) -> None:
        """The fault, more work while it lasts, and the same again once it is over."""
        first, phase = self.order.first, self.order.phase
        if phase == "read":
            with self._trouble():
                self._read_only()
        if phase in {"create", "open"}:
            with self._trouble():
                self._open()
        self._open()
        if phase == "append":
            with self._trouble():
                self._work(first)
        else:
            self._work(first)
        if phase == "close":
            with self._trouble():
                self._close()
            self._open()
        works = [self._command(first), self._command(first + 2), self._read()]
        self.outcome.resumed = all(works)
        if not self.order.killed:
            self._close()

    def _work(self, first: int) -> None:
        self._command(first)
        self._command(first)  # what a client does that got an error
        self._command(first + 1)
        self._read()

    # --- trouble -----------------------------------------------------------------------

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        order, shim = self.order, self._shim
        shim.arm(
            self._home, Mode(order.mode), nth=order.nth, error=order.error,
            kinds=Kind(order.kinds), part=order.part,
        )  # fmt: skip
        with _starved(order.descriptors):
            yield
        shim.disarm()
        self.outcome.spoiled, self.outcome.calls = shim.failed, shim.log()

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

    # --- steps -------------------------------------------------------------------------

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
            clients.note(self._notes, command, clients.run(self._opened(), command))

        self.outcome.tried.append(command)
        return self._step(f"command {command}", run)

    def _read(self) -> bool:
        return self._step("read", lambda: clients.effects(self._opened()))

    def _read_only(self) -> None:
        def read() -> None:
            with Ledger.open(self._home, read_only=True, patience_s=0) as ledger:
                clients.effects(ledger)
                assert ledger.verify().ok

        self._step("read only", read)

    def _close(self) -> None:
        self._step("close", self._opened().close)
        self._ledger = None


@contextmanager
def _starved(descriptors: int) -> Iterator[None]:
    """Let only so many more files be opened at a time."""
    if descriptors < 0:
        yield
        return
    usual, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    listed = [int(one.name) for one in Path("/proc/self/fd").iterdir()]
    taken = {one for one in listed if Path(f"/proc/self/fd/{one}").exists()}  # not the listing's
    limit = free = 0  # a limit is a number that no new descriptor may reach
    while free < descriptors or limit in taken:
        free += limit not in taken
        limit += 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usual, hard))


def _forked(order: Order, shim: Shim) -> Outcome:
    """Run ``order`` in a fork, which never returns here."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        life = Life(order, shim)
        with suppress(AssertionError):  # noted: a step that needs an open ledger has none
            life.live()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps(asdict(life.outcome)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    outcome = Outcome(**json.loads(data)) if data else Outcome(calls=shim.log())
    outcome.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return outcome


def main() -> None:
    """Serve orders until there are no more."""
    shim = Shim(Path(os.environ[VARIABLE]))
    for line in sys.stdin:
        outcome = _forked(Order(**json.loads(line)), shim)
        sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
