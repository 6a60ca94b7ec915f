"""Train the builtin model from nothing on one CPU core.

Usage::

    python -m agent.models.builtin.train --out RUN --seconds 5400 [--sgd train.jsonl.gz]

``RUN`` receives a loadable checkpoint (``model.safetensors``, ``config.json``, tokenizer)
beside the optimiser's state; ``--resume`` goes on from it, with another mixture if wanted.
Settings are printed with their origin. Times are wall-clock seconds of training.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
)

from agent.models.builtin.corpus import MIXTURE, Corpus, Example
from agent.models.builtin.induction import ROPE_THETA, write_induction_heads
from agent.models.builtin.muon import Muon
from agent.models.builtin.sgd import SgdDialogue, read_sgd
from agent.models.builtin.tokenizer import CONTEXT_TOKENS, train_tokenizer

CURRICULUM: Final = ((0.0, 112), (0.08, 192), (0.25, 288), (0.5, 448), (0.75, 640))
"""(share of the run, longest example in tokens from then on)."""
DECAY_FROM: Final = 0.3
"""Share of the run after which the rates fall linearly to zero."""
CONTEXT_SHARE: Final = 0.08
"""Share of prompt positions that count in the loss at all (others skip the output layer)."""
CONTEXT_WEIGHT: Final = 0.4
POOL_BATCHES: Final = 12
_MATRIX: Final = 2
"""Dimensions of a weight that Muon takes."""
TOKENIZER_EXAMPLES: Final = 12_000
STATE: Final = "training_state.safetensors"
PROGRESS: Final = "progress.json"


@dataclass
class Progress:
    """How far a run has come."""

    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Row:
    """One tokenised example: ids and whether each is a target."""

    kind: str
    ids: list[int]
    target: list[bool]


def config_for(vocabulary: int, end: int, pad: int) -> LlamaConfig:
    """Llama, 4 layers of 192, three heads of 64, tied embeddings: 2.0M parameters."""
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=3,
        num_key_value_heads=3,
        head_dim=64,
        rope_parameters={"rope_theta": ROPE_THETA, "rope_type": "default"},
        tie_word_embeddings=True,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad,
    )


def rows_of(examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase) -> list[Row]:
    """Tokenised examples; prompts and targets are tokenised apart, as in use."""
    texts = [segment for example in examples for segment in example.segments]
    encoded = iter(tokenizer(texts, add_special_tokens=False)["input_ids"])
    rows: list[Row] = []
    for example in examples:
        ids: list[int] = []
        target: list[bool] = []
        for number, _ in enumerate(example.segments):
            piece = next(encoded)
            ids += piece
            target += [number % 2 == 1] * len(piece)
        rows.append(Row(example.kind, ids, target))
    return rows


def batches(
    corpus: Corpus, tokenizer: PreTrainedTokenizerBase, longest: int, batch_tokens: int
) -> Iterator[list[Row]]:
    """Batches of similar length, ``batch_tokens`` tokens each with padding, for ever."""
    size = min(1.0, longest / 448)
    while True:
        pool: list[Row] = []
        total = 0
        while total < POOL_BATCHES * batch_tokens:
            fresh = [example for _ in range(32) for example in corpus.examples(size)]
            rows = [row for row in rows_of(fresh, tokenizer) if len(row.ids) <= longest]
            pool += rows
            total += sum(len(row.ids) for row in rows)
        pool.sort(key=lambda row: len(row.ids))
        cut: list[list[Row]] = [[]]
        for row in pool:
            if cut[-1] and (len(cut[-1]) + 1) * len(row.ids) > batch_tokens:
                cut.append([])
            cut[-1].append(row)
        corpus.rng.shuffle(cut)
        yield from cut


def loss_of(
    model: LlamaForCausalLM, rows: Sequence[Row], rng: torch.Generator
) -> tuple[torch.Tensor, dict[str, tuple[float, int]]]:
    """Weighted cross-entropy of a batch, and (sum, tokens) of the targets by kind."""
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    weight = torch.zeros(len(rows), width)
    target = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row.ids)] = torch.tensor(row.ids)
        target[i, : len(row.ids)] = torch.tensor(row.target)
        weight[i, 1 : len(row.ids)] = CONTEXT_WEIGHT
    weight *= torch.rand(weight.shape, generator=rng) < CONTEXT_SHARE
    weight[target] = 1.0
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    counted = weight[:, 1:] > 0
    logits = model.lm_head(hidden[counted])
    each = torch.nn.functional.cross_entropy(logits, ids[:, 1:][counted], reduction="none")
    counted_weight = weight[:, 1:][counted]
    loss = (each * counted_weight).sum() / counted_weight.sum()
    kinds: dict[str, tuple[float, int]] = {}
    on_target = target[:, 1:][counted]
    owner = torch.arange(len(rows))[:, None].expand(-1, width - 1)[counted][on_target].tolist()
    for index, value in zip(owner, each.detach()[on_target].tolist(), strict=True):
        total, count = kinds.get(rows[index].kind, (0.0, 0))
        kinds[rows[index].kind] = (total + value, count + 1)
    return loss, kinds


def rate_at(share: float) -> float:
    """Learning-rate factor after ``share`` of the run."""
    warm = min(1.0, 0.1 + share / 0.005)
    return warm * min(1.0, max(0.0, (1 - share) / (1 - DECAY_FROM)))


def longest_at(share: float) -> int:
    """Longest example, in tokens, after ``share`` of the run."""
    return max(length for start, length in CURRICULUM if share >= start)


class Trainer:
    """Model, optimisers and progress of one run."""

    def __init__(self, settings: argparse.Namespace, sgd: Sequence[SgdDialogue]) -> None:
        self.settings = settings
        self.sgd = sgd
        self.out = Path(settings.out)
        self.progress = Progress()
        if settings.resume:
            self.tokenizer = AutoTokenizer.from_pretrained(self.out)
            for name in ("is_local", "local_files_only"):  # how it was read, not what it is
                self.tokenizer.init_kwargs.pop(name, None)
            self.model = LlamaForCausalLM.from_pretrained(self.out, dtype=torch.float32)
            self.progress = Progress(**json.loads((self.out / PROGRESS).read_text()))
        else:
            self.tokenizer, self.model = self._fresh()
        self.model.train()
        named = dict(self.model.named_parameters())
        hidden = {n: p for n, p in named.items() if p.ndim == _MATRIX and "embed" not in n}
        self.muon = Muon(hidden.values(), settings.muon_lr, 0.95)
        rest = [p for n, p in named.items() if n not in hidden]
        self.adam = torch.optim.AdamW(
            rest, lr=settings.adam_lr, betas=(0.9, 0.98), weight_decay=0.0
        )
        if settings.resume and (self.out / STATE).exists():
            self._load_state()

    def _fresh(self) -> tuple[Any, LlamaForCausalLM]:
        corpus = Corpus(f"tokenizer {self.settings.seed}", sgd=self.sgd)
        texts = [e.text for _ in range(TOKENIZER_EXAMPLES) for e in corpus.examples(0.5)]
        tokenizer = train_tokenizer(texts)
        torch.manual_seed(self.settings.seed)
        config = config_for(len(tokenizer), tokenizer.eos_token_id, tokenizer.pad_token_id)
        model = LlamaForCausalLM(config)
        write_induction_heads(model, self.settings.seed)
        return tokenizer, model

    def _load_state(self) -> None:
        state = load_file(self.out / STATE)
        for i, buffer in enumerate(self.muon.buffers):
            buffer.copy_(state[f"muon.{i}"])
        for i, parameter in enumerate(self.adam.param_groups[0]["params"]):
            self.adam.state[parameter] = {
                "step": state[f"adam.{i}.step"],
                "exp_avg": state[f"adam.{i}.exp_avg"],
                "exp_avg_sq": state[f"adam.{i}.exp_avg_sq"],
            }

    def save(self) -> None:
        """Write the checkpoint beside the old one, then take its place."""
        fresh = self.out.with_name(self.out.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        self.model.save_pretrained(fresh)
        self.tokenizer.save_pretrained(fresh)
        state = {f"muon.{i}": buffer for i, buffer in enumerate(self.muon.buffers)}
        for i, parameter in enumerate(self.adam.param_groups[0]["params"]):
            for name, value in self.adam.state.get(parameter, {}).items():
                state[f"adam.{i}.{name}"] = value.clone()
        save_file(state, fresh / STATE)
        (fresh / PROGRESS).write_text(json.dumps(vars(self.progress)))
        old = self.out.with_name(self.out.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if self.out.exists():
            self.out.rename(old)
        fresh.rename(self.out)

    def run(self) -> None:
        """Train until ``--seconds`` of training are spent; saves every ``--save-every``."""
        settings, progress = self.settings, self.progress
        stages = [*CURRICULUM, (1.0, 0)]
        last_save = progress.seconds
        for (start, longest), (end, _) in pairwise(stages):
            if progress.seconds >= end * settings.seconds:
                continue
            mixture = dict(MIXTURE) | json.loads(settings.mixture)
            seed = f"{settings.seed} {start} {progress.steps}"
            supply = batches(
                Corpus(seed, sgd=self.sgd, mixture=mixture), self.tokenizer, longest,
                settings.batch_tokens,
            )  # fmt: skip
            noise = torch.Generator().manual_seed(settings.seed + progress.steps)
            sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
            begin = time.monotonic()
            before = progress.seconds
            while progress.seconds < end * settings.seconds:
                self._step(next(supply), noise, sums)
                progress.seconds = before + time.monotonic() - begin
                if progress.steps % settings.report_every == 0:
                    _report(progress, longest, sums)
                    sums.clear()
                if progress.seconds - last_save > settings.save_every:
                    last_save = progress.seconds
                    self.save()
        self.save()

    def _step(
        self, rows: Sequence[Row], noise: torch.Generator, sums: dict[str, list[float]]
    ) -> None:
        scale = rate_at(self.progress.seconds / self.settings.seconds)
        loss, kinds = loss_of(self.model, rows, noise)
        loss.backward()  # type: ignore[no-untyped-call]
        for group in self.adam.param_groups:
            group["lr"] = self.settings.adam_lr * scale
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        self.muon.step(scale)
        self.progress.steps += 1
        self.progress.tokens += sum(len(row.ids) for row in rows)
        for kind, (total, count) in kinds.items():
            sums[kind][0] += total
            sums[kind][1] += count


def _report(progress: Progress, longest: int, sums: dict[str, list[float]]) -> None:
    losses = " ".join(f"{k} {t / n:.3f}" for k, (t, n) in sorted(sums.items()) if n)
    print(  # noqa: T201 - the run's own log
        f"{progress.seconds:7.0f} s  step {progress.steps}  {progress.tokens / 1e6:.2f} Mtok  "
        f"longest {longest}  {losses}",
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m agent.models.builtin.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", required=True, help="folder of the run")
    parser.add_argument(
        "--seconds", type=float, default=5400, help="training time of the whole run"
    )
    parser.add_argument("--resume", action="store_true", help="go on from --out")
    parser.add_argument("--sgd", help="train.jsonl.gz of Schema-Guided Dialogue (CC BY-SA 4.0)")
    parser.add_argument("--sgd-limit", type=int, default=12_000, help="dialogues read from it")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--batch-tokens", type=int, default=3072, help="padded tokens a step")
    parser.add_argument("--muon-lr", type=float, default=0.003)
    parser.add_argument("--adam-lr", type=float, default=4e-4)
    parser.add_argument("--mixture", default="{}", help="JSON that overrides shares of skills")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-every", type=float, default=300, help="seconds")
    parser.add_argument("--report-every", type=int, default=50, help="steps")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, print every setting with its origin, train."""
    parser = _parser()
    settings = parser.parse_args(arguments)
    for name, value in sorted(vars(settings).items()):
        origin = "default" if value == parser.get_default(name) else "command line"
        print(f"{name} = {value}  [{origin}]")  # noqa: T201 - the run's own log
    torch.set_num_threads(settings.threads)
    random.seed(settings.seed)
    sgd = list(read_sgd(Path(settings.sgd), settings.sgd_limit)) if settings.sgd else []
    trainer = Trainer(settings, sgd)
    print(f"parameters = {sum(p.numel() for p in trainer.model.parameters())}", flush=True)  # noqa: T201 - the run's own log
    trainer.run()


if __name__ == "__main__":
    main()
