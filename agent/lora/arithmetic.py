"""In which numbers an adapter is built: a name in the recipe, one object in the code.

``float32``  as fast as it gets; the same bytes on the same environment fingerprint.
``notary``   about twice the time; the same bytes on any x86 processor (``notary``).

Serving is float32 either way: arithmetic is how the weights came about, not what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch

from agent.lora.notary import Notary
from agent.lora.recipe import Recipe


class Updates(Protocol):
    """An optimiser of a build. Gradients are read from the parameters."""

    def step(self, rate: float) -> None:
        """Clip the gradients, change the parameters, and clear the gradients."""
        ...


class Arithmetic(Protocol):
    """How a build computes."""

    def prepare(self, hf: Any) -> AbstractContextManager[None]:  # noqa: ANN401 - transformers is untyped
        """Make a bare model compute in these numbers inside; restore it exactly after.

        Raises:
            AdapterError: a module cannot; names it.
        """
        ...

    def optimiser(self, trained: Sequence[torch.nn.Parameter], recipe: Recipe) -> Updates:
        """AdamW by the recipe's numbers."""
        ...


def arithmetic_of(recipe: Recipe) -> Arithmetic:
    """The arithmetic that the recipe names."""
    return Notary() if recipe.arithmetic == "notary" else Float32()


class Float32:
    """The model as it is, PyTorch's own fused AdamW."""

    def prepare(self, hf: Any) -> AbstractContextManager[None]:  # noqa: ANN401, ARG002
        """Nothing to do."""
        return nullcontext()

    def optimiser(self, trained: Sequence[torch.nn.Parameter], recipe: Recipe) -> Updates:
        """See ``Arithmetic``."""
        return _FusedAdam(trained, recipe)


class _FusedAdam:
    def __init__(self, trained: Sequence[torch.nn.Parameter], recipe: Recipe) -> None:
        stated = recipe.optimiser
        self._trained = list(trained)
        self._clip_norm = float(stated.clip_norm)
        self._adam = torch.optim.AdamW(
            self._trained,
            lr=float(stated.learning_rate),
            betas=(float(stated.beta1), float(stated.beta2)),
            eps=float(stated.epsilon),
            weight_decay=float(stated.weight_decay),
            fused=True,
        )

    def step(self, rate: float) -> None:
        torch.nn.utils.clip_grad_norm_(self._trained, self._clip_norm)
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
