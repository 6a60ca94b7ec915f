"""Settling: what is served always follows from what may act. A builder that only counts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import cast

import pytest

from agent.lora.shards import BuiltShard, ShardBuilder, ShardPlan
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.scripted import ScriptedModel
from agent.target import NOT_ABSORBED, AgentMemory
from governance import revocation, rollback
from governance.events import (
    Actor,
    AdapterCertified,
    AdapterTrained,
    CardBody,
    CardCertificate,
    CardRef,
    EntryActivated,
    EntryApproved,
    EntryProposed,
    EntryVerified,
    Payload,
    Scope,
    SourceIngested,
    Span,
    content_digest,
)
from governance.ledger import EventDraft, Ledger
from governance.state import State

AGENT = Actor(kind="agent", id="a")
RULES = Actor(kind="policy", id="p")
PERSON = Actor(kind="human", id="rosa")
SCOPE = Scope()


@dataclass
class CountingBuilder:
    """Builds by hashing the cards; remembers what it trained, like the real store."""

    unabsorbed: set[str] = field(default_factory=set)
    harmful: bool = False
    trained: list[tuple[str, ...]] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)

    def inputs(self, plan: ShardPlan) -> SimpleNamespace:
        text = "|".join(sorted(entry.content_digest for entry in plan.cards))
        return SimpleNamespace(digest=hashlib.sha256(text.encode()).hexdigest())

    def build(self, plan: ShardPlan, state: State, progress: object = None) -> BuiltShard:
        inputs = self.inputs(plan).digest
        reused = inputs in self.known
        if not reused:
            self.known[inputs] = hashlib.sha256(f"bytes {inputs}".encode()).hexdigest()
            self.trained.append(tuple(entry.entry_id for entry in plan.cards))
        digest = self.known[inputs]
        trained = AdapterTrained(
            shard_id=plan.shard_id, digest=digest, version=len(self.trained) or 1,
            inputs_digest=inputs, base_digest="b", recipe_digest="r", subspace_digest="s",
            cards=[CardRef(entry_id=e.entry_id, version=e.version) for e in plan.cards],
            seed=1, steps=1, environment="e", duration_ms=1, reused=reused,
        )  # fmt: skip
        certified = AdapterCertified(
            shard_id=plan.shard_id, digest=digest, passed=not self.harmful,
            reason="harms controls" if self.harmful else "ok",
            cards=[self._card(e.entry_id) for e in plan.cards], controls_kept_ppm=1_000_000,
            abstain_kept_ppm=1_000_000, context_kept_ppm=1_000_000, probes=[], modules=[],
        )  # fmt: skip
        return BuiltShard(trained, certified, reused)

    def _card(self, entry_id: str) -> CardCertificate:
        good = entry_id not in self.unabsorbed
        return CardCertificate(
            entry_id=entry_id, min_p_ppm=900_000 if good else 1, min_p_off_ppm=0,
            first_failing=None if good else 0, exact=good, probes_exact=0, probes=0,
            certified=good,
        )  # fmt: skip


@dataclass
class Bench:
    """A ledger, a memory over it, and cards approved into it."""

    ledger: Ledger
    memory: AgentMemory
    builder: CountingBuilder

    def approve(self, *names: str, episode: str = "one") -> None:
        for name in names:
            body = CardBody(topic="t", attribute=name, question=f"What is {name}?", answer=name)
            self._append(
                [
                    (AGENT, EntryProposed(entry_id=name, version=1, body=body, spans=[SPAN])),
                    (RULES, EntryVerified(entry_id=name, version=1, results=[], risk_ppm=0)),
                    (RULES, EntryApproved(
                        entry_id=name, version=1, content_digest=content_digest(body),
                        reason_code="policy",
                    )),
                ],
                episode,
            )  # fmt: skip

    def _append(self, events: Sequence[tuple[Actor, Payload]], episode: str) -> None:
        self.ledger.append([EventDraft(p, actor, SCOPE, episode=episode) for actor, p in events])

    def settle(self) -> None:
        self.memory.settle(SCOPE)

    def served(self) -> dict[str, set[str]]:
        state = self.ledger.state
        return {
            shard.shard_id: {ref.entry_id for ref in state.shard_cards(shard.shard_id)}
            for shard in state.shards.values()
            if shard.active
        }

    def status(self, name: str) -> str:
        return self.ledger.state.entries[name].status


SPAN = Span(source_id="s", start=0, end=4)


@pytest.fixture
def bench(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Bench:
    source = SourceIngested(
        source_id="s", kind="human", name="s", media_type="text/plain",
        sha256=hashlib.sha256(b"text").hexdigest(),
        trust="internal", text="text",
    )  # fmt: skip
    ledger.append([EventDraft(source, AGENT, SCOPE)])
    memory = AgentMemory(ledger, ScriptedModel({}, dialect=BuiltinDialect()))
    builder = CountingBuilder()
    monkeypatch.setattr(memory, "_builder", cast("ShardBuilder", builder))
    return Bench(ledger, memory, builder)


def test_approved_cards_are_served_and_settling_twice_builds_once(bench: Bench) -> None:
    bench.approve("a", "b")
    assert bench.served() == {}
    bench.settle()
    assert list(bench.served().values()) == [{"a", "b"}]
    assert (bench.status("a"), bench.status("b")) == ("active", "active")
    head = bench.ledger.head
    bench.settle()
    assert bench.ledger.head == head
    assert len(bench.builder.trained) == 1


def test_cards_of_another_episode_open_another_shard(bench: Bench) -> None:
    bench.approve("a", episode="one")
    bench.settle()
    bench.approve("b", episode="two")
    bench.approve("c", episode="one")
    bench.settle()
    assert sorted(map(sorted, bench.served().values())) == [["a", "c"], ["b"]]
    assert ("b",) in bench.builder.trained
    assert not any({"a", "b"} <= set(build) for build in bench.builder.trained)


def test_revocation_withdraws_at_once_and_rebuilds_without_the_card(bench: Bench) -> None:
    bench.approve("a", "b", "c")
    bench.settle()
    plan = revocation.plan_revocation(bench.ledger, "b")
    revocation.revoke(bench.ledger, plan, actor=PERSON, reason_code="wrong")
    assert bench.served() == {}
    bench.settle()
    assert list(bench.served().values()) == [{"a", "c"}]
    assert bench.status("b") == "revoked"


def test_a_rebuilt_shard_is_the_adapter_that_never_saw_the_card(bench: Bench) -> None:
    bench.approve("a", "c")
    bench.settle()
    (never_saw,) = (shard.active for shard in bench.ledger.state.shards.values())
    bench.approve("b")
    bench.settle()
    (with_b,) = (shard.active for shard in bench.ledger.state.shards.values())
    assert with_b != never_saw
    plan = revocation.plan_revocation(bench.ledger, "b")
    revocation.revoke(bench.ledger, plan, actor=PERSON, reason_code="wrong")
    builds = len(bench.builder.trained)
    bench.settle()
    assert [shard.active for shard in bench.ledger.state.shards.values()] == [never_saw]
    assert len(bench.builder.trained) == builds


def test_rollback_serves_the_old_adapter_and_trains_nothing(bench: Bench) -> None:
    bench.approve("a")
    bench.settle()
    then, old = bench.ledger.head.seq, dict(bench.served())
    bench.approve("b")
    bench.settle()
    assert bench.served() != old
    builds = len(bench.builder.trained)
    plan = rollback.plan_rollback(bench.ledger, then)
    rollback.rollback(bench.ledger, plan, actor=PERSON, reason_code="drill")
    bench.settle()
    assert bench.served() == old
    assert len(bench.builder.trained) == builds


def test_a_card_that_was_not_absorbed_is_never_active_and_not_retried(bench: Bench) -> None:
    bench.builder.unabsorbed = {"b"}
    bench.approve("a", "b")
    bench.settle()
    assert (bench.status("a"), bench.status("b")) == ("active", "approved")
    bench.settle()
    assert len(bench.builder.trained) == 1


def test_an_adapter_that_harms_is_not_served_and_not_retried(bench: Bench) -> None:
    bench.builder.harmful = True
    bench.approve("a")
    bench.settle()
    assert bench.served() == {}
    assert bench.status("a") == "approved"
    bench.settle()
    assert len(bench.builder.trained) == 1
    bench.builder.harmful = False
    bench.approve("b")
    bench.settle()
    assert list(bench.served().values()) == [{"a", "b"}]


def test_a_worse_adapter_does_not_replace_one_in_service(bench: Bench) -> None:
    bench.approve("a", "b")
    bench.settle()
    before = bench.served()
    bench.builder.unabsorbed = {"a"}
    bench.approve("c")
    bench.settle()
    assert bench.served() == before
    assert (bench.status("a"), bench.status("c")) == ("active", "approved")
    bench.settle()
    assert len(bench.builder.trained) == 2


def test_a_card_lost_in_a_forced_rebuild_is_quarantined(bench: Bench) -> None:
    bench.approve("a", "b", "c")
    bench.settle()
    bench.builder.unabsorbed = {"a"}
    plan = revocation.plan_revocation(bench.ledger, "b")
    revocation.revoke(bench.ledger, plan, actor=PERSON, reason_code="wrong")
    bench.settle()
    assert bench.status("a") == "quarantined"
    assert bench.ledger.state.entries["a"].reason_code == NOT_ABSORBED
    assert bench.status("c") == "active"
    assert list(bench.served().values()) == [{"c"}]


def test_a_shard_that_holds_nothing_any_more_is_not_served(bench: Bench) -> None:
    bench.approve("a", "b")
    bench.settle()
    assert list(bench.served().values()) == [{"a", "b"}]
    bench.builder.unabsorbed = {"a"}
    plan = revocation.plan_revocation(bench.ledger, "b")
    revocation.revoke(bench.ledger, plan, actor=PERSON, reason_code="wrong")
    bench.settle()
    assert bench.served() == {}
    assert bench.status("a") == "quarantined"


def test_a_frozen_ledger_is_not_settled(bench: Bench) -> None:
    from governance.events import LedgerFrozen, LedgerThawed

    bench.approve("a")
    bench.ledger.append([EventDraft(LedgerFrozen(reason="audit"), PERSON)])
    bench.settle()
    assert bench.served() == {}
    bench.ledger.append([EventDraft(LedgerThawed(reason="done"), PERSON)])
    bench.settle()
    assert list(bench.served().values()) == [{"a"}]


def test_a_card_cannot_be_active_outside_a_certified_adapter(bench: Bench) -> None:
    from governance.errors import IllegalTransitionError

    bench.approve("a")
    claim = EntryActivated(entry_id="a", version=1, adapter_digest="0" * 64)
    with pytest.raises(IllegalTransitionError):
        bench.ledger.append([EventDraft(claim, AGENT, SCOPE)])
    bench.settle()
    assert bench.status("a") == "active"


def test_a_model_without_weights_settles_nothing(ledger: Ledger) -> None:
    memory = AgentMemory(ledger, ScriptedModel({}, dialect=BuiltinDialect()))
    assert not memory.has_weights
    assert list(memory.settle(SCOPE)) == []
    assert memory.route(SCOPE, "What is a?") is None
