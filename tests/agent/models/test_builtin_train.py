from __future__ import annotations

import importlib.util
import json
from itertools import islice
from pathlib import Path

import pytest

if importlib.util.find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from agent.models.builtin import WEIGHTS, train
from agent.models.builtin.corpus import Corpus, Example
from agent.models.builtin.dialect import END
from agent.models.builtin.induction import write_induction_heads
from agent.models.builtin.muon import Muon, orthogonalise


def copying_accuracy(model: LlamaForCausalLM, length: int) -> float:
    generator = torch.Generator().manual_seed(3)
    once = torch.randint(20, model.config.vocab_size, (4, length), generator=generator)
    ids = torch.cat([once, once], dim=1)
    with torch.inference_mode():
        guesses = model(input_ids=ids).logits.argmax(dim=-1)
    at = slice(length + 2, 2 * length - 1)
    right: torch.Tensor = guesses[:, at] == ids[:, length + 3 :]
    return float(right.float().mean())


def test_untrained_model_copies_only_with_written_induction_heads() -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(train.config_for(1280, 1, 0))
    assert copying_accuracy(model, 60) < 0.1
    write_induction_heads(model, seed=0)
    assert copying_accuracy(model, 60) > 0.9


def test_orthogonalise_makes_singular_values_near_one() -> None:
    generator = torch.Generator().manual_seed(1)
    batch = torch.randn(3, 16, 40, generator=generator)
    values = torch.linalg.svdvals(orthogonalise(batch))
    assert float(torch.linalg.svdvals(batch).max()) > 5
    assert 0.5 < float(values.min()) <= float(values.max()) < 1.5


def test_muon_steps_downhill_and_clears_gradients() -> None:
    torch.manual_seed(0)
    tall = torch.nn.Parameter(torch.randn(12, 6))
    muon = Muon([tall], lr=0.05, momentum=0.9)
    before = float(tall.detach().square().sum())
    for _ in range(5):
        (0.5 * tall.square().sum()).backward()  # type: ignore[no-untyped-call]
        muon.step(1.0)
        assert tall.grad is None
    assert float(tall.detach().square().sum()) < before


def test_schedule() -> None:
    assert train.rate_at(0.1) == 1.0
    assert 0 < train.rate_at(0.0) < 1
    assert 0 < train.rate_at(0.9) < 0.2
    assert train.rate_at(1.0) == 0.0
    lengths = [train.longest_at(share / 10) for share in range(10)]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_rows_mark_targets_and_batches_keep_to_their_size() -> None:
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    (row,) = train.rows_of([Example("qa", ("ask", f" four{END}"))], tokenizer)
    assert tokenizer.decode([i for i, t in zip(row.ids, row.target, strict=True) if t]) == (
        f" four{END}"
    )
    for batch in islice(train.batches(Corpus(1), tokenizer, 200, 1024), 5):
        assert max(len(row.ids) for row in batch) * len(batch) <= 1024


def test_a_short_run_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "TOKENIZER_EXAMPLES", 150)
    monkeypatch.setattr(train, "POOL_BATCHES", 1)
    monkeypatch.setattr(train, "CURRICULUM", ((0.0, 112),))
    run = tmp_path / "run"
    common = ["--out", str(run), "--batch-tokens", "512", "--report-every", "1"]
    train.main([*common, "--seconds", "0.1"])
    first = json.loads((run / train.PROGRESS).read_text())
    train.main([*common, "--seconds", str(first["seconds"] + 0.2), "--resume"])
    second = json.loads((run / train.PROGRESS).read_text())
    assert 0 < first["steps"] < second["steps"]
    assert first["tokens"] < second["tokens"]
    printed = capsys.readouterr().out
    assert "seconds = 0.1  [command line]" in printed
    assert "seed = 7  [default]" in printed
    assert AutoTokenizer.from_pretrained(run).eos_token == END
