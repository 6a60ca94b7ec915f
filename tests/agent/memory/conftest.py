"""States of made-up entries, without a ledger: recall is a function of the state."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from governance.events import Actor, Body, FactBody, Scope, Status, content_digest
from governance.state import EntryState, State

DESK = Scope(tenant="t", agent="desk")


@dataclass
class Desk:
    """A state that can be filled and changed entry by entry."""

    state: State

    def put(self, entry_id: str, body: Body, *, scope: Scope = DESK, **fields: object) -> str:
        self.state.seq += 1
        status: Status = "active"
        entry = EntryState(
            entry_id=entry_id,
            version=1,
            status=status,
            body=body,
            spans=(),
            scope=scope,
            author=Actor(kind="agent", id="a"),
            origin=None,
            derived_from=(),
            replaces=None,
            episode=None,
            content_digest=content_digest(body),
            proposed_seq=self.state.seq,
            history=(self.state.seq,),
        )
        self.state.entries[entry_id] = replace(entry, **fields)  # type: ignore[arg-type]
        return entry_id

    def fact(self, entry_id: str, statement: str, *, scope: Scope = DESK, **fields: object) -> str:
        body = FactBody(topic="", attribute="", value="x", statement=statement)
        return self.put(entry_id, body, scope=scope, **fields)

    def change(self, entry_id: str, status: Status) -> None:
        self.state.seq += 1
        self.state.entries[entry_id] = replace(self.state.entries[entry_id], status=status)


@pytest.fixture(scope="session")
def make_desk() -> type[Desk]:
    """For property tests, which need a new one in every example."""
    return Desk


@pytest.fixture
def desk() -> Desk:
    return Desk(State())


@pytest.fixture
def claims(desk: Desk) -> Desk:
    """Forty claims with four facts each."""
    for number in range(40):
        claim = f"claim CL-{20400 + number}"
        desk.fact(f"fact-{number:02d}a", f"The deductible of {claim} is {300 + number} euros.")
        desk.fact(f"fact-{number:02d}b", f"The adjuster of {claim} is Ilse Nr{number} Marwood.")
        desk.fact(f"fact-{number:02d}c", f"The loss date of {claim} is 2026-03-{number % 28 + 1}.")
        desk.fact(f"fact-{number:02d}d", f"The repair shop of {claim} is Garage {number}.")
    return desk
