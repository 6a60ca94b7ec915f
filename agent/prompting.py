"""One question put to a model with notes before it."""

from __future__ import annotations

from collections.abc import Sequence

from agent.models.protocol import LanguageModel


def answer(model: LanguageModel, question: str, notes: Sequence[str]) -> str:
    """What the model says, read as an answer.

    Raises:
        ModelError: the model cannot be asked.
    """
    prompt = model.dialect.answer_prompt(question, notes)
    (text,) = model.generate([prompt], max_new_tokens=model.dialect.limits.answer_tokens)
    return model.dialect.parse_answer(text)
