"""The only door: every change of what agents remember is an event appended here.

``Ledger`` is what everybody uses, whoever owns the files. It stands on a :class:`Log`: an
``OwnedLog`` (``log``) in the process that owns the home, a ``RemoteLog`` (``client``) in all
others, which ask the owner. Both give the same answers (``tests/contracts``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from governance.batch import EventDraft, new_event_id
from governance.client import RemoteLog, connected, connected_by_environment
from governance.cosigned import FOLDER as COSIGNED
from governance.errors import LedgerError, StoreBusyError, StoreError
from governance.events import Actor, Event, KeyRotated, PolicyActivated, Scope, SourceIngested
from governance.home import BLOBS, CHECKPOINTS, DATABASE, KEYS, open_files, prepare
from governance.keystore import Keystore
from governance.log import SYSTEM, Head, OwnedLog, Receipt
from governance.logs import Log
from governance.merkle import leaf_hash
from governance.ownership import Ownership, owner_of, withdraw
from governance.ports import Clock
from governance.projection import state_of
from governance.sealing import Opened
from governance.state import State
from governance.store import MemoryStore
from governance.verify import VerificationReport

PATIENCE_S: Final = 5.0
"""How long an open waits for a home that another process holds for a moment."""
EVERYTHING: Final = 2**63 - 1


class SystemClock:
    """The machine's clock, UTC. Order comes from ``seq``, never from this."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1000


