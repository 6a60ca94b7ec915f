"""The router that follows the ledger is the one made anew, and never routes to what is gone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.lora.router import LiveRouter, Router
from agent.memory.embed import HashedEmbedder, Vectors
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.scripted import ScriptedModel
from agent.target import AgentMemory
from governance import layered, revocation
from governance.events import (
    Actor,
    AdapterWithdrawn,
    CardBody,
    EntryApproved,
    LedgerFrozen,
    LedgerThawed,
    MemoryRecalled,
    Scope,
    Span,
)
from governance.ledger import EventDraft, Ledger
from tests.governance import drafts
from tests.governance.drafts import ANN, BOT, POLICY, draft

EMBEDDER = HashedEmbedder()
SCOPES = (Scope(), Scope(user="ann"), Scope(user="bob"))
SUBJECTS = ("claim CL-1", "claim CL-2", "the Nordstern meeting")


class Home:
    """A ledger with cards in shards, built by saying so."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._builds = 0
        for number, scope in enumerate(SCOPES):
            source = draft(drafts.source(f"s{number}"), scope=scope)
            ledger.append([source])

    def learn(
        self,
        entry_id: str,
        shard: int,
        subject: str = SUBJECTS[0],
        valid: tuple[int | None, int | None] = (None, None),
        *,
        by: Actor = ANN,
    ) -> None:
        """Propose and approve a card, and serve an adapter that holds it and the shard's others."""
        scope = SCOPES[shard]
        body = CardBody(
            topic=subject, attribute="fee", question=f"What is the fee of {subject}?", answer="9",
            rewordings=[f"{subject}: what is the fee?"],
        )  # fmt: skip
        spans = [Span(source_id=f"s{shard}", start=0, end=10)]
        proposal = drafts.proposed(entry_id, body, spans=spans).model_copy(
            update={"valid_from_us": valid[0], "valid_to_us": valid[1]}
        )
        self.ledger.append(
            [
                draft(proposal, BOT, scope),
                draft(drafts.verified(entry_id), scope=scope),
                draft(drafts.decided(EntryApproved, entry_id, body), by, scope),
            ]
        )
        self.build(shard, [*self.active(shard), entry_id])

    def active(self, shard: int) -> list[str]:
        entries = self.ledger.state.having(Scope(), "active")
        return [entry.entry_id for entry in entries if entry.scope == SCOPES[shard]]

    def build(self, shard: int, cards: Sequence[str]) -> None:
        """Serve an adapter of exactly these cards."""
        self._builds += 1
        digest, name = f"ad{self._builds}", f"sh{shard}"
        events = [
            drafts.trained(digest, cards, shard_id=name, version=self._builds),
            drafts.certified(digest, cards, shard_id=name),
            drafts.served(digest, name),
            *(drafts.activated(card, adapter_digest=digest) for card in cards),
        ]
        self.ledger.append([draft(one, scope=SCOPES[shard]) for one in events])

    def withdraw(self, shard: int) -> None:
        active = self.ledger.state.shards[f"sh{shard}"].active
        assert active is not None
        gone = AdapterWithdrawn(shard_id=f"sh{shard}", digest=active, reason_code="drill")
        self.ledger.append([draft(gone, scope=SCOPES[shard])])

    def revoke(self, entry_id: str) -> None:
        plan = revocation.plan_revocation(self.ledger, entry_id)
        revocation.revoke(self.ledger, plan, actor=ANN, reason_code="wrong")

    def freeze(self) -> None:
        """Or thaw, when it is frozen."""
        frozen = self.ledger.state.frozen
        event = LedgerThawed(reason="done") if frozen else LedgerFrozen(reason="drill")
        self.ledger.append([draft(event, ANN)])

    def record(self, number: int) -> None:
        """An answer like any other: the head moves, nothing served changes."""
        recalled = MemoryRecalled(recall_id=f"r{number}", purpose="answer", query="?", entries=[])
        self.ledger.append([EventDraft(recalled, BOT, Scope())])

    def served(self, shard: int) -> bool:
        known = self.ledger.state.shards.get(f"sh{shard}")
        return known is not None and known.active is not None

    def memory(self) -> AgentMemory:
        return AgentMemory(self.ledger, ScriptedModel({}, dialect=BuiltinDialect()))


_step = st.tuples(
    st.sampled_from(["learn", "learn", "rebuild", "withdraw", "revoke", "freeze"]),
    st.integers(0, 2),
    st.sampled_from(SUBJECTS),
)


def _take(home: Home, number: int, step: tuple[str, int, str]) -> None:
    kind, shard, subject = step
    held = home.active(shard)
    frozen = home.ledger.state.frozen
    if kind == "learn" and not frozen:
        home.learn(f"c{number}", shard, subject, by=(ANN, POLICY)[number % 2])
    elif kind == "freeze":
        home.freeze()
    elif kind == "rebuild" and held and not frozen:
        home.build(shard, held)
    elif kind == "withdraw" and home.served(shard):
        home.withdraw(shard)
    elif kind == "revoke" and held:
        home.revoke(held[number % len(held)])
    elif kind == "record":
        home.record(number)


