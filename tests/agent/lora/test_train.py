from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from agent.errors import AdapterError
from agent.lora.adapter import TENSORS, TrainedAdapter, config_file, tensor_file
from agent.lora.cards import BuildInputs, TrainingCard, canonical_order
from agent.lora.recipe import Recipe
from agent.lora.rehearsal import GenericRehearsal
from agent.lora.subspace import Subspace
from agent.lora.train import _check_divergence, _Row, _Schedule, _shapes, build
from agent.models.fingerprint import bytes_digest
from agent.models.local import LocalModel, ServableAdapter

Build = Callable[..., TrainedAdapter]
Cards = tuple[TrainingCard, ...]


@pytest.fixture(scope="module")
def train(
    tiny_model: LocalModel, subspace: Subspace, recipe: Recipe, rehearsal: GenericRehearsal
) -> Build:
    def run(cards: Cards, *, seed: int = 5, changed: Recipe | None = None) -> TrainedAdapter:
        return build(tiny_model, subspace, cards, changed or recipe, rehearsal=rehearsal, seed=seed)

    return run


@pytest.fixture(scope="module")
def trained(train: Build, cards: Cards) -> TrainedAdapter:
    return train(cards)


def _servable(model: LocalModel, adapter: TrainedAdapter) -> ServableAdapter:
    digest = bytes_digest(tensor_file(adapter.modules))
    return ServableAdapter(digest, model.digest, adapter.modules)


def _logits(model: LocalModel) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model._loaded().hf(torch.arange(9, 49).reshape(4, 10)).logits
    return logits


def test_a_fresh_adapter_changes_nothing_and_a_trained_one_does(
    tiny_model: LocalModel, trained: TrainedAdapter
) -> None:
    base = _logits(tiny_model)
    fresh = TrainedAdapter(
        {name: (a, torch.zeros_like(b)) for name, (a, b) in trained.modules.items()}, 0, 0.0
    )
    with tiny_model.with_adapter(_servable(tiny_model, fresh)):
        assert torch.equal(_logits(tiny_model), base)
    with tiny_model.with_adapter(_servable(tiny_model, trained)):
        assert not torch.allclose(_logits(tiny_model), base, atol=1e-2)
    assert torch.equal(_logits(tiny_model), base)


def test_the_build_leaves_the_base_bitwise_as_it_was(tiny_model: LocalModel, train: Build) -> None:
    hf = tiny_model._loaded().hf
    before = {name: tensor.clone() for name, tensor in hf.state_dict().items()}
    train((TrainingCard("Q?", "A", "t", "a"),))
    after = hf.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(parameter.requires_grad for parameter in hf.parameters())


def test_the_subspace_stays_frozen_and_b_moves(
    subspace: Subspace, trained: TrainedAdapter, recipe: Recipe
) -> None:
    assert trained.modules.keys() == subspace.rows.keys()
    for name, (a, b) in trained.modules.items():
        assert torch.equal(a, subspace.rows[name])
        assert a.shape[0] == b.shape[1] == recipe.rank
    assert any(bool(b.abs().max() > 0) for _, b in trained.modules.values())


def test_card_order_does_not_matter_but_the_seed_and_the_cards_do(
    train: Build, cards: Cards, trained: TrainedAdapter
) -> None:
    def digest(adapter: TrainedAdapter) -> str:
        return bytes_digest(tensor_file(adapter.modules))

    assert digest(train(cards[::-1])) == digest(trained)
    assert digest(train(cards, seed=6)) != digest(trained)
    assert digest(train(cards[:2])) != digest(trained)


def test_a_shard_rebuilt_without_a_card_equals_one_that_never_saw_it(
    train: Build, cards: Cards, trained: TrainedAdapter
) -> None:
    never_saw = train((cards[2], cards[0]))
    survivors = [card for card in canonical_order(cards) if card != cards[1]]
    rebuilt = train(tuple(survivors))
    assert tensor_file(rebuilt.modules) == tensor_file(never_saw.modules)
    assert tensor_file(rebuilt.modules) != tensor_file(trained.modules)


