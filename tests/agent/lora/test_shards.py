from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from agent.errors import AdapterError
from agent.lora import train
from agent.lora.adapter import TENSORS, TrainedAdapter
from agent.lora.cards import TrainingCard
from agent.lora.recipe import Recipe
from agent.lora.shards import BuiltShard, ShardBuilder, ShardPlan, plan_shards
from agent.models.local import LocalModel
from governance.events import (
    AdapterActivated,
    CardBody,
    CardRef,
    EntryActivated,
    EntryApproved,
    EntryRevoked,
    Scope,
)
from governance.layered import Layered
from governance.ledger import EventDraft, Ledger
from governance.state import AdapterState, Entries, EntryState, ShardState, State
from tests.governance import drafts

OTHER = Scope(tenant="default", agent="default", user="eve")

LATER = 2**62


def _body(card: TrainingCard) -> CardBody:
    return CardBody(
        topic=card.topic,
        attribute=card.attribute,
        question=card.question,
        answer=card.answer,
        rewordings=list(card.rewordings),
        probes=list(card.probes),
    )


def _approve(ledger: Ledger, entry_id: str, card: TrainingCard, scope: Scope = drafts.HERE) -> None:
    body = _body(card)
    ledger.append(
        [
            EventDraft(drafts.proposed(entry_id, body), drafts.BOT, scope),
            EventDraft(drafts.verified(entry_id), drafts.SYSTEM, scope),
            EventDraft(drafts.decided(EntryApproved, entry_id, body), drafts.ANN, scope),
        ]
    )


def _take_up(ledger: Ledger, built: BuiltShard) -> None:
    """What settling does with a build."""
    trained, certified = built.trained, built.certified
    batch = [
        drafts.draft(trained),
        drafts.draft(certified),
        drafts.draft(AdapterActivated(shard_id=trained.shard_id, digest=trained.digest)),
    ]
    versions = {ref.entry_id: ref.version for ref in trained.cards}
    batch += [
        drafts.draft(
            EntryActivated(
                entry_id=card.entry_id,
                version=versions[card.entry_id],
                adapter_digest=trained.digest,
            )
        )
        for card in certified.cards
        if card.certified
    ]
    ledger.append(batch)


@pytest.fixture
def cards_ledger(ledger: Ledger, cards: tuple[TrainingCard, ...]) -> Ledger:
    ledger.append([drafts.draft(drafts.source())])
    for number, card in enumerate(cards[:2]):
        _approve(ledger, f"c{number}", card)
    return ledger


@pytest.fixture
def builder(tiny_model: LocalModel, home: Path, recipe: Recipe) -> ShardBuilder:
    return ShardBuilder(tiny_model, home, recipe=recipe, now_s=lambda: 0.0)


def _only(plans: Sequence[ShardPlan]) -> ShardPlan:
    assert len(plans) == 1
    return plans[0]


def test_cards_are_learned_revoked_and_taken_back_through_a_real_ledger(
    cards_ledger: Ledger, builder: ShardBuilder, cards: tuple[TrainingCard, ...]
) -> None:
    ledger = cards_ledger
    plan = _only(plan_shards(ledger.state, drafts.HERE, now_us=LATER))
    both = builder.build(plan, ledger.state)
    assert not both.reused
    assert both.trained.version == 1
    assert both.certified.passed
    _take_up(ledger, both)
    assert {e.status for e in ledger.state.entries.values()} == {"active"}

    body = _body(cards[1])
    ledger.append([drafts.draft(drafts.decided(EntryRevoked, "c1", body), drafts.BOB)])
    rest = _only(plan_shards(ledger.state, drafts.HERE, now_us=LATER))
    assert rest.shard_id == plan.shard_id
    without = builder.build(rest, ledger.state)
    assert without.trained.version == 2
    assert [ref.entry_id for ref in without.trained.cards] == ["c0"]
    _take_up(ledger, without)
    assert ledger.state.shards[plan.shard_id].active == without.trained.digest

    # An adapter that never saw the revoked card, in another ledger, under another id.
    with Ledger.in_memory() as fresh:
        fresh.append([drafts.draft(drafts.source())])
        _approve(fresh, "never", cards[0])
        never = builder.inputs(_only(plan_shards(fresh.state, drafts.HERE, now_us=LATER)))
    assert never.digest == without.trained.inputs_digest
    assert builder.store.find(never.digest) == without.trained.digest
    assert without.trained.digest != both.trained.digest


