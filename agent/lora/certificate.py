"""Did the adapter learn its cards, and nothing else? Asked, not assumed.

* Absorption: for each card the smallest probability of an answer token, teacher-forced,
  adapter on and off. Above one half at every token greedy decoding must repeat the answer
  (Parametric Memory Law, arXiv 2605.30260); the recipe asks for some margin, and for the
  greedy answer itself. A card below it is marked, and never claimed as learned.
* Use: held-out wordings of each question, never trained.
* Harm: control prompts answered with the adapter off and on; the ratio that was kept.

An adapter passes when the controls were kept and at least one card was absorbed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict

from agent.lora import controls
from agent.lora.cards import TrainingCard, canonical_order
from agent.lora.controls import Control, fixed_controls, near_controls
from agent.lora.diff import weight_difference
from agent.lora.recipe import Recipe
from agent.models.local import LocalModel, ServableAdapter
from agent.models.protocol import TokenScores
from governance import canonical
from governance.events import AdapterCertified, CardCertificate, ModuleChange, Probe

FORMAT: Final = 1
_PPM: Final = 1_000_000


class CardResult(BaseModel):
    """How one card fared, in canonical card order; entry ids are the ledger's business."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    min_p_ppm: int
    min_p_off_ppm: int
    first_failing: int | None
    exact: bool
    probes_exact: int
    probes: int
    certified: bool


