"""What a build yields, and its form on disk: an ordinary PEFT folder with a manifest.

``adapter_config.json`` is a function of the tensors (rank from their shapes, targets from
their names, alpha = rank), so the tensors alone decide what an adapter does, and their
digest covers it. The manifest says what it was built from, by digests only: an adapter
names no entry and quotes no card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.errors import AdapterError
from agent.lora.cards import BuildInputs
from agent.lora.subspace import decoder_layer
from agent.models.fingerprint import file_digest
from agent.models.local import ServableAdapter

if TYPE_CHECKING:
    from torch import Tensor

TENSORS: Final = "adapter_model.safetensors"
CONFIG: Final = "adapter_config.json"
MANIFEST: Final = "manifest.json"
_PREFIX: Final = "base_model.model."
_A: Final = ".lora_A.weight"
_B: Final = ".lora_B.weight"
_NEUTRAL: Final = {
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "lora_dropout": 0.0,
    "modules_to_save": None,
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "use_dora": False,
    "use_rslora": False,
}
"""Settings of a PEFT LoRA that change nothing beside ``B A x``."""


class Manifest(BaseModel):
    """What an adapter was built from and how it went. ``environment`` fixes the last bits."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: int
    digest: str
    inputs_digest: str
    base_id: str
    base_digest: str
    recipe_digest: str
    subspace_digest: str
    rehearsal: str
    realm: str
    cards: list[str]
    seed: int
    steps: int
    environment: str

    def inputs(self) -> BuildInputs:
        """The inputs it names; their digest must be ``inputs_digest``."""
        return BuildInputs(
            base_digest=self.base_digest,
            recipe_digest=self.recipe_digest,
            subspace_digest=self.subspace_digest,
            rehearsal=self.rehearsal,
            realm=self.realm,
            cards=tuple(self.cards),
        )


@dataclass(frozen=True)
class TrainedAdapter:
    """The outcome of training: ``A`` and ``B`` per module path, float32 on the CPU."""

    modules: Mapping[str, tuple[Tensor, Tensor]]
    steps: int
    final_loss: float


@dataclass(frozen=True)
class StoredAdapter:
    """An adapter read back and verified."""

    manifest: Manifest
    servable: ServableAdapter

    @property
    def digest(self) -> str:
        """Digest (hex) of its tensors."""
        return self.manifest.digest


def tensor_file(modules: Mapping[str, tuple[Tensor, Tensor]]) -> bytes:
    """``adapter_model.safetensors`` as PEFT names it."""
    from safetensors.torch import save  # noqa: PLC0415 - torch takes a second to import

    tensors = {}
    for name in sorted(modules):
        a, b = modules[name]
        tensors[f"{_PREFIX}{name}{_A}"] = a.contiguous()
        tensors[f"{_PREFIX}{name}{_B}"] = b.contiguous()
    # One metadata key: two would be written in a random order.
    return save(tensors, metadata={"format": "pt"})


def peft_config(modules: Sequence[str], rank: int, base_id: str) -> dict[str, Any]:
    """``adapter_config.json`` for adapters of these module paths.

    PEFT adapts every layer that has a target's name, unless it is told which; it is told where
    the lowest ones are left out.
    """
    layers = sorted({n for n in map(decoder_layer, modules) if n is not None})
    only = {"layers_to_transform": layers} if layers and layers[0] > 0 else {}
    return {
        **_NEUTRAL,
        **only,
        "base_model_name_or_path": base_id,
        "lora_alpha": rank,
        "r": rank,
        "target_modules": sorted({name.rpartition(".")[2] for name in modules}),
    }


def config_file(modules: Mapping[str, tuple[Tensor, Tensor]], base_id: str) -> bytes:
    """The bytes of ``adapter_config.json``."""
    rank = next(iter(modules.values()))[0].shape[0]
    return _json(peft_config(list(modules), rank, base_id))


def manifest_file(manifest: Manifest) -> bytes:
    """The bytes of ``manifest.json``."""
    return _json(manifest.model_dump(mode="json"))


def read_adapter(folder: Path, digest: str) -> StoredAdapter:
    """The adapter in ``folder``, checked against the digest it is known by.

    Raises:
        AdapterError: a file is missing, malformed or was altered; names it.
    """
    tensors = folder / TENSORS
    try:
        found = file_digest(tensors)
        config = (folder / CONFIG).read_bytes()
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except OSError as error:
        name = Path(error.filename or tensors).name
        raise _damaged(digest, f"{name} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise _damaged(digest, f"{MANIFEST} is malformed") from error
    except ValueError as error:
        raise _damaged(digest, str(error)) from error
    if found != digest:
        raise _damaged(digest, f"{TENSORS} was altered, its tensors hash to {found[:12]}")
    if manifest.digest != digest or manifest.inputs().digest != manifest.inputs_digest:
        raise _damaged(digest, f"{MANIFEST} was altered")
    modules = _read_tensors(tensors, digest)
    if config != config_file(modules, manifest.base_id):
        raise _damaged(digest, f"{CONFIG} was altered")
    return StoredAdapter(manifest, ServableAdapter(digest, manifest.base_digest, modules))


def _read_tensors(path: Path, digest: str) -> dict[str, tuple[Tensor, Tensor]]:
    from safetensors import SafetensorError  # noqa: PLC0415 - torch takes a second to import
    from safetensors.torch import load_file  # noqa: PLC0415

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise _damaged(digest, f"{path.name} cannot be read") from error
    names = [name[len(_PREFIX) : -len(_A)] for name in sorted(tensors) if name.endswith(_A)]
    try:
        return {n: (tensors[f"{_PREFIX}{n}{_A}"], tensors[f"{_PREFIX}{n}{_B}"]) for n in names}
    except KeyError as error:
        raise _damaged(digest, f"{path.name} lacks {error}") from error


def _damaged(digest: str, problem: str) -> AdapterError:
    return AdapterError(
        f"adapter {digest[:12]}: {problem}",
        hint="restore the blob from a backup, or remove its folder and settle: it is rebuilt",
    )


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
