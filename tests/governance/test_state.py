"""The fold and the entry state machine, without a ledger around them."""

from __future__ import annotations

from typing import get_args

import pytest

from governance.errors import (
    AppendConflictError,
    FrozenError,
    IllegalTransitionError,
    LedgerError,
    NotAuthorisedError,
    SelfReviewError,
)
from governance.events import (
    Actor,
    ActorKind,
    Decision,
    EntryApproved,
    EntryExpired,
    EntryQuarantined,
    EntryRejected,
    EntryRevoked,
    EntrySuperseded,
    LedgerFrozen,
    LedgerThawed,
    MemoryRecalled,
    Payload,
    PolicyActivated,
    RelayScore,
    RelayScored,
    RelayStarted,
    RelayStepped,
    ReviewAssigned,
    ReviewCommented,
    ReviewEndorsed,
    ReviewTerms,
    RoleGranted,
    RoleWithdrawn,
    Span,
    Status,
    TrustRange,
)
from governance.transitions import check
from tests.governance.drafts import (
    ANN,
    BOB,
    BOT,
    ELSEWHERE,
    EPOCH_US,
    HERE,
    POLICY,
    SYSTEM,
    activated,
    decided,
    draft,
    fact_body,
    header,
    learned_card,
    life,
    proposed,
    served,
    source,
    tombstoned,
    verified,
)
from tests.governance.world import SOURCE, World, rolled_back

# Every way an entry may go, written by hand from DESIGN section 5.
STEPS: dict[str, Payload] = {
    "verified": verified(),
    "review": ReviewAssigned(entry_id="e1", version=1, rule_id="r", message="look"),
    "comment": ReviewCommented(entry_id="e1", version=1, comment="hm"),
    "approved": decided(EntryApproved),
    "rejected": decided(EntryRejected),
    "quarantined": decided(EntryQuarantined),
    "active": activated(),
    "superseded": EntrySuperseded(entry_id="e1", version=1, by="e2"),
    "revoked": decided(EntryRevoked),
    "expired": EntryExpired(entry_id="e1", version=1, reason_code="ttl"),
    "endorsed": decided(ReviewEndorsed),
}
TWO_PEOPLE = ReviewAssigned(
    entry_id="e1", version=1, rule_id="r", message="look", terms=ReviewTerms(people=2)
)
PATHS: dict[Status, list[str]] = {
    "proposed": [],
    "verified": ["verified"],
    "approved": ["verified", "approved"],
    "active": ["verified", "approved", "active"],
    "superseded": ["verified", "approved", "active", "superseded"],
    "revoked": ["verified", "approved", "active", "revoked"],
    "rejected": ["verified", "rejected"],
    "quarantined": ["verified", "quarantined"],
    "expired": ["verified", "approved", "active", "expired"],
}
ALLOWED: dict[Status, set[str]] = {
    "proposed": {"verified", "rejected", "quarantined", "expired"},
    "verified": {
        "verified",
        "review",
        "endorsed",
        "approved",
        "rejected",
        "quarantined",
        "expired",
    },
    "approved": {"active", "rejected", "revoked", "expired"},
    "active": {"active", "superseded", "revoked", "quarantined", "expired"},
    "superseded": {"revoked", "expired"},
    "revoked": set(),
    "rejected": set(),
    "quarantined": {"review", "endorsed", "approved", "rejected", "revoked", "expired"},
    "expired": set(),
}


def at(status: Status) -> World:
    world = World(SOURCE)
    if status == "expired":  # what a rollback leaves of an entry that came later
        world.does(draft(proposed(), BOT))
        return world.does(draft(rolled_back(1, [("e1", "proposed", "expired")])))
    world.does(draft(proposed(), BOT))
    return world.does(*(draft(STEPS[step], ANN) for step in PATHS[status]))


@pytest.mark.parametrize("status", PATHS)
@pytest.mark.parametrize("step", STEPS)
def test_the_state_machine_allows_exactly_what_the_design_says(status: Status, step: str) -> None:
    world = at(status)
    assert world.status() == status
    if step == "endorsed" and step in ALLOWED[status]:  # the first of two; one needs no second
        world.refuses(IllegalTransitionError, STEPS[step], ANN, match="takes one approval")
        world.does(draft(TWO_PEOPLE, POLICY))
    if step == "comment" or step in ALLOWED[status]:
        world.does(draft(STEPS[step], ANN))
        expected = status if step in {"comment", "review", "endorsed"} else step
        assert world.status() == expected
        assert world.state.entries["e1"].history[-1] == world.state.seq
    else:
        world.refuses(IllegalTransitionError, STEPS[step], ANN, match=status)


def test_every_status_of_the_design_is_covered() -> None:
    assert set(PATHS) == set(ALLOWED) == set(get_args(Status)) - {"erased"}


