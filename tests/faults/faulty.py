"""The test's side of ``io_child``: sends a process into a fault, then looks at what it left."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from governance.ledger import Ledger
from tests.faults import clients, shim
from tests.faults.io_child import Order, Outcome, Phase

ROOT = Path(__file__).resolve().parents[2]


class Faulty:
    """A process on the shim, and a home that is copied for each of its faults."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template, self._notes = folder / "template", folder / "template-notes"
        with Ledger.open(self._template, create=True) as ledger:
            descriptor = clients.notes_of(self._notes)
            clients.note(descriptor, 0, clients.run(ledger, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.io_child"],
            cwd=ROOT,
            env=shim.environment(shim.compiled(folder), folder / "page"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def meet(self, phase: Phase, **fault: Any) -> Outcome:
        """One fault in a fresh home (see ``Order``), and the promises that must hold whatever
        happened: only our own errors, each with a hint; everything acknowledged is there and
        nothing twice; what is there verifies; and the same process goes on afterwards."""
        home, notes = self._folder / "home", self._folder / "notes"
        shutil.rmtree(home, ignore_errors=True)
        notes.unlink(missing_ok=True)
        if phase != "create":
            shutil.copytree(self._template, home)
            shutil.copy(self._notes, notes)
        order = Order(str(home), str(notes), 1, phase, **fault)
        outcome = self._ordered(order)
        about = (order, outcome)
        assert not outcome.foreign, outcome.foreign
        assert outcome.signal == 0, about
        assert outcome.hintless == [], about
        assert outcome.resumed, about
        clients.check_kept(home, clients.noted(notes), outcome.tried)
        return outcome

    def _ordered(self, order: Order) -> Outcome:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return Outcome(**json.loads(self._process.stdout.readline()))