def test_a_fresh_process_builds_the_same_bytes(
    tiny_folder: Path, recipe: Recipe, cards: Cards, trained: TrainedAdapter, tmp_path: Path
) -> None:
    program = """
        import json, sys
        from pathlib import Path
        from agent.lora.adapter import tensor_file
        from agent.lora.cards import TrainingCard
        from agent.lora.recipe import Recipe
        from agent.lora.rehearsal import GenericRehearsal
        from agent.lora.subspace import open_subspace
        from agent.lora.train import build
        from agent.models.builtin.dialect import BuiltinDialect
        from agent.models.fingerprint import bytes_digest
        from agent.models.local import LocalModel

        told = json.loads(sys.argv[1])
        recipe = Recipe.model_validate(told["recipe"])
        model = LocalModel(Path(told["model"]), dialect=BuiltinDialect())
        cards = [TrainingCard(*c[:4], tuple(c[4]), tuple(c[5])) for c in told["cards"]]
        rehearsal = GenericRehearsal(model.dialect, recipe.rehearsal)
        subspace = open_subspace(Path(told["folder"]), model, recipe)
        adapter = build(model, subspace, cards, recipe, rehearsal=rehearsal, seed=5)
        print(bytes_digest(tensor_file(adapter.modules)))
    """
    told = {
        "model": str(tiny_folder),
        "folder": str(tmp_path),
        "recipe": recipe.model_dump(mode="json"),
        "cards": [
            [c.question, c.answer, c.topic, c.attribute, c.rewordings, c.probes] for c in cards
        ],
    }
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), json.dumps(told)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "random", "PYTHONPATH": str(Path.cwd())},
    )
    assert finished.stdout.strip() == bytes_digest(tensor_file(trained.modules))


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT's own
def test_plain_peft_loads_the_folder_with_the_same_scores(
    tiny_folder: Path, tiny_model: LocalModel, trained: TrainedAdapter, tmp_path: Path
) -> None:
    (tmp_path / TENSORS).write_bytes(tensor_file(trained.modules))
    (tmp_path / "adapter_config.json").write_bytes(config_file(trained.modules, "tiny"))
    from transformers import AutoModelForCausalLM

    plain = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32), tmp_path
    )
    ids = torch.arange(9, 49).reshape(4, 10)
    with torch.inference_mode():
        expected = plain(ids).logits
    with tiny_model.with_adapter(_servable(tiny_model, trained)):
        served = _logits(tiny_model)
    assert torch.equal(served, expected)
    assert not torch.allclose(served, _logits(tiny_model), atol=1e-2)


def test_a_diverging_build_is_stopped_and_the_base_is_unwrapped(
    train: Build, recipe: Recipe, cards: Cards, tiny_model: LocalModel
) -> None:
    base = _logits(tiny_model)
    stated = recipe.model_dump(mode="json")
    stated["optimiser"] |= {"learning_rate": "1e38"}
    with pytest.raises(AdapterError, match="diverged in step") as caught:
        train(cards, changed=Recipe.model_validate(stated))
    assert "learning_rate" in caught.value.hint
    assert torch.equal(_logits(tiny_model), base)
    assert train(cards[:1]).steps > 0


def test_the_alarm_lets_a_noisy_start_pass_and_stops_an_explosion(recipe: Recipe) -> None:
    _check_divergence(40.0, 2.0, 1, recipe)
    _check_divergence(2.9, 2.0, 30, recipe)
    for loss in (3.1, float("nan"), float("inf")):
        with pytest.raises(AdapterError, match="diverged in step 31"):
            _check_divergence(loss, 2.0, 30, recipe)


def test_a_build_without_cards_is_refused(train: Build) -> None:
    with pytest.raises(AdapterError, match="at least one card"):
        train(())


def test_a_foreign_subspace_is_refused(
    tiny_model: LocalModel,
    subspace: Subspace,
    recipe: Recipe,
    rehearsal: GenericRehearsal,
    cards: Cards,
) -> None:
    foreign = Subspace("f" * 64, {name: a[:, 1:] for name, a in subspace.rows.items()})
    with pytest.raises(AdapterError, match="does not fit layer"):
        build(tiny_model, foreign, cards, recipe, rehearsal=rehearsal, seed=1)


def test_the_rate_is_constant_then_falls_and_may_begin_to_fall_early(recipe: Recipe) -> None:
    schedule = _Schedule.of(recipe, 3)
    factors = [schedule.factor(step) for step in range(schedule.total)]
    assert schedule.total == 60
    assert factors[:41] == [1.0] * 41
    assert factors[41:] == sorted(factors[41:], reverse=True)
    assert 0 < factors[-1] < 0.1
    for step in range(12):
        schedule.observe(step, 0.95 if step > 5 else 0.5, recipe)
    assert schedule.total == 9 + 1 + 18
    assert schedule.factor(schedule.total - 1) > 0


def test_batches_hold_every_row_once_and_waste_less_than_one_batch() -> None:
    rows = [_Row([0] * n, 1, is_card=True) for n in [*range(5, 40)] * 8 + [200, 210]]
    batches = _shapes(rows, 4)
    assert sorted(len(r.ids) for b in batches for r in b) == sorted(len(r.ids) for r in rows)
    padded = sum(len(batch) * max(len(row.ids) for row in batch) for batch in batches)
    assert padded < 0.3 * len(rows) * 210
    assert len(_shapes(rows[:1], 4)) == 1


def test_inputs_name_the_build_and_probes_are_no_part_of_it(
    inputs: BuildInputs, cards: Cards
) -> None:
    from dataclasses import replace

    other_probes = replace(cards[0], probes=("Another?",))
    other_answer = replace(cards[0], answer="53 EUR")
    assert other_probes.digest(2) == cards[0].digest(2)
    assert other_answer.digest(2) != cards[0].digest(2)
    assert replace(inputs, realm="1" * 64).digest != inputs.digest
    assert replace(inputs, realm="1" * 64).seed != inputs.seed
    assert replace(inputs).digest == inputs.digest
