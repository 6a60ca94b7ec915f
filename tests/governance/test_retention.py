"""What ends by itself, and what a person may end."""

from __future__ import annotations

import pytest

from governance.errors import LedgerError
from governance.events import EntryApproved, Scope
from governance.ledger import Ledger
from governance.retention import US_PER_DAY, expire_due, plan_prune
from tests.governance.drafts import (
    ANN,
    BOT,
    EPOCH_US,
    StepClock,
    activated,
    append,
    decided,
    draft,
    life,
    proposed,
    source,
    verified,
)

UNTIL_US = EPOCH_US + US_PER_DAY


@pytest.fixture
def ledger() -> Ledger:
    """``brief`` is valid for a day, ``e1`` without end."""
    ledger = Ledger.in_memory(clock=StepClock())
    append(ledger, source())
    ledger.append(life())
    brief = proposed("brief").model_copy(update={"valid_to_us": UNTIL_US})
    ledger.append([
        draft(brief, BOT), draft(verified("brief")),
        draft(decided(EntryApproved, "brief"), ANN), draft(activated("brief")),
    ])  # fmt: skip
    return ledger


def test_an_entry_ends_at_the_time_it_was_valid_to(ledger: Ledger) -> None:
    assert expire_due(ledger, UNTIL_US - 1).entries == ()
    head = ledger.head.seq
    done = expire_due(ledger, UNTIL_US)
    assert done.entries == ("brief",)
    assert done.receipt is not None
    assert done.receipt.first_seq == head + 1
    assert ledger.state.entries["brief"].status == "expired"
    assert ledger.state.entries["e1"].status == "active"
    (event,) = ledger.events(types={"entry.expired"})
    assert event.payload is not None
    assert event.payload.model_dump()["reason_code"] == "valid-to"
    assert expire_due(ledger, UNTIL_US).receipt is None


def test_what_was_refused_does_not_expire_into_what_may_be_learned(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="revoked entries cannot be pruned") as caught:
        plan_prune(ledger, before_us=UNTIL_US, statuses=["revoked"])
    assert "active" in caught.value.hint
    assert plan_prune(ledger, before_us=UNTIL_US, statuses=["active"]).entries == ("e1", "brief")


def test_only_what_nothing_happened_to_since_and_the_reader_sees(ledger: Ledger) -> None:
    between = ledger.event(5).header.recorded_at_us + 1
    assert plan_prune(ledger, before_us=between).entries == ("e1",)
    assert plan_prune(ledger, before_us=EPOCH_US).entries == ()
    elsewhere = Scope(tenant="elsewhere")
    assert plan_prune(ledger, before_us=UNTIL_US, reader=elsewhere).entries == ()
    assert plan_prune(ledger, before_us=UNTIL_US, reader=Scope()).entries == ("e1", "brief")
    assert plan_prune(ledger, before_us=UNTIL_US, kinds=["card"]).entries == ()
