"""What ends by itself, what a person ends, and what may not end: expiry, pruning, holds.

An expired entry acts no more and its value may be learned again; a rejected or revoked value
never expires into one that may. Nothing is destroyed here: that is ``erasure``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from governance.errors import LedgerError
from governance.events import (
    Actor,
    EntryExpired,
    EntryKind,
    HoldLifted,
    HoldPlaced,
    Scope,
    Status,
)
from governance.ledger import SYSTEM, EventDraft, Ledger, Receipt
from governance.lineage import IN_FORCE, withdrawal_drafts
from governance.refusals import recording
from governance.retention_rules import refuse_held
from governance.state import LEAVES, EntryState

PRUNABLE: Final[frozenset[Status]] = LEAVES[EntryExpired]
US_PER_DAY: Final = 86_400_000_000
_ID_CHARS: Final = 12

Reason = Literal["valid-to", "ttl", "pruned"]


@dataclass(frozen=True)
class Expired:
    """Entries that ended, and the scopes whose adapters have to be built without them."""

    receipt: Receipt | None
    entries: tuple[str, ...]
    scopes: tuple[Scope, ...]


@dataclass(frozen=True)
class PrunePlan:
    """Entries that pruning would end, at version ``seq``."""

    seq: int
    entries: tuple[str, ...]


def expire_due(ledger: Ledger, now_us: int) -> Expired:
    """Let everything expire whose time is over, in one append.

    An entry's time is over at its ``valid_to_us``, or when it was approved longer ago than the
    policy in force keeps its kind (``PolicyTerms.ttl_days``).

    Args:
        ledger: Any.
        now_us: The time now, microseconds since 1970 UTC.

    Side effects: appends ``entry.expired`` and withdraws adapters that hold an expired card;
    whoever called rebuilds the scopes returned.
    """
    state = ledger.state
    due: list[tuple[EntryState, Reason]] = [
        (entry, reason)
        for entry in state.entries.with_status(*sorted(PRUNABLE - {"superseded"}))
        if (reason := _over(entry, state.terms.ttl_days, now_us)) is not None
    ]
    return _expire(ledger, due, ledger.principal or SYSTEM, "")


def _over(entry: EntryState, ttl_days: dict[str, int], now_us: int) -> Reason | None:
    if entry.valid_to_us is not None and entry.valid_to_us <= now_us:
        return "valid-to"
    days = ttl_days.get(entry.body.kind)
    if days is None or entry.decided_at_us is None or entry.status not in IN_FORCE:
        return None
    return "ttl" if entry.decided_at_us + days * US_PER_DAY <= now_us else None


def plan_prune(
    ledger: Ledger,
    *,
    before_us: int,
    kinds: Collection[EntryKind] = (),
    statuses: Collection[Status] = (),
    reader: Scope | None = None,
) -> PrunePlan:
    """Entries to which nothing happened since ``before_us``; appends nothing.

    Args:
        ledger: Any.
        before_us: Microseconds since 1970 UTC.
        kinds: Only these; empty is all.
        statuses: Only these of :data:`PRUNABLE`; empty is all of them.
        reader: Only what this scope sees; ``None``: everything.

    Raises:
        LedgerError: entries of such a status cannot expire.
    """
    wrong = sorted(set(statuses) - PRUNABLE)
    if wrong:
        raise LedgerError(
            f"{wrong[0]} entries cannot be pruned", hint=f"one of {', '.join(sorted(PRUNABLE))}"
        )
    state, last = ledger.state, _last_before(ledger, before_us)
    return PrunePlan(
        state.seq,
        tuple(
            entry.entry_id
            for entry in state.entries.with_status(*sorted(statuses or PRUNABLE))
            if entry.history[-1] <= last
            and (not kinds or entry.body.kind in kinds)
            and (reader is None or reader.sees(entry.scope))
        ),
    )


def prune(ledger: Ledger, plan: PrunePlan, *, actor: Actor, comment: str = "") -> Expired:
    """Let the entries of a plan expire, in one append.

    Raises:
        NotAuthorisedError: the actor is no person, or holds no role for it.
        HoldError: one of them is under a legal hold.

    Side effects: as :func:`expire_due`; appends ``command.refused`` when it is refused.
    """
    about = f"entry:{plan.entries[0]}" if plan.entries else "ledger:self"
    with recording(ledger, "prune", about, actor=actor):
        refuse_held(ledger.state, plan.entries)
        entries = [ledger.state.entries[one] for one in plan.entries]
        return _expire(ledger, [(entry, "pruned") for entry in entries], actor, comment)


def _last_before(ledger: Ledger, before_us: int) -> int:
    """Number of the last event recorded before a time; reads log₂ of the log."""
    low, high = 0, ledger.head.seq
    while low < high:
        middle = (low + high + 1) // 2
        if ledger.event(middle).header.recorded_at_us < before_us:
            low = middle
        else:
            high = middle - 1
    return low


def _expire(
    ledger: Ledger, due: Iterable[tuple[EntryState, Reason]], actor: Actor, comment: str
) -> Expired:
    ended = list(due)
    if not ended:
        return Expired(None, (), ())
    ids = [entry.entry_id for entry, _ in ended]
    drafts = withdrawal_drafts(ledger.state, ids, actor, "expired")
    scopes = {draft.scope: None for draft in drafts}
    drafts += [
        EventDraft(
            EntryExpired(
                entry_id=entry.entry_id, version=entry.version, reason_code=reason,
                comment=comment,
            ),
            actor,
            entry.scope,
        )
        for entry, reason in ended
    ]  # fmt: skip
    return Expired(ledger.append(drafts), tuple(ids), tuple(scopes))


# --- holds -----------------------------------------------------------------------------


def pseudonym(ledger: Ledger, data_subject: str) -> str:
    """What stands for a person in events (hex); nobody without the keystore can guess it."""
    return ledger.keyed(f"holder:{data_subject}")


def place_hold(
    ledger: Ledger,
    *,
    reason: str,
    actor: Actor,
    entries: Collection[str] = (),
    data_subjects: Collection[str] = (),
) -> str:
    """Keep entries, everything about people, or (both empty) everything; returns its id.

    Raises:
        LedgerError: no such entry.
        NotAuthorisedError: the actor is no person, or holds no role for it.

    Side effects: appends ``hold.placed``, or ``command.refused``.
    """
    hold_id = f"hold-{ledger.keyed(f'hold:{ledger.head.seq}:{reason}')[:_ID_CHARS]}"
    with recording(ledger, "hold place", f"hold:{hold_id}", actor=actor):
        payload = HoldPlaced(
            hold_id=hold_id, reason=reason,
            entries=[ledger.state.entry(one).entry_id for one in entries],
            data_subjects=[pseudonym(ledger, one) for one in data_subjects],
        )  # fmt: skip
        ledger.append([EventDraft(payload, actor)])
    return hold_id


def lift_hold(ledger: Ledger, hold_id: str, *, reason: str, actor: Actor) -> Receipt:
    """End a hold.

    Raises:
        LedgerError: there is none of this id in force.
        NotAuthorisedError: the actor is no person, or holds no role for it.

    Side effects: appends ``hold.lifted``, or ``command.refused``.
    """
    with recording(ledger, "hold lift", f"hold:{hold_id}", actor=actor):
        return ledger.append([EventDraft(HoldLifted(hold_id=hold_id, reason=reason), actor)])
