"""Who may sign decisions, and with which key: part of the entry state machine. Pure.

1. A key belongs to one person. Where roles hold, an admin registers it; where none do,
   everybody registers their own.
2. A withdrawn key is never registered again; what it signed before stays signed.
3. A decision is signed once, by whoever made it, with their key and under their registered
   name, and only while it is the last decision on the entry.

That the signature fits its statement needs the log's name and the decision's leaf, which the
state does not hold: ``governance.signatures`` checks it before and after the append.
"""

from __future__ import annotations

import re
from typing import Final

from governance.access import parse_principal
from governance.errors import IllegalTransitionError, LedgerError, NotAuthorisedError
from governance.events import (
    Actor,
    DecisionSigned,
    EntryPayload,
    SignerRegistered,
    SignerWithdrawn,
    Status,
)
from governance.state import State

_KEY: Final = re.compile(r"[0-9a-f]{64}")
_WAITING: Final[frozenset[Status]] = frozenset({"verified", "quarantined"})


def check_signer(state: State, payload: SignerRegistered | SignerWithdrawn, actor: Actor) -> None:
    """Refuse a key that may not be registered or withdrawn (rules 1 and 2).

    Raises:
        NotAuthorisedError: not by this actor.
        LedgerError: no person, no key, somebody else's key, or nothing to withdraw.
    """
    if actor.kind != "human":
        raise NotAuthorisedError(f"{actor} is no person and registers no signing keys")
    if not state.roles and str(actor) != payload.principal:
        raise NotAuthorisedError(
            f"{actor} may not decide on the signing key of {payload.principal}",
            hint=f"without roles everybody registers their own; or grant {actor} the role admin",
        )
    known = state.signers.get(payload.principal)
    if isinstance(payload, SignerWithdrawn):
        if known is None or known.withdrawn:
            raise LedgerError(f"{payload.principal} has no signing key in force")
        return
    if parse_principal(payload.principal).kind != "human":
        raise LedgerError(f"{payload.principal} is no person and signs no decisions")
    if _KEY.fullmatch(payload.key) is None:
        raise LedgerError("a signing key is a raw Ed25519 key, 64 hex digits in lower case")
    holder = next((name for name, one in state.signers.items() if one.key == payload.key), None)
    if holder is not None:
        standing = "was withdrawn" if state.signers[holder].withdrawn else "is registered already"
        raise LedgerError(
            f"this key of {holder} {standing}", hint="make another: palimpsest signer new FILE"
        )


def check_signed(state: State, payload: EntryPayload, actor: Actor) -> None:
    """Refuse a signature of anybody but the decider, or with another key (rule 3).

    Of an entry that exists; every other payload passes.

    Raises:
        NotAuthorisedError: the key or the name is not what the actor registered.
        IllegalTransitionError: not their decision, not the last one, or signed already.
    """
    if not isinstance(payload, DecisionSigned):
        return
    entry, signer = state.entries[payload.entry_id], state.signers.get(str(actor))
    if signer is None or signer.withdrawn or signer.key != payload.key:
        raise NotAuthorisedError(
            f"{actor} has not registered this signing key",
            hint="palimpsest signer register --key FILE --name NAME",
        )
    if signer.name != payload.name:
        raise NotAuthorisedError(f"{actor} signs as {signer.name!r}, not as {payload.name!r}")
    endorsed = entry.status in _WAITING and bool(entry.endorsed_by)
    decider = entry.endorsed_by[-1] if endorsed else entry.decided_by
    if payload.decision_seq != entry.decided_seq or decider != actor:
        raise IllegalTransitionError(
            f"event {payload.decision_seq} is not {actor}'s last decision on {entry.entry_id}",
            hint="everybody signs their own decision, and only while it stands",
        )
    if entry.signed_by is not None:
        raise IllegalTransitionError(f"the decision on entry {entry.entry_id} is signed already")
