"""Random histories against a model in plain dictionaries, in memory and in a real home.

The model knows nothing of the package's state: it holds dictionaries, a hand-written table
of moves, and a copy of itself for every version.
"""

from __future__ import annotations

import copy
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from governance.errors import GovernanceError
from governance.events import (
    Actor,
    EntryApproved,
    EntryChange,
    EntryPayload,
    EntryQuarantined,
    EntryRejected,
    EntryRevoked,
    EntrySuperseded,
    LedgerFrozen,
    LedgerThawed,
    Payload,
    ReviewAssigned,
    RollbackApplied,
    content_digest,
)
from governance.ledger import Ledger, Receipt, verify_home
from governance.state import EntryState, State
from tests.golden.regenerate import plain
from tests.governance.drafts import (
    ANN,
    BOB,
    BOT,
    HERE,
    POLICY,
    SYSTEM,
    StepClock,
    activated,
    draft,
    fact_body,
    proposed,
    source,
    verified,
)
from tests.properties.folding import assert_folds

MOVES: dict[str, tuple[set[str], str | None]] = {
    "verify": ({"proposed", "verified"}, "verified"),
    "assign": ({"verified", "quarantined"}, None),
    "approve": ({"verified", "quarantined"}, "approved"),
    "reject": ({"proposed", "verified", "quarantined", "approved"}, "rejected"),
    "quarantine": ({"proposed", "verified", "active"}, "quarantined"),
    "activate": ({"approved", "active"}, "active"),
    "supersede": ({"active"}, "superseded"),
    "revoke": ({"approved", "active", "quarantined", "superseded"}, "revoked"),
}
DECISIONS = {"approve", "reject", "quarantine", "revoke"}
REVISABLE = {"proposed", "verified", "expired"}

ids = st.sampled_from(["e0", "e1", "e2", "e3"])
values = st.sampled_from(["100 EUR", "200 EUR", "300 EUR"])
people = st.sampled_from([ANN, BOB, POLICY, BOT])


def entry_view(entry: EntryState) -> dict[str, Any]:
    """What the model keeps of an entry."""
    return {
        "status": entry.status,
        "version": entry.version,
        "value": getattr(entry.body, "value", None),
        "author": str(entry.author),
        "waits": entry.in_review,
        "tombstone": entry.tombstone,
    }


def view(state: State) -> dict[str, Any]:
    return {
        "entries": {entry.entry_id: entry_view(entry) for entry in state.visible(HERE)},
        "frozen": state.frozen,
    }


