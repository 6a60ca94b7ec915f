"""Everything that the ledger holds about entries or about a person, by number; reads only.

The same question is asked by whoever erases, whoever exports for the person concerned, and
whoever looks afterwards whether anything is left. Nothing here is content: ids and numbers.

What belongs to it:

1. the entries named, and everything derived from them, in whatever scope; for a person also
   every entry any part of which is sealed under their key, or that rests on their sources only;
2. every event about these entries, sources and relays;
3. every prompt they stood in, or that one of their adapters answered, with its outcomes; and
   all prompts and outcomes of the same tasks, which repeat question and answer;
4. certificates of every adapter ever built from them: they quote cards;
5. for a person, every other event sealed under their key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from governance.errors import LedgerError
from governance.events import (
    AdapterCertified,
    EntryErased,
    Event,
    MemoryRecalled,
    OutcomeRecorded,
    RelayStarted,
    SourceErased,
)
from governance.ledger import Ledger, OwnedLog
from governance.lineage import closure
from governance.shredding import holder_of, rows_held_by
from governance.state import State

_FREE: Final = frozenset({"memory.recalled", "outcome.recorded", "command.refused"})
"""Events that nothing else depends on: each can go by itself."""
_AFTERWARDS: Final = frozenset({EntryErased.event_type, SourceErased.event_type})
"""What is written instead of what goes."""


@dataclass(frozen=True)
class Footprint:
    """What there is, at version ``seq``.

    Args:
        seq: Version it was looked up at.
        entries: Entries that go, nearest first.
        sources: Sources that go.
        relays: Relays on those sources.
        events: Numbers of the events whose payloads go.
        adapters: Every build that ever held one of the entries, by digest.
        exports: Files that list one of the entries or are about the person, by id.
        holders: Pseudonyms (hex) of the people under whose keys these events are sealed.
        shared: Entries that stay, because they also rest on other evidence.
        kept: Events sealed under the person's key that govern the ledger and stay.
    """

    seq: int
    entries: tuple[str, ...]
    sources: tuple[str, ...]
    relays: tuple[str, ...]
    events: tuple[int, ...]
    adapters: tuple[str, ...]
    exports: tuple[str, ...]
    holders: tuple[str, ...]
    shared: tuple[str, ...] = ()
    kept: tuple[int, ...] = ()


@dataclass
class _Things:
    """What is named or held, before its events are looked up."""

    entries: dict[str, None]
    sources: dict[str, None]
    relays: dict[str, None]
    events: set[int]
    kept: set[int]


def owned(ledger: Ledger) -> OwnedLog:
    """The log, in the process that owns its files.

    Raises:
        LedgerError: another process owns them.
    """
    if not isinstance(ledger.log, OwnedLog):
        raise LedgerError(
            "only the process that owns the files can look into sealed payloads and erase them",
            hint="stop `palimpsest serve`, do it, and start it again",
        )
    return ledger.log


def footprint(
    ledger: Ledger,
    *,
    entries: Collection[str] = (),
    holder: bytes | None = None,
    erased: Collection[str] = (),
    erased_sources: Collection[str] = (),
) -> Footprint:
    """Look everything up.

    Args:
        ledger: In the owning process.
        entries: Ids of entries.
        holder: Pseudonym of a person.
        erased: Entries of which an interrupted erasure has erased no more than the status.
        erased_sources: Sources likewise.

    Raises:
        LedgerError: no such entry, or another process owns the files.
    """
    log, state = owned(ledger), ledger.state
    things = _Things({}, {}, {}, set(), set())
    if holder is not None:
        _held(log, holder, things)
    _evidence(ledger, things)
    for entry_id in (*entries, *things.entries):
        things.entries |= dict.fromkeys(one.entry_id for one in closure(state, entry_id))
    things.entries = {
        one: None for one in things.entries if state.entries[one].status != "erased"
    } | dict.fromkeys(erased)
    things.sources = {
        one: None for one in things.sources if state.sources[one].kind != "erased"
    } | dict.fromkeys(erased_sources)
    adapters = _adapters(state, things.entries)
    events = things.events | _about(log, things) | _certificates(ledger, adapters)
    events |= _uses(ledger, things.entries, adapters)
    rows = [row for row in log.rows(1, state.seq) if row.seq in events and row.sealed is not None]
    whose = {holder_of(row) for row in rows} - {None, log.keys.holder("")}
    return Footprint(
        seq=state.seq,
        entries=tuple(things.entries),
        sources=tuple(things.sources),
        relays=tuple(things.relays),
        events=tuple(row.seq for row in rows),
        adapters=adapters,
        exports=_exports(state, things.entries, holder),
        holders=tuple(sorted(one.hex() for one in whose if one is not None)),
        shared=_shared(state, things),
        kept=tuple(sorted(things.kept)),
    )


def _held(log: OwnedLog, holder: bytes, things: _Things) -> None:
    """Sort what is sealed under a person's key by what it is about."""
    for row in rows_held_by(log, holder):
        kind, _, name = row.subject.partition(":")
        if kind == "entry":
            things.entries[name] = None
        elif kind == "source":
            things.sources[name] = None
        elif kind == "relay":
            things.relays[name] = None
        elif row.type in _FREE:
            things.events.add(row.seq)
        else:
            things.kept.add(row.seq)


