"""Batches through a Transformers decoder: greedy text, teacher-forced scores, logits.

Results must not depend on what else is in a batch. So padding is on the right (causal
attention never looks there), its width is decided by the row itself, and a batch has at
least ``MIN_ROWS`` rows: BLAS multiplies one to three rows by another path, whose last
bits differ; from four on every row is computed alike (tested bit for bit).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import torch
from torch import Tensor
from transformers import DynamicCache

from agent.models.protocol import TokenScores

BUCKET_TOKENS: Final = 16
"""Sequences are padded to a multiple of this."""
MIN_ROWS: Final = 4
MAX_ROWS: Final = 16
_HEAD_TRICKS: Final = ("final_logit_softcapping", "logit_scale", "logits_scaling")


def bucket(length: int, multiple: int = BUCKET_TOKENS) -> int:
    """``length`` rounded up to a multiple."""
    return -(-length // multiple) * multiple


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of sequences of one padded length, at most ``MAX_ROWS`` together."""
    order = sorted(range(len(lengths)), key=lambda i: (bucket(lengths[i]), i))
    batch: list[int] = []
    for i in order:
        full = len(batch) == MAX_ROWS
        if batch and (full or bucket(lengths[i]) != bucket(lengths[batch[0]])):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def pad_right(sequences: Sequence[Sequence[int]], pad: int, width: int | None = None) -> Tensor:
    """``int64 [rows, width]``; the width is that of the longest, rounded up."""
    width = width or bucket(max(len(ids) for ids in sequences))
    return torch.tensor([[*ids, *[pad] * (width - len(ids))] for ids in sequences])


def answer_logits(hf: Any, ids: Tensor, rows: Tensor, columns: Tensor) -> Tensor:  # noqa: ANN401
    """Next-token logits ``[n, vocabulary]`` at the positions ``(rows, columns)`` of ``ids``.

    Only these positions pass the output layer, which for small answers saves most of it.
    Models that post-process their logits are run whole.
    """
    if any(getattr(hf.config, name, None) for name in _HEAD_TRICKS):
        logits: Tensor = hf(input_ids=ids, use_cache=False).logits[rows, columns]
        return logits
    hidden = hf.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
    picked: Tensor = hf.get_output_embeddings()(hidden[rows, columns])
    return picked


def score(hf: Any, pairs: Sequence[tuple[Sequence[int], int]], pad: int) -> list[TokenScores]:  # noqa: ANN401
    """Scores of ``ids[start:]`` for each ``(ids, start)`` of one batch."""
    filled = [*pairs, *[pairs[0]] * (MIN_ROWS - len(pairs))]
    rows = [row for row, (ids, start) in enumerate(filled) for _ in ids[start:]]
    columns = [at - 1 for ids, start in filled for at in range(start, len(ids))]
    wanted = torch.tensor([token for ids, start in filled for token in ids[start:]])
    ids = pad_right([ids for ids, _ in filled], pad)
    logits = answer_logits(hf, ids, torch.tensor(rows), torch.tensor(columns))
    log_p = torch.log_softmax(logits, dim=-1).gather(1, wanted[:, None])[:, 0].tolist()
    top = (logits.argmax(dim=-1) == wanted).tolist()
    results, at = [], 0
    for sequence, start in pairs:
        stop = at + len(sequence) - start
        results.append(TokenScores(tuple(log_p[at:stop]), tuple(top[at:stop])))
        at = stop
    return results


def greedy(
    hf: Any,  # noqa: ANN401 - transformers is untyped
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    stops: AbstractSet[int],
    pad: int,
) -> list[list[int]]:
    """Greedy continuations of one batch, up to and without the first stop token."""
    rows = [*range(len(prompts)), *[0] * (MIN_ROWS - len(prompts))]
    ids = pad_right([prompts[row] for row in rows], pad)
    lengths = torch.tensor([len(prompts[row]) for row in rows])
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    cache = DynamicCache(config=hf.config)
    hidden = _step(hf, cache, input_ids=ids)
    hidden = hidden[torch.arange(len(rows)), lengths - 1]
    outputs: list[list[int]] = [[] for _ in prompts]
    open_rows = set(range(len(prompts)))
    for _ in range(max_new_tokens):
        token = _head(hf, hidden).argmax(dim=-1)
        for row, value in zip(rows, token.tolist(), strict=True):
            if row in open_rows and value in stops:
                open_rows.discard(row)
        _extend(outputs, rows, token.tolist(), open_rows)
        if not open_rows:
            break
        kept = _compact(rows, open_rows)
        if kept is not None:
            rows, token = [rows[at] for at in kept], token[kept]
            mask, lengths = mask[kept], lengths[kept]
            cache.batch_select_indices(torch.tensor(kept))
        mask = torch.cat([mask, torch.ones(len(rows), 1, dtype=mask.dtype)], dim=1)
        hidden = _step(
            hf, cache, input_ids=token[:, None], attention_mask=mask, position_ids=lengths[:, None]
        )[:, -1]
        lengths = lengths + 1
    return outputs


def _extend(
    outputs: list[list[int]],
    rows: Sequence[int],
    tokens: Sequence[int],
    open_rows: AbstractSet[int],
) -> None:
    """Append each open row's token once: filler rows repeat a row."""
    seen: set[int] = set()
    for row, value in zip(rows, tokens, strict=True):
        if row in open_rows and row not in seen:
            outputs[row].append(value)
            seen.add(row)


def _compact(rows: Sequence[int], open_rows: AbstractSet[int]) -> list[int] | None:
    """Positions to go on with once half of the rows are done; never below ``MIN_ROWS``."""
    if len(rows) <= MIN_ROWS or len(open_rows) > len(rows) // 2:
        return None
    going = [at for at, row in enumerate(rows) if row in open_rows]
    done = [at for at, row in enumerate(rows) if row not in open_rows]
    return [*going, *done[: max(0, MIN_ROWS - len(going))]]


def _step(hf: Any, cache: DynamicCache, **inputs: Tensor) -> Tensor:  # noqa: ANN401
    output = hf.get_decoder()(past_key_values=cache, use_cache=True, **inputs)
    hidden: Tensor = output.last_hidden_state
    return hidden


def _head(hf: Any, hidden: Tensor) -> Tensor:  # noqa: ANN401
    logits: Tensor = hf.get_output_embeddings()(hidden)
    return logits


def low_rank_hook(a: Tensor, b: Tensor) -> Callable[[Any, tuple[Tensor, ...], Tensor], Tensor]:
    """A forward hook that adds ``x Aᵀ Bᵀ`` to a linear layer's output."""

    def add(_module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:  # noqa: ANN401
        return output + torch.nn.functional.linear(torch.nn.functional.linear(inputs[0], a), b)

    return add
