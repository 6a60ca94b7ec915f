"""Serving from weights: what routing, swapping, withdrawing and settling cost, training apart.

route_ms               median of routing one question among 10,000 cards in four wordings each, the
                       question's embedding included, after an answer was recorded (the head
                       moved); route_p95_ms; route_first_s embeds all cards once a process
swap_ms                median of putting another adapter, already in memory, in service;
                       swap_from_store_ms reads and checks it first
withdraw_ms            median of the transaction that revokes a card and takes its adapter out of
                       service in a home of 10,000 cards; withdraw_plan_ms of planning it
settle_10000_ms        median of settling after a revocation with 10,000 cards (settle_100_ms: with
                       100) and a trainer that takes no time
rebuild_growth_ratio   the same with the time of a real build, rebuild_s, in both: 10,000 over 100
"""

from __future__ import annotations

import hashlib
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Final, cast

from agent.lora.adapter import TrainedAdapter
from agent.lora.cards import BuildInputs, scope_digest
from agent.lora.recipe import SHARD_CARDS, load_recipe
from agent.lora.shards import (
    BuiltShard,
    ShardBuilder,
    ShardPlan,
    _version,
    plan_shards,
    shipped_recipe,
)
from agent.lora.store import AdapterStore
from agent.lora.subspace import target_layers
from agent.models.builtin.dialect import BuiltinDialect, question_for
from agent.models.builtin.facts import FactMaker
from agent.models.local import LocalModel, ServableAdapter
from agent.models.scripted import ScriptedModel
from agent.target import AgentMemory
from benchmarks.ledger import AGENT, POLICY, VERIFIERS, _evidence, _folder, _timed
from governance.events import (
    Actor,
    AdapterActivated,
    AdapterCertified,
    AdapterTrained,
    CardBody,
    CardCertificate,
    CardRef,
    EntryActivated,
    EntryApproved,
    EntryProposed,
    EntryVerified,
    MemoryRecalled,
    Payload,
    Scope,
    Span,
    content_digest,
)
from governance.ledger import EventDraft, Ledger
from governance.revocation import plan_revocation, revoke
from governance.state import State

HERE: Final = Scope()
REVIEWER: Final = Actor(kind="human", id="reviewer")
_SHARD: Final = f"shard-{scope_digest(HERE)[:8]}-"


def serving_figures(*, cards: int = 10_000, few: int = 100, rounds: int = 200) -> dict[str, float]:
    """Routing, withdrawing and settling in a home of ``cards`` cards; settling also of ``few``."""
    with _folder() as folder:
        with _home(folder / "few", few) as ledger:
            small = _taking_back(ledger, _memory(ledger), few)
        with _home(folder / "many", cards) as ledger:
            memory = _memory(ledger)
            routed = _routing(ledger, memory, _facts(cards), rounds)
            large = _taking_back(ledger, memory, cards)
    settled = large.pop("settle_ms")
    return {
        **routed,
        **large,
        f"settle_{few}_ms": small["settle_ms"],
        f"settle_{cards}_ms": settled,
    }


def growth_figures(
    model: LocalModel, settling: dict[str, float], *, cards: int = 10_000, few: int = 100
) -> dict[str, float]:
    """How much longer a rebuild takes where ``cards`` are learned than where ``few`` are.

    Args:
        model: Whose build of a shard that lost a card is timed, certificate included.
        settling: Of :func:`serving_figures`.
        cards: As there.
        few: As there.
    """
    facts = _facts(SHARD_CARDS - 1)
    with _folder() as folder, Ledger.open(folder / "build", create=True) as ledger:
        ledger.append([_evidence()])
        ledger.append([draft for at, fact in enumerate(facts) for draft in _approved(at, *fact)])
        [plan] = plan_shards(ledger.state, HERE, now_us=ledger.now_us())
        builder = ShardBuilder(model, ledger.home)
        builder.inputs(plan)  # the subspace is made once a home
        seconds = _timed(builder.build, plan, ledger.state)
    total = [seconds + settling[f"settle_{size}_ms"] / 1e3 for size in (cards, few)]
    return {"rebuild_s": seconds, "rebuild_growth_ratio": total[0] / total[1]}


