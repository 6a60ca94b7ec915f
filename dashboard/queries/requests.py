"""Rollbacks that one person asked for and another answers."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.queries.desk import Desk
from dashboard.wording import name_of
from governance.authority import require_role
from governance.errors import NotAuthorisedError, RollbackError
from governance.events import RollbackAccepted, RollbackDeclined
from governance.rollback import RollbackPlan, acceptors, as_requested, requested_plan, standing
from governance.state import RollbackState


@dataclass(frozen=True)
class Asked:
    """One request and what became of it; ``first_seq`` to ``last_seq`` are its answer's events."""

    rollback_id: str
    to_seq: int
    asked_by: str
    asked_at_us: int
    asked_seq: int
    reason_code: str
    comment: str
    status: str
    answered_by: str = ""
    answered_at_us: int = 0
    answer: str = ""
    first_seq: int = 0
    last_seq: int = 0


@dataclass(frozen=True)
class Waiting:
    """The request that waits, with what it would do now, as ``desk.viewer`` sees it."""

    asked: Asked
    plan: RollbackPlan | None
    """``None`` when its version cannot be stood on any more."""
    as_asked: bool
    """Whether it would still do exactly what was asked for."""
    own: bool
    acceptors: tuple[str, ...]
    """Names; empty in a home without roles, where any other person may accept."""
    cannot_accept: str
    cannot_decline: str


def requests(desk: Desk) -> tuple[Asked, ...]:
    """All requests of the scope, newest first."""
    return tuple(_asked(desk, one) for one in reversed(_of_scope(desk)))


def waiting(desk: Desk) -> Waiting | None:
    """The one request that can be answered: a newer one takes the place of an older."""
    request = next(
        (one for one in _of_scope(desk) if standing(desk.state, one) == "requested"), None
    )
    if request is None:
        return None
    try:
        plan = requested_plan(desk.ledger, request)
    except RollbackError:
        plan = None
    as_asked = plan is not None and as_requested(desk.ledger, request, plan)
    able = tuple(one.partition(":")[2] for one in acceptors(desk.state, request.requested_by))
    own = request.requested_by == desk.viewer
    barred = _barred(desk)
    mine = (
        f"You asked for it: {' or '.join(able) or 'another person'} can accept it." if own else ""
    )
    changed = "" if as_asked else (
        "What would change has changed since, so this can no longer be accepted as asked. "
        "Decline it, or ask again from what is so now."
    )  # fmt: skip
    return Waiting(
        _asked(desk, request), plan, as_asked, own, able, barred or changed or mine, barred
    )


def _of_scope(desk: Desk) -> list[RollbackState]:
    return [one for one in desk.state.rollbacks.values() if desk.scope.sees(one.scope)]


def _barred(desk: Desk) -> str:
    try:
        require_role(desk.state, desk.viewer, "engineer", "officer")
    except NotAuthorisedError:
        return f"Answering takes the role engineer or officer; you ({desk.viewer.id}) hold neither."
    return ""


def _asked(desk: Desk, request: RollbackState) -> Asked:
    asked = request.requested
    subject = asked.subject_id()
    rows = [row for row in desk.projection.rows[request.seq :] if row.subject == subject]
    said = desk.ledger.event(rows[0].seq).payload if rows else None
    return Asked(
        rollback_id=asked.rollback_id,
        to_seq=asked.to_seq,
        asked_by=name_of(request.requested_by),
        asked_at_us=desk.projection.at_us(request.seq),
        asked_seq=request.seq,
        reason_code=asked.reason_code,
        comment=asked.comment,
        status=standing(desk.state, request),
        answered_by=name_of(request.answered_by),
        answered_at_us=rows[0].at_us if rows else 0,
        answer=said.comment if isinstance(said, RollbackAccepted | RollbackDeclined) else "",
        first_seq=rows[0].seq if rows else 0,
        last_seq=rows[-1].seq if rows else 0,
    )