# --- who ---------------------------------------------------------------------------------


def test_author_is_not_reviewer() -> None:
    world = World(SOURCE, draft(proposed(), ANN), draft(verified()))
    world.refuses(SelfReviewError, decided(EntryApproved), ANN, match="another reviewer|wrote")
    # Taking one's own proposal back is no approval.
    check(world.state, decided(EntryRejected), ANN, HERE, EPOCH_US)
    assert world.does(draft(decided(EntryApproved), BOB)).status() == "approved"


def test_a_policy_may_approve_what_a_model_wrote_but_no_model_judges() -> None:
    world = World(SOURCE, draft(proposed(), BOT))
    other = Actor(kind="agent", id="another-model")
    for actor in (BOT, other):
        world.refuses(NotAuthorisedError, verified(), actor, match="no person")
    world.does(draft(verified()))
    for kind in (EntryApproved, EntryRejected, EntryQuarantined):
        world.refuses(NotAuthorisedError, decided(kind), other)
    assert world.does(draft(decided(EntryApproved), POLICY)).status() == "approved"


@pytest.mark.parametrize("kind", ["agent", "importer"])
def test_no_program_decides_on_memory_or_on_its_rules(kind: ActorKind) -> None:
    """Each is refused to a program in the append itself, and done by a person right after."""
    program = Actor(kind=kind, id="program")
    world = World(SOURCE, *life("e1"), draft(proposed("e2"), program), draft(verified("e2")))
    for payload in (
        LedgerFrozen(reason=""), LedgerThawed(reason=""),
        PolicyActivated(name="mine", digest="d" * 64, text="name: mine"),
        rolled_back(4, [("e1", "active", "approved")]),
        rolled_back(5, [("e1", "approved", "active")]),
        decided(EntryApproved, "e2"), EntrySuperseded(entry_id="e1", version=1, by="e2"),
        decided(EntryRevoked, "e2"),
    ):  # fmt: skip
        world.refuses(NotAuthorisedError, payload, program, match="no person")
        world.does(draft(payload, ANN))


# --- evidence ----------------------------------------------------------------------------


def test_evidence_before_belief() -> None:
    world = World(SOURCE)
    world.refuses(LedgerError, proposed(spans=()), BOT, match="rests on nothing")
    world.refuses(LedgerError, proposed(spans=()), POLICY, match="rests on nothing")
    chars = len(source().text)
    for span in (
        Span(source_id="s1", start=0, end=chars + 1),
        Span(source_id="s1", start=5, end=5),
        Span(source_id="s1", start=6, end=5),
        Span(source_id="s2", start=0, end=1),
    ):
        world.refuses(LedgerError, proposed(spans=[span]), BOT, match="does not resolve")
    whole = Span(source_id="s1", start=0, end=chars)
    check(world.state, proposed(spans=[whole]), BOT, HERE, EPOCH_US)
    check(world.state, proposed(spans=()), ANN, HERE, EPOCH_US)  # a named person stands for it


def test_sources_are_what_their_digest_says() -> None:
    world = World()
    true = source()
    world.refuses(LedgerError, true.model_copy(update={"text": "x"}), match="digest")
    outside = TrustRange(start=0, end=len(true.text) + 1, trust="trusted")
    empty = TrustRange(start=3, end=3, trust="trusted")
    for bad in (outside, empty):
        world.refuses(LedgerError, true.model_copy(update={"ranges": [bad]}), match="range")
    world.does(draft(true))
    world.refuses(LedgerError, true, match="already registered")


def test_a_span_is_as_trusted_as_its_least_trusted_voice() -> None:
    rated = source(trust="internal").model_copy(
        update={
            "ranges": [
                TrustRange(start=10, end=20, trust="customer"),
                TrustRange(start=20, end=30, trust="trusted"),
            ]
        }
    )
    found = World(draft(rated)).state.sources["s1"]

    def trust(start: int, end: int) -> str:
        return found.trust_of(Span(source_id="s1", start=start, end=end))

    assert [trust(0, 10), trust(10, 20), trust(12, 13)] == ["internal", "customer", "customer"]
    assert [trust(20, 30), trust(20, 31), trust(5, 25)] == ["trusted", "internal", "customer"]


def test_lineage_must_exist_and_be_visible() -> None:
    world = World(SOURCE, draft(proposed("p1"), BOT))
    world.refuses(LedgerError, proposed("e2", derived_from=["nothing"]), BOT, match="unknown")
    check(world.state, proposed("e2", derived_from=["p1"]), BOT, HERE, EPOCH_US)
    away = draft(source("s2"), scope=ELSEWHERE)
    world.does(away)
    world.refuses(
        LedgerError, proposed("e2", spans=[Span(source_id="s2", start=0, end=3)],
        derived_from=["p1"]), BOT, ELSEWHERE, match="unknown parent",
    )  # fmt: skip


