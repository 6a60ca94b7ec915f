from __future__ import annotations

import random

import pytest

from agent.lora.cards import TrainingCard
from agent.lora.controls import fixed_controls, near_controls
from agent.lora.recipe import load_recipe
from agent.lora.rehearsal import (
    BuiltinRehearsal,
    GenericRehearsal,
    look_alike,
    near_misses,
    rehearsal_for,
)
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.chat import ChatDialect
from agent.models.protocol import UNKNOWN

CARDS = tuple(
    TrainingCard(f"What is the {a} of {t}?", v, t, a, (f"Tell me the {a} of {t}.",))
    for t, a, v in (
        ("claim CL-20417", "excess", "250 EUR"),
        ("claim CL-20417", "adjuster", "Dana Whit"),
        ("claim CL-30055", "excess", "100 EUR"),
        ("Nordstern Garage", "phone number", "0351 200"),
    )
)


@pytest.mark.parametrize("kind", [BuiltinRehearsal, GenericRehearsal])
def test_rehearsal_is_fresh_in_every_step_and_the_same_every_time(
    kind: type[BuiltinRehearsal | GenericRehearsal],
) -> None:
    counts = load_recipe("default").rehearsal.model_copy(update={"known": 2})
    rehearsal = kind(BuiltinDialect(), counts)
    first = rehearsal.pairs(CARDS, 1, 0)
    assert first == kind(BuiltinDialect(), counts).pairs(CARDS, 1, 0)
    assert first != rehearsal.pairs(CARDS, 1, 1)
    assert first != rehearsal.pairs(CARDS, 2, 0)
    unknown = [prompt for prompt, target in first if UNKNOWN in target]
    assert len(unknown) >= counts.unknown
    assert len(first) > len(unknown)


def test_no_near_miss_has_an_answer_among_the_cards() -> None:
    asked = near_misses(CARDS, "seed", 200)
    assert len(asked) == 200
    answered = {text for card in CARDS for text in (card.question, *card.rewordings)}
    assert not answered & set(asked)
    # Positive control: they are about the cards' own subjects and attributes.
    assert any("claim CL-20417" in question for question in asked)
    assert any(question == "What is the excess of Nordstern Garage?" for question in asked)
    assert near_misses((), "seed", 3) == []


def test_what_a_revoked_card_answered_becomes_a_near_miss() -> None:
    revoked, *others = CARDS
    assert revoked.question in near_misses(others, "seed", 300)
    assert revoked.question not in near_misses(CARDS, "seed", 300)
    assert not any("250" in question for question in near_misses(others, "seed", 300))


def test_a_look_alike_keeps_the_form() -> None:
    rng = random.Random(1)
    other = look_alike("claim CL-20417", rng)
    assert other != "claim CL-20417"
    assert other.startswith("claim CL-")
    assert len(other) == len("claim CL-20417")
    person = look_alike("Dana Whitfield", rng)
    assert person != "Dana Whitfield"
    assert len(person.split()) == 2


def test_each_family_gets_its_rehearsal() -> None:
    counts = load_recipe("default").rehearsal
    assert rehearsal_for(BuiltinDialect(), counts).identity == "builtin-1"
    assert rehearsal_for(ChatDialect(), counts).identity == "generic-1"


def test_no_control_is_ever_rehearsed() -> None:
    recipe = load_recipe("builtin")
    dialect = BuiltinDialect()
    rehearsal = BuiltinRehearsal(dialect, recipe.rehearsal)
    rehearsed = {prompt for step in range(60) for prompt, _ in rehearsal.pairs(CARDS, 9, step)}
    controls = (*fixed_controls(recipe.controls), *near_controls(CARDS, recipe.controls))
    prompts = {dialect.answer_prompt(c.question, c.notes): c.kind for c in controls}
    assert {kind for prompt, kind in prompts.items() if prompt in rehearsed} <= {"stranger"}
    assert not {c.expected for c in controls if c.kind == "world"} & {UNKNOWN}
    world = [prompt for prompt, kind in prompts.items() if kind == "world"]
    assert len(world) == recipe.controls.world
    assert not set(world) & rehearsed
    assert len(rehearsed) > 500


def test_controls_are_the_same_every_time_and_hold_their_answers() -> None:
    counts = load_recipe("builtin").controls
    controls = fixed_controls(counts)
    assert controls == fixed_controls(counts)
    context = [control for control in controls if control.kind == "context"]
    assert len(context) == counts.context
    assert all(any(c.expected in note for note in c.notes) for c in context)
    strangers = [control for control in controls if control.kind == "stranger"]
    assert len(strangers) == counts.strangers
    assert all(c.expected == UNKNOWN and not c.notes for c in strangers)
