"""What a reviewer compares an entry with: what it replaces, contradicts or was before."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.queries.desk import Desk
from governance.events import Body, CardBody, FactBody, text_of
from governance.state import EntryState
from governance.tombstone import claim_of


@dataclass(frozen=True)
class Comparison:
    """The text a reviewer compares with, and why it is that one.

    ``own`` is this entry's side when it is not its text as it stands.
    """

    entry_id: str
    version: int
    status: str
    why: str
    text: str
    own: str = ""


def comparison_for(desk: Desk, entry: EntryState) -> Comparison | None:
    """What the entry would replace or contradicts; else its own earlier version."""
    named = desk.state.entries.get(entry.replaces or "")
    if named is not None and desk.scope.sees(named.scope):
        return _compared(named, "would be replaced")
    against = _contradicted(desk, entry)
    if against is not None and against.body.kind == entry.body.kind:
        return _compared(against, "says otherwise")
    if against is not None:
        # A card and a fact are worded differently: compare what they claim instead.
        return Comparison(
            against.entry_id,
            against.version,
            against.status,
            "says otherwise",
            _claimed(against.body),
            own=_claimed(entry.body),
        )
    return _earlier_version(entry)


def _contradicted(desk: Desk, entry: EntryState) -> EntryState | None:
    """An entry in force with another value for the same thing; of the same kind if any."""
    if not isinstance(entry.body, FactBody | CardBody):
        return None
    claim = claim_of(entry.body)
    found = [
        other
        for other in desk.state.active(desk.scope)
        if other.entry_id != entry.entry_id
        and isinstance(other.body, FactBody | CardBody)
        and claim_of(other.body).place == claim.place
        and claim_of(other.body).key != claim.key
    ]
    found.sort(key=lambda other: other.body.kind != entry.body.kind)
    return found[0] if found else None


def _claimed(body: Body) -> str:
    claim = claim_of(body)
    return f"{claim.topic}, {claim.attribute}: {claim.value}"


def _compared(other: EntryState, why: str) -> Comparison:
    return Comparison(other.entry_id, other.version, other.status, why, text_of(other.body))


def _earlier_version(entry: EntryState) -> Comparison | None:
    earlier = entry.previous
    while earlier is not None and earlier.version == entry.version:
        earlier = earlier.previous
    if earlier is None:
        return None
    return Comparison(
        entry.entry_id, earlier.version, "replaced", "the version before", text_of(earlier.body)
    )
