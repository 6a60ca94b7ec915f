"""Which cards are learned together, and their adapters as build products.

``plan_shards`` is pure: the ledger's state decides. ``ShardBuilder`` turns a plan into an
adapter and its certificate, from the store when these inputs were ever built, else by
training; either way the payloads say the same, apart from ``reused`` and the time taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from agent.lora.adapter import StoredAdapter
from agent.lora.cards import BuildInputs, TrainingCard, card_digests, scope_digest
from agent.lora.certificate import Certificate, Certifier
from agent.lora.recipe import SHARD_CARDS, Recipe, load_recipe
from agent.lora.rehearsal import rehearsal_for
from agent.lora.store import AdapterStore
from agent.lora.subspace import Subspace, open_subspace
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.local import LocalModel, ServableAdapter
from governance.events import AdapterCertified, AdapterTrained, CardBody, CardRef, Scope
from governance.ports import Progress
from governance.review_rules import due
from governance.state import EntryState, State

_SCOPE_CHARS: Final = 8
_KEPT_ADAPTERS: Final = 64
"""Adapters kept in memory; a small model's are a few hundred kilobytes each."""


@dataclass(frozen=True)
class ShardPlan:
    """The cards a shard should hold; none when all of them were taken back."""

    shard_id: str
    scope: Scope
    cards: tuple[EntryState, ...]


@dataclass(frozen=True)
class BuiltShard:
    """An adapter that is in the store, and what to record about it."""

    trained: AdapterTrained
    certified: AdapterCertified
    reused: bool


def plan_shards(
    state: State, scope: Scope, *, now_us: int, capacity: int = SHARD_CARDS
) -> tuple[ShardPlan, ...]:
    """Every shard visible in ``scope`` with the allowed cards it should hold.

    A card stays in the shard that it was last built in. New ones join the newest shard of
    their episode that has room, then open another: what one episode taught is learned
    together, and no other episode's cards are trained again for it (ADR 0004). Scopes are
    never mixed: each has its own shards. An approval that can still be withdrawn at ``now_us``
    (microseconds since 1970 UTC) is not learned from yet.
    """
    cards: dict[Scope, list[EntryState]] = {}
    for entry in state.visible(scope):
        if isinstance(entry.body, CardBody) and (entry.status == "active" or due(entry, now_us)):
            cards.setdefault(entry.scope, []).append(entry)
    for shard in state.shards.values():
        if scope.sees(shard.scope):
            cards.setdefault(shard.scope, [])
    plans: list[ShardPlan] = []
    for owner in sorted(cards, key=str):
        plans.extend(_plan_scope(state, owner, cards[owner], capacity))
    return tuple(plans)


def new_shard_id(state: State, scope: Scope, taken: Iterable[str] = ()) -> str:
    """The next shard id of ``scope`` after those in the ledger and those ``taken``."""
    known = [shard.shard_id for shard in state.shards.values() if shard.scope == scope]
    return f"{_prefix(scope)}{max(map(_number, [*known, *taken]), default=0) + 1}"


def _prefix(scope: Scope) -> str:
    return f"shard-{scope_digest(scope)[:_SCOPE_CHARS]}-"


def _plan_scope(
    state: State, scope: Scope, cards: list[EntryState], capacity: int
) -> list[ShardPlan]:
    shards = sorted(
        (s.shard_id for s in state.shards.values() if s.scope == scope),
        key=_number,
    )
    held: dict[str, list[EntryState]] = {shard_id: [] for shard_id in shards}
    homes = _homes(state, set(shards))
    homeless = []
    for entry in sorted(cards, key=lambda entry: (entry.proposed_seq, entry.entry_id)):
        home = homes.get(entry.entry_id)
        adapter = state.adapters.get(entry.adapter_digest or "")
        if adapter is not None and adapter.shard_id in held:
            home = adapter.shard_id
        if home is None:
            homeless.append(entry)
        else:
            held[home].append(entry)
    episodes = _episodes(state, homes)
    for entry in homeless:
        roomy = [
            shard_id
            for shard_id in held
            if episodes.get(shard_id) == entry.episode and len(held[shard_id]) < capacity
        ]
        if not roomy:
            roomy = [new_shard_id(state, scope, held)]
            held[roomy[0]] = []
            episodes[roomy[0]] = entry.episode
        held[roomy[-1]].append(entry)
    return [ShardPlan(shard_id, scope, tuple(entries)) for shard_id, entries in held.items()]


def _homes(state: State, shards: set[str]) -> dict[str, str]:
    """Entry → the shard of the latest build that held it, absorbed or not."""
    homes: dict[str, str] = {}
    for adapter in sorted(state.adapters.values(), key=lambda adapter: adapter.seq):
        if adapter.shard_id in shards:
            homes.update(dict.fromkeys((ref.entry_id for ref in adapter.cards), adapter.shard_id))
    return homes


def _episodes(state: State, homes: dict[str, str]) -> dict[str, str | None]:
    """Shard → the episode of the cards that it was ever built from."""
    known = ((state.entries[entry_id], shard_id) for entry_id, shard_id in homes.items())
    return {shard_id: entry.episode for entry, shard_id in known if entry.status != "erased"}


def _number(shard_id: str) -> int:
    last = shard_id.rpartition("-")[2]
    return int(last) if last.isdigit() else 0


