"""Making events unreadable for good, in the one process that owns the files.

1. The secrets of the events are zeroed and keys that open nothing else are forgotten, in one
   transaction that also keeps what was destroyed (``Keystore.destroy``).
2. The ledger file is written anew without the payloads (``LedgerStore.erase``).
3. Whoever erases says that it is done (``Keystore.erased``).

Killed between 1 and 2, the next open does 2 before it looks at anything else. Header, leaf,
tiles and checkpoints stay: every proof still holds, of a payload that is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from governance.log import OwnedLog
from governance.merkle import LogRow
from governance.sealing import EVENT_BOX, HOLDER_BYTES

_BLOCK = 4_096


def rows_held_by(log: OwnedLog, holder: bytes) -> list[LogRow]:
    """Events whose payloads are sealed under this person's key, in order."""
    subjects = log.keys.subjects_of(holder)
    return [
        row
        for row in _sealed(log)
        if holder_of(row) == holder or (holder_of(row) is None and row.subject in subjects)
    ]


def holder_of(row: LogRow) -> bytes | None:
    """Pseudonym of the person under whose key a payload is; ``None`` before format 2."""
    assert row.sealed is not None
    return row.sealed[1 : 1 + HOLDER_BYTES] if row.sealed[0] == EVENT_BOX else None


def shred(
    log: OwnedLog, events: Collection[int], *, holders: Collection[bytes], record: str
) -> None:
    """Destroy keys and ciphertext of these events: steps 1 and 2.

    Args:
        log: The owner's.
        events: Their numbers.
        holders: People about whom no other event is kept.
        record: JSON with ``events``, kept until the erasure is done.

    Raises:
        StoreError: it stopped on the way; opening the home again goes on.
    """
    gone = frozenset(events)
    with log.rewriting():
        of_format_1 = [row for row in _sealed(log) if holder_of(row) is None]
        shared = {row.subject for row in of_format_1 if row.seq not in gone}
        subjects = {row.subject for row in of_format_1 if row.seq in gone} - shared
        log.keys.destroy(sorted(gone), subjects=subjects, holders=holders, record=record)
        log.store.erase(gone)


def _sealed(log: OwnedLog) -> Iterator[LogRow]:
    for block in log.store.blocks(_BLOCK, sealed=True):
        yield from (row for row in block.rows() if row.sealed is not None)