# --- scope -------------------------------------------------------------------------------


def test_scopes_do_not_mix() -> None:
    world = World(SOURCE)
    world.refuses(LedgerError, proposed(), BOT, ELSEWHERE, match="another scope")
    world.does(draft(proposed(), BOT))
    world.refuses(LedgerError, verified(), SYSTEM, ELSEWHERE, match="another scope")
    world.refuses(LedgerError, proposed(version=2), ANN, ELSEWHERE, match="another scope")
    check(world.state, verified(), SYSTEM, HERE, EPOCH_US)

    assert [entry.entry_id for entry in world.state.visible(HERE)] == ["e1"]
    assert list(world.state.visible(ELSEWHERE)) == []


# --- optimistic concurrency --------------------------------------------------------------


def test_decisions_are_bound_to_version_and_content() -> None:
    world = World(SOURCE, draft(proposed(), BOT), draft(verified()))
    other = fact_body("900 EUR")
    world.refuses(
        AppendConflictError, decided(EntryApproved, body=other), ANN, match="other content"
    )
    world.refuses(AppendConflictError, decided(EntryApproved, version=2), ANN, match="version 1")
    world.refuses(LedgerError, decided(EntryApproved, "e9"), ANN, match="does not exist")
    world.does(draft(proposed(body=other, version=2), BOT))
    # The entry changed under the reviewer: what she read is not what she would approve.
    world.refuses(AppendConflictError, decided(EntryApproved), ANN, match="version 2")
    world.does(draft(verified(version=2)))
    assert world.does(draft(decided(EntryApproved, body=other, version=2), ANN)).status() == (
        "approved"
    )


def test_versions_count_up_by_one() -> None:
    world = World(SOURCE)
    world.refuses(AppendConflictError, proposed(version=2), BOT, match="version 1 expected")
    world.does(draft(proposed(), BOT))
    world.refuses(AppendConflictError, proposed(), BOT, match="version 2 expected")
    check(world.state, proposed(version=2), BOT, HERE, EPOCH_US)


@pytest.mark.parametrize("status", PATHS)
def test_a_new_version_never_pushes_out_what_was_decided(status: Status) -> None:
    """An unapproved version 2 would silence the active version 1, or shed its tombstone."""
    world = at(status)
    again = proposed(version=2)
    if status in {"proposed", "verified", "expired"}:
        world.does(draft(again, BOT))
        assert world.status() == "proposed"
        assert world.state.entries["e1"].version == 2
    else:
        world.refuses(IllegalTransitionError, again, BOT, match="no new version")
        check(world.state, proposed("e2", replaces="e1"), BOT, HERE, EPOCH_US)


# --- freeze ------------------------------------------------------------------------------


def test_frozen_learns_nothing_and_still_takes_back() -> None:
    world = World(SOURCE, *life("e1"), *life("e2")[:3], *learned_card())
    world.does(draft(LedgerFrozen(reason="incident")))
    assert world.state.frozen
    for payload in (proposed("e3"), activated("e2"), served()):
        world.refuses(FrozenError, payload, BOT)
    world.does(draft(decided(EntryRevoked), ANN))
    assert world.status("e1") == "revoked"
    world.does(draft(LedgerThawed(reason="over")))
    assert world.does(draft(activated("e2"))).status("e2") == "active"


# --- the rest of the fold ----------------------------------------------------------------


def test_queue_is_ordered_by_risk_then_age() -> None:
    world = World(SOURCE)
    for number, risk in enumerate([10, 500, 10, 900]):
        entry_id = f"e{number}"
        world.does(
            draft(proposed(entry_id), BOT),
            draft(verified(entry_id, risk_ppm=risk)),
            draft(ReviewAssigned(entry_id=entry_id, version=1, rule_id="r", message="m")),
        )
    assert [entry.entry_id for entry in world.state.queue(HERE)] == ["e3", "e1", "e0", "e2"]
    assert world.state.queue(ELSEWHERE) == []
    world.does(
        draft(decided(EntryApproved, "e3"), ANN), draft(decided(EntryQuarantined, "e1"), ANN)
    )
    assert [entry.entry_id for entry in world.state.queue(HERE)] == ["e1", "e0", "e2"]


def test_entries_are_found_by_unique_prefix() -> None:
    world = World(SOURCE, draft(proposed("fact-aa1"), BOT), draft(proposed("fact-ab2"), BOT))
    assert world.state.entry("fact-aa").entry_id == "fact-aa1"
    assert world.state.entry("fact-ab2").entry_id == "fact-ab2"
    for bad, why in (("fact-a", "ambiguous"), ("card", "does not exist"), ("", "does not exist")):
        with pytest.raises(LedgerError, match=why):
            world.state.entry(bad)


