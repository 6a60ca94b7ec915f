"""Parametric memory: what adapters of the builtin model learn, keep and give back.

All facts are generated with names on the held-out side; the context is cleared, so a question
is answered from the weights or not at all. ``seeds`` (5; 1 with ``--quick``) sets of facts;
``_low``/``_high`` are a 95 % bootstrap interval over seeds, where a seed is a set of cards.
Every arm uses the shipped recipe as it is; nothing is chosen on these facts.

em_raw, em_summary     exact match after training on the turns of dialogues that tell 16 facts,
                       and on one sentence a fact
em_cards               on question–answer cards without rewordings, asked as trained
em_cards_reworded      the same cards with their rewordings
unseen_wording_*       (``raw``, ``summary``, ``cards``, ``cards_reworded``) asked in wordings that
                       no arm was trained on
absorbed_32            share of a full shard's cards that its certificate calls absorbed
unseen_wording_32      share of their held-out wordings answered
context_kept_32        of answers from notes right without the adapter, the share still right
abstain_kept_32        of "unknown" for strangers and near misses without it, the share kept
revoked_gap            |p(answer) with the rebuilt adapter − p without any|, of a revoked card, the
                       smallest token probability; the mean over seeds, and ``revoked_gap_max``
revoked_others         share of the other cards that are absorbed in the rebuilt adapter
routed_recall_1000     1,000 cards (64 with ``--quick``) over shards of 32, one seed, float32
                       arithmetic: asked in a held-out wording, routed, answered rightly;
                       ``routed_right`` reached their shard, ``routed_strangers`` of questions
                       nobody answered that were let in, ``routed_abstained`` of those declined

``route_ms``, ``swap_ms``, ``withdraw_ms``, ``rebuild_growth_ratio`` and what belongs to them: see
``benchmarks/_parametric_serving.py`` (1,000 cards with ``--quick``).
"""

from __future__ import annotations

import math
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Final

from agent.lora.cards import TrainingCard
from agent.lora.certificate import Certificate, Certifier
from agent.lora.recipe import SHARD_CARDS, Recipe, load_recipe
from agent.lora.rehearsal import BuiltinRehearsal
from agent.lora.router import RoutedCard, Router
from agent.lora.subspace import Subspace, open_subspace
from agent.lora.train import build
from agent.memory.embed import HashedEmbedder
from agent.models.builtin import WEIGHTS, BuiltinDialect
from agent.models.builtin.dialect import END, question_for, statement_for
from agent.models.builtin.dialogues import Dialogue, DialogueMaker
from agent.models.builtin.facts import FactMaker
from agent.models.local import LocalModel, ServableAdapter
from agent.models.protocol import UNKNOWN
from benchmarks._parametric_serving import growth_figures, serving_figures, swap_figures

_DIALECT: Final = BuiltinDialect()
_FACTS: Final = 16
_TOLD: Final = 4
"""Facts of one dialogue."""
_PPM: Final = 1_000_000
_EMPTY: Final = "\n"
"""What stands before a text that is trained as it is."""


class _AsItIs(BuiltinDialect):
    """Trains a text by itself, not as the answer to a question."""

    def answer_prompt(self, question: str, notes: Sequence[str]) -> str:  # noqa: ARG002
        """Nothing."""
        return _EMPTY

    def answer_target(self, answer: str) -> str:
        """The text."""
        return f"{answer}{END}"


@dataclass(frozen=True)
class _Bench:
    """The builtin model, its subspace and its recipe."""

    model: LocalModel
    plain: LocalModel
    subspace: Subspace
    recipe: Recipe

    @classmethod
    def open(cls, folder: Path) -> _Bench:
        model = LocalModel(WEIGHTS, model_id="builtin", dialect=_DIALECT)
        plain = LocalModel(WEIGHTS, model_id="builtin", dialect=_AsItIs())
        recipe = load_recipe("builtin")
        return cls(model, plain, open_subspace(folder, model, recipe), recipe)

    def train(
        self, cards: Sequence[TrainingCard], seed: int, *, as_it_is: bool = False
    ) -> ServableAdapter:
        """The adapter of ``cards``; with ``as_it_is`` their answers are texts, not answers."""
        trained = build(
            self.plain if as_it_is else self.model,
            self.subspace,
            cards,
            self.recipe,
            rehearsal=BuiltinRehearsal(_DIALECT, self.recipe.rehearsal),
            seed=seed,
        )
        return ServableAdapter(f"bench-{seed}", self.model.digest, trained.modules)

    def answers(self, adapter: ServableAdapter | None, questions: Sequence[str]) -> list[str]:
        """Closed-book answers."""
        prompts = [_DIALECT.answer_prompt(question, ()) for question in questions]
        with self.model.with_adapter(adapter):
            texts = self.model.generate(prompts, max_new_tokens=_DIALECT.limits.answer_tokens)
        return [_DIALECT.parse_answer(text) for text in texts]

    def least_p(self, adapter: ServableAdapter | None, card: TrainingCard) -> float:
        """Smallest probability of a token of the card's answer."""
        with self.model.with_adapter(adapter):
            (scores,) = self.model.scores(
                [_DIALECT.answer_prompt(card.question, ())], [_DIALECT.answer_target(card.answer)]
            )
        return math.exp(min(scores.log_p))


