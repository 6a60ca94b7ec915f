"""The only door: every change of what agents remember is an event appended here.

One append, numbered as in the code (and in the crash tests):

1. Every draft is checked against the state the earlier drafts of the batch lead to.
2. Keys for new subjects are made durable.
3. Payloads are sealed, headers written, leaves hashed, the tree grown.
4. Events, sealed payloads and tiles commit in one transaction.
5. A checkpoint over the new root is signed, appended outside the database and synced.
6. The live state moves on and the append is acknowledged.

Killed before 4: nothing happened. Between 4 and 5: on the next open the tail is checked,
signed, and ``ledger.recovered`` says so. After 5: the append stands. The same command
repeated with its idempotency key returns the first receipt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from governance import canonical, notes
from governance.batch import Batch, EventDraft, compose, new_event_id
from governance.checkpoint import CheckpointLog
from governance.disclosure import Disclosure, open_box
from governance.errors import (
    ChainError,
    CheckpointError,
    LedgerError,
    SchemaVersionError,
    SealError,
    StoreError,
)
from governance.events import (
    FORMAT,
    PAYLOADS,
    Actor,
    Header,
    LedgerRecovered,
    Payload,
    SourceIngested,
)
from governance.home import BLOBS, CHECKPOINTS, DATABASE, KEYS, open_files, origin, prepare
from governance.merkle import LogRow, Tree, leaf_hash
from governance.ports import Clock
from governance.sealing import Keystore, unseal
from governance.state import State
from governance.store import LedgerStore, MemoryStore
from governance.verify import VerificationReport, verify_log

SYSTEM = Actor(kind="system", id="palimpsest")
_EVERYTHING = 2**63 - 1


class SystemClock:
    """The machine's clock, UTC. Order comes from ``seq``, never from this."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000


@dataclass(frozen=True)
class Event:
    """A logged event; ``payload`` is ``None`` once it was erased."""

    header: Header
    payload: Payload | None


@dataclass(frozen=True)
class Receipt:
    """What an append did. ``repeated``: it had been done before and was not done again."""

    first_seq: int
    last_seq: int
    event_ids: tuple[str, ...]
    repeated: bool = False


@dataclass(frozen=True)
class Head:
    """The version of the whole memory, and the root that proves it (hex)."""

    seq: int
    root: str