@given(st.lists(_step, max_size=8), st.sampled_from([0, 2, 128]))
@settings(max_examples=40, deadline=None)
def test_following_the_ledger_gives_the_router_made_anew(
    steps: list[tuple[str, int, str]], recent: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, Ledger.in_memory() as ledger:
        patch.setattr(layered, "_RECENT", recent)  # what the state shares is not looked at again
        home = Home(ledger)
        followers = {scope: LiveRouter(scope, EMBEDDER) for scope in SCOPES}
        for number, subject in enumerate(SUBJECTS):
            home.learn(f"first-{number}", number % 2, subject, by=(ANN, POLICY)[number % 2])
        for number, step in enumerate([*steps, ("record", 0, "")]):
            _take(home, number, step)
            home.record(number + 100)
            state = ledger.state
            for scope, follower in followers.items():
                followed, anew = follower.at(state), Router.of(state, scope, EMBEDDER)
                assert followed.cards == anew.cards
                for subject in SUBJECTS:
                    asked = f"Fee of {subject}?"
                    assert followed.route(asked) == anew.route(asked)


def test_an_answer_that_is_recorded_embeds_nothing_again(ledger: Ledger) -> None:
    home = Home(ledger)
    home.learn("c1", 0)
    counting = CountingEmbedder()
    follower = LiveRouter(Scope(), counting)
    follower.at(ledger.state)
    assert counting.texts == 2
    home.record(1)
    follower.at(ledger.state)
    assert counting.texts == 2
    home.learn("c2", 0, SUBJECTS[1])
    follower.at(ledger.state)
    assert counting.texts == 4  # c1 is held by another adapter now, and found as before


class CountingEmbedder(HashedEmbedder):
    """Counts the texts it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = 0

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        return super().embed(texts)


def test_what_was_revoked_is_not_routed_to_from_the_next_question_on(ledger: Ledger) -> None:
    home = Home(ledger)
    home.learn("c1", 0, SUBJECTS[0])
    home.learn("c2", 0, SUBJECTS[2])
    memory = home.memory()
    asked = "What is the fee of claim CL-1?"
    before = memory.route(Scope(), asked)
    assert before is not None
    assert before.shard_id == "sh0"
    home.revoke("c1")
    assert memory.route(Scope(), asked) is None
    home.build(0, ["c2"])
    assert memory.route(Scope(), asked) is None
    other = memory.route(Scope(), "What is the fee of the Nordstern meeting?")
    assert other is not None
    assert other.digest == ledger.state.shards["sh0"].active


def test_under_a_freeze_only_what_a_person_reviewed_is_routed_to(ledger: Ledger) -> None:
    home = Home(ledger)
    home.learn("c1", 1, SUBJECTS[0], by=ANN)
    home.learn("c2", 2, SUBJECTS[2], by=POLICY)
    memory = home.memory()

    def shards() -> list[str | None]:
        asked = [f"What is the fee of {subject}?" for subject in (SUBJECTS[0], SUBJECTS[2])]
        routes = [memory.route(Scope(), question) for question in asked]
        return [route.shard_id if route else None for route in routes]

    assert shards() == ["sh1", "sh2"]
    home.freeze()
    assert shards() == ["sh1", None]
    home.freeze()
    assert shards() == ["sh1", "sh2"]


def test_a_card_is_routed_to_while_it_is_valid(ledger: Ledger) -> None:
    home = Home(ledger)
    now = ledger.now_us()
    hour = 3_600_000_000
    home.learn("before", 0, SUBJECTS[0], (None, now - hour))
    home.learn("later", 1, SUBJECTS[1], (now + hour, None))
    home.learn("now", 2, SUBJECTS[2], (now - hour, now + hour))
    memory = home.memory()
    routes = [memory.route(Scope(), f"What is the fee of {subject}?") for subject in SUBJECTS]
    assert [route and route.shard_id for route in routes] == [None, None, "sh2"]
    router = Router.of(ledger.state, Scope(), EMBEDDER)
    assert router.route("What is the fee of claim CL-1?", now - 2 * hour).nearest == "before"
    assert router.route("What is the fee of claim CL-2?", now + 2 * hour).nearest == "later"


def test_each_reader_is_routed_among_the_own_cards(ledger: Ledger) -> None:
    home = Home(ledger)
    home.learn("c1", 1)
    home.learn("c2", 2)
    memory = home.memory()
    asked = "What is the fee of claim CL-1?"
    routes = [memory.route(scope, asked) for scope in SCOPES[1:]]
    assert [route and route.shard_id for route in routes] == ["sh1", "sh2"]
    strangers = [memory.route(Scope(user=f"u{number}"), asked) for number in range(12)]
    assert strangers == [None] * 12
    again = [memory.route(scope, asked) for scope in SCOPES[1:]]
    assert again == routes


def test_a_home_opened_again_routes_as_before(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "home", create=True) as ledger:
        home = Home(ledger)
        home.learn("c1", 0)
        expected = home.memory().route(Scope(), "What is the fee of claim CL-1?")
        assert expected is not None
    with Ledger.open(tmp_path / "home") as ledger:
        memory = AgentMemory(ledger, ScriptedModel({}, dialect=BuiltinDialect()))
        asked = "What is the fee of claim CL-1?"
        assert memory.route(Scope(), asked) == expected
        plan = revocation.plan_revocation(ledger, "c1")
        revocation.revoke(ledger, plan, actor=ANN, reason_code="wrong")
        assert memory.route(Scope(), asked) is None


def test_questions_may_be_routed_while_the_ledger_moves(ledger: Ledger) -> None:
    home = Home(ledger)
    home.learn("c1", 0)
    memory = home.memory()
    asked = "What is the fee of claim CL-1?"
    with ThreadPoolExecutor(3) as pool:
        routes = [pool.submit(memory.route, Scope(), asked) for _ in range(60)]
        for number in range(20):
            home.record(number)
        assert {route.result() for route in routes} == {memory.route(Scope(), asked)}
    assert memory.route(Scope(), asked) is not None
