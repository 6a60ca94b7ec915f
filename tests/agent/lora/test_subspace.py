from __future__ import annotations

from pathlib import Path

import pytest
import torch

from agent.errors import AdapterError
from agent.lora.recipe import Recipe
from agent.lora.subspace import Subspace, open_subspace, target_layers
from agent.models.local import LocalModel


def _changed(recipe: Recipe, **values: object) -> Recipe:
    return Recipe.model_validate(recipe.model_dump(mode="json") | values)


@pytest.mark.parametrize("kind", ["sigma", "sqrt", "unit"])
def test_rows_are_scaled_right_singular_vectors_with_fixed_signs(
    tiny_model: LocalModel, recipe: Recipe, tmp_path: Path, kind: str
) -> None:
    opened = open_subspace(tmp_path, tiny_model, _changed(recipe, subspace=kind))
    hf = tiny_model._loaded().hf
    for name, rows in opened.rows.items():
        weight = hf.get_submodule(name).weight.double()
        sigma = torch.linalg.svdvals(weight)[: recipe.rank]
        scale = {
            "sigma": sigma,
            "sqrt": (sigma / sigma[0]).sqrt(),
            "unit": torch.ones_like(sigma),
        }[kind]
        assert torch.allclose(rows.double().norm(dim=1), scale, atol=1e-5)
        unit = rows.double() / scale[:, None]
        assert torch.allclose(unit @ unit.T, torch.eye(recipe.rank).double(), atol=1e-5)
        # A right singular vector: W v has length sigma.
        assert torch.allclose((weight @ unit.T).norm(dim=0), sigma, atol=1e-4)
        top = rows.gather(1, rows.abs().argmax(dim=1, keepdim=True))
        assert bool((top > 0).all())


def test_it_is_computed_once_and_never_replaced(
    tiny_model: LocalModel, recipe: Recipe, tmp_path: Path
) -> None:
    first = open_subspace(tmp_path, tiny_model, recipe)
    file = next(tmp_path.glob("*.safetensors"))
    stamp = file.stat().st_mtime_ns
    assert open_subspace(tmp_path, tiny_model, recipe).digest == first.digest
    assert open_subspace(tmp_path, tiny_model, recipe, expected=first.digest).rows
    assert file.stat().st_mtime_ns == stamp
    other = open_subspace(tmp_path, tiny_model, _changed(recipe, rank=2, alpha=2))
    assert other.digest != first.digest
    assert len(list(tmp_path.glob("*.safetensors"))) == 2


def test_an_altered_or_unexpected_artefact_is_refused(
    tiny_model: LocalModel, recipe: Recipe, tmp_path: Path
) -> None:
    opened: Subspace = open_subspace(tmp_path, tiny_model, recipe)
    with pytest.raises(AdapterError, match="adapters here were built in 000000"):
        open_subspace(tmp_path, tiny_model, recipe, expected="0" * 64)
    file = next(tmp_path.glob("*.safetensors"))
    kept = file.read_bytes()
    file.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(AdapterError, match="was altered"):
        open_subspace(tmp_path, tiny_model, recipe)
    file.write_bytes(b"not tensors")
    with pytest.raises(AdapterError, match=r"\.safetensors"):
        open_subspace(tmp_path, tiny_model, recipe)
    file.write_bytes(kept)
    assert open_subspace(tmp_path, tiny_model, recipe).digest == opened.digest


def test_a_deleted_artefact_is_recomputed_only_if_it_comes_out_as_expected(
    tiny_model: LocalModel, recipe: Recipe, tmp_path: Path
) -> None:
    opened = open_subspace(tmp_path, tiny_model, recipe)
    next(tmp_path.glob("*.safetensors")).unlink()
    again = open_subspace(tmp_path, tiny_model, recipe, expected=opened.digest)
    assert again.digest == opened.digest


def test_missing_and_unfit_targets_are_named(
    tiny_model: LocalModel, recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(AdapterError, match="no layer named gate_up_proj"):
        open_subspace(tmp_path, tiny_model, _changed(recipe, targets=["gate_up_proj"]))
    with pytest.raises(AdapterError, match="no plain linear layer named embed_tokens"):
        open_subspace(tmp_path, tiny_model, _changed(recipe, targets=["embed_tokens"]))
    with tiny_model.exclusive() as hf:
        assert len(target_layers(hf, recipe, "tiny")) == 14
