"""The index follows a real ledger: approvals, revocation, rollback, earlier versions."""

from __future__ import annotations

import hashlib

import pytest

from agent.memory.recall import ExternalMemory
from governance.events import (
    Actor,
    EntryActivated,
    EntryApproved,
    EntryChange,
    EntryProposed,
    EntryRevoked,
    EntryVerified,
    FactBody,
    Payload,
    RollbackApplied,
    Scope,
    SourceIngested,
    Span,
    content_digest,
)
from governance.ledger import EventDraft, Ledger

SCOPE = Scope(tenant="t", agent="desk")
AGENT = Actor(kind="agent", id="a")
PERSON = Actor(kind="human", id="rita")
SYSTEM = Actor(kind="system", id="verifiers")
QUESTION = "What is the deductible of claim CL-20417?"


def append(ledger: Ledger, payload: Payload, actor: Actor = AGENT) -> int:
    return ledger.append([EventDraft(payload, actor, SCOPE)]).last_seq


def learn(ledger: Ledger, entry_id: str, claim: str, value: str) -> int:
    text = f"The deductible of claim {claim} is {value}."
    source_id = f"source-{entry_id}"
    append(
        ledger,
        SourceIngested(
            source_id=source_id, kind="transcript", name=entry_id, media_type="text/plain",
            sha256=hashlib.sha256(text.encode()).hexdigest(), trust="internal", text=text,
        ),
    )  # fmt: skip
    body = FactBody(topic=f"claim {claim}", attribute="deductible", value=value, statement=text)
    span = Span(source_id=source_id, start=0, end=len(text))
    append(
        ledger,
        EntryProposed(
            entry_id=entry_id, version=1, body=body, spans=[span],
            valid_from_us=1_000, valid_to_us=2_000,
        ),
    )  # fmt: skip
    append(ledger, EntryVerified(entry_id=entry_id, version=1, results=[], risk_ppm=0), SYSTEM)
    append(
        ledger,
        EntryApproved(
            entry_id=entry_id, version=1, content_digest=content_digest(body), reason_code="ok"
        ),
        PERSON,
    )
    return append(ledger, EntryActivated(entry_id=entry_id, version=1), SYSTEM)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger.in_memory()


def recalled(memory: ExternalMemory, ledger: Ledger, question: str = QUESTION) -> list[str]:
    found = memory.recall(ledger.state, SCOPE, question, token_budget=100, count_tokens=len)
    return found.entry_ids


def test_revoked_then_rolled_back(ledger: Ledger) -> None:
    memory = ExternalMemory()
    learn(ledger, "fact-1", "CL-20417", "350")
    version = learn(ledger, "fact-2", "CL-20418", "400")
    digest = memory.index_digest(ledger.state, SCOPE)
    assert recalled(memory, ledger) == ["fact-1"]

    entry = ledger.state.entries["fact-1"]
    append(
        ledger,
        EntryRevoked(
            entry_id="fact-1", version=1, content_digest=entry.content_digest, reason_code="wrong"
        ),
        PERSON,
    )
    assert recalled(memory, ledger) == []
    revoked_digest = memory.index_digest(ledger.state, SCOPE)
    assert revoked_digest != digest

    append(
        ledger,
        RollbackApplied(
            rollback_id="r1", to_seq=version, shards=[], reason_code="mistake",
            entries=[EntryChange(entry_id="fact-1", before="revoked", after="active")],
        ),
        PERSON,
    )  # fmt: skip
    assert recalled(memory, ledger) == ["fact-1"]
    assert memory.index_digest(ledger.state, SCOPE) == digest
    # And the memory as it was at each version, from a fresh start.
    assert ExternalMemory().index_digest(ledger.state_at(version), SCOPE) == digest
    assert ExternalMemory().index_digest(ledger.state_at(version + 1), SCOPE) == revoked_digest


def test_nothing_acts_before_it_is_active(ledger: Ledger) -> None:
    memory = ExternalMemory()
    last = learn(ledger, "fact-1", "CL-20417", "350")
    for seq in range(1, last):
        state = ledger.state_at(seq)
        assert len(memory.index(state, SCOPE)) == 0
    assert recalled(memory, ledger) == ["fact-1"]


def test_validity_comes_from_the_proposal(ledger: Ledger) -> None:
    memory = ExternalMemory()
    learn(ledger, "fact-1", "CL-20417", "350")

    def at(moment: int) -> list[str]:
        return memory.recall(
            ledger.state, SCOPE, QUESTION, token_budget=100, count_tokens=len, as_of_us=moment
        ).entry_ids

    assert at(1_500) == ["fact-1"]
    assert at(999) == at(2_000) == []
