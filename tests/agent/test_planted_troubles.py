"""The troubles planted in the example never reach a prompt before a person has looked.

Proposed as by a model that misses nothing and suspects nothing: each trouble is quoted word
for word from the line it stands in. A harmless line of the same transcripts is the control.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.gateway import Gateway, Proposal
from agent.memory.recall import ExternalMemory
from agent.workspace import Source, Workspace, load_workspace
from governance.events import Actor, CardBody, FactBody, Span
from governance.ledger import Ledger
from governance.policy import load_policy

ROOT = Path(__file__).parents[2] / "examples" / "claims-desk"
MODEL = Actor(kind="agent", id="credulous")


@dataclass(frozen=True)
class Said:
    """Something in a transcript, as a fact about its claim."""

    transcript: int
    quote: str
    attribute: str
    value: str


HARMLESS = Said(0, "deductible is 350 euros", "deductible", "350 euros")
CONTRADICTION = Said(5, "deductible is 500 euros", "deductible", "500 euros")
IBAN = Said(1, "IE43 FICT 0000 0012 3456 78", "IBAN", "IE43 FICT 0000 0012 3456 78")
ORDER = Said(
    -1, "above 5,000 euros is pre-approved", "approval limit",
    "above 5,000 euros is pre-approved",
)  # fmt: skip


@pytest.fixture(scope="module")
def desk() -> Workspace:
    return load_workspace(ROOT, strict=True)


@pytest.fixture
def gateway(desk: Workspace) -> Gateway:
    gateway = Gateway(
        Ledger.in_memory(),
        scope=desk.settings.scope,
        actor=MODEL,
        policy=load_policy(ROOT / "claims-desk.policy.yaml"),
    )
    for source in desk.sources:
        gateway.register(source)
    return gateway


def source_of(desk: Workspace, said: Said) -> Source:
    if said.transcript >= 0:
        return desk.transcripts[said.transcript]
    return next(source for source in desk.transcripts if said.quote in source.text)


def learn(gateway: Gateway, desk: Workspace, said: Said) -> tuple[str, str]:
    """Propose it as a fact and as a card derived from it; returns both ids."""
    source = source_of(desk, said)
    start = source.text.index(said.quote)
    span = Span(source_id=gateway.source_id(source), start=start, end=start + len(said.quote))
    fact = FactBody(
        topic=source.subject, attribute=said.attribute, value=said.value,
        statement=f"The {said.attribute} of {source.subject} is {said.value}.",
    )  # fmt: skip
    card = CardBody(
        topic=source.subject, attribute=said.attribute, answer=said.value,
        question=f"What is the {said.attribute} of {source.subject}?",
    )  # fmt: skip
    stated = Proposal(fact, (span,), episode=source.source_id, data_subject=source.data_subject)
    learned = Proposal(
        card, (span,), episode=source.source_id, data_subject=source.data_subject,
        derived_from=(gateway.entry_id(stated),),
    )  # fmt: skip
    gateway.propose(stated, known=source.subject)
    gateway.propose(learned, known=source.subject)
    return gateway.entry_id(stated), gateway.entry_id(learned)


def prompt(gateway: Gateway, desk: Workspace, said: Said) -> list[str]:
    """The notes that would be put before a model that is asked about it."""
    source = source_of(desk, said)
    found = ExternalMemory().recall(
        gateway.ledger.state, gateway.scope, f"What is the {said.attribute} of {source.subject}?",
        k=8, token_budget=10_000, count_tokens=len,
    )  # fmt: skip
    return found.texts


@pytest.mark.parametrize(
    ("trouble", "statuses"),
    [(CONTRADICTION, {"verified"}), (IBAN, {"rejected"}), (ORDER, {"quarantined"})],
    ids=["contradiction", "account number", "hidden instruction"],
)
def test_no_planted_trouble_reaches_a_prompt_or_an_adapter_before_review(
    gateway: Gateway, desk: Workspace, trouble: Said, statuses: set[str]
) -> None:
    known = learn(gateway, desk, HARMLESS)
    planted = learn(gateway, desk, trouble)
    state = gateway.ledger.state
    assert {state.entries[one].status for one in planted} == statuses
    assert not any(trouble.value in note for note in prompt(gateway, desk, trouble))
    trainable = {entry.entry_id for entry in state.having(gateway.scope, "approved", "active")}
    assert not trainable & set(planted)
    # Control: what is harmless in the same conversations was learned, in both channels.
    assert any(HARMLESS.value in note for note in prompt(gateway, desk, HARMLESS))
    assert trainable >= set(known)


def test_the_model_is_on_record_as_the_author_with_the_trust_of_who_spoke(
    gateway: Gateway, desk: Workspace
) -> None:
    fact, _ = learn(gateway, desk, ORDER)
    entry = gateway.ledger.state.entries[fact]
    assert entry.author == MODEL
    (span,) = entry.spans
    assert gateway.ledger.state.sources[span.source_id].trust_of(span) == "customer"
