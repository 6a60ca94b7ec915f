"""Muon for hidden matrices, AdamW for the rest, in float32.

Muon: K. Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
``torch.optim.Muon`` orthogonalises in bfloat16, which most CPUs emulate slowly; here
matrices of one shape are orthogonalised together in float32.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import torch

_NEWTON_SCHULZ: Final = (3.4445, -4.7750, 2.0315)
_STEPS: Final = 5


def orthogonalise(batch: torch.Tensor) -> torch.Tensor:
    """Nearest semi-orthogonal matrices of a batch (count, rows <= columns), approximately."""
    a, b, c = _NEWTON_SCHULZ
    x: torch.Tensor = batch / (batch.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


class Muon:
    """Momentum, then an orthogonalised step; Nesterov as in the reference."""

    def __init__(self, matrices: Iterable[torch.nn.Parameter], lr: float, momentum: float) -> None:
        self.lr = lr
        self.momentum = momentum
        self.matrices = list(matrices)
        self.buffers = [torch.zeros_like(matrix) for matrix in self.matrices]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """One update of size ``lr * scale`` a singular direction; clears the gradients."""
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        updates: list[torch.Tensor] = []
        for index, (matrix, buffer) in enumerate(zip(self.matrices, self.buffers, strict=True)):
            gradient = matrix.grad if matrix.grad is not None else torch.zeros_like(matrix)
            buffer.lerp_(gradient, 1 - self.momentum)
            update = gradient.lerp(buffer, self.momentum)
            updates.append(update.mT if update.shape[0] > update.shape[1] else update)
            groups[(updates[-1].shape[0], updates[-1].shape[1])].append(index)
            matrix.grad = None
        for members in groups.values():
            steps = orthogonalise(torch.stack([updates[i] for i in members]))
            for step, i in zip(steps, members, strict=True):
                rows, columns = self.matrices[i].shape
                size = self.lr * scale * max(1.0, rows / columns) ** 0.5
                self.matrices[i].add_(step.mT if rows > columns else step, alpha=-size)
