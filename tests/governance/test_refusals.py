"""A refusal is an event; a failure of the machine is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.errors import SelfReviewError, StoreError
from governance.events import CommandRefused
from governance.ledger import Ledger
from governance.refusals import recording
from tests.governance.desk import DESK, Desk
from tests.governance.drafts import ANN


def refusals(ledger: Ledger) -> list[CommandRefused]:
    found = [event.payload for event in ledger.events(types=["command.refused"])]
    return [payload for payload in found if isinstance(payload, CommandRefused)]


def test_a_refusal_is_recorded_in_the_scope_of_the_entry_and_raised() -> None:
    desk = Desk()
    entry_id = desk.fact("deductible", "300 EUR").entry_id
    with (
        pytest.raises(SelfReviewError),
        recording(desk.ledger, "approve", f"entry:{entry_id[:9]}", actor=ANN),
    ):
        raise SelfReviewError("wrote it")
    (refusal,) = refusals(desk.ledger)
    assert (refusal.command, refusal.error) == ("approve", "SelfReviewError")
    header = desk.ledger.event(desk.ledger.head.seq).header
    assert (header.actor, header.scope) == (ANN, DESK)


def test_what_succeeds_or_fails_otherwise_is_not_recorded() -> None:
    desk = Desk()
    head = desk.ledger.head.seq
    with recording(desk.ledger, "approve", "entry:e", actor=ANN):
        pass
    with (
        pytest.raises(StoreError),
        recording(desk.ledger, "approve", "entry:e", actor=ANN),
    ):
        raise StoreError("full")
    assert desk.ledger.head.seq == head


def test_a_refusal_that_cannot_be_recorded_is_raised_all_the_same(fast_path: Path) -> None:
    with Ledger.open(fast_path / "home", create=True) as ledger:
        head = ledger.head.seq
    with (
        Ledger.open(fast_path / "home", read_only=True) as ledger,
        pytest.raises(SelfReviewError),
        recording(ledger, "approve", "adapter:none", actor=ANN),
    ):
        raise SelfReviewError("wrote it")
    with Ledger.open(fast_path / "home") as ledger:
        assert ledger.head.seq == head