def _evidence(ledger: Ledger, things: _Things) -> None:
    """Relays on the sources, and entries that rest on nothing but them."""
    if not things.sources:
        return
    for event in ledger.events(types={RelayStarted.event_type}):
        payload = event.payload
        if isinstance(payload, RelayStarted) and payload.source_id in things.sources:
            things.relays[payload.relay_id] = None
    for entry in ledger.state.entries.values():
        if entry.spans and all(span.source_id in things.sources for span in entry.spans):
            things.entries[entry.entry_id] = None


def _shared(state: State, things: _Things) -> tuple[str, ...]:
    if not things.sources:
        return ()
    return tuple(
        entry.entry_id
        for entry in state.entries.values()
        if entry.entry_id not in things.entries
        and any(span.source_id in things.sources for span in entry.spans)
    )


def _adapters(state: State, entries: Collection[str]) -> tuple[str, ...]:
    return tuple(
        adapter.digest
        for adapter in state.adapters.values()
        if any(ref.entry_id in entries for ref in adapter.cards)
    )


def _exports(state: State, entries: Collection[str], holder: bytes | None) -> tuple[str, ...]:
    whose = holder.hex() if holder is not None else ""
    return tuple(
        export_id
        for export_id, export in state.exports.items()
        if export.issued.data_subject == whose or not set(export.issued.entries).isdisjoint(entries)
    )


def _about(log: OwnedLog, things: _Things) -> set[int]:
    """Events whose subject goes, and refusals of commands on it."""
    subjects = {
        *(f"entry:{one}" for one in things.entries),
        *(f"source:{one}" for one in things.sources),
        *(f"relay:{one}" for one in things.relays),
    }
    if not subjects:
        return set()
    head = log.head.seq
    rows = log.rows(1, head, subjects=subjects)
    found = {row.seq for row in rows if row.type not in _AFTERWARDS}
    refused = log.mentions(1, head, types={"command.refused"})
    return found | {one.seq for one in refused if one.subject in subjects}


def _certificates(ledger: Ledger, adapters: Collection[str]) -> set[int]:
    return {
        event.header.seq
        for event in (ledger.events(types={AdapterCertified.event_type}) if adapters else ())
        if isinstance(event.payload, AdapterCertified) and event.payload.digest in adapters
    }


def _uses(ledger: Ledger, entries: Collection[str], adapters: Collection[str]) -> set[int]:
    """Prompts and outcomes that an entry or one of its adapters had a part in.

    An outcome belongs to the prompts among its causes, and to those of the same command.
    """
    if not entries:
        return set()
    types = {MemoryRecalled.event_type, OutcomeRecorded.event_type}
    events = list(ledger.events(types=types))
    prompts = {_prompt(event) for event in events if _touches(event, entries, adapters)}
    keys = _keys(prompts)
    tasks = {one.header.subject for one in _outcomes(events) if one.header.links & keys}
    linked: set[str] = set()
    found = {event.header.seq for event in prompts_of(events, prompts)}
    for event in _outcomes(events):
        if event.header.subject in tasks:
            found.add(event.header.seq)
            linked |= event.header.links
    for event in events:
        if isinstance(event.payload, MemoryRecalled) and _keys({_prompt(event)}) & linked:
            found.add(event.header.seq)
    return found


def prompts_of(events: Sequence[Event], prompts: Collection[tuple[str, str]]) -> Iterator[Event]:
    """The recalls among ``events`` that are these prompts."""
    return (
        event
        for event in events
        if isinstance(event.payload, MemoryRecalled) and _prompt(event) in prompts
    )


def _touches(event: Event, entries: Collection[str], adapters: Collection[str]) -> bool:
    payload = event.payload
    return isinstance(payload, MemoryRecalled) and (
        payload.adapter_digest in adapters or any(one in entries for one in payload.entries)
    )


def _prompt(event: Event) -> tuple[str, str]:
    """Id of a recall, and the command that recorded it (empty: none)."""
    return event.header.event_id, event.header.command or ""


def _keys(prompts: Collection[tuple[str, str]]) -> set[str]:
    return {key for prompt in prompts for key in prompt if key}


def _outcomes(events: Sequence[Event]) -> Iterator[Event]:
    return (event for event in events if isinstance(event.payload, OutcomeRecorded))
