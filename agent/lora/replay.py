"""Build an adapter again from what the ledger says went into it, and compare.

Nothing is stored and nothing is served by it. Verdicts:

``exact``             the rebuilt tensors have the recorded digest.
``within tolerance``  other bytes, from an environment that promised none: every module within
                      ``TOLERANCE_PPM`` and every card's question answered alike.
``differs``           anything else; other bytes on the same environment among it.
``not replayable``    a card was erased, or base, recipe or subspace are not here any more.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from agent.errors import AdapterError
from agent.lora.adapter import TrainedAdapter, tensor_file
from agent.lora.cards import BuildInputs, TrainingCard, card_digests, scope_digest
from agent.lora.recipe import Recipe
from agent.lora.rehearsal import rehearsal_for
from agent.lora.store import AdapterStore
from agent.lora.subspace import Subspace, open_subspace
from agent.models.fingerprint import bytes_digest
from agent.models.local import LocalModel, ServableAdapter
from governance.events import AdapterTrained, CardBody
from governance.ledger import Ledger
from governance.ports import Progress
from governance.state import AdapterState

Verdict = Literal["exact", "within tolerance", "differs", "not replayable"]
TOLERANCE_PPM: Final = 50_000
"""Largest difference of a module's ``B``, relative to its largest entry, in millionths."""
_PPM: Final = 1_000_000


@dataclass(frozen=True)
class Replayed:
    """One build done again. ``difference_ppm`` per module, where there was reason to look."""

    recorded: str
    rebuilt: str | None
    verdict: Verdict
    promised: bool
    note: str
    difference_ppm: dict[str, int]
    answers_alike: int = 0
    answers: int = 0


