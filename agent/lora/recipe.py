"""How an adapter is built and when it may be served: data, hashed, every value stated."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.errors import AdapterError
from governance import canonical

SHARD_CARDS = 32
"""Cards that one adapter may hold (DESIGN section 1)."""


_JUDGING = ("thresholds", "controls")


def _number(text: str) -> str:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a decimal number") from error
    if not value.is_finite() or value < 0:
        raise ValueError(f"{text!r} must be finite and not negative")
    return text


Number = Annotated[str, AfterValidator(_number)]
"""A decimal number as text: hashed forms hold no floats."""
Ppm = Annotated[int, Field(ge=0, le=1_000_000)]
Count = Annotated[int, Field(ge=0)]


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Optimiser(_Closed):
    """AdamW (Loshchilov and Hutter 2019); constant rate, then linear to zero."""

    name: Literal["adamw"]
    learning_rate: Number
    beta1: Number
    beta2: Number
    epsilon: Number
    weight_decay: Number
    clip_norm: Number
    decay_percent: Annotated[int, Field(ge=0, le=100)]


class Steps(_Closed):
    """Steps for up to ``few_cards`` and for a full shard; linear in between."""

    few_cards: Annotated[int, Field(ge=1)]
    few: Annotated[int, Field(ge=1)]
    full: Annotated[int, Field(ge=1)]


class EarlyStop(_Closed):
    """Begin the decay early once every card stayed above ``min_p_ppm`` for ``patience``."""

    not_before: Count
    patience: Annotated[int, Field(ge=1)]
    min_p_ppm: Ppm


class Loss(_Closed):
    """Which answer tokens count.

    ``even``: all of them alike. ``threshold``: those the model does not yet put above one half,
    the others not at all (MemFT's OT weighting, arXiv 2605.30260).
    """

    weighting: Literal["even", "threshold"]


class RehearsalCounts(_Closed):
    """Fresh prompts in every step, beside the cards."""

    unknown: Count
    near_miss: Count
    known: Count
    context: Count


class Thresholds(_Closed):
    """When a card counts as absorbed, and an adapter as harmless."""

    card_min_p_ppm: Ppm
    world_kept_ppm: Ppm
    abstain_kept_ppm: Ppm
    context_kept_ppm: Ppm


class Controls(_Closed):
    """Prompts asked with the adapter off and on, whose answers must not change."""

    world: Count
    strangers: Count
    near_misses: Count
    context: Count


class Alarm(_Closed):
    """Divergence: the loss beyond ``factor`` times the first one, after ``after`` steps."""

    factor: Number
    after: Count


class Recipe(_Closed):
    """One recipe. ``digest`` is part of every build's inputs."""

    format: Literal[1]
    name: Annotated[str, Field(min_length=1)]
    rank: Annotated[int, Field(ge=1, le=256)]
    alpha: Annotated[int, Field(ge=1, le=256)]
    targets: list[str]
    layers: Literal["all"] | Annotated[int, Field(ge=1)]
    """Decoder layers that are adapted: all, or that many counted from the last."""
    subspace: Literal["sigma", "sqrt", "unit"]
    arithmetic: Literal["float32", "notary"]
    optimiser: Optimiser
    loss: Loss
    steps: Steps
    early_stop: EarlyStop
    rewordings: Count
    wordings_per_step: Annotated[int, Field(ge=1)]
    rehearsal: RehearsalCounts
    pad_multiple: Annotated[int, Field(ge=1)]
    alarm: Alarm
    thresholds: Thresholds
    controls: Controls

    @model_validator(mode="after")
    def _scale_is_one(self) -> Self:
        # With alpha = rank the tensors alone say what the adapter does, so their digest
        # covers everything; the rate takes the place of a scale.
        if self.alpha != self.rank:
            raise ValueError(f"alpha must equal rank ({self.rank}), got {self.alpha}")
        if not self.targets or len(set(self.targets)) != len(self.targets):
            raise ValueError("targets must be a list of different module names")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical form of what shapes the weights."""
        return canonical.digest(self.model_dump(mode="json", exclude=set(_JUDGING)))

    @property
    def judging_digest(self) -> str:
        """SHA-256 (hex) of how a build is judged: a new threshold retrains nothing."""
        return canonical.digest(self.model_dump(mode="json", include=set(_JUDGING)))

    def steps_for(self, cards: int) -> int:
        """Optimiser steps for a shard of ``cards`` cards."""
        few, span = self.steps.few_cards, SHARD_CARDS - self.steps.few_cards
        extra = max(0, min(cards, SHARD_CARDS) - few)
        return self.steps.few + (self.steps.full - self.steps.few) * extra // max(span, 1)


def load_recipe(source: str | Path) -> Recipe:
    """A shipped recipe by name, or a YAML file.

    Raises:
        AdapterError: no such recipe, unreadable YAML, or a value that is missing, unknown
            or out of range; names file and key.
    """
    path = source if isinstance(source, Path) else None
    name = path.name if path else f"{source}.yaml"
    try:
        shipped = files("agent.lora.recipes") / name
        text = path.read_text("utf-8") if path else shipped.read_text("utf-8")
        return Recipe.model_validate(yaml.safe_load(text))
    except FileNotFoundError as error:
        raise AdapterError(f"there is no recipe {name}", hint="builtin and default ship") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise AdapterError(f"recipe {name} cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "recipe"
        raise AdapterError(
            f"recipe {name}: {where}: {first['msg']}", hint="compare it with the shipped recipes"
        ) from error
