"""The memory as the plain fold of all events gives it, compared with what a ledger says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from governance.events import Scope, Status
from governance.ledger import Ledger
from governance.projection import state_of
from governance.state import State

STATUSES: Final[tuple[Status, ...]] = (
    "proposed", "verified", "approved", "active", "rejected", "quarantined", "superseded",
    "revoked", "expired", "erased",
)  # fmt: skip
MAPS: Final = (
    "sources", "entries", "shards", "adapters", "relays", "policies", "roles", "principals",
    "tokens", "recalls", "trusted", "signers", "verifiers", "holds", "drift_holds", "exports",
    "erasures", "rollbacks",
)  # fmt: skip
PLAIN: Final = ("seq", "active_policy", "terms", "signing_key", "frozen")


def test_nothing_of_the_state_is_forgotten_here() -> None:
    assert {*MAPS, *PLAIN} == set(State.__dataclass_fields__)


def folds(ledger: Ledger) -> list[State]:
    """Every version from the first, by applying one event after the other."""
    past = [State()]
    for event in ledger.events():
        state = past[-1].fork()
        state.apply(event.header, event.payload)
        past.append(state)
    return past


def assert_same(found: State, folded: State, *scopes: Scope) -> None:
    """Every question that may be put to a state gets the same answer, in the same order.

    The narrow questions come first, so that nothing has been loaded when they are asked.
    """
    for name in PLAIN:
        assert getattr(found, name) == getattr(folded, name), name
    for since in {0, 1, folded.seq // 2, folded.seq - 1, folded.seq}:
        assert list(found.entries.touched_since(since)) == list(
            folded.entries.touched_since(since)
        ), since
    for scope in scopes:
        _assert_same_for(found, folded, scope)
    for key, entry in folded.entries.items():
        assert found.entries[key] == entry, key
        assert found.entry(key) == entry
        assert _chain(found, key) == _chain(folded, key), key
        assert found.derivatives(key) == folded.derivatives(key), key
    assert found.entries.statuses() == folded.entries.statuses()
    for name in MAPS:
        _assert_same_map(name, getattr(found, name), getattr(folded, name))
    assert found == folded


def _assert_same_for(found: State, folded: State, scope: Scope) -> None:
    assert found.queue(scope) == folded.queue(scope)
    assert found.tombstones(scope) == folded.tombstones(scope)
    assert list(found.tombstones(scope)) == list(folded.tombstones(scope))
    assert list(found.active(scope)) == list(folded.active(scope))
    assert list(found.active(scope, "parametric")) == list(folded.active(scope, "parametric"))
    for status in STATUSES:
        assert list(found.having(scope, status)) == list(folded.having(scope, status)), status
    assert list(found.having(scope, *STATUSES)) == list(folded.having(scope, *STATUSES))
    assert list(found.visible(scope)) == list(folded.visible(scope))


def _assert_same_map(name: str, found: Mapping[str, Any], folded: Mapping[str, Any]) -> None:
    assert list(found) == list(folded), name
    assert list(found.items()) == list(folded.items()), name
    assert list(found.values()) == list(folded.values()), name
    assert len(found) == len(folded), name
    assert {key: found[key] for key in folded} == dict(folded), name
    assert "nobody" not in found


def _chain(state: State, key: str) -> list[object]:
    """The entry and everything it was before."""
    chain: list[object] = []
    entry = state.entries.get(key)
    while entry is not None:
        chain.append(entry)
        entry = entry.previous
    return chain


def assert_folds(ledger: Ledger, *versions: int, scopes: tuple[Scope, ...]) -> None:
    """The live state, the one read off the log, and ``versions`` all equal their folds."""
    past = folds(ledger)
    head = ledger.head.seq
    assert_same(ledger.state, past[-1], *scopes)
    assert_same(state_of(ledger.log, head), past[-1], *scopes)
    for version in versions:
        assert_same(state_of(ledger.log, version), past[version], *scopes)
        assert_same(ledger.state_at(version), past[version], *scopes)
