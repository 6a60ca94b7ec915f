"""A copy in another scope: who may make it, what it says, and how long it acts."""

from __future__ import annotations

import pytest

from governance import review
from governance.errors import (
    GovernanceError,
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
)
from governance.events import (
    Actor,
    CommandRefused,
    EntryProposed,
    ExportIssued,
    ExportWithdrawn,
    PrincipalRegistered,
    Role,
    RoleGranted,
    Scope,
    Span,
)
from governance.ledger import EventDraft
from governance.lineage import trust_of
from governance.revocation import plan_revocation, revoke
from governance.sharing import share
from tests.governance.desk import DESK, Desk, at_once, fact
from tests.governance.drafts import ANN, BOB, BOT, SYSTEM

NEXT_DOOR = Scope(tenant=DESK.tenant, agent="garage")
RIVAL = Scope(tenant="rival", agent="desk")
POLICY = at_once("default")


def shared(desk: Desk, entry_id: str, to: Scope = NEXT_DOOR, actor: Actor = ANN) -> str:
    return share(desk.ledger, entry_id, to=to, actor=actor, policy=POLICY).entry_id


def approved(desk: Desk, entry_id: str, actor: Actor = BOB) -> None:
    entry = desk.entry(entry_id)
    review.approve(
        desk.ledger, entry_id, actor=actor, reason_code="known-true",
        expected_version=entry.version, expected_digest=entry.content_digest,
    )  # fmt: skip


def grant(desk: Desk, person: Actor, role: Role) -> None:
    desk.ledger.append([EventDraft(RoleGranted(principal=str(person), role=role), SYSTEM)])


def copy_of(desk: Desk, entry_id: str, **changes: object) -> EntryProposed:
    fields = {
        "entry_id": "copy", "version": 1, "body": desk.entry(entry_id).body, "copy_of": entry_id
    } | changes  # fmt: skip
    return EntryProposed.model_validate(fields)


def test_a_copy_waits_for_somebody_else_in_its_scope_and_then_acts_there() -> None:
    desk = Desk()
    said = desk.fact("deductible", "300 EUR").entry_id
    copy = shared(desk, said)
    entry = desk.entry(copy)
    assert (entry.status, entry.scope, entry.copy_of, entry.author) == (
        "verified", NEXT_DOOR, said, ANN,
    )  # fmt: skip
    assert [one.entry_id for one in desk.ledger.state.queue(NEXT_DOOR)] == [copy]
    with pytest.raises(GovernanceError, match="wrote"):
        approved(desk, copy, ANN)
    approved(desk, copy)
    assert [one.entry_id for one in desk.ledger.state.active(NEXT_DOOR)] == [copy]
    assert shared(desk, said) == copy  # a repeat is the same copy
    assert len(list(desk.ledger.state.visible(NEXT_DOOR))) == 1


def test_trust_flows_over_the_copy() -> None:
    desk = Desk()
    plumber = desk.fact("plumber", "Wexler Plumbing").entry_id  # a customer said it
    inside = desk.fact("deductible", "300 EUR").entry_id
    state = desk.ledger.state
    assert trust_of(state, [], [plumber], ANN) == "customer"
    assert trust_of(state, [], [inside], ANN) == "internal"
    review.approve(
        desk.ledger, plumber, actor=BOB, reason_code="known-true", expected_version=1,
        expected_digest=desk.entry(plumber).content_digest,
    )  # fmt: skip
    provenance = {
        name: next(r for r in desk.entry(shared(desk, name)).results if r.verifier == "provenance")
        for name in (plumber, inside)
    }
    assert provenance[plumber].detail.startswith("customer")
    assert provenance[inside].detail.startswith("internal")


