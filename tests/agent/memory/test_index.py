from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.errors import MemoryIndexError
from agent.memory.embed import HashedEmbedder, Vectors
from agent.memory.index import ExternalIndex
from governance.events import CardBody, FactBody, Scope
from governance.state import Entries, State

EMBEDDER = HashedEmbedder()
SCOPE = Scope(tenant="t", agent="desk")
QUERIES = [
    "What is the deductible of claim CL-20417?",
    "Who is the adjuster of claim CL-20402?",
    "garage 7",
    "deductable of CL20439",
    "euros",
]


def rebuilt(state: State, scope: Scope = SCOPE) -> ExternalIndex:
    index = ExternalIndex(scope, EMBEDDER)
    index.sync(state)
    return index


def test_finds_the_fact_asked_for(claims: Any) -> None:
    index = rebuilt(claims.state)
    assert len(index) == 160
    assert index.search(QUERIES[0], limit=4)[0].entry_id == "fact-17a"
    assert index.search(QUERIES[1], limit=4)[0].entry_id == "fact-02b"
    assert index.search(QUERIES[3], limit=4)[0].entry_id == "fact-39a"


def test_only_active_external_entries_of_the_scope(desk: Any) -> None:
    text = "The deductible of claim CL-1234 is 3."
    kept = desk.fact("kept", text)
    desk.fact("revoked", text, status="revoked")
    desk.fact("proposed", text, status="proposed")
    desk.fact("approved", text, status="approved")
    desk.fact("elsewhere", text, scope=Scope(tenant="other", agent="desk"))
    desk.put("card", CardBody(topic="t", attribute="a", question=text, answer="3"))
    index = rebuilt(desk.state)
    assert [found.entry_id for found in index.search(text, limit=9)] == [kept]


def test_follows_approval_and_revocation(claims: Any) -> None:
    index = rebuilt(claims.state)
    before = index.digest()
    claims.change("fact-17a", "revoked")
    assert index.sync(claims.state) == 1
    assert "fact-17a" not in index
    assert index.digest() != before
    claims.change("fact-17a", "active")
    assert index.sync(claims.state) == 1
    assert index.digest() == before
    assert index.sync(claims.state) == 0


def test_a_changed_text_is_indexed_again(desk: Any) -> None:
    desk.fact("one", "The fee of claim CL-1 is 3.")
    index = rebuilt(desk.state)
    before = index.digest()
    desk.fact("one", "The fee of claim CL-1 is 4.")
    index.sync(desk.state)
    assert index.digest() != before
    assert index.digest() == rebuilt(desk.state).digest()
    assert len(index) == 1


def test_an_earlier_state_takes_away_what_came_later(desk: Any) -> None:
    desk.fact("one", "The fee of claim CL-1 is 3.")
    earlier = State(seq=desk.state.seq, entries=Entries(desk.state.entries))
    desk.fact("two", "The fee of claim CL-2 is 4.")
    index = rebuilt(desk.state)
    later = index.digest()
    index.sync(earlier)
    assert index.digest() == rebuilt(earlier).digest()
    index.sync(desk.state)
    assert index.digest() == later


def test_versions_that_do_not_contain_one_another(desk: Any) -> None:
    desk.fact("both", "The fee of claim CL-1 is 3.")
    desk.fact("left", "The fee of claim CL-2 is 4.")
    left = State(seq=2, entries=Entries(desk.state.entries))
    desk.state.entries = Entries({"both": left.entries["both"]})
    desk.fact("right", "The fee of claim CL-3 is 5.")
    index = rebuilt(left)
    for state in (desk.state, left, desk.state):
        index.sync(state)
        assert index.digest() == rebuilt(state).digest()
        assert len(index) == 2


@settings(max_examples=25, deadline=None)
@given(rng=st.randoms(use_true_random=False))
def test_rebuild_ranks_and_hashes_the_same(make_desk: Any, rng: random.Random) -> None:
    state = State()
    lived = ExternalIndex(SCOPE, EMBEDDER)
    words = ["claim", "garage", "deductible", "Ilse", "Brandt", "CL-20417", "CL-20418", "late"]
    desk = make_desk(state)
    for step in range(rng.randint(1, 30)):
        if state.entries and rng.random() < 0.4:
            chosen = rng.choice(sorted(state.entries))
            desk.change(chosen, rng.choice(["active", "revoked", "superseded"]))
        else:
            desk.fact(f"fact-{rng.randint(0, 99):02d}-{step}", " ".join(rng.choices(words, k=5)))
        lived.sync(state)
    fresh = rebuilt(state)
    assert lived.digest() == fresh.digest()
    for query in ["garage of claim CL-20417", "Ilse Brandt", "late deductible", "unrelated"]:
        assert lived.search(query, limit=10) == fresh.search(query, limit=10)


def test_order_of_arrival_does_not_matter(claims: Any) -> None:
    names = list(claims.state.entries)
    random.Random(3).shuffle(names)
    entries = Entries({name: claims.state.entries[name] for name in names})
    shuffled = State(seq=claims.state.seq, entries=entries)
    first, second = rebuilt(claims.state), rebuilt(shuffled)
    assert first.digest() == second.digest()
    for query in QUERIES:
        assert first.search(query, limit=20) == second.search(query, limit=20)


def test_ties_go_to_the_smaller_id(desk: Any) -> None:
    for name in ("c", "a", "b"):
        desk.fact(name, "The same words in every entry.")
    found = rebuilt(desk.state).search("same words", limit=3)
    assert [one.entry_id for one in found] == ["a", "b", "c"]


def test_a_choice_of_entries_is_kept_to(claims: Any) -> None:
    index = rebuilt(claims.state)
    assert index.search(QUERIES[0], limit=4)[0].entry_id == "fact-17a"
    allowed = ["fact-18a", "fact-17b", "no-such-entry"]
    found = {one.entry_id for one in index.search(QUERIES[0], limit=9, allowed=allowed)}
    assert found == {"fact-18a", "fact-17b"}
    assert index.search(QUERIES[0], limit=9, allowed=[]) == []


@pytest.mark.parametrize("query", ["", "?", "the of is", "\u200b", "zzzqqq"])
def test_queries_without_a_hit(claims: Any, query: str) -> None:
    index = rebuilt(claims.state)
    assert index.search("deductible", limit=2)
    assert all(one.coverage.share == 0.0 for one in index.search(query, limit=9))


def test_nothing_indexed(desk: Any) -> None:
    index = rebuilt(desk.state)
    assert index.search("claim", limit=4) == []
    assert index.digest() == rebuilt(State()).digest()
    desk.fact("wordless", "?!")
    assert rebuilt(desk.state).search("claim", limit=4) == []


class _Misshapen:
    dimension = 8
    digest = "0"

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.zeros((len(texts), 9), dtype=np.float32)


def test_an_embedder_that_changed_its_dimension(desk: Any) -> None:
    desk.fact("one", "Anything.")
    assert rebuilt(desk.state).search("anything", limit=1)
    with pytest.raises(MemoryIndexError, match="shape"):
        ExternalIndex(SCOPE, _Misshapen()).sync(desk.state)


def test_topic_and_attribute_are_found_too(desk: Any) -> None:
    body = FactBody(topic="claim CL-7777", attribute="excess", value="3", statement="It is 3.")
    desk.put("one", body)
    desk.fact("two", "It is 4.")
    assert rebuilt(desk.state).search("excess CL-7777", limit=1)[0].entry_id == "one"
