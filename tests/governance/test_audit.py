"""A home's own check of itself, beyond what the log proves to anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.checked import MENTIONING
from governance.keystore import Fingerprint
from governance.ledger import Ledger, OwnedLog
from tests.governance.desk import Desk
from tests.governance.drafts import StepClock


def owned(ledger: Ledger) -> OwnedLog:
    assert isinstance(ledger.log, OwnedLog)
    return ledger.log


@pytest.mark.parametrize("where", ["duck", "memory"])
@pytest.mark.parametrize("damage", ["cut", "added"])
def test_a_projection_that_does_not_say_what_events_mention_is_named(
    home: Path, where: str, damage: str
) -> None:
    made = Ledger.in_memory() if where == "memory" else Ledger.open(home, create=True)
    with made as ledger:
        desk = Desk(ledger)
        recalled = desk.recall(desk.fact("deductible", "300 EUR").entry_id)
        assert ledger.verify().ok
        store = owned(ledger).store
        kept = owned(ledger).stored_mentions(1, 99, {"memory.recalled"})
        assert [one.seq for one in kept] == [recalled]
        every = [one for one in store.mentions(1, 99, types=MENTIONING) if one not in kept]
        store.replace_mentions(every if damage == "cut" else [*every, *kept, *kept])
        report = ledger.verify()
        assert any(f"event {recalled}: the stored projection" in one for one in report.problems)
        headers_only = ledger.verify(payloads=False)
        assert not any("stored projection" in one for one in headers_only.problems)
        ledger.rebuild_projections()
        assert ledger.verify().ok


def test_a_record_beside_the_database_that_does_not_fit_it_is_named(home: Path) -> None:
    with Ledger.open(home, create=True, clock=StepClock()) as ledger:
        Desk(ledger)
        keys, engine = owned(ledger).keys, owned(ledger).store.engine
        head = ledger.head.seq

        def problems(seq: int, engine: str = engine) -> tuple[str, ...]:
            keys.record_fingerprint(Fingerprint(seq, engine, "12345"))
            return tuple(ledger.verify().problems)

        (problem,) = problems(head)
        assert "the fingerprint in keys.sqlite does not fit" in problem
        assert "from a backup" in problem
        assert problems(head, "another engine") == ()  # its numbers say nothing about this one
        assert problems(head + 1) == ()  # as are those of a longer log
