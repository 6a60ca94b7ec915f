"""What is held about a person: looked up by who it is sealed for, not only by what it is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from governance.errors import LedgerError
from governance.events import CommandRefused, PolicyActivated, PolicyTerms
from governance.footprint import Footprint, footprint, owned
from governance.ledger import Ledger
from tests.governance.drafts import ANN, BOT, StepClock, draft
from tests.governance.erasable import NORA, erased, fill, relayed, used
from tests.governance.serving import serving


def held(ledger: Ledger, person: str = NORA) -> Footprint:
    return footprint(ledger, holder=owned(ledger).keys.holder(person))


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger.in_memory(clock=StepClock())
    fill(ledger)
    return ledger


def test_a_relay_goes_with_whom_it_is_sealed_for(ledger: Ledger) -> None:
    before = held(ledger)
    assert "relay-s" not in before.relays
    steps = [draft(one, data_subject=NORA) for one in relayed("relay-s", "desk")]
    receipt = ledger.append(steps)
    found = held(ledger)
    assert set(found.relays) == {*before.relays, "relay-s"}
    assert set(found.events) - set(before.events) == {receipt.first_seq, receipt.last_seq}
    assert held(ledger, "Tom").relays == ()


def test_a_prompt_goes_with_whom_it_is_sealed_for_though_it_used_nothing_of_them(
    ledger: Ledger,
) -> None:
    before = held(ledger)
    (recalled, _) = used("fifth", "other", task="t9")
    refused = CommandRefused(command="ask", about="ledger:self", error="PolicyError", message="No")
    receipt = ledger.append([
        draft(recalled, BOT, data_subject=NORA), draft(refused, data_subject=NORA),
        draft(refused),
    ])  # fmt: skip
    found = set(held(ledger).events) - set(before.events)
    assert found == {receipt.first_seq, receipt.first_seq + 1}


def test_what_governs_the_ledger_stays_whoever_it_is_sealed_for(ledger: Ledger) -> None:
    terms = PolicyTerms(ttl_days={"fact": 900})
    policy = PolicyActivated(name="p", digest="d", text="t", terms=terms)
    receipt = ledger.append([draft(policy, ANN, data_subject=NORA)])
    found = held(ledger)
    assert found.kept == (receipt.first_seq,)
    assert receipt.first_seq not in found.events
    erased(ledger, person=NORA)
    assert ledger.state.terms == terms
    assert held(ledger).events == ()


def test_only_the_process_that_owns_the_files_looks_it_up(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as served:
        fill(served.ledger)
        with pytest.raises(LedgerError, match="only the process that owns") as caught:
            footprint(served.client(), entries=["nora-1"])
        assert "palimpsest serve" in caught.value.hint
        assert "nora-1" in footprint(served.ledger, entries=["nora-1"]).entries
