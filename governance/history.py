"""What two versions of the memory have in common and what not; pure.

Only entries about which something happened in between are read, so comparing yesterday with
today costs what happened since yesterday, however large the memory is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from governance.errors import LedgerError
from governance.events import Scope, Status, text_of
from governance.state import EntryState, State


@dataclass(frozen=True)
class EntryChanged:
    """One entry at two versions; ``before`` is ``None`` when it was not there yet."""

    before: EntryState | None
    after: EntryState

    @property
    def appeared(self) -> bool:
        """It was proposed in between."""
        return self.before is None

    @property
    def status_changed(self) -> bool:
        """It stands differently; an entry that appeared does, too."""
        return self.before is None or self.before.status != self.after.status

    @property
    def text_changed(self) -> bool:
        """It was there and says something else now."""
        return self.before is not None and text_of(self.before.body) != text_of(self.after.body)


@dataclass(frozen=True)
class ShardChanged:
    """One shard that serves another adapter; ``None`` is no adapter."""

    shard_id: str
    scope: Scope
    before: str | None
    after: str | None


@dataclass(frozen=True)
class VersionDiff:
    """What changed from version ``before`` to version ``after``."""

    before: int
    after: int
    entries: tuple[EntryChanged, ...]
    shards: tuple[ShardChanged, ...]


def diff_states(before: State, after: State, reader: Scope | None = None) -> VersionDiff:
    """Entries that appeared, stand differently or read differently; shards that serve otherwise.

    Args:
        before: The earlier version.
        after: The later version of the same ledger.
        reader: Only what this scope sees; ``None``: everything.

    Raises:
        LedgerError: ``before`` is the later one.
    """
    if before.seq > after.seq:
        raise LedgerError(
            f"version {before.seq} comes after version {after.seq}",
            hint="name the earlier version first",
        )
    return VersionDiff(
        before.seq,
        after.seq,
        tuple(_entries(before, after, reader)),
        tuple(_shards(before, after, reader)),
    )


def _entries(before: State, after: State, reader: Scope | None) -> Iterator[EntryChanged]:
    for entry in after.entries.touched_since(before.seq):
        change = EntryChanged(entry.as_of(before.seq), entry)
        # Something may have happened without leaving a trace: a comment, a change taken back.
        if (change.status_changed or change.text_changed) and _seen(reader, entry.scope):
            yield change


def _shards(before: State, after: State, reader: Scope | None) -> Iterator[ShardChanged]:
    for shard in after.shards.values():
        served = shard.active_at(before.seq)
        if served != shard.active and _seen(reader, shard.scope):
            yield ShardChanged(shard.shard_id, shard.scope, served, shard.active)


def _seen(reader: Scope | None, scope: Scope) -> bool:
    return reader is None or reader.sees(scope)


def census(state: State, reader: Scope | None = None) -> dict[Scope, Counter[Status]]:
    """How many entries of each scope have each status, by scope in order of appearance."""
    found: dict[Scope, Counter[Status]] = {}
    for entry in state.entries.values():
        if _seen(reader, entry.scope):
            found.setdefault(entry.scope, Counter())[entry.status] += 1
    return found
