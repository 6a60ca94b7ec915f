"""A refused value on every path back into memory, each beside one that was never refused.

DESIGN section 2, rule 9. The refused value is an adjuster's name; the twin, another name about
the same claim, goes the same way and comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from governance import review
from governance.corrections import correct, replaced
from governance.errors import LedgerError, ReviewError
from governance.events import (
    Actor,
    Body,
    EntryApproved,
    EntryExpired,
    EntryProposed,
    FactBody,
    PolicyActivated,
    PolicyTerms,
    Scope,
    Status,
)
from governance.ledger import EventDraft, Ledger
from governance.retention import US_PER_DAY, expire_due, plan_prune, prune
from governance.revocation import plan_revocation, revoke
from governance.sharing import share
from governance.tombstone import refused_meanwhile
from governance.transfer import export_memory, import_memory
from tests.governance.desk import DESK, Desk, at_once, card
from tests.governance.drafts import ANN, BOB, StepClock

POLICY = at_once("default")
REFUSED, TWIN = "Hugo Bancroft", "Ilse Marwood"
PLACES = {REFUSED: "adjuster", TWIN: "surveyor"}
SOURCE_SCOPE = Scope(tenant=DESK.tenant, agent="elsewhere")
USER = Scope(tenant=DESK.tenant, agent=DESK.agent, user="u1")

Way = Callable[[Desk, str], bool]
"""Tries to bring a value in; true when it is in force, or waits for somebody to say yes."""


@pytest.fixture
def desk(fast_path: Path) -> Iterator[Desk]:
    with Ledger.open(fast_path / "home", create=True, clock=StepClock()) as ledger:
        yield Desk(ledger=ledger)


def said(value: str, spelled: str | None = None) -> FactBody:
    text = spelled or value
    place = PLACES[value]
    return FactBody(
        topic="claim C-17", attribute=place, value=text,
        statement=f"The {place} of claim C-17 is {text}.",
    )  # fmt: skip


def proposes(
    desk: Desk, body: Body, entry_id: str, *, actor: Actor = ANN, replaces: str | None = None,
    scope: Scope = DESK,
) -> bool:  # fmt: skip
    proposal = EntryProposed(entry_id=entry_id, version=1, body=body, replaces=replaces)
    done = review.submit(desk.ledger, proposal, actor=actor, scope=scope, policy=POLICY)
    if done.decision.outcome == "deny":
        assert done.decision.rule_id == "refused-before"
    return done.decision.outcome != "deny"


def in_force(desk: Desk, body: Body, entry_id: str, scope: Scope = DESK) -> str:
    """Propose as ann and approve as bob."""
    assert proposes(desk, body, entry_id, scope=scope)
    entry = desk.entry(entry_id)
    review.approve(
        desk.ledger, entry_id, actor=BOB, reason_code="known-true", expected_version=1,
        expected_digest=entry.content_digest,
    )  # fmt: skip
    return entry_id


def refuse(desk: Desk, body: Body | None = None) -> None:
    """Revoke the refused value, learned as ``body``."""
    in_force(desk, body or said(REFUSED), "refused")
    plan = plan_revocation(desk.ledger, "refused")
    revoke(desk.ledger, plan, actor=ANN, reason_code="wrong")


# --- the paths --------------------------------------------------------------------------


def again(desk: Desk, value: str) -> bool:
    return proposes(desk, said(value), f"again-{value}")


def other_letters(desk: Desk, value: str) -> bool:
    spelled = value.translate(str.maketrans("aoeHI", "аоеНІ"))
    return proposes(desk, said(value, spelled), f"letters-{value}")


def invisible(desk: Desk, value: str) -> bool:
    return proposes(desk, said(value, "\u200b".join(value)), f"invisible-{value}")


def spaced(desk: Desk, value: str) -> bool:
    spelled = f"  {value.upper()} ".replace(" ", "\u00a0 ")
    return proposes(desk, said(value, spelled), f"spaced-{value}")


def full_width(desk: Desk, value: str) -> bool:
    spelled = "".join(chr(ord(c) + 0xFEE0) if c != " " else "\u3000" for c in value)
    return proposes(desk, said(value, spelled), f"wide-{value}")


def flashcard(desk: Desk, value: str) -> bool:
    body = card(PLACES[value], value)
    proposal = EntryProposed(entry_id=f"card-{value}", version=1, body=body)
    done = review.submit(desk.ledger, proposal, actor=ANN, scope=DESK, policy=POLICY)
    return done.decision.outcome != "deny"


def restated_by_a_replacement(desk: Desk, value: str) -> bool:
    """Something harmless is in force, and what supersedes it says the refused value."""
    harmless = said(value).model_copy(update={"value": "Nobody", "statement": "Nobody is it."})
    old = in_force(desk, harmless, f"harmless-{value}")
    return proposes(desk, said(value), f"launders-{value}", replaces=old)


def as_a_correction(desk: Desk, value: str) -> bool:
    harmless = said(value).model_copy(update={"value": "Nobody", "statement": "It is Nobody."})
    old = in_force(desk, harmless, f"corrected-{value}")
    body = replaced(desk.entry(old).body, value)
    (done,) = correct(desk.ledger, old, [body], actor=ANN, policy=POLICY)
    return done.decision.outcome != "deny"


def after_another_was_pruned(desk: Desk, value: str) -> bool:
    """Something else of the claim ends; that wipes no verdict."""
    place = f"visit of {PLACES[value]}"
    other = said(value).model_copy(
        update={
            "attribute": place,
            "value": "10 March",
            "statement": f"The {place} of claim C-17 is 10 March.",
        }
    )
    in_force(desk, other, f"ends-{value}")
    ended = EntryExpired(entry_id=f"ends-{value}", version=1, reason_code="pruned")
    desk.ledger.append([EventDraft(ended, ANN, DESK)])
    return again(desk, value)


def after_a_restart(desk: Desk, value: str) -> bool:
    home, clock = desk.ledger.home, StepClock(desk.ledger.event(1).header.recorded_at_us * 2)
    desk.ledger.close()
    desk.ledger = Ledger.open(home, clock=clock)
    try:
        return again(desk, value)
    finally:
        desk.ledger.rebuild_projections()


def after_a_rebuild(desk: Desk, value: str) -> bool:
    desk.ledger.rebuild_projections()
    return again(desk, value)


def shared_in(desk: Desk, value: str) -> bool:
    """In force in another scope, where nobody refused it, and shared into this one."""
    original = in_force(desk, said(value), f"elsewhere-{value}", SOURCE_SCOPE)
    done = share(desk.ledger, original, to=USER, actor=ANN, policy=POLICY)
    return done.decision.outcome != "deny"


def imported_in(desk: Desk, value: str) -> bool:
    in_force(desk, said(value), f"exported-{value}", SOURCE_SCOPE)
    file = export_memory(desk.ledger, scope=SOURCE_SCOPE, actor=ANN).path
    report = import_memory(
        desk.ledger, file, scope=DESK, actor=Actor(kind="importer", id="file"), policy=POLICY
    )
    (status,) = (
        one.status for one in report.entries if desk.entry(one.entry_id).body == said(value)
    )
    return status != "rejected"


PATHS = [
    again, other_letters, invisible, spaced, full_width, flashcard, restated_by_a_replacement,
    as_a_correction, after_another_was_pruned, after_a_restart, after_a_rebuild, shared_in,
    imported_in,
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.__name__)
def test_a_refused_value_does_not_come_back_and_its_twin_comes_in(desk: Desk, path: Way) -> None:
    refuse(desk)
    assert not path(desk, REFUSED)
    assert path(desk, TWIN)


# --- what time does -----------------------------------------------------------------------


@pytest.mark.parametrize("refused_by", ["rejected", "revoked"])
def test_a_refusal_outlives_its_time_and_an_expiry_refuses_nothing(
    desk: Desk, refused_by: Status
) -> None:
    """Both values were in force and expired; both are stated again, and one is refused then."""
    terms = PolicyTerms(ttl_days={"fact": 1})
    activated = PolicyActivated(name="p", digest="d" * 64, text="t", terms=terms)
    desk.ledger.append([EventDraft(activated, ANN)])
    once = [in_force(desk, said(value), f"once-{value}") for value in (REFUSED, TWIN)]
    soon = desk.ledger.now_us() + 2 * US_PER_DAY
    assert set(expire_due(desk.ledger, soon).entries) == set(once)
    assert all(again(desk, value) for value in (REFUSED, TWIN))
    if refused_by == "rejected":
        entry = desk.entry(f"again-{REFUSED}")
        review.reject(
            desk.ledger, entry.entry_id, actor=BOB, reason_code="wrong", expected_version=1,
            expected_digest=entry.content_digest,
        )  # fmt: skip
    else:
        refuse(desk)
    refusals = desk.ledger.state.tombstones(DESK)
    assert refusals
    later = soon + 365 * US_PER_DAY
    expire_due(desk.ledger, later)
    prune(desk.ledger, plan_prune(desk.ledger, before_us=later), actor=ANN)
    with pytest.raises(LedgerError, match=f"{refused_by} entries cannot be pruned"):
        plan_prune(desk.ledger, before_us=later, statuses=[refused_by])
    assert desk.ledger.state.tombstones(DESK) == refusals
    assert not proposes(desk, said(REFUSED), "years later")
    assert proposes(desk, said(TWIN), "years later too")


# --- between approval and effect --------------------------------------------------------


def test_what_was_refused_after_it_was_submitted_is_not_approved(desk: Desk) -> None:
    for value in (REFUSED, TWIN):
        assert proposes(desk, said(value), f"waits-{value}")
    refuse(desk)
    entry, twin = desk.entry(f"waits-{REFUSED}"), desk.entry(f"waits-{TWIN}")
    with pytest.raises(ReviewError, match="was rejected or revoked as refused"):
        review.approve(
            desk.ledger, entry.entry_id, actor=BOB, reason_code="known-true", expected_version=1,
            expected_digest=entry.content_digest,
        )  # fmt: skip
    review.approve(
        desk.ledger, twin.entry_id, actor=BOB, reason_code="known-true", expected_version=1,
        expected_digest=twin.content_digest,
    )  # fmt: skip
    assert (desk.status(entry.entry_id), desk.status(twin.entry_id)) == ("verified", "active")


def test_what_was_refused_after_it_was_approved_is_told_before_it_acts(desk: Desk) -> None:
    for value in (REFUSED, TWIN):
        assert proposes(desk, said(value), f"delayed-{value}")
        entry = desk.entry(f"delayed-{value}")
        approval = EntryApproved(
            entry_id=entry.entry_id, version=1, content_digest=entry.content_digest,
            reason_code="known-true",
        )  # fmt: skip
        desk.ledger.append([EventDraft(approval, BOB, DESK)])
        assert refused_meanwhile(desk.ledger, desk.entry(entry.entry_id)) is None
    refuse(desk, card("adjuster", REFUSED))  # in the other channel
    assert refused_meanwhile(desk.ledger, desk.entry(f"delayed-{REFUSED}")) == "refused"
    assert refused_meanwhile(desk.ledger, desk.entry(f"delayed-{TWIN}")) is None
    # Its own verdict is no other entry's.
    assert refused_meanwhile(desk.ledger, desk.entry("refused")) is None
