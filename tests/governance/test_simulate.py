"""Replaying history under another policy: as it was, and appending nothing."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from governance import review, simulate
from governance.authority import register_principal
from governance.errors import GovernanceError
from governance.events import (
    DriftHeld,
    EntryErased,
    EntryProposed,
    EntryVerified,
    Event,
    ReviewWithdrawn,
    Scope,
    Status,
    VerifierRated,
)
from governance.ledger import Ledger
from governance.lineage import IN_FORCE
from governance.policy import Policy, PolicyInput, load_policy, parse_policy
from governance.review import Submitted
from governance.simulate import Population, Verdict
from governance.verifiers.conflict import Conflict
from tests.governance.desk import DESK, QUOTES, Desk, card, fact
from tests.governance.drafts import (
    ANN,
    BOB,
    BOT,
    HERE,
    append,
    draft,
    header,
    life,
    proposed,
    source,
    verified,
)
from tests.governance.test_surroundings import ledger_with_source
from tests.governance.world import rolled_back

ANA = Scope(tenant="mutual", agent="desk", user="ana")


def desk_with_history() -> Desk:
    """Everything that can be decided, some of it by people afterwards."""
    desk = Desk()
    for attribute, value in QUOTES:
        desk.fact(attribute, value)
    desk.card("adjuster", "Hugo Bancroft")
    entry = desk.ledger.state.queue(DESK)[-1]
    review.approve(
        desk.ledger, entry.entry_id, actor=ANN, reason_code="evidence-confirmed",
        expected_version=entry.version, expected_digest=entry.content_digest,
    )  # fmt: skip
    return desk


def policy_of(when: str, outcome: str = "review") -> Policy:
    return parse_policy(
        "name: other\nversion: 1\ndescription: another\nrules:\n"
        f"  - id: asked\n    when: '{when}'\n    outcome: {outcome}\n    severity: low\n"
        "    message: m\n  - id: rest\n    when: 'true'\n    outcome: allow\n    severity: low\n"
        "    message: m\n",
        Path("other.yaml"),
    )


def test_the_same_policy_changes_nothing() -> None:
    desk = desk_with_history()
    head = desk.ledger.head
    found = simulate.simulate(desk.ledger, desk.policy)
    assert (found.decided, found.changes, found.unreadable) == (len(QUOTES) + 1, (), 0)
    assert {before for before, _ in found.moves} == {"allow", "review", "quarantine", "deny"}
    assert all(before == after for before, after in found.moves)
    assert desk.ledger.head == head


def test_another_policy_changes_what_it_should() -> None:
    desk = desk_with_history()
    strict = load_policy("strict")
    found = simulate.simulate(desk.ledger, strict)
    assert (found.policy, found.digest) == ("strict", strict.digest)
    allowed = [e for e in desk.ledger.state.entries.values() if e.reason_code == "policy"]
    allowed = [entry for entry in allowed if entry.status in IN_FORCE]
    assert {one.entry_id for one in found.changes} == {entry.entry_id for entry in allowed}
    first = found.changes[0]
    assert first.before == Verdict("allow", "routine")
    assert first.after == Verdict("review", "everything-else")
    assert (first.version, first.kind, first.scope) == (1, "fact", DESK)
    assert [one.seq for one in found.changes] == sorted(one.seq for one in found.changes)
    late = simulate.simulate(desk.ledger, strict, since=first.seq + 1)
    assert late.changes == found.changes[1:]
    assert late.decided == found.decided - 1


def submit(desk: Desk, draw: random.Random, place: int) -> Submitted:
    """Propose something, perhaps made from or in the place of what is known."""
    attribute, value = list(QUOTES)[place % len(QUOTES)]
    body = (fact, card)[place % 2](attribute, value)
    known = [e.entry_id for e in desk.ledger.state.having(desk.scope, *IN_FORCE)]
    chosen = draw.sample(known, k=min(len(known), draw.choice([0, 1, 2])))
    return desk.submit(
        body, QUOTES[attribute, value], entry_id=f"p{place}", derived_from=tuple(chosen),
        replaces=chosen[0] if chosen and draw.random() < 0.3 else None,
        actor=draw.choice([BOT, BOB]),
    )  # fmt: skip


def judge(desk: Desk, draw: random.Random, entry_id: str) -> None:
    """A person decides, and perhaps takes it back."""
    entry = desk.entry(entry_id)
    decide = draw.choice([review.approve, review.reject, review.quarantine])
    reasons = {"approve": "evidence-confirmed", "reject": "wrong"}
    with suppress(GovernanceError):  # a replaced entry of another scope, say
        decide(
            desk.ledger, entry_id, actor=ANN,
            reason_code=reasons.get(decide.__name__, "suspected-injection"),
            expected_version=1, expected_digest=entry.content_digest,
        )  # fmt: skip
    if desk.status(entry_id) == "rejected" and draw.random() < 0.5:
        append(desk.ledger, ReviewWithdrawn(entry_id=entry_id, version=1), ANN, desk.scope)


def govern(desk: Desk, place: int) -> None:
    """What else rules can see changes in between."""
    if place == 8:
        held = DriftHeld(hold_id="h", reason="r", alarm="a", entries=["p1", "p3"])
        append(desk.ledger, held, ANN, DESK)
    if place == 10:
        rated = VerifierRated(
            verifier="conflict", version=Conflict.version, policy="p", bad=30, bad_flagged=9,
            good=30, good_flagged=9, lower_ppm=-9, upper_ppm=9, standing="non-informative",
        )  # fmt: skip
        append(desk.ledger, rated, ANN)
    if place == 12:
        register_principal(desk.ledger, str(BOT), DESK, actor=ANN, trust="customer")
    if place == 15:
        entry = desk.entry("p1")
        moved: list[tuple[str, Status, Status]] = [("p1", entry.status, "proposed")]
        append(desk.ledger, rolled_back(entry.proposed_seq, moved), ANN, DESK)


def test_every_fact_is_as_it_was_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """What rules saw at the time is what they see in the replay, proposal by proposal."""
    seen: list[PolicyInput] = []
    real = Policy.decide

    def spy(self: Policy, facts: PolicyInput) -> Any:
        seen.append(facts)
        return real(self, facts)

    monkeypatch.setattr(Policy, "decide", spy)
    draw, desk = random.Random(4), Desk()
    for place in range(24):
        desk.scope = ANA if place % 3 == 0 else DESK
        submitted = submit(desk, draw, place)
        if submitted.decision.outcome == "review" and draw.random() < 0.7:
            judge(desk, draw, submitted.entry_id)
        govern(desk, place)
    then = list(seen)
    seen.clear()
    found = simulate.simulate(desk.ledger, desk.policy)
    assert found.changes == ()
    assert seen == then
    kinds = {(f.drift_hold, bool(f.uninformative), f.actor_trust) for f in then}
    assert len(kinds) >= 4
    assert max(f.active for f in then) > 1
    assert max(f.pending for f in then) > 1


def test_what_nobody_decided_then_is_decided_now() -> None:
    ledger = ledger_with_source()
    ledger.append(life("e1"))
    ledger.append([draft(proposed("e2"), BOT), draft(verified("e2"))])
    found = simulate.simulate(ledger, policy_of('trust == "unknown"', "deny"))
    assert found.moves == {("none", "deny"): 2}
    assert [one.before for one in found.changes] == [None, None]
    assert [one.entry_id for one in found.changes] == ["e1", "e2"]


def test_a_second_verification_is_a_second_decision() -> None:
    desk = Desk()
    waiting = desk.fact("plumber", "Wexler Plumbing").entry_id
    review.reconsider(desk.ledger, waiting, policy=load_policy("research"))
    found = simulate.simulate(desk.ledger, load_policy("default"))
    assert found.moves == {("review", "review"): 1, ("allow", "review"): 1}
    assert found.changes[0].entry_id == waiting


class Erased:
    """A ledger in which one proposal was erased; the steps to get there do not matter."""

    def __init__(self, ledger: Ledger, entry_id: str) -> None:
        self._events = list(ledger.events())
        self._entry_id = entry_id

    def events(self, **_: object) -> Any:
        erased = EntryErased(
            entry_id=self._entry_id, version=1, kind="fact", erasure_id="x", tombstone=None
        )
        for event in self._events:
            gone = event.header.subject == f"entry:{self._entry_id}"
            yield Event(event.header, None) if gone else event
        yield Event(header(erased, len(self._events) + 1, scope=DESK), erased)


def test_an_erased_proposal_is_counted_and_not_guessed() -> None:
    desk = Desk()
    first = desk.fact("adjuster", "Hugo Bancroft").entry_id
    desk.fact("inspection", "10 March")
    erased: Any = Erased(desk.ledger, first)
    one = simulate.simulate(erased, policy_of("counts.active == 1"))
    assert (one.unreadable, one.decided) == (1, 1)
    assert one.changes[0].after == Verdict("review", "asked")  # it was there at the time
    late = simulate.simulate(erased, desk.policy, since=desk.entry(first).proposed_seq + 1)
    assert late.unreadable == 0


def test_trust_that_was_not_recorded_is_unknown() -> None:
    desk = Desk()
    desk.fact("adjuster", "Hugo Bancroft")
    events = list(desk.ledger.events())

    class Altered:
        def __init__(self, detail: str | None) -> None:
            self.detail = detail

        def events(self, **_: object) -> Any:
            for event in events:
                payload = event.payload
                if isinstance(payload, EntryVerified):
                    results = [
                        one.model_copy(update={"detail": self.detail})
                        for one in payload.results
                        if one.verifier != "provenance" or self.detail is not None
                    ]
                    payload = payload.model_copy(update={"results": results})
                yield replace(event, payload=payload)

    policy = policy_of('trust == "unknown"')
    for detail, outcome in (("internal; as it was", "allow"), ("boundless", "review"),
                            (None, "review")):  # fmt: skip
        ledger: Any = Altered(detail)
        assert list(simulate.simulate(ledger, policy).moves) == [("allow", outcome)]


def test_a_population_ignores_what_it_never_saw_begin() -> None:
    population = Population()
    population.take_up(Event(header(rolled_back(1, [("gone", "active", "active")]), 5), None))
    moved = rolled_back(1, [("gone", "active", "active")])
    population.take_up(Event(header(moved, 6), moved))
    population.take_up(Event(header(source(), 7), source()))
    undone = ReviewWithdrawn(entry_id="gone", version=1)
    population.take_up(Event(header(undone, 8), undone))
    assert (population.in_force(HERE), population.pending(HERE)) == (0, 0)
    there = EntryProposed(entry_id="e", version=1, body=fact("a", "b"))
    population.take_up(Event(header(there, 9), there))
    assert population.in_force(HERE) == 0