class Ledger:
    """Append-only, encrypted, tamper-evident record; a context manager."""

    def __init__(
        self,
        store: LedgerStore,
        keys: Keystore,
        checkpoints: CheckpointLog | None,
        *,
        home: Path | None,
        clock: Clock | None = None,
        read_only: bool = False,
    ) -> None:
        """Use :meth:`open` or :meth:`in_memory`."""
        self._store = store
        self._keys = keys
        self._checkpoints = checkpoints
        self._home = home
        self._clock: Clock = clock or SystemClock()
        self._read_only = read_only
        self._lock = threading.RLock()
        self._tree = Tree()
        self._state = State()
        self._commands: dict[str, Receipt] = {}
        self._committed: Batch | None = None

    # --- opening -----------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        home: Path,
        *,
        create: bool = False,
        read_only: bool = False,
        clock: Clock | None = None,
    ) -> Ledger:
        """Open the ledger of ``home``; with ``create``, make it if there is none.

        Raises:
            StoreError: no home there, not ours, half a home, or not writable.
            StoreBusyError: another process owns it.
            SchemaVersionError: a newer version wrote it.
            CheckpointError: the database is behind its last signed checkpoint.
            ChainError: the log was altered; ``palimpsest verify`` names all of it.

        Side effects: after a crash, signs the checked tail and appends
        ``ledger.recovered``.
        """
        prepare(home, create=create and not read_only)
        files = open_files(home, read_only=read_only)
        ledger = cls(
            files.store, files.keys, files.checkpoints, home=home, clock=clock, read_only=read_only
        )
        try:
            ledger._load(files.checkpoints)
        except BaseException:
            files.store.abandon()
            ledger.close()
            raise
        return ledger

    @classmethod
    def in_memory(cls, *, clock: Clock | None = None) -> Ledger:
        """A ledger that leaves no trace: memory store, throw-away keys, no checkpoints."""
        return cls(MemoryStore(), Keystore(None, create=True), None, home=None, clock=clock)

    def _load(self, checkpoints: CheckpointLog) -> None:
        """Fold the log into the live state, checking every hash on the way."""
        signed = notes.verify(checkpoints.last(), self._keys.public_key, origin=origin(self._keys))
        size = self._store.size()
        if size < signed.size:
            raise CheckpointError(
                f"the database ends at event {size}, behind the checkpoint signed at {signed.size}",
                hint="an old copy or a cut file: restore the newest ledger.duckdb; "
                "nothing is written to this one",
            )
        self._keys.preload()
        for row in self._store.read(-_EVERYTHING, size):
            self._replay(row, acknowledged=row.seq <= signed.size)
            if self._tree.size == signed.size and self._tree.root() != signed.root:
                raise ChainError(
                    f"the log up to event {signed.size} is not the one that was signed",
                    hint="`palimpsest verify` names the first bad event",
                )
        if self._store.tree().root() != self._tree.root():
            raise ChainError("stored tiles disagree with the events", hint="`palimpsest verify`")
        if not self._read_only:
            _repair(checkpoints)
            if self._tree.size > signed.size:
                self._recover(signed.size)

    def _replay(self, row: LogRow, *, acknowledged: bool) -> None:
        if row.leaf != leaf_hash(row.header) or row.seq != self._state.seq + 1:
            raise ChainError(
                f"event {row.seq} was altered or moved",
                hint="`palimpsest verify` lists what is wrong",
            )
        event = self._event(row)
        if event.payload is None and not acknowledged:
            # Only the payload proves that this ledger wrote the event; it is about to be signed.
            raise ChainError(
                f"event {row.seq} comes after the last checkpoint and has no payload",
                hint="it was not written by this ledger; restore ledger.duckdb from a backup",
            )
        self._tree.append(row.leaf)
        self._state.apply(event.header, event.payload)
        self._remember(event.header)

    def _recover(self, signed_size: int) -> None:
        """The last append was committed but not acknowledged: sign what was just checked."""
        size = self._tree.size
        self._checkpoint(self._tree)
        self.append(
            [
                EventDraft(
                    LedgerRecovered(
                        reason="stopped between commit and checkpoint",
                        from_size=signed_size,
                        to_size=size,
                    ),
                    SYSTEM,
                )
            ]
        )

    # --- reading -----------------------------------------------------------------------

    @property
    def home(self) -> Path:
        """The folder this ledger lives in.

        Raises:
            LedgerError: it lives in memory.
        """
        if self._home is None:
            raise LedgerError("this ledger lives in memory and has no home")
        return self._home

    @property
    def head(self) -> Head:
        """Version and root now."""
        with self._lock:
            return Head(self._tree.size, self._tree.root().hex())

    @property
    def state(self) -> State:
        """The live state. Read it; do not keep it across appends, never change it."""
        return self._state

    def state_at(self, seq: int) -> State:
        """The memory as it was right after event ``seq`` (0: before everything).

        Raises:
            LedgerError: no such version.
        """
        if not 0 <= seq <= self._tree.size:
            raise LedgerError(
                f"version {seq} does not exist", hint=f"versions run from 0 to {self._tree.size}"
            )
        state = State()
        for event in self.events(1, seq):
            state.apply(event.header, event.payload)
        return state

    def event(self, seq: int) -> Event:
        """One event by number.

        Raises:
            LedgerError: no such event.
        """
        for row in self._store.read(seq, seq):
            return self._event(row)
        raise LedgerError(f"event {seq} does not exist", hint=f"the head is {self._tree.size}")

    def events(
        self, start: int = 1, stop: int | None = None, *, types: Collection[str] | None = None
    ) -> Iterator[Event]:
        """Events ``start`` to ``stop`` (inclusive; ``None``: the head), optionally by type."""
        for row in self._store.read(start, self._tree.size if stop is None else stop):
            if types is None or row.type in types:
                yield self._event(row)

    def leaf(self, seq: int) -> str:
        """The leaf hash (hex) of one event: what a signature or a proof refers to.

        Raises:
            LedgerError: no such event.
        """
        for row in self._store.read(seq, seq):
            return row.leaf.hex()
        raise LedgerError(f"event {seq} does not exist")

    def source_text(self, source_id: str) -> str:
        """The canonical text of a source, which spans index.

        Raises:
            LedgerError: unknown or erased.
        """
        source = self._state.sources.get(source_id)
        payload = self.event(source.seq).payload if source else None
        if not isinstance(payload, SourceIngested):
            raise LedgerError(f"source {source_id} is unknown or was erased")
        return payload.text

    def receipt(self, key: str) -> Receipt | None:
        """What the command with this idempotency key did; ``None`` if it never ran."""
        return self._commands.get(self.keyed(f"command:{key}"))

    def keyed(self, text: str) -> str:
        """Keyed digest (24 hex) under the home's secret; see :meth:`Keystore.keyed`."""
        return self._keys.keyed(text)

    def _event(self, row: LogRow) -> Event:
        try:
            header = Header.model_validate_json(row.header)
        except ValidationError as error:
            raise ChainError(f"event {row.seq}: unreadable header") from error
        copies = (row.seq, row.event_id, row.type, row.recorded_at_us, row.subject)
        if copies != (
            header.seq, header.event_id, header.type, header.recorded_at_us, header.subject,
        ):  # fmt: skip
            raise ChainError(
                f"event {row.seq}: its columns do not say what its header says",
                hint="`palimpsest verify` lists what is wrong",
            )
        if header.format > FORMAT or header.type not in PAYLOADS:
            raise SchemaVersionError(
                f"event {row.seq} has type {header.type!r} in format {header.format}, "
                "unknown to this version",
                hint="install the version of palimpsest that wrote it, or a newer one",
            )
        try:
            data = self._open(row, header.subject, header.payload_commit)
        except SealError as error:
            raise SealError(
                f"event {row.seq}: {error}", hint="`palimpsest verify` lists what is wrong"
            ) from error
        if data is None:
            return Event(header, None)
        try:
            return Event(header, PAYLOADS[header.type].model_validate_json(data))
        except ValidationError as error:
            raise ChainError(f"event {row.seq}: payload does not fit its type") from error

    def _open(self, row: LogRow, subject: str, digest: str) -> bytes | None:
        """Canonical payload bytes; ``None`` when key and ciphertext were both destroyed."""
        key = self._keys.subject_key(subject)
        if row.sealed is None and key is None:
            return None
        if row.sealed is None or key is None:
            lost = "key" if key is None else "payload"
            raise SealError(f"its {lost} is gone, but it was never erased")
        leaf = leaf_hash(row.header)
        return unseal(row.sealed, key=key, event_id=row.event_id, leaf=leaf, commit=digest)

    # --- appending ---------------------------------------------------------------------

    def append(self, drafts: Sequence[EventDraft], *, key: str | None = None) -> Receipt:
        """Append all drafts in one durable, signed transaction, or none of them.

        Args:
            drafts: At least one.
            key: Idempotency key of the command. A repeat changes nothing and returns the
                first receipt with ``repeated`` set.

        Raises:
            LedgerError, ReviewError: a draft may not follow the present state.
            StoreError: nothing was written.
        """
        if not drafts:
            raise LedgerError("an append needs at least one event")
        with self._lock:
            if self._read_only:
                raise StoreError("the ledger is open for reading only")
            self._acknowledge()  # what a failed checkpoint left behind
            command = self.keyed(f"command:{key}") if key is not None else None
            if command is not None and command in self._commands:
                return replace(self._commands[command], repeated=True)
            batch = compose(
                drafts,
                command=command,
                now_us=self._clock.now_us(),
                tree=self._tree,
                state=self._state,
                keys=self._keys,
            )
            self._store.append(batch.rows, batch.tiles)  # step 4
            self._committed = batch
            self._acknowledge()
            rows = batch.rows
            return Receipt(rows[0].seq, rows[-1].seq, tuple(row.event_id for row in rows))

    def _acknowledge(self) -> None:
        """Steps 5 and 6 of what is committed; done again first thing when step 5 failed."""
        batch = self._committed
        if batch is None:
            return
        self._checkpoint(batch.tree)  # step 5
        self._tree, self._state = batch.tree, batch.state  # step 6
        for header in batch.headers:
            self._remember(header)
        self._committed = None

    def _remember(self, header: Header) -> None:
        """Keep what an idempotent retry must find."""
        if header.command is None:
            return
        earlier = self._commands.get(header.command)
        first = earlier.first_seq if earlier else header.seq
        ids = (*(earlier.event_ids if earlier else ()), header.event_id)
        self._commands[header.command] = Receipt(first, header.seq, ids)

    def _signed(self, tree: Tree) -> str:
        checkpoint = notes.Checkpoint(origin(self._keys), tree.size, tree.root())
        return notes.sign(checkpoint, self._keys.signing_key)

    def _checkpoint(self, tree: Tree) -> None:
        if self._checkpoints is not None:
            self._checkpoints.append(self._signed(tree))

    # --- proving -----------------------------------------------------------------------

    def verify(
        self, *, payloads: bool = True, progress: Callable[[int], None] | None = None
    ) -> VerificationReport:
        """Check the whole log again, from the bytes, against its signed checkpoints.

        Args:
            payloads: Also open every payload (step 8).
            progress: Told how many events are checked, now and then.
        """
        return verify_log(
            _with_commands(self._store.read(-_EVERYTHING, _EVERYTHING)),
            signed=self.checkpoints(),
            public_key=self.first_key,
            origin=self.origin,
            tiles=self._store.tiles(),
            check_payload=self._check_payload if payloads else None,
            progress=progress,
        )

    @property
    def origin(self) -> str:
        """Name of the log on its checkpoints."""
        return origin(self._keys)

    @property
    def first_key(self) -> bytes:
        """Raw Ed25519 key that the log began with."""
        return self._keys.public_key

    def checkpoints(self) -> list[str]:
        """Signed notes, oldest first; in memory, one that is signed now."""
        if self._checkpoints is None:
            return [self._signed(self._tree)]
        return self._checkpoints.notes()

    def cosigned(self) -> list[str]:
        """Notes that witnesses cosigned, kept beside the checkpoints."""
        if self._home is None:
            return []
        folder = self._home / CHECKPOINTS / "cosigned"
        return [path.read_text("utf-8") for path in sorted(folder.glob("*.note"))]

    def headers(self, stop: int) -> Iterator[tuple[str, bytes]]:
        """Type and canonical header of events 1 to ``stop``."""
        return ((row.type, row.header) for row in self._store.read(1, stop))

    def disclose(self, seq: int) -> Disclosure | None:
        """Text and nonce of one payload, for strangers to check; ``None`` once erased.

        Raises:
            SealError: altered.
        """
        header = self.event(seq).header
        (row,) = self._store.read(seq, seq)
        key = self._keys.subject_key(header.subject)
        if row.sealed is None or key is None:
            return None
        return open_box(
            row.sealed, key=key, event_id=row.event_id, leaf=row.leaf, commit=header.payload_commit
        )

    def _check_payload(self, row: LogRow, header: dict[str, canonical.JsonValue]) -> None:
        self._open(row, str(header.get("subject")), str(header.get("payload_commit")))

    # --- closing -----------------------------------------------------------------------

    def close(self) -> None:
        """Release files and keys; idempotent."""
        with self._lock:
            self._store.close()
            self._keys.close()
            if self._checkpoints is not None:
                self._checkpoints.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def verify_home(
    home: Path, *, payloads: bool = True, progress: Callable[[int], None] | None = None
) -> VerificationReport:
    """Check a home from its bytes, also when it is too damaged to be opened for work.

    Arguments as for :meth:`Ledger.verify`.

    Raises:
        StoreError: a file of the home is missing, locked or unreadable.
    """
    if not (home / DATABASE).is_file():
        raise StoreError(f"no palimpsest home at {home}", hint="--home names it")
    files = open_files(home, read_only=True)
    with Ledger(files.store, files.keys, files.checkpoints, home=home, read_only=True) as ledger:
        return ledger.verify(payloads=payloads, progress=progress)


def _with_commands(rows: Iterator[LogRow]) -> Iterator[LogRow]:
    """Rows of a store without that column, so that the header speaks for it."""
    for row in rows:
        try:
            command = canonical.decode(row.header).get("command")
        except LedgerError:
            command = None
        yield replace(row, command=command) if isinstance(command, str) else row


def _repair(checkpoints: CheckpointLog) -> None:
    try:
        checkpoints.drop_torn_tail()
    except OSError as error:
        raise StoreError(
            f"the checkpoint file ends in half a note and cannot be cut: {error.strerror}",
            hint="check free space and permissions of the home",
        ) from error


__all__ = [
    "BLOBS", "CHECKPOINTS", "DATABASE", "KEYS", "SYSTEM", "Event", "EventDraft", "Head",
    "Ledger", "Receipt", "SystemClock", "new_event_id", "verify_home",
]  # fmt: skip
