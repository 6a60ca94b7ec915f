"""Ledger behaviour on both stores: appending, reading, time travel, idempotency."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from governance.canonical import encode
from governance.errors import (
    AppendConflictError,
    FrozenError,
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
    SelfReviewError,
    StoreError,
)
from governance.events import (
    EntryApproved,
    EntryRevoked,
    LedgerFrozen,
    LedgerThawed,
    RoleGranted,
    Scope,
)
from governance.ledger import EventDraft, Ledger, OwnedLog, new_event_id
from governance.merkle import leaf_hash, root_hash
from governance.state import State
from tests.governance.drafts import (
    ANN,
    BOB,
    BOT,
    ELSEWHERE,
    SYSTEM,
    StepClock,
    activated,
    append,
    approved_card,
    card_body,
    decided,
    draft,
    fact_body,
    learned_card,
    life,
    proposed,
    source,
    trained,
    verified,
)


@pytest.fixture(params=["memory", "duck"])
def any_ledger(request: pytest.FixtureRequest, fast_path: Path) -> Iterator[Ledger]:
    clock = StepClock()
    opened = (
        Ledger.in_memory(clock=clock)
        if request.param == "memory"
        else Ledger.open(fast_path / "home", create=True, clock=clock)
    )
    with opened:
        yield opened


def role(number: int) -> EventDraft:
    return draft(RoleGranted(principal=f"p{number}", role="reviewer"))


def owned(ledger: Ledger) -> OwnedLog:
    assert isinstance(ledger.log, OwnedLog)
    return ledger.log


def fold(ledger: Ledger, seq: int) -> State:
    state = State()
    for event in ledger.events(1, seq):
        state.apply(event.header, event.payload)
    return state


# --- appending ---------------------------------------------------------------------------


def test_an_append_is_numbered_dated_and_proved(any_ledger: Ledger) -> None:
    empty = any_ledger.head
    assert (empty.seq, empty.root) == (0, root_hash([]).hex())
    receipt = any_ledger.append([draft(source()), *life()])
    assert (receipt.first_seq, receipt.last_seq, receipt.repeated) == (1, 5, False)
    events = list(any_ledger.events())
    assert [event.header.seq for event in events] == [1, 2, 3, 4, 5]
    assert tuple(event.header.event_id for event in events) == receipt.event_ids
    assert len({event.header.recorded_at_us for event in events}) == 1
    leaves = [leaf_hash(event.header.canonical()) for event in events]
    assert any_ledger.head.root == root_hash(leaves).hex()
    assert [any_ledger.leaf(seq) for seq in range(1, 6)] == [leaf.hex() for leaf in leaves]
    report = any_ledger.verify()
    assert report.ok
    assert (report.events, report.payloads, report.root) == (5, 5, any_ledger.head.root)


def test_what_was_written_comes_back(any_ledger: Ledger) -> None:
    one = EventDraft(
        proposed(), BOT, causes=("some-event",), episode="run-1", policy_digest="d" * 64
    )
    append(any_ledger, source())
    any_ledger.append([one], key="k")
    event = any_ledger.event(2)
    assert event.payload == one.payload
    header = event.header
    assert (header.actor, header.scope, header.causes) == (BOT, one.scope, ["some-event"])
    assert (header.episode, header.policy_digest) == ("run-1", "d" * 64)
    assert (header.subject, header.subject_version) == ("entry:e1", 1)
    assert header.command == any_ledger.keyed("command:k")
    assert any_ledger.source_text("s1") == source().text
    assert [event.header.type for event in any_ledger.events(types={"entry.proposed"})] == [
        "entry.proposed"
    ]
    for unknown in (0, 3):
        with pytest.raises(LedgerError, match="does not exist"):
            any_ledger.event(unknown)
        with pytest.raises(LedgerError, match="does not exist"):
            any_ledger.leaf(unknown)
    with pytest.raises(LedgerError, match="unknown or was erased"):
        any_ledger.source_text("s9")


def test_a_batch_is_all_or_nothing(any_ledger: Ledger) -> None:
    append(any_ledger, source())
    before = (any_ledger.head, any_ledger.state.fork())
    good = [draft(proposed(), BOT), draft(verified())]
    for bad in (
        draft(proposed("e2", spans=()), BOT),
        draft(proposed(version=2), BOT, ELSEWHERE),
    ):
        with pytest.raises(LedgerError):
            any_ledger.append([*good, bad])
    with pytest.raises(IllegalTransitionError):
        any_ledger.append([*good, draft(activated())])
    with pytest.raises(LedgerError, match="at least one"):
        any_ledger.append([])
    assert (any_ledger.head, any_ledger.state) == before
    assert list(any_ledger.events(2)) == []
    any_ledger.append(good)
    assert any_ledger.head.seq == 3


def test_what_cannot_be_hashed_is_not_written(any_ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="surrogate"):
        append(any_ledger, RoleGranted(principal="\ud800", role="reviewer"))
    assert any_ledger.head.seq == 0
    append(any_ledger, RoleGranted(principal="\ud7ff", role="reviewer"))
    assert any_ledger.head.seq == 1


def test_a_store_that_refuses_changes_nothing(
    any_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(any_ledger, source())
    before = (any_ledger.head, any_ledger.state)

    def full(*_: object) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(owned(any_ledger).store, "append", full)
        with pytest.raises(StoreError, match="disk full"):
            any_ledger.append([role(1)], key="k")
    assert (any_ledger.head, any_ledger.state) == before
    assert any_ledger.receipt("k") is None
    assert any_ledger.append([role(1)], key="k").repeated is False
    assert any_ledger.verify().ok


# --- idempotency -------------------------------------------------------------------------


def test_a_repeated_command_returns_the_first_receipt(any_ledger: Ledger) -> None:
    first = any_ledger.append([role(1), role(2)], key="command-1")
    assert any_ledger.receipt("command-1") == first
    assert any_ledger.receipt("command-2") is None
    again = any_ledger.append([role(1), role(2)], key="command-1")
    assert again.repeated
    assert (again.first_seq, again.last_seq, again.event_ids) == (1, 2, first.event_ids)
    assert any_ledger.head.seq == 2
    # Without a key, or under another one, the same events are new events.
    assert not any_ledger.append([role(1)]).repeated
    assert not any_ledger.append([role(1)], key="command-2").repeated
    assert any_ledger.head.seq == 4


def test_a_refused_command_may_be_tried_again(any_ledger: Ledger) -> None:
    with pytest.raises(LedgerError):
        any_ledger.append([draft(proposed(), BOT)], key="k")
    append(any_ledger, source())
    assert not any_ledger.append([draft(proposed(), BOT)], key="k").repeated


# --- the rules, through the only door ----------------------------------------------------


def test_rules_are_enforced_by_the_append_itself(any_ledger: Ledger) -> None:
    append(any_ledger, source())
    with pytest.raises(LedgerError, match="rests on nothing"):
        append(any_ledger, proposed(spans=()), BOT)
    append(any_ledger, proposed(), ANN)
    append(any_ledger, verified())
    with pytest.raises(SelfReviewError):
        append(any_ledger, decided(EntryApproved), ANN)
    with pytest.raises(AppendConflictError):
        append(any_ledger, decided(EntryApproved, body=fact_body("900 EUR")), BOB)
    with pytest.raises(NotAuthorisedError, match="no person"):
        append(any_ledger, decided(EntryApproved), BOT)
    with pytest.raises(LedgerError, match="scope"):
        append(any_ledger, decided(EntryApproved), SYSTEM, Scope(user="x"))
    any_ledger.append(approved_card())
    with pytest.raises(LedgerError, match="unknown card"):
        append(any_ledger, trained(cards=["c2"]))
    append(any_ledger, LedgerFrozen(reason="x"), ANN)
    with pytest.raises(FrozenError):
        append(any_ledger, proposed("e2"), ANN)
    append(any_ledger, LedgerThawed(reason="x"), ANN)
    append(any_ledger, proposed("e2"), ANN)
    assert any_ledger.verify().ok


def test_two_reviewers_at_once_one_wins(any_ledger: Ledger) -> None:
    """Both saw version 1; whoever comes second decides on what is no longer there."""
    append(any_ledger, source())
    any_ledger.append([draft(proposed(), BOT), draft(verified())])
    append(any_ledger, proposed(body=fact_body("301 EUR"), version=2), BOT)
    with pytest.raises(AppendConflictError):
        append(any_ledger, decided(EntryApproved), ANN)
    append(any_ledger, verified(version=2))
    approval = decided(EntryApproved, body=fact_body("301 EUR"), version=2)
    append(any_ledger, approval, ANN)
    with pytest.raises(IllegalTransitionError):
        append(any_ledger, approval, ANN)


# --- versions ----------------------------------------------------------------------------


def test_every_version_can_be_rebuilt_and_the_live_one_equals_the_head(
    any_ledger: Ledger,
) -> None:
    """DESIGN rule 3."""
    append(any_ledger, source())
    lived = [State(), any_ledger.state.fork()]
    for one in (
        *life("e1"),
        *learned_card(),
        draft(decided(EntryRevoked), ANN),
        draft(decided(EntryRevoked, "c1", card_body()), ANN),
        *life("e2"),
    ):
        any_ledger.append([one])
        lived.append(any_ledger.state.fork())
    head = any_ledger.head.seq
    assert len(lived) == head + 1
    for seq in range(head + 1):
        assert any_ledger.state_at(seq) == fold(any_ledger, seq) == lived[seq], seq
    assert any_ledger.state_at(head) == any_ledger.state
    assert any_ledger.state_at(head) != any_ledger.state_at(head - 1)
    for missing in (-1, head + 1):
        with pytest.raises(LedgerError, match="does not exist"):
            any_ledger.state_at(missing)


def test_a_state_once_taken_does_not_change(any_ledger: Ledger) -> None:
    append(any_ledger, source())
    taken = any_ledger.state
    copy = taken.fork()
    any_ledger.append(life())
    assert taken == copy
    assert any_ledger.state != copy


# --- threads, clocks, ids ----------------------------------------------------------------


def test_eight_threads_make_one_gapless_sequence(any_ledger: Ledger) -> None:
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            for turn in range(5):
                any_ledger.append([role(worker), role(worker)], key=f"{worker}-{turn}")
                list(any_ledger.events(1, 3))
        except BaseException as error:  # noqa: BLE001  # shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    events = list(any_ledger.events())
    assert [event.header.seq for event in events] == list(range(1, 81))
    for first, second in zip(events[0::2], events[1::2], strict=True):
        assert first.header.command == second.header.command  # batches stay together
    assert any_ledger.verify().ok


def test_order_is_the_sequence_not_the_clock(any_ledger: Ledger) -> None:
    class Jumping(StepClock):
        def now_us(self) -> int:
            self.us += -3_600_000_000 if self.us % 2 else 86_400_000_001
            return self.us

    owned(any_ledger)._clock = Jumping()
    for number in range(6):
        any_ledger.append([role(number)])
    times = [event.header.recorded_at_us for event in any_ledger.events()]
    assert times != sorted(times)
    assert [event.header.seq for event in any_ledger.events()] == list(range(1, 7))
    assert any_ledger.verify().ok


def test_event_ids_are_uuid_version_7() -> None:
    ids = [new_event_id(1_767_225_600_123_456) for _ in range(200)]
    assert len(set(ids)) == 200
    for text in ids:
        assert text[14] == "7"
        assert text[19] in "89ab"
        assert int(text[:8] + text[9:13], 16) == 1_767_225_600_123
    assert new_event_id(1_000) < new_event_id(2_000_000)


def test_a_memory_ledger_has_no_home(ledger: Ledger) -> None:
    append(ledger, source())
    with pytest.raises(LedgerError, match="no home"):
        _ = ledger.home
    assert ledger.verify().checkpoints == 1


def test_payload_and_commitment_are_bound(any_ledger: Ledger) -> None:
    """The header holds a commitment to the payload, never the payload."""
    append(any_ledger, source())
    event = any_ledger.event(1)
    assert event.payload is not None
    header = event.header.canonical()
    assert b"deductible" not in header
    assert b"deductible" in encode(event.payload.model_dump(mode="json"))
    assert len(event.header.payload_commit) == 64
