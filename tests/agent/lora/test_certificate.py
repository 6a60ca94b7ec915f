from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from agent.lora.cards import TrainingCard, canonical_order
from agent.lora.certificate import Certificate, Certifier
from agent.lora.diff import weight_difference
from agent.lora.recipe import Recipe
from agent.lora.rehearsal import GenericRehearsal
from agent.lora.subspace import Subspace
from agent.lora.train import build
from agent.models.local import LocalModel, ServableAdapter

Cards = tuple[TrainingCard, ...]


@pytest.fixture(scope="module")
def adapter(
    tiny_model: LocalModel,
    subspace: Subspace,
    recipe: Recipe,
    rehearsal: GenericRehearsal,
    cards: Cards,
) -> ServableAdapter:
    trained = build(tiny_model, subspace, cards[:2], recipe, rehearsal=rehearsal, seed=3)
    return ServableAdapter("a" * 64, tiny_model.digest, trained.modules)


def _strict(recipe: Recipe, **thresholds: int) -> Recipe:
    stated = recipe.model_dump(mode="json")
    stated["thresholds"] |= thresholds
    return Recipe.model_validate(stated)


def test_a_learned_card_is_certified_and_one_never_seen_is_marked(
    tiny_model: LocalModel, recipe: Recipe, adapter: ServableAdapter, cards: Cards
) -> None:
    certificate = Certifier(tiny_model, recipe).certify(adapter, cards)
    by_card = dict(zip(canonical_order(cards), certificate.cards, strict=True))
    for card in cards[:2]:
        result = by_card[card]
        assert result.certified
        assert result.exact
        assert result.first_failing is None
        assert result.min_p_off_ppm < 550_000 <= result.min_p_ppm
    unseen = by_card[cards[2]]
    assert not unseen.certified
    assert unseen.first_failing is not None
    assert certificate.passed
    assert certificate.reason == "2 of 3 cards absorbed"


def test_probes_show_every_question_before_and_after(
    tiny_model: LocalModel, recipe: Recipe, adapter: ServableAdapter, cards: Cards
) -> None:
    certificate = Certifier(tiny_model, recipe).certify(adapter, cards)
    kinds = [probe.kind for probe in certificate.probes]
    assert [kinds.count(kind) for kind in ("card", "reworded", "world", "context")] == [3, 3, 2, 2]
    assert kinds.count("stranger") == 4
    learned = [p for p in certificate.probes if p.kind == "card" and p.after == p.expected]
    assert {probe.question for probe in learned} == {card.question for card in cards[:2]}
    assert all(probe.before != probe.expected for probe in learned)
    assert {change.module for change in certificate.modules} == adapter.modules.keys()
    assert all(change.relative_ppm > 0 for change in certificate.modules)


def test_an_adapter_that_absorbed_nothing_or_loses_controls_does_not_pass(
    tiny_model: LocalModel, recipe: Recipe, adapter: ServableAdapter, cards: Cards
) -> None:
    nothing = Certifier(tiny_model, recipe).certify(adapter, cards[2:])
    assert not nothing.passed
    assert nothing.reason == "no card was absorbed"

    certifier = Certifier(tiny_model, _strict(recipe, world_kept_ppm=1_000_000))
    # As if the bare model had known these: a random one forgets nothing.
    certifier._fixed_off = [c.expected for c in certifier._fixed]
    harmful = certifier.certify(adapter, cards[:2])
    assert not harmful.passed
    assert "world controls kept 0.00" in harmful.reason
    assert harmful.world_kept_ppm == 0
    # What was never known cannot be lost.
    assert (
        Certifier(tiny_model, _strict(recipe, world_kept_ppm=1_000_000))
        .certify(adapter, cards[:2])
        .passed
    )


def test_certifying_leaves_the_model_serving_what_it_served(
    tiny_model: LocalModel, recipe: Recipe, adapter: ServableAdapter, cards: Cards
) -> None:
    certifier = Certifier(tiny_model, recipe)
    first = certifier.certify(adapter, cards)
    assert tiny_model.served is None
    with tiny_model.with_adapter(replace(adapter, digest="b" * 64)):
        assert certifier.certify(adapter, cards) == first
        assert tiny_model.served == "b" * 64


def test_the_payload_names_entries_in_canonical_order_and_round_trips(
    tiny_model: LocalModel, recipe: Recipe, adapter: ServableAdapter, cards: Cards
) -> None:
    certifier = Certifier(tiny_model, recipe)
    certificate = certifier.certify(adapter, cards)
    again = Certificate.model_validate_json(certificate.model_dump_json())
    assert again == certificate
    payload = certificate.payload("shard-1", "a" * 64, ["x", "y", "z"])
    assert [card.entry_id for card in payload.cards] == ["x", "y", "z"]
    assert payload.controls_kept_ppm == certificate.world_kept_ppm
    assert certifier.key(cards) == certifier.key(cards[::-1])
    assert certifier.key(cards) != certifier.key(cards[:2])
    stricter = Certifier(tiny_model, _strict(recipe, card_min_p_ppm=900_000))
    assert stricter.key(cards) != certifier.key(cards)


def test_weight_differences_equal_full_matrices(
    tiny_model: LocalModel, adapter: ServableAdapter
) -> None:
    generator = torch.Generator().manual_seed(1)

    def noise(*, same_subspace: bool) -> ServableAdapter:
        modules = {
            name: (
                a if same_subspace else torch.randn(a.shape, generator=generator),
                torch.randn(b.shape, generator=generator),
            )
            for name, (a, b) in adapter.modules.items()
        }
        return replace(adapter, modules=modules)

    hf = tiny_model._loaded().hf

    def expected(first: ServableAdapter | None, second: ServableAdapter) -> dict[str, int]:
        found = {}
        for name, (a, b) in second.modules.items():
            change = b.double() @ a.double()
            if first is not None:
                change -= first.modules[name][1].double() @ first.modules[name][0].double()
            weight = hf.get_submodule(name).weight.double()
            found[name] = round(1_000_000 * float(change.norm() / weight.norm()))
        return found

    for same in (True, False):
        other = noise(same_subspace=same)
        for first in (None, adapter):
            changes = weight_difference(tiny_model, first, other)
            assert {c.module: c.relative_ppm for c in changes} == pytest.approx(
                expected(first, other), abs=1
            )
    assert all(c.relative_ppm == 0 for c in weight_difference(tiny_model, adapter, adapter))
    assert weight_difference(tiny_model, None, None) == []
