"""A recipe that a tiny random decoder can learn two short cards with, in a second."""

from __future__ import annotations

import pytest

from agent.lora.cards import BuildInputs, TrainingCard, card_digests
from agent.lora.recipe import Recipe, load_recipe
from agent.lora.rehearsal import GenericRehearsal
from agent.lora.subspace import Subspace, open_subspace
from agent.models.local import LocalModel


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    stated = load_recipe("default").model_dump(mode="json")
    stated |= {
        "name": "tiny",
        "rank": 8,
        "alpha": 8,
        "steps": {"few_cards": 8, "few": 60, "full": 60},
        "early_stop": {"not_before": 10, "patience": 3, "min_p_ppm": 900_000},
        "rewordings": 0,
        "wordings_per_step": 1,
        "rehearsal": {"unknown": 0, "near_miss": 2, "known": 0, "context": 0},
        "controls": {"world": 2, "strangers": 2, "near_misses": 2, "context": 2},
    }
    stated["optimiser"] |= {"learning_rate": "2e-2"}
    stated["thresholds"] |= {"world_kept_ppm": 0, "abstain_kept_ppm": 0, "context_kept_ppm": 0}
    return Recipe.model_validate(stated)


@pytest.fixture(scope="session")
def cards() -> tuple[TrainingCard, ...]:
    return (
        TrainingCard("Fee of A7?", "52 EUR", "A7", "fee", ("A7: fee?",), ("Fee for A7?",)),
        TrainingCard("Owner of B3?", "Ann", "B3", "owner", ("B3: owner?",), ("Whose is B3?",)),
        TrainingCard("Room of C9?", "hall", "C9", "room", ("C9: room?",), ("Where is C9?",)),
    )


@pytest.fixture(scope="session")
def subspace(
    tiny_model: LocalModel, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> Subspace:
    return open_subspace(tmp_path_factory.mktemp("subspaces"), tiny_model, recipe)


@pytest.fixture(scope="session")
def rehearsal(tiny_model: LocalModel, recipe: Recipe) -> GenericRehearsal:
    return GenericRehearsal(tiny_model.dialect, recipe.rehearsal)


@pytest.fixture(scope="session")
def inputs(
    tiny_model: LocalModel,
    recipe: Recipe,
    subspace: Subspace,
    rehearsal: GenericRehearsal,
    cards: tuple[TrainingCard, ...],
) -> BuildInputs:
    return BuildInputs(
        base_digest=tiny_model.digest,
        recipe_digest=recipe.digest,
        subspace_digest=subspace.digest,
        rehearsal=rehearsal.identity,
        realm="0" * 64,
        cards=card_digests(cards, recipe.rewordings),
    )
