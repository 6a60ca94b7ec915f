"""The shipped recipe on the shipped model: what the product claims of a small shard."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent.lora.adapter import tensor_file
from agent.lora.cards import TrainingCard
from agent.lora.certificate import Certifier
from agent.lora.recipe import Recipe, load_recipe
from agent.lora.rehearsal import rehearsal_for
from agent.lora.subspace import open_subspace
from agent.lora.train import build
from agent.models.builtin import WEIGHTS, BuiltinDialect
from agent.models.builtin.dialect import question_for
from agent.models.builtin.facts import FactMaker
from agent.models.fingerprint import bytes_digest
from agent.models.local import LocalModel, ServableAdapter
from agent.models.protocol import UNKNOWN

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not (WEIGHTS / "model.safetensors").is_file(), reason="no builtin weights here"
    ),
]


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return LocalModel(WEIGHTS, model_id="builtin", dialect=BuiltinDialect())


@pytest.fixture(scope="module")
def shipped() -> Recipe:
    return load_recipe("builtin")


@pytest.fixture(scope="module")
def people(model: LocalModel) -> list[TrainingCard]:
    dialect = model.dialect
    return [
        TrainingCard(
            question_for(fact.subject, fact.attribute),
            fact.value,
            fact.subject,
            fact.attribute,
            dialect.rewordings(fact.subject, fact.attribute, held_out=False),
            dialect.rewordings(fact.subject, fact.attribute, held_out=True),
        )
        for fact in FactMaker(random.Random(21), held_out=True).facts(6)
    ]


def _build(
    model: LocalModel, recipe: Recipe, cards: list[TrainingCard], folder: Path
) -> ServableAdapter:
    trained = build(
        model,
        open_subspace(folder, model, recipe),
        cards,
        recipe,
        rehearsal=rehearsal_for(model.dialect, recipe.rehearsal),
        seed=1,
    )
    digest = bytes_digest(tensor_file(trained.modules))
    return ServableAdapter(digest, model.digest, trained.modules)


def _answers(model: LocalModel, cards: list[TrainingCard]) -> list[str]:
    dialect = model.dialect
    prompts = [dialect.answer_prompt(card.question, ()) for card in cards]
    texts = model.generate(prompts, max_new_tokens=dialect.limits.answer_tokens)
    return [dialect.parse_answer(text) for text in texts]


def test_cards_are_absorbed_and_a_revoked_one_is_unknown_again(
    model: LocalModel, shipped: Recipe, people: list[TrainingCard], tmp_path: Path
) -> None:
    assert UNKNOWN in _answers(model, people)
    learned = _build(model, shipped, people, tmp_path)
    certificate = Certifier(model, shipped).certify(learned, people)
    assert certificate.passed, certificate.reason
    assert all(card.certified for card in certificate.cards)
    assert sum(c.probes_exact for c in certificate.cards) >= 0.7 * 3 * len(people)

    revoked, survivors = people[0], people[1:]
    rebuilt = _build(model, shipped, survivors, tmp_path)
    assert rebuilt.digest != learned.digest
    with model.with_adapter(rebuilt):
        assert _answers(model, survivors) == [card.answer for card in survivors]
        assert _answers(model, [revoked]) != [revoked.answer]
    with model.with_adapter(learned):
        assert _answers(model, [revoked]) == [revoked.answer]
