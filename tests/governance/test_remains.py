"""What a payload says in words: that, and nothing else, is looked for after an erasure."""

from __future__ import annotations

import pytest

from governance.events import (
    CommandRefused,
    EntryApproved,
    EntryExpired,
    Payload,
    RelayScored,
    ReviewAssigned,
    ToolBody,
)
from governance.remains import texts_of
from tests.governance.drafts import card_body, certified, decided, proposed, source, verified
from tests.governance.erasable import relayed, used

SAID: list[tuple[Payload, list[str]]] = [
    (source("s1", "Hello."), ["s1.jsonl", "Hello."]),
    (used("one")[0], ["Question of one?"]),
    (used("one")[1], ["Question of one?", "Answer of one", "Truth of one"]),
    (relayed("r", "s")[0], ["s.jsonl"]),
    (relayed("r", "s")[1], ["A document on Nora Brennan", "Shorten it"]),
    (RelayScored(relay_id="r", rs=[], applied_ppm=0, critical=0, errors=0), []),
    (decided(EntryApproved).model_copy(update={"comment": "Looks right."}), ["Looks right."]),
    (
        ReviewAssigned(entry_id="e1", version=1, rule_id="r", message="Nora's IBAN is new."),
        ["Nora's IBAN is new."],
    ),
    (
        CommandRefused(command="revoke", about="entry:e1", error="X", message="Nora may not."),
        ["Nora may not."],
    ),
    (verified(), [""]),
    (certified(), []),
    (EntryExpired(entry_id="e1", version=1, reason_code="ttl"), []),
]


@pytest.mark.parametrize(
    ("payload", "texts"), SAID, ids=[f"{one.event_type}-{at}" for at, (one, _) in enumerate(SAID)]
)
def test_the_words_of_a_payload(payload: Payload, texts: list[str]) -> None:
    assert texts_of(payload) == texts


def test_a_body_says_all_its_strings_and_not_its_kind() -> None:
    body = card_body()
    found = texts_of(proposed(body=body))
    assert set(found) >= {body.topic, body.question, body.answer, *body.rewordings, *body.probes}
    assert "card" not in found
    called = ToolBody(tool="lookup", arguments="C-17", result="300 EUR", ok=True)
    assert texts_of(proposed(body=called)) == ["lookup", "C-17", "300 EUR"]
    assert texts_of(None) == []