class ShardBuilder:
    """Builds, certifies and loads the adapters of one home for one model.

    Args:
        model: The base.
        home: Workspace home; blobs go to ``blobs/adapters`` and ``blobs/subspaces``.
        recipe: The shipped one for the model when not given.
        now_s: A monotonic clock in seconds, for durations.
    """

    def __init__(
        self,
        model: LocalModel,
        home: Path,
        *,
        recipe: Recipe | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self.recipe = recipe or load_recipe(shipped_recipe(model))
        self.store = AdapterStore(home)
        self._subspaces = home / "blobs" / "subspaces"
        self._subspace: Subspace | None = None
        self._rehearsal = rehearsal_for(model.dialect, self.recipe.rehearsal)
        self._certifier = Certifier(model, self.recipe)
        self._now_s = now_s
        self._kept: dict[str, ServableAdapter] = {}

    def inputs(self, plan: ShardPlan) -> BuildInputs:
        """Everything that the adapter of this plan is a function of.

        Raises:
            AdapterError: the subspace was altered or the model lacks the target layers.
        """
        return BuildInputs(
            base_digest=self.model.digest,
            recipe_digest=self.recipe.digest,
            subspace_digest=self._opened_subspace().digest,
            rehearsal=self._rehearsal.identity,
            realm=scope_digest(plan.scope),
            cards=card_digests([card for card, _ in _ordered(plan)], self.recipe.rewordings),
        )

    def find(self, plan: ShardPlan) -> str | None:
        """Digest of the adapter of this plan if it was ever built here."""
        return self.store.find(self.inputs(plan).digest)

    def build(self, plan: ShardPlan, state: State, progress: Progress | None = None) -> BuiltShard:
        """The adapter of this plan and its certificate; trained only if never built before.

        Raises:
            AdapterError: no cards, the build diverged, or a stored blob is damaged.
            ModelError: a card does not fit the model's context.

        Side effects: writes to the store.
        """
        started = self._now_s()
        inputs = self.inputs(plan)
        cards = _ordered(plan)
        known = self.store.find(inputs.digest)
        stored = self.store.load(known) if known else self._train(plan, inputs, progress)
        certificate = self._certificate(stored, [card for card, _ in cards])
        digest = stored.digest
        self._keep(stored.servable)
        trained = AdapterTrained(
            shard_id=plan.shard_id,
            digest=digest,
            version=_version(state, plan.shard_id, digest),
            inputs_digest=inputs.digest,
            base_digest=inputs.base_digest,
            recipe_digest=inputs.recipe_digest,
            subspace_digest=inputs.subspace_digest,
            cards=[CardRef(entry_id=e.entry_id, version=e.version) for _, e in cards],
            seed=inputs.seed,
            steps=stored.manifest.steps,
            environment=stored.manifest.environment,
            duration_ms=round((self._now_s() - started) * 1000),
            reused=known is not None,
        )
        entry_ids = [entry.entry_id for _, entry in cards]
        certified = certificate.payload(plan.shard_id, digest, entry_ids)
        return BuiltShard(trained, certified, reused=known is not None)

    def servable(self, digest: str) -> ServableAdapter:
        """The adapter, ready to serve; its bytes are checked when it is first read.

        Raises:
            AdapterError: it is missing or was altered.
        """
        if digest not in self._kept:
            self._keep(self.store.load(digest).servable)
        return self._kept[digest]

    def forget(self, digest: str) -> None:
        """Delete a build from store and memory (erasure)."""
        self._kept.pop(digest, None)
        self.store.remove(digest)

    def _train(
        self, plan: ShardPlan, inputs: BuildInputs, progress: Progress | None
    ) -> StoredAdapter:
        from agent.lora.environment import fingerprint  # noqa: PLC0415 - torch is slow to import
        from agent.lora.train import build  # noqa: PLC0415

        trained = build(
            self.model,
            self._opened_subspace(),
            [card for card, _ in _ordered(plan)],
            self.recipe,
            rehearsal=self._rehearsal,
            seed=inputs.seed,
            progress=progress,
        )
        return self.store.save(
            trained, inputs, base_id=self.model.model_id, environment=fingerprint()
        )

    def _certificate(self, stored: StoredAdapter, cards: Sequence[TrainingCard]) -> Certificate:
        key = self._certifier.key(cards)
        kept = self.store.certificate(stored.digest, key)
        if kept is not None:
            try:
                return Certificate.model_validate_json(kept)
            except ValidationError:
                pass  # damaged: a certificate can always be issued again
        certificate = self._certifier.certify(stored.servable, cards)
        self.store.save_certificate(stored.digest, key, certificate.model_dump_json().encode())
        return certificate

    def _opened_subspace(self) -> Subspace:
        if self._subspace is None:
            self._subspace = open_subspace(self._subspaces, self.model, self.recipe)
        return self._subspace

    def _keep(self, adapter: ServableAdapter) -> None:
        self._kept[adapter.digest] = adapter
        while len(self._kept) > _KEPT_ADAPTERS:
            self._kept.pop(next(iter(self._kept)))


def _ordered(plan: ShardPlan) -> list[tuple[TrainingCard, EntryState]]:
    """Cards in canonical order with their entries."""
    pairs = [
        (TrainingCard.of(entry.body), entry)
        for entry in plan.cards
        if isinstance(entry.body, CardBody)
    ]
    return sorted(pairs, key=lambda pair: (pair[0], pair[1].entry_id))


def _version(state: State, shard_id: str, digest: str) -> int:
    """The build's number in its shard; a build that comes back keeps its number."""
    if digest in state.adapters and state.adapters[digest].shard_id == shard_id:
        return state.adapters[digest].version
    builds = [a.version for a in state.adapters.values() if a.shard_id == shard_id]
    return max(builds, default=0) + 1


def shipped_recipe(model: LocalModel) -> str:
    """Name of the recipe that adapters of this model are built by."""
    return "builtin" if isinstance(model.dialect, BuiltinDialect) else "default"
