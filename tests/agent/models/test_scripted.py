from __future__ import annotations

import pytest

from agent.errors import ModelError
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.protocol import LanguageModel
from agent.models.scripted import ScriptedModel


def test_it_says_what_it_was_told_and_remembers_what_it_was_asked() -> None:
    model: LanguageModel = ScriptedModel({"a": "one", "b": "two three"}, dialect=BuiltinDialect())
    assert model.generate(["b", "a"], max_new_tokens=5) == ["two three", "one"]
    assert model.generate(["b"], max_new_tokens=1) == ["two"]
    assert isinstance(model, ScriptedModel)
    assert model.calls == ["b", "a", "b"]
    assert model.count_tokens("two three") == 2
    assert (model.model_id, len(model.digest), model.context_tokens) == ("scripted", 64, 2048)
    assert isinstance(model.dialect, BuiltinDialect)


def test_an_unforeseen_prompt_is_an_error_unless_there_is_a_default() -> None:
    def respond(prompt: str) -> str | None:
        return prompt.upper() if prompt.isalpha() else None

    strict = ScriptedModel(respond, dialect=BuiltinDialect())
    assert strict.generate(["abc"], max_new_tokens=9) == ["ABC"]
    with pytest.raises(ModelError, match="no answer to '123'"):
        strict.generate(["123"], max_new_tokens=9)
    lax = ScriptedModel(respond, dialect=BuiltinDialect(), default="unknown")
    assert lax.generate(["123"], max_new_tokens=9) == ["unknown"]
