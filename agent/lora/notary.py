"""Builds that come out byte for byte alike on different x86 processors.

Matrix libraries choose their kernels by processor, so sums are taken in another order and
the last bits differ; training then carries the difference into every bit. Here the model
computes in float64, where such differences are about 1e-15, and what leaves it for the
optimiser is rounded so coarsely that they vanish:

1. Weights and activations are float64. Transformers' norms and rotary tables ask for
   float32 by name; inside the model every such request is answered with float64.
2. What the library computed in float32 while loading (rotary frequencies) is computed
   again in float64. Nothing else in the model may be float32: a probe says which module
   still is.
3. Gradients are rounded to a multiple of a power of two, ``GRADIENT_BITS`` below the
   largest of their matrix, before the optimiser sees them; so is the norm that clips them.
4. The optimiser is made of single additions, multiplications, divisions and square roots,
   which IEEE 754 defines to the last bit. No fused operation, no sum.
5. Weights are float32 numbers after every step, so nothing creeps in between steps.

That a difference of 1e-15 falls just where a rounding turns is rare, not impossible: the
chance is (size of the differences) / (size of the rounding steps) for each number. This is
why the steps are taken relative to the largest of a matrix and not to each number itself:
the differences come from sums, whose error is relative to the largest terms, so a small
number's own mantissa is mostly error (docs/exactness.md has the measured chances).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from agent.errors import AdapterError
from agent.lora.recipe import Recipe

GRADIENT_BITS: Final = 12
NORM_BITS: Final = 12
_EXPONENT: Final = 0x7FF0_0000_0000_0000
"""The exponent bits of a float64: a number without its other bits is a power of two."""
_NARROW: Final = frozenset({torch.float32, torch.float16, torch.bfloat16})
_CASTS: Final = frozenset({Tensor.float, Tensor.half, Tensor.bfloat16})
_PROBE_TOKENS: Final = 8
_SAME_FUNCTION: Final = 1e-3
"""How far float64 may be from float32, relative to the largest activation."""
_NOT_HERE: Final = "build with arithmetic: float32, or on a base of the Llama or Qwen family"


def rounded(values: Tensor, largest: Tensor, bits: int) -> Tensor:
    """``values`` to multiples of 2^-bits of the power of two at or below ``largest``.

    Half goes to even, so ``-x`` rounds to minus what ``x`` rounds to. Exact: only powers of
    two are multiplied and divided by.

    Args:
        values: Float64.
        largest: Not negative; broadcast against ``values``. Where it is zero, so must be
            the values.
        bits: Places kept below the leading one of ``largest``.
    """
    power = (largest.view(torch.int64) & _EXPONENT).view(torch.float64)
    quantum = torch.where(power > 0, power, torch.ones_like(power)) * 2.0**-bits
    # Zero has one sign: that of an error around zero would differ.
    return torch.round(values / quantum) * quantum + 0.0


def rounded_rows(values: Tensor, bits: int) -> Tensor:
    """Each row to multiples of 2^-bits of its own largest magnitude's power of two."""
    return rounded(values, values.abs().amax(dim=-1, keepdim=True), bits)


class Notary:
    """The arithmetic ``notary`` of a recipe; see the module for what it promises."""

    def prepare(self, hf: Any) -> Any:  # noqa: ANN401 - transformers is untyped
        """The model in float64 inside the block; the very same tensors after it.

        Raises:
            AdapterError: a module computes in float32 whatever it is asked, or holds numbers
                that cannot be computed again in float64; names it.
        """
        return _in_float64(hf)

    def optimiser(self, trained: Sequence[torch.nn.Parameter], recipe: Recipe) -> RoundedAdam:
        """Adam on rounded gradients (rules 3 to 5)."""
        return RoundedAdam(trained, recipe)


class RoundedAdam:
    """AdamW (Loshchilov and Hutter 2019) in operations that IEEE 754 defines to the last bit.

    Args:
        trained: Matrices, float64, holding float32 numbers.
        recipe: The optimiser's numbers.
    """

    def __init__(self, trained: Sequence[torch.nn.Parameter], recipe: Recipe) -> None:
        stated = recipe.optimiser
        self._trained = list(trained)
        self._betas = float(stated.beta1), float(stated.beta2)
        self._epsilon = float(stated.epsilon)
        self._decay = float(stated.weight_decay)
        self._clip_norm = float(stated.clip_norm)
        self._means = [torch.zeros_like(p) for p in self._trained]
        self._squares = [torch.zeros_like(p) for p in self._trained]
        self._powers = 1.0, 1.0  # of the betas; multiplied up, because pow() is not exact

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update from the gradients, which are cleared; parameters stay float32 numbers."""
        first, second = self._betas
        self._powers = self._powers[0] * first, self._powers[1] * second
        gradients = self._gradients()
        for parameter, gradient, mean, square in zip(
            self._trained, gradients, self._means, self._squares, strict=True
        ):
            mean.mul_(first).add_(gradient * (1 - first))
            square.mul_(second).add_(gradient * gradient * (1 - second))
            scale = (square / (1 - self._powers[1])).sqrt_().add_(self._epsilon)
            change = (mean / (1 - self._powers[0])).div_(scale).mul_(rate)
            parameter.mul_(1 - rate * self._decay).sub_(change)
            parameter.copy_(parameter.to(torch.float32))
            parameter.grad = None

    def _gradients(self) -> list[Tensor]:
        """Rounded, then clipped to the recipe's norm."""
        gradients = [
            rounded(p.grad, p.grad.abs().amax()[None, None], GRADIENT_BITS)
            if p.grad is not None
            else torch.zeros_like(p)
            for p in self._trained
        ]
        total = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
        norm = float(rounded(total, total, NORM_BITS))
        if norm > self._clip_norm:
            scale = self._clip_norm / norm
            gradients = [gradient * scale for gradient in gradients]
        return gradients