class Ledger:
    """Append-only, encrypted, tamper-evident record; a context manager."""

    def __init__(
        self, log: Log, *, home: Path | None = None, ownership: Ownership | None = None
    ) -> None:
        """Use :meth:`open` or :meth:`in_memory`."""
        self._log = log
        self._home = home
        self._ownership = ownership

    # --- opening -----------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        home: Path,
        *,
        create: bool = False,
        read_only: bool = False,
        clock: Clock | None = None,
        doing: str = "a palimpsest command",
        patience_s: float = PATIENCE_S,
        distrust: bool = False,
    ) -> Ledger:
        """Open the ledger of ``home``, or become a client of the service that owns it.

        With ``PALIMPSEST_URL`` and ``PALIMPSEST_TOKEN`` set: become a client of that
        service, as the principal that holds the token; ``home`` need not exist.

        Args:
            home: The folder.
            create: Make a home if there is none.
            read_only: Append nothing; several may read at once.
            clock: Where event times come from, in the owning process.
            doing: What for; told to whoever finds the home taken.
            patience_s: How long to wait, in seconds, for a home that is taken.
            distrust: Look at every event, and make the projections again whatever they say;
                the owner of a home that is served does so by :meth:`rebuild_projections`.

        Raises:
            StoreError: no home there, not ours, half a home, or not writable.
            StoreBusyError: another process owns it and offers no service.
            TokenError: the token is unknown, revoked or expired.
            SchemaVersionError: a newer version wrote it, or another one serves it.
            CheckpointError: the database is behind its last signed checkpoint.
            ChainError: the log was altered; ``palimpsest verify`` names all of it.

        Side effects: after a crash, signs the checked tail and appends
        ``ledger.recovered``.
        """
        remote = connected_by_environment(read_only=read_only)
        if remote is not None:
            return cls(remote, home=home)
        prepare(home, create=create and not read_only)
        owner = _claim_or_connect(home, shared=read_only, doing=doing, patience_s=patience_s)
        if isinstance(owner, RemoteLog):
            return cls(owner, home=home)
        return cls._own(home, owner, read_only=read_only, clock=clock, distrust=distrust)

    @classmethod
    def _own(
        cls,
        home: Path,
        ownership: Ownership,
        *,
        read_only: bool,
        clock: Clock | None,
        distrust: bool,
    ) -> Ledger:
        log: OwnedLog | None = None
        try:
            files = open_files(home, read_only=read_only)
            log = OwnedLog(
                files.store, files.keys, files.checkpoints,
                clock=clock or SystemClock(), read_only=read_only,
            )  # fmt: skip
            log.open(distrust=distrust)
        except BaseException:
            if log is not None:
                log.abandon()
            ownership.release()
            raise
        return cls(log, home=home, ownership=ownership)

    @classmethod
    def in_memory(cls, *, clock: Clock | None = None) -> Ledger:
        """A ledger that leaves no trace: memory store, throw-away keys, no checkpoints."""
        keys = Keystore(None, create=True)
        return cls(OwnedLog(MemoryStore(), keys, None, clock=clock or SystemClock()))

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
    def has_home(self) -> bool:
        """False for a ledger in memory."""
        return self._home is not None

    @property
    def log(self) -> Log:
        """What this ledger stands on."""
        return self._log

    @property
    def head(self) -> Head:
        """Version and root now."""
        return self._log.head

    @property
    def state(self) -> State:
        """The live state. Read it; do not keep it across appends, never change it."""
        return self._log.state

    @property
    def bounds(self) -> Scope | None:
        """All that may be read and written through this ledger; ``None``: everything."""
        return self._log.bounds

    @property
    def principal(self) -> Actor | None:
        """In whose name alone may be written through this ledger; ``None``: in any."""
        return self._log.principal

    def state_at(self, seq: int) -> State:
        """The memory as it was right after event ``seq`` (0: before everything).

        Raises:
            LedgerError: no such version.
        """
        live = self._log.state
        if not 0 <= seq <= live.seq:
            raise LedgerError(
                f"version {seq} does not exist", hint=f"versions run from 0 to {live.seq}"
            )
        return live if seq == live.seq else state_of(self._log, seq)

    def event(self, seq: int) -> Event:
        """One event by number.

        Raises:
            LedgerError: no such event.
        """
        for event in self._log.select(seq, seq):
            return event
        raise LedgerError(f"event {seq} does not exist", hint=f"the head is {self.head.seq}")

    def events(
        self,
        start: int = 1,
        stop: int | None = None,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[Event]:
        """Events ``start`` to ``stop`` (inclusive; ``None``: the head), in order.

        Args:
            start: First number.
            stop: Last number.
            types: Only these types.
            subjects: Only events about these, each ``kind:id``.
        """
        last = EVERYTHING if stop is None else stop
        return self._log.select(start, last, types=types, subjects=subjects)

    def header(self, seq: int) -> bytes:
        """Canonical header bytes of one event: what its leaf commits to.

        Raises:
            LedgerError: no such event.
        """
        return self._log.header(seq)

    def leaf(self, seq: int) -> str:
        """The leaf hash (hex) of one event: what a signature or a proof refers to.

        Raises:
            LedgerError: no such event.
        """
        return leaf_hash(self.header(seq)).hex()

    def source_text(self, source_id: str) -> str:
        """The canonical text of a source, which spans index.

        Raises:
            LedgerError: unknown or erased.
        """
        source = self.state.sources.get(source_id)
        payload = self.event(source.seq).payload if source else None
        if not isinstance(payload, SourceIngested):
            raise LedgerError(f"source {source_id} is unknown or was erased")
        return payload.text

    def receipt(self, key: str) -> Receipt | None:
        """What the command with this idempotency key did; ``None`` if it never ran."""
        return self._log.receipt(key)

    def keyed(self, text: str) -> str:
        """Keyed digest (24 hex) under the home's secret; see :meth:`Keystore.keyed`."""
        return self._log.keyed(text)

    # --- appending ---------------------------------------------------------------------

    def append(self, drafts: Sequence[EventDraft], *, key: str | None = None) -> Receipt:
        """Append all drafts in one durable, signed transaction, or none of them.

        Args:
            drafts: At least one.
            key: Idempotency key of the command. A repeat changes nothing and returns the
                first receipt with ``repeated`` set.

        Raises:
            LedgerError, ReviewError: a draft may not follow the present state.
            NotAuthorisedError: not with this token.
            StoreError: nothing was acknowledged; repeat it with the same key.
        """
        return self._log.append(drafts, key=key)

    def rotate_key(self, actor: Actor, reason: str) -> Receipt:
        """Sign with a new key from now on; the first checkpoint after it is signed by both.

        Raises:
            StoreError: nothing was changed.

        Side effects: appends ``key.rotated``; destroys the old private key.
        """
        return self._log.rotate_key(actor, reason)

    def rebuild_projections(self) -> int:
        """Drop what can be made from the events, and make it again; returns how much it is.

        Raises:
            ChainError, SealError: an event was altered.
            StoreError: it could not be written; the old projections are still there.
        """
        return self._log.rebuild_projections()

    # --- proving -----------------------------------------------------------------------

    @property
    def origin(self) -> str:
        """The log's name on its checkpoints."""
        return self._log.origin

    @property
    def public_key(self) -> bytes:
        """Raw Ed25519 key (32 bytes) that signs checkpoints now."""
        return self._log.public_key

    def tile(self, level: int, index: int) -> bytes:
        """Hashes of one tile of the signed tree, perhaps unfinished (C2SP tlog-tiles)."""
        return self._log.tile(level, index)

    def note(self) -> str:
        """The newest signed checkpoint."""
        return self._log.note()

    def first_note(self, seq: int) -> str:
        """The first signed checkpoint that is kept and covers event ``seq``.

        Raises:
            LedgerError: no such event.
        """
        return self._log.first_note(seq)

    def policies(self) -> Sequence[int]:
        """Numbers of all ``policy.activated`` events."""
        return [event.header.seq for event in self.events(types=[PolicyActivated.event_type])]

    def rotations(self) -> Sequence[int]:
        """Numbers of all ``key.rotated`` events."""
        return [event.header.seq for event in self.events(types=[KeyRotated.event_type])]

    @property
    def first_key(self) -> bytes:
        """Raw Ed25519 key (32 bytes) that the log began with; rotations lead on from it."""
        return self._log.first_key

    def checkpoints(self) -> list[str]:
        """Every signed checkpoint that is kept, oldest first."""
        return self._log.signed_notes()

    def cosigned(self) -> list[str]:
        """Checkpoints that witnesses cosigned, kept beside ours."""
        if self._home is None:
            return []
        folder = self._home / CHECKPOINTS / COSIGNED
        return [path.read_text("utf-8") for path in sorted(folder.glob("*.note"))]

    def headers(self, stop: int) -> Iterator[bytes]:
        """Canonical headers of events 1 to ``stop``."""
        return self._log.headers(1, stop)

    def disclose(self, seq: int) -> Opened | None:
        """Text and nonce of one payload, for strangers to check; ``None`` once erased.

        Raises:
            SealError: it was altered.
            LedgerError: no such event.
        """
        return self._log.disclose(seq)

    def verify(
        self, *, payloads: bool = True, progress: Callable[[int], None] | None = None
    ) -> VerificationReport:
        """Check the whole log again, from the bytes, against its signed checkpoints.

        Args:
            payloads: Also open every payload, and compare the projections with them.
            progress: Told how many events are checked, now and then.
        """
        return self._log.verify(payloads=payloads, progress=progress)

    # --- closing -----------------------------------------------------------------------

    def close(self) -> None:
        """Release files and keys; idempotent."""
        self._log.close()
        if self._ownership is not None:
            self._ownership.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


_POLL_S: Final = 0.02


def verify_home(
    home: Path, *, payloads: bool = True, progress: Callable[[int], None] | None = None
) -> VerificationReport:
    """Check a home from its bytes, also when it is too damaged to be opened for work.

    Raises:
        StoreError: a file of the home is missing, locked or unreadable.
    """
    remote = connected_by_environment(read_only=True)
    if remote is not None:
        with Ledger(remote, home=home) as ledger:
            return ledger.verify(payloads=payloads, progress=progress)
    if not (home / DATABASE).is_file():
        raise StoreError(f"no palimpsest home at {home}", hint="--home names it")
    owner = _claim_or_connect(home, shared=True, doing="palimpsest verify", patience_s=PATIENCE_S)
    if isinstance(owner, RemoteLog):
        with Ledger(owner, home=home) as ledger:
            return ledger.verify(payloads=payloads, progress=progress)
    try:
        files = open_files(home, read_only=True, frugal=True)
        log = OwnedLog(
            files.store, files.keys, files.checkpoints, clock=SystemClock(), read_only=True
        )
        with Ledger(log, home=home) as ledger:
            return ledger.verify(payloads=payloads, progress=progress)
    finally:
        owner.release()


def _withdraw_stale(home: Path, ownership: Ownership) -> None:
    """Remove what an owner that was killed left behind."""
    try:
        withdraw(home)
    except StoreError:
        ownership.release()
        raise


def _claim_or_connect(
    home: Path, *, shared: bool, doing: str, patience_s: float
) -> Ownership | RemoteLog:
    """The lock of the home or, while somebody else holds it, a connection to them.

    The kernel releases the lock of an owner that dies, however it dies, so whoever gets it
    takes over.

    Raises:
        StoreBusyError: it stayed taken, and nobody answers.
        StoreError: what a killed owner left behind cannot be removed.
    """
    until = time.monotonic() + patience_s
    while True:
        ownership = Ownership.claim(home, shared=shared, doing=doing)
        if ownership is not None:
            if not shared:
                _withdraw_stale(home, ownership)
            return ownership
        remote = connected(home, read_only=shared)
        if remote is not None:
            return remote
        if time.monotonic() >= until:
            raise StoreBusyError(
                f"{owner_of(home)} has {home} open",
                hint="wait for it, or start `palimpsest serve` first: then any number of "
                "commands work side by side",
            )
        time.sleep(_POLL_S)


__all__ = [
    "BLOBS", "CHECKPOINTS", "DATABASE", "KEYS", "SYSTEM", "Event", "EventDraft", "Head",
    "Ledger", "Log", "OwnedLog", "Receipt", "SystemClock", "new_event_id", "verify_home",
]  # fmt: skip
