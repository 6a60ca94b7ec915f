"""The agent's memory as governance may move it: settle, route, serve.

``settle`` is a reconciler. The ledger says which cards may act; for every shard it finds or
builds the adapter that holds exactly those cards, certifies it, and activates it together
with its cards in one append. Approving, revoking and rolling back are therefore the same
operation, and none of them adds or subtracts weights (DESIGN section 7).

What follows from a certificate:

1. It passed: the adapter is served, and every absorbed card in it becomes active.
2. A card that was not absorbed stays approved; it is never claimed as learned, and the
   same set of cards is not tried again.
3. A card that was active and is not absorbed any more would be active in name only. An
   adapter still in service is kept, as long as every card in it is allowed; otherwise the
   card is quarantined for a person and the shard is built once more without it.
4. It did not pass: nothing is served, and the same cards are not tried again.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agent.errors import AdapterError
from agent.lora.diff import weight_difference
from agent.lora.router import LiveRouter, Router
from agent.lora.shards import BuiltShard, ShardBuilder, ShardPlan, plan_shards
from agent.lora.store import AdapterStore
from agent.memory.recall import ExternalMemory
from agent.models.load import load_model
from agent.models.local import LocalModel
from agent.models.protocol import LanguageModel
from agent.prompting import answer
from governance.events import (
    Actor,
    AdapterActivated,
    CardRef,
    EntryActivated,
    EntryKind,
    EntryQuarantined,
    ModuleChange,
    Payload,
    Scope,
)
from governance.ledger import EventDraft, Ledger
from governance.ports import Progress, Settled
from governance.state import AdapterState, EntryState, State

SETTLER: Final = Actor(kind="system", id="settle")
NOT_ABSORBED: Final = "not-absorbed"
MODEL_FILE: Final = "model"
NOTE_TOKEN_BUDGET: Final = 384
NOTE_KINDS: Final[tuple[EntryKind, ...]] = ("fact",)
"""Cases and tool logs help to plan; they do not help to look up a value."""
_KEPT_ROUTERS: Final = 4
"""Scopes whose cards stay embedded; 2 kB a wording each."""


@dataclass(frozen=True)
class Served:
    """The adapter that a question is answered with, and how near its card was."""

    shard_id: str
    digest: str
    score_ppm: int


class AgentMemory:
    """Both channels of one home. Implements ``governance.ports.MemoryTarget``."""

    def __init__(self, ledger: Ledger, model: LanguageModel) -> None:
        self.external = ExternalMemory()
        self._earlier = ExternalMemory()
        self._ledger = ledger
        self._model = model
        self._builder: ShardBuilder | None = None
        if isinstance(model, LocalModel):
            self._builder = ShardBuilder(model, ledger.home)
        self._routers: dict[Scope, LiveRouter] = {}
        self._routing = threading.Lock()

    @property
    def has_weights(self) -> bool:
        """Whether this model can learn in weights at all; an endpoint cannot."""
        return self._builder is not None

    # --- serving -----------------------------------------------------------------------

    def route(self, scope: Scope, question: str) -> Served | None:
        """The adapter of the nearest valid card's shard; ``None`` when none is near enough.

        Thread-safe. Follows the ledger: the first call in a scope embeds all its cards.
        """
        with self._routing:
            # As of the lock, so that no router is ever taken back to an earlier version.
            state = self._ledger.state
            live = self._routers.pop(scope, None) or LiveRouter(scope, self.external.embedder)
            self._routers[scope] = live
            if len(self._routers) > _KEPT_ROUTERS:
                del self._routers[next(iter(self._routers))]
            route = live.at(state).route(question, self._ledger.now_us())
        digest = state.shards[route.shard_id].active if route.shard_id else None
        if route.shard_id is None or digest is None:
            return None
        return Served(route.shard_id, digest, route.score_ppm)

    @contextmanager
    def serving(self, digest: str | None) -> Iterator[None]:
        """Answer with exactly this adapter, or with none.

        Raises:
            AdapterError: its bytes are missing or altered, or the model has no weights here.
        """
        if digest is None:
            yield
            return
        builder = self._require_builder()
        with builder.model.with_adapter(builder.servable(digest)):
            yield

    # --- MemoryTarget ------------------------------------------------------------------

    def settle(self, scope: Scope, progress: Progress | None = None) -> Sequence[Settled]:
        """See ``governance.ports.MemoryTarget``.

        Raises:
            AdapterError, ModelError: a build failed; shards done before it stay done.
        """
        if self._builder is None or self._ledger.state.frozen:
            return []
        plans = plan_shards(self._ledger.state, scope, now_us=self._ledger.now_us())
        settled = [self._settle(self._builder, plan, progress) for plan in plans if plan.cards]
        return [one for one in settled if one is not None]

    def adapter_intact(self, digest: str) -> bool:
        """See ``governance.ports.MemoryTarget``."""
        return self._builder is not None and self._builder.store.intact(digest)

    def index_digest(self, scope: Scope) -> str:
        """See ``governance.ports.MemoryTarget``."""
        return self.external.index_digest(self._ledger.state, scope)

    def indexed(self, scope: Scope, entry_ids: Collection[str]) -> Sequence[str]:
        """See ``governance.ports.MemoryTarget``."""
        index = self.external.index(self._ledger.state, scope)
        return [entry_id for entry_id in entry_ids if entry_id in index]

    def weight_difference(self, first: str, second: str) -> Sequence[ModuleChange]:
        """See ``governance.ports.MemoryTarget``.

        Raises:
            AdapterError: one of them is missing or altered.
        """
        builder = self._require_builder()
        return weight_difference(builder.model, builder.servable(first), builder.servable(second))

    def forget(self, adapters: Collection[str]) -> None:
        """See ``governance.ports.MemoryTarget``.

        Raises:
            AdapterError: a build cannot be deleted.
        """
        self.external.drop()
        with self._routing:
            self._routers.clear()
        forget = self._builder.forget if self._builder else AdapterStore(self._ledger.home).remove
        for digest in adapters:
            forget(digest)

    def answer_at(
        self, seq: int, scope: Scope, question: str, *, without: Collection[str] = ()
    ) -> str:
        """See ``governance.ports.MemoryTarget``.

        Raises:
            AdapterError: the adapter that was served then is missing or altered.
            ModelError: the model cannot be asked.
        """
        state = _left_out(self._ledger.state_at(seq), without)
        notes = self._earlier.recall(
            state, scope, question, kinds=NOTE_KINDS, token_budget=NOTE_TOKEN_BUDGET,
            count_tokens=self._model.count_tokens,
        )  # fmt: skip
        route = Router.of(state, scope, self._earlier.embedder).route(question)
        digest = state.shards[route.shard_id].active if route.shard_id else None
        self._earlier.drop()  # each version has its own index
        with self.serving(digest):
            return answer(self._model, question, notes.texts)

    # --- settling ----------------------------------------------------------------------

    def _settle(
        self, builder: ShardBuilder, plan: ShardPlan, progress: Progress | None
    ) -> Settled | None:
        """Bring one shard in line; ``None`` when it is already."""
        state = self._ledger.state
        wanted = frozenset(CardRef(entry_id=e.entry_id, version=e.version) for e in plan.cards)
        served = _served(state, plan.shard_id)
        if served is not None and frozenset(served.cards) == wanted:
            return None
        tried = _tried(state, plan.shard_id, builder.inputs(plan).digest)
        if tried is not None and (tried.status == "refused" or _gains_nothing(state, tried)):
            return None
        if progress is not None:
            progress(f"{plan.shard_id}: building an adapter of {len(plan.cards)} card(s)")
        built = builder.build(plan, state, progress)
        lost = _lost(plan, built)
        keep = bool(lost) and _all_allowed(served, plan)
        payloads: list[Payload] = [built.trained, built.certified]
        if built.certified.passed and lost and not keep:  # 3
            payloads += [_quarantined(entry) for entry in lost]
        elif built.certified.passed and not lost:  # 1
            payloads += activations(plan, built)
        settler = self._ledger.principal or SETTLER
        self._ledger.append([EventDraft(one, settler, plan.scope) for one in payloads])
        if built.certified.passed and lost and not keep:
            rest = tuple(entry for entry in plan.cards if entry not in lost)
            return self._settle(builder, replace(plan, cards=rest), progress) if rest else None
        return Settled(
            shard_id=plan.shard_id,
            digest=self._ledger.state.shards[plan.shard_id].active,
            certified_cards=sum(card.certified for card in built.certified.cards),
            cards=len(plan.cards),
            reused=built.reused,
        )

    def _require_builder(self) -> ShardBuilder:
        if self._builder is None:
            raise AdapterError(
                f"{self._model.model_id} has no weights here and can serve no adapter",
                hint="use --model builtin or --model local:PATH",
            )
        return self._builder


def _left_out(state: State, entry_ids: Collection[str]) -> State:
    """``state`` as if these entries and everything made from them had never been."""
    if not entry_ids:
        return state
    other = state.fork()
    gone = {name: state.entries[name] for name in entry_ids if name in state.entries}
    for name in list(gone):
        gone |= {child.entry_id: child for child in state.derivatives(name)}
    for name, entry in gone.items():
        other.entries[name] = replace(entry, status="revoked")
    for entry in gone.values():
        before = state.entries.get(entry.replaces or "") if entry.status == "active" else None
        if before is not None and _only_for(state, before, gone):
            other.entries[before.entry_id] = replace(before, status="active")
    for shard in state.shards.values():
        if any(ref.entry_id in gone for ref in state.shard_cards(shard.shard_id)):
            other.shards[shard.shard_id] = replace(shard, active=None)
    return other


def _only_for(state: State, before: EntryState, gone: Collection[str]) -> bool:
    """Whether a note was superseded by nothing but what is gone, and stays itself."""
    return (
        before.status == "superseded"
        and before.channel == "external"
        and before.entry_id not in gone
        and not any(
            one.replaces == before.entry_id and one.status == "active" and one.entry_id not in gone
            for one in state.entries.values()
        )
    )


def open_target(home: Path, ledger: Ledger) -> AgentMemory:
    """The memory of ``home``, with the model its adapters were built on.

    Entry point of the group ``palimpsest.memory_target``.

    Raises:
        ModelError: that model cannot be loaded from where it was.
    """
    return AgentMemory(ledger, load_model(remembered_model(home)))


def remember_model(home: Path, spec: str) -> None:
    """Keep how the model was named, so that later commands on the home need not be told."""
    (home / MODEL_FILE).write_text(f"{spec}\n", encoding="utf-8")


def remembered_model(home: Path) -> str:
    """How the model of this home was named; ``builtin`` when nobody said."""
    try:
        return (home / MODEL_FILE).read_text(encoding="utf-8").strip() or "builtin"
    except FileNotFoundError:
        return "builtin"


def _lost(plan: ShardPlan, built: BuiltShard) -> list[EntryState]:
    """Cards that were active and that this build does not hold."""
    absorbed = _absorbed(built)
    return [e for e in plan.cards if e.status == "active" and e.entry_id not in absorbed]


def _absorbed(built: BuiltShard) -> set[str]:
    return {card.entry_id for card in built.certified.cards if card.certified}


def _all_allowed(served: AdapterState | None, plan: ShardPlan) -> bool:
    """Whether an adapter is in service that holds nothing but cards of the plan."""
    allowed = {(entry.entry_id, entry.version) for entry in plan.cards}
    return served is not None and {(c.entry_id, c.version) for c in served.cards} <= allowed


def activations(plan: ShardPlan, built: BuiltShard) -> list[Payload]:
    """What puts a certified build in service, and its absorbed cards in it."""
    digest, absorbed = built.trained.digest, _absorbed(built)
    return [
        AdapterActivated(shard_id=plan.shard_id, digest=digest),
        *(
            EntryActivated(entry_id=entry.entry_id, version=entry.version, adapter_digest=digest)
            for entry in plan.cards
            if entry.entry_id in absorbed
        ),
    ]


def _quarantined(entry: EntryState) -> EntryQuarantined:
    return EntryQuarantined(
        entry_id=entry.entry_id,
        version=entry.version,
        content_digest=entry.content_digest,
        reason_code=NOT_ABSORBED,
        comment="the rebuilt adapter does not hold this card",
    )


def _served(state: State, shard_id: str) -> AdapterState | None:
    shard = state.shards.get(shard_id)
    return state.adapters[shard.active] if shard is not None and shard.active else None


def _tried(state: State, shard_id: str, inputs_digest: str) -> AdapterState | None:
    """The build of these inputs in this shard, if the ledger knows one."""
    for adapter in state.adapters.values():
        if adapter.shard_id == shard_id and adapter.inputs_digest == inputs_digest:
            return adapter
    return None


def _gains_nothing(state: State, tried: AdapterState) -> bool:
    """True when a better adapter was kept instead of this one, and still is in service."""
    return (
        tried.status == "certified"
        and state.shards[tried.shard_id].active is not None
        and any(state.entries[ref.entry_id].status != "active" for ref in tried.cards)
    )
