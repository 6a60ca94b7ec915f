"""How much adapters change each weight matrix: norms of differences, nothing else.

``‖ΔW₂ − ΔW₁‖_F / ‖W‖_F`` with ``ΔW = B A`` of rank r is computed from r×r Gram matrices in
float64; no full matrix is formed, and no sum of adapters is ever served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from governance.events import ModuleChange

if TYPE_CHECKING:
    from torch import Tensor

    from agent.models.local import LocalModel, ServableAdapter

_PPM: Final = 1_000_000


def weight_difference(
    model: LocalModel, first: ServableAdapter | None, second: ServableAdapter | None
) -> list[ModuleChange]:
    """Per module, in model order; ``None`` is the base model without an adapter."""
    names = {*(first.modules if first else ()), *(second.modules if second else ())}
    with model.exclusive() as hf:
        return [
            ModuleChange(module=name, relative_ppm=_relative_ppm(layer.weight, name, first, second))
            for name, layer in hf.named_modules()
            if name in names
        ]


def _relative_ppm(
    weight: Tensor, name: str, first: ServableAdapter | None, second: ServableAdapter | None
) -> int:
    norm = float(weight.detach().double().norm())
    changed = _norm_of_difference(_factors(first, name), _factors(second, name))
    return round(_PPM * changed / norm) if norm else 0


def _factors(adapter: ServableAdapter | None, name: str) -> tuple[Tensor, Tensor] | None:
    return adapter.modules.get(name) if adapter else None


def _norm_of_difference(
    first: tuple[Tensor, Tensor] | None, second: tuple[Tensor, Tensor] | None
) -> float:
    import torch  # noqa: PLC0415 - torch takes a second to import

    if first is None or second is None:
        present = first or second
        return _norm(*present) if present else 0.0
    if torch.equal(first[0], second[0]):
        # One subspace: the difference is exact, and zero for equal adapters.
        return _norm(first[0], second[1].double() - first[1].double())
    return _norm(torch.cat([second[0], first[0]]), torch.cat([second[1], -first[1]], dim=1))


def _norm(a: Any, b: Any) -> float:  # noqa: ANN401
    """‖B A‖_F = √tr(BᵀB · AAᵀ)."""
    a, b = a.double(), b.double()
    return float(((b.T @ b) * (a @ a.T)).sum().clamp(min=0).sqrt())
