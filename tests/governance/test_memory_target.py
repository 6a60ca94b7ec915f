from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from governance import memory_target
from governance.errors import GovernanceError, PalimpsestError
from governance.events import Scope
from governance.ledger import Ledger
from governance.ports import TARGET_GROUP, MemoryTarget, Settled
from tests.governance.drafts import HERE


def found(monkeypatch: pytest.MonkeyPatch, *values: str) -> None:
    points = [EntryPoint(f"t{n}", value, TARGET_GROUP) for n, value in enumerate(values)]
    monkeypatch.setattr(memory_target, "entry_points", lambda **_: points)


class One:
    """Settles one shard a scope, and fails for the tenant that was told to."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing

    def settle(self, scope: Scope, progress: object = None) -> list[Settled]:
        if scope.tenant == self.failing:
            raise PalimpsestError("no model")
        return [Settled(str(scope), None, 0, 0, reused=False)]


def opened(home: Path, ledger: Ledger) -> MemoryTarget:
    assert ledger.home == home
    return One()  # type: ignore[return-value]  # only settle is used


def test_the_installed_target_is_opened_for_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with Ledger.open(tmp_path / "home", create=True) as ledger:
        found(monkeypatch)
        assert memory_target.load_target(ledger) is None
        assert memory_target.rebuild(ledger, [HERE]).settled == ()
        found(monkeypatch, f"{__name__}:opened")
        monkeypatch.setattr(EntryPoint, "load", lambda _: opened)
        assert isinstance(memory_target.load_target(ledger), One)
        found(monkeypatch, "a:b", "c:d")
        with pytest.raises(GovernanceError, match="t0, t1"):
            memory_target.load_target(ledger)


def test_a_target_that_cannot_be_imported_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for value in ("no_such_module:target", "json:no_such_name"):
        found(monkeypatch, value)
        with pytest.raises(GovernanceError, match="cannot be loaded") as caught:
            memory_target.load_target(Ledger.in_memory())
        assert "pip install" in caught.value.hint


def test_what_was_built_before_a_failure_is_reported_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory_target, "load_target", lambda _: One("bad"))
    scopes = [Scope(tenant="good"), Scope(tenant="good"), Scope(tenant="bad"), Scope(tenant="z")]
    done = memory_target.rebuild(Ledger.in_memory(), scopes)
    assert [one.shard_id for one in done.settled] == ["good/default"]
    with pytest.raises(PalimpsestError, match="no model"):
        done.raise_error()
    memory_target.rebuild(Ledger.in_memory(), scopes[:1]).raise_error()
    assert memory_target.rebuild(Ledger.in_memory(), []).settled == ()
