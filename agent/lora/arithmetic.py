"""In which numbers a build computes: the seam between the loop and its arithmetic.

``train`` decides what is learned in each step; an arithmetic decides how numbers are held
and rounded on the way. ``Float32`` is the ordinary one. Another one implements the same two
methods and is named in ``arithmetic_for``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch

from agent.lora.recipe import Recipe


class Stepper(Protocol):
    """Moves the trained matrices once a step."""

    def step(self, rate: float) -> None:
        """Clip the gradients, move every matrix at learning rate ``rate``, drop the gradients."""
        ...


class Arithmetic(Protocol):
    """How a build computes. Stateless: a build is a function of its inputs."""

    def prepared(self, hf: Any) -> AbstractContextManager[None]:  # noqa: ANN401
        """Let the Transformers model compute in these numbers inside the block.

        Entered before the model is adapted: the trained matrices take the type of the weights
        beside them. On leaving, the weights are bitwise what they were.
        """
        ...

    def stepper(self, trained: Sequence[torch.nn.Parameter], recipe: Recipe) -> Stepper:
        """An optimiser with the recipe's settings over ``trained``."""
        ...


class Float32:
    """The model's own float32, with PyTorch's fused AdamW. Same bytes on one environment."""

    def prepared(self, hf: Any) -> AbstractContextManager[None]:  # noqa: ANN401, ARG002
        """Nothing to prepare."""
        return nullcontext()

    def stepper(self, trained: Sequence[torch.nn.Parameter], recipe: Recipe) -> Stepper:
        """AdamW; the norm of all gradients together is clipped."""
        return _FusedAdamW(trained, recipe)


class _FusedAdamW:
    def __init__(self, trained: Sequence[torch.nn.Parameter], recipe: Recipe) -> None:
        stated = recipe.optimiser
        self._trained = list(trained)
        self._clip_norm = float(stated.clip_norm)
        self._adamw = torch.optim.AdamW(
            self._trained,
            lr=float(stated.learning_rate),
            betas=(float(stated.beta1), float(stated.beta2)),
            eps=float(stated.epsilon),
            weight_decay=float(stated.weight_decay),
            fused=True,
        )

    def step(self, rate: float) -> None:
        torch.nn.utils.clip_grad_norm_(self._trained, self._clip_norm)
        for group in self._adamw.param_groups:
            group["lr"] = rate
        self._adamw.step()
        self._adamw.zero_grad(set_to_none=True)


def arithmetic_for(recipe: Recipe) -> Arithmetic:
    """The arithmetic that the recipe names."""
    return {"float32": Float32}[recipe.arithmetic]()