def test_nothing_is_trained_twice(
    cards_ledger: Ledger,
    builder: ShardBuilder,
    tiny_model: LocalModel,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = _only(plan_shards(cards_ledger.state, drafts.HERE, now_us=LATER))
    first = builder.build(plan, cards_ledger.state)

    def trains(*_arguments: object, **_keywords: object) -> TrainedAdapter:
        raise AssertionError("it trained")

    monkeypatch.setattr(train, "build", trains)
    again = ShardBuilder(tiny_model, home, recipe=builder.recipe, now_s=lambda: 0.0)
    assert again.find(plan) == first.trained.digest
    monkeypatch.setattr(LocalModel, "generate", trains)
    second = again.build(replace(plan, cards=plan.cards[::-1]), cards_ledger.state)
    assert second.reused
    assert second.trained == first.trained.model_copy(update={"reused": True})
    assert second.certified == first.certified
    with pytest.raises(AssertionError, match="it trained"):
        again.build(replace(plan, cards=plan.cards[:1]), cards_ledger.state)


def test_a_damaged_certificate_is_issued_again_and_a_damaged_adapter_is_refused(
    cards_ledger: Ledger, builder: ShardBuilder, tiny_model: LocalModel, recipe: Recipe, home: Path
) -> None:
    plan = _only(plan_shards(cards_ledger.state, drafts.HERE, now_us=LATER))
    first = builder.build(plan, cards_ledger.state)
    folder = builder.store.folder(first.trained.digest)
    certificate = next(folder.glob("certificate-*.json"))
    certificate.write_bytes(b"{")
    fresh = ShardBuilder(tiny_model, home, recipe=recipe)
    assert fresh.build(plan, cards_ledger.state).certified == first.certified
    assert certificate.read_bytes() != b"{"
    assert fresh.servable(first.trained.digest).modules
    tensors = folder / TENSORS
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"\x07")
    assert fresh.servable(first.trained.digest).modules  # already read and checked
    with pytest.raises(AdapterError, match="altered"):
        ShardBuilder(tiny_model, home, recipe=recipe).build(plan, cards_ledger.state)
    fresh.forget(first.trained.digest)
    with pytest.raises(AdapterError, match="not in the store"):
        fresh.servable(first.trained.digest)


def test_a_card_that_was_not_absorbed_is_not_tried_again_with_the_same_cards(
    cards_ledger: Ledger, tiny_model: LocalModel, home: Path, recipe: Recipe
) -> None:
    stated = recipe.model_dump(mode="json")
    stated["steps"] = {"few_cards": 8, "few": 2, "full": 2}
    lazy = ShardBuilder(tiny_model, home, recipe=Recipe.model_validate(stated))
    plan = _only(plan_shards(cards_ledger.state, drafts.HERE, now_us=LATER))
    built = lazy.build(plan, cards_ledger.state)
    assert not built.certified.passed
    assert not any(card.certified for card in built.certified.cards)
    cards_ledger.append([drafts.draft(built.trained), drafts.draft(built.certified)])
    again = _only(plan_shards(cards_ledger.state, drafts.HERE, now_us=LATER))
    assert again.shard_id == plan.shard_id
    assert lazy.build(again, cards_ledger.state).reused


def test_equal_cards_of_two_scopes_are_two_builds(
    cards_ledger: Ledger, builder: ShardBuilder, cards: tuple[TrainingCard, ...]
) -> None:
    _approve(cards_ledger, "eve-0", cards[0], OTHER)
    _approve(cards_ledger, "eve-1", cards[1], OTHER)
    plans = plan_shards(cards_ledger.state, drafts.HERE, now_us=LATER)
    assert {plan.scope for plan in plans} == {drafts.HERE, OTHER}
    inputs = [builder.inputs(plan) for plan in plans]
    assert inputs[0].cards == inputs[1].cards
    assert inputs[0].digest != inputs[1].digest
    assert inputs[0].seed != inputs[1].seed