class LedgerMachine(RuleBasedStateMachine):
    """Runs on a ledger in memory; :class:`HomeMachine` on a real home."""

    ledger: Ledger

    def open(self) -> Ledger:
        return Ledger.in_memory(clock=StepClock())

    @initialize()
    def start(self) -> None:
        self.ledger = self.open()
        self.model: dict[str, Any] = {"entries": {}, "frozen": False}
        self.latest: dict[str, int] = {}
        self.past = [copy.deepcopy(self.model)]
        self.keys: dict[str, Receipt] = {}
        self.ledger.append([draft(source())])
        self.past.append(copy.deepcopy(self.model))

    def attempt(self, payload: Payload, actor: Actor, *, allowed: bool) -> bool:
        """Append; the ledger must do exactly what the model allows."""
        before = self.ledger.head
        key = f"key-{len(self.keys)}"
        if not allowed:
            with pytest.raises(GovernanceError):
                self.ledger.append([draft(payload, actor)], key=key)
            assert self.ledger.head == before
            return False
        self.keys[key] = self.ledger.append([draft(payload, actor)], key=key)
        assert self.ledger.head.seq == before.seq + 1
        return True

    def commit(self) -> None:
        self.past.append(copy.deepcopy(self.model))

    @rule(entry_id=ids, value=values, actor=people, gap=st.sampled_from([0, 0, 0, 1]))
    def propose(self, entry_id: str, value: str, actor: Actor, gap: int) -> None:
        entry = self.model["entries"].get(entry_id)
        version = self.latest.get(entry_id, 0) + 1 + gap
        allowed = (
            not gap and not self.model["frozen"] and (entry is None or entry["status"] in REVISABLE)
        )
        payload = proposed(entry_id, fact_body(value), version=version)
        if self.attempt(payload, actor, allowed=allowed):
            self.latest[entry_id] = version
            self.model["entries"][entry_id] = {
                "status": "proposed", "version": version, "value": value,
                "author": str(actor), "waits": False, "tombstone": None,
            }  # fmt: skip
            self.commit()

    @precondition(lambda self: self.model["entries"])
    @rule(
        data=st.data(),
        move=st.sampled_from(sorted(MOVES)),
        actor=people,
        stale=st.sampled_from([False, False, False, True]),
    )
    def move(self, data: st.DataObject, move: str, actor: Actor, stale: bool) -> None:
        entry_id = data.draw(st.sampled_from(sorted(self.model["entries"])))
        entry = self.model["entries"][entry_id]
        leaves, arrives = MOVES[move]
        allowed = (
            entry["status"] in leaves
            and not stale
            and not (move != "activate" and actor.kind == "agent")
            and not (move == "approve" and str(actor) == entry["author"])
            and not (move == "activate" and self.model["frozen"])
        )
        payload = self._payload(move, entry_id, entry, stale=stale)
        if self.attempt(payload, actor, allowed=allowed):
            entry["status"] = arrives or entry["status"]
            if move == "assign":
                entry["waits"] = True
            if move in DECISIONS:
                entry["waits"] = False
                entry["tombstone"] = getattr(payload, "tombstone", None)
            self.commit()

    def _payload(
        self, move: str, entry_id: str, entry: dict[str, Any], *, stale: bool
    ) -> EntryPayload:
        common: dict[str, Any] = {
            "entry_id": entry_id, "version": entry["version"] + (1 if stale else 0),
        }  # fmt: skip
        decision = common | {
            "content_digest": content_digest(fact_body(entry["value"])), "reason_code": "r",
        }  # fmt: skip
        ended = decision | {"tombstone": f"tomb-{entry['value']}"}
        made: dict[str, Callable[[], EntryPayload]] = {
            "verify": lambda: verified(entry_id, common["version"]),
            "assign": lambda: ReviewAssigned(**common, rule_id="r", message="m"),
            "approve": lambda: EntryApproved(**decision),
            "reject": lambda: EntryRejected(**ended),
            "quarantine": lambda: EntryQuarantined(**decision),
            "activate": lambda: activated(entry_id, common["version"]),
            "supersede": lambda: EntrySuperseded(**common, by="e9"),
            "revoke": lambda: EntryRevoked(**ended),
        }
        return made[move]()

    @rule(data=st.data(), honest=st.sampled_from([True, True, True, False]))
    def roll_back(self, data: st.DataObject, honest: bool) -> None:
        to_seq = data.draw(st.integers(0, len(self.past) - 1))
        then = self.past[to_seq]["entries"]
        changes, after = [], copy.deepcopy(self.model["entries"])
        for entry_id, entry in self.model["entries"].items():
            goal = then.get(entry_id)
            after[entry_id] = copy.deepcopy(goal) if goal else entry | {
                "status": "expired", "waits": False,
            }  # fmt: skip
            status = after[entry_id]["status"]
            if not honest and status != "active":
                status = "active"  # what a rollback must never smuggle in
                after["smuggled"] = {}
            changes.append(EntryChange(entry_id=entry_id, before=entry["status"], after=status))
        smuggled = after.pop("smuggled", None) is not None
        payload = RollbackApplied(
            rollback_id=f"r{len(self.past)}", to_seq=to_seq, entries=changes, shards=[],
            reason_code="r",
        )  # fmt: skip
        if self.attempt(payload, ANN, allowed=not smuggled):
            self.model["entries"] = after
            self.commit()

    @rule(freeze=st.booleans())
    def freeze_or_thaw(self, freeze: bool) -> None:
        payload = LedgerFrozen(reason="r") if freeze else LedgerThawed(reason="r")
        self.attempt(payload, ANN, allowed=True)
        self.model["frozen"] = freeze
        self.commit()

    @precondition(lambda self: self.keys)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.keys)))
        before = self.ledger.head
        again = self.ledger.append([draft(LedgerThawed(reason="never written"), SYSTEM)], key=key)
        assert again.repeated
        assert again.event_ids == self.keys[key].event_ids
        assert self.ledger.head == before

    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        seq = data.draw(st.integers(0, len(self.past) - 1))
        assert view(self.ledger.state_at(seq)) == self.past[seq]
        assert_folds(self.ledger, seq, scopes=(HERE,))

    @invariant()
    def live_state_is_the_model(self) -> None:
        assert view(self.ledger.state) == self.model
        assert self.ledger.head.seq == self.ledger.state.seq == len(self.past) - 1
        active = {entry.entry_id for entry in self.ledger.state.active(HERE)}
        entries = self.model["entries"].items()
        assert active == {name for name, entry in entries if entry["status"] == "active"}
        tombs = {
            entry["tombstone"] for _, entry in entries
            if entry["tombstone"] and entry["status"] in {"rejected", "revoked"}
        }  # fmt: skip
        assert set(self.ledger.state.tombstones(HERE)) == tombs

    def teardown(self) -> None:
        if not hasattr(self, "ledger"):
            return
        assert self.ledger.state_at(self.ledger.head.seq) == self.ledger.state
        report = self.ledger.verify()
        assert report.ok, report.problems
        assert report.events == len(self.past) - 1
        self.ledger.close()


class HomeMachine(LedgerMachine):
    """The same, on DuckDB, closed and opened again at random moments."""

    root: Path

    def open(self) -> Ledger:
        self.home = Path(tempfile.mkdtemp(dir=self.root)) / "home"
        return Ledger.open(self.home, create=True, clock=StepClock())

    @rule()
    def reopen(self) -> None:
        before = (self.ledger.head, plain(self.ledger.state))
        self.ledger.close()
        assert verify_home(self.home).ok
        self.ledger = Ledger.open(self.home, clock=StepClock())
        assert (self.ledger.head, plain(self.ledger.state)) == before

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "home"):
            shutil.rmtree(self.home.parent)


def test_random_histories_in_memory() -> None:
    run_state_machine_as_test(
        LedgerMachine, settings=settings(max_examples=60, stateful_step_count=40)
    )


def test_random_histories_in_a_home(fast_root: Path) -> None:
    HomeMachine.root = fast_root
    run_state_machine_as_test(
        HomeMachine, settings=settings(max_examples=6, stateful_step_count=20)
    )


@pytest.mark.long
def test_many_random_histories(fast_root: Path) -> None:
    HomeMachine.root = fast_root
    long = settings(max_examples=1_000, stateful_step_count=60, derandomize=False)
    run_state_machine_as_test(LedgerMachine, settings=long)
    run_state_machine_as_test(
        HomeMachine, settings=settings(long, max_examples=100, stateful_step_count=40)
    )
