"""The life of entries, in any order people can think of, against a model of a few lines.

The model knows what each entry waits for, who agreed, and when its approval acts. What the
ledger refuses the model must forbid, and the other way round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from governance import housekeeping, review, reviewers
from governance.errors import PalimpsestError
from governance.events import Actor, EntryProposed, FactBody, Scope, SourceIngested, Span
from governance.ledger import EventDraft, Ledger
from governance.policy import Policy, load_policy, parse_policy
from governance.revocation import plan_revocation, revoke
from tests.governance.drafts import ANN, BOB, BOT, EPOCH_US

HERE: Final = Scope(tenant="mutual", agent="desk")
PLACES: Final = 4
TEXT: Final = "".join(f"Caller: the colour of door {n} is shade {n}.\n" for n in range(PLACES))
S: Final = 1_000_000
DELAY_S: Final = 30
CLAIM_S: Final = 900

places = st.integers(0, PLACES - 1)
people = st.sampled_from([ANN, BOB])


def two_people() -> Policy:
    """The default policy, where doors of an even number take two reviewers."""
    policy = load_policy("default")
    rules = policy.text[: policy.text.index("\nreview:")]
    return parse_policy(f"{rules}\nreview:\n  two_people: counts.pending % 2 == 1\n", policy.path)


@dataclass
class Modelled:
    """What the model knows of one entry."""

    people: int
    status: str = "waits"
    agreed: list[Actor] = field(default_factory=list)
    decided_by: Actor | None = None
    decided_at: int = 0
    claimed_by: Actor | None = None
    claimed_until: int = 0
    never_again: bool = False


class Life(RuleBasedStateMachine):
    """One desk, two reviewers, a clock that is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.us = EPOCH_US
        self.ledger = Ledger.in_memory(clock=self)
        self.policy = two_people()
        self.known: dict[str, Modelled] = {}
        self.current: dict[int, str] = {}
        source = SourceIngested(
            source_id="call", kind="transcript", name="call", media_type="text/plain",
            sha256=hashlib.sha256(TEXT.encode()).hexdigest(), trust="customer", text=TEXT,
        )  # fmt: skip
        self.ledger.append([EventDraft(source, BOT, HERE)])
        review.activate_policy(self.ledger, self.policy, ANN)

    def now_us(self) -> int:
        return self.us

    def teardown(self) -> None:
        self.ledger.close()

    def tried(self, allowed: bool, command: Callable[[], object]) -> bool:
        try:
            command()
        except PalimpsestError:
            assert not allowed
            return False
        assert allowed
        return True

    def entry(self, place: int) -> tuple[str, Modelled] | None:
        name = self.current.get(place)
        return None if name is None else (name, self.known[name])

    # --- what happens ------------------------------------------------------------------

    @rule(place=places)
    def propose(self, place: int) -> None:
        line = f"the colour of door {place} is shade {place}."
        body = FactBody(
            topic=f"door {place}", attribute="colour", value=f"shade {place}",
            statement=f"The colour of door {place} is shade {place}.",
        )  # fmt: skip
        start = TEXT.index(line)
        name = f"e{place}-{len(self.known)}"
        proposal = EntryProposed(
            entry_id=name, version=1, body=body,
            spans=[Span(source_id="call", start=start, end=start + len(line))],
        )  # fmt: skip
        done = review.submit(self.ledger, proposal, actor=BOT, scope=HERE, policy=self.policy)
        refused = any(
            one.never_again for key, one in self.known.items() if key.startswith(f"e{place}-")
        )
        in_force = any(
            one.status in {"approved", "active"}
            for key, one in self.known.items()
            if key.startswith(f"e{place}-")
        )
        if refused or in_force:
            assert done.decision.outcome == "deny"
            self.known[name] = Modelled(1, "denied")
        else:
            assert done.decision.outcome == "review"
            self.known[name] = Modelled(done.decision.terms.people)
            self.current[place] = name

    @rule(place=places, actor=people)
    def approve(self, place: int, actor: Actor) -> None:
        found = self.entry(place)
        if found is None:
            return
        name, model = found
        held = model.claimed_by not in {None, actor} and self.us < model.claimed_until
        others = [one for one in model.agreed if one != actor]
        first = model.people > 1 and not model.agreed
        allowed = model.status == "waits" and not held and (first or model.people == 1 or others)
        refused = any(
            one.never_again for key, one in self.known.items() if key.startswith(f"e{place}-")
        )
        if not self.tried(
            bool(allowed) and not refused, lambda: self._decide("approve", name, actor)
        ):
            return
        if first:
            model.agreed.append(actor)
        else:
            model.status = "approved"
            model.claimed_by = None
        model.decided_by, model.decided_at = actor, self.us

    @rule(place=places, actor=people)
    def reject(self, place: int, actor: Actor) -> None:
        found = self.entry(place)
        if found is None:
            return
        name, model = found
        held = model.claimed_by not in {None, actor} and self.us < model.claimed_until
        allowed = model.status in {"waits", "approved"} and not held
        before = model.status
        if self.tried(allowed, lambda: self._decide("reject", name, actor)):
            model.status, model.never_again = "rejected", True
            model.decided_by, model.decided_at = actor, self.us
            model.claimed_by = None
            if before == "approved":
                model.people = 0  # a refusal of an approval is not taken back

    def _decide(self, verb: str, name: str, actor: Actor) -> None:
        entry = self.ledger.state.entries[name]
        carry_out: Callable[..., object] = getattr(review, verb)
        reason = {"approve": "evidence-confirmed", "reject": "wrong"}[verb]
        carry_out(
            self.ledger, name, actor=actor, reason_code=reason, expected_version=1,
            expected_digest=entry.content_digest,
        )  # fmt: skip

    @rule(place=places, actor=people)
    def withdraw(self, place: int, actor: Actor) -> None:
        found = self.entry(place)
        if found is None:
            return
        name, model = found
        endorsed = model.status == "waits" and bool(model.agreed)
        undoable = endorsed or (model.status in {"approved", "rejected"} and model.people > 0)
        in_time = self.us <= model.decided_at + DELAY_S * S
        allowed = undoable and model.decided_by == actor and in_time
        if self.tried(allowed, lambda: reviewers.withdraw(self.ledger, name, actor=actor)):
            if endorsed:
                model.agreed.clear()
            model.status, model.never_again = "waits", False
            then = self.ledger.state.entries[name]
            model.claimed_by, model.claimed_until = then.claimed_by, then.claimed_until_us
            model.decided_by = model.agreed[-1] if model.agreed else None
            model.decided_at = then.decided_at_us or 0

    @rule(place=places, actor=people)
    def claim(self, place: int, actor: Actor) -> None:
        found = self.entry(place)
        if found is None:
            return
        name, model = found
        held = model.claimed_by not in {None, actor} and self.us < model.claimed_until
        if self.tried(
            model.status == "waits" and not held,
            lambda: reviewers.claim(self.ledger, name, actor=actor),
        ):
            model.claimed_by, model.claimed_until = actor, self.us + CLAIM_S * S

    @rule(place=places)
    def take_back(self, place: int) -> None:
        found = self.entry(place)
        if found is None:
            return
        name, model = found

        def carry_out() -> None:
            plan = plan_revocation(self.ledger, name)
            revoke(self.ledger, plan, actor=BOB, reason_code="wrong")

        if self.tried(model.status in {"approved", "active"}, carry_out):
            model.status, model.never_again, model.people = "revoked", True, 0

    @rule(seconds=st.sampled_from([1, 29, 31, 1_000]))
    def time_passes(self, seconds: int) -> None:
        self.us += seconds * S
        housekeeping.housekeep(self.ledger)
        for model in self.known.values():
            if model.status == "approved" and self.us >= model.decided_at + DELAY_S * S:
                model.status = "active"

    # --- what always holds -------------------------------------------------------------

    @invariant()
    def the_ledger_agrees(self) -> None:
        meaning = {"waits": "verified", "denied": "rejected"}
        entries = self.ledger.state.entries
        found = {name: entries[name].status for name in self.known}
        expected = {
            name: meaning.get(model.status, model.status) for name, model in self.known.items()
        }
        assert found == expected

    @invariant()
    def nothing_acts_on_one_persons_word_where_two_are_asked(self) -> None:
        for entry in self.ledger.state.having(HERE, "approved", "active"):
            assert entry.decided_by is not None
            people_who_agreed = {entry.decided_by, *entry.endorsed_by}
            assert len(people_who_agreed) >= entry.terms.people
            assert entry.author not in people_who_agreed


def test_the_life_of_entries() -> None:
    run_state_machine_as_test(
        Life, settings=settings(max_examples=25, stateful_step_count=30, deadline=None)
    )
