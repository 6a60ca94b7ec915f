"""The process that dies: appends to a home and is killed at one numbered step.

Runs in a process of its own (``multiprocessing`` starts it by name). The kill is SIGKILL to
itself, so no handler, ``finally`` or buffer flush runs; ``anywhere`` is a timer signal whose
default action ends the process at whatever instruction it happens to execute.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance import checkpoint, keystore
from governance.checkpoint import CheckpointLog
from governance.events import MemoryRecalled, RoleGranted
from governance.keystore import Keystore
from governance.ledger import EventDraft, Ledger
from governance.store import DuckStore
from tests.governance.drafts import draft

PER_COMMAND = 2
"""Events of one append: enough to show that a batch is not torn. One is only a row, the
other names an entry, so that several tables are written in one transaction."""

Kill = Callable[[], None]


def drafts_of(command: int) -> list[EventDraft]:
    recalled = MemoryRecalled(
        recall_id=f"r{command}", purpose="answer", query=f"question {command}", entries=["e1"]
    )
    granted = RoleGranted(principal=f"p{command}", role="reviewer")
    # A person nobody has met: every append has keys to write.
    return [draft(granted, data_subject=f"person-{command}"), draft(recalled)]


def key_of(command: int) -> str:
    return f"command-{command}"


def _around(
    owner: Any, name: str, *, before: Kill | None = None, after: Kill | None = None
) -> None:
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            before()
        result = original(*args, **kwargs)
        if after:
            after()
        return result

    setattr(owner, name, wrapped)


def _torn_write(kill: Kill) -> None:
    def half(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[: len(data) * 2 // 3])
        kill()
        os.write(descriptor, data[len(data) * 2 // 3 :])

    checkpoint._write_all = half


def _unflushed(kill: Kill) -> None:
    def half(self: DuckStore, table: str, values: Any) -> None:
        appender = self._connection.appender(table)
        appender.append_rows(values)
        kill()
        appender.flush()

    DuckStore._insert = half  # type: ignore[method-assign]  # what the test is about


# The steps are those of the ledger's docstring.
STEPS: dict[str, Callable[[Kill], None]] = {
    "1 checked, nothing written": lambda kill: _around(Keystore, "prepare", before=kill),
    "2 keys half written": lambda kill: _around(keystore, "_execute", after=kill),
    "2 keys durable": lambda kill: _around(Keystore, "prepare", after=kill),
    "3 sealed and hashed": lambda kill: _around(DuckStore, "append", before=kill),
    "4 rows handed over, not flushed": _unflushed,
    "4 inside the transaction": lambda kill: _around(DuckStore, "_insert", after=kill),
    "4 committed": lambda kill: _around(DuckStore, "append", after=kill),
    "5 checkpoint half written": _torn_write,
    "5 checkpoint written, not synced": lambda kill: _around(checkpoint, "_write_all", after=kill),
    "5 checkpoint synced": lambda kill: _around(CheckpointLog, "append", after=kill),
    "6 acknowledged": lambda kill: _around(Ledger, "append", after=kill),
}
ANYWHERE = "anywhere"


@dataclass(frozen=True)
class Order:
    """Append commands ``first`` to ``doomed`` to ``home`` and die in the last one at ``step``."""

    home: Path
    acknowledged: Path
    first: int
    doomed: int
    step: str
    delay_us: int = 0


def work(order: Order) -> None:
    """Every acknowledged command is noted in a file before the next one starts."""
    dying = False

    def kill() -> None:
        if dying:
            os.kill(os.getpid(), signal.SIGKILL)

    if order.step in STEPS:
        STEPS[order.step](kill)
    notes = os.open(order.acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with Ledger.open(order.home) as ledger:
        for command in range(order.first, order.doomed + 1):
            dying = command == order.doomed
            if dying and order.step == ANYWHERE:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, order.delay_us / 1e6)
            receipt = ledger.append(drafts_of(command), key=key_of(command))
            os.write(notes, f"{command} {receipt.first_seq} {receipt.last_seq}\n".encode())
        while order.step == ANYWHERE:
            signal.pause()
