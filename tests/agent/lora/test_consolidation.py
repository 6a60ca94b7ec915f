"""Sleep: the same cards, sorted by topic and learned for longer; swapped only when no worse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent import consolidation
from agent.consolidation import Consolidated, consolidate, plan_consolidation, with_passes
from agent.lora.cards import TrainingCard
from agent.lora.recipe import Recipe
from agent.lora.shards import ShardBuilder
from agent.models import load
from agent.models.local import LocalModel
from agent.target import AgentMemory
from governance import revocation
from governance.cli import app, load_commands
from governance.errors import FrozenError
from governance.events import EntryApproved, EntryProposed, Scope, Span
from governance.ledger import EventDraft, Ledger
from tests.agent.lora.test_shards import _body
from tests.governance import drafts
from tests.governance.test_freeze import freeze

OTHER = Scope(tenant="default", agent="default", user="eve")


def approve(ledger: Ledger, name: str, card: TrainingCard, episode: str, scope: Scope) -> None:
    body, spans = _body(card), [Span(source_id=f"s-{scope.user}", start=0, end=10)]
    proposal: EntryProposed = drafts.proposed(name, body, spans=spans)
    ledger.append(
        [
            EventDraft(proposal, drafts.BOT, scope, episode=episode),
            EventDraft(drafts.verified(name), drafts.SYSTEM, scope),
            EventDraft(drafts.decided(EntryApproved, name, body), drafts.ANN, scope),
        ]
    )


def about(card: TrainingCard, topic: str) -> TrainingCard:
    return replace(
        card,
        topic=topic,
        question=card.question.replace(card.topic, topic),
        rewordings=tuple(text.replace(card.topic, topic) for text in card.rewordings),
    )


@pytest.fixture
def memory(
    home: Path, tiny_model: LocalModel, recipe: Recipe, cards: tuple[TrainingCard, ...]
) -> Iterator[AgentMemory]:
    """Two episodes about the same topics, so two shards, and a third of another user."""
    with Ledger.open(home, create=True) as ledger:
        for scope in (drafts.HERE, OTHER):
            source = drafts.source(f"s-{scope.user}")
            ledger.append([EventDraft(source, drafts.SYSTEM, scope)])
        memory = AgentMemory(ledger, tiny_model)
        memory._builder = ShardBuilder(tiny_model, home, recipe=recipe)
        # A model of random weights answers held-out wordings by chance: it is not asked any.
        fee, owner, room = (replace(card, probes=()) for card in cards)
        for name, card, episode, scope in (
            ("fee", fee, "one", drafts.HERE),
            ("owner", about(owner, "A7"), "two", drafts.HERE),
            ("room", room, "two", drafts.HERE),
            ("eve", fee, "three", OTHER),
        ):
            approve(ledger, name, card, episode, scope)
        memory.settle(drafts.HERE)
        yield memory


def served(memory: AgentMemory) -> dict[str, set[str]]:
    """Shard in service → the cards that act through it."""
    state = memory._ledger.state
    found: dict[str, set[str]] = {}
    for shard in state.shards.values():
        if shard.active is not None:
            found[shard.shard_id] = {
                entry.entry_id
                for entry in state.entries.with_status("active")
                if entry.adapter_digest == shard.active
            }
    return found


def sleep(memory: AgentMemory, recipe: Recipe, passes: int = 2) -> list[Consolidated]:
    builder = memory._require_builder()
    again = ShardBuilder(builder.model, memory._ledger.home, recipe=with_passes(recipe, passes))
    return list(consolidate(memory._ledger, again))


def test_cards_are_learned_by_topic_and_the_old_shards_leave_service(
    memory: AgentMemory, recipe: Recipe
) -> None:
    before = served(memory)
    assert sorted(map(sorted, before.values())) == [["eve"], ["fee"], ["owner", "room"]]
    plans = plan_consolidation(memory._ledger.state)
    assert [{e.entry_id for e in plan.cards} for plan in plans] == [
        {"fee", "owner", "room"},
        {"eve"},
    ]
    assert plans[1].shard_id in before  # a set that one shard holds keeps its shard
    done = sleep(memory, recipe)
    assert [one.because for one in done] == ["", ""]
    after = served(memory)
    assert sorted(map(sorted, after.values())) == [["eve"], ["fee", "owner", "room"]]
    report = memory._ledger.verify()
    assert report.ok, report.problems
    assert memory.settle(drafts.HERE) == []  # what was swapped in stays
    assert sleep(memory, recipe) == []  # and the same again changes nothing


def test_a_topic_stays_together_and_scopes_and_capacity_hold(memory: AgentMemory) -> None:
    plans = plan_consolidation(memory._ledger.state, capacity=2)
    held = [sorted(entry.entry_id for entry in plan.cards) for plan in plans]
    assert held == [["fee", "owner"], ["room"], ["eve"]]
    split = plan_consolidation(memory._ledger.state, capacity=1)
    assert [len(plan.cards) for plan in split] == [1, 1, 1, 1]
    assert len({plan.shard_id for plan in split}) == 4


@pytest.mark.parametrize("worse", ["wordings", "notes"])
def test_what_is_worse_is_recorded_and_not_served(
    memory: AgentMemory, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, worse: str
) -> None:
    """One figure below what serves now is enough."""
    before = served(memory)
    better = consolidation._present

    def present(ledger: Ledger, plan: object) -> consolidation.Quality:
        found = better(ledger, plan)  # type: ignore[arg-type]
        return replace(found, **{worse: 2_000_000})

    monkeypatch.setattr(consolidation, "_present", present)
    done = sleep(memory, recipe)
    assert {one.because for one in done} == {f"worse: {worse}"}
    assert served(memory) == before
    assert {memory._ledger.state.adapters[one.digest].status for one in done} == {"certified"}
    assert sleep(memory, recipe) == []  # the same is not tried again


def test_a_card_that_was_moved_is_revoked_like_any_other(
    memory: AgentMemory, recipe: Recipe
) -> None:
    sleep(memory, recipe)
    plan = revocation.plan_revocation(memory._ledger, "fee")
    revocation.revoke(memory._ledger, plan, actor=drafts.ANN, reason_code="wrong")
    assert sorted(map(sorted, served(memory).values())) == [["eve"]]
    memory.settle(drafts.HERE)
    assert sorted(map(sorted, served(memory).values())) == [["eve"], ["owner", "room"]]


def test_a_frozen_ledger_is_left_as_it_is(memory: AgentMemory, recipe: Recipe) -> None:
    freeze(memory._ledger)
    head = memory._ledger.head
    with pytest.raises(FrozenError):
        sleep(memory, recipe)
    assert memory._ledger.head == head


def test_passes_multiply_the_steps_and_nothing_else(recipe: Recipe) -> None:
    assert with_passes(recipe, 1).digest == recipe.digest
    longer = with_passes(recipe, 4)
    assert longer.steps_for(8) == 4 * recipe.steps_for(8)
    same = longer.model_copy(update={"steps": recipe.steps, "early_stop": recipe.early_stop})
    assert same == recipe


def test_the_command_plans_swaps_and_finds_nothing_more_to_do(
    memory: AgentMemory, home: Path, tiny_model: LocalModel, recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    memory._ledger.close()
    monkeypatch.setattr(load, "load_model", lambda _: tiny_model)
    monkeypatch.setattr("agent.lora.recipe.load_recipe", lambda _: recipe)
    load_commands()

    def command(*args: str) -> str:
        result = CliRunner().invoke(app, ["consolidate", *args, "--home", str(home)])
        assert result.exit_code == 0, result.output
        return result.stdout

    planned = json.loads(command("--dry-run", "--json"))["shards"]
    assert [len(one["cards"]) for one in planned] == [3, 1]
    assert "3 card(s) on A7, C9" in command("--dry-run")
    done = json.loads(command("--json"))["shards"]
    assert [one["swapped"] for one in done] == [True, True]
    assert "nothing to do" in command()
