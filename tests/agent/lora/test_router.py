from __future__ import annotations

import random

from agent.lora.router import THRESHOLD, RoutedCard, Router, calibrate, served_cards
from agent.memory.embed import HashedEmbedder
from agent.models.builtin.dialect import BuiltinDialect, question_for
from agent.models.builtin.facts import FactMaker
from governance.events import AdapterWithdrawn
from governance.ledger import Ledger
from tests.governance import drafts

EMBEDDER = HashedEmbedder()
DIALECT = BuiltinDialect()


def _card(shard: str, entry: str, question: str, *more: str) -> RoutedCard:
    return RoutedCard(shard, entry, (question, *more))


FEW = [
    _card("s1", "c1", "What is the excess of claim CL-20417?", "CL-20417: what is the excess?"),
    _card("s1", "c2", "What is the adjuster of claim CL-20417?"),
    _card("s2", "c3", "What is the room of the Nordstern meeting?"),
]


def test_a_question_goes_to_the_shard_of_its_nearest_card() -> None:
    router = Router(FEW, EMBEDDER)
    assert router.route("What is the excess of claim CL-20417?").nearest == "c1"
    route = router.route("Do you know the adjuster of claim CL-20417?")
    assert (route.shard_id, route.nearest) == ("s1", "c2")
    assert router.route("Which room has the Nordstern meeting?").shard_id == "s2"
    assert THRESHOLD <= route.score <= 1
    assert route.score_ppm == round(route.score * 1_000_000)


def test_below_the_threshold_no_shard_answers() -> None:
    question = "Who painted the ceiling?"
    assert Router(FEW, EMBEDDER).route(question).shard_id is None
    assert Router(FEW, EMBEDDER, threshold=-1.0).route(question).shard_id is not None
    empty = Router([], EMBEDDER).route(question)
    assert (empty.shard_id, empty.nearest, empty.score) == (None, None, 0.0)
    assert Router(FEW, EMBEDDER).route_all([]) == []


def test_ties_go_to_the_smaller_shard_and_entry_whatever_the_order() -> None:
    twins = [_card(s, e, "What is the fee?") for s, e in (("s2", "a"), ("s1", "z"), ("s1", "b"))]
    for cards in (twins, twins[::-1]):
        route = Router(cards, EMBEDDER).route("What is the fee?")
        assert (route.shard_id, route.nearest) == ("s1", "b")


def _generated(count: int) -> list[tuple[str, str]]:
    maker = FactMaker(random.Random(4), held_out=True)
    found: dict[tuple[str, str], None] = {}
    while len(found) < count:
        for fact in maker.facts(6):
            found.setdefault((fact.subject, fact.attribute), None)
    return list(found)[:count]


def test_the_shipped_threshold_is_calibrated_on_generated_cards() -> None:
    """Held-out wordings of 320 cards in ten shards, and 200 strangers' questions."""
    facts = _generated(520)
    known, foreign = facts[:320], facts[320:]
    cards = [
        RoutedCard(
            f"s{i // 32}",
            f"c{i}",
            (question_for(*fact), *DIALECT.rewordings(*fact, held_out=False)),
        )
        for i, fact in enumerate(known)
    ]
    asked = [
        (wording, f"s{i // 32}")
        for i, fact in enumerate(known)
        for wording in DIALECT.rewordings(*fact, held_out=True)
    ]
    strangers = [question_for(*fact) for fact in foreign]
    router = Router(cards, EMBEDDER)
    shipped, lax, strict = calibrate(router, asked, strangers, [THRESHOLD, 0.0, 1.01])
    assert shipped.right >= 0.99
    assert shipped.wrong <= 0.005
    assert shipped.let_in <= 0.1
    assert lax.let_in == 1.0
    assert (strict.right, strict.missed, strict.let_in) == (0, 1, 0)


def test_only_cards_that_a_served_adapter_holds_are_routed_to(ledger: Ledger) -> None:
    body = drafts.card_body()
    ledger.append(
        [
            drafts.draft(drafts.source()),
            *drafts.approved_card("c1"),
            drafts.draft(drafts.trained("ad1", ["c1"])),
            drafts.draft(drafts.certified("ad1", ["c1"])),
        ]
    )
    assert served_cards(ledger.state, drafts.HERE) == []
    ledger.append(
        [
            drafts.draft(drafts.served("ad1")),
            drafts.draft(drafts.activated("c1", adapter_digest="ad1")),
        ]
    )
    assert served_cards(ledger.state, drafts.HERE) == [
        RoutedCard("sh1", "c1", (body.question, *body.rewordings))
    ]
    assert Router.of(ledger.state, drafts.HERE, EMBEDDER).route(body.question).shard_id == "sh1"
    assert served_cards(ledger.state, drafts.ELSEWHERE) == []
    ledger.append(
        [drafts.draft(AdapterWithdrawn(shard_id="sh1", digest="ad1", reason_code="revoked"))]
    )
    assert served_cards(ledger.state, drafts.HERE) == []
