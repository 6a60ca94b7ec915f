"""The memory as it stood at one version, read off the log only as far as it is asked for.

``state_of(journal, seq)`` costs next to nothing: it folds the few events that govern the
whole (policies, roles, principals, keys) and leaves the rest to sources that find one
entry, or all entries of a status, when somebody asks. So the present and any past version
are opened alike, however long the log is. Equal to the full fold (``State.apply`` over all
events) by test.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Generic, Protocol, TypeVar

from governance.events import (
    PAYLOADS,
    EntryPayload,
    EntryProposed,
    Event,
    ReviewWithdrawn,
    RollbackApplied,
    Status,
)
from governance.layered import Layered
from governance.records import ARRIVES, AdapterState, Entries, EntryState, ShardState
from governance.state import State
from governance.store import LastSteps, Mention
from governance.trail import Trail

V = TypeVar("V")

_ROLLBACK: Final = RollbackApplied.event_type
_RECALL: Final = "memory.recalled"
_PROPOSED: Final = (EntryProposed.event_type,)
ENTRY_TYPES: Final = frozenset(
    name for name, model in PAYLOADS.items() if issubclass(model, EntryPayload)
)
_STATUS_AFTER: Final[dict[str, Status]] = {
    EntryProposed.event_type: "proposed",
    **{model.event_type: status for model, status in ARRIVES.items()},
}
STATUS_TYPES: Final = frozenset(_STATUS_AFTER)
"""Events that say by their type alone which status an entry has after them."""
_BACK: Final = ReviewWithdrawn.event_type
"""Puts an entry back to what it was: only its history says what."""
_GOVERNING: Final = frozenset(
    name for name in PAYLOADS
    if name.startswith((
        "policy.", "role.", "principal.", "token.", "key.", "ledger.", "signer.", "verifier.",
        "hold.", "drift.", "export.", "erasure.", "rollback.",
    ))
)  # fmt: skip
_BUILD_TYPES: Final = frozenset(name for name in PAYLOADS if name.startswith("adapter."))
_FEW: Final = 16
"""So many things are looked up one by one; more are found in one pass over the log."""


class Journal(Protocol):
    """A log that can be asked for more than everything in order."""

    def select(
        self,
        start: int,
        stop: int,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[Event]:
        """Events ``start`` to ``stop`` (inclusive) of these types and subjects, in order."""
        ...

    def last_steps(self, kind: str, start: int, stop: int, *, types: Collection[str]) -> LastSteps:
        """By id of every subject ``kind:id`` with such an event in the range, oldest first."""
        ...

    def mentions(
        self, start: int, stop: int, *, types: Collection[str], subject: str | None = None
    ) -> Sequence[Mention]:
        """Who names whom in the range, in order."""
        ...


def state_of(journal: Journal, seq: int) -> State:
    """The memory right after event ``seq``."""
    state = _folded(journal.select(1, seq, types=_GOVERNING))
    state.seq = seq
    builds = _Builds(journal, seq)
    state.entries = Entries(source=_EntryLog(journal, seq))
    state.sources = Layered(source=_Subjects(journal, seq, "source", lambda part: part.sources))
    state.relays = Layered(source=_Subjects(journal, seq, "relay", lambda part: part.relays))
    state.shards = Layered(source=_Part(builds.shards))
    state.adapters = Layered(source=_Part(builds.adapters))
    state.recalls = Layered(source=_Recalls(journal, seq))
    return state


def _folded(events: Iterable[Event]) -> State:
    state = State()
    for event in events:
        state.absorb(event.header, event.payload)
    return state


class _Subjects(Generic[V]):
    """Things of one kind, each the fold of the events about it and of nothing else."""

    def __init__(
        self, journal: Journal, stop: int, kind: str, part: Callable[[State], Mapping[str, V]]
    ) -> None:
        self._journal = journal
        self._stop = stop
        self._kind = kind
        self._part = part
        self._types = frozenset(name for name in PAYLOADS if name.startswith(f"{kind}."))
        self._step_types = self._types
        self._steps: LastSteps | None = None
        self._found: dict[str, V | None] = {}
        self._looked = 0

    def steps(self) -> LastSteps:
        """Everything there is, with the last thing that happened to it; one query, kept."""
        if self._steps is None:
            self._steps = self._journal.last_steps(
                self._kind, 1, self._stop, types=self._step_types
            )
        return self._steps

    def keys(self) -> Sequence[str]:
        return self.steps().ids

    def get(self, key: str) -> V | None:
        if key not in self._found:
            self._looked += 1
            if self._stop == 0 or (self._looked > _FEW and key not in self.steps()):
                return None
            state = _folded(self._history(key))
            self._found[key] = self._part(state).get(key)
        return self._found[key]

    def load(self) -> dict[str, V]:
        return self.fetch(self.keys())

    def fetch(self, keys: Sequence[str]) -> dict[str, V]:
        """Several at once, in the order of ``keys``."""
        missing = [key for key in keys if key not in self._found]
        if len(missing) > _FEW:
            state = _folded(self._histories(missing))
            part = self._part(state)
            self._found |= {key: part.get(key) for key in missing}
        found = {key: self.get(key) for key in keys}
        return {key: value for key, value in found.items() if value is not None}

    def _history(self, key: str) -> Iterable[Event]:
        return self._journal.select(1, self._stop, subjects=[f"{self._kind}:{key}"])

    def _histories(self, keys: Sequence[str]) -> Iterable[Event]:
        subjects = [f"{self._kind}:{key}" for key in keys]
        return self._journal.select(1, self._stop, types=self._types, subjects=subjects)


class _EntryLog(_Subjects[EntryState]):
    """Entries, whose history includes the rollbacks that moved them."""

    def __init__(self, journal: Journal, stop: int) -> None:
        super().__init__(journal, stop, "entry", lambda part: part.entries)
        self._types = ENTRY_TYPES
        self._step_types = STATUS_TYPES | {_BACK}
        self._moved: dict[str, int] | None = None
        self._rollbacks: list[Event] | None = None
        self._births: dict[str, list[str]] | None = None
        self._asked_for_children = 0

    def moved(self) -> Mapping[str, int]:
        """Entry id → number of the last rollback that moved it."""
        if self._moved is None:
            mentions = self._journal.mentions(1, self._stop, types=[_ROLLBACK])
            named = ((mention.subject.partition(":"), mention.seq) for mention in mentions)
            self._moved = {name: seq for (kind, _, name), seq in named if kind == self._kind}
        return self._moved

    def statuses(self) -> dict[str, Status]:
        """Every entry and its status, oldest entry first; reads only what was put back."""
        steps = self.steps()
        known = dict(zip(steps.ids, map(_STATUS_AFTER.get, steps.types), strict=True))
        for key, seq in self.moved().items():
            if key in known and seq > steps[key].seq:
                known[key] = None
        found: dict[str, Status] = {}
        for key, status in known.items():
            entry = self.get(key) if status is None else None
            now = entry.status if entry is not None else status
            if now is not None:
                found[key] = now
        return found

    def with_status(self, statuses: Collection[Status]) -> Iterable[EntryState]:
        wanted = [key for key, status in self.statuses().items() if status in statuses]
        return self.fetch(wanted).values()

    def touched_since(self, seq: int) -> Iterable[str]:
        own = self._journal.last_steps(self._kind, seq + 1, self._stop, types=self._types)
        return own.keys() | {key for key, rolled in self.moved().items() if rolled > seq}

    def children(self, entry_ids: Collection[str]) -> Iterable[str]:
        self._asked_for_children += len(entry_ids)
        mentions = [
            mention
            for entry_id in (entry_ids if self._asked_for_children <= _FEW else ())
            for mention in self._journal.mentions(
                1, self._stop, types=_PROPOSED, subject=f"entry:{entry_id}"
            )
        ]
        if self._asked_for_children > _FEW or len(mentions) > _FEW:
            births = self._all_births()
            return {child for entry_id in entry_ids for child in births.get(entry_id, ())}
        return {self._proposed_in(mention.seq) for mention in mentions}

    def _all_births(self) -> Mapping[str, Sequence[str]]:
        """Entry id → ids of everything ever proposed as made from it; one pass, kept."""
        if self._births is None:
            # The last proposal of an entry says whose it is without reading it.
            last = self._journal.last_steps(self._kind, 1, self._stop, types=_PROPOSED)
            names = dict(zip(last.seqs, last.ids, strict=True))
            births: dict[str, list[str]] = {}
            for mention in self._journal.mentions(1, self._stop, types=_PROPOSED):
                child = names.get(mention.seq) or self._proposed_in(mention.seq)
                births.setdefault(mention.subject.partition(":")[2], []).append(child)
            self._births = births
        return self._births

    def _proposed_in(self, seq: int) -> str:
        (event,) = self._journal.select(seq, seq)
        return event.header.subject.partition(":")[2]

    def _history(self, key: str) -> Iterable[Event]:
        return self._with_rollbacks(super()._history(key), [key])

    def _histories(self, keys: Sequence[str]) -> Iterable[Event]:
        return self._with_rollbacks(super()._histories(keys), keys)

    def _with_rollbacks(self, events: Iterable[Event], keys: Collection[str]) -> Iterable[Event]:
        moved = self.moved()
        if not any(key in moved for key in keys):
            return events
        if self._rollbacks is None:
            self._rollbacks = list(self._journal.select(1, self._stop, types=[_ROLLBACK]))
        return sorted((*events, *self._rollbacks), key=lambda event: event.header.seq)


class _Builds:
    """Shards and adapters: few enough to be folded together, and rolled back together."""

    def __init__(self, journal: Journal, stop: int) -> None:
        self._journal = journal
        self._stop = stop
        self._state: State | None = None

    def _all(self) -> State:
        if self._state is None:
            types = _BUILD_TYPES | {_ROLLBACK}
            self._state = _folded(self._journal.select(1, self._stop, types=types))
        return self._state

    def shards(self) -> Mapping[str, ShardState]:
        return self._all().shards

    def adapters(self) -> Mapping[str, AdapterState]:
        return self._all().adapters


class _Part(Generic[V]):
    """A map that is made when it is first asked for."""

    def __init__(self, part: Callable[[], Mapping[str, V]]) -> None:
        self._part = part

    def get(self, key: str) -> V | None:
        return self._part().get(key)

    def keys(self) -> Sequence[str]:
        return list(self._part())

    def load(self) -> Mapping[str, V]:
        return dict(self._part())


class _Recalls:
    """Entry id → events in which it was put before a model."""

    def __init__(self, journal: Journal, stop: int) -> None:
        self._journal = journal
        self._stop = stop
        self._all: dict[str, Trail] | None = None
        self._looked = 0

    def get(self, key: str) -> Trail | None:
        self._looked += 1
        if self._looked > _FEW:
            return self.load().get(key)
        if self._stop == 0:
            return None
        found = self._journal.mentions(1, self._stop, types=[_RECALL], subject=f"entry:{key}")
        return _trail(mention.seq for mention in found) if found else None

    def keys(self) -> Sequence[str]:
        return list(self.load())

    def load(self) -> dict[str, Trail]:
        if self._all is None:
            seqs: dict[str, list[int]] = {}
            for mention in self._journal.mentions(1, self._stop, types=[_RECALL]):
                seqs.setdefault(mention.subject.partition(":")[2], []).append(mention.seq)
            self._all = {key: _trail(found) for key, found in seqs.items()}
        return self._all


def _trail(seqs: Iterable[int]) -> Trail:
    numbers = list(seqs)
    return Trail(numbers, len(numbers))
