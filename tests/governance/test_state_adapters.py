"""Which cards may be trained, which adapters may serve."""

from __future__ import annotations

import pytest

from governance.errors import (
    IllegalTransitionError,
    LedgerError,
)
from governance.events import (
    AdapterWithdrawn,
    EntryApproved,
    EntryRevoked,
)
from governance.lineage import carriers
from tests.governance.drafts import (
    ANN,
    BOT,
    ELSEWHERE,
    activated,
    approved_card,
    card_body,
    certified,
    decided,
    draft,
    learned_card,
    life,
    proposed,
    served,
    trained,
    verified,
)
from tests.governance.world import SOURCE, World


def test_only_approved_cards_of_one_scope_are_trained() -> None:
    card = card_body()
    world = World(SOURCE, draft(proposed("c1", card), BOT))
    world.refuses(IllegalTransitionError, trained(), match="only approved cards")
    world.does(draft(verified("c1")))
    world.refuses(IllegalTransitionError, trained(), match="only approved cards")
    world.does(draft(decided(EntryApproved, "c1", card), ANN), *life("e1"))
    world.refuses(LedgerError, trained(cards=["e1"]), match="unknown card")
    world.refuses(LedgerError, trained(cards=["c9"]), match="unknown card")
    world.refuses(LedgerError, trained(), scope=ELSEWHERE, match="mixes scopes")
    world.does(draft(trained()))
    assert world.state.adapters["ad1"].status == "trained"
    world.refuses(LedgerError, trained(cards=[]), scope=ELSEWHERE, match="another scope")


def test_an_adapter_serves_only_after_its_certificate() -> None:
    world = World(SOURCE, *approved_card())
    world.refuses(LedgerError, certified(), match="not a build")
    world.refuses(LedgerError, served(), match="not a build")
    world.does(draft(trained()))
    world.refuses(IllegalTransitionError, served(), match="certified first")
    world.refuses(LedgerError, served(shard_id="sh2"), match="not a build")
    world.does(draft(certified(passed=False)))
    world.refuses(IllegalTransitionError, served(), match="refused")
    world.does(draft(certified()))
    world.refuses(LedgerError, served(), scope=ELSEWHERE, match="another scope")
    gone = AdapterWithdrawn(shard_id="sh1", digest="ad1", reason_code="x")
    world.refuses(IllegalTransitionError, gone, match="not in service")
    world.does(draft(served()))
    assert world.state.shards["sh1"].active == "ad1"
    assert world.state.shard_cards("sh1") == world.state.adapters["ad1"].cards
    world.refuses(IllegalTransitionError, certified(passed=False), match="withdraw it")
    world.does(draft(certified()))
    assert world.state.adapters["ad1"].status == "active"
    world.does(draft(gone))
    assert not world.state.shard_cards("sh1")
    assert world.state.shards["sh1"].active_at(world.state.seq) is None


def test_a_card_is_active_only_where_it_was_absorbed() -> None:
    cards = ["c1", "c2"]
    world = World(SOURCE, *approved_card("c1"), *approved_card("c2"), *approved_card("c3"))
    world.refuses(IllegalTransitionError, activated("c1"), match="not in a certified")
    world.does(draft(trained(cards=cards)))
    held = activated("c1", adapter_digest="ad1")
    world.refuses(IllegalTransitionError, held, match="not in a certified")
    world.does(draft(certified(cards=cards, missed=["c2"])), draft(served()))
    assert world.state.adapters["ad1"].certified_cards == 1
    for entry_id, why in (("c2", "not absorbed"), ("c3", "not in a certified")):
        payload = activated(entry_id, adapter_digest="ad1")
        world.refuses(IllegalTransitionError, payload, match=why)
    assert world.does(draft(held)).status("c1") == "active"


def test_an_adapter_with_a_revoked_card_is_not_served_again() -> None:
    world = World(SOURCE, *learned_card())
    world.does(draft(decided(EntryRevoked, "c1", card_body()), ANN))
    gone = AdapterWithdrawn(shard_id="sh1", digest="ad1", reason_code="x")
    world.does(draft(gone))
    world.refuses(IllegalTransitionError, served(), match="only approved cards")
    control = World(SOURCE, *learned_card()).does(draft(gone), draft(served()))
    assert control.state.shards["sh1"].active == "ad1"


def test_the_same_build_found_again_keeps_its_certificate() -> None:
    world = World(SOURCE, *learned_card(), *approved_card("c2"))
    world.does(draft(trained()))
    assert world.state.adapters["ad1"].status == "active"
    world.refuses(LedgerError, trained(cards=["c2"]), match="another build")
    world.refuses(LedgerError, trained(shard_id="sh2"), match="in service in sh1")
    world.does(draft(trained("ad2", ["c1", "c2"])), draft(trained()))
    assert world.state.shards["sh1"].versions == ("ad2", "ad1")


def test_replacing_the_served_adapter_withdraws_the_old_one() -> None:
    world = World(SOURCE, *learned_card(), *approved_card("c2"))
    cards = ["c1", "c2"]
    world.does(draft(trained("ad2", cards)), draft(certified("ad2", cards)), draft(served("ad2")))
    assert world.state.adapters["ad1"].status == "withdrawn"
    assert world.state.adapters["ad2"].status == "active"
    assert [world.state.shards["sh1"].active_at(seq) for seq in (6, 7, 14)] == [None, "ad1", "ad2"]


def test_a_build_out_of_service_moves_to_the_shard_that_has_its_cards_now() -> None:
    world = World(SOURCE, *learned_card())
    gone = AdapterWithdrawn(shard_id="sh1", digest="ad1", reason_code="x")
    world.does(draft(gone), draft(trained(shard_id="sh2")))
    world.does(draft(certified(shard_id="sh2")))
    world.refuses(LedgerError, served(), match="not a build of sh1")
    world.does(draft(served(shard_id="sh2")))
    assert world.state.adapters["ad1"].shard_id == "sh2"
    assert world.state.shards["sh1"].active is None
    assert [one.shard_id for one in carriers(world.state, ["c1"])] == ["sh2"]


@pytest.mark.parametrize("first", ["sh1", "sh2"])
def test_a_rollback_gives_a_moved_build_back_in_whatever_order_shards_are_named(first: str) -> None:
    world = World(SOURCE, *learned_card())
    gone = AdapterWithdrawn(shard_id="sh1", digest="ad1", reason_code="x")
    world.does(draft(gone), draft(trained(shard_id="sh2")), draft(certified(shard_id="sh2")))
    world.does(draft(served(shard_id="sh2")))
    state = world.state.fork()
    for shard_id in (first, "sh1" if first == "sh2" else "sh2"):
        state._serve(shard_id, "ad1" if shard_id == "sh1" else None, state.seq + 1)
    adapter = state.adapters["ad1"]
    assert (adapter.shard_id, adapter.status) == ("sh1", "active")
    assert (state.shards["sh1"].active, state.shards["sh2"].active) == ("ad1", None)
