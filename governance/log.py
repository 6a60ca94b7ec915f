"""The append path. One process owns it at a time.

One append, numbered as in the code (and in the crash tests):

1. Every draft is checked against the state the earlier drafts lead to.
2. Event secrets and keys for new data subjects are made durable.
3. Payloads are sealed, headers written, leaves hashed, the tree grown.
4. Events, tiles and projections commit in one transaction.
5. A checkpoint over the new root is signed, appended outside the database and synced.
6. The live state moves on and the append is acknowledged.

Appends that arrive while another one is at 4 or 5 wait, and then share one commit and one
checkpoint (group commit). One that breaks a rule fails alone.

Killed before 4: nothing happened. Between 4 and 5: on the next open the tail is checked,
signed, and ``ledger.recovered`` says so. After 5: the append stands. The same command
repeated with its idempotency key returns the first receipt.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from governance import notes
from governance.audit import audit
from governance.batch import Batch, EventDraft, compose, mentions_of
from governance.checked import MENTIONING, CheckedLog
from governance.checkpoint import CheckpointLog
from governance.errors import LedgerError, PalimpsestError, StoreError
from governance.events import PAYLOADS, Actor, KeyRotated, LedgerRecovered, Scope
from governance.keystore import Fingerprint, Keystore
from governance.merkle import Tree
from governance.ports import Clock
from governance.projection import state_of
from governance.state import State
from governance.store import LedgerStore, Mention, joined
from governance.verify import VerificationReport

SYSTEM: Final = Actor(kind="system", id="palimpsest")
GROUP_EVENTS: Final = 4_096
"""Appends share one commit up to so many events."""
RECORD_EVERY: Final = 4_096
"""Events between two records of the store's fingerprint; at most so many are checked one by
one when a home is opened after a crash."""


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


@dataclass
class _Request:
    """One append on its way through a group commit."""

    drafts: Sequence[EventDraft]
    key: str | None
    receipt: Receipt | None = None
    error: PalimpsestError | None = None
    done: bool = False

    def result(self) -> Receipt:
        if self.error is not None:
            raise self.error
        assert self.receipt is not None
        return self.receipt


@dataclass
class _Group:
    """Requests that will share one commit, and what they amount to so far."""

    batch: Batch | None = None
    members: list[_Request] = field(default_factory=list)
    commands: dict[str, Receipt] = field(default_factory=dict)


class OwnedLog(CheckedLog):
    """A log in the hands of the one process that writes it."""

    def __init__(
        self,
        store: LedgerStore,
        keys: Keystore,
        checkpoints: CheckpointLog | None,
        *,
        clock: Clock,
        read_only: bool = False,
    ) -> None:
        """Take over an empty log, or :meth:`open` what is there."""
        super().__init__(store, keys, checkpoints)
        self._clock = clock
        self._read_only = read_only
        self._queue: deque[_Request] = deque()
        self._queueing = threading.Lock()
        self._committing = threading.Lock()
        self._rotating = threading.Lock()
        self._handovers: list[str] = []
        self._committed: Batch | None = None
        self._doubtful: Batch | None = None
        self._closed = False

    def open(self, *, distrust: bool = False) -> None:
        """Check what is there and be ready to append; arguments and errors are :meth:`load`'s.

        Side effects: after a crash, signs the checked tail and appends ``ledger.recovered``.
        """
        if not self._read_only:
            self.store.erase(self.being_erased())  # an erasure that was killed on the way
        tail = self.load(distrust=distrust)
        if self._read_only or self.unknown_types:
            self._read_only = True
            if tail is not None:
                self._tree, self._state = tail.tree, tail.state
            return
        assert self.checkpoints is not None
        _repair(self.checkpoints)
        if tail is not None:
            self._recover(self._tree.size, tail)
        self._finish_rotation()

    def _recover(self, signed_size: int, tail: Batch) -> None:
        """The last append was committed but not acknowledged: sign what was just checked."""
        self._committed = tail
        self._acknowledge()
        recovered = LedgerRecovered(
            reason="stopped between commit and checkpoint",
            from_size=signed_size,
            to_size=tail.tree.size,
        )
        self.append([EventDraft(recovered, SYSTEM)])

    @property
    def read_only(self) -> bool:
        """Whether nothing may be appended."""
        return self._read_only

    def now_us(self) -> int:
        """See :class:`governance.logs.Log`."""
        return self._clock.now_us()

    # --- receipts ----------------------------------------------------------------------

    def receipt(self, key: str) -> Receipt | None:
        """What the command with this idempotency key did; ``None`` if it never ran."""
        return self._receipt(self.keys.keyed(f"command:{key}"))

    def _receipt(self, command: str) -> Receipt | None:
        found = [one for one in self.store.command(command) if one[0] <= self._tree.size]
        if not found:
            return None
        return Receipt(found[0][0], found[-1][0], tuple(event_id for _, event_id in found))

    # --- appending ---------------------------------------------------------------------

    def append(self, drafts: Sequence[EventDraft], *, key: str | None = None) -> Receipt:
        """See :meth:`governance.ledger.Ledger.append`."""
        if not drafts:
            raise LedgerError("an append needs at least one event")
        self.refuse_writing()
        request = _Request(drafts, key)
        self._carry_out([request])
        return request.result()

    def append_each(
        self, appends: Sequence[tuple[Sequence[EventDraft], str | None]]
    ) -> list[Receipt | PalimpsestError]:
        """Several appends that share commits and stand or fall one by one; drafts and key each.

        Returns:
            For each, its receipt or why it was refused.

        Raises:
            SchemaVersionError, StoreError: nothing may be written at all.
        """
        self.refuse_writing()
        requests = [_Request(drafts, key) for drafts, key in appends]
        self._carry_out(requests)
        found = [request.error or request.receipt for request in requests]
        return [one for one in found if one is not None]

    def _carry_out(self, requests: Sequence[_Request]) -> None:
        with self._queueing:
            self._queue.extend(requests)
        for request in requests:
            with self._committing:
                while not request.done:  # unless whoever came first committed it with theirs
                    self._commit_waiting()

    def refuse_writing(self) -> None:
        """Refuse whatever would change the log.

        Raises:
            SchemaVersionError: a newer version wrote it.
            StoreError: it is open for reading only.
        """
        self.refuse_unknown()
        if self._read_only:
            raise StoreError("the ledger is open for reading only")

    def _commit_waiting(self) -> None:
        """Steps 1 to 6 for the requests that wait, oldest first, as one group."""
        taken = self._take()
        try:
            self._acknowledge()  # what a failed checkpoint left behind
            group = _Group()
            for request in taken:
                self._compose(request, group)
            if group.batch is not None:
                self._commit(group.batch)
            for request in group.members:
                request.done = True
        except PalimpsestError as error:
            for request in taken:
                request.error = request.error or error
        finally:
            for request in taken:
                if not request.done and request.error is None:
                    request.error = LedgerError(
                        "the append was interrupted", hint="repeat it with the same key"
                    )
                request.done = True
        self._record(RECORD_EVERY)

    def _take(self) -> list[_Request]:
        with self._queueing:
            taken = [self._queue.popleft()]
            events = len(taken[0].drafts)
            while self._queue and events + len(self._queue[0].drafts) <= GROUP_EVENTS:
                taken.append(self._queue.popleft())
                events += len(taken[-1].drafts)
        return taken

    def _compose(self, request: _Request, group: _Group) -> None:
        """Steps 1 to 3 for one request, on top of the group so far."""
        try:
            command = None
            if request.key is not None:
                command = self.keys.keyed(f"command:{request.key}")
                known = group.commands.get(command) or self._receipt(command)
                if known is not None:
                    request.receipt = replace(known, repeated=True)
                    group.members.append(request)
                    return
            below = group.batch
            batch = compose(
                request.drafts,
                command=command,
                now_us=self._clock.now_us(),
                tree=below.tree if below else self._tree,
                state=below.state if below else self._state,
                keys=self.keys,
            )
        except PalimpsestError as error:
            request.error = error
            return
        ids = tuple(row.event_id for row in batch.rows)
        request.receipt = Receipt(batch.rows[0].seq, batch.rows[-1].seq, ids)
        if command is not None:
            group.commands[command] = request.receipt
        group.batch = below.joined(batch) if below else batch
        group.members.append(request)

    def _commit(self, batch: Batch) -> None:
        self._doubtful = batch  # until it is known whether step 4 happened
        self.store.append(batch.rows, batch.tiles, batch.mentions)  # step 4
        self._doubtful, self._committed = None, batch
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Steps 5 and 6 of what is committed; done again first thing when step 5 failed."""
        self._settle_doubt()
        batch = self._committed
        if batch is None:
            return
        self._checkpoint(batch.tree, batch.state)  # step 5
        self._tree, self._state = batch.tree, batch.state  # step 6
        self._committed = None

    def _settle_doubt(self) -> None:
        """An engine that failed may have committed all the same: look, never assume."""
        batch = self._doubtful
        if batch is None:
            return
        size = self.store.size()
        if size == batch.tree.size and self.store.tree(size).root() == batch.tree.root():
            self._committed = batch
        elif size != self._tree.size:
            raise StoreError(
                f"the ledger file ends at event {size} after a failed append",
                hint="close this process and open the home again: it is checked then",
            )
        self._doubtful = None

    def _signed(self, tree: Tree, state: State) -> str:
        checkpoint = notes.Checkpoint(self.keys.origin, tree.size, tree.root())
        if self.keys.next_key is not None and self._announced(state):
            return notes.sign(checkpoint, self.keys.signing_key, self.keys.next_key)
        return notes.sign(checkpoint, self.keys.signing_key)

    def _announced(self, state: State) -> bool:
        """True once the next key is in the log, and until it is promoted."""
        next_key = self.keys.next_key
        if next_key is None:
            return False
        return state.signing_key == next_key.public_key().public_bytes_raw().hex()

    def _checkpoint(self, tree: Tree, state: State) -> None:
        if self.checkpoints is not None:
            self.checkpoints.append(self._signed(tree, state))
        elif self._announced(state):
            self._handovers.append(self._signed(tree, state))

    def signed_notes(self) -> list[str]:
        """All checkpoints that are kept; in memory those of key changes, and one made now."""
        if self.checkpoints is not None:
            return self.checkpoints.notes()
        return [*self._handovers, self.note()]

    def note(self) -> str:
        """The newest signed checkpoint; one made now for a ledger in memory."""
        if self.checkpoints is not None:
            return self.checkpoints.last()
        return self._signed(self._tree, self._state)

    # --- what a ledger asks for ---------------------------------------------------------

    @property
    def head(self) -> Head:
        """Version and root now."""
        tree = self._tree
        return Head(tree.size, tree.root().hex())

    @property
    def bounds(self) -> Scope | None:
        """Whoever holds the files may read and write everything."""
        return None

    @property
    def principal(self) -> Actor | None:
        """Whoever holds the files may act as anybody."""
        return None

    def verify(
        self, *, payloads: bool, progress: Callable[[int], None] | None = None
    ) -> VerificationReport:
        """See :meth:`governance.ledger.Ledger.verify`."""
        return audit(self, self.signed_notes(), payloads=payloads, progress=progress)

    def first_note(self, seq: int) -> str:
        """See :meth:`governance.ledger.Ledger.first_note`."""
        for note in self.signed_notes():
            if 0 < seq <= notes.parse(note).size:
                return note
        raise LedgerError(f"event {seq} does not exist", hint=f"the head is {self._tree.size}")

    # --- keys --------------------------------------------------------------------------

    def rotate_key(self, actor: Actor, reason: str) -> Receipt:
        """Sign with a new key from now on; the next checkpoint is signed by both.

        Raises:
            StoreError: nothing was changed.

        Side effects: appends ``key.rotated``; destroys the old private key.
        """
        with self._rotating:  # two announced keys at once would leave one without its note
            with self._committing:
                # A rotation whose checkpoint failed comes first: staging another key now would
                # throw away the one that is already announced.
                self._acknowledge()
                self._finish_rotation()
                self.refuse_writing()
                new = self.keys.stage_next_key()
            old = self.keys.public_key
            rotated = KeyRotated(old_key=old.hex(), new_key=new.hex(), reason=reason)
            receipt = self.append([EventDraft(rotated, actor)])
            with self._committing:
                self._finish_rotation()
        return receipt

    def _finish_rotation(self) -> None:
        """Promote the announced key, once the note that both signed is on disk."""
        if self._announced(self._state):
            self.keys.promote_next_key()

    # --- projections -------------------------------------------------------------------

    def rebuild_projections(self) -> int:
        """Drop what can be made from the events, and make it again; returns how much it is.

        Raises:
            ChainError, SealError: an event was altered.
            StoreError: it could not be written; the old projections are still there.
        """
        with self._committing:
            self.refuse_writing()
            self._acknowledge()  # what is committed already has its projections
            events = self.select(1, self._tree.size, types=MENTIONING)
            found = [m for event in events for m in mentions_of(event.header, event.payload)]
            self.store.replace_mentions(found)
            self.recorded = None
            self._state = state_of(self, self._tree.size)
            self._record(1)
            return len(found)

    @contextmanager
    def rewriting(self) -> Iterator[None]:
        """Change what is kept of past events: nothing is appended until all is read anew."""
        with self._committing:
            self.refuse_writing()
            self._acknowledge()
            try:
                yield
            finally:
                self.recorded = None
                self._state = state_of(self, self._tree.size)
            self._record(1)

    def projected(self) -> list[Mention]:
        """All projections as they are stored."""
        return self.store.mentions(1, self._tree.size, types=PAYLOADS)

    def _record(self, every: int) -> None:
        """Keep the store's fingerprint outside of it, once enough was appended."""
        size = self._tree.size
        since = self.recorded.seq if self.recorded is not None else 0
        due = size - since >= every or (every == 1 and self.unrecorded)
        if self._read_only or not due or self._committed or self._doubtful:
            return
        secret, engine = self.keys.fingerprint_secret(), self.store.engine
        start = self.recorded.value if self.recorded is not None else "0"
        # A failure costs only time: the next open then checks a longer tail event by event.
        with suppress(StoreError):
            value = joined(start, self.store.fingerprint(secret, since + 1, size))
            found = Fingerprint(size, engine, value)
            self.keys.record_fingerprint(found)
            self.recorded, self.unrecorded = found, False

    def tidy(self) -> None:
        """Work for quiet moments, so that the next open is quick."""
        with self._committing:
            self._tidy()
            self.store.checkpoint()

    def _tidy(self) -> None:
        self._record(1)
        if self.checkpoints is not None and not self._read_only:
            with suppress(StoreError):  # tried again the next time
                self.checkpoints.thin()

    # --- closing -----------------------------------------------------------------------

    def abandon(self) -> None:
        """Close without writing anything: what was refused stays as it was found."""
        self.store.abandon()
        self._release()

    def close(self) -> None:
        """Release files and keys; idempotent."""
        with self._committing:
            if not self._closed:
                self._tidy()
            self.store.close()
            self._release()

    def _release(self) -> None:
        self._closed = True
        self.keys.close()
        if self.checkpoints is not None:
            self.checkpoints.close()


def _repair(checkpoints: CheckpointLog) -> None:
    try:
        checkpoints.drop_torn_tail()
    except OSError as error:
        raise StoreError(
            f"the checkpoint file ends in half a note and cannot be cut: {error.strerror}",
            hint="check free space and permissions of the home",
        ) from error
