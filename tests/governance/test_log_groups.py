"""Appends that share a commit: each stands or falls alone, and no doubt is ever assumed away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from governance import log as logs
from governance.errors import LedgerError, PalimpsestError, StoreError
from governance.events import LedgerFrozen, LedgerThawed, MemoryRecalled, RoleGranted
from governance.ledger import EventDraft, Ledger, OwnedLog, Receipt
from governance.merkle import LogRow, Tile
from governance.store import DuckStore, Mention
from tests.governance.drafts import BOT, StepClock, draft, proposed


@pytest.fixture(params=["memory", "duck"])
def ledger(request: pytest.FixtureRequest, fast_path: Path) -> Iterator[Ledger]:
    clock = StepClock()
    opened = (
        Ledger.in_memory(clock=clock)
        if request.param == "memory"
        else Ledger.open(fast_path / "home", create=True, clock=clock)
    )
    with opened:
        yield opened


def owned(ledger: Ledger) -> OwnedLog:
    assert isinstance(ledger.log, OwnedLog)
    return ledger.log


def role(name: object) -> EventDraft:
    return draft(RoleGranted(principal=f"human:p{name}", role="reviewer"))


def used(number: int) -> EventDraft:
    return draft(
        MemoryRecalled(recall_id=f"r{number}", purpose="answer", query="?", entries=["e1"])
    )


Append = Callable[[], Receipt]


class Crowd:
    """Threads whose appends all wait while the first one is being committed."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log = owned(ledger)
        self.ledger = ledger
        self.commits: list[int] = []
        self._first, self._go = threading.Event(), threading.Event()
        append = self.log.store.append

        def slow(
            rows: Sequence[LogRow], tiles: Sequence[Tile], mentions: Sequence[Mention] = ()
        ) -> None:
            self.commits.append(len(rows))
            if len(self.commits) == 1:
                self._first.set()
                assert self._go.wait(20)
            append(rows, tiles, mentions)

        monkeypatch.setattr(self.log.store, "append", slow)

    def run(self, *appends: Append) -> list[Receipt | PalimpsestError]:
        """What each got: the first alone, all others waiting for it."""
        found: list[Receipt | PalimpsestError | None] = [None] * len(appends)

        def work(number: int) -> None:
            try:
                found[number] = appends[number]()
            except PalimpsestError as error:
                found[number] = error

        threads = [threading.Thread(target=work, args=(n,)) for n in range(len(appends))]
        threads[0].start()
        assert self._first.wait(20)
        for number, thread in enumerate(threads[1:], start=1):
            thread.start()
            while len(self.log._queue) < number:
                pass  # in this order
        self._go.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        return [one for one in found if one is not None]


