"""What is due by the clock: approvals that take effect, entries whose time is over, ratings.

Verifiers are rated so that one whose failures say nothing stops allowing entries by itself.
Done by the process that owns the ledger: the service now and then, a command when it opens the
home for writing, an agent before it recalls. Doing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from governance.decisions import Subject, effect_drafts, once
from governance.errors import GovernanceError
from governance.events import Actor, EntryApproved, EntryRejected, ReviewTerms, Scope
from governance.exports import remove_withdrawn
from governance.ledger import EventDraft, Ledger
from governance.retention import Expired, expire_due
from governance.review_rules import due
from governance.state import EntryState
from governance.tombstone import refused_meanwhile
from governance.worth import rate_verifiers

EXPIRY_EVERY_US: Final = 600 * 1_000_000
"""Recall leaves out what is over in any case; this only says so in the ledger."""
RATING_EVERY_US: Final = 86_400 * 1_000_000
"""Reads every decision of the log, and people decide slowly."""
HOUSEKEEPER: Final = Actor(kind="system", id="housekeeping")


@dataclass(frozen=True)
class Done:
    """Entries that began or ceased to act, and scopes whose adapters are out of date by it."""

    effective: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ()

    def and_expired(self, over: Expired) -> Done:
        """Both together."""
        return Done(self.effective, over.entries, (*self.scopes, *over.scopes))


def housekeep(ledger: Ledger, *, thorough: bool = False) -> Done:
    """Do what is due. Nothing on a ledger that only reads, or that another process owns.

    Args:
        ledger: Any.
        thorough: Also look at everything in force for what has expired, and rate the verifiers;
            reads all of it, and every decision.

    Side effects: appends activations, expiries and what they bring about, and ratings; deletes
    the files of withdrawn exports. Whoever called rebuilds the adapters of the scopes returned.
    """
    if not ledger.owned:
        return Done()
    remove_withdrawn(ledger)
    done = take_effect(ledger, ledger.state.entries.with_status("approved"))
    if not thorough:
        return done
    rate_verifiers(ledger, actor=HOUSEKEEPER)
    return done.and_expired(expire_due(ledger, ledger.now_us()))


class Housekeeper:
    """Housekeeping again and again: reads what was decided since the last time, and no more."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._read = 0
        self._removed = 0
        self._waiting: set[str] = set()
        self._expired_us = 0
        self._rated_us = 0

    def run(self) -> Done:
        """Do what is due by now.

        Side effects: as :func:`housekeep`.
        """
        state = self._ledger.state
        if state.seq > self._read:
            found = (
                state.entries.with_status("approved")
                if not self._read
                else self._decided(self._read + 1, state.seq)
            )
            self._waiting |= {one.entry_id for one in found if one.terms != ReviewTerms()}
            self._read = state.seq
        waiting = [state.entries[entry_id] for entry_id in sorted(self._waiting)]
        self._waiting -= {one.entry_id for one in waiting if one.status != "approved"}
        done = take_effect(self._ledger, waiting)
        now = self._ledger.now_us()
        if now >= self._expired_us + EXPIRY_EVERY_US:
            self._expired_us = now
            done = done.and_expired(expire_due(self._ledger, now))
        if now >= self._rated_us + RATING_EVERY_US:
            self._rated_us = now
            rate_verifiers(self._ledger, actor=HOUSEKEEPER)
        if state.seq > self._removed:  # last: a file that cannot be deleted holds up nothing else
            remove_withdrawn(self._ledger)
            self._removed = state.seq
        return done

    def _decided(self, start: int, stop: int) -> Iterable[EntryState]:
        events = self._ledger.events(start, stop, types=[EntryApproved.event_type])
        ids = {event.header.subject.partition(":")[2] for event in events}
        return [self._ledger.state.entries[entry_id] for entry_id in ids]


def take_effect(ledger: Ledger, approved: Iterable[EntryState]) -> Done:
    """Let those of these approvals act whose time for second thoughts is over.

    One append each, so that one which is refused holds up no other; what takes the place of the
    same entry comes into force together. A value refused since its approval is rejected instead.
    """
    if ledger.state.frozen:
        return Done()
    now = ledger.now_us()
    ready = [one for one in approved if one.terms != ReviewTerms() and due(one, now)]
    together: dict[str, list[EntryState]] = {}
    for entry in ready:
        together.setdefault(entry.replaces or entry.entry_id, []).append(entry)
    effective: list[str] = []
    for group in together.values():
        try:
            drafts = once(draft for entry in group for draft in _drafts(ledger, entry))
            if drafts:
                ledger.append(drafts, key=f"effect:{group[0].entry_id}:{group[0].decided_seq}")
                effective += [entry.entry_id for entry in group]
        except GovernanceError:  # refused by a rule, such as a parent revoked meanwhile: it waits
            continue
    scopes = dict.fromkeys(one.scope for one in ready if one.channel == "parametric")
    return Done(tuple(effective), scopes=tuple(scopes))


def _drafts(ledger: Ledger, entry: EntryState) -> list[EventDraft]:
    earlier = refused_meanwhile(ledger, entry)
    if earlier is None:
        return effect_drafts(ledger.state, Subject.of(entry), HOUSEKEEPER)
    payload = Subject.of(entry).decided(
        EntryRejected, "wrong", f"the value was refused meanwhile as {earlier}"
    )
    return [EventDraft(payload, HOUSEKEEPER, entry.scope)]
