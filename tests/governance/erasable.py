"""A home with a person, a colleague, what was learned from both, and where it was used."""

from __future__ import annotations

import hashlib
from pathlib import Path

from governance.erasure import (
    Erased,
    approve_erasure,
    complete_erasure,
    plan_erasure,
    request_erasure,
)
from governance.events import (
    EntryApproved,
    FactBody,
    MemoryRecalled,
    OutcomeRecorded,
    Payload,
    RelayStarted,
    RelayStepped,
    SourceIngested,
    Span,
)
from governance.ledger import EventDraft, Ledger
from tests.governance.drafts import (
    ANN,
    BOB,
    BOT,
    StepClock,
    activated,
    card_body,
    certified,
    decided,
    draft,
    proposed,
    served,
    trained,
    verified,
)

NORA = "Nora Brennan"
WORDS = "My IBAN is IE43 FICT 0000 0012 3456 78, says Nora Brennan."
OTHERS = "The garage is Pedal House in Cork Street."
OFFICER, SECOND = ANN, BOB


def source_of(source_id: str, text: str) -> SourceIngested:
    return SourceIngested(
        source_id=source_id, kind="transcript", name=f"{source_id}.jsonl",
        media_type="text/plain", sha256=hashlib.sha256(text.encode()).hexdigest(),
        trust="customer", text=text,
    )  # fmt: skip


def fact_of(statement: str) -> FactBody:
    return FactBody(topic="claim C-17", attribute="note", value=statement, statement=statement)


def learned(
    entry_id: str,
    statement: str,
    source_id: str,
    *,
    person: str = "",
    parents: tuple[str, ...] = (),
) -> list[EventDraft]:
    body = fact_of(statement)
    span = Span(source_id=source_id, start=0, end=10)
    first = proposed(entry_id, body, spans=[span], derived_from=parents)
    return [
        draft(first, BOT, data_subject=person),
        draft(verified(entry_id), data_subject=person),
        draft(decided(EntryApproved, entry_id, body), ANN),
        draft(activated(entry_id)),
    ]


def carded(entry_id: str, answer: str, source_id: str, digest: str) -> list[EventDraft]:
    body = card_body(answer)
    span = Span(source_id=source_id, start=0, end=10)
    return [
        draft(proposed(entry_id, body, spans=[span]), BOT),
        draft(verified(entry_id)),
        draft(decided(EntryApproved, entry_id, body), ANN),
        draft(trained(digest, [entry_id])),
        draft(certified(digest, [entry_id])),
        draft(served(digest)),
        draft(activated(entry_id, adapter_digest=digest)),
    ]


def used(name: str, *entries: str, adapter: str | None = None, task: str = "t1") -> list[Payload]:
    return [
        MemoryRecalled(
            recall_id=name, purpose="answer", query=f"Question of {name}?", entries=list(entries),
            adapter_digest=adapter,
        ),
        OutcomeRecorded(
            task_id=task, run_id="r", arm="both", question=f"Question of {name}?",
            answer=f"Answer of {name}", expected=[f"Truth of {name}"], exact=True,
            f1_ppm=1_000_000, origin="ground_truth",
        ),
    ]  # fmt: skip


def relayed(relay_id: str, source_id: str) -> list[Payload]:
    return [
        RelayStarted(
            relay_id=relay_id, source_id=source_id, document=f"{source_id}.jsonl",
            domain="ledger", model_id="m", editor="patch", seed=1, order=["p"], round_trips=1,
        ),
        RelayStepped(
            relay_id=relay_id, index=0, round_trip=1, direction="forward", pair_id="p",
            instruction="Shorten it", text="A document on Nora Brennan", applied=True, error=None,
            score_ppm=1, changes=[],
        ),
    ]  # fmt: skip


def fill(ledger: Ledger) -> None:
    """``nora-*`` goes with Nora, ``also`` rests on both, ``other`` on the colleague."""
    ledger.append([
        draft(source_of("nora", WORDS), data_subject=NORA), draft(source_of("desk", OTHERS)),
    ])  # fmt: skip
    ledger.append(learned("nora-1", "Nora pays from IE43 FICT 0000.", "nora", person=NORA))
    ledger.append(learned("nora-2", "A note that rests on Nora only.", "nora"))
    ledger.append(learned("nora-3", "A summary of what Nora pays.", "desk", parents=("nora-1",)))
    ledger.append(learned("other", "The garage is Pedal House.", "desk"))
    ledger.append(carded("nora-card", "IE43 FICT 0000", "nora", "a1" * 32))
    ledger.append([draft(one) for one in used("first", "nora-1", "other")], key="first")
    ledger.append([draft(one) for one in used("second")], key="second")
    ledger.append([draft(one) for one in used("third", "other", task="t2")], key="third")
    ledger.append([draft(one) for one in used("fourth", adapter="a1" * 32, task="t3")], key="4")
    ledger.append([draft(one) for one in relayed("relay-n", "nora")])
    ledger.append([draft(one) for one in relayed("relay-d", "desk")])


def home_of(folder: Path) -> Ledger:
    ledger = Ledger.open(folder / "home", create=True, clock=StepClock())
    fill(ledger)
    return ledger


def requested(ledger: Ledger, *entries: str, person: str | None = None) -> str:
    plan = plan_erasure(ledger, entries=entries, data_subject=person)
    return request_erasure(ledger, plan, actor=OFFICER, basis="objection", reason="asked")


def approved(ledger: Ledger, *entries: str, person: str | None = None) -> str:
    erasure_id = requested(ledger, *entries, person=person)
    approve_erasure(ledger, erasure_id, actor=SECOND)
    return erasure_id


def erased(ledger: Ledger, *entries: str, person: str | None = None) -> Erased:
    return complete_erasure(ledger, approved(ledger, *entries, person=person), actor=OFFICER)
