"""Options of a recipe beside the shipped ones: fewer layers, other losses, other targets."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from agent.errors import AdapterError
from agent.lora.adapter import CONFIG, TENSORS, TrainedAdapter, config_file, tensor_file
from agent.lora.cards import TrainingCard
from agent.lora.recipe import Recipe
from agent.lora.rehearsal import GenericRehearsal
from agent.lora.subspace import open_subspace
from agent.lora.train import _backward_threshold, build
from agent.models.fingerprint import bytes_digest
from agent.models.local import LocalModel, ServableAdapter

Cards = tuple[TrainingCard, ...]


def changed(recipe: Recipe, **values: object) -> Recipe:
    return Recipe.model_validate(recipe.model_dump(mode="json") | values)


def trained(
    model: LocalModel, cards: Cards, recipe: Recipe, folder: Path
) -> tuple[TrainedAdapter, ServableAdapter]:
    rehearsal = GenericRehearsal(model.dialect, recipe.rehearsal)
    subspace = open_subspace(folder, model, recipe)
    made = build(model, subspace, cards, recipe, rehearsal=rehearsal, seed=5)
    digest = bytes_digest(tensor_file(made.modules))
    return made, ServableAdapter(digest, model.digest, made.modules)


def logits(hf: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = hf(torch.arange(9, 49).reshape(4, 10)).logits
    return found


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # PEFT's own
def test_only_the_last_layers_are_adapted_and_plain_peft_is_told_so(
    tiny_model: LocalModel, tiny_folder: Path, recipe: Recipe, cards: Cards, tmp_path: Path
) -> None:
    made, servable = trained(tiny_model, cards, changed(recipe, layers=1), tmp_path / "sub")
    assert made.modules
    assert all(name.startswith("model.layers.1.") for name in made.modules)
    everywhere, _ = trained(tiny_model, cards, recipe, tmp_path / "sub")
    assert any(name.startswith("model.layers.0.") for name in everywhere.modules)  # the control
    assert len(list((tmp_path / "sub").glob("*.safetensors"))) == 2  # a subspace each

    (tmp_path / TENSORS).write_bytes(tensor_file(made.modules))
    (tmp_path / CONFIG).write_bytes(config_file(made.modules, "tiny"))
    base = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    plain = PeftModel.from_pretrained(base, tmp_path)
    adapted = {
        name.rpartition(".lora_A")[0] for name, _ in plain.named_modules() if "lora_A." in name
    }
    assert {name.removeprefix("base_model.model.") for name in adapted} == set(made.modules)
    with tiny_model.with_adapter(servable):
        assert torch.equal(logits(tiny_model._loaded().hf), logits(plain))


def test_tokens_above_one_half_do_not_count_in_the_threshold_loss() -> None:
    known, unknown = -math.log(0.6), -math.log(0.2)
    first = torch.tensor([known, unknown], requires_grad=True)
    second = torch.tensor([unknown, known], requires_grad=True)
    of_cards = torch.tensor([True, False])
    loss, min_p = _backward_threshold([(first, of_cards), (second, of_cards)])
    assert loss == pytest.approx(unknown)
    assert min_p == pytest.approx(0.2)
    assert first.grad is not None
    assert second.grad is not None
    assert first.grad.tolist() == [0.0, 0.5]
    assert second.grad.tolist() == [0.5, 0.0]
    nothing = torch.tensor([known], requires_grad=True)
    assert _backward_threshold([(nothing, torch.tensor([True]))])[0] == 0.0
    assert nothing.grad is not None
    assert nothing.grad.tolist() == [0.0]


def test_cards_are_learned_with_the_threshold_loss_too(
    tiny_model: LocalModel, recipe: Recipe, cards: Cards, tmp_path: Path
) -> None:
    other = changed(recipe, loss={"weighting": "threshold"})
    assert other.digest != recipe.digest
    _, servable = trained(tiny_model, cards, other, tmp_path)
    dialect = tiny_model.dialect
    prompts = [dialect.answer_prompt(card.question, ()) for card in cards]
    targets = [dialect.answer_target(card.answer) for card in cards]
    before = tiny_model.scores(prompts, targets)
    with tiny_model.with_adapter(servable):
        after = tiny_model.scores(prompts, targets)
    assert all(min(one.log_p) < math.log(0.5) for one in before)
    assert all(min(one.log_p) > math.log(0.5) for one in after)


def test_the_output_layer_is_no_target(
    tiny_model: LocalModel, recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(AdapterError, match="no plain linear layer named lm_head"):
        open_subspace(tmp_path, tiny_model, changed(recipe, targets=["lm_head"]))
    assert open_subspace(tmp_path, tiny_model, changed(recipe, targets=["o_proj"])).rows
