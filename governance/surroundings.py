"""What a proposal is compared with, kept ready from one proposal to the next.

Reading all entries of a scope for every proposal would make learning slower with all that is
known. The index of a log is made once, from the entries that are in force, refused or waiting,
and then follows the log: only what was touched since is looked at again. It is a projection
like any other, equal to making it anew by test.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from weakref import WeakKeyDictionary

from governance.events import Scope, Status
from governance.layered import Follower
from governance.ledger import Ledger
from governance.lineage import IN_FORCE, PENDING
from governance.logs import Log
from governance.records import EntryState
from governance.state import State
from governance.verifiers import Interval, Joined, Neighbourhood, Peer

_REFUSED: Final[tuple[Status, ...]] = ("rejected", "revoked", "erased")
_EVERYBODY: Final = "*"
_Place = tuple[str, str, str]
"""Tenant, agent and user; the user ``*`` stands for all users of the agent together."""


class Tombstones(Mapping[str, str]):
    """Tombstone key → entry whose value was refused, over several parts of the index."""

    def __init__(self, parts: list[dict[str, dict[str, None]]]) -> None:
        self._parts = parts

    def __getitem__(self, key: str) -> str:
        for part in self._parts:
            if key in part:
                return next(reversed(part[key]))
        raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter({key: None for part in self._parts for key in tuple(part)})

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Cell:
    """What is known about the entries of one scope."""

    def __init__(self) -> None:
        self.in_force = Neighbourhood()
        self.refused = Neighbourhood()
        self.tombstones: dict[str, dict[str, None]] = {}
        self.pending: set[str] = set()

    def add(self, entry: EntryState) -> None:
        if entry.status in IN_FORCE:
            self.in_force.add(peer_of(entry))
        elif entry.status in _REFUSED and entry.tombstone:
            self.tombstones.setdefault(entry.tombstone, {})[entry.entry_id] = None
            if entry.status != "erased":
                self.refused.add(peer_of(entry))
        elif entry.status == "quarantined" or (entry.status == "verified" and entry.in_review):
            self.pending.add(entry.entry_id)

    def remove(self, entry: EntryState) -> None:
        self.in_force.remove(entry.entry_id)
        self.refused.remove(entry.entry_id)
        self.pending.discard(entry.entry_id)
        left = self.tombstones.get(entry.tombstone or "", {})
        if entry.entry_id in left:
            del left[entry.entry_id]
            if not left:
                del self.tombstones[entry.tombstone or ""]


class Surroundings:
    """What one reader's proposals are compared with."""

    def __init__(self, cells: list[_Cell]) -> None:
        self.in_force: Neighbourhood = Joined([cell.in_force for cell in cells])
        self.refused: Neighbourhood = Joined([cell.refused for cell in cells])
        self.tombstones: Mapping[str, str] = Tombstones([cell.tombstones for cell in cells])
        self.pending = sum(len(cell.pending) for cell in cells)


class _Index:
    """All surroundings of one log, as of one version."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._new: Follower[EntryState] = Follower()
        self._forget()

    def _forget(self) -> None:
        self._seq = 0
        self._known: dict[str, EntryState] = {}
        self._cells: dict[_Place, _Cell] = {}

    def follow(self, state: State) -> None:
        """Become the index of ``state``."""
        entries: Iterable[EntryState] | None = self._new.unread(state.entries)
        if entries is None or state.seq < self._seq:
            self._forget()
            entries = state.entries.with_status(*IN_FORCE, *PENDING, *_REFUSED)
        for entry in entries:
            if entry.history[-1] > self._seq:
                self._place(entry)
        self._seq = state.seq

    def at(self, scope: Scope) -> Surroundings:
        """What ``scope`` sees."""
        users = ["", scope.user] if scope.user else [_EVERYBODY]
        places = [(scope.tenant, scope.agent, user) for user in users]
        return Surroundings([self._cells.setdefault(place, _Cell()) for place in places])

    def _place(self, entry: EntryState) -> None:
        for cell in self._of(self._known.get(entry.entry_id)):
            cell.remove(self._known[entry.entry_id])
        for cell in self._of(entry):
            cell.add(entry)
        self._known[entry.entry_id] = entry

    def _of(self, entry: EntryState | None) -> Iterator[_Cell]:
        if entry is not None:
            for user in (entry.scope.user, _EVERYBODY):
                place = (entry.scope.tenant, entry.scope.agent, user)
                yield self._cells.setdefault(place, _Cell())


_INDEXES: Final[WeakKeyDictionary[Log, _Index]] = WeakKeyDictionary()
_MAKING: Final = threading.Lock()


def surroundings(ledger: Ledger, state: State, scope: Scope) -> Surroundings:
    """What a proposal in ``scope`` is compared with in ``state``, which is the ledger's.

    Good until the next append. The first call on a log reads its entries.
    """
    with _MAKING:
        index = _INDEXES.setdefault(ledger.log, _Index())
    with index.lock:
        index.follow(state)
        return index.at(scope)


def peer_of(entry: EntryState) -> Peer:
    """The entry as verifiers compare with it."""
    return Peer(entry.entry_id, entry.body, Interval(entry.valid_from_us, entry.valid_to_us))
