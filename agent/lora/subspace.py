"""The frozen subspace of an adapter: what its ``A`` matrices are, once per base model.

TMEM (arXiv 2606.04536) freezes ``A = Σ_r V_rᵀ`` of each adapted weight ``W = U Σ Vᵀ`` and
trains only ``B`` from zero, so that the change is exactly zero at the start and every
adapter of a base lives in the same subspace. The recipe names the scale of the rows:

``sigma``  ``σ_i v_iᵀ``, as published: the step along ``v_i`` grows with ``σ_i``, and σ₁
           differs between layers, so one rate does not serve them all.
``sqrt``   ``√(σ_i/σ₁) v_iᵀ``: the largest row has norm one in every layer.
``unit``   ``v_iᵀ``, as LoRA-XS has it.

Signs are fixed (the largest entry of a row is positive), the decomposition is computed in
float64 and stored as float32. The stored file *is* the artefact: LAPACK differs between
machines, so it is never silently recomputed over one that exists. For a recipe of arithmetic
``notary`` vectors and values are first rounded to ``BITS`` places, so that it comes out
alike on other processors too; the largest entry is sought after that, where two that differ
by an error only are equal and the first one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from agent.errors import AdapterError
from agent.lora.durable import write_file
from agent.lora.recipe import Recipe
from agent.models.fingerprint import file_digest
from governance import canonical

if TYPE_CHECKING:
    from torch import Tensor

    from agent.models.local import LocalModel

BITS: Final = 12
_DIGEST_SUFFIX: Final = ".sha256"
_LAYER: Final = re.compile(r"\.(\d+)\.")


@dataclass(frozen=True)
class Subspace:
    """``A`` per module path, each ``[rank, in]`` float32, and the digest of them all."""

    digest: str
    rows: Mapping[str, Tensor]


def open_subspace(
    folder: Path, model: LocalModel, recipe: Recipe, *, expected: str | None = None
) -> Subspace:
    """The subspace of this base and recipe: loaded when stored, else computed and stored.

    ``expected`` is the digest that the ledger knows, if it knows one.

    Raises:
        AdapterError: the stored file was altered, cannot be read or written, is not the
            expected one, or the model lacks the recipe's target layers.
    """
    path = _path(folder, model, recipe)
    try:
        if not path.exists():
            _create(path, model, recipe)
        digest = _checked_digest(path)
    except OSError as error:
        raise AdapterError(f"subspace {path.name}: {error.strerror or error}") from error
    if expected is not None and digest != expected:
        raise AdapterError(
            f"subspace {path.name} is {digest[:12]}, adapters here were built in {expected[:12]}",
            hint="restore the file from a backup; a recomputed one may differ in the last bits",
        )
    from safetensors.torch import load_file  # noqa: PLC0415 - torch takes a second to import

    return Subspace(digest, load_file(path))


def _path(folder: Path, model: LocalModel, recipe: Recipe) -> Path:
    other: dict[str, str | int] = {}
    if recipe.arithmetic != "float32":
        other["arithmetic"] = recipe.arithmetic
    if recipe.layers != "all":
        other["layers"] = recipe.layers
    kind = canonical.digest(
        {
            "rank": recipe.rank,
            "targets": sorted(recipe.targets),
            "subspace": recipe.subspace,
            **other,
        }
    )
    return folder / f"{model.digest[:24]}-{kind[:12]}.safetensors"


def _create(path: Path, model: LocalModel, recipe: Recipe) -> None:
    from safetensors.torch import save  # noqa: PLC0415 - torch takes a second to import

    with model.exclusive() as hf:
        layers = target_layers(hf, recipe, model.model_id)
        rows = {name: _rows(layer.weight, recipe) for name, layer in layers.items()}
    # The artefact first: without its digest file it is recomputed on the next start,
    # with it it never is again.
    write_file(path, save(rows))
    write_file(path.with_name(path.name + _DIGEST_SUFFIX), file_digest(path).encode())


def _checked_digest(path: Path) -> str:
    try:
        digest = file_digest(path)
    except ValueError as error:
        raise AdapterError(f"subspace {path.name}: {error}") from error
    beside = path.with_name(path.name + _DIGEST_SUFFIX)
    if not beside.exists():
        write_file(beside, digest.encode())
    elif beside.read_text("ascii", errors="replace").strip() != digest:
        raise AdapterError(
            f"subspace {path.name} was altered: its tensors hash to {digest[:12]}",
            hint="restore the file from a backup",
        )
    return digest


def target_layers(hf: Any, recipe: Recipe, model_id: str) -> dict[str, Any]:  # noqa: ANN401
    """The linear layers that the recipe adapts, by module path, in model order.

    Raises:
        AdapterError: a target is missing, is the output layer, or is no plain floating-point
            linear layer (quantised, fused or mixture-of-experts weights).
    """
    import torch  # noqa: PLC0415 - torch takes a second to import

    found: dict[str, Any] = {}
    for target in recipe.targets:
        named = {
            name: module for name, module in hf.named_modules() if name.rpartition(".")[2] == target
        }
        # The output layer may share its weights with the embeddings: an adapter of one
        # would be an adapter of the other.
        plain = all(
            type(module) is torch.nn.Linear
            and module.weight.is_floating_point()
            and module is not hf.get_output_embeddings()
            for module in named.values()
        )
        if not named or not plain:
            problem = "has no layer" if not named else "has no plain linear layer"
            raise AdapterError(
                f"model {model_id} {problem} named {target}",
                hint="choose a recipe whose targets fit; quantised and expert layers do not",
            )
        found |= named
    chosen = _last_layers(found, recipe.layers)
    return {name: found[name] for name, _ in hf.named_modules() if name in chosen}


def _last_layers(names: Iterable[str], layers: int | Literal["all"]) -> set[str]:
    """The names inside the last ``layers`` decoder layers; one in no layer is in the last."""
    if layers == "all":
        return set(names)
    numbers = {name: decoder_layer(name) for name in names}
    last = max((n for n in numbers.values() if n is not None), default=0)
    return {name for name, n in numbers.items() if n is None or n > last - layers}


def decoder_layer(name: str) -> int | None:
    """Number of the decoder layer in a module path: 3 in ``model.layers.3.mlp.up_proj``."""
    found = _LAYER.search(name)
    return int(found.group(1)) if found else None


def _rows(weight: Tensor, recipe: Recipe) -> Tensor:
    """``[rank, in]``: the scaled right singular vectors of ``weight`` ``[out, in]``."""
    import torch  # noqa: PLC0415 - torch takes a second to import

    _, sigma, right = torch.linalg.svd(weight.detach().double(), full_matrices=False)
    rank = min(recipe.rank, len(sigma))
    sigma, right = sigma[:rank], right[:rank]
    if recipe.arithmetic == "notary":
        from agent.lora.notary import rounded, rounded_rows  # noqa: PLC0415 - as torch

        right = rounded_rows(right, BITS)
        sigma = rounded(sigma, sigma, BITS)
    largest = right.abs().argmax(dim=1, keepdim=True)
    right = right * right.gather(1, largest).sign()
    if recipe.arithmetic == "notary":
        right = right + 0.0  # zero has one sign
    scale = {
        "sigma": sigma,
        "sqrt": (sigma / sigma[0].clamp(min=torch.finfo(torch.float32).tiny)).sqrt(),
        "unit": torch.ones_like(sigma),
    }[recipe.subspace]
    rows = torch.zeros(recipe.rank, weight.shape[1], dtype=torch.float32)
    rows[:rank] = (scale[:, None] * right).float()
    return rows
