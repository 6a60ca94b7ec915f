"""What other people have to do with an entry, and what that leaves to the viewer.

The rules hold in the ledger (``governance.review_rules``); what is here tells a viewer
beforehand what would be refused, and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from dashboard.queries.desk import Desk
from dashboard.wording import name_of
from governance.authority import require_role
from governance.errors import NotAuthorisedError, ReviewError
from governance.review_rules import check_withdrawal, claimed_by_other
from governance.state import EntryState

Blockable: TypeAlias = Literal["approve", "reject", "quarantine", "claim"]


@dataclass(frozen=True)
class People:
    """Approvals so far, who holds the entry, and until when a decision can be taken back."""

    needed: int
    """How many different reviewers must approve it."""
    approved_by: tuple[str, ...]
    """Who has, while it still waits for another."""
    claimed_by: str
    """Who is deciding on it now; empty when nobody has claimed it."""
    claimed_until_us: int
    claim_is_viewers: bool
    assignee: str
    decided_by: str
    acts_from_us: int | None
    """When its approval takes effect; ``None`` unless that lies ahead and nothing is missing."""
    unsigned: bool
    """Approved, and waiting for its signature."""
    can_undo: bool
    """Whether the last decision was the viewer's and can still be withdrawn."""
    cannot: dict[Blockable, str]
    """What the viewer may not do, with the reason."""


def people_of(desk: Desk, entry: EntryState) -> People:
    """Everything above about one entry, for ``desk.viewer``."""
    running = entry.claimed_by is not None and desk.ledger.now_us() < entry.claimed_until_us
    approved = entry.status == "approved"
    return People(
        needed=entry.terms.people,
        approved_by=tuple(name_of(one) for one in entry.endorsed_by) if _waits(entry) else (),
        claimed_by=name_of(entry.claimed_by) if running else "",
        claimed_until_us=entry.claimed_until_us if running else 0,
        claim_is_viewers=running and entry.claimed_by == desk.viewer,
        assignee=(entry.assignee or "").removeprefix("human:"),
        decided_by=name_of(entry.decided_by),
        acts_from_us=entry.acts_from_us,
        unsigned=approved and entry.terms.signed and entry.signed_by is None,
        can_undo=_can_undo(desk, entry),
        cannot=_cannot(desk, entry),
    )


def note_on(desk: Desk, entry: EntryState) -> str:
    """For the list: how far other people are with it."""
    if not _waits(entry):
        return ""
    notes = [f"{len(entry.endorsed_by)} of {entry.terms.people}"] if entry.endorsed_by else []
    if claimed_by_other(entry, desk.viewer, desk.ledger.now_us()):
        notes.append(f"with {name_of(entry.claimed_by)}")
    return ", ".join(notes)


def _waits(entry: EntryState) -> bool:
    return entry.status in {"verified", "quarantined"}


def _can_undo(desk: Desk, entry: EntryState) -> bool:
    try:
        check_withdrawal(entry, desk.viewer, desk.ledger.now_us())
    except (ReviewError, NotAuthorisedError):
        return False
    return True


def _cannot(desk: Desk, entry: EntryState) -> dict[Blockable, str]:
    viewer = desk.viewer
    try:
        require_role(desk.state, viewer, "reviewer")
    except NotAuthorisedError:
        words = f"You ({name_of(viewer)}) do not hold the role reviewer, so you can only look."
        return {"approve": words, "reject": words, "quarantine": words, "claim": words}
    if claimed_by_other(entry, viewer, desk.ledger.now_us()):
        words = f"{name_of(entry.claimed_by)} is deciding on it. Quarantine is open to you."
        return {"approve": words, "reject": words, "claim": words}
    if viewer == entry.author:
        return {"approve": "You wrote it: another reviewer approves it."}
    if viewer in entry.endorsed_by and _waits(entry):
        return {"approve": "Yours is the first of two approvals: another reviewer gives the "
                           "second."}  # fmt: skip
    return {}
