"""kill -9 at every numbered step of an erasure: completing it again leaves nothing behind."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import types
from pathlib import Path
from unittest import mock

import pytest

from governance.erasure import complete_erasure
from governance.ledger import Ledger, verify_home
from tests.faults import erasing_child
from tests.faults.erasing_child import STEPS
from tests.governance.drafts import ANN, HERE, StepClock
from tests.governance.erasable import NORA, approved, home_of
from tests.properties.folding import assert_folds


@pytest.mark.parametrize("step", STEPS)
def test_an_erasure_killed_at_any_step_is_completed_afterwards(tmp_path: Path, step: str) -> None:
    home = tmp_path / "home"
    with home_of(tmp_path) as ledger:
        erasure_id = approved(ledger, person=NORA)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([erasing_child.__name__])
    child = context.Process(target=erasing_child.work, args=(home, erasure_id, step))
    with mock.patch.dict(sys.modules, {"__main__": types.ModuleType("__main__")}):
        child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    child.close()
    assert verify_home(home).ok
    with Ledger.open(home, clock=StepClock()) as ledger:
        if ledger.state.erasures[erasure_id].status != "completed":
            complete_erasure(ledger, erasure_id, actor=ANN)
        assert ledger.state.erasures[erasure_id].status == "completed"
        assert ledger.state.entries["nora-1"].status == "erased"
        assert_folds(ledger, scopes=(HERE,))
        report = ledger.verify()
        assert report.ok, report.problems
        assert report.erased > 20
