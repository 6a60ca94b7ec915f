"""What docs/exactness.md calls E0 and E1; E2 is in tests/architecture/test_adapters.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.lora import train
from agent.lora.adapter import TENSORS
from agent.lora.cards import TrainingCard
from agent.lora.recipe import Recipe
from agent.lora.shards import BuiltShard, ShardBuilder, plan_shards
from agent.models.local import LocalModel
from governance.events import EntryRevoked
from governance.ledger import Ledger
from tests.agent.lora.test_shards import LATER, _approve, _body, _take_up
from tests.governance import drafts


def _build(builder: ShardBuilder, ledger: Ledger) -> BuiltShard:
    (plan,) = plan_shards(ledger.state, drafts.HERE, now_us=LATER)
    built = builder.build(plan, ledger.state)
    _take_up(ledger, built)
    return built


def _bytes(builder: ShardBuilder, built: BuiltShard) -> bytes:
    return (builder.store.folder(built.trained.digest) / TENSORS).read_bytes()


@pytest.mark.parametrize("arithmetic", ["float32", "notary"])
def test_e0_and_e1_restore_by_bytes_and_revoke_as_if_never_seen(
    tiny_model: LocalModel,
    tmp_path: Path,
    recipe: Recipe,
    cards: tuple[TrainingCard, ...],
    arithmetic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = recipe.model_copy(update={"arithmetic": arithmetic})
    one = ShardBuilder(tiny_model, tmp_path / "one", recipe=recipe)
    other = ShardBuilder(tiny_model, tmp_path / "other", recipe=recipe)
    with Ledger.in_memory() as ledger, Ledger.in_memory() as never:
        ledger.append([drafts.draft(drafts.source())])
        never.append([drafts.draft(drafts.source())])
        for number, card in enumerate(cards[:2]):
            _approve(ledger, f"c{number}", card)
        before = plan_shards(ledger.state, drafts.HERE, now_us=LATER)
        both = _build(one, ledger)
        kept = _bytes(one, both)
        gone = drafts.decided(EntryRevoked, "c1", _body(cards[1]))
        ledger.append([drafts.draft(gone, drafts.BOB)])
        without = _build(one, ledger)
        # E1: a home of its own, another id, and never a trace of the revoked card.
        _approve(never, "another-id", cards[0])
        never_saw = _build(other, never)
        assert not never_saw.reused
        assert _bytes(other, never_saw) == _bytes(one, without)
        assert _bytes(one, without) != kept
        # E0: the earlier set of cards is found, not trained.
        monkeypatch.setattr(train, "build", None)
        again = one.build(before[0], ledger.state)
        assert again.reused
        assert _bytes(one, again) == kept
