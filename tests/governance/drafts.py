"""Short ways to write events in tests; every builder makes a valid one by default."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from governance.events import (
    Actor,
    AdapterActivated,
    AdapterCertified,
    AdapterTrained,
    Body,
    CardBody,
    CardCertificate,
    CardRef,
    Decision,
    EntryActivated,
    EntryApproved,
    EntryProposed,
    EntryRejected,
    EntryRevoked,
    EntryVerified,
    FactBody,
    Header,
    Payload,
    Scope,
    SourceIngested,
    Span,
    Trust,
    VerifierResult,
    content_digest,
)
from governance.ledger import EventDraft, Ledger, Receipt

ANN = Actor(kind="human", id="ann")
BOB = Actor(kind="human", id="bob")
BOT = Actor(kind="agent", id="bot")
POLICY = Actor(kind="policy", id="default")
SYSTEM = Actor(kind="system", id="palimpsest")

HERE = Scope()
ELSEWHERE = Scope(tenant="other")

EPOCH_US = 1_767_225_600_000_000
"""2026-01-01 00:00:00 UTC."""


class StepClock:
    """Each reading is one second after the one before."""

    def __init__(self, start_us: int = EPOCH_US) -> None:
        self.us = start_us

    def now_us(self) -> int:
        self.us += 1_000_000
        return self.us


def draft(
    payload: Payload, actor: Actor = SYSTEM, scope: Scope = HERE, *, data_subject: str = ""
) -> EventDraft:
    return EventDraft(payload, actor, scope, data_subject=data_subject)


def append(ledger: Ledger, payload: Payload, actor: Actor = SYSTEM, scope: Scope = HERE) -> Receipt:
    return ledger.append([draft(payload, actor, scope)])


def source(
    source_id: str = "s1",
    text: str = "The deductible of claim C-17 is 300 EUR.",
    trust: Trust = "customer",
) -> SourceIngested:
    return SourceIngested(
        source_id=source_id,
        kind="transcript",
        name=f"{source_id}.jsonl",
        media_type="text/plain",
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        trust=trust,
        text=text,
    )


def fact_body(value: str = "300 EUR") -> FactBody:
    return FactBody(
        topic="claim C-17",
        attribute="deductible",
        value=value,
        statement=f"The deductible of claim C-17 is {value}.",
    )


def card_body(answer: str = "300 EUR") -> CardBody:
    return CardBody(
        topic="claim C-17",
        attribute="deductible",
        question="What is the deductible of claim C-17?",
        answer=answer,
        rewordings=["Deductible on claim C-17?"],
        probes=["How much is deducted from claim C-17?"],
    )


SPAN = Span(source_id="s1", start=0, end=10)


def proposed(
    entry_id: str = "e1",
    body: Body | None = None,
    *,
    version: int = 1,
    spans: Sequence[Span] = (SPAN,),
    derived_from: Sequence[str] = (),
    replaces: str | None = None,
) -> EntryProposed:
    return EntryProposed(
        entry_id=entry_id,
        version=version,
        body=body or fact_body(),
        spans=list(spans),
        derived_from=list(derived_from),
        replaces=replaces,
    )


def verified(entry_id: str = "e1", version: int = 1, risk_ppm: int = 0) -> EntryVerified:
    result = VerifierResult(verifier="grounding", version=1, outcome="pass", score_ppm=1_000_000)
    return EntryVerified(entry_id=entry_id, version=version, results=[result], risk_ppm=risk_ppm)


D = TypeVar("D", bound=Decision)


def decided(
    kind: type[D], entry_id: str = "e1", body: Body | None = None, *, version: int = 1
) -> D:
    """A decision bound to ``body``, by default the fact that :func:`proposed` proposes."""
    return kind(
        entry_id=entry_id,
        version=version,
        content_digest=content_digest(body or fact_body()),
        reason_code="checked",
    )


def tombstoned(
    kind: type[EntryRejected | EntryRevoked], entry_id: str = "e1", tombstone: str = "t1"
) -> EntryRejected | EntryRevoked:
    return kind(
        entry_id=entry_id,
        version=1,
        content_digest=content_digest(fact_body()),
        reason_code="wrong",
        tombstone=tombstone,
    )


def activated(
    entry_id: str = "e1", version: int = 1, adapter_digest: str | None = None
) -> EntryActivated:
    return EntryActivated(entry_id=entry_id, version=version, adapter_digest=adapter_digest)


def life(entry_id: str = "e1", body: Body | None = None) -> list[EventDraft]:
    """Everything that makes an entry active in the external channel."""
    return [
        draft(proposed(entry_id, body), BOT),
        draft(verified(entry_id)),
        draft(decided(EntryApproved, entry_id, body), ANN),
        draft(activated(entry_id)),
    ]


def trained(
    digest: str = "ad1", cards: Sequence[str] = ("c1",), *, shard_id: str = "sh1", version: int = 1
) -> AdapterTrained:
    return AdapterTrained(
        shard_id=shard_id,
        digest=digest,
        version=version,
        inputs_digest=f"inputs-{digest}",
        base_digest="base",
        recipe_digest="recipe",
        subspace_digest="subspace",
        cards=[CardRef(entry_id=card, version=1) for card in cards],
        seed=7,
        steps=120,
        environment="test",
        duration_ms=900,
        reused=False,
    )


def certified(
    digest: str = "ad1",
    cards: Sequence[str] = ("c1",),
    *,
    passed: bool = True,
    missed: Sequence[str] = (),
    shard_id: str = "sh1",
) -> AdapterCertified:
    return AdapterCertified(
        shard_id=shard_id,
        digest=digest,
        passed=passed,
        reason="absorbed" if passed else "controls lost",
        cards=[
            CardCertificate(
                entry_id=card,
                min_p_ppm=910_000,
                min_p_off_ppm=2_000,
                first_failing=None,
                exact=True,
                probes_exact=1,
                probes=1,
                certified=card not in missed,
            )
            for card in cards
        ],
        controls_kept_ppm=990_000,
        abstain_kept_ppm=980_000,
        context_kept_ppm=970_000,
        probes=[],
        modules=[],
    )


def served(digest: str = "ad1", shard_id: str = "sh1") -> AdapterActivated:
    return AdapterActivated(shard_id=shard_id, digest=digest)


def approved_card(entry_id: str = "c1", answer: str = "300 EUR") -> list[EventDraft]:
    body = card_body(answer)
    return [
        draft(proposed(entry_id, body), BOT),
        draft(verified(entry_id)),
        draft(decided(EntryApproved, entry_id, body), ANN),
    ]


def learned_card(entry_id: str = "c1", digest: str = "ad1") -> list[EventDraft]:
    """A card from its proposal to its activation in adapter ``digest`` of shard ``sh1``."""
    return [
        *approved_card(entry_id),
        draft(trained(digest, [entry_id])),
        draft(certified(digest, [entry_id])),
        draft(served(digest)),
        draft(activated(entry_id, adapter_digest=digest)),
    ]


def header(payload: Payload, seq: int = 1, actor: Actor = SYSTEM, scope: Scope = HERE) -> Header:
    """A header that makes ``payload`` event ``seq``, for folding without a ledger."""
    return Header(
        format=1,
        seq=seq,
        event_id=f"event-{seq}",
        type=payload.event_type,
        recorded_at_us=EPOCH_US + seq,
        actor=actor,
        scope=scope,
        subject=payload.subject_id(),
        subject_version=getattr(payload, "version", 1),
        causes=[],
        episode=None,
        policy_digest=None,
        command=None,
        payload_commit="",
    )
