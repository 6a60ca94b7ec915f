"""What may be destroyed and what is kept: the rules that every append is checked against."""

from __future__ import annotations

import pytest

from governance.errors import (
    HoldError,
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
    SelfReviewError,
)
from governance.events import (
    Actor,
    EntryErased,
    EntryExpired,
    ErasureApproved,
    ErasureCompleted,
    ErasureDeclined,
    ErasureRequested,
    HoldLifted,
    HoldPlaced,
    Payload,
    SourceErased,
)
from tests.governance.drafts import ANN, BOB, BOT, ELSEWHERE, SYSTEM, draft, life, source
from tests.governance.world import SOURCE, World

NORA = "aa" * 16


def hold(hold_id: str = "h1", *entries: str, whose: tuple[str, ...] = ()) -> HoldPlaced:
    return HoldPlaced(
        hold_id=hold_id, reason="case 7", entries=list(entries), data_subjects=list(whose)
    )


def lifted(hold_id: str = "h1") -> HoldLifted:
    return HoldLifted(hold_id=hold_id, reason="over")


def requested(erasure_id: str = "x1", *entries: str, whose: str | None = None) -> ErasureRequested:
    return ErasureRequested(
        erasure_id=erasure_id, basis="objection", reason="asked", entries=list(entries),
        data_subject=whose, plan_digest="d",
    )  # fmt: skip


def gone(entry_id: str = "e1", erasure_id: str = "x1", kind: str = "fact") -> EntryErased:
    return EntryErased.model_validate({
        "entry_id": entry_id, "version": 1, "kind": kind, "erasure_id": erasure_id,
        "tombstone": "t1",
    })  # fmt: skip


def completed(hits: int = 0) -> ErasureCompleted:
    return ErasureCompleted(
        erasure_id="x1", events=[1], entries=1, sources=0, adapters=[], exports=[], searched=1,
        hits=hits,
    )  # fmt: skip


def approved(*entries: str, whose: str | None = None) -> World:
    """An entry on a source, and an erasure that two people agreed to."""
    return World(
        SOURCE, *life(), draft(requested("x1", *entries, whose=whose), ANN),
        draft(ErasureApproved(erasure_id="x1"), BOB),
    )  # fmt: skip


@pytest.mark.parametrize("actor", [BOT, SYSTEM], ids=str)
def test_only_people_keep_and_destroy(actor: Actor) -> None:
    for payload in (hold(), requested("x1", "e1")):
        world = World(SOURCE, *life())
        world.refuses(NotAuthorisedError, payload, actor, match="may not append")
        world.does(draft(payload, ANN))


def test_a_hold_names_what_exists_once_and_is_lifted_once() -> None:
    world = World(SOURCE, *life())
    world.refuses(LedgerError, hold("h1", "e9"), ANN, match="e9 does not exist")
    world.refuses(LedgerError, lifted(), ANN, match="no hold h1 in force")
    world.does(draft(hold("h1", "e1"), ANN))
    world.refuses(LedgerError, hold("h1"), ANN, match="placed already")
    world.does(draft(lifted(), ANN))
    world.refuses(LedgerError, lifted(), ANN, match="no hold h1 in force")


def test_a_request_names_either_entries_or_a_person() -> None:
    world = World(SOURCE, *life())
    world.refuses(LedgerError, requested(), ANN, match="either entries or a person")
    world.refuses(LedgerError, requested("x1", "e1", whose=NORA), ANN, match="either entries")
    world.refuses(LedgerError, requested("x1", "e9"), ANN, match="e9 does not exist")
    world.does(draft(requested("x1", "e1"), ANN), draft(requested("x2", whose=NORA), ANN))
    world.refuses(LedgerError, requested("x1", "e1"), ANN, match="requested already")


def test_what_was_erased_is_not_asked_for_again() -> None:
    world = approved("e1")
    world.does(draft(requested("x2", "e1"), ANN), draft(gone(), ANN))
    world.refuses(LedgerError, requested("x3", "e1"), ANN, match="erased before")


def test_an_answer_is_given_once_and_by_somebody_else() -> None:
    world = World(SOURCE, *life(), draft(requested("x1", "e1"), ANN))
    yes, no = ErasureApproved(erasure_id="x1"), ErasureDeclined(erasure_id="x1")
    world.refuses(SelfReviewError, yes, ANN, match="may not approve it")
    world.refuses(LedgerError, ErasureDeclined(erasure_id="x9"), BOB, match="no erasure 'x9'")
    world.does(draft(yes, BOB))
    for late in (yes, no):
        world.refuses(IllegalTransitionError, late, BOB, match="approved and waits for no answer")
    own = World(SOURCE, *life(), draft(requested("x1", "e1"), ANN)).does(draft(no, ANN))
    own.refuses(IllegalTransitionError, yes, BOB, match="declined and waits for no answer")


