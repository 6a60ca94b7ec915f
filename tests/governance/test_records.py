"""Entries that come partly from a source and partly from what was set since."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from governance.events import Actor, FactBody, Scope, Status
from governance.records import Entries, EntryState


def entry(
    name: str, status: Status = "active", *, seqs: tuple[int, ...] = (1,),
    parents: tuple[str, ...] = (),
) -> EntryState:  # fmt: skip
    return EntryState(
        entry_id=name, version=1, status=status,
        body=FactBody(topic="t", attribute="a", value="v", statement="s"), spans=(),
        scope=Scope(), author=Actor(kind="agent", id="bot"), origin=None, derived_from=parents,
        replaces=None, episode=None, content_digest="d", proposed_seq=seqs[0], history=seqs,
    )  # fmt: skip


class Log:
    """What a log knows: a few entries, and who is derived from whom."""

    def __init__(self, *entries: EntryState) -> None:
        self.entries = {one.entry_id: one for one in entries}
        self.touched: list[str] = [one.entry_id for one in entries]

    def get(self, key: str) -> EntryState | None:
        return self.entries.get(key)

    def keys(self) -> Sequence[str]:
        return list(self.entries)

    def load(self) -> Mapping[str, EntryState]:
        return self.entries

    def statuses(self) -> dict[str, Status]:
        return {key: one.status for key, one in self.entries.items()}

    def with_status(self, statuses: Collection[Status]) -> Iterable[EntryState]:
        return [one for one in self.entries.values() if one.status in statuses]

    def touched_since(self, seq: int) -> Iterable[str]:
        return [name for name in reversed(self.touched) if self.entries[name].history[-1] > seq]

    def children(self, entry_ids: Collection[str]) -> Iterable[str]:
        """Ever derived, perhaps not any more."""
        return [name for name in self.entries if name not in entry_ids]

    def fetch(self, keys: Sequence[str]) -> dict[str, EntryState]:
        return {key: self.entries[key] for key in keys}


def names(entries: Iterable[EntryState]) -> list[str]:
    return [one.entry_id for one in entries]


def test_without_a_source_only_what_was_set_counts() -> None:
    entries = Entries()
    assert (entries.statuses(), names(entries.with_status("active"))) == ({}, [])
    entries["b"] = entry("b", seqs=(2, 9))
    entries["a"] = entry("a", "revoked", seqs=(1,), parents=("b",))
    assert entries.statuses() == {"b": "active", "a": "revoked"}
    assert names(entries.with_status("active", "revoked")) == ["a", "b"]  # oldest first
    assert names(entries.touched_since(1)) == ["b"]
    assert names(entries.derivatives(["b"])) == ["a"]
    assert names(entries.derivatives(["a"])) == []


def test_what_was_set_hides_what_the_source_says() -> None:
    log = Log(
        entry("a", seqs=(1, 4)), entry("b", "proposed", seqs=(2,), parents=("a",)),
        entry("c", seqs=(3,), parents=("a",)),
    )  # fmt: skip
    entries = Entries(source=log)
    assert entries.statuses() == {"a": "active", "b": "proposed", "c": "active"}
    assert names(entries.with_status("active")) == ["a", "c"]
    assert names(entries.derivatives(["a"])) == ["b", "c"]
    assert names(entries.touched_since(2)) == ["a", "c"]
    entries["c"] = entry("c", "revoked", seqs=(3, 7))
    entries["d"] = entry("d", "active", seqs=(8,), parents=("a",))
    assert entries.statuses() == {"a": "active", "b": "proposed", "c": "revoked", "d": "active"}
    assert names(entries.with_status("active")) == ["a", "d"]
    assert names(entries.with_status("revoked", "proposed")) == ["b", "c"]
    # Its new version is derived from nothing, whatever it was before.
    assert names(entries.derivatives(["a"])) == ["b", "d"]
    assert names(entries.touched_since(3)) == ["a", "c", "d"]
    assert names(entries.copy().with_status("active")) == ["a", "d"]
