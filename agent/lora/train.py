"""Train one adapter: base, subspace, recipe, cards and rehearsal in; ``B`` matrices out.

    build(model, subspace, cards, recipe, rehearsal=..., seed=...)

Always from zero, always the cards in canonical order: the same inputs give the same bytes
on the same environment (one thread, float32, deterministic kernels, no dropout). Steps:

1. Wrap the base with PEFT LoRA; load ``A`` from the subspace and freeze it; ``B`` is zero.
2. In each step: every card in its next wordings, and fresh rehearsal prompts.
3. Loss on answer tokens only, all or those below one half. AdamW; constant rate, then linear to
   zero; norm clipped.
4. Once every card stays above the recipe's probability, the decay begins early.
5. Take ``A`` and ``B`` out and unwrap the base, which is bitwise what it was.

A loss that is no number or explodes stops the build: nothing is stored, nothing is served.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor

from agent.errors import AdapterError
from agent.lora.adapter import TrainedAdapter, peft_config
from agent.lora.arithmetic import Updates, arithmetic_of
from agent.lora.cards import TrainingCard, canonical_order
from agent.lora.recipe import Recipe
from agent.lora.rehearsal import Pair, Rehearsal
from agent.lora.subspace import Subspace, target_layers
from agent.models.decoding import answer_logits, bucket, pad_right
from agent.models.local import LocalModel
from governance.ports import Progress

_PPM = 1_000_000
_LOSS_DIGITS = 6
_REPORT_EVERY = 10
_BATCH_TOKENS = 96
"""What one more forward and backward pass costs, in tokens that it could have computed."""


@dataclass(frozen=True)
class _Row:
    """A prompt with its target, as tokens. ``is_card`` rows count for the early stop."""

    ids: list[int]
    start: int
    is_card: bool


@dataclass
class _Schedule:
    """Where in the recipe's steps the build is; may be cut short into the decay."""

    total: int
    decay: int
    patience: int = 0

    @classmethod
    def of(cls, recipe: Recipe, cards: int) -> _Schedule:
        total = recipe.steps_for(cards)
        return cls(total, total * recipe.optimiser.decay_percent // 100)

    def factor(self, step: int) -> float:
        """Share of the learning rate in ``step``: one, then linear down to zero."""
        left = self.total - step
        return min(1.0, left / (self.decay + 1))

    def observe(self, step: int, min_p: float, recipe: Recipe) -> None:
        """Cut to the decay when every card was good enough for long enough."""
        stop = recipe.early_stop
        # Whole parts per million: the last bits of a probability decide nothing.
        self.patience = self.patience + 1 if round(min_p * _PPM) >= stop.min_p_ppm else 0
        if self.patience >= stop.patience and step + 1 >= stop.not_before:
            self.total = min(self.total, step + 1 + self.decay)


class _Data:
    """What is trained in each step: a function of cards, recipe, rehearsal and seed."""

    def __init__(
        self,
        model: LocalModel,
        cards: Sequence[TrainingCard],
        recipe: Recipe,
        rehearsal: Rehearsal,
        seed: int,
    ) -> None:
        self.cards = canonical_order(cards)
        self._model = model
        self._recipe = recipe
        self._rehearsal = rehearsal
        self._seed = seed
        self._kept: dict[Pair, tuple[list[int], int]] = {}

    def rows(self, step: int) -> list[_Row]:
        """Every card in its next wordings, and the step's own rehearsal."""
        rows = []
        for pair in self._card_pairs(step):
            if pair not in self._kept:
                self._kept[pair] = self._model.encode_pair(*pair)
            rows.append(_Row(*self._kept[pair], is_card=True))
        rehearsed = self._rehearsal.pairs(self.cards, self._seed, step)
        rows.extend(_Row(*self._model.encode_pair(*pair), is_card=False) for pair in rehearsed)
        return rows

    def _card_pairs(self, step: int) -> list[Pair]:
        dialect, pairs = self._model.dialect, []
        for number, card in enumerate(self.cards):
            # The card's own question every other time, each rewording in between.
            others = card.rewordings[: self._recipe.rewordings]
            wheel = [q for other in others for q in (card.question, other)] or [card.question]
            turns = min(self._recipe.wordings_per_step, len(wheel))
            target = dialect.answer_target(card.answer)
            for turn in range(turns):
                wording = wheel[(step * turns + number + turn) % len(wheel)]
                pairs.append((dialect.answer_prompt(wording, ()), target))
        return pairs


def build(
    model: LocalModel,
    subspace: Subspace,
    cards: Sequence[TrainingCard],
    recipe: Recipe,
    *,
    rehearsal: Rehearsal,
    seed: int,
    progress: Progress | None = None,
) -> TrainedAdapter:
    """Train the adapter of these cards from zero.

    Args:
        model: The base; held exclusively until the build is done.
        subspace: Frozen ``A`` of each target layer.
        cards: At most a shard's worth; their order does not matter.
        recipe: Every number.
        rehearsal: Unrelated prompts for each step.
        seed: From the digest of the cards, so that no two shards share a draw.
        progress: Called now and then with one line.

    Raises:
        AdapterError: no cards, the subspace does not fit the model, or the loss diverged.
        ModelError: a card does not fit the context.
    """
    if not cards:
        raise AdapterError("an adapter needs at least one card")
    data = _Data(model, cards, recipe, rehearsal, seed)
    arithmetic = arithmetic_of(recipe)
    with model.exclusive() as hf, _deterministic(seed), arithmetic.prepare(hf):
        layers = list(target_layers(hf, recipe, model.model_id))
        wrapped = _wrap(hf, layers, subspace, recipe)
        try:
            trained = [p for p in wrapped.parameters() if p.requires_grad]
            optimiser = arithmetic.optimiser(trained, recipe)
            steps, loss = _train(wrapped, data, recipe, optimiser, model.pad_token, progress)
            modules = {name: _factors(wrapped, name) for name in layers}
        finally:
            wrapped.unload()
            hf.requires_grad_(requires_grad=False)
    return TrainedAdapter(modules, steps, loss)


def _train(  # noqa: PLR0917 - one loop, all of it used
    wrapped: PeftModel,
    data: _Data,
    recipe: Recipe,
    optimiser: Updates,
    pad: int,
    progress: Progress | None,
) -> tuple[int, float]:
    """The loop. Returns the steps taken and the last loss, in nats a token."""
    schedule = _Schedule.of(recipe, len(data.cards))
    step, first, loss = 0, math.inf, math.inf
    while step < schedule.total:
        loss, min_p = _backward(wrapped.get_base_model(), data.rows(step), recipe, pad)
        first = loss if step == 0 else first
        _check_divergence(loss, first, step, recipe)
        optimiser.step(float(recipe.optimiser.learning_rate) * schedule.factor(step))
        schedule.observe(step, min_p, recipe)
        step += 1
        if progress is not None and step % _REPORT_EVERY == 0:
            progress(f"training {len(data.cards)} cards: step {step}/{schedule.total}")
    return step, loss


def _backward(hf: Any, rows: Sequence[_Row], recipe: Recipe, pad: int) -> tuple[float, float]:  # noqa: ANN401
    """Gradients of the mean loss per answer token that counts; the cards' smallest probability."""
    batches = _shapes(rows, recipe.pad_multiple)
    if recipe.loss.weighting == "threshold":
        return _backward_threshold([_losses(hf, batch, recipe, pad) for batch in batches])
    tokens = sum(len(row.ids) - row.start for row in rows)
    total, min_p = 0.0, 1.0
    for batch in batches:
        losses, of_cards = _losses(hf, batch, recipe, pad)
        summed = losses.sum() / tokens
        summed.backward()  # type: ignore[no-untyped-call]
        total += float(summed.detach())
        min_p = min(min_p, _min_p(losses, of_cards))
    return total, min_p


def _backward_threshold(scored: Sequence[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """The same where only tokens below one half count; they are known when all have been seen."""
    losses = torch.cat([loss for loss, _ in scored])
    counts = (losses.detach() > math.log(2)).to(losses.dtype)
    # With every token above one half nothing is left to learn, and the gradient is zero.
    mean = (losses * counts).sum() / counts.sum().clamp(min=1)
    mean.backward()  # type: ignore[no-untyped-call]
    return float(mean.detach()), min(_min_p(*one) for one in scored)


def _losses(hf: Any, batch: Sequence[_Row], recipe: Recipe, pad: int) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    """Loss in nats of every answer token of a batch, and whether it is a card's."""
    width = bucket(max(len(row.ids) for row in batch), recipe.pad_multiple)
    at = [(i, t) for i, row in enumerate(batch) for t in range(row.start, len(row.ids))]
    logits = answer_logits(
        hf,
        pad_right([row.ids for row in batch], pad, width),
        torch.tensor([i for i, _ in at]),
        torch.tensor([t - 1 for _, t in at]),
    )
    wanted = torch.tensor([batch[i].ids[t] for i, t in at])
    losses = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
    return losses, torch.tensor([batch[i].is_card for i, _ in at])


def _min_p(losses: Tensor, of_cards: Tensor) -> float:
    """Smallest probability of a card's token; 1 where there is none."""
    found = losses.detach()[of_cards]
    return math.exp(-float(found.max())) if len(found) else 1.0


def _shapes(rows: Sequence[_Row], multiple: int) -> list[list[_Row]]:
    """Rows in batches of similar length: least padding plus a price for every batch.

    Exact, by dynamic programming over the rows in order of length.
    """
    ordered = sorted(rows, key=lambda row: len(row.ids))
    widths = [bucket(len(row.ids), multiple) for row in ordered]
    ends = [i + 1 for i in range(len(widths)) if widths[i : i + 1] != widths[i + 1 : i + 2]]
    best: dict[int, tuple[int, int]] = {0: (0, 0)}
    for end in ends:
        options = ((best[cut][0] + (end - cut) * widths[end - 1], cut) for cut in best)
        cost, cut = min(options)
        best[end] = (cost + _BATCH_TOKENS, cut)
    batches, end = [], len(ordered)
    while end:
        cut = best[end][1]
        batches.append(ordered[cut:end])
        end = cut
    return batches


def _wrap(hf: Any, layers: list[str], subspace: Subspace, recipe: Recipe) -> PeftModel:  # noqa: ANN401
    """The base with LoRA on ``layers``: ``A`` from the subspace, frozen; ``B`` zero."""
    misfits = [
        name
        for name in layers
        if name not in subspace.rows
        or subspace.rows[name].shape != (recipe.rank, hf.get_submodule(name).weight.shape[1])
    ]
    if misfits:
        raise AdapterError(
            f"subspace {subspace.digest[:12]} does not fit layer {misfits[0]}",
            hint="it belongs to another base model or rank",
        )
    config = LoraConfig(**peft_config(layers, recipe.rank, "") | {"inference_mode": False})
    with warnings.catch_warnings():
        # PEFT warns of merging into tied embeddings; nothing here is ever merged.
        warnings.simplefilter("ignore")
        wrapped: PeftModel = get_peft_model(hf, config)
    wrapped.eval()
    with torch.no_grad():
        for name in layers:
            layer = hf.get_submodule(name)
            layer.lora_A["default"].weight.copy_(subspace.rows[name])
            layer.lora_A["default"].weight.requires_grad_(requires_grad=False)
    return wrapped


def _factors(wrapped: PeftModel, name: str) -> tuple[Tensor, Tensor]:
    layer: Any = wrapped.get_base_model().get_submodule(name)
    a, b = (matrix["default"].weight.detach() for matrix in (layer.lora_A, layer.lora_B))
    return a.to(torch.float32, copy=True), b.to(torch.float32, copy=True)


def _check_divergence(loss: float, first: float, step: int, recipe: Recipe) -> None:
    limit = first * float(recipe.alarm.factor)
    grown = math.isfinite(loss) and round(loss, _LOSS_DIGITS) > round(limit, _LOSS_DIGITS)
    if not math.isfinite(loss) or (grown and step >= recipe.alarm.after):
        raise AdapterError(
            f"training diverged in step {step + 1}: loss {loss:.3g} after {first:.3g}",
            hint="lower optimiser.learning_rate in the recipe",
        )


@contextmanager
def _deterministic(seed: int) -> Iterator[None]:
    """Seeded and deterministic kernels inside, the process's own settings after."""
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(mode=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(mode=before)
