"""``adapter list|show|export|import`` and ``replay``, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner, Result

from agent.lora.cards import TrainingCard
from agent.lora.shards import ShardBuilder, plan_shards
from agent.lora.store import AdapterStore
from agent.models import load
from agent.models.local import LocalModel
from governance.cli import app, load_commands
from governance.ledger import Ledger
from tests.agent.lora.test_interop import LATER, _approve
from tests.governance import drafts


def run(home: Path, *args: str, code: int = 0) -> Result:
    load_commands()
    result = CliRunner().invoke(app, [*args, "--home", str(home)])
    assert result.exit_code == code, result.output + str(result.exception)
    return result


def data(home: Path, *args: str) -> Any:
    return json.loads(run(home, *args, "--json").stdout)


@pytest.fixture
def built(
    home: Path,
    tiny_model: LocalModel,
    cards: tuple[TrainingCard, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Digest of a build of two cards by the recipe that ships for such a model."""
    monkeypatch.setenv("PALIMPSEST_ACTOR", "human:ann")
    monkeypatch.setattr(load, "load_model", lambda _: tiny_model)
    with Ledger.open(home, create=True) as ledger:
        _approve(ledger, cards[:2])
        (plan,) = plan_shards(ledger.state, drafts.HERE, now_us=LATER)
        made = ShardBuilder(tiny_model, home).build(plan, ledger.state)
        ledger.append([drafts.draft(made.trained), drafts.draft(made.certified)])
    return made.trained.digest


def test_a_build_is_listed_shown_replayed_exported_and_taken_in_again(
    home: Path, built: str, tmp_path: Path
) -> None:
    (row,) = data(home, "adapter", "list")["adapters"]
    assert (row["digest"], row["stored"]) == (built, True)
    shown = data(home, "adapter", "show", built[:12])
    assert len(shown["certificate"]["cards"]) == 2
    text = run(home, "adapter", "show", built[:12]).stdout
    assert built in text
    assert "times the median" in text

    out = tmp_path / "out"
    done = data(home, "adapter", "export", built[:12], str(out))
    assert done["digest"] == built
    assert "exists" in run(home, "adapter", "export", built[:12], str(out), code=2).output
    key = data(home, "key", "show")["key"]
    proof = str(out / "trained.tlog-proof")
    checked = CliRunner().invoke(app, ["proof-check", proof, "--key", key])
    assert checked.exit_code == 0, checked.output

    AdapterStore(home).remove(built)
    assert not data(home, "adapter", "list")["adapters"][0]["stored"]
    back = data(home, "adapter", "import", str(out), "--no-build")
    assert (back["digest"], back["because"]) == (built, "recorded")
    assert AdapterStore(home).intact(built)


def test_replay_is_exact_here_and_wrong_use_is_told_apart_from_a_difference(
    home: Path, built: str
) -> None:
    assert data(home, "replay", built[:12])["replayed"][0]["verdict"] == "exact"
    sampled = data(home, "replay", "--sample", "3", "--seed", "1")
    assert [one["verdict"] for one in sampled["replayed"]] == ["exact"]
    assert "--sample" in run(home, "replay", code=2).output
    assert "does not exist" in run(home, "replay", "ffff", code=2).output


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # PEFT's own
def test_an_exported_folder_gives_plain_peft_the_same_log_probabilities(
    home: Path, built: str, tiny_model: LocalModel, tiny_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    data(home, "adapter", "export", built, str(out))
    prompt, target = tiny_model.dialect.answer_prompt("Fee of A7?", ()), "52 EUR"
    ids, start = tiny_model.encode_pair(prompt, target)
    with tiny_model.with_adapter(ShardBuilder(tiny_model, home).servable(built)):
        (ours,) = tiny_model.scores([prompt], [target])
    (bare,) = tiny_model.scores([prompt], [target])
    base = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32)
    plain = PeftModel.from_pretrained(base, str(out)).eval()
    with torch.inference_mode():
        logits = plain(input_ids=torch.tensor([ids])).logits[0, start - 1 : -1]
    wanted = torch.tensor(ids[start:])
    log_p = torch.log_softmax(logits, dim=-1).gather(1, wanted[:, None])[:, 0]
    assert log_p.tolist() == pytest.approx(ours.log_p, abs=1e-4)
    assert ours.log_p != pytest.approx(bare.log_p, abs=1e-2)  # it does change something
