"""Which shard answers a question: that of the nearest card, or none.

A question is compared with every card that a served adapter holds, in all its trained
wordings, by cosine of the recall embedder. Below ``THRESHOLD`` no card is near enough and
the base model answers. Equal scores go to the smaller shard and entry id, so the choice
depends on nothing but the question, the time and what is served.

``LiveRouter`` follows the ledger: from one version to the next only the cards that changed,
or whose adapter came into service or left it, are looked at. It is a projection like any
other, equal to making it anew by test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.lora.nearest import Rows
from agent.memory.embed import Embedder
from governance.events import CardBody, Scope
from governance.layered import Follower
from governance.records import EntryState, ShardState
from governance.state import State

THRESHOLD: Final = 0.55
"""Calibrated with :func:`calibrate` on 320 generated cards in ten shards, held-out names.

At 0.55 all questions in 960 other wordings reach their shard, 7 % of strangers' questions
are let in, and 90 % of questions that differ from a card only in the digits or a name of
their subject: those the adapter itself must decline, which near misses train it for. At
0.65 the figures are 99.5 %, 2 % and 51 %."""
_PPM: Final = 1_000_000
_TOGETHER: Final = 256
"""Cards that are embedded at once."""


@dataclass(frozen=True)
class RoutedCard:
    """A card that a served adapter holds, the wordings it is found by, and when it is valid."""

    shard_id: str
    entry_id: str
    texts: tuple[str, ...]
    valid_from_us: int | None = None
    valid_to_us: int | None = None


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
    """Nearest-card routing over the cards it was given."""

    def __init__(
        self, cards: Iterable[RoutedCard], embedder: Embedder, *, threshold: float = THRESHOLD
    ) -> None:
        self._embedder = embedder
        self._threshold = threshold
        self._rows = Rows(embedder.dimension)
        self._cards: dict[int, RoutedCard] = {}
        self._numbers: dict[str, int] = {}
        self._next = 0
        self.add(cards)

    @classmethod
    def of(
        cls, state: State, scope: Scope, embedder: Embedder, *, threshold: float = THRESHOLD
    ) -> Router:
        """The router over the active cards in ``scope`` that a served adapter holds."""
        return cls(served_cards(state, scope), embedder, threshold=threshold)

    @property
    def cards(self) -> Mapping[str, RoutedCard]:
        """The cards it chooses from, by entry id."""
        return {card.entry_id: card for card in self._cards.values()}

    def card(self, entry_id: str) -> RoutedCard | None:
        """The card of this entry, if it may be chosen."""
        number = self._numbers.get(entry_id)
        return None if number is None else self._cards[number]

    def add(self, cards: Iterable[RoutedCard]) -> None:
        """Choose from these as well; an entry must not be there yet."""
        waiting = list(cards)
        for start in range(0, len(waiting), _TOGETHER):
            some = waiting[start : start + _TOGETHER]
            numbers = range(self._next, self._next + len(some))
            self._next += len(some)
            self._cards.update(zip(numbers, some, strict=True))
            self._numbers.update((card.entry_id, n) for n, card in zip(numbers, some, strict=True))
            rows = [
                (n, card, text)
                for n, card in zip(numbers, some, strict=True)
                for text in card.texts
            ]
            self._rows.add(
                self._embedder.embed([text for _, _, text in rows]),
                [number for number, _, _ in rows],
                [(card.valid_from_us, card.valid_to_us) for _, card, _ in rows],
            )

    def remove(self, entry_ids: Iterable[str]) -> None:
        """Choose from these no more; what is not there is passed over."""
        numbers = [self._numbers.pop(one) for one in entry_ids if one in self._numbers]
        for number in numbers:
            del self._cards[number]
        if numbers:
            self._rows.remove(numbers)

    def route(self, question: str, now_us: int | None = None) -> Route:
        """The shard of the nearest card, or none.

        Args:
            question: As it was asked.
            now_us: Leave out cards not valid at this time (microseconds, UTC).
        """
        score, owners = self._rows.nearest(self._embedder.embed([question])[0], now_us)
        if not owners:
            return Route(None, None, 0.0)
        first = min((self._cards[n].shard_id, self._cards[n].entry_id) for n in owners)
        return Route(first[0] if score >= self._threshold else None, first[1], score)

    def route_all(self, questions: Sequence[str]) -> list[Route]:
        """:meth:`route` for each question."""
        return [self.route(question) for question in questions]


class LiveRouter:
    """The router of one scope, from one version of a ledger to the next. Not thread-safe."""

    def __init__(self, scope: Scope, embedder: Embedder) -> None:
        self._scope = scope
        self._router = Router([], embedder)
        self._seq = 0
        self._frozen = False
        self._new_entries: Follower[EntryState] = Follower()
        self._new_shards: Follower[ShardState] = Follower()
        self._active: dict[str, str | None] = {}
        self._held: dict[str, dict[str, EntryState]] = {}
        self._digests: dict[str, str] = {}

    def at(self, state: State) -> Router:
        """The router as of ``state``; good until the next call.

        Wordings are embedded once, as long as the card stays served.
        """
        if state.seq != self._seq:
            self._follow(state)
            self._seq = state.seq
        return self._router

    def _follow(self, state: State) -> None:
        entries = self._new_entries.unread(state.entries)
        shards = self._new_shards.unread(state.shards)
        touched: set[str] = set()
        # Under a freeze what may serve depends on every card of an adapter: look at all.
        frozen, self._frozen = self._frozen or state.frozen, state.frozen
        if entries is None or shards is None or state.seq < self._seq or frozen:
            touched.update(self._digests)
            self._active, self._held, self._digests = {}, {}, {}
            entries = list(state.active(self._scope, "parametric"))
            shards = list(state.shards.values())
        for entry in entries:
            self._place(entry)
            touched.add(entry.entry_id)
        for shard in shards:
            before, after = self._active.get(shard.shard_id), _may_serve(state, shard)
            if after != before:
                self._active[shard.shard_id] = after
                touched.update(*(self._held.get(one or "", ()) for one in (before, after)))
        self._renew(touched)

    def _place(self, entry: EntryState) -> None:
        """Note by which adapter the card acts, if it does."""
        before = self._digests.pop(entry.entry_id, None)
        if before is not None:
            del self._held[before][entry.entry_id]
            if not self._held[before]:
                del self._held[before]
        digest = entry.adapter_digest
        if (
            digest is not None
            and entry.status == "active"
            and entry.channel == "parametric"
            and self._scope.sees(entry.scope)
        ):
            self._digests[entry.entry_id] = digest
            self._held.setdefault(digest, {})[entry.entry_id] = entry

    def _renew(self, entry_ids: Iterable[str]) -> None:
        serving = _serving(self._active)
        gone, new = [], []
        for entry_id in entry_ids:
            digest = self._digests.get(entry_id)
            card = _routed(self._held[digest][entry_id], serving) if digest else None
            if card != self._router.card(entry_id):
                gone.append(entry_id)
                new += [card] if card is not None else []
        self._router.remove(gone)
        self._router.add(new)


def served_cards(state: State, scope: Scope) -> list[RoutedCard]:
    """Active cards that the adapter now served for their shard holds.

    Under a freeze an adapter with a card in it that no person reviewed serves nobody.
    """
    serving = _serving({s.shard_id: _may_serve(state, s) for s in state.shards.values()})
    cards = (_routed(entry, serving) for entry in state.active(scope, "parametric"))
    return [card for card in cards if card is not None]


def _may_serve(state: State, shard: ShardState) -> str | None:
    return shard.active if shard.active and state.may_serve(shard.active) else None


def _serving(active: Mapping[str, str | None]) -> dict[str, str]:
    """Served adapter → its shard."""
    return {digest: shard_id for shard_id, digest in sorted(active.items()) if digest}


def _routed(entry: EntryState, serving: Mapping[str, str]) -> RoutedCard | None:
    shard_id = serving.get(entry.adapter_digest or "")
    if shard_id is None or not isinstance(entry.body, CardBody):
        return None
    texts = (entry.body.question, *entry.body.rewordings)
    return RoutedCard(shard_id, entry.entry_id, texts, entry.valid_from_us, entry.valid_to_us)


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
    shard_of = {card.entry_id: card.shard_id for card in router.cards.values()}
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