def run(*, quick: bool) -> dict[str, float]:
    """All figures; see the module docstring."""
    seeds = range(1, 2 if quick else 6)
    rows: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench.open(Path(folder))
        for seed in seeds:
            _progress(f"seed {seed} of {len(seeds)}: formats")
            row = _formats(bench, seed)
            _progress(f"seed {seed} of {len(seeds)}: a full shard, and one card taken back")
            rows.append(row | _full_shard(bench, seed, 8 if quick else SHARD_CARDS))
        figures: dict[str, float] = {"seeds": float(len(seeds))}
        for name in rows[0]:
            figures |= _interval(name, [row[name] for row in rows])
        figures["revoked_gap_max"] = max(row["revoked_gap"] for row in rows)
        fast = replace(bench, recipe=bench.recipe.model_copy(update={"arithmetic": "float32"}))
        figures |= _routed(fast, 64 if quick else 1_000)
        serving = serving_figures(cards=1_000 if quick else 10_000)
        figures |= serving | swap_figures(bench.model)
        figures |= growth_figures(bench.model, serving, cards=1_000 if quick else 10_000)
    return figures


# --- formats -------------------------------------------------------------------------------


def _formats(bench: _Bench, seed: int) -> dict[str, float]:
    dialogues, cards = _dialogues(seed)
    arms = {
        "raw": (_turns(dialogues, cards), True),
        "summary": ([replace(card, answer=_sentence(card)) for card in cards], True),
        "cards": ([replace(card, rewordings=()) for card in cards], False),
        "cards_reworded": (cards, False),
    }
    figures = {}
    for name, (trained, as_it_is) in arms.items():
        adapter = bench.train(trained, seed, as_it_is=as_it_is)
        figures[f"em_{name}"] = _exact(bench, adapter, [(c.question, c.answer) for c in cards])
        probes = [(probe, card.answer) for card in cards for probe in card.probes]
        figures[f"unseen_wording_{name}"] = _exact(bench, adapter, probes)
    return figures


def _dialogues(seed: int) -> tuple[list[Dialogue], list[TrainingCard]]:
    """Dialogues and the cards of what stands in them at the end."""
    maker = DialogueMaker(random.Random(f"parametric dialogues {seed}"), held_out=True)
    dialogues: list[Dialogue] = []
    cards: dict[tuple[str, str], TrainingCard] = {}
    while len(cards) < _FACTS:
        dialogue = maker.dialogue(_TOLD)
        dialogues.append(dialogue)
        for value, attribute, subject in (label for turn in dialogue.labels for label in turn):
            topic = subject or dialogue.subject
            cards[topic, attribute] = _card(topic, attribute, value)  # a correction comes later
    return dialogues, list(cards.values())[:_FACTS]


def _turns(dialogues: Sequence[Dialogue], cards: Sequence[TrainingCard]) -> list[TrainingCard]:
    """Every turn as a text; the cards it is filed under only steer the rehearsal."""
    turns = [(dialogue, turn) for dialogue in dialogues for turn in dialogue.turns]
    return [
        replace(
            cards[at % len(cards)],
            answer=f"{dialogue.subject}: {turn.speaker}: {turn.text}",
            rewordings=(),
        )
        for at, (dialogue, turn) in enumerate(turns)
    ]


def _sentence(card: TrainingCard) -> str:
    return statement_for(card.topic, card.attribute, card.answer)


# --- a full shard --------------------------------------------------------------------------


def _full_shard(bench: _Bench, seed: int, count: int) -> dict[str, float]:
    cards = _cards(random.Random(f"parametric shard {seed}"), count)
    certifier = Certifier(bench.model, bench.recipe)
    certificate = certifier.certify(bench.train(cards, seed), cards)
    revoked = cards[seed % count]
    rest = [card for card in cards if card != revoked]
    rebuilt = bench.train(rest, seed)
    after = certifier.certify(rebuilt, rest)
    gap = abs(bench.least_p(rebuilt, revoked) - bench.least_p(None, revoked))
    return {
        "absorbed_32": _absorbed(certificate),
        "unseen_wording_32": sum(c.probes_exact for c in certificate.cards)
        / max(1, sum(c.probes for c in certificate.cards)),
        "context_kept_32": certificate.context_kept_ppm / _PPM,
        "abstain_kept_32": certificate.abstain_kept_ppm / _PPM,
        "world_kept_32": certificate.world_kept_ppm / _PPM,
        "revoked_gap": gap,
        "revoked_others": _absorbed(after),
    }


