"""The builtin model: a tiny decoder trained by this project on generated text.

``WEIGHTS`` is the directory of the shipped checkpoint, loadable by path through
Transformers; ``BuiltinDialect`` owns its prompts and parsers.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from agent.models.builtin.dialect import BuiltinDialect

WEIGHTS = Path(str(files(__package__) / "weights"))
"""Directory with ``model.safetensors``, ``config.json`` and the tokenizer."""

__all__ = ["WEIGHTS", "BuiltinDialect"]