class Replayer:
    """Replays builds of one home on one model; reads the home and writes nowhere in it.

    Args:
        ledger: Open for reading.
        home: Its folder.
        model: The base that the adapters were built on.
        recipe: What they were built by.
    """

    def __init__(self, ledger: Ledger, home: Path, model: LocalModel, recipe: Recipe) -> None:
        self._ledger = ledger
        self._home = home
        self._model = model
        self._recipe = recipe
        self._rehearsal = rehearsal_for(model.dialect, recipe.rehearsal)

    def sample(self, count: int, seed: int) -> list[AdapterState]:
        """``count`` of the builds that can be replayed, or all; ``seed`` decides which."""
        able = [one for one in self._ledger.state.adapters.values() if self._cards(one)]
        able.sort(key=lambda one: one.digest)
        picked = random.Random(seed).sample(able, min(count, len(able)))  # noqa: S311 - stated
        return sorted(picked, key=lambda one: one.seq)

    def replay(self, adapter: AdapterState, progress: Progress | None = None) -> Replayed:
        """Build ``adapter`` again and compare.

        Raises:
            AdapterError: the build diverged, which the recorded one did not.
            ModelError: the model cannot be read.
        """
        cards = self._cards(adapter)
        if not cards:
            return _not_replayable(adapter, "the text of one of its cards was erased")
        trained = self._ledger.event(adapter.seq).payload
        assert isinstance(trained, AdapterTrained)
        if trained.base_digest != self._model.digest:
            return _not_replayable(adapter, f"it was built on base {trained.base_digest[:12]}")
        if trained.recipe_digest != self._recipe.digest:
            recipe = trained.recipe_digest[:12]
            return _not_replayable(adapter, f"it was built by recipe {recipe}, not by this one")
        try:
            subspace = self._subspace(trained.subspace_digest)
        except AdapterError as error:
            return _not_replayable(adapter, str(error))
        inputs = self._inputs(adapter, trained, cards)
        if inputs.digest != trained.inputs_digest or inputs.seed != trained.seed:
            note = "the recorded cards do not give the recorded inputs"
            return Replayed(adapter.digest, None, "differs", promised=True, note=note,
                            difference_ppm={})  # fmt: skip
        return self._compare(
            adapter, trained, cards, self._build(cards, subspace, inputs, progress)
        )

    def _cards(self, adapter: AdapterState) -> list[TrainingCard]:
        """As they were when it was built; none when the text of one is gone."""
        found = []
        for ref in adapter.cards:
            latest = self._ledger.state.entries.get(ref.entry_id)
            entry = latest.as_of(adapter.seq) if latest is not None else None
            if latest is None or latest.status == "erased" or entry is None:
                return []
            if entry.version != ref.version or not isinstance(entry.body, CardBody):
                return []
            found.append(TrainingCard.of(entry.body))
        return found

    def _inputs(
        self, adapter: AdapterState, trained: AdapterTrained, cards: Sequence[TrainingCard]
    ) -> BuildInputs:
        return BuildInputs(
            base_digest=trained.base_digest,
            recipe_digest=trained.recipe_digest,
            subspace_digest=trained.subspace_digest,
            rehearsal=self._rehearsal.identity,
            realm=scope_digest(self._ledger.state.shards[adapter.shard_id].scope),
            cards=card_digests(cards, self._recipe.rewordings),
        )

    def _subspace(self, expected: str) -> Subspace:
        """From a copy: a missing file is computed again, but not into the home."""
        with tempfile.TemporaryDirectory() as folder:
            kept = self._home / "blobs" / "subspaces"
            if kept.is_dir():
                shutil.copytree(kept, folder, dirs_exist_ok=True)
            return open_subspace(Path(folder), self._model, self._recipe, expected=expected)

    def _build(
        self,
        cards: Sequence[TrainingCard],
        subspace: Subspace,
        inputs: BuildInputs,
        progress: Progress | None,
    ) -> TrainedAdapter:
        from agent.lora.train import build  # noqa: PLC0415 - torch is slow to import

        return build(
            self._model, subspace, cards, self._recipe,
            rehearsal=self._rehearsal, seed=inputs.seed, progress=progress,
        )  # fmt: skip

    def _compare(
        self,
        adapter: AdapterState,
        trained: AdapterTrained,
        cards: Sequence[TrainingCard],
        rebuilt: TrainedAdapter,
    ) -> Replayed:
        from agent.lora.environment import fingerprint  # noqa: PLC0415 - torch is slow to import

        digest = bytes_digest(tensor_file(rebuilt.modules))
        same_place = trained.environment == fingerprint()
        promised = same_place or self._recipe.arithmetic == "notary"
        if digest == adapter.digest:
            note = "the same bytes"
            return Replayed(adapter.digest, digest, "exact", promised, note, {})
        try:
            stored = AdapterStore(self._home).load(adapter.digest).servable
        except AdapterError as error:
            return Replayed(adapter.digest, digest, "differs", promised, str(error), {})
        found = _differences(stored, rebuilt)
        again = ServableAdapter(digest, self._model.digest, rebuilt.modules)
        pairs = list(zip(self._answers(stored, cards), self._answers(again, cards), strict=True))
        alike = sum(one == two for one, two in pairs)
        near = max(found.values()) <= TOLERANCE_PPM and alike == len(pairs)
        verdict: Verdict = "within tolerance" if near and not same_place else "differs"
        note = "other bytes where the same were promised" if promised else "no bytes were promised"
        return Replayed(adapter.digest, digest, verdict, promised, note, found, alike, len(pairs))

    def _answers(self, adapter: ServableAdapter, cards: Sequence[TrainingCard]) -> list[str]:
        dialect = self._model.dialect
        prompts = [dialect.answer_prompt(card.question, ()) for card in cards]
        with self._model.with_adapter(adapter):
            return self._model.generate(prompts, max_new_tokens=dialect.limits.answer_tokens)


def escape_probability(forged_ppm: int, replayed: int) -> float:
    """Chance that none of ``replayed`` builds is a forged one, when ``forged_ppm`` of a
    million are: ``(1 - φ)^k``, an upper bound when drawn without putting back.
    """  # noqa: D205 - one formula
    return float((1 - forged_ppm / _PPM) ** replayed)


def _differences(stored: ServableAdapter, rebuilt: TrainedAdapter) -> dict[str, int]:
    """Largest change of ``B`` and of ``A`` per module, relative to the largest entry."""
    names = {*stored.modules, *rebuilt.modules}
    return {
        name: max(
            (_relative_ppm(one, two) for one, two in zip(
                stored.modules[name], rebuilt.modules[name], strict=True)),
        )
        if name in stored.modules and name in rebuilt.modules
        else _PPM
        for name in sorted(names)
    }  # fmt: skip


def _relative_ppm(one: Any, two: Any) -> int:  # noqa: ANN401 - torch is not imported here
    if one.shape != two.shape:
        return _PPM
    largest = float(one.abs().max())
    return round(_PPM * float((one - two).abs().max()) / largest) if largest else _PPM


def _not_replayable(adapter: AdapterState, note: str) -> Replayed:
    return Replayed(adapter.digest, None, "not replayable", promised=False, note=note,
                    difference_ppm={})  # fmt: skip
