from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import ModelError
from agent.models.builtin import WEIGHTS, BuiltinDialect
from agent.models.load import load_model
from agent.models.local import LocalModel


def test_a_path_is_a_local_model(tiny_folder: Path) -> None:
    model = load_model(f"local:{tiny_folder}")
    assert isinstance(model, LocalModel)
    assert model.model_id == "local:tiny"


@pytest.mark.parametrize("spec", ["", "gpt", "local:", "endpoint:", "builtin:x", "LOCAL:x"])
def test_other_forms_are_refused_with_the_ones_that_exist(spec: str) -> None:
    with pytest.raises(ModelError, match="unknown model") as caught:
        load_model(spec)
    assert "endpoint:URL" in caught.value.hint


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        load_model(f"local:{tmp_path / 'nothing'}")


@pytest.mark.skipif(
    not (WEIGHTS / "model.safetensors").is_file(), reason="the builtin weights are not shipped yet"
)
def test_the_builtin_model_loads_and_answers_from_notes() -> None:
    model = load_model("builtin")
    assert model.model_id == "builtin"
    dialect = model.dialect
    assert isinstance(dialect, BuiltinDialect)
    prompt = dialect.answer_prompt(
        "What is the excess of claim CL-20417?", ["The excess of claim CL-20417 is 250 euros."]
    )
    (text,) = model.generate([prompt], max_new_tokens=dialect.limits.answer_tokens)
    assert dialect.parse_answer(text) == "250 euros"


def test_naming_a_model_imports_no_torch(tiny_folder: Path) -> None:
    program = (
        "import sys; from agent.models.load import load_model; "
        f"load_model({f'local:{tiny_folder}'!r}); "
        "import agent.lora.shards, agent.lora.router; "
        "assert not {'torch', 'transformers', 'peft'} & set(sys.modules), 'heavy import'; "
        "import torch; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path.cwd())
