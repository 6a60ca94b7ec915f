"""The reading side of one home: ledger, projection and the scope that is looked at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from dashboard.queries.projection import EventRow, Projection
from governance.events import Actor, Scope
from governance.ledger import Ledger
from governance.state import EntryState, State

NOBODY: Final = Actor(kind="human", id="nobody")


@dataclass
class Desk:
    """What every query starts from. Reads are always within ``scope``.

    ``ledger`` and ``projection`` are shared by all sessions of the process; a desk is not.
    """

    ledger: Ledger
    scope: Scope
    projection: Projection = field(default_factory=Projection)
    viewer: Actor = NOBODY
    """Who looks: what they may do is shown with the reason why not."""

    def __post_init__(self) -> None:
        """Catch up with the head once, so that one page shows one version."""
        self.state: State = self.ledger.state
        self.projection.follow(self.ledger)

    def entries(self) -> list[EntryState]:
        """Entries of the scope, oldest first."""
        return list(self.state.visible(self.scope))

    def rows(self) -> list[EventRow]:
        """Events of the scope, oldest first, and those that concern the whole home."""
        home = Scope()
        return [
            row
            for row in self.projection.rows
            if self.scope.sees(row.scope) or (row.scope == home and not _about_memory(row))
        ]


def scopes(ledger: Ledger) -> list[Scope]:
    """Every tenant and agent that holds something, the fullest first."""
    state = ledger.state
    held = Counter(
        Scope(tenant=item.scope.tenant, agent=item.scope.agent)
        for group in (state.entries, state.sources, state.shards)
        for item in group.values()
    )
    return [scope for scope, _ in held.most_common()] or [Scope()]


def _about_memory(row: EventRow) -> bool:
    """True for what belongs to one agent; policies, identities and the ledger serve all."""
    return row.type.split(".")[0] not in {"key", "ledger", "policy", "principal", "role", "token"}