def test_revoking_the_original_takes_every_copy_and_what_was_made_from_it() -> None:
    desk = Desk()
    said, twin = (
        desk.fact("deductible", "300 EUR").entry_id, desk.fact("inspection", "10 March").entry_id
    )  # fmt: skip
    copies = [shared(desk, said), shared(desk, said, RIVAL), shared(desk, twin)]
    for copy in (copies[0], copies[2]):
        approved(desk, copy)
    derived = EntryProposed(
        entry_id="note", version=1, body=fact("terms", "deductible 300 EUR"),
        derived_from=[copies[0]],
    )  # fmt: skip
    desk.ledger.append([EventDraft(derived, ANN, NEXT_DOOR)])
    plan = plan_revocation(desk.ledger, said)
    assert plan.scopes == (DESK, NEXT_DOOR, RIVAL)
    found = {one.entry_id: one.relation for one in (*plan.revoked, *plan.rejected)}
    assert found == {said: "itself", copies[0]: "copy", copies[1]: "copy", "note": "derived"}
    revoke(desk.ledger, plan, actor=ANN, reason_code="wrong")
    assert [desk.status(one) for one in (copies[0], copies[1], "note")] == [
        "revoked", "rejected", "rejected",
    ]  # fmt: skip
    assert desk.status(copies[2]) == "active"
    # The value is refused in every scope it was taken from, and the twin's is not.
    assert len(desk.ledger.state.tombstones(NEXT_DOOR)) == 1
    assert len(desk.ledger.state.tombstones(RIVAL)) == 1
    assert desk.entry(copies[0]).tombstone != desk.entry(said).tombstone


def test_a_copy_of_something_refused_in_the_target_is_refused_there() -> None:
    desk = Desk()
    said = desk.fact("deductible", "300 EUR").entry_id
    first = shared(desk, said)
    entry = desk.entry(first)
    review.reject(
        desk.ledger, first, actor=BOB, reason_code="wrong", expected_version=1,
        expected_digest=entry.content_digest,
    )  # fmt: skip
    again = desk.fact("deductible", "300 EUR", entry_id="elsewhere-said")
    assert again.decision.rule_id == "already-known"
    user = Scope(tenant=NEXT_DOOR.tenant, agent=NEXT_DOOR.agent, user="u1")
    refused = share(desk.ledger, said, to=user, actor=ANN, policy=POLICY)
    assert (refused.decision.outcome, refused.decision.rule_id) == ("deny", "refused-before")
    twin = desk.fact("inspection", "10 March").entry_id
    allowed = share(desk.ledger, twin, to=user, actor=ANN, policy=POLICY)
    assert allowed.decision.outcome == "review"


@pytest.mark.parametrize("to", [NEXT_DOOR, RIVAL], ids=["same tenant", "other tenant"])
@pytest.mark.parametrize("role", ["reviewer", "engineer", "officer", "admin"])
def test_who_may_share_how_far(role: Role, to: Scope) -> None:
    desk = Desk()
    said = desk.fact("deductible", "300 EUR").entry_id
    grant(desk, BOB, "admin")
    with pytest.raises(NotAuthorisedError, match="which sharing"):
        shared(desk, said, to)
    grant(desk, ANN, role)
    if to == RIVAL and role in {"reviewer", "engineer"}:
        with pytest.raises(NotAuthorisedError, match="officer"):
            shared(desk, said, to)
    else:
        assert desk.status(shared(desk, said, to)) == "verified"


def test_only_people_share() -> None:
    desk = Desk()
    said = desk.fact("deductible", "300 EUR").entry_id
    with pytest.raises(NotAuthorisedError, match="may not copy"):
        desk.ledger.append([EventDraft(copy_of(desk, said, spans=[]), BOT, NEXT_DOOR)])
    payloads = [event.payload for event in desk.ledger.events(types=["command.refused"])]
    assert payloads == []  # appended directly, not through the command
    with pytest.raises(LedgerError):
        shared(desk, "nothing")
    (refusal,) = [event.payload for event in desk.ledger.events(types=["command.refused"])]
    assert isinstance(refusal, CommandRefused)
    assert (refusal.command, refusal.about) == ("share", "entry:nothing")


