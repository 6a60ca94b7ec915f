"""Structured initialisation: a decoder that copies before it is trained.

Random weights take long to find induction heads (Olsson et al., arXiv 2209.11895), and a
model of this size trained for an hour on a CPU never does. So they are written in: the
residual stream starts out as [constant | token | sketches of the 1st, 2nd, 3rd previous
token]; layer 0 fills the sketches by position, layer 1 finds where the recent tokens stood
before and copies what came next. Everything else starts at zero output and is learned.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from transformers import LlamaForCausalLM

ROPE_THETA: Final = 1e5
SLOT: Final = 32
"""Width of one previous-token sketch."""
_MU: Final = 0.5
_PREVIOUS_GAIN: Final = 67.0
_MATCH_NATS: Final = 20.0
_COPY_GAIN: Final = 3.0


def write_induction_heads(model: LlamaForCausalLM, seed: int) -> None:
    """Overwrite the weights of ``model`` (3 heads of 64, hidden 192) in place."""
    generator = torch.Generator().manual_seed(seed)
    hidden, heads = model.config.hidden_size, model.config.num_attention_heads
    head = hidden // heads
    tokens = hidden - 1 - 3 * SLOT
    with torch.no_grad():
        table = torch.randn(model.config.vocab_size, tokens, generator=generator)
        table /= table.norm(dim=1, keepdim=True)
        embedding = torch.zeros(model.config.vocab_size, hidden)
        embedding[:, 0] = _MU
        embedding[:, 1 : 1 + tokens] = table
        model.model.embed_tokens.weight.copy_(embedding)
        for layer in model.model.layers:
            for linear in (layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj):
                linear.weight.normal_(0.0, 0.05, generator=generator)
            for linear in (layer.mlp.gate_proj, layer.mlp.up_proj):
                linear.weight.normal_(0.0, 0.05, generator=generator)
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        sketch = _orthonormal(SLOT, tokens, generator)
        _previous_token_heads(model, sketch, head, tokens)
        _matching_heads(model, sketch, head, tokens, generator)


def _orthonormal(rows: int, columns: int, generator: torch.Generator) -> torch.Tensor:
    square = torch.randn(columns, columns, generator=generator)
    basis: torch.Tensor = torch.linalg.qr(square)[0]
    return basis[:rows]


def _previous_token_heads(
    model: LlamaForCausalLM, sketch: torch.Tensor, head: int, tokens: int
) -> None:
    """Layer 0: head ``j`` attends ``j + 1`` back and writes that token's sketch."""
    attention = model.model.layers[0].self_attn
    scale = math.sqrt((1 + _MU**2) / model.config.hidden_size)
    mu = _MU / scale
    half = head // 2
    angles = ROPE_THETA ** (-torch.arange(half, dtype=torch.float32) / half)
    amplitude = math.sqrt(_PREVIOUS_GAIN) / mu
    for j in range(3):
        rows = slice(j * head, (j + 1) * head)
        q, k = (
            torch.zeros(head, model.config.hidden_size),
            torch.zeros(head, model.config.hidden_size),
        )
        k[:half, 0] = amplitude
        q[:half, 0] = amplitude * torch.cos(angles * (j + 1))
        q[half:, 0] = -amplitude * torch.sin(angles * (j + 1))
        attention.q_proj.weight[rows] = q
        attention.k_proj.weight[rows] = k
        v = torch.zeros(head, model.config.hidden_size)
        v[:SLOT, 1 : 1 + tokens] = sketch * math.sqrt(tokens / SLOT) * scale
        attention.v_proj.weight[rows] = v
        slot = 1 + tokens + j * SLOT
        attention.o_proj.weight[slot : slot + SLOT, rows] = torch.eye(SLOT, head)


def _matching_heads(
    model: LlamaForCausalLM,
    sketch: torch.Tensor,
    head: int,
    tokens: int,
    generator: torch.Generator,
) -> None:
    """Layer 1: match the last one, two or three tokens, copy the token that followed."""
    attention = model.model.layers[1].self_attn
    hidden, half = model.config.hidden_size, head // 2
    norm = math.sqrt(1 + _MU**2 + 3)
    scale = norm / math.sqrt(hidden)
    slots = [slice(1 + tokens + j * SLOT, 1 + tokens + (j + 1) * SLOT) for j in range(3)]
    own = torch.zeros(SLOT, hidden)
    own[:, 1 : 1 + tokens] = sketch * math.sqrt(tokens / SLOT)
    written = []
    for slot in slots:
        reader = torch.zeros(SLOT, hidden)
        reader[:, slot] = torch.eye(SLOT)
        written.append(reader)
    queries, keys = [own, written[0], written[1]], written
    for h, (first_pair, nats) in enumerate([(16, 1.0), (11, 1.2), (9, 1.4)]):
        dims = [*range(first_pair, half), *range(first_pair + half, head)]
        width = len(dims) // (h + 1)
        q, k = torch.zeros(head, hidden), torch.zeros(head, hidden)
        gain = math.sqrt(_MATCH_NATS * nats * math.sqrt(head)) * scale
        gain *= math.sqrt(SLOT / (width * (h + 1)))
        for part in range(h + 1):
            into = dims[part * width : (part + 1) * width]
            take = torch.randperm(SLOT, generator=generator)[:width]
            q[into] = queries[part][take] * gain
            k[into] = keys[part][take] * gain
        rows = slice(h * head, (h + 1) * head)
        attention.q_proj.weight[rows] = q
        attention.k_proj.weight[rows] = k
        basis = _orthonormal(head, tokens, generator)
        v = torch.zeros(head, hidden)
        v[:, 1 : 1 + tokens] = basis
        attention.v_proj.weight[rows] = v
        attention.o_proj.weight[1 : 1 + tokens, rows] = basis.T * (_COPY_GAIN / 2 * scale)
