"""What a real ledger offers to provers: any event, under any checkpoint, from its tiles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from governance import notes
from governance.errors import LedgerError
from governance.events import RoleGranted
from governance.ledger import Ledger
from governance.proof import ProvableLog, build_proof, log_key, verify_proof
from governance.witness import Witness, build_request
from tests.governance.drafts import StepClock, draft

EVENTS = 600
"""Two whole tiles and an unfinished one."""


@pytest.fixture(params=["memory", "duck"])
def ledger(request: pytest.FixtureRequest, home: Path) -> Iterator[Ledger]:
    clock = StepClock()
    memory = request.param == "memory"
    opened = Ledger.in_memory(clock=clock) if memory else Ledger.open(
        home, create=True, clock=clock
    )  # fmt: skip
    with opened:
        for start in (0, 255, 300):
            grow(opened, {0: 255, 255: 45, 300: EVENTS - 300}[start])
        yield opened


def grow(ledger: Ledger, count: int) -> None:
    first = ledger.head.seq + 1
    names = [f"p{number}" for number in range(first, first + count)]
    ledger.append([draft(RoleGranted(principal=one, role="reviewer")) for one in names])


def test_every_kind_of_place_in_the_log_can_be_proved(ledger: Ledger) -> None:
    log: ProvableLog = ledger
    key = log_key(log)
    for seq in (1, 2, 255, 256, 257, 300, 511, 512, 513, EVENTS - 1, EVENTS):
        found = verify_proof(build_proof(log, seq), [key])
        assert (found.seq, found.checkpoint.size) == (seq, EVENTS)
        assert found.header["event_id"] == ledger.event(seq).header.event_id
    assert notes.verify(log.note(), log.public_key, origin=log.origin).root.hex() == (
        ledger.head.root
    )
    for seq in (0, EVENTS + 1):
        with pytest.raises(LedgerError, match="does not exist"):
            build_proof(log, seq)


def test_the_first_checkpoint_over_an_event_still_proves_it(duck_ledger: Ledger) -> None:
    for count in (255, 45, 300):
        grow(duck_ledger, count)
    for seq, size in ((1, 255), (255, 255), (256, 300), (301, 600)):
        note = duck_ledger.first_note(seq)
        found = verify_proof(build_proof(duck_ledger, seq, note), [log_key(duck_ledger)])
        assert (found.seq, found.checkpoint.size) == (seq, size)


def test_a_witness_follows_a_ledger(ledger: Ledger, fast_path: Path) -> None:
    witness = Witness.create(fast_path / "witness", "w.example/1")
    key = log_key(ledger)
    size = 0
    for count in (1, 255, 300):
        request = build_request(ledger, size)
        assert request.chain == ()
        assert witness.cosign(request, now_s=1, trust=key).checkpoint.size == ledger.head.seq
        size = ledger.head.seq
        grow(ledger, count)