# --- planning --------------------------------------------------------------------------


@pytest.fixture
def approved(cards_ledger: Ledger) -> Callable[[str, int], EntryState]:
    template = next(iter(cards_ledger.state.entries.values()))

    def make(entry_id: str, seq: int) -> EntryState:
        return replace(template, entry_id=entry_id, proposed_seq=seq)

    return make


def _built(digest: str, shard_id: str, entries: Sequence[str], seq: int) -> AdapterState:
    refs = tuple(CardRef(entry_id=entry, version=1) for entry in entries)
    return AdapterState(digest, shard_id, 1, "inputs", "base", refs, seq)


def _shard(shard_id: str) -> ShardState:
    return ShardState(shard_id, drafts.HERE)


def _held(plans: Sequence[ShardPlan]) -> list[list[str]]:
    return [[entry.entry_id for entry in plan.cards] for plan in plans]


def test_new_cards_fill_a_shard_and_open_the_next(
    approved: Callable[[str, int], EntryState],
) -> None:
    state = State(entries=Entries({f"e{i}": approved(f"e{i}", i) for i in range(7)}))
    plans = plan_shards(state, drafts.HERE, now_us=LATER, capacity=3)
    assert _held(plans) == [["e0", "e1", "e2"], ["e3", "e4", "e5"], ["e6"]]
    numbers = [plan.shard_id.rpartition("-") for plan in plans]
    assert [number for *_, number in numbers] == ["1", "2", "3"]
    assert len({prefix for prefix, *_ in numbers}) == 1
    shuffled = State(entries=Entries(dict(reversed([*state.entries.items()]))))
    assert plan_shards(shuffled, drafts.HERE, now_us=LATER, capacity=3) == plans
    assert plan_shards(State(), drafts.HERE, now_us=LATER) == ()


def test_built_cards_keep_their_home_and_an_emptied_shard_is_planned_empty(
    approved: Callable[[str, int], EntryState],
) -> None:
    state = State(entries=Entries({f"e{i}": approved(f"e{i}", i) for i in range(4)}))
    ids = [plan.shard_id for plan in plan_shards(state, drafts.HERE, now_us=LATER, capacity=2)]
    for number, shard_id in enumerate(ids):
        state.shards[shard_id] = _shard(shard_id)
        held = [f"e{2 * number}", f"e{2 * number + 1}"]
        state.adapters[f"ad{number}"] = _built(f"ad{number}", shard_id, held, number)
    state.entries["e9"] = approved("e9", 9)
    for revoked in ("e0", "e3"):
        state.entries[revoked] = replace(state.entries[revoked], status="revoked")
    assert _held(plan_shards(state, drafts.HERE, now_us=LATER, capacity=2)) == [
        ["e1"],
        ["e2", "e9"],
    ]
    for revoked in ("e2", "e9"):
        state.entries[revoked] = replace(state.entries[revoked], status="revoked")
    plans = plan_shards(state, drafts.HERE, now_us=LATER, capacity=2)
    assert _held(plans) == [["e1"], []]
    assert [plan.shard_id for plan in plans] == ids


def test_an_active_card_lives_where_its_adapter_says(
    approved: Callable[[str, int], EntryState],
) -> None:
    alone = State(entries=Entries({"e": approved("e", 1)}))
    prefix = plan_shards(alone, drafts.HERE, now_us=LATER)[0].shard_id[:-1]
    first, second = f"{prefix}1", f"{prefix}2"
    state = State(shards=Layered({s: _shard(s) for s in (first, second)}))
    state.adapters = Layered({
        "old": _built("old", first, ["e"], 1),
        "new": _built("new", second, ["e"], 2),
    })  # fmt: skip
    state.entries["e"] = approved("e", 1)
    assert _held(plan_shards(state, drafts.HERE, now_us=LATER)) == [[], ["e"]]
    # After a rollback it is active in the older build again.
    state.entries["e"] = replace(state.entries["e"], status="active", adapter_digest="old")
    assert _held(plan_shards(state, drafts.HERE, now_us=LATER)) == [["e"], []]
