"""Finding the version at which the memory began to answer wrongly.

The memory has a version for every append that changed what may act. Asked about the newest and
found bad, the lowest bad one is searched by halving: at most ⌈log₂ n⌉ + 1 questions for n
versions. Then the head is asked again without what that append put in force: if it is good
then, that entry is the cause; if not, something else says the same.

Halving assumes that a memory, once bad, stayed bad. Where it went back and forth, what is found
is *a* change from good to bad, with a good version right before it: :attr:`Found.before`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from governance.errors import BisectError
from governance.events import (
    DriftHeld,
    EntryActivated,
    EntryErased,
    EntryExpired,
    EntryQuarantined,
    EntryRevoked,
    EntrySuperseded,
    Event,
    MemoryRecalled,
    OutcomeRecorded,
    ReviewWithdrawn,
    RollbackApplied,
)
from governance.ledger import Ledger
from governance.records import DriftHold
from governance.state import EntryState, State

Probe = Callable[[int, Collection[str]], bool]
"""Whether the memory as of a version, without some entries, answers as it should."""


class Asked(NamedTuple):
    """A question, and the answers that are right."""

    question: str
    answers: tuple[str, ...]


_FIELDS: Final = re.compile(
    rb'"command":("[^"]*"|null),.*,"recorded_at_us":(\d+),.*,"type":"([^"\\]+)"'
)
"""Of a canonical header, whose keys are sorted: quotes inside its texts are escaped."""

CHANGES: Final = frozenset(
    model.event_type
    for model in (
        EntryActivated, EntrySuperseded, EntryRevoked, EntryExpired, EntryQuarantined, EntryErased,
        ReviewWithdrawn, RollbackApplied,
    )
) | {"adapter.activated", "adapter.withdrawn"}  # fmt: skip
"""Events that change what is recalled or served."""
_ANSWERING: Final = frozenset({MemoryRecalled.event_type, OutcomeRecorded.event_type})


@dataclass(frozen=True)
class Found:
    """The first bad version. ``asked`` counts evaluations of the search, not of the proof."""

    seq: int
    before: int | None
    """The good version right before; ``None``: it was bad from the first version on."""
    asked: int
    versions: int


@dataclass(frozen=True)
class Suspect:
    """Something the bad append put in force or took away, and whether it is the cause.

    ``confirmed`` is ``None`` for what was taken away: leaving it out cannot be tried.
    """

    entry: EntryState
    event: Event
    confirmed: bool | None
    evidence: tuple[str, ...]


def versions(ledger: Ledger, start: int, stop: int) -> list[int]:
    """Versions from ``start`` to ``stop`` at which what may act had changed, and ``start``.

    The number of an append's last event each: inside an append the memory may be in between.
    Costs one look at every header in the range.

    Raises:
        BisectError: no such range.
    """
    head = ledger.head.seq
    if not 0 <= start < stop <= head:
        raise BisectError(
            f"there is nothing to search from version {start} to {stop}",
            hint=f"versions run from 0 to {head}",
        )
    found, changed, last = [start], False, None
    for seq, data in enumerate(ledger.headers(stop), start=1):
        if seq <= start:
            continue
        *append, event_type = _append_and_type(data)
        if changed and append != last:
            found.append(seq - 1)
            changed = False
        last = append
        changed = changed or event_type in CHANGES
    if changed:
        found.append(stop)
    return found


def _append_and_type(header: bytes) -> tuple[bytes, bytes, str]:
    """Command and time of the append, and the event's type.

    Cut out of the canonical bytes: decoding each of a million headers takes most of a search.
    """
    found = _FIELDS.search(header)
    if found is None:
        raise BisectError(f"a header cannot be read: {header[:80]!r}")
    command, recorded, event_type = found.groups()
    return command, recorded, event_type.decode()


def search(candidates: Sequence[int], good: Callable[[int], bool]) -> Found | None:
    """The lowest bad version of ``candidates``; ``None`` when the last one is good.

    Args:
        candidates: At least one, ascending.
        good: Asked at most ⌈log₂ n⌉ + 1 times.
    """
    asked = 1
    if good(candidates[-1]):
        return None
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        asked += 1
        if good(candidates[middle]):
            low = middle + 1
        else:
            high = middle
    before = candidates[low - 1] if low else None
    return Found(candidates[low], before, asked, len(candidates))


def suspects(ledger: Ledger, found: Found, stop: int, probe: Probe) -> tuple[Suspect, ...]:
    """What the bad append did, each entry by itself, confirmed by leaving it out at ``stop``.

    Asks ``probe`` once for each entry that was put in force and is still there.
    """
    first = 1 if found.before is None else found.before + 1
    state, seen = ledger.state_at(stop), dict[str, Event]()
    for event in ledger.events(first, found.seq, types=CHANGES):
        for name in _entries_of(event, ledger.state_at(found.seq)):
            seen[name] = event
    return tuple(
        Suspect(
            state.entries[name], event,
            probe(stop, (name,)) if state.entries[name].status == "active" else None,
            _evidence(ledger, state.entries[name]),
        )
        for name, event in seen.items()
        if name in state.entries
    )  # fmt: skip


def alarm_of(state: State, hold_id: str) -> DriftHold:
    """The drift hold of this id.

    Raises:
        BisectError: there is none.
    """
    hold = state.drift_holds.get(hold_id)
    if hold is None:
        known = ", ".join(state.drift_holds) or "none"
        raise BisectError(f"there is no alarm {hold_id!r}", hint=f"known: {known}")
    return hold


def held_entries(state: State, hold: DriftHold) -> tuple[str, ...]:
    """What a drift hold speaks against: entries, and the cards of the adapters it names."""
    cards = [
        ref.entry_id
        for digest in hold.held.adapters
        if digest in state.adapters
        for ref in state.adapters[digest].cards
    ]
    return tuple(dict.fromkeys([*hold.held.entries, *cards]))


@dataclass(frozen=True)
class Recorded:
    """Questions that were answered wrongly, and a version by which they had been right.

    ``good`` is 0 where none of them ever was; of several, it is the earliest of the last times.
    """

    asked: tuple[Asked, ...]
    good: int


def alarm_questions(ledger: Ledger, hold: DriftHold) -> Recorded:
    """What was answered wrongly, by the record, when an alarm was raised.

    These are the answers that the alarm cites as its causes; where it cites none, those given
    with what it names in the prompt or in service; where it names nothing, all of its scope.
    Of them, those that had been answered rightly before, if there are any: a question that
    nobody ever could answer says nothing about when the memory went bad.

    One pass over the prompts and answers up to the alarm.

    Raises:
        BisectError: the record holds no such answer.
    """
    cited = set(ledger.event(hold.seq).header.causes)
    keys, right = set(cited), dict[str, int]()
    wrong: dict[str, Asked] = {}
    last_right: dict[str, int] = {}
    for event in ledger.events(1, hold.seq, types=_ANSWERING):
        payload, header = event.payload, event.header
        links = {header.event_id, *header.links}
        if not hold.scope.sees(header.scope):
            continue
        if isinstance(payload, MemoryRecalled) and not cited and _speaks_of(hold.held, payload):
            keys |= {header.event_id, header.command or header.event_id}
        elif isinstance(payload, OutcomeRecorded) and payload.exact:
            right[payload.question] = header.seq
        elif isinstance(payload, OutcomeRecorded) and payload.expected and links & keys:
            wrong[payload.question] = Asked(payload.question, tuple(payload.expected))
            if payload.question in right:
                last_right.setdefault(payload.question, right[payload.question])
    if not wrong:
        raise BisectError(
            f"alarm {hold.held.hold_id} rests on no wrong answer to a question",
            hint="give --question with --expect, or --probe FILE",
        )
    asked = tuple(wrong[one] for one in last_right or wrong)
    return Recorded(asked, min(last_right.values(), default=0))


def _speaks_of(held: DriftHeld, recalled: MemoryRecalled) -> bool:
    """Whether a hold concerns a prompt; one that names nothing concerns every prompt."""
    if not held.entries and not held.adapters:
        return True
    return recalled.adapter_digest in held.adapters or not {*held.entries}.isdisjoint(
        recalled.entries
    )


def _entries_of(event: Event, state: State) -> Sequence[str]:
    payload = event.payload
    if isinstance(payload, RollbackApplied):
        return [change.entry_id for change in payload.entries]
    kind, _, name = event.header.subject.partition(":")
    if kind == "entry":
        return [name]
    digest = getattr(payload, "digest", "")
    adapter = state.adapters.get(digest)
    return [ref.entry_id for ref in adapter.cards] if adapter is not None else []


def _evidence(ledger: Ledger, entry: EntryState) -> tuple[str, ...]:
    quotes = []
    for span in entry.spans:
        source = ledger.state.sources.get(span.source_id)
        if source is not None and source.chars >= span.end:
            text = ledger.source_text(span.source_id)[span.start : span.end]
            quotes.append(f"{source.name}: {text}")
    return tuple(quotes)