def swap_figures(model: LocalModel, *, rounds: int = 200) -> dict[str, float]:
    """Serving two adapters of ``model`` in turn, as large as builds by the shipped recipe.

    Their numbers are random: what they hold makes no difference to swapping them.
    """
    adapters = [_random_adapter(model, seed) for seed in (1, 2)]
    with tempfile.TemporaryDirectory(prefix="palimpsest-benchmark-") as home:
        store = AdapterStore(Path(home))
        digests = []
        for number, adapter in enumerate(adapters):
            inputs = BuildInputs(adapter.base_digest, "r", "s", "h", "0" * 64, (str(number),))
            trained = TrainedAdapter(adapter.modules, steps=1, final_loss=0.0)
            saved = store.save(trained, inputs, base_id=model.model_id, environment="benchmark")
            digests.append(saved.digest)
        kept = [store.load(digest).servable for digest in digests]
        for adapter in kept:
            model.serve(adapter)
        swaps = [_timed(model.serve, kept[n % len(kept)]) for n in range(rounds)]
        read = [
            _timed(lambda digest: model.serve(store.load(digest).servable), digest)
            for _, digest in zip(range(rounds), cycle(digests), strict=False)
        ]
        model.serve(None)
    return {"swap_ms": _median_ms(swaps), "swap_from_store_ms": _median_ms(read)}


def _random_adapter(model: LocalModel, seed: int) -> ServableAdapter:
    import torch  # noqa: PLC0415 - takes a second to import

    recipe = load_recipe(shipped_recipe(model))
    dice = torch.Generator().manual_seed(seed)
    with model.exclusive() as hf:
        modules = {
            name: (
                torch.randn(recipe.rank, layer.in_features, generator=dice),
                torch.randn(layer.out_features, recipe.rank, generator=dice),
            )
            for name, layer in target_layers(hf, recipe, model.model_id).items()
        }
    return ServableAdapter(f"random {seed}", model.digest, modules)


# --- what is measured ------------------------------------------------------------------


def _routing(
    ledger: Ledger, memory: AgentMemory, facts: Sequence[tuple[str, str]], rounds: int
) -> dict[str, float]:
    rng = random.Random(2)
    first = _timed(memory.route, HERE, "What is the fee?")
    times, right = [], 0
    for number in range(rounds):
        at = rng.randrange(len(facts))
        question = rng.choice(BuiltinDialect().rewordings(*facts[at], held_out=True))
        answered = MemoryRecalled(
            recall_id=f"route-{number}", purpose="answer", query=question, entries=[]
        )
        ledger.append([EventDraft(answered, AGENT)])
        started = time.perf_counter()
        served = memory.route(HERE, question)
        times.append(time.perf_counter() - started)
        right += served is not None and served.shard_id == _shard(at)
    return {
        "route_ms": _median_ms(times),
        "route_p95_ms": statistics.quantiles(times, n=20)[-1] * 1e3,
        "route_first_s": first,
        "route_right": right / rounds,
    }