def test_derivatives_reach_every_generation_once() -> None:
    world = World(SOURCE, draft(proposed("a"), BOT))
    for entry_id, parents in (("b", ["a"]), ("c", ["b"]), ("d", ["a", "c"]), ("z", [])):
        world.does(draft(proposed(entry_id, derived_from=parents), BOT))
    assert [entry.entry_id for entry in world.state.derivatives("a")] == ["b", "d", "c"]
    assert [entry.entry_id for entry in world.state.derivatives("c")] == ["d"]
    assert world.state.derivatives("z") == []


def test_tombstones_of_a_scope() -> None:
    world = World(SOURCE, *life("e1"), *life("e2"))
    assert world.state.tombstones(HERE) == {}
    world.does(draft(tombstoned(EntryRevoked), ANN))
    assert world.state.tombstones(HERE) == {"t1": "e1"}
    assert world.state.tombstones(ELSEWHERE) == {}


def test_recalls_relays_policies_and_roles_fold() -> None:
    world = World(SOURCE)
    recall = MemoryRecalled(recall_id="r", purpose="answer", query="q", entries=["e1", "e2"])
    step = RelayStepped(
        relay_id="x", index=0, round_trip=1, direction="forward", pair_id="p", instruction="i",
        text="t", applied=True, error=None, score_ppm=None, changes=[],
    )  # fmt: skip
    scored = RelayScored(
        relay_id="x", rs=[RelayScore(k=2, score_ppm=1)], applied_ppm=1, critical=0, errors=0
    )
    for orphan in (step, scored):
        world.refuses(LedgerError, orphan, match="never started")
    world.does(
        draft(recall),
        draft(recall),
        draft(
            RelayStarted(
                relay_id="x",
                source_id="s1",
                document="d",
                domain="ledger",
                model_id="m",
                editor="patch",
                seed=1,
                order=[],
                round_trips=1,
            )
        ),
        draft(step),
        draft(scored),
        draft(PolicyActivated(name="default", digest="d1", text="")),
        draft(PolicyActivated(name="strict", digest="d2", text="")),
        draft(RoleGranted(principal="ann", role="reviewer")),
        draft(RoleGranted(principal="ann", role="officer")),
        draft(RoleWithdrawn(principal="ann", role="reviewer")),
        draft(RoleWithdrawn(principal="bob", role="admin")),
    )
    state = world.state
    assert state.recalls == {"e1": (2, 3), "e2": (2, 3)}
    assert (state.relays["x"].started_seq, state.relays["x"].step_seqs) == (4, (5,))
    assert state.relays["x"].scored_seq == 6
    assert state.active_policy == "strict"
    assert dict(state.policies) == {"default": "d1", "strict": "d2"}
    assert state.roles == {"ann": frozenset({"officer"}), "bob": frozenset()}


def test_the_fold_is_pure_and_in_order() -> None:
    drafts = [SOURCE, *life("e1"), *learned_card(), draft(decided(EntryRevoked), ANN)]
    first, second = World(*drafts), World(*drafts)
    assert first.past == second.past
    frozen = [state.fork() for state in first.past]
    first.does(*life("e5"))
    assert first.past[: len(frozen)] == frozen, "a fork must not change under its reader"
    with pytest.raises(LedgerError, match="cannot follow"):
        first.state.apply(header(source("s9"), seq=first.state.seq + 2), source("s9"))
    with pytest.raises(LedgerError, match="cannot follow"):
        first.state.apply(header(source("s9"), seq=first.state.seq), source("s9"))


def test_an_erased_event_moves_only_the_number() -> None:
    world = World(SOURCE)
    before = world.state.fork()
    world.state.apply(header(proposed(), seq=2), None)
    assert world.state.seq == 2
    assert vars(world.state) | {"seq": 1} == vars(before)
    # A rollback that names an entry erased since leaves it out.
    back = rolled_back(1, [("e1", "active", "expired")])
    world.state.apply(header(back, seq=3), back)
    assert "e1" not in world.state.entries


def test_as_of_walks_the_history() -> None:
    world = World(SOURCE, *life("e1"))
    entry = world.state.entries["e1"]
    found = [entry.as_of(seq) for seq in range(6)]
    assert [one and one.status for one in found] == [
        None, None, "proposed", "verified", "approved", "active",
    ]  # fmt: skip
    assert [one and one.history for one in found][-1] == (2, 3, 4, 5)


def test_decision_kinds_are_all_tested() -> None:
    kinds = {type(payload) for payload in STEPS.values() if isinstance(payload, Decision)}
    assert kinds == set(Decision.__subclasses__())
