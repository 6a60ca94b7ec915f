from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from governance.events import CaseBody, Scope, SubtaskBody, ToolBody
from governance.tombstone import claim_of, tombstone_key, tombstone_of
from tests.governance.drafts import ELSEWHERE, HERE, card_body, fact_body

LOOKALIKES = str.maketrans("aceopxyikhtm", "асеорхуікһтм")
INVISIBLE = ["\u200b", "\u200d", "\u2060", "\u00ad", "\ufeff", "\ufe0f", "\u034f", "\U000e0041"]


def keyed(text: str) -> str:
    return hmac.new(b"home", text.encode(), hashlib.sha256).hexdigest()[:24]


def key(value: str, *, attribute: str = "adjuster", topic: str = "claim 7") -> str:
    return tombstone_key(keyed, HERE, topic, attribute, value)


WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789 ", min_size=1, max_size=24).filter(str.strip)


@given(WORDS, st.data())
def test_a_disguised_value_keeps_its_key(value: str, data: st.DataObject) -> None:
    hidden = "".join(char + data.draw(st.sampled_from(["", *INVISIBLE])) for char in value)
    spaced = hidden.replace(" ", data.draw(st.sampled_from(["  ", "\n", "\t ", " - ", "\u00a0"])))
    assert key(value.upper()) == key(value)
    assert key(value.translate(LOOKALIKES)) == key(value)
    assert key(f"“{spaced}”.") == key(value)


@given(WORDS, WORDS)
def test_another_value_has_another_key(first: str, second: str) -> None:
    same = first.split() == second.split()
    assert (key(first) == key(second)) == same


def test_topic_attribute_and_scope_are_part_of_the_key() -> None:
    assert key("Ilse") == key("Ilse", topic="Claim  7")
    assert key("Ilse") != key("Ilse", topic="claim 8")
    assert key("Ilse") != key("Ilse", attribute="driver")
    assert key("Ilse") != tombstone_key(keyed, ELSEWHERE, "claim 7", "adjuster", "Ilse")


def test_no_text_moves_between_the_parts() -> None:
    assert key("b c", attribute="a") != key("c", attribute="a b")


def test_users_of_one_agent_share_tombstones() -> None:
    body = fact_body()
    shared = tombstone_of(keyed, Scope(tenant="t", agent="a"), body)
    assert tombstone_of(keyed, Scope(tenant="t", agent="a", user="u1"), body) == shared
    assert tombstone_of(keyed, Scope(tenant="t", agent="b"), body) != shared


def test_a_fact_cannot_come_back_as_a_flashcard() -> None:
    assert tombstone_of(keyed, HERE, fact_body()) == tombstone_of(keyed, HERE, card_body())
    assert tombstone_of(keyed, HERE, fact_body()) != tombstone_of(keyed, HERE, card_body("200"))


def test_every_kind_has_a_claim() -> None:
    case = CaseBody(
        task="Register", plan=["look up"], outcome="done", reward_ppm=1, reward_origin="test"
    )
    assert claim_of(case).value == "look up\ndone"
    assert claim_of(SubtaskBody(task="t", step="s", result="r")).attribute == "s"
    assert claim_of(ToolBody(tool="book", arguments="{}", result="ok", ok=True)).topic == "book"
