"""Erasing for good: what goes, what stays, who may, and that nothing is left in any file."""

from __future__ import annotations

from pathlib import Path

from governance.erasure import plan_erasure
from governance.ledger import Ledger
from tests.governance.drafts import HERE, StepClock
from tests.governance.erasable import NORA, erased, home_of
from tests.properties.folding import assert_folds


def test_a_person_is_erased_with_everything_that_rests_on_them_and_nothing_else(
    tmp_path: Path,
) -> None:
    with home_of(tmp_path) as ledger:
        before = ledger.head.seq
        plan = plan_erasure(ledger, data_subject=NORA)
        assert set(plan.found.entries) == {"nora-1", "nora-2", "nora-3", "nora-card"}
        done = erased(ledger, person=NORA)
        assert done.events == len(plan.found.events)
        state = ledger.state
        assert {one: state.entries[one].status for one in state.entries} == {
            "nora-1": "erased", "nora-2": "erased", "nora-3": "erased", "nora-card": "erased",
            "other": "active",
        }  # fmt: skip
        assert "nora-1" not in ledger.state_at(before).entries
        assert "other" in ledger.state_at(before).entries
        report = ledger.verify()
        assert report.ok, report.problems
        assert report.erased == done.events
        assert_folds(ledger, before, before // 2, scopes=(HERE,))
    with Ledger.open(tmp_path / "home", clock=StepClock()) as ledger:
        assert_folds(ledger, before, scopes=(HERE,))
        assert ledger.verify().ok
