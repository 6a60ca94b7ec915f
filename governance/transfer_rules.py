"""What may be copied into another scope, handed out, and approved after its parents; pure.

1. A copy says exactly what its original says, for exactly as long; it rests on it alone.
2. A named person makes it, who may see both scopes; into another tenant an officer or admin.
3. Nothing is approved that was made from something revoked or erased: a derivative
   that was proposed too late to be revoked with it would outlive it.
4. A person exports entries that the export's scope may see, below the home under a plain
   name, and withdraws them once.
"""

from __future__ import annotations

import re
from typing import Final

from governance.errors import IllegalTransitionError, LedgerError, NotAuthorisedError
from governance.events import (
    Actor,
    EntryProposed,
    ExportIssued,
    ExportWithdrawn,
    Role,
    Scope,
    Status,
    content_digest,
)
from governance.state import EntryState, State

SHARERS: Final[frozenset[Role]] = frozenset({"reviewer", "engineer", "officer", "admin"})
"""Who may share into another agent's or user's memory of the same tenant."""
CROSS_TENANT: Final[frozenset[Role]] = frozenset({"officer", "admin"})
GONE: Final[frozenset[Status]] = frozenset({"revoked", "erased"})
"""What was made from one of these may not act."""

_PLACE: Final = re.compile(r"exports/[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


def check_copy(state: State, payload: EntryProposed, actor: Actor, scope: Scope) -> None:
    """Rules 1 and 2, for a proposal that names an original.

    Raises:
        NotAuthorisedError: no person, or not one who may.
        IllegalTransitionError: the original is not in force.
        LedgerError: no such original, or the copy is none.
    """
    if payload.copy_of is None:
        return
    original = state.entries.get(payload.copy_of)
    bounds = state.principals.get(str(actor))
    if original is None or (bounds is not None and not bounds.sees(original.scope)):
        raise LedgerError(f"entry {payload.entry_id}: unknown original {payload.copy_of}")
    _check_sharer(state, actor, original.scope, scope)
    if original.scope == scope:
        raise LedgerError(
            f"entry {original.entry_id} is in {scope} already", hint="share it into another scope"
        )
    if original.status != "active":
        raise IllegalTransitionError(
            f"entry {original.entry_id} is {original.status}: only what is in force is shared"
        )
    said = (original.content_digest, original.valid_from_us, original.valid_to_us)
    if (content_digest(payload.body), payload.valid_from_us, payload.valid_to_us) != said:
        raise LedgerError(f"entry {payload.entry_id} does not say what its original says")
    if payload.spans:
        raise LedgerError(
            f"entry {payload.entry_id} is a copy: it rests on its original, not on spans"
        )


def _check_sharer(state: State, actor: Actor, source: Scope, target: Scope) -> None:
    if actor.kind != "human":
        raise NotAuthorisedError(
            f"{actor} may not copy memory into another scope", hint="a named person shares it"
        )
    if not state.roles:
        return
    needed = SHARERS if source.tenant == target.tenant else CROSS_TENANT
    if not needed & state.roles.get(str(actor), frozenset()):
        names = sorted(needed - {"admin"})
        raise NotAuthorisedError(
            f"{actor} does not hold the role {' or '.join(names)}, which sharing "
            f"from {source} to {target} needs",
            hint=f"an admin can grant it: palimpsest role grant {actor} {names[0]}",
        )


def check_parents(state: State, entry: EntryState) -> None:
    """Rule 3, for an entry that is about to be approved.

    Raises:
        IllegalTransitionError: a parent was revoked or erased.
    """
    for name in entry.parents:
        parent = state.entries.get(name)
        if parent is not None and parent.status in GONE:
            raise IllegalTransitionError(
                f"entry {entry.entry_id} was made from {name}, which was {parent.status}",
                hint=f"palimpsest review reject {entry.entry_id}",
            )


def check_export(
    state: State, payload: ExportIssued | ExportWithdrawn, actor: Actor, scope: Scope
) -> None:
    """Rule 4.

    Raises:
        NotAuthorisedError: no person does it.
        LedgerError: it breaks the rest of it.
    """
    if actor.kind != "human":
        raise NotAuthorisedError(
            f"{actor} may not append {payload.event_type}", hint="a person has to answer for it"
        )
    known = state.exports.get(payload.export_id)
    if isinstance(payload, ExportIssued):
        if known is not None:
            raise LedgerError(f"export {payload.export_id} was issued already")
        if payload.path is not None and _PLACE.fullmatch(payload.path) is None:
            raise LedgerError(f"export {payload.export_id}: {payload.path!r} is no place for it")
        for name in payload.entries:
            entry = state.entries.get(name)
            if entry is None or not scope.sees(entry.scope):
                raise LedgerError(f"export {payload.export_id}: unknown entry {name}")
    elif known is None:
        raise LedgerError(f"export {payload.export_id} was never issued")
    elif known.withdrawn:
        raise LedgerError(f"export {payload.export_id} is withdrawn already")
    elif known.scope != scope:
        raise LedgerError(f"export {payload.export_id} belongs to another scope")
