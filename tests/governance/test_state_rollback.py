"""What a rollback may do, and that it puts back exactly what was."""

from __future__ import annotations

from governance.errors import (
    AppendConflictError,
    IllegalTransitionError,
    LedgerError,
)
from governance.events import (
    AdapterWithdrawn,
    EntryRevoked,
    ReviewAssigned,
)
from governance.transitions import INERT, check
from tests.governance.drafts import (
    ANN,
    BOT,
    ELSEWHERE,
    EPOCH_US,
    HERE,
    card_body,
    decided,
    draft,
    fact_body,
    learned_card,
    life,
    proposed,
    tombstoned,
    verified,
)
from tests.governance.world import SOURCE, World, rolled_back

STEPS_REVIEW = ReviewAssigned(entry_id="e1", version=1, rule_id="r", message="look")


def test_a_rollback_restores_exactly_and_can_itself_be_rolled_back() -> None:
    world = World(SOURCE, *life("e1"), *learned_card())
    then = world.state
    world.does(
        draft(tombstoned(EntryRevoked), ANN),
        draft(decided(EntryRevoked, "c1", card_body()), ANN),
        draft(AdapterWithdrawn(shard_id="sh1", digest="ad1", reason_code="card-revoked")),
        *life("e2"),
    )
    later = world.state
    assert world.state.tombstones(HERE) == {"t1": "e1"}
    back = rolled_back(
        then.seq,
        [("e1", "revoked", "active"), ("c1", "revoked", "active"), ("e2", "active", "expired")],
        [("sh1", None, "ad1")],
    )
    world.does(draft(back, ANN))
    same = {"history": ()}
    for entry_id in ("e1", "c1"):
        restored = world.state.entries[entry_id]
        assert vars(restored) | same | {"previous": None} == (
            vars(then.entries[entry_id]) | same | {"previous": None}
        )
    assert world.state.shards["sh1"].active == then.shards["sh1"].active == "ad1"
    assert world.state.tombstones(HERE) == {}
    assert [entry.entry_id for entry in world.state.active(HERE)] == ["e1", "c1"]

    again = rolled_back(
        later.seq,
        [("e1", "active", "revoked"), ("c1", "active", "revoked"), ("e2", "expired", "active")],
        [("sh1", "ad1", None)],
    )
    world.does(draft(again, ANN))
    assert world.state.tombstones(HERE) == {"t1": "e1"}
    assert {e.entry_id: e.status for e in world.state.visible(HERE)} == {
        e.entry_id: e.status for e in later.visible(HERE)
    }
    assert world.state.shards["sh1"].active is None


def test_a_rollback_cannot_smuggle_anything_into_force() -> None:
    world = World(SOURCE, *life("e1"), draft(proposed("e2"), BOT), draft(verified("e2")))
    head = world.state.seq
    world.refuses(LedgerError, rolled_back(head + 1), match="does not exist yet")
    for to_seq, entry_id, before, after in (
        (head, "e2", "verified", "active"),  # it never was
        (head, "e2", "verified", "approved"),
        (head - 1, "e2", "verified", "active"),
        (1, "e2", "verified", "active"),  # it did not exist
        (1, "e2", "verified", "verified"),
        (5, "e1", "active", "approved"),  # it was active at 5
    ):
        payload = rolled_back(to_seq, [(entry_id, before, after)])  # type: ignore[list-item]
        world.refuses(LedgerError, payload, ANN)
    check(world.state, rolled_back(4, [("e1", "active", "approved")]), ANN, HERE, EPOCH_US)
    for after in INERT:
        check(world.state, rolled_back(1, [("e2", "verified", after)]), ANN, HERE, EPOCH_US)


def test_a_rollback_brings_the_old_version_back_with_its_text() -> None:
    world = World(SOURCE, draft(proposed(), BOT), draft(verified(risk_ppm=5)))
    world.does(draft(STEPS_REVIEW))
    then = world.state.seq
    world.does(draft(proposed(body=fact_body("900 EUR"), version=2), BOT))
    world.does(draft(rolled_back(then, [("e1", "proposed", "verified")]), ANN))
    entry = world.state.entries["e1"]
    assert (entry.version, entry.body, entry.risk_ppm) == (1, fact_body(), 5)
    assert [waiting.entry_id for waiting in world.state.queue(HERE)] == ["e1"]
    # The number of the undone version is not given to another text.
    world.refuses(AppendConflictError, proposed(version=2), BOT, match="version 3 expected")
    check(world.state, proposed(version=3), BOT, HERE, EPOCH_US)


def test_a_stale_rollback_plan_is_refused() -> None:
    world = World(SOURCE, *life("e1"), *learned_card())
    at_seq = world.state.seq - 1
    world.refuses(AppendConflictError, rolled_back(4, [("e1", "approved", "approved")]), ANN)
    world.refuses(AppendConflictError, rolled_back(4, [("e9", "active", "approved")]), ANN)
    world.refuses(AppendConflictError, rolled_back(at_seq, shards=[("sh1", None, "ad1")]), ANN)
    world.refuses(AppendConflictError, rolled_back(at_seq, shards=[("sh9", None, None)]), ANN)
    world.refuses(LedgerError, rolled_back(at_seq, shards=[("sh1", "ad1", "ad9")]), match="serve")
    world.refuses(
        LedgerError, rolled_back(4, [("e1", "active", "approved")] * 2), ANN, match="twice"
    )
    check(world.state, rolled_back(at_seq, shards=[("sh1", "ad1", "ad1")]), ANN, HERE, EPOCH_US)


def test_a_rollback_serves_no_adapter_whose_cards_stay_revoked() -> None:
    world = World(SOURCE, *learned_card())
    then = world.state.seq
    world.does(
        draft(AdapterWithdrawn(shard_id="sh1", digest="ad1", reason_code="card-revoked")),
        draft(decided(EntryRevoked, "c1", card_body()), ANN),
    )
    shard = [("sh1", None, "ad1")]
    world.refuses(IllegalTransitionError, rolled_back(then, shards=shard), ANN, match="revoked")
    check(world.state, rolled_back(then, [("c1", "revoked", "active")], shard), ANN, HERE, EPOCH_US)


def test_a_rollback_stays_in_its_scope() -> None:
    world = World(SOURCE, *life("e1"), *learned_card())
    payloads = (
        rolled_back(4, [("e1", "active", "approved")]),
        rolled_back(5, shards=[("sh1", "ad1", None)]),
    )
    for payload in payloads:
        world.refuses(LedgerError, payload, ANN, ELSEWHERE, match="another scope")
        check(world.state, payload, ANN, HERE, EPOCH_US)
