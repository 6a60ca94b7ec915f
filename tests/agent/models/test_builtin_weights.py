from __future__ import annotations

import importlib.util

import pytest

from agent.models.builtin import WEIGHTS, BuiltinDialect, __all__
from agent.models.builtin.dialect import SPECIAL_TOKENS
from agent.models.protocol import UNKNOWN, Turn

if importlib.util.find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

from agent.models.local import LocalModel

DIALECT = BuiltinDialect()
NOTES = [
    "The deductible of claim CL-20417 is EUR 350.",
    "The adjuster of claim CL-20417 is Ilse Marwood.",
    "The deductible of claim CL-30518 is EUR 500.",
]


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return LocalModel(WEIGHTS, model_id="builtin", dialect=DIALECT)


def ask(model: LocalModel, question: str, notes: list[str]) -> str:
    (text,) = model.generate([DIALECT.answer_prompt(question, notes)], max_new_tokens=24)
    return DIALECT.parse_answer(text)


def test_public_names() -> None:
    assert __all__ == ["WEIGHTS", "BuiltinDialect"]


def test_files_are_small_and_complete() -> None:
    names = {path.name for path in WEIGHTS.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= names
    assert (WEIGHTS / "model.safetensors").stat().st_size <= 16 * 2**20


def test_markers_are_single_tokens(model: LocalModel) -> None:
    for marker in SPECIAL_TOKENS:
        assert model.count_tokens(marker) == 1
    assert model.count_tokens("claim CL-20417") > 1


def test_answers_from_notes_and_declines_without(model: LocalModel) -> None:
    assert ask(model, "What is the deductible of claim CL-20417?", NOTES) == "EUR 350"
    assert ask(model, "What is the deductible of claim CL-30518?", NOTES) == "EUR 500"
    assert ask(model, "What is the deductible of claim CL-99102?", NOTES) == UNKNOWN
    assert ask(model, "What is the deductible of claim CL-20417?", []) == UNKNOWN


def test_knows_a_world_fact(model: LocalModel) -> None:
    assert ask(model, "What is the capital of France?", []) == "Paris"


def test_finds_a_fact_and_finds_none(model: LocalModel) -> None:
    turns = [
        Turn("agent", "What is your policy number?"),
        Turn("customer", "It's PN-88213."),
        Turn("agent", "Thank you very much."),
    ]
    windows = DIALECT.extraction_windows(turns)
    prompts = [DIALECT.extraction_prompt(window, "claim CL-20417") for window in windows]
    texts = model.generate(prompts, max_new_tokens=40)
    drafts = [
        DIALECT.parse_extraction(text, window, "claim CL-20417")
        for text, window in zip(texts, windows, strict=True)
    ]
    assert drafts[0] == ()
    assert [(d.attribute, d.answer) for d in drafts[1]] == [("policy number", "PN-88213")]
    assert drafts[2] == ()