@pytest.fixture
def crowd(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Crowd:
    return Crowd(ledger, monkeypatch)


def adding(ledger: Ledger, *drafts: EventDraft, key: str | None = None) -> Append:
    return lambda: ledger.append(list(drafts), key=key)


def test_eight_threads_share_one_commit_and_one_checkpoint(crowd: Crowd, ledger: Ledger) -> None:
    found = crowd.run(*(adding(ledger, role(n), used(n), key=f"k{n}") for n in range(9)))
    assert crowd.commits == [2, 16]
    receipts = [one for one in found if isinstance(one, Receipt)]
    assert [(one.first_seq, one.last_seq) for one in receipts] == [
        (2 * n + 1, 2 * n + 2) for n in range(9)
    ]
    assert ledger.head.seq == 18
    for number, receipt in enumerate(receipts):
        assert ledger.receipt(f"k{number}") == receipt
        assert ledger.event(receipt.first_seq).payload == role(number).payload
    assert len(ledger.state.recalls["e1"]) == 9
    report = ledger.verify()
    assert report.ok, report.problems
    if crowd.log.checkpoints is not None:
        assert len(crowd.log.checkpoints.notes()) == 3  # empty, alone, together


def test_one_that_breaks_a_rule_fails_alone(crowd: Crowd, ledger: Ledger) -> None:
    bad = draft(proposed(spans=()), BOT)
    found = crowd.run(
        adding(ledger, role(0)), adding(ledger, role(1)), adding(ledger, role(2), bad),
        adding(ledger, role(3)),
    )  # fmt: skip
    assert [type(one).__name__ for one in found] == [
        "Receipt", "Receipt", "LedgerError", "Receipt",
    ]  # fmt: skip
    assert crowd.commits == [1, 2]
    assert list(ledger.state.roles) == ["human:p0", "human:p1", "human:p3"]
    assert ledger.verify().ok


def test_each_is_checked_against_those_before_it(crowd: Crowd, ledger: Ledger) -> None:
    learning = draft(proposed("e9", spans=()), BOT)
    found = crowd.run(
        adding(ledger, role(0)), adding(ledger, draft(LedgerFrozen(reason="x"))),
        adding(ledger, learning), adding(ledger, draft(LedgerThawed(reason="x"))),
        adding(ledger, learning),
    )  # fmt: skip
    assert [str(one) if isinstance(one, Exception) else "" for one in found] == [
        "", "", "learning is frozen", "", "entry e9 rests on nothing",
    ]  # fmt: skip
    assert not ledger.state.frozen


def test_a_command_that_comes_twice_in_a_group_is_done_once(crowd: Crowd, ledger: Ledger) -> None:
    found = crowd.run(
        adding(ledger, role(0), key="first"), adding(ledger, role(1), key="same"),
        adding(ledger, role(1), key="same"), adding(ledger, role(0), key="first"),
    )  # fmt: skip
    receipts = [one for one in found if isinstance(one, Receipt)]
    assert [one.repeated for one in receipts] == [False, False, True, True]
    assert receipts[1].event_ids == receipts[2].event_ids
    assert receipts[0].event_ids == receipts[3].event_ids
    assert ledger.head.seq == 2


def test_a_group_has_an_end(crowd: Crowd, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits behind a full group is served by the next one, even by their own thread."""
    monkeypatch.setattr(logs, "GROUP_EVENTS", 4)
    found = crowd.run(*(adding(ledger, *[role(n)] * 3) for n in range(6)))
    assert all(isinstance(one, Receipt) for one in found)
    assert crowd.commits == [3] * 6
    assert ledger.head.seq == 18


def test_appends_handed_over_together_share_their_commits(crowd: Crowd, ledger: Ledger) -> None:
    crowd._go.set()
    bad = draft(proposed(spans=()), BOT)
    found = crowd.log.append_each(
        [([role(1)], "a"), ([bad], None), ([role(2)], "a"), ([used(3)], None)]
    )
    assert crowd.commits == [2]
    assert isinstance(found[0], Receipt)
    assert isinstance(found[1], LedgerError)
    assert isinstance(found[2], Receipt)
    assert found[2].repeated
    assert isinstance(found[3], Receipt)
    assert ledger.head.seq == 2


def test_all_of_a_group_hear_of_a_store_that_refuses(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = owned(ledger)
    before = ledger.head

    def full(*_: object) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(log.store, "append", full)
        found = log.append_each([([role(1)], "a"), ([role(2)], "b")])
        assert [str(one) for one in found] == ["disk full", "disk full"]
    assert ledger.head == before
    assert ledger.receipt("a") is None
    assert [type(one) for one in log.append_each([([role(1)], "a"), ([role(2)], "b")])] == [
        Receipt, Receipt,
    ]  # fmt: skip
    assert ledger.verify().ok


def test_an_interrupt_is_no_acknowledgement(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = owned(ledger)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    requests = [logs._Request([role(1)], "a"), logs._Request([role(2)], "b")]
    log._queue.extend(requests)
    with monkeypatch.context() as patch:
        patch.setattr(log.store, "append", interrupt)
        with pytest.raises(KeyboardInterrupt):
            log._commit_waiting()
    for request in requests:
        with pytest.raises(LedgerError, match="interrupted") as caught:
            request.result()
        assert "same key" in caught.value.hint
    assert ledger.append([role(1)], key="a").first_seq == 1
    assert ledger.verify().ok


# --- doubt -------------------------------------------------------------------------------


def failing_after(log: OwnedLog, patch: pytest.MonkeyPatch) -> None:
    """The engine commits, and then says that it failed."""
    append = log.store.append

    def lying(
        rows: Sequence[LogRow], tiles: Sequence[Tile], mentions: Sequence[Mention] = ()
    ) -> None:
        append(rows, tiles, mentions)
        raise StoreError("I/O error")

    patch.setattr(log.store, "append", lying)


def test_a_failed_append_that_was_committed_all_the_same_is_kept(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = owned(ledger)
    with monkeypatch.context() as patch:
        failing_after(log, patch)
        with pytest.raises(StoreError, match="I/O error"):
            ledger.append([role(1), used(1)], key="a")
    assert ledger.head.seq == 0  # nobody was told that it happened
    assert ledger.receipt("a") is None
    again = ledger.append([role(1), used(1)], key="a")
    assert (again.repeated, again.first_seq, again.last_seq) == (True, 1, 2)
    assert ledger.append([role(2)]).first_seq == 3
    assert len(ledger.state.recalls["e1"]) == 1
    assert ledger.verify().ok


def test_what_was_committed_in_doubt_is_not_dropped_by_a_rebuild(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = owned(ledger)
    with monkeypatch.context() as patch:
        failing_after(log, patch)
        with pytest.raises(StoreError):
            ledger.append([used(1)], key="a")
    assert ledger.rebuild_projections() == 1
    assert ledger.head.seq == 1
    assert len(ledger.state.recalls["e1"]) == 1


def test_a_store_that_holds_something_else_stops_everything(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = owned(ledger)
    with monkeypatch.context() as patch:
        failing_after(log, patch)
        with pytest.raises(StoreError):
            ledger.append([role(1)], key="a")
        patch.setattr(log.store, "size", lambda: 7)
        for _ in range(2):
            with pytest.raises(StoreError, match="ends at event 7 after a failed append") as caught:
                ledger.append([role(2)])
            assert "open the home again" in caught.value.hint
    assert ledger.append([role(2)]).first_seq == 2  # the doubt was kept until it could be settled
    assert ledger.verify().ok


def test_an_engine_that_broke_is_opened_anew(home: Path) -> None:
    with Ledger.open(home, create=True) as ledger:
        ledger.append([role(1), used(1)])
        store = owned(ledger).store
        assert isinstance(store, DuckStore)
        store._connection.close()  # as after an I/O error: it refuses everything
        with pytest.raises(StoreError, match="refused the append"):
            ledger.append([role(2)])
        assert ledger.append([role(2)]).first_seq == 3
        assert [event.header.seq for event in ledger.events()] == [1, 2, 3]
        assert ledger.verify().ok
    with Ledger.open(home) as ledger:
        assert ledger.head.seq == 3
