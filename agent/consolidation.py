"""Sleep: learn the same cards again, sorted by topic and for longer, and keep what is no worse.

1. Cards in service are put into as few shards as hold them, topic by topic, never mixing scopes.
2. Each shard is built by the shipped recipe with its steps times ``passes``, from zero, on exactly
   the cards that people or policy allowed. It is extractive: nothing is written, merged or summed
   up, because what a model makes of its own memory is partly made up.
3. The new adapter takes over only if its certificate passes, holds every card, and answers as many
   held-out wordings and keeps as many controls as what serves these cards now.
4. A swap is one append: the new shard in service, its cards in it, and old shards out of service
   that hold no card any more. What is stopped half-way has swapped some shards and not others;
   the same command goes on.

A shard that loses a card later is rebuilt by the shipped recipe, as always.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from agent.lora.interop import certificate_of
from agent.lora.recipe import SHARD_CARDS, Recipe
from agent.lora.shards import BuiltShard, ShardBuilder, ShardPlan, new_shard_id
from agent.target import SETTLER, activations
from governance.errors import FrozenError
from governance.events import AdapterCertified, AdapterWithdrawn, CardBody, Payload, Scope
from governance.ledger import EventDraft, Ledger
from governance.ports import Progress
from governance.state import EntryState, State

MOVED: Final = "consolidated"
_PPM: Final = 1_000_000


@dataclass(frozen=True)
class Quality:
    """Of an adapter, or of several for the cards in question; all in parts per million."""

    absorbed: int
    wordings: int
    world: int
    abstaining: int
    notes: int

    def worse_than(self, other: Quality) -> list[str]:
        """The names of what is lower here."""
        return [name for name, value in vars(self).items() if value < getattr(other, name)]


@dataclass(frozen=True)
class Consolidated:
    """What became of one shard. ``because`` says why it did not take over, else is empty."""

    shard_id: str
    digest: str
    cards: int
    before: Quality
    after: Quality
    because: str

    @property
    def swapped(self) -> bool:
        """Whether it is in service now."""
        return not self.because


def with_passes(recipe: Recipe, passes: int) -> Recipe:
    """``recipe`` with ``passes`` times its steps; the early stop waits as much longer."""
    stated = recipe.model_dump(mode="json")
    stated["steps"] |= {name: stated["steps"][name] * passes for name in ("few", "full")}
    stated["early_stop"]["not_before"] *= passes
    return Recipe.model_validate(stated)


def plan_consolidation(state: State, *, capacity: int = SHARD_CARDS) -> tuple[ShardPlan, ...]:
    """Shards by topic of all cards in service, scope by scope.

    A set of cards that one shard holds already keeps that shard; others get new ones.
    """
    served = {shard.active for shard in state.shards.values() if shard.active}
    cards: dict[Scope, list[EntryState]] = {}
    for entry in state.entries.with_status("active"):
        if isinstance(entry.body, CardBody) and entry.adapter_digest in served:
            cards.setdefault(entry.scope, []).append(entry)
    plans: list[ShardPlan] = []
    for scope in sorted(cards, key=str):
        taken: list[str] = []
        for group in _by_topic(cards[scope], capacity):
            name = _holder(state, group) or new_shard_id(state, scope, taken)
            taken.append(name)
            plans.append(ShardPlan(name, scope, tuple(group)))
    return tuple(plans)


def _by_topic(cards: Sequence[EntryState], capacity: int) -> Iterator[list[EntryState]]:
    """Groups of at most ``capacity``; a topic is split only when it does not fit into one."""
    held: list[EntryState] = []
    for _, found in groupby(sorted(cards, key=_topic_first), key=lambda e: _topic_first(e)[0]):
        topic = list(found)
        if held and len(held) + len(topic) > capacity:
            yield held
            held = []
        held += topic
        while len(held) > capacity:
            yield held[:capacity]
            held = held[capacity:]
    if held:
        yield held


def _topic_first(entry: EntryState) -> tuple[str, str, str]:
    body = entry.body
    topic, attribute = (body.topic, body.attribute) if isinstance(body, CardBody) else ("", "")
    return topic.casefold(), attribute.casefold(), entry.entry_id


def _holder(state: State, cards: Sequence[EntryState]) -> str | None:
    """The shard whose adapter in service holds exactly these cards."""
    wanted = {(entry.entry_id, entry.version) for entry in cards}
    digests = {entry.adapter_digest for entry in cards}
    adapter = state.adapters[digests.pop() or ""] if len(digests) == 1 else None
    if adapter is None or {(c.entry_id, c.version) for c in adapter.cards} != wanted:
        return None
    return adapter.shard_id


def consolidate(
    ledger: Ledger, builder: ShardBuilder, progress: Progress | None = None
) -> Iterator[Consolidated]:
    """Build, judge and swap shard by shard; shards that were built so before are passed over.

    Args:
        ledger: Open for writing.
        builder: With the recipe of :func:`with_passes`.
        progress: Told what is being built.

    Raises:
        FrozenError: learning is frozen.
        AdapterError, ModelError: a build failed; shards done before it stay done.

    Side effects: per shard one append, and blobs in the store.
    """
    if ledger.state.frozen:
        raise FrozenError("learning is frozen", hint="`palimpsest thaw` ends it")
    for plan in plan_consolidation(ledger.state):
        state = ledger.state
        inputs = builder.inputs(plan).digest
        if any(adapter.inputs_digest == inputs for adapter in state.adapters.values()):
            continue  # in service, found worse, or taken back by a person: not tried again
        if progress is not None:
            progress(f"{plan.shard_id}: {len(plan.cards)} card(s), {_topics(plan)} topic(s)")
        built = builder.build(plan, state, progress)
        before, after = _present(ledger, plan), _quality([(built.certified, len(plan.cards))])
        because = _objection(built, before, after)
        payloads: list[Payload] = [built.trained, built.certified]
        if not because:
            payloads += [*activations(plan, built), *_emptied(state, plan, built)]
        actor = ledger.principal or SETTLER
        ledger.append([EventDraft(one, actor, plan.scope) for one in payloads])
        yield Consolidated(
            plan.shard_id, built.trained.digest, len(plan.cards), before, after, because
        )


def _topics(plan: ShardPlan) -> int:
    return len({_topic_first(entry)[0] for entry in plan.cards})


def _objection(built: BuiltShard, before: Quality, after: Quality) -> str:
    """Why a build may not take over; empty when it may."""
    if not built.certified.passed:
        return built.certified.reason
    worse = after.worse_than(before)
    if not all(card.certified for card in built.certified.cards):
        return "not every card was absorbed"
    return f"worse: {', '.join(worse)}" if worse else ""


def _present(ledger: Ledger, plan: ShardPlan) -> Quality:
    """How the adapters that serve these cards now fare with them."""
    state = ledger.state
    serving: dict[str, set[str]] = {}
    for entry in plan.cards:
        serving.setdefault(entry.adapter_digest or "", set()).add(entry.entry_id)
    judged = []
    for digest, entry_ids in sorted(serving.items()):
        certificate = certificate_of(ledger, state.adapters[digest])
        if certificate is not None:
            mine = [card for card in certificate.cards if card.entry_id in entry_ids]
            judged.append((certificate.model_copy(update={"cards": mine}), len(mine)))
    return _quality(judged)


def _quality(judged: Sequence[tuple[AdapterCertified, int]]) -> Quality:
    """Over certificates; controls weighted by their number of cards."""
    cards = [card for certificate, _ in judged for card in certificate.cards]
    asked, total = sum(card.probes for card in cards), sum(count for _, count in judged)

    def kept(name: str) -> int:
        weighted = sum(getattr(certificate, name) * count for certificate, count in judged)
        return int(weighted // total) if total else 0

    return Quality(
        absorbed=sum(card.certified for card in cards) * _PPM // len(cards) if cards else 0,
        wordings=sum(card.probes_exact for card in cards) * _PPM // asked if asked else 0,
        world=kept("controls_kept_ppm"),
        abstaining=kept("abstain_kept_ppm"),
        notes=kept("context_kept_ppm"),
    )


def _emptied(state: State, plan: ShardPlan, built: BuiltShard) -> Iterator[AdapterWithdrawn]:
    """Withdrawals of adapters in service that no card acts through once this plan does."""
    moved = {entry.entry_id for entry in plan.cards}
    for digest in sorted({entry.adapter_digest or "" for entry in plan.cards}):
        adapter = state.adapters[digest]
        if adapter.shard_id == built.trained.shard_id:
            continue  # the activation takes its place
        staying = [
            ref.entry_id
            for ref in adapter.cards
            if ref.entry_id not in moved
            and state.entries[ref.entry_id].status == "active"
            and state.entries[ref.entry_id].adapter_digest == digest
        ]
        if not staying and state.shards[adapter.shard_id].active == digest:
            yield AdapterWithdrawn(shard_id=adapter.shard_id, digest=digest, reason_code=MOVED)