def _taking_back(
    ledger: Ledger, memory: AgentMemory, size: int, rounds: int = 20
) -> dict[str, float]:
    """Revoke cards one by one, each in another shard where there are enough, and settle."""
    memory.settle(HERE)
    plans, revocations, settled = [], [], []
    for number in range(rounds + 1):
        entry_id = _entry(number * size // (rounds + 1))
        started = time.perf_counter()
        plan = plan_revocation(ledger, entry_id)
        planned = time.perf_counter()
        revoke(ledger, plan, actor=REVIEWER, reason_code="wrong")
        revoked = time.perf_counter()
        outcome = memory.settle(HERE)
        plans.append(planned - started)
        revocations.append(revoked - planned)
        settled.append(time.perf_counter() - revoked)
        assert len(outcome) == 1
    return {
        "withdraw_ms": _median_ms(revocations[1:]),
        "withdraw_plan_ms": _median_ms(plans[1:]),
        "settle_ms": _median_ms(settled[1:]),
    }


def _median_ms(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) * 1e3


# --- a home that has learned -----------------------------------------------------------


class _Instant:
    """A builder whose adapters take no time and hold every card."""

    def inputs(self, plan: ShardPlan) -> SimpleNamespace:
        return SimpleNamespace(digest=_digest("inputs", *(e.entry_id for e in plan.cards)))

    def build(self, plan: ShardPlan, state: State, _progress: object = None) -> BuiltShard:
        trained, certified = _build(plan.shard_id, [entry.entry_id for entry in plan.cards])
        version = _version(state, plan.shard_id, trained.digest)
        return BuiltShard(trained.model_copy(update={"version": version}), certified, reused=False)


def _memory(ledger: Ledger) -> AgentMemory:
    memory = AgentMemory(ledger, ScriptedModel({}, dialect=BuiltinDialect()))
    memory._builder = cast("ShardBuilder", _Instant())  # noqa: SLF001 - training apart
    return memory


def _facts(count: int) -> list[tuple[str, str]]:
    maker = FactMaker(random.Random(4), held_out=True)
    found: dict[tuple[str, str], None] = {}
    while len(found) < count:
        found.update(((fact.subject, fact.attribute), None) for fact in maker.facts(6))
    return list(found)[:count]


def _home(home: Path, cards: int) -> Ledger:
    """A home that learned so many facts, 32 a shard, as settling would have left it."""
    facts = _facts(cards)
    with Ledger.open(home, create=True) as ledger:
        ledger.append([_evidence()])
        for start in range(0, len(facts), SHARD_CARDS):
            some = range(start, min(start + SHARD_CARDS, len(facts)))
            drafts = [draft for at in some for draft in _approved(at, *facts[at])]
            trained, certified = _build(_shard(start), [_entry(at) for at in some])
            served: list[Payload] = [
                trained,
                certified,
                AdapterActivated(shard_id=trained.shard_id, digest=trained.digest),
                *(
                    EntryActivated(entry_id=_entry(at), version=1, adapter_digest=trained.digest)
                    for at in some
                ),
            ]
            ledger.append([*drafts, *(EventDraft(one, VERIFIERS, HERE) for one in served)])
    return Ledger.open(home)


def _approved(at: int, subject: str, attribute: str) -> Iterator[EventDraft]:
    body = CardBody(
        topic=subject, attribute=attribute, question=question_for(subject, attribute),
        answer=f"value {at}",
        rewordings=list(BuiltinDialect().rewordings(subject, attribute, held_out=False)),
    )  # fmt: skip
    span = Span(source_id="s1", start=0, end=40)
    payloads: list[tuple[Payload, Actor]] = [
        (EntryProposed(entry_id=_entry(at), version=1, body=body, spans=[span]), AGENT),
        (EntryVerified(entry_id=_entry(at), version=1, results=[], risk_ppm=100_000), VERIFIERS),
        (
            EntryApproved(
                entry_id=_entry(at), version=1, content_digest=content_digest(body),
                reason_code="policy", rule_id="low-risk",
            ),
            POLICY,
        ),
    ]  # fmt: skip
    episode = f"episode-{at // SHARD_CARDS}"
    return (EventDraft(one, actor, HERE, episode=episode) for one, actor in payloads)


def _build(shard_id: str, entry_ids: Sequence[str]) -> tuple[AdapterTrained, AdapterCertified]:
    digest = _digest("adapter", *entry_ids)
    trained = AdapterTrained(
        shard_id=shard_id, digest=digest, version=1, inputs_digest=_digest("inputs", *entry_ids),
        base_digest="b", recipe_digest="r", subspace_digest="s",
        cards=[CardRef(entry_id=one, version=1) for one in entry_ids],
        seed=1, steps=1, environment="benchmark", duration_ms=0, reused=False,
    )  # fmt: skip
    held = [
        CardCertificate(
            entry_id=one, min_p_ppm=990_000, min_p_off_ppm=0, first_failing=None, exact=True,
            probes_exact=0, probes=0, certified=True,
        )
        for one in entry_ids
    ]  # fmt: skip
    certified = AdapterCertified(
        shard_id=shard_id, digest=digest, passed=True, reason="ok", cards=held,
        controls_kept_ppm=1_000_000, abstain_kept_ppm=1_000_000, context_kept_ppm=1_000_000,
        probes=[], modules=[],
    )  # fmt: skip
    return trained, certified


def _entry(at: int) -> str:
    return f"card-{at:05}"


def _shard(at: int) -> str:
    return f"{_SHARD}{at // SHARD_CARDS + 1}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