def test_a_copy_says_what_its_original_says_for_as_long() -> None:
    desk = Desk()
    said = desk.fact("deductible", "300 EUR").entry_id
    refused: dict[str, dict[str, object]] = {
        "does not say": {"body": fact("deductible", "350 EUR")},
        "original says": {"valid_to_us": 5},
        "not on spans": {"spans": [Span(source_id="call", start=0, end=5)]},
        "unknown original": {"copy_of": "nothing"},
    }
    for match, changes in refused.items():
        scope = DESK if "spans" in changes else NEXT_DOOR
        target = scope.model_copy(update={"user": "u"})
        with pytest.raises(LedgerError, match=match):
            desk.ledger.append([EventDraft(copy_of(desk, said, **changes), ANN, target)])
    desk.ledger.append([EventDraft(copy_of(desk, said), ANN, NEXT_DOOR)])
    with pytest.raises(LedgerError, match="already"):
        shared(desk, said, DESK)
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    with pytest.raises(IllegalTransitionError, match="in force is shared"):
        shared(desk, waiting)


def test_somebody_bound_to_a_scope_cannot_copy_from_beyond_it() -> None:
    desk = Desk()
    said = desk.fact("deductible", "300 EUR").entry_id
    for bounds, works in ((NEXT_DOOR, False), (DESK, True)):
        registered = PrincipalRegistered(principal=str(ANN), bounds=bounds)
        desk.ledger.append([EventDraft(registered, SYSTEM)])
        if works:
            assert shared(desk, said)
        else:
            with pytest.raises(LedgerError, match="unknown original"):
                shared(desk, said)


def test_what_was_made_from_something_taken_back_is_not_approved() -> None:
    desk = Desk()
    said, twin = (
        desk.fact("deductible", "300 EUR").entry_id, desk.fact("inspection", "10 March").entry_id
    )  # fmt: skip
    revoke(desk.ledger, plan_revocation(desk.ledger, said), actor=ANN, reason_code="wrong")
    # Proposed after the revocation: it was under way and knew nothing of it.
    for name, parent in (("late", said), ("fine", twin)):
        late = EntryProposed(
            entry_id=name, version=1, body=fact(name, "Ilse Marwood"), derived_from=[parent]
        )
        review.submit(desk.ledger, late, actor=ANN, scope=DESK, policy=POLICY)
    assert trust_of(desk.ledger.state, [], [said], ANN) == "unknown"
    assert desk.entry("late").results != desk.entry("fine").results
    with pytest.raises(IllegalTransitionError, match="was made from"):
        approved(desk, "late")
    approved(desk, "fine")
    assert desk.status("fine") == "active"
    assert not [e for e in desk.ledger.state.active(DESK) if e.entry_id == "late"]


def test_exports_are_issued_and_withdrawn_once_in_their_scope() -> None:
    desk = Desk()
    said = desk.fact("deductible", "300 EUR").entry_id

    def issued(**changes: object) -> ExportIssued:
        fields = {
            "export_id": "x", "purpose": "memory", "path": "exports/x.jsonl", "sha256": "0" * 64,
            "entries": [said],
        } | changes  # fmt: skip
        return ExportIssued.model_validate(fields)

    for place in (
        "../x",
        "/etc/passwd",
        "exports/../keys.sqlite",
        "exports/.hidden",
        "exports/a/b",
    ):
        with pytest.raises(LedgerError, match="no place"):
            desk.ledger.append([EventDraft(issued(path=place), ANN, DESK)])
    with pytest.raises(LedgerError, match="unknown entry"):
        desk.ledger.append([EventDraft(issued(), ANN, NEXT_DOOR)])
    with pytest.raises(LedgerError, match="unknown entry"):
        desk.ledger.append([EventDraft(issued(entries=["nothing"]), ANN, DESK)])
    gone = ExportWithdrawn(export_id="x", reason_code="wrong")
    with pytest.raises(LedgerError, match="never issued"):
        desk.ledger.append([EventDraft(gone, ANN, DESK)])
    with pytest.raises(NotAuthorisedError, match="may not append"):
        desk.ledger.append([EventDraft(issued(), SYSTEM, DESK)])
    desk.ledger.append([EventDraft(issued(), ANN, DESK)])
    with pytest.raises(LedgerError, match="issued already"):
        desk.ledger.append([EventDraft(issued(), ANN, DESK)])
    with pytest.raises(LedgerError, match="another scope"):
        desk.ledger.append([EventDraft(gone, ANN, NEXT_DOOR)])
    desk.ledger.append([EventDraft(gone, ANN, DESK)])
    with pytest.raises(LedgerError, match="withdrawn already"):
        desk.ledger.append([EventDraft(gone, ANN, DESK)])
