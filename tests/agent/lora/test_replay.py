from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.lora import environment
from agent.lora.adapter import TrainedAdapter
from agent.lora.cards import TrainingCard
from agent.lora.recipe import Recipe
from agent.lora.replay import Replayer, escape_probability
from agent.lora.shards import ShardBuilder, plan_shards
from agent.models.local import LocalModel
from governance.events import EntryRevoked
from governance.ledger import Ledger
from governance.state import AdapterState
from tests.agent.lora.test_shards import LATER, _approve, _body, _take_up
from tests.governance import drafts


@pytest.fixture
def builder(tiny_model: LocalModel, home: Path, recipe: Recipe) -> ShardBuilder:
    return ShardBuilder(tiny_model, home, recipe=recipe, now_s=lambda: 0.0)


@pytest.fixture
def built(ledger: Ledger, builder: ShardBuilder, cards: tuple[TrainingCard, ...]) -> AdapterState:
    ledger.append([drafts.draft(drafts.source())])
    for number, card in enumerate(cards[:2]):
        _approve(ledger, f"c{number}", card)
    (plan,) = plan_shards(ledger.state, drafts.HERE, now_us=LATER)
    made = builder.build(plan, ledger.state)
    _take_up(ledger, made)
    return ledger.state.adapters[made.trained.digest]


def _files(home: Path) -> set[Path]:
    return set((home / "blobs").rglob("*"))


def test_a_build_replays_exactly_after_a_revocation_too_and_leaves_nothing(
    ledger: Ledger,
    home: Path,
    tiny_model: LocalModel,
    recipe: Recipe,
    built: AdapterState,
    cards: tuple[TrainingCard, ...],
) -> None:
    replayer = Replayer(ledger, home, tiny_model, recipe)
    files, head = _files(home), ledger.head.seq
    assert replayer.replay(built).verdict == "exact"
    assert replayer.sample(5, seed=1) == [built]
    assert (_files(home), ledger.head.seq) == (files, head)
    gone = drafts.decided(EntryRevoked, "c1", _body(cards[1]))
    ledger.append([drafts.draft(gone, drafts.BOB)])
    again = Replayer(ledger, home, tiny_model, recipe).replay(built)
    assert (again.verdict, again.rebuilt) == ("exact", built.digest)


@pytest.mark.parametrize(
    ("factor", "elsewhere", "verdict"),
    [
        (1.001, True, "within tolerance"),
        (1.001, False, "differs"),  # the environment promised bytes
        (1.2, True, "differs"),
    ],
)
def test_other_bytes_are_judged_by_what_was_promised(
    ledger: Ledger,
    home: Path,
    tiny_model: LocalModel,
    recipe: Recipe,
    builder: ShardBuilder,
    built: AdapterState,
    monkeypatch: pytest.MonkeyPatch,
    factor: float,
    elsewhere: bool,
    verdict: str,
) -> None:
    stored = builder.store.load(built.digest)
    moved = {name: (a, b * factor) for name, (a, b) in stored.servable.modules.items()}
    other = builder.store.save(
        TrainedAdapter(moved, 1, 0.0), stored.manifest.inputs(), base_id="tiny", environment="x"
    )
    if elsewhere:
        monkeypatch.setattr(environment, "fingerprint", lambda: "another machine")
    replayer = Replayer(ledger, home, tiny_model, recipe)
    found = replayer.replay(replace(built, digest=other.digest))
    assert found.verdict == verdict
    assert found.rebuilt == built.digest
    assert found.answers == 2
    assert max(found.difference_ppm.values()) == pytest.approx((1 - 1 / factor) * 1e6, rel=0.01)
    assert replayer.replay(built).verdict == "exact"


def test_what_is_not_here_any_more_is_said(
    ledger: Ledger, home: Path, tiny_model: LocalModel, recipe: Recipe, built: AdapterState
) -> None:
    other = recipe.model_copy(update={"name": "other"})
    found = Replayer(ledger, home, tiny_model, other).replay(built)
    assert found.verdict == "not replayable"
    assert "recipe" in found.note
    erased = replace(ledger.state.entries["c1"], status="erased")
    ledger.state.entries["c1"] = erased
    replayer = Replayer(ledger, home, tiny_model, recipe)
    assert "erased" in replayer.replay(built).note
    assert replayer.sample(1, seed=1) == []


def test_a_forged_share_escapes_a_sample_with_falling_probability() -> None:
    assert escape_probability(100_000, 0) == 1
    assert escape_probability(100_000, 2) == pytest.approx(0.81)
    assert escape_probability(0, 9) == 1