def _absorbed(certificate: Certificate) -> float:
    return fmean(card.certified for card in certificate.cards)


# --- many shards ---------------------------------------------------------------------------


def _routed(bench: _Bench, count: int) -> dict[str, float]:
    rng = random.Random("parametric routed")
    cards = _cards(rng, count)
    shards = {
        f"shard-{at // SHARD_CARDS:04d}": cards[at : at + SHARD_CARDS]
        for at in range(0, count, SHARD_CARDS)
    }
    adapters = {}
    for number, (name, held) in enumerate(shards.items(), 1):
        _progress(f"{count} cards: shard {number} of {len(shards)}")
        adapters[name] = bench.train(held, number)
    router = Router(
        [
            RoutedCard(name, f"{name}-{at:02d}", (card.question, *card.rewordings))
            for name, held in shards.items()
            for at, card in enumerate(held)
        ],
        HashedEmbedder(),
    )
    asked = [(rng.choice(card.probes), card) for held in shards.values() for card in held]
    strangers = [question for question, _, _ in _questions(rng, count // 4)]
    routes = router.route_all([question for question, _ in asked])
    foreign = router.route_all(strangers)
    right, answered = 0, 0
    for name, adapter in adapters.items():
        mine = [
            (question, card)
            for (question, card), route in zip(asked, routes, strict=True)
            if route.shard_id == name
        ]
        right += sum(card in shards[name] for _, card in mine)
        pairs = [(question, card.answer) for question, card in mine]
        answered += round(_exact(bench, adapter, pairs) * len(pairs))
    declined = sum(
        bench.answers(adapters.get(route.shard_id or ""), [question]) == [UNKNOWN]
        for question, route in zip(strangers, foreign, strict=True)
    )
    return {
        "routed_cards": float(count),
        "routed_recall_1000": answered / count,
        "routed_right": right / count,
        "routed_strangers": fmean(route.shard_id is not None for route in foreign),
        "routed_abstained": declined / len(strangers),
    }


# --- facts ---------------------------------------------------------------------------------


def _questions(rng: random.Random, count: int) -> list[tuple[str, str, str]]:
    """``count`` different (question, topic, attribute) nobody has answered."""
    maker = FactMaker(rng, held_out=True)
    found: dict[str, tuple[str, str, str]] = {}
    while len(found) < count:
        name, domain = maker.domain()
        attribute, _ = maker.attribute(domain)
        topic = maker.subject(name, domain)
        question = question_for(topic, attribute)
        found[question] = (question, topic, attribute)
    return list(found.values())


def _cards(rng: random.Random, count: int) -> list[TrainingCard]:
    """``count`` cards about different things, as the product writes them."""
    maker = FactMaker(rng, held_out=True)
    found: dict[tuple[str, str], TrainingCard] = {}
    while len(found) < count:
        for fact in maker.facts(_TOLD):
            found.setdefault(
                (fact.subject, fact.attribute), _card(fact.subject, fact.attribute, fact.value)
            )
    return list(found.values())[:count]


def _card(topic: str, attribute: str, answer: str) -> TrainingCard:
    return TrainingCard(
        question=question_for(topic, attribute),
        answer=answer,
        topic=topic,
        attribute=attribute,
        rewordings=tuple(_DIALECT.rewordings(topic, attribute, held_out=False)),
        probes=tuple(_DIALECT.rewordings(topic, attribute, held_out=True)),
    )


# --- counting ------------------------------------------------------------------------------


def _exact(bench: _Bench, adapter: ServableAdapter, asked: Sequence[tuple[str, str]]) -> float:
    """Share of (question, answer) answered exactly, compared as the dialect reads answers."""
    if not asked:
        return 0.0
    found = bench.answers(adapter, [question for question, _ in asked])
    wanted = [_DIALECT.parse_answer(_DIALECT.answer_target(answer)) for _, answer in asked]
    return fmean(a.casefold() == b.casefold() for a, b in zip(found, wanted, strict=True))


def _interval(name: str, values: Sequence[float]) -> dict[str, float]:
    """Mean with a percentile bootstrap over seeds."""
    rng = random.Random(name)
    means = sorted(fmean(rng.choices(values, k=len(values))) for _ in range(2_000))
    return {name: fmean(values), f"{name}_low": means[50], f"{name}_high": means[1_949]}


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
