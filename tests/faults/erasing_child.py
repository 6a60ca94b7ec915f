"""The process that dies while it completes an erasure, at one numbered step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from governance import erasure
from governance.erasure import complete_erasure
from governance.keystore import Keystore
from governance.ledger import Ledger
from governance.store import DuckStore, rewriting
from tests.faults.crash_child import _around
from tests.governance.drafts import ANN, StepClock

Kill = Callable[[], None]

STEPS: dict[str, Callable[[Kill], None]] = {
    "0 nothing done": lambda kill: _around(erasure, "_begin", before=kill),
    "1 erased in the record": lambda kill: _around(erasure, "_begin", after=kill),
    "2 files deleted": lambda kill: _around(erasure, "_delete_files", after=kill),
    "3 searched": lambda kill: _around(erasure, "shred", before=kill),
    "4 keys destroyed": lambda kill: _around(Keystore, "destroy", after=kill),
    "4 file not yet renamed": lambda kill: _around(rewriting, "synced", before=kill),
    "4 file written anew": lambda kill: _around(DuckStore, "erase", after=kill),
    "5 destroyed": lambda kill: _around(erasure, "shred", after=kill),
    "6 recorded": lambda kill: _around(Keystore, "erased", before=kill),
}


def work(home: Path, erasure_id: str, step: str) -> None:
    with Ledger.open(home, clock=StepClock()) as ledger:
        STEPS[step](lambda: os.kill(os.getpid(), signal.SIGKILL))
        complete_erasure(ledger, erasure_id, actor=ANN)
