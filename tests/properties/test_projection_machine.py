"""Any history, of every kind of event: what a ledger says is the plain fold of its events.

The state is read off the log as far as it is asked for (``governance.projection``); the fold
applies one event after the other and knows of no projection, no index and no layer.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from governance import projection, review
from governance.erasure import (
    approve_erasure,
    complete_erasure,
    plan_erasure,
    request_erasure,
)
from governance.errors import PalimpsestError
from governance.events import (
    Actor,
    AdapterWithdrawn,
    EntryApproved,
    EntryQuarantined,
    EntryRejected,
    EntryRevoked,
    EntrySuperseded,
    LedgerFrozen,
    LedgerThawed,
    MemoryRecalled,
    Payload,
    PolicyActivated,
    PrincipalRegistered,
    RelayScored,
    RelayStarted,
    RelayStepped,
    ReviewAssigned,
    ReviewCommented,
    RoleGranted,
    RoleWithdrawn,
    Scope,
    TokenIssued,
    TokenRevoked,
)
from governance.ledger import Ledger, OwnedLog
from governance.revocation import plan_revocation, revoke
from governance.rollback import plan_rollback, rollback
from tests.governance.drafts import (
    ANN,
    BOB,
    BOT,
    HERE,
    SYSTEM,
    StepClock,
    activated,
    approved_card,
    certified,
    draft,
    fact_body,
    life,
    proposed,
    served,
    source,
    trained,
    verified,
)
from tests.properties import folding
from tests.properties.folding import assert_folds

EVE: Final = Actor(kind="human", id="eve")
USER: Final = Scope(user="anna")
SCOPES: Final = (HERE, USER, Scope(tenant="other"))
NAMES: Final = [f"e{number}" for number in range(6)]
names = st.sampled_from(NAMES)
numbers = st.integers(0, 60)

test_nothing_of_the_state_is_forgotten = folding.test_nothing_of_the_state_is_forgotten_here


def relay(number: int) -> list[Payload]:
    return [
        RelayStarted(
            relay_id=f"r{number % 2}", source_id="s1", document="d", domain="ledger", model_id="m",
            editor="patch", seed=1, order=["p"], round_trips=1,
        ),
        RelayStepped(
            relay_id=f"r{number % 2}", index=number, round_trip=1, direction="forward",
            pair_id="p", instruction="i", text="t", applied=True, error=None, score_ppm=1,
            changes=[],
        ),
        RelayScored(relay_id=f"r{number % 2}", rs=[], applied_ppm=1, critical=0, errors=0),
    ]  # fmt: skip


def governing(number: int) -> Payload:
    """Policies, roles, principals, tokens, freezing: one of them."""
    who = f"human:p{number % 3}"
    token = f"t{number % 2}"
    made: list[Payload] = [
        PolicyActivated(name=f"policy-{number % 2}", digest=f"{number:02}" * 32, text="x"),
        RoleGranted(principal=who, role="reviewer"),
        RoleGranted(principal=who, role="admin"),
        RoleWithdrawn(principal=who, role="reviewer"),
        PrincipalRegistered(principal=who, bounds=Scope(user=f"u{number}")),
        TokenIssued(token_id=token, principal=who, digest="ab" * 32),
        TokenRevoked(token_id=token, reason="lost"),
        LedgerFrozen(reason="x"),
        LedgerThawed(reason="x"),
        LedgerThawed(reason="x"),
    ]  # fmt: skip
    return made[number % len(made)]


class ProjectionMachine(RuleBasedStateMachine):
    """Events of every kind, commands, rollbacks; in a home that is closed and opened again."""

    root: Path
    in_memory = False

    @initialize()
    def start(self) -> None:
        self.versions: set[int] = {0}
        if self.in_memory:
            self.ledger = Ledger.in_memory(clock=StepClock())
        else:
            self.home = Path(tempfile.mkdtemp(dir=self.root)) / "home"
            self.ledger = Ledger.open(self.home, create=True, clock=StepClock())
        grants = [
            RoleGranted(principal="human:ann", role="admin"),
            RoleGranted(principal="human:bob", role="reviewer"),
            RoleGranted(principal="human:eve", role="officer"),
        ]
        self.ledger.append([draft(source()), *map(draft, grants)])

    def attempt(self, *payloads: Payload, actor: Actor = SYSTEM, scope: Scope = HERE) -> None:
        """What does not apply is refused, and changes nothing."""
        before = self.ledger.head
        try:
            self.ledger.append([draft(payload, actor, scope) for payload in payloads])
        except PalimpsestError:
            assert self.ledger.head == before

    @rule(name=names, parent=names, number=numbers, mine=st.booleans())
    def propose(self, name: str, parent: str, number: int, mine: bool) -> None:
        state = self.ledger.state
        known = state.entries.get(name)
        parents = [parent] if parent in state.entries and parent != name else []
        payload = proposed(
            name, fact_body(f"{number % 4} EUR"), derived_from=parents,
            version=known.next_version() if known else 1,
        )  # fmt: skip
        self.attempt(payload, actor=BOT, scope=known.scope if known else USER if mine else HERE)

    @rule(name=names, number=numbers)
    def step(self, name: str, number: int) -> None:
        entry = self.ledger.state.entries.get(name)
        if entry is None:
            return
        about: dict[str, Any] = {"entry_id": name, "version": entry.version}
        decision = about | {"content_digest": entry.content_digest, "reason_code": "r"}
        made: list[Payload] = [
            verified(name, entry.version, risk_ppm=number * 10_000),
            ReviewAssigned(**about, rule_id="r", message="m"),
            ReviewCommented(**about, comment="c"),
            EntryApproved(**decision),
            EntryQuarantined(**decision),
            EntryRejected(**decision, tombstone=f"t-{number % 3}"),
            activated(name, entry.version),
            EntrySuperseded(**about, by="other"),
            EntryRevoked(**decision, tombstone=f"t-{number % 3}" if number % 2 else None),
        ]
        self.attempt(made[number % len(made)], actor=ANN, scope=entry.scope)

    @rule(number=numbers)
    def live(self, number: int) -> None:
        """Several events about one entry in one append."""
        before = self.ledger.head
        try:
            self.ledger.append(life(f"l{number % 4}"))
        except PalimpsestError:
            assert self.ledger.head == before

    @rule(number=st.integers(0, 3))
    def learn(self, number: int) -> None:
        before = self.ledger.head
        card, digest = f"c{number}", f"ad{number}"
        drafts = [
            *approved_card(card),
            draft(trained(digest, [card], shard_id=f"sh{number % 2}", version=number + 1)),
            draft(certified(digest, [card], shard_id=f"sh{number % 2}")),
            draft(served(digest, f"sh{number % 2}")),
            draft(activated(card, adapter_digest=digest)),
        ]
        try:
            self.ledger.append(drafts)
        except PalimpsestError:
            assert self.ledger.head == before

    @rule(number=st.integers(0, 3))
    def serve(self, number: int) -> None:
        self.attempt(served(f"ad{number}", f"sh{number % 2}"))

    @rule(number=st.integers(0, 3))
    def withdraw(self, number: int) -> None:
        self.attempt(
            AdapterWithdrawn(shard_id=f"sh{number % 2}", digest=f"ad{number}", reason_code="r")
        )

    @rule(chosen=st.lists(names, max_size=3), number=numbers)
    def recall(self, chosen: list[str], number: int) -> None:
        self.attempt(
            MemoryRecalled(recall_id=f"r{number}", purpose="answer", query="?", entries=chosen)
        )

    @rule(number=numbers)
    def run_relay(self, number: int) -> None:
        self.attempt(relay(number)[number % 3])

    @rule(number=numbers)
    def govern(self, number: int) -> None:
        self.attempt(governing(number), actor=ANN)

    @rule(number=numbers)
    def ingest(self, number: int) -> None:
        self.attempt(source(f"s{number % 5}"))

    @rule()
    def rotate(self) -> None:
        before = self.ledger.public_key
        self.ledger.rotate_key(ANN, "drill")
        assert self.ledger.public_key != before
        assert self.ledger.state.signing_key == self.ledger.public_key.hex()

    @rule(name=names, approve=st.booleans())
    def decide(self, name: str, approve: bool) -> None:
        """As a person does it: by command."""
        entry = self.ledger.state.entries.get(name)
        if entry is None:
            return
        command = review.approve if approve else review.reject
        try:
            command(
                self.ledger, name, actor=BOB, reason_code="cleared" if approve else "wrong",
                expected_version=entry.version, expected_digest=entry.content_digest,
            )  # fmt: skip
        except PalimpsestError:
            return

    @rule(name=names)
    def take_back(self, name: str) -> None:
        try:
            revoke(self.ledger, plan_revocation(self.ledger, name), actor=ANN, reason_code="wrong")
        except PalimpsestError:
            return

    @rule(name=names)
    def erase(self, name: str) -> None:
        self.versions.add(self.ledger.head.seq)
        try:
            plan = plan_erasure(self.ledger, entries=[name])
            erasure_id = request_erasure(
                self.ledger, plan, actor=ANN, basis="objection", reason="asked"
            )
            approve_erasure(self.ledger, erasure_id, actor=EVE)
            complete_erasure(self.ledger, erasure_id, actor=ANN)
        except PalimpsestError:
            return

    @rule(share=st.integers(0, 100))
    def roll_back(self, share: int) -> None:
        to_seq = self.ledger.head.seq * share // 100
        self.versions |= {to_seq, self.ledger.head.seq}
        try:
            plan = plan_rollback(self.ledger, to_seq)
            rollback(self.ledger, plan, actor=ANN, reason_code="drill")
        except PalimpsestError:
            return

    @rule()
    def rebuild(self) -> None:
        log = self.ledger.log
        assert isinstance(log, OwnedLog)
        before = log.projected()
        assert self.ledger.rebuild_projections() == len(before)
        assert log.projected() == before

    @rule()
    def reopen(self) -> None:
        if self.in_memory:
            return
        head = self.ledger.head
        self.ledger.close()
        self.ledger = Ledger.open(self.home, clock=StepClock())
        assert self.ledger.head == head

    @rule()
    def read_only(self) -> None:
        if self.in_memory:
            return
        self.ledger.close()
        with Ledger.open(self.home, read_only=True) as ledger:
            assert_folds(ledger, scopes=SCOPES)
        self.ledger = Ledger.open(self.home, clock=StepClock())

    @rule(share=st.integers(0, 100))
    def remember_a_version(self, share: int) -> None:
        self.versions.add(self.ledger.head.seq * share // 100)

    @invariant()
    def everything_is_the_fold(self) -> None:
        # The oldest, the newest and whatever was singled out; all of them at the end.
        chosen = sorted(self.versions)[-2:]
        assert_folds(self.ledger, *chosen, self.ledger.head.seq // 2, scopes=SCOPES)

    def teardown(self) -> None:
        if not hasattr(self, "ledger"):
            return
        assert_folds(self.ledger, *range(self.ledger.head.seq + 1), scopes=SCOPES)
        assert self.ledger.verify().ok
        self.ledger.close()
        if not self.in_memory:
            with Ledger.open(self.home, read_only=True) as ledger:
                assert_folds(ledger, 0, ledger.head.seq // 2, scopes=SCOPES)
            shutil.rmtree(self.home.parent)


class MemoryMachine(ProjectionMachine):
    """The same on a ledger in memory, which is much quicker."""

    in_memory = True


def test_projections_in_memory_equal_the_fold() -> None:
    run_state_machine_as_test(
        MemoryMachine, settings=settings(max_examples=50, stateful_step_count=30)
    )


def test_projections_found_in_one_pass_equal_the_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a large memory, where things are not looked up one by one."""
    monkeypatch.setattr(projection, "_FEW", 0)
    run_state_machine_as_test(
        MemoryMachine, settings=settings(max_examples=25, stateful_step_count=30)
    )


def test_projections_in_a_home_equal_the_fold(fast_root: Path) -> None:
    ProjectionMachine.root = fast_root
    run_state_machine_as_test(
        ProjectionMachine, settings=settings(max_examples=4, stateful_step_count=20)
    )


@pytest.mark.long
def test_many_projections_equal_the_fold(fast_root: Path) -> None:
    ProjectionMachine.root = fast_root
    long = settings(max_examples=300, stateful_step_count=50, derandomize=False)
    run_state_machine_as_test(MemoryMachine, settings=long)
    run_state_machine_as_test(
        ProjectionMachine, settings=settings(long, max_examples=30, stateful_step_count=40)
    )
