"""What proposals are compared with: the index follows the log and equals a new one."""

from __future__ import annotations

import gc
import random
from pathlib import Path

import pytest

from governance.events import (
    EntryApproved,
    EntryErased,
    EntryExpired,
    EntryQuarantined,
    EntryRejected,
    EntryRevoked,
    FactBody,
    ReviewAssigned,
    ReviewWithdrawn,
    Scope,
)
from governance.ledger import Ledger
from governance.lineage import IN_FORCE
from governance.surroundings import _INDEXES, Surroundings, Tombstones, surroundings
from tests.governance.drafts import (
    ANN,
    BOT,
    HERE,
    POLICY,
    StepClock,
    activated,
    append,
    decided,
    draft,
    header,
    life,
    proposed,
    source,
    tombstoned,
    verified,
)
from tests.governance.world import rolled_back

ANA, BEN = Scope(user="ana"), Scope(user="ben")


def ledger_with_source() -> Ledger:
    ledger = Ledger.in_memory(clock=StepClock())
    append(ledger, source())
    return ledger


def seen(ledger: Ledger, scope: Scope = HERE) -> tuple[object, ...]:
    """What the index says, and a check that it is what the state says."""
    state = ledger.state
    around = surroundings(ledger, state, scope)
    in_force = {peer.entry_id for peer in around.in_force}
    assert in_force == {entry.entry_id for entry in state.having(scope, *IN_FORCE)}
    assert len(around.in_force) == len(in_force)
    keys = state.tombstones(scope)
    assert set(around.tombstones) == set(keys)
    assert len(around.tombstones) == len(keys)
    kept = {entry_id for entry_id in keys.values() if state.entries[entry_id].status != "erased"}
    assert kept <= {peer.entry_id for peer in around.refused}
    assert around.pending == len(state.queue(scope))
    return sorted(in_force), sorted(keys), around.pending


def test_it_follows_everything_that_can_happen_to_an_entry() -> None:
    ledger = ledger_with_source()
    assert seen(ledger) == ([], [], 0)
    ledger.append(life("e1"))
    assert seen(ledger) == (["e1"], [], 0)
    ledger.append(
        [
            draft(proposed("e2"), BOT),
            draft(verified("e2")),
            draft(ReviewAssigned(entry_id="e2", version=1, rule_id="r", message="m"), POLICY),
        ]
    )
    assert seen(ledger) == (["e1"], [], 1)
    append(ledger, tombstoned(EntryRejected, "e2"), ANN)
    assert seen(ledger) == (["e1"], ["t1"], 0)
    append(ledger, ReviewWithdrawn(entry_id="e2", version=1), ANN)
    assert seen(ledger) == (["e1"], [], 1)
    append(ledger, decided(EntryQuarantined, "e1"), ANN)
    assert seen(ledger) == ([], [], 2)
    append(ledger, tombstoned(EntryRevoked, "e1", "t2"), ANN)
    assert seen(ledger) == ([], ["t2"], 1)
    append(ledger, EntryExpired(entry_id="e2", version=1, reason_code="pruned"), ANN)
    assert seen(ledger) == ([], ["t2"], 0)
    append(ledger, rolled_back(5, [("e1", "revoked", "active")]), ANN)
    assert seen(ledger) == (["e1"], [], 0)


def test_an_erased_value_is_known_by_its_key_alone() -> None:
    ledger = ledger_with_source()
    ledger.append(life("e1"))
    erased = EntryErased(entry_id="e1", version=1, kind="fact", erasure_id="x", tombstone="t9")
    state = ledger.state.fork()
    state.apply(header(erased, state.seq + 1), erased)
    around = surroundings(ledger, state, HERE)
    assert around.tombstones["t9"] == "e1"
    assert list(around.refused) == []
    with pytest.raises(KeyError):
        around.tombstones["t8"]


def test_each_reader_sees_its_own_part() -> None:
    ledger = ledger_with_source()
    append(ledger, source("s2", "The excess is 20 EUR."), scope=ANA)
    for name, scope in (("ana", ANA), ("ben", BEN), ("all", HERE)):
        ledger.append([draft(one.payload, one.actor, scope) for one in life(name)])
    assert seen(ledger, HERE)[0] == ["all", "ana", "ben"]
    assert seen(ledger, ANA)[0] == ["all", "ana"]
    assert seen(ledger, BEN)[0] == ["all", "ben"]
    assert seen(ledger, Scope(tenant="other"))[0] == []
    joined = surroundings(ledger, ledger.state, ANA).in_force
    for name in ("all", "ana"):
        peer = joined.get(name)
        assert peer.entry_id == name
        assert {one.entry_id for one in joined.at(peer.claim)} == {"all", "ana"}
        assert {one.entry_id for one in joined.about(peer.claim)} == {"all", "ana"}
        assert {one for texts in joined.like(peer.body, peer.key) for one in texts} == {
            "all", "ana",
        }  # fmt: skip


def test_two_entries_under_one_tombstone_are_let_go_one_by_one() -> None:
    ledger = ledger_with_source()
    for name in ("e1", "e2"):
        ledger.append(life(name))
        append(ledger, tombstoned(EntryRevoked, name), ANN)
    around = surroundings(ledger, ledger.state, HERE)
    assert around.tombstones["t1"] == "e2"
    append(ledger, rolled_back(ledger.head.seq - 1, [("e2", "revoked", "active")]), ANN)
    around = surroundings(ledger, ledger.state, HERE)
    assert around.tombstones["t1"] == "e1"
    assert isinstance(around, Surroundings)
    assert len(Tombstones([])) == 0


def test_a_long_life_gives_the_same_as_a_new_index(tmp_path: Path) -> None:
    """Hundreds of steps, so that layers merge; then once more from the disk."""
    draw = random.Random(3)
    home = tmp_path / "home"
    with Ledger.open(home, create=True, clock=StepClock()) as ledger:
        append(ledger, source())
        for number in range(150):
            body = FactBody(topic=f"claim C-{number}", attribute="a", value=f"{number} EUR",
                            statement=f"The a of claim C-{number} is {number} EUR.")  # fmt: skip
            name = f"e{number}"
            ledger.append(
                [
                    draft(proposed(name, body), BOT),
                    draft(verified(name)),
                    draft(decided(EntryApproved, name, body), ANN),
                    draft(activated(name)),
                ]
            )
            if draw.random() < 0.3:
                append(ledger, decided(EntryQuarantined, name, body), ANN)
            if number % 10 == 0:
                seen(ledger)
        before = seen(ledger)
    with Ledger.open(home, clock=StepClock()) as ledger:
        assert seen(ledger) == before
        append(ledger, proposed("late"), BOT)
        assert seen(ledger) == before
        # An older version than the index knows: made anew, and no newer entry in it.
        past = ledger.state_at(5)
        assert [peer.entry_id for peer in surroundings(ledger, past, HERE).in_force] == ["e0"]
        assert seen(ledger) == before


def test_an_index_goes_with_its_log(tmp_path: Path) -> None:
    before = len(_INDEXES)
    for number in range(3):
        with Ledger.open(tmp_path / f"home-{number}", create=True, clock=StepClock()) as ledger:
            append(ledger, source())
            ledger.append(life("e1"))
            assert seen(ledger)[0] == ["e1"]
        with Ledger.open(tmp_path / f"home-{number}", clock=StepClock()) as ledger:
            assert seen(ledger)[0] == ["e1"]
    assert len(_INDEXES) > before
    del ledger
    gc.collect()
    assert len(_INDEXES) <= before
