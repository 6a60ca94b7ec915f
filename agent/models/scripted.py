"""A model that says what it was told to say: for tests, and for walking through a run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from agent.errors import ModelError
from agent.models.protocol import Dialect

Responder = Callable[[str], str | None]
"""Prompt → text, or ``None`` when it has nothing to say to it."""


class ScriptedModel:
    """Answers from a table or a function; same prompt, same text. Implements LanguageModel.

    ``calls`` keeps every prompt in order. A prompt that the script does not foresee
    gets ``default``, or, when there is none, a ``ModelError``: a silent empty answer
    would let a test pass for the wrong reason.
    """

    def __init__(
        self,
        script: Mapping[str, str] | Responder,
        *,
        dialect: Dialect,
        default: str | None = None,
        context_tokens: int = 2048,
        model_id: str = "scripted",
    ) -> None:
        self._respond: Responder = script.get if isinstance(script, Mapping) else script
        self._dialect = dialect
        self._default = default
        self._context_tokens = context_tokens
        self._model_id = model_id
        self.calls: list[str] = []

    @property
    def model_id(self) -> str:
        """``scripted`` unless named otherwise."""
        return self._model_id

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the id: a script has no weights."""
        return hashlib.sha256(self._model_id.encode()).hexdigest()

    @property
    def dialect(self) -> Dialect:
        """The dialect its prompts come in."""
        return self._dialect

    @property
    def context_tokens(self) -> int:
        """Longest prompt, in its tokens."""
        return self._context_tokens

    def count_tokens(self, text: str) -> int:
        """Words of ``text``."""
        return len(text.split())

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """The scripted texts, cut to ``max_new_tokens`` words.

        Raises:
            ModelError: the script has no answer to a prompt and there is no default.
        """
        return [self._one(prompt, max_new_tokens) for prompt in prompts]

    def _one(self, prompt: str, max_new_tokens: int) -> str:
        self.calls.append(prompt)
        text = self._respond(prompt)
        if text is None:
            text = self._default
        if text is None:
            raise ModelError(
                f"the script has no answer to {prompt[:60]!r}",
                hint="add the prompt to the script or give a default",
            )
        if len(text.split()) <= max_new_tokens:
            return text
        return " ".join(text.split()[:max_new_tokens])