# --- the model in float64 --------------------------------------------------------------


class _Wide(TorchFunctionMode):
    """Answers requests for narrower floats with float64."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - PyTorch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        if func in _CASTS:
            return args[0].to(torch.float64)
        wide = tuple(_widened(value) for value in args)
        return func(*wide, **{name: _widened(value) for name, value in (kwargs or {}).items()})


def _widened(value: Any) -> Any:  # noqa: ANN401
    return torch.float64 if isinstance(value, torch.dtype) and value in _NARROW else value


class _Spotter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the module in which a floating-point result is not float64."""

    def __init__(self, running: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._running = running
        self.found: str | None = None

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401 - PyTorch's signature
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        for one in result if isinstance(result, list | tuple) else (result,):
            if isinstance(one, Tensor) and one.dtype in _NARROW and self.found is None:
                self.found = self._running[-1] if self._running else "its embedding"
        return result


@contextmanager
def _in_float64(hf: Any) -> Iterator[None]:  # noqa: ANN401
    """Rules 1 and 2."""
    expected = _probe(hf)
    tables = dict(_recomputed(hf))
    held = [*hf.parameters(), *hf.buffers()]
    kept = [(one, one.data) for one in held if one.is_floating_point()]
    running: list[str] = []
    wrapped = [module for module in hf.modules() if not _is_plain(module)]
    try:
        for one, data in kept:
            one.data = tables.get(id(one), data).to(torch.float64)
        for name, module in hf.named_modules():
            if not _is_plain(module):
                module.forward = _wide_forward(module.forward, name or "model", running)
        _check(hf, expected, running)
        yield
    finally:
        for module in wrapped:
            module.__dict__.pop("forward", None)
        for one, data in kept:
            one.data = data


def _is_plain(module: torch.nn.Module) -> bool:
    """PyTorch's own layers compute in whatever they are given."""
    return type(module).__module__.startswith("torch.nn.")


def _wide_forward(forward: Callable[..., Any], name: str, running: list[str]) -> Callable[..., Any]:
    """``forward`` with every request for float32 answered in float64."""

    @functools.wraps(forward)
    def wide(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        outermost = not running
        running.append(name)
        try:
            if not outermost:
                return forward(*args, **kwargs)
            with _Wide():
                return forward(*args, **kwargs)
        finally:
            running.pop()

    return wide


def _recomputed(hf: Any) -> Iterator[tuple[int, Tensor]]:  # noqa: ANN401
    """What no file holds and loading computed in float32, computed in float64, by ``id``."""
    for name, module in hf.named_modules():
        computed = {
            key: buffer
            for key, buffer in module.named_buffers(recurse=False)
            if key in module._non_persistent_buffers_set and buffer.is_floating_point()  # noqa: SLF001
        }
        if not computed:
            continue
        try:
            with _Wide():
                fresh = dict(type(module)(module.config).named_buffers(recurse=False))
        except (AttributeError, TypeError) as error:
            raise _cannot(name, module, "holds numbers that no file does") from error
        for key, buffer in computed.items():
            again = fresh.get(key)
            if again is None or not torch.allclose(again.float(), buffer.float(), rtol=1e-5):
                raise _cannot(name, module, f"computes another {key} in float64")
            # Rounded to what float32 holds: pow() differs in its last bit between processors.
            yield id(buffer), again.to(torch.float32)


def _probe(hf: Any) -> Tensor:  # noqa: ANN401
    """Hidden states of a few tokens."""
    with torch.no_grad():
        ids = torch.arange(_PROBE_TOKENS)[None] % hf.get_input_embeddings().num_embeddings
        hidden: Tensor = hf.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
    return hidden.to(torch.float64)


def _check(hf: Any, expected: Tensor, running: list[str]) -> None:  # noqa: ANN401
    """The same function as before, and float64 throughout.

    Raises:
        AdapterError: it is not; names the module.
    """
    spotter = _Spotter(running)
    with spotter:
        found = _probe(hf)
    if spotter.found is not None:
        module = hf.get_submodule("" if spotter.found == "model" else spotter.found)
        raise _cannot(spotter.found, module, "computes in float32 whatever it is asked")
    off = float((found - expected).abs().max()) / max(float(expected.abs().max()), 1e-30)
    if not math.isfinite(off) or off > _SAME_FUNCTION:
        raise AdapterError(
            f"the model answers otherwise in float64 (off by {off:.1e})", hint=_NOT_HERE
        )


def _cannot(name: str, module: torch.nn.Module, problem: str) -> AdapterError:
    return AdapterError(
        f"arithmetic notary: module {name} ({type(module).__name__}) {problem}", hint=_NOT_HERE
    )