def test_an_entry_is_erased_inside_an_approved_erasure_as_what_it_is() -> None:
    world = World(SOURCE, *life(), draft(requested("x1", "e1"), ANN))
    world.refuses(IllegalTransitionError, gone(), ANN, match="requested, not approved")
    world.refuses(LedgerError, gone(erasure_id="x9"), ANN, match="no erasure 'x9'")
    world.does(draft(ErasureApproved(erasure_id="x1"), BOB))
    world.refuses(LedgerError, gone(kind="card"), ANN, match="is a fact, no card")
    world.does(draft(gone(), ANN))
    assert world.status() == "erased"


def test_an_erasure_is_complete_when_nothing_was_found() -> None:
    world = World(SOURCE, *life(), draft(requested("x1", "e1"), ANN))
    world.refuses(IllegalTransitionError, completed(), match="not approved")
    world.does(draft(ErasureApproved(erasure_id="x1"), BOB), draft(gone(), ANN))
    world.refuses(IllegalTransitionError, completed(hits=2), match="2 file")
    world.does(draft(completed()))
    assert world.state.erasures["x1"].status == "completed"


def test_a_source_is_erased_once_where_it_belongs() -> None:
    payload = SourceErased(source_id="s1", erasure_id="x1")
    world = World(SOURCE, *life(), draft(requested("x1", whose=NORA), ANN))
    world.refuses(IllegalTransitionError, payload, match="requested, not approved")
    world.does(draft(ErasureApproved(erasure_id="x1"), BOB))
    unknown = SourceErased(source_id="s9", erasure_id="x1")
    world.refuses(LedgerError, unknown, match="s9 does not exist")
    world.refuses(LedgerError, payload, scope=ELSEWHERE, match="another scope")
    world.does(draft(payload))
    assert world.state.sources["s1"].kind == "erased"
    world.refuses(LedgerError, payload, match="erased before")


@pytest.mark.parametrize(
    "kept", [hold(), hold("h1", "e1"), hold("h1", whose=(NORA,))], ids=["all", "entry", "person"]
)
def test_a_hold_stops_what_it_names_at_every_step(kept: HoldPlaced) -> None:
    whose = NORA if kept.data_subjects else None
    entries = () if whose else ("e1",)
    text = SourceErased(source_id="s1", erasure_id="x1")
    steps: list[Payload] = [requested("x2", *entries, whose=whose), gone(), text]
    for payload in steps:
        world = approved(*entries, whose=whose).does(draft(kept, ANN))
        world.refuses(HoldError, payload, ANN, match="h1")
        world.does(draft(lifted(), ANN), draft(payload, ANN))
    asked = World(SOURCE, *life(), draft(requested("x1", *entries, whose=whose), ANN))
    asked.does(draft(kept, ANN))
    asked.refuses(HoldError, ErasureApproved(erasure_id="x1"), BOB, match="h1")
    asked.does(draft(lifted(), ANN), draft(ErasureApproved(erasure_id="x1"), BOB))


def test_a_hold_keeps_the_sources_of_the_entries_it_names() -> None:
    payload = SourceErased(source_id="s1", erasure_id="x1")
    by_hand = World(SOURCE, *life(), *life("e2"), draft(requested("x1", whose=NORA), ANN))
    by_hand.does(draft(ErasureApproved(erasure_id="x1"), BOB), draft(hold("h1", "e2"), ANN))
    by_hand.refuses(HoldError, payload, match="h1")
    by_hand.does(draft(lifted(), ANN), draft(payload))


def test_a_hold_on_an_entry_of_another_source_does_not_keep_this_one() -> None:
    world = World(SOURCE, draft(source("s2")), *life(), draft(requested("x1", whose=NORA), ANN))
    world.does(draft(ErasureApproved(erasure_id="x1"), BOB), draft(hold("h1", "e1"), ANN))
    world.refuses(HoldError, SourceErased(source_id="s1", erasure_id="x1"), match="h1")
    world.does(draft(SourceErased(source_id="s2", erasure_id="x1")))


def test_what_ends_an_entry_before_its_time_is_a_person() -> None:
    def expiry(reason: str) -> EntryExpired:
        return EntryExpired.model_validate({
            "entry_id": "e1", "version": 1, "reason_code": reason, "comment": "",
        })  # fmt: skip

    world = World(SOURCE, *life())
    world.refuses(NotAuthorisedError, expiry("pruned"), SYSTEM, match="may not let entry e1")
    world.refuses(NotAuthorisedError, expiry("ttl"), BOT, match="may not let entry e1")
    world.does(draft(hold("h1", "e1"), ANN))
    world.refuses(HoldError, expiry("pruned"), ANN, match="h1")
    world.does(draft(lifted(), ANN), draft(expiry("pruned"), ANN))
    assert world.status() == "expired"
    assert World(SOURCE, *life()).does(draft(expiry("ttl"))).status() == "expired"
