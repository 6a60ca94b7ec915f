"""Which shard answers a question: that of the nearest card, or none.

A question is compared with every card that a served adapter holds, in all its trained
wordings, by cosine of the recall embedder. Below ``THRESHOLD`` no card is near enough and
the base model answers. Equal scores go to the smaller shard and entry id, so the choice
depends on nothing but the question and what is served.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from agent.memory.embed import Embedder
from governance.events import CardBody, Scope
from governance.state import State

THRESHOLD: Final = 0.55
"""Calibrated with :func:`calibrate` on 320 generated cards in ten shards, held-out names.

At 0.55 all questions in 960 other wordings reach their shard, 7 % of strangers' questions
are let in, and 90 % of questions that differ from a card only in the digits or a name of
their subject: those the adapter itself must decline, which near misses train it for. At
0.65 the figures are 99.5 %, 2 % and 51 %."""
_TIE: Final = 1e-6
_PPM: Final = 1_000_000


@dataclass(frozen=True, order=True)
class RoutedCard:
    """A card that a served adapter holds, and the wordings it is found by."""

    shard_id: str
    entry_id: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Route:
    """The choice. ``shard_id`` is None when the nearest card is not near enough."""

    shard_id: str | None
    nearest: str | None
    score: float

    @property
    def score_ppm(self) -> int:
        """The score as events record it."""
        return round(min(max(self.score, -1.0), 1.0) * _PPM)


@dataclass(frozen=True)
class RouterQuality:
    """Shares of questions: rightly routed, to the wrong shard, missed; strangers let in."""

    threshold: float
    right: float
    wrong: float
    missed: float
    let_in: float


class Router:
    """Nearest-card routing over what is served now. Immutable; build one per ledger head."""

    def __init__(
        self, cards: Iterable[RoutedCard], embedder: Embedder, *, threshold: float = THRESHOLD
    ) -> None:
        self._cards = sorted(cards)
        self._embedder = embedder
        self._threshold = threshold
        texts = [text for card in self._cards for text in card.texts]
        self._owner = np.repeat(np.arange(len(self._cards)), [len(c.texts) for c in self._cards])
        self._vectors = embedder.embed(texts) if texts else None

    @classmethod
    def of(
        cls, state: State, scope: Scope, embedder: Embedder, *, threshold: float = THRESHOLD
    ) -> Router:
        """The router over the active cards in ``scope`` that a served adapter holds."""
        return cls(served_cards(state, scope), embedder, threshold=threshold)

    def route(self, question: str) -> Route:
        """The shard of the nearest card, or none."""
        return self.route_all([question])[0]

    def route_all(self, questions: Sequence[str]) -> list[Route]:
        """:meth:`route` for each question."""
        if self._vectors is None or not questions:
            return [Route(None, None, 0.0) for _ in questions]
        scores = self._embedder.embed(list(questions)) @ self._vectors.T
        return [self._choose(row) for row in scores]

    def _choose(self, scores: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Route:
        best = float(scores.max())
        # Cards are sorted, so the first within the tie is the smallest shard and entry.
        card = self._cards[self._owner[int(np.argmax(scores >= best - _TIE))]]
        shard = card.shard_id if best >= self._threshold else None
        return Route(shard, card.entry_id, best)


def served_cards(state: State, scope: Scope) -> list[RoutedCard]:
    """Active cards that the adapter now served for their shard holds.

    Under a freeze an adapter with a card in it that no person reviewed serves nobody.
    """
    served = {
        shard.active: shard.shard_id
        for shard in state.shards.values()
        if shard.active and state.may_serve(shard.active)
    }
    return [
        RoutedCard(
            served[entry.adapter_digest],
            entry.entry_id,
            (entry.body.question, *entry.body.rewordings),
        )
        for entry in state.active(scope, "parametric")
        if isinstance(entry.body, CardBody) and entry.adapter_digest in served
    ]


def calibrate(
    router: Router,
    asked: Sequence[tuple[str, str]],
    strangers: Sequence[str],
    thresholds: Sequence[float],
) -> list[RouterQuality]:
    """How a router does at several thresholds.

    Args:
        router: Over the cards; its own threshold does not matter.
        asked: Question in a held-out wording, and the shard that holds its card.
        strangers: Questions that no card answers.
        thresholds: To try.
    """
    open_router = [(route, shard) for route, (_, shard) in zip(
        router.route_all([question for question, _ in asked]), asked, strict=True
    )]  # fmt: skip
    shard_of = {card.entry_id: card.shard_id for card in router._cards}  # noqa: SLF001 - same module
    foreign = router.route_all(strangers)
    qualities = []
    for threshold in thresholds:
        near = [(r, shard) for r, shard in open_router if r.score >= threshold]
        right = sum(shard_of[r.nearest or ""] == shard for r, shard in near)
        qualities.append(
            RouterQuality(
                threshold=threshold,
                right=right / len(asked),
                wrong=(len(near) - right) / len(asked),
                missed=1 - len(near) / len(asked),
                let_in=sum(r.score >= threshold for r in foreign) / max(len(foreign), 1),
            )
        )
    return qualities
