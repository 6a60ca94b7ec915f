"""From what a user wrote after ``--model`` to a model."""

from __future__ import annotations

from pathlib import Path

from agent.errors import ModelError
from agent.models.protocol import LanguageModel

FORMS = "builtin, local:PATH or endpoint:URL[#MODEL]"


def load_model(spec: str) -> LanguageModel:
    """The model that ``spec`` names: ``builtin``, ``local:PATH``, ``endpoint:URL[#MODEL]``.

    Raises:
        ModelError: the form is unknown, the path is no model, or nobody answers.
    """
    kind, _, rest = spec.partition(":")
    if spec == "builtin":
        return _builtin()
    if kind == "local" and rest:
        from agent.models.local import LocalModel  # noqa: PLC0415 - only what is asked for

        return LocalModel(Path(rest).expanduser())
    if kind == "endpoint" and rest:
        from agent.models.endpoint import EndpointModel  # noqa: PLC0415

        return EndpointModel.connect(rest)
    raise ModelError(f"unknown model {spec!r}", hint=f"use {FORMS}")


def _builtin() -> LanguageModel:
    from agent.models.builtin import WEIGHTS, BuiltinDialect  # noqa: PLC0415
    from agent.models.local import LocalModel  # noqa: PLC0415

    return LocalModel(WEIGHTS, model_id="builtin", dialect=BuiltinDialect())
