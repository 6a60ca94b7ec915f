"""The worker that makes the memory follow."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from dashboard.settling import Settler
from governance.events import Scope
from governance.ports import Progress, Settled
from tests.dashboard.fakes import FakeTarget, refusal

HERE, THERE = Scope(agent="a"), Scope(agent="b")


def test_settles_every_scope_it_was_asked_for() -> None:
    target = FakeTarget()
    settler = Settler(lambda: target)
    settler.request(HERE)
    settler.request(THERE)
    settler.wait(10)
    assert set(map(str, target.settled)) == {str(HERE), str(THERE)}
    assert not settler.progress.running
    assert settler.progress.settled[0].shard_id == "shard-lisbon"
    assert settler.progress.line == "building shard-lisbon"


def test_missing_only_settles_when_an_adapter_is_gone() -> None:
    target = FakeTarget(missing=frozenset({"gone"}))
    settler = Settler(lambda: target)
    settler.request(HERE, missing_only=("there",))
    settler.wait(10)
    assert target.settled == []
    settler.request(HERE, missing_only=("there", "gone"))
    settler.wait(10)
    assert target.settled == [HERE]


def test_a_failure_is_reported_and_the_next_request_works() -> None:
    target = FakeTarget(failure=refusal())
    settler = Settler(lambda: target)
    settler.request(HERE)
    settler.wait(10)
    assert settler.progress.problem == "the base model is missing"
    assert settler.progress.hint == "reinstall it"
    target.failure = RuntimeError("secret text")
    settler.request(HERE)
    settler.wait(10)
    assert settler.progress.problem == "settling failed: RuntimeError"
    target.failure = None
    settler.request(HERE)
    settler.wait(10)
    assert settler.progress.problem == ""
    assert target.settled == [HERE]


def test_without_an_installed_memory_it_says_so() -> None:
    settler = Settler(lambda: None)
    settler.request(HERE)
    settler.wait(10)
    assert "no agent memory is installed" in settler.progress.problem
    assert "the decision stands" in settler.progress.hint


def test_stopping_ends_between_two_steps_and_forgets_what_waits() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(FakeTarget):
        def settle(self, scope: Scope, progress: Progress | None = None) -> Sequence[Settled]:
            entered.set()
            leave.wait(10)
            return super().settle(scope, progress)

    target = Slow()
    settler = Settler(lambda: target)
    settler.request(HERE)
    assert entered.wait(10)
    settler.request(THERE)
    threading.Timer(0.05, leave.set).start()
    settler.stop()
    assert target.settled == []
    assert settler.progress.problem == "settling was stopped"
