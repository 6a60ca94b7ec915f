"""One suite for every ledger: in memory, in a home, and as the client of a service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from governance import notes
from governance.errors import (
    AppendConflictError,
    IllegalTransitionError,
    LedgerError,
    SelfReviewError,
)
from governance.events import EntryApproved, EntryRejected, EntryRevoked
from governance.ledger import Ledger
from governance.log import OwnedLog
from governance.merkle import Tree, leaf_hash
from governance.rollback import plan_rollback, rollback
from governance.state import State
from tests.governance.desk import Desk
from tests.governance.drafts import (
    ANN,
    BOB,
    BOT,
    ELSEWHERE,
    HERE,
    StepClock,
    append,
    decided,
    draft,
    life,
    proposed,
    source,
    tombstoned,
    verified,
)
from tests.governance.serving import serving


@pytest.fixture(params=["memory", "home", "client"])
def ledger(request: pytest.FixtureRequest, home: Path) -> Iterator[Ledger]:
    clock = StepClock()
    with ExitStack() as stack:
        if request.param == "memory":
            yield stack.enter_context(Ledger.in_memory(clock=clock))
        elif request.param == "home":
            yield stack.enter_context(Ledger.open(home, create=True, clock=clock))
        else:
            stack.enter_context(serving(home, clock=clock))
            yield stack.enter_context(Ledger.open(home))


def folded(ledger: Ledger, stop: int) -> State:
    state = State()
    for event in ledger.events(1, stop):
        state.apply(event.header, event.payload)
    return state


def same(first: State, second: State) -> bool:
    parts = ("entries", "sources", "shards", "adapters", "roles", "policies", "recalls", "relays")
    return first.seq == second.seq and all(
        dict(getattr(first, part)) == dict(getattr(second, part)) for part in parts
    )


def in_memory(ledger: Ledger) -> bool:
    return isinstance(ledger.log, OwnedLog) and ledger.log.checkpoints is None


def test_an_append_is_acknowledged_numbered_and_readable(ledger: Ledger) -> None:
    assert ledger.head.seq == 0
    first = ledger.append([draft(source())])
    second = ledger.append(life())
    assert (first.first_seq, first.last_seq, first.repeated) == (1, 1, False)
    assert (second.first_seq, second.last_seq) == (2, 5)
    assert [event.header.seq for event in ledger.events()] == [1, 2, 3, 4, 5]
    assert tuple(event.header.event_id for event in ledger.events(2)) == second.event_ids
    assert ledger.event(2).payload == proposed()
    assert ledger.head.seq == 5
    assert ledger.source_text("s1") == source().text


def test_no_drafts_no_append(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="at least one event"):
        ledger.append([])
    assert ledger.append([draft(source())]).last_seq == 1


def test_a_batch_is_all_or_nothing(ledger: Ledger) -> None:
    append(ledger, source())
    with pytest.raises(LedgerError, match="already registered"):
        ledger.append([draft(source("s2")), draft(source("s1"))])
    assert ledger.head.seq == 1
    assert "s2" not in ledger.state.sources
    ledger.append([draft(source("s2")), draft(source("s3"))])
    assert ledger.head.seq == 3


def test_a_repeated_command_returns_the_first_receipt(ledger: Ledger) -> None:
    assert ledger.receipt("import/1 ä") is None
    first = ledger.append([draft(source()), draft(source("s2"))], key="import/1 ä")
    again = ledger.append([draft(source("s9"))], key="import/1 ä")
    assert again.repeated
    assert again.event_ids == first.event_ids
    assert ledger.receipt("import/1 ä") == first
    assert ledger.head.seq == 2
    assert not ledger.append([draft(source("s9"))], key="import/2").repeated


def test_refusals_keep_their_kind_and_hint(ledger: Ledger) -> None:
    append(ledger, source())
    ledger.append([draft(proposed(), BOB), draft(verified())])
    with pytest.raises(SelfReviewError, match="may not approve") as caught:
        append(ledger, decided(EntryApproved), BOB)
    assert caught.value.hint == "ask another reviewer"
    with pytest.raises(AppendConflictError, match="version"):
        append(ledger, decided(EntryApproved, version=2), ANN)
    with pytest.raises(IllegalTransitionError):
        append(ledger, decided(EntryRevoked), ANN)
    with pytest.raises(LedgerError, match="another scope"):
        append(ledger, decided(EntryApproved), ANN, ELSEWHERE)
    append(ledger, decided(EntryApproved), ANN)
    assert ledger.state.entries["e1"].status == "approved"


def test_state_is_the_fold_of_the_events_now_and_then(ledger: Ledger) -> None:
    append(ledger, source())
    versions = [ledger.state]
    for entry in ("e1", "e2", "e3"):
        ledger.append(life(entry))
        versions.append(ledger.state)
    append(ledger, tombstoned(EntryRevoked, "e2"), ANN)
    assert [state.seq for state in versions] == [1, 5, 9, 13]
    for state in (*versions, ledger.state):
        assert same(state, folded(ledger, state.seq))
        assert same(ledger.state_at(state.seq), state)
    assert ledger.state.entries["e2"].status == "revoked"
    assert ledger.state_at(13).entries["e2"].status == "active"
    assert [e.entry_id for e in ledger.state.active(HERE)] == ["e1", "e3"]
    assert list(ledger.state.active(ELSEWHERE)) == []
    assert ledger.state_at(0).seq == 0
    with pytest.raises(LedgerError, match="does not exist"):
        ledger.state_at(15)


def test_events_are_selected_by_range_type_and_subject(ledger: Ledger) -> None:
    append(ledger, source())
    ledger.append(life("e1"))
    ledger.append(life("e2"))

    def seqs(start: int = 1, stop: int | None = None, **chosen: list[str]) -> list[int]:
        return [event.header.seq for event in ledger.events(start, stop, **chosen)]

    assert seqs(4, 6) == [4, 5, 6]
    assert seqs(8) == [8, 9]
    assert seqs(10) == seqs(3, 2) == []
    assert seqs(types=["entry.proposed"]) == [2, 6]
    assert seqs(subjects=["entry:e2"]) == [6, 7, 8, 9]
    assert seqs(types=["entry.proposed", "source.ingested"], subjects=["entry:e1"]) == [2]
    assert seqs(types=[]) == []
    with pytest.raises(LedgerError, match="event 10 does not exist"):
        ledger.event(10)


def test_a_reader_does_not_see_what_comes_after_it_began(ledger: Ledger) -> None:
    ledger.append([draft(source(f"s{number}")) for number in range(3)])
    reading = ledger.events()
    append(ledger, source("later"))
    assert [event.header.seq for event in reading] == [1, 2, 3]
    assert [event.header.seq for event in ledger.events()] == [1, 2, 3, 4]


def test_a_rollback_is_an_event_like_any_other(ledger: Ledger) -> None:
    append(ledger, source())
    ledger.append(life("e1"))
    before = ledger.head.seq
    append(ledger, tombstoned(EntryRevoked, "e1"), ANN)
    ledger.append(life("e2"))
    rollback(ledger, plan_rollback(ledger, before), actor=ANN, reason_code="mistake")
    assert ledger.state.entries["e1"].status == "active"
    assert ledger.state.entries["e2"].status == "revoked"
    assert same(ledger.state, folded(ledger, ledger.head.seq))
    moved = {e.entry_id for e in ledger.state.entries.touched_since(ledger.head.seq - 1)}
    assert moved == {"e1", "e2"}


def test_a_policy_decides_on_a_proposal(ledger: Ledger) -> None:
    desk = Desk(ledger)
    done = desk.fact("deductible", "300 EUR")
    assert desk.fact("deductible", "300 EUR").receipt.repeated
    assert done.decision.policy == "default"
    entry = ledger.state.entries[done.entry_id]
    assert entry.status == "active"
    assert entry.author == BOT
    assert list(ledger.state.derivatives(done.entry_id)) == []


def test_the_record_proves_itself(ledger: Ledger) -> None:
    append(ledger, source())
    ledger.append(life())
    report = ledger.verify()
    assert report.ok
    assert (report.events, report.payloads) == (5, 5)
    assert ledger.verify(payloads=False).payloads == 0
    tree = Tree()
    for seq in range(1, 6):
        assert ledger.leaf(seq) == leaf_hash(ledger.header(seq)).hex()
        tree.append(leaf_hash(ledger.header(seq)))
    assert ledger.head.root == tree.root().hex()
    assert ledger.tile(0, 0) == b"".join(tree.partial[0])
    assert ledger.tile(3, 9) == b""
    signed = notes.verify(ledger.note(), ledger.public_key, origin=ledger.origin)
    assert (signed.size, signed.root) == (5, tree.root())
    assert notes.parse(ledger.first_note(2)).size >= 2
    for wrong in (0, 6):
        with pytest.raises(LedgerError, match="does not exist"):
            ledger.first_note(wrong)
    with pytest.raises(LedgerError, match="does not exist"):
        ledger.header(6)


def test_the_signing_key_can_be_replaced(ledger: Ledger) -> None:
    old = ledger.public_key
    append(ledger, source())
    assert ledger.rotations() == []
    receipt = ledger.rotate_key(ANN, "yearly")
    append(ledger, source("s2"))
    assert ledger.public_key != old
    assert ledger.rotations() == [receipt.last_seq]
    assert ledger.state.signing_key == ledger.public_key.hex()
    assert notes.verify(ledger.note(), ledger.public_key, origin=ledger.origin).size == 3
    if not in_memory(ledger):  # which keeps no earlier checkpoint that both keys signed
        assert ledger.verify().ok


def test_projections_are_made_again_and_equal(ledger: Ledger) -> None:
    desk = Desk(ledger)
    fact = desk.fact("deductible", "300 EUR").entry_id
    desk.recall(fact)
    before = ledger.state
    assert ledger.rebuild_projections() > 0
    assert same(ledger.state, before)
    assert list(ledger.state.recalls[fact]) == list(before.recalls[fact])


def test_keyed_digests_belong_to_the_home(ledger: Ledger) -> None:
    assert ledger.keyed("a") == ledger.keyed("a") != ledger.keyed("b")
    with Ledger.in_memory() as other:
        assert other.keyed("a") != ledger.keyed("a")


def test_nothing_restricts_whoever_holds_the_files(ledger: Ledger) -> None:
    assert ledger.bounds is None
    assert ledger.principal is None


def test_a_decision_taken_on_another_version_is_refused(ledger: Ledger) -> None:
    append(ledger, source())
    ledger.append([draft(proposed(), BOT), draft(verified())])
    append(ledger, decided(EntryRejected), ANN)
    with pytest.raises(IllegalTransitionError):
        append(ledger, decided(EntryApproved), ANN)
    assert ledger.state.entries["e1"].status == "rejected"
