"""The state read off a log: what is asked for is found, and nothing else is read.

That it equals the plain fold is tested over random histories in
``tests/properties/test_projection_machine.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest

from governance import projection
from governance.events import (
    EntryRevoked,
    Event,
    LedgerFrozen,
    MemoryRecalled,
    RoleGranted,
)
from governance.ledger import Ledger
from governance.projection import ENTRY_TYPES, STATUS_TYPES, state_of
from governance.rollback import plan_rollback, rollback
from governance.state import State
from governance.store import LastSteps, Mention
from tests.governance.drafts import (
    ANN,
    BOT,
    append,
    decided,
    draft,
    fact_body,
    learned_card,
    life,
    proposed,
    source,
    verified,
)


class Counting:
    """A journal that counts the events it gives out."""

    def __init__(self, ledger: Ledger) -> None:
        self._log = ledger.log
        self.read: list[int] = []
        self.asked = 0

    def select(
        self,
        start: int,
        stop: int,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[Event]:
        for event in self._log.select(start, stop, types=types, subjects=subjects):
            self.read.append(event.header.seq)
            yield event

    def last_steps(self, kind: str, start: int, stop: int, *, types: Collection[str]) -> LastSteps:
        self.asked += 1
        return self._log.last_steps(kind, start, stop, types=types)

    def mentions(
        self, start: int, stop: int, *, types: Collection[str], subject: str | None = None
    ) -> list[Mention]:
        self.asked += 1
        return list(self._log.mentions(start, stop, types=types, subject=subject))


ENTRIES = 40


@pytest.fixture
def journal(ledger: Ledger) -> Counting:
    append(ledger, source())
    for number in range(ENTRIES):
        append(ledger, proposed(f"e{number}", fact_body(f"{number} EUR")), BOT)
    ledger.append(life("acting"))
    append(ledger, proposed("child", derived_from=["acting"]), BOT)
    for _ in range(3):
        used = MemoryRecalled(recall_id="r", purpose="answer", query="?", entries=["acting", "e1"])
        append(ledger, used)
    return Counting(ledger)


def opened(journal: Counting, ledger: Ledger) -> State:
    state = state_of(journal, ledger.head.seq)
    assert journal.read == []  # nothing governs this log
    return state


def test_opening_reads_what_governs_the_whole_and_nothing_else(ledger: Ledger) -> None:
    append(ledger, source())
    append(ledger, LedgerFrozen(reason="x"))
    append(ledger, RoleGranted(principal="human:ann", role="admin"))
    journal = Counting(ledger)
    state = state_of(journal, ledger.head.seq)
    assert journal.read == [2, 3]
    assert (state.seq, state.frozen) == (3, True)
    assert state_of(journal, 1).frozen is False


def test_one_entry_costs_its_own_events(journal: Counting, ledger: Ledger) -> None:
    state = opened(journal, ledger)
    assert state.entries["acting"].status == "active"
    assert len(journal.read) == 4
    assert state.entries["acting"].history == tuple(journal.read)
    assert len(journal.read) == 4  # remembered
    assert "nobody" not in state.entries
    assert len(journal.read) == 4


def test_a_status_is_known_without_reading_an_entry(journal: Counting, ledger: Ledger) -> None:
    state = opened(journal, ledger)
    statuses = state.entries.statuses()
    assert (len(statuses), statuses["acting"], statuses["e3"]) == (
        ENTRIES + 2, "active", "proposed",
    )  # fmt: skip
    assert journal.read == []
    assert [one.entry_id for one in state.active(ledger.event(1).header.scope)] == ["acting"]
    assert len(journal.read) == 4


def test_only_what_a_rollback_moved_is_read_for_its_status(ledger: Ledger) -> None:
    append(ledger, source())
    ledger.append(life("e1"))
    ledger.append(life("e2"))
    before = ledger.head.seq
    append(ledger, decided(EntryRevoked, "e2"), ANN)
    rollback(ledger, plan_rollback(ledger, before), actor=ANN, reason_code="drill")
    append(ledger, decided(EntryRevoked, "e1"), ANN)
    journal = Counting(ledger)
    state = state_of(journal, ledger.head.seq)
    assert state.entries.statuses() == {"e1": "revoked", "e2": "active"}
    assert {ledger.event(seq).header.subject for seq in journal.read} == {
        "entry:e2", ledger.event(before + 2).header.subject,
    }  # fmt: skip


@pytest.mark.parametrize("few", [0, 1_000])
def test_many_are_found_in_one_pass_and_few_one_by_one(
    journal: Counting, ledger: Ledger, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "_FEW", few)
    state = opened(journal, ledger)
    found = list(state.entries.values())
    assert [one.entry_id for one in found][:3] == ["e0", "e1", "e2"]
    assert len(found) == ENTRIES + 2
    assert len(journal.read) == ENTRIES + 5
    assert [state.entries.get(f"e{number}") for number in range(ENTRIES)] == found[:ENTRIES]
    assert state.entries.get("nobody") is None
    assert len(journal.read) == ENTRIES + 5
    recalls = [list(state.recalls.get(f"e{number}", ())) for number in range(ENTRIES)]
    assert recalls[1] == list(state.recalls["acting"])
    assert [one for one in recalls if one] == [recalls[1]]
    assert list(state.recalls) == ["acting", "e1"]


def test_after_enough_single_looks_what_is_missing_costs_nothing(
    journal: Counting, ledger: Ledger
) -> None:
    state = opened(journal, ledger)
    for number in range(200):
        assert f"nobody-{number}" not in state.entries
        assert f"nobody-{number}" not in state.sources
        assert f"nobody-{number}" not in state.recalls
    assert journal.read == []
    assert journal.asked < 40


def test_children_are_found_through_what_names_their_parent(
    journal: Counting, ledger: Ledger
) -> None:
    state = opened(journal, ledger)
    assert [one.entry_id for one in state.entries.derivatives(["acting"])] == ["child"]
    assert len(journal.read) == 2  # its proposal, found and then folded
    assert list(state.entries.derivatives(["child"])) == []


@pytest.mark.parametrize("shape", ["many of one", "one of each"])
def test_a_large_family_is_found_without_reading_who_else_there_is(
    journal: Counting, ledger: Ledger, shape: str
) -> None:
    parent = "acting"
    for number in range(ENTRIES):
        append(ledger, proposed(f"d{number}", derived_from=[parent]), BOT)
        parent = f"d{number}" if shape == "one of each" else "acting"
    moved = proposed("d0", fact_body("another"), version=2, derived_from=["acting"])
    append(ledger, moved, BOT)
    append(ledger, proposed("late", derived_from=["child"]), BOT)
    state = opened(journal, ledger)
    found = [one.entry_id for one in state.entries.derivatives(["acting"])]
    assert set(found) == {"child", "late", *(f"d{number}" for number in range(ENTRIES))}
    assert found.index("child") < found.index("late")
    family = {seq for name in (*found, "acting") for seq in state.entries[name].history}
    assert set(journal.read) <= family  # and nobody else was read
    # Once it is known who was made from whom, nobody is asked again.
    asked = journal.asked
    assert [one.entry_id for one in state.entries.derivatives(["d0"])][:1] == (
        ["d1"] if shape == "one of each" else []
    )
    assert journal.asked == asked


def test_nothing_is_asked_about_the_time_before_everything(ledger: Ledger) -> None:
    append(ledger, source())
    journal = Counting(ledger)
    state = state_of(journal, 0)
    assert "s1" not in state.sources
    assert "e1" not in state.entries
    assert "e1" not in state.recalls
    assert (journal.read, journal.asked) == ([], 0)
    assert list(state.entries) == list(state.shards) == []
    assert state == State()


class Veiled(Counting):
    """As for somebody who may not see entry ``e2``, and after ``e3`` was erased."""

    def select(
        self,
        start: int,
        stop: int,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[Event]:
        for event in super().select(start, stop, types=types, subjects=subjects):
            if event.header.subject == "entry:e3":
                yield Event(event.header, None)
            elif event.header.subject != "entry:e2":
                yield event

    def last_steps(self, kind: str, start: int, stop: int, *, types: Collection[str]) -> LastSteps:
        steps = super().last_steps(kind, start, stop, types=types)
        kept = [key for key in steps if key != "e2"]
        return LastSteps(kept, [steps[key].seq for key in kept], [steps[key].type for key in kept])


def test_a_rollback_of_what_is_gone_moves_the_rest(ledger: Ledger) -> None:
    append(ledger, source())
    for name in ("e1", "e2", "e3"):
        ledger.append(life(name))
    before = ledger.head.seq
    for name in ("e1", "e2", "e3"):
        append(ledger, decided(EntryRevoked, name), ANN)
    rollback(ledger, plan_rollback(ledger, before), actor=ANN, reason_code="drill")
    state = state_of(Veiled(ledger), ledger.head.seq)
    assert state.entries.statuses()["e1"] == "active"
    assert "e2" not in state.entries
    assert "e3" not in state.entries
    assert [one.entry_id for one in state.entries.with_status("active")] == ["e1"]


def test_shards_and_adapters_are_folded_together(ledger: Ledger) -> None:
    append(ledger, source())
    ledger.append(learned_card("c1", "ad1"))
    journal = Counting(ledger)
    state = state_of(journal, ledger.head.seq)
    assert journal.read == []
    assert state.shards["sh1"].active == "ad1"
    read = len(journal.read)
    assert read == 3
    assert state.adapters["ad1"].status == "active"
    assert (list(state.shards), next(iter(state.adapters.values())).digest) == (["sh1"], "ad1")
    assert "sh2" not in state.shards
    assert len(journal.read) == read


def test_every_event_of_an_entry_says_its_status_by_its_type_or_leaves_it() -> None:
    assert STATUS_TYPES <= ENTRY_TYPES
    assert {
        "review.assigned", "review.claimed", "review.commented", "review.endorsed",
        "review.withdrawn", "decision.signed",
    } == ENTRY_TYPES - STATUS_TYPES  # fmt: skip
    assert draft(verified()).payload.event_type in STATUS_TYPES