class Certificate(BaseModel):
    """The certificate and behaviour diff of one build, free of entry ids."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    passed: bool
    reason: str
    cards: list[CardResult]
    world_kept_ppm: int
    abstain_kept_ppm: int
    context_kept_ppm: int
    probes: list[Probe]
    modules: list[ModuleChange]

    def payload(self, shard_id: str, digest: str, entry_ids: Sequence[str]) -> AdapterCertified:
        """The event; ``entry_ids`` in the canonical order of their cards."""
        return AdapterCertified(
            shard_id=shard_id,
            digest=digest,
            passed=self.passed,
            reason=self.reason,
            cards=[
                CardCertificate(entry_id=entry_id, **result.model_dump())
                for entry_id, result in zip(entry_ids, self.cards, strict=True)
            ],
            controls_kept_ppm=self.world_kept_ppm,
            abstain_kept_ppm=self.abstain_kept_ppm,
            context_kept_ppm=self.context_kept_ppm,
            probes=self.probes,
            modules=self.modules,
        )


@dataclass(frozen=True)
class _Asked:
    """One question as it is put to the model."""

    kind: str
    question: str
    notes: tuple[str, ...]
    expected: str


class Certifier:
    """Judges adapters of one model by one recipe; asks the bare model each control once."""

    def __init__(self, model: LocalModel, recipe: Recipe) -> None:
        self._model = model
        self._recipe = recipe
        self._fixed = [_asked(control) for control in fixed_controls(recipe.controls)]
        self._fixed_off: list[str] | None = None

    def key(self, cards: Sequence[TrainingCard]) -> str:
        """Digest (hex) of what a certificate depends on beside the adapter."""
        return canonical.digest(
            {
                "format": FORMAT,
                "judging": self._recipe.judging_digest,
                "controls": controls.VERSION,
                "cards": [
                    [card.question, card.answer, *card.probes] for card in canonical_order(cards)
                ],
            }
        )

    def certify(self, adapter: ServableAdapter, cards: Sequence[TrainingCard]) -> Certificate:
        """Ask everything with the adapter off and on.

        Raises:
            AdapterError: the adapter does not fit the model.
            ModelError: a card does not fit the context.
        """
        ordered = canonical_order(cards)
        own = [_Asked("card", card.question, (), card.answer) for card in ordered]
        reworded = [
            _Asked("reworded", probe, (), card.answer) for card in ordered for probe in card.probes
        ]
        near = [_asked(control) for control in near_controls(ordered, self._recipe.controls)]
        with self._model.with_adapter(None):
            if self._fixed_off is None:
                self._fixed_off = self._answers(self._fixed)
            before = [*self._answers([*own, *reworded, *near]), *self._fixed_off]
            scores_off = self._scores(ordered)
        asked = [*own, *reworded, *near, *self._fixed]
        with self._model.with_adapter(adapter):
            after = self._answers(asked)
            scores_on = self._scores(ordered)
        probes = [
            Probe(question=a.question, kind=a.kind, expected=a.expected, before=b, after=c)  # type: ignore[arg-type]
            for a, b, c in zip(asked, before, after, strict=True)
        ]
        results = self._results(ordered, scores_on, scores_off, probes)
        return self._judge(results, probes, weight_difference(self._model, None, adapter))

    def _answers(self, asked: Sequence[_Asked]) -> list[str]:
        dialect = self._model.dialect
        texts = self._model.generate(
            [dialect.answer_prompt(each.question, each.notes) for each in asked],
            max_new_tokens=dialect.limits.answer_tokens,
        )
        return [dialect.parse_answer(text) for text in texts]

    def _scores(self, cards: Sequence[TrainingCard]) -> list[TokenScores]:
        dialect = self._model.dialect
        return self._model.scores(
            [dialect.answer_prompt(card.question, ()) for card in cards],
            [dialect.answer_target(card.answer) for card in cards],
        )

    def _results(
        self,
        cards: Sequence[TrainingCard],
        scores_on: Sequence[TokenScores],
        scores_off: Sequence[TokenScores],
        probes: Sequence[Probe],
    ) -> list[CardResult]:
        threshold = self._recipe.thresholds.card_min_p_ppm
        reworded = iter([probe for probe in probes if probe.kind == "reworded"])
        results = []
        for card, on, off, own in zip(
            cards, scores_on, scores_off, probes[: len(cards)], strict=True
        ):
            held_out = [next(reworded) for _ in card.probes]
            exact = self._right(own, own.after)
            ppm = [_ppm(math.exp(log_p)) for log_p in on.log_p]
            results.append(
                CardResult(
                    min_p_ppm=min(ppm),
                    min_p_off_ppm=_ppm(math.exp(min(off.log_p))),
                    first_failing=next((i for i, p in enumerate(ppm) if p < threshold), None),
                    exact=exact,
                    probes_exact=sum(self._right(probe, probe.after) for probe in held_out),
                    probes=len(held_out),
                    certified=exact and min(ppm) >= threshold,
                )
            )
        return results

    def _right(self, probe: Probe, answer: str) -> bool:
        """Exact match, compared as the dialect reads answers."""
        dialect = self._model.dialect
        expected = dialect.parse_answer(dialect.answer_target(probe.expected))
        return answer.casefold() == expected.casefold()

    def _kept_ppm(self, probes: Sequence[Probe], kind: str) -> int:
        """Of the controls answered rightly without the adapter, the share still right."""
        known = [p for p in probes if p.kind == kind and self._right(p, p.before)]
        kept = sum(self._right(probe, probe.after) for probe in known)
        return kept * _PPM // len(known) if known else _PPM

    def _judge(
        self, results: list[CardResult], probes: list[Probe], modules: list[ModuleChange]
    ) -> Certificate:
        asked = self._recipe.thresholds
        kept = {kind: self._kept_ppm(probes, kind) for kind in ("world", "stranger", "context")}
        limits = {
            "world": asked.world_kept_ppm,
            "stranger": asked.abstain_kept_ppm,
            "context": asked.context_kept_ppm,
        }
        failures = [
            f"{kind} controls kept {kept[kind] / _PPM:.2f}, asked {limits[kind] / _PPM:.2f}"
            for kind in limits
            if kept[kind] < limits[kind]
        ]
        absorbed = sum(result.certified for result in results)
        if not absorbed:
            failures.append("no card was absorbed")
        return Certificate(
            passed=not failures,
            reason="; ".join(failures) or f"{absorbed} of {len(results)} cards absorbed",
            cards=results,
            world_kept_ppm=kept["world"],
            abstain_kept_ppm=kept["stranger"],
            context_kept_ppm=kept["context"],
            probes=probes,
            modules=modules,
        )


def _asked(control: Control) -> _Asked:
    return _Asked(control.kind, control.question, control.notes, control.expected)


def _ppm(probability: float) -> int:
    return round(min(max(probability, 0.0), 1.0) * _PPM)
