from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from agent.errors import AdapterError
from agent.lora.recipe import Recipe, load_recipe


@pytest.mark.parametrize("name", ["builtin", "default"])
def test_shipped_recipes_load_and_state_every_value(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    required = {key for key, field in Recipe.model_fields.items() if field.is_required()}
    assert required == set(Recipe.model_fields)


def test_steps_grow_with_the_cards_and_stop_at_a_full_shard() -> None:
    recipe = load_recipe("builtin")
    steps = [recipe.steps_for(cards) for cards in range(1, 41)]
    assert steps[0] == steps[7] == recipe.steps.few
    assert steps[31] == steps[39] == recipe.steps.full
    assert steps == sorted(steps)


def test_the_digest_covers_what_shapes_the_weights_and_not_how_they_are_judged(
    recipe: Recipe,
) -> None:
    stated = recipe.model_dump(mode="json")
    rate = Recipe.model_validate(
        stated | {"optimiser": stated["optimiser"] | {"learning_rate": "1e-3"}}
    )
    judged = Recipe.model_validate(
        stated | {"thresholds": stated["thresholds"] | {"card_min_p_ppm": 600_000}}
    )
    assert rate.digest != recipe.digest
    assert judged.digest == recipe.digest
    assert judged.judging_digest != recipe.judging_digest
    assert rate.judging_digest == recipe.judging_digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 0}, "rank"),
        ({"alpha": 3}, "alpha must equal rank"),
        ({"targets": []}, "targets"),
        ({"surprise": 1}, "surprise"),
        ({"subspace": "random"}, "subspace"),
        ({"optimiser": {"name": "adamw"}}, r"optimiser\.learning_rate"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(
    tmp_path: Path, recipe: Recipe, change: dict[str, object], message: str
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert load_recipe(file) == recipe
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json") | change))
    with pytest.raises(AdapterError, match=rf"mine\.yaml.*{message}"):
        load_recipe(file)


@pytest.mark.parametrize("rate", ["fast", "nan", "-1", "inf"])
def test_a_rate_must_be_a_decimal_number(recipe: Recipe, rate: str, tmp_path: Path) -> None:
    stated = recipe.model_dump(mode="json")
    stated["optimiser"]["learning_rate"] = rate
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(stated))
    with pytest.raises(AdapterError, match="learning_rate"):
        load_recipe(file)


def test_missing_and_malformed_recipes_are_named(tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"no recipe nothing\.yaml"):
        load_recipe("nothing")
    file = tmp_path / "bad.yaml"
    file.write_text("a: [")
    with pytest.raises(AdapterError, match=r"bad\.yaml cannot be read"):
        load_recipe(file)
