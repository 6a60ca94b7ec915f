"""Reading a log so that nothing is believed that was not signed.

Opening checks the root of the unfinished tiles against the last checkpoint, the columns that
are read without their header against a fingerprint kept outside the database, and the tail
after that event by event; so it costs about the same however long the log is. Every event is
checked against the signed tree when it is read (``tiles``).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final

from pydantic import ValidationError

from governance import canonical, notes
from governance.batch import Batch, mentions_of
from governance.checkpoint import CheckpointLog
from governance.errors import (
    ChainError,
    CheckpointError,
    LedgerError,
    PalimpsestError,
    SchemaVersionError,
    SealError,
)
from governance.events import FORMAT, PAYLOADS, Event, Header, Payload
from governance.keystore import Fingerprint, Keystore
from governance.merkle import LogRow, Tree, leaf_hash
from governance.projection import state_of
from governance.records import Destroyed
from governance.sealing import EVENT_BOX, HOLDER_BYTES, Opened, unseal
from governance.state import State
from governance.store import LastSteps, LedgerStore, Mention, joined
from governance.tiles import SignedTiles

LOWEST: Final = -(2**63) + 1
HIGHEST: Final = 2**63 - 1
_VERIFY: Final = "`palimpsest verify` lists what is wrong"
_KEY_GONE: Final = "its key is gone, but it was never erased"
COPIES: Final = ("seq", "event_id", "type", "recorded_at_us", "subject", "command")
"""Columns that repeat what the header says."""
_NONE: Final[frozenset[int]] = frozenset()
MENTIONING: Final = frozenset(
    name for name, model in PAYLOADS.items() if model.mentions is not Payload.mentions
)
"""Events of which the store keeps a projection."""


class CheckedLog:
    """A store, its keys and its checkpoints, for reading."""

    def __init__(
        self, store: LedgerStore, keys: Keystore, checkpoints: CheckpointLog | None
    ) -> None:
        """Take over an empty log, or :meth:`load` what is there."""
        self.store = store
        self.keys = keys
        self.checkpoints = checkpoints
        self.recorded: Fingerprint | None = None
        self.unrecorded = False
        """It was found by looking at every event: worth keeping, even if nothing follows."""
        self.unknown_types: frozenset[str] = frozenset()
        """Types of events that only a newer version understands: reading is safe, no more."""
        self.replaced: list[Mention] = []
        """Projections found when they were made again on opening."""
        self._tiles = SignedTiles(store.tile)
        self._tree = Tree()
        self._state = State()

    # --- opening -----------------------------------------------------------------------

    def load(self, *, distrust: bool = False) -> Batch | None:
        """Check what the store holds against what was signed, and take it up.

        Args:
            distrust: Look at every event, and make the projections again whatever they say.

        Returns:
            Events that were committed and not acknowledged, checked and not taken up.

        Raises:
            CheckpointError: the database is behind its last signed checkpoint.
            ChainError: the log was altered; ``palimpsest verify`` names all of it.

        Side effects: makes missing projections.
        """
        assert self.checkpoints is not None
        signed = notes.verify(
            self.checkpoints.last(), self.keys.public_key, origin=self.keys.origin
        )
        size = self.store.size()
        if size < signed.size:
            raise CheckpointError(
                f"the database ends at event {size}, behind the checkpoint signed at {signed.size}",
                hint="an old copy or a cut file: restore the newest ledger.duckdb; "
                "nothing is written to this one",
            )
        self._tree = self.store.tree(signed.size)
        if self._tree.size != signed.size or self._tree.root() != signed.root:
            raise ChainError(
                f"the log up to event {signed.size} is not the one that was signed",
                hint="`palimpsest verify` names the first bad event",
            )
        self.unknown_types = self.store.types() - PAYLOADS.keys()
        if distrust:
            self.replaced = self.store.mentions(LOWEST, HIGHEST, types=PAYLOADS)
        complete = self.store.mentions_complete() and not distrust
        self.recorded = self._check_columns(signed.size, complete=complete)
        self._state = state_of(self, signed.size)
        tail = self._tail(signed.size, size)
        self._check_signing_key(tail.state if tail else self._state)
        return tail

    def _check_signing_key(self, state: State) -> None:
        """A note that two keys signed is also accepted by the one that was replaced."""
        held = {self.keys.public_key.hex()}
        if self.keys.next_key is not None:
            held.add(self.keys.next_key.public_key().public_bytes_raw().hex())
        if state.signing_key is not None and state.signing_key not in held:
            raise CheckpointError(
                "the log announced a signing key that the keystore does not hold",
                hint="the keystore is older than the log: put the newest keys.sqlite back",
            )

    def _check_columns(self, size: int, *, complete: bool) -> Fingerprint:
        """Make sure that what is read without its header is what the headers say.

        What was recorded outside the database is compared as a whole, the rest one by one.
        Projections that are not ``complete`` are made again.
        """
        secret, engine = self.keys.fingerprint_secret(), self.store.engine
        known = self.keys.fingerprint()
        start, value = 0, "0"
        if complete and known is not None and known.engine == engine and known.seq <= size:
            start, value = known.seq, self.store.fingerprint(secret, LOWEST, known.seq)
            if value != known.value:
                raise ChainError(
                    "a column or projection of the database, or the keystore, was changed "
                    "from outside",
                    hint="`palimpsest verify` names the first bad event",
                )
        first = start + 1 if start else LOWEST
        found, last = [], start
        for row in self._tiles.checked(self._tree, self.store.read(first, size)):
            if row.seq != last + 1:
                raise _missing(last + 1)
            found += self._mentions_of_row(row)
            last = row.seq
        if last != size:
            raise _missing(last + 1)
        if not complete:
            self.store.replace_mentions([*found, *self._mentions_to_come(size)])
        elif found != self.stored_mentions(first, size, PAYLOADS):
            raise _projection_differs()
        later = self.store.fingerprint(secret, first, size)
        self.unrecorded = start < size
        return Fingerprint(size, engine, joined(value, later))

    def _mentions_to_come(self, signed_size: int) -> Iterator[Mention]:
        """Those of events that no checkpoint covers yet; :meth:`_tail` checks them all."""
        for row in self.store.read(signed_size + 1, HIGHEST):
            if row.type in MENTIONING:
                event = self.decode(row)
                yield from mentions_of(event.header, event.payload)

    def _mentions_of_row(self, row: LogRow) -> list[Mention]:
        """Mentions of one row, whose copies are compared with its header on the way.

        A payload whose key is gone shows that an older keystore was put back: events that
        were sealed since must not get other keys under the same numbers.
        """
        if row.sealed is not None and not (self._has_key(row) or row.seq in self.being_erased()):
            raise SealError(
                f"event {row.seq}: {_KEY_GONE}",
                hint="the keystore is older than the log: put the newest keys.sqlite back",
            )
        if row.type in MENTIONING:
            event = self.decode(row)
            return mentions_of(event.header, event.payload)
        try:
            header = canonical.decode(row.header)
        except PalimpsestError as error:
            raise ChainError(f"event {row.seq}: unreadable header") from error
        if any(header.get(name) != getattr(row, name) for name in COPIES):
            raise _columns_differ(row)
        return []

    def _has_key(self, row: LogRow) -> bool:
        """False when no key opens the payload, whatever is in it."""
        assert row.sealed is not None
        if row.sealed[:1] == bytes([EVENT_BOX]):
            holder = row.sealed[1 : 1 + HOLDER_BYTES]
            return self.keys.event_key(row.seq, holder, row.event_id) is not None
        return self.keys.subject_key(row.subject) is not None

    def _tail(self, signed_size: int, size: int) -> Batch | None:
        """Events that were committed and not acknowledged, checked one by one."""
        expected: list[Mention] = []
        if size == signed_size:
            self._compare_mentions(signed_size, expected)
            return None
        tail = Batch(self._tree.copy(), self._state.fork())
        for row in self.store.read(signed_size + 1, size):
            if row.leaf != leaf_hash(row.header) or row.seq != tail.state.seq + 1:
                raise ChainError(
                    f"event {row.seq} was altered or moved",
                    hint=_VERIFY,
                )
            event = self.decode(row)
            if event.payload is None:
                # Only the payload proves that this ledger wrote it; it is about to be signed.
                raise ChainError(
                    f"event {row.seq} comes after the last checkpoint and has no payload",
                    hint="it was not written by this ledger; restore ledger.duckdb from a backup",
                )
            tail.tree.append(row.leaf)
            tail.state.apply(event.header, event.payload)
            tail.rows.append(row)
            expected += mentions_of(event.header, event.payload)
        self._compare_mentions(signed_size, expected)
        if self.store.tree(size).root() != tail.tree.root():
            raise ChainError("stored tiles disagree with the events", hint="`palimpsest verify`")
        return tail

    def _compare_mentions(self, signed_size: int, expected: list[Mention]) -> None:
        """Nothing may wait there for events that are yet to come."""
        if expected != self.stored_mentions(signed_size + 1, HIGHEST, PAYLOADS):
            raise _projection_differs()

    # --- reading -----------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The live state; never changed, only replaced.

        Raises:
            SchemaVersionError: a newer version wrote events that may have changed it.
        """
        self.refuse_unknown()
        return self._state

    def refuse_unknown(self) -> None:
        """Refuse whatever would have to understand events of a newer version.

        Raises:
            SchemaVersionError: there are some.
        """
        if self.unknown_types:
            raise SchemaVersionError(
                f"this ledger holds events that this version does not know: "
                f"{', '.join(sorted(self.unknown_types))}",
                hint="log, verify and proof work; for the rest install the version of "
                "palimpsest that wrote them, or a newer one",
            )

    @property
    def origin(self) -> str:
        """The log's name on its checkpoints."""
        return self.keys.origin

    @property
    def public_key(self) -> bytes:
        """Raw Ed25519 key (32 bytes) that signs checkpoints now."""
        return self.keys.public_key

    @property
    def first_key(self) -> bytes:
        """Raw Ed25519 key (32 bytes) that the log began with."""
        return self.keys.first_public_key

    def keyed(self, text: str) -> str:
        """See :meth:`governance.keystore.Keystore.keyed`."""
        return self.keys.keyed(text)

    def header(self, seq: int) -> bytes:
        """Canonical header bytes of one event, checked against the signed tree.

        Raises:
            LedgerError: no such event.
        """
        return self._row(seq).header

    def headers(self, start: int, stop: int) -> Iterator[bytes]:
        """Canonical header bytes of the events in the range, checked."""
        return (row.header for row in self.rows(start, stop))

    def disclose(self, seq: int) -> Opened | None:
        """Text and nonce of one payload; ``None`` once it was erased.

        Raises:
            SealError: it was altered.
            LedgerError: no such event.
        """
        row = self._row(seq)
        header = canonical.decode(row.header)
        return self.open_box(row, str(header["subject"]), str(header["payload_commit"]))

    def _row(self, seq: int) -> LogRow:
        for row in self.rows(seq, seq):
            return row
        raise LedgerError(f"event {seq} does not exist", hint=f"the head is {self._tree.size}")

    def rows(
        self,
        start: int,
        stop: int,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[LogRow]:
        """Rows of these types and subjects in the range, each checked against the signed tree.

        Raises:
            ChainError: one was altered.
        """
        tree = self._tree
        low, high = max(start, 1), min(stop, tree.size)
        return self._tiles.checked(tree, self.store.read(low, high, types=types, subjects=subjects))

    def tile(self, level: int, index: int) -> bytes:
        """Hashes of one tile of the signed tree, perhaps unfinished."""
        return self._tiles.tile(self._tree, level, index)

    def select(
        self,
        start: int,
        stop: int,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[Event]:
        """See :class:`governance.projection.Journal`.

        Raises:
            ChainError, SealError: an event was altered.
            SchemaVersionError: one has a header of a newer format.
        """
        rows = self.rows(start, stop, types=types, subjects=subjects)
        return (self.decode(row) for row in rows)

    def last_steps(self, kind: str, start: int, stop: int, *, types: Collection[str]) -> LastSteps:
        """See :class:`governance.projection.Journal`."""
        return self.store.last_steps(kind, max(start, 1), stop, types=types)

    def mentions(
        self, start: int, stop: int, *, types: Collection[str], subject: str | None = None
    ) -> Sequence[Mention]:
        """See :class:`governance.projection.Journal`."""
        return self.stored_mentions(start, stop, types, subject)

    def stored_mentions(
        self, start: int, stop: int, types: Collection[str], subject: str | None = None
    ) -> list[Mention]:
        """Mentions as they are stored, but for those whose payloads are being erased."""
        found = self.store.mentions(start, stop, types=types, subject=subject)
        gone = self.being_erased()
        return [one for one in found if one.seq not in gone] if gone else found

    def being_erased(self) -> frozenset[int]:
        """Events whose keys are destroyed while their ciphertext may still be in the file."""
        record = self.keys.erasing
        return frozenset(Destroyed.model_validate_json(record).events) if record else _NONE

    def decode(self, row: LogRow) -> Event:
        """The event in a row; without its payload if a newer version wrote it.

        Raises:
            ChainError: header or payload are not readable, or the copies differ.
            SealError: the payload does not open.
            SchemaVersionError: its header is of a newer format.
        """
        try:
            header = Header.model_validate_json(row.header)
        except ValidationError as error:
            _refuse_newer_format(row)
            raise ChainError(f"event {row.seq}: unreadable header") from error
        if any(getattr(header, name) != getattr(row, name) for name in COPIES):
            raise _columns_differ(row)
        try:
            opened = self.open_box(row, header.subject, header.payload_commit)
        except SealError as error:
            raise SealError(f"event {row.seq}: {error}", hint=_VERIFY) from error
        if opened is None or header.type not in PAYLOADS:
            return Event(header, None)
        try:
            return Event(header, PAYLOADS[header.type].model_validate_json(opened.payload))
        except ValidationError as error:
            raise ChainError(f"event {row.seq}: payload does not fit its type") from error

    def open_box(self, row: LogRow, subject: str, digest: str) -> Opened | None:
        """Payload and nonce of a row; ``None`` when key and ciphertext were both destroyed.

        Raises:
            SealError: one of the two is left, or the box was altered.
        """
        if row.sealed is None:
            if self.keys.destroyed(row.seq, subject):
                return None
            raise SealError("its payload is gone, but it was never erased")
        opened = unseal(
            row.sealed, keys=self.keys, seq=row.seq, subject=subject, event_id=row.event_id,
            leaf=leaf_hash(row.header), commit=digest,
        )  # fmt: skip
        if opened is None and row.seq not in self.being_erased():
            raise SealError(_KEY_GONE)
        return opened


def _refuse_newer_format(row: LogRow) -> None:
    try:
        found = canonical.decode(row.header).get("format")
    except PalimpsestError:
        return
    if isinstance(found, int) and found > FORMAT:
        raise SchemaVersionError(
            f"event {row.seq} has format {found}; this version reads up to {FORMAT}",
            hint="install the version of palimpsest that wrote it, or a newer one",
        )


def _missing(seq: int) -> ChainError:
    return ChainError(f"event {seq} is missing or out of order", hint=_VERIFY)


def _projection_differs() -> ChainError:
    return ChainError(
        "a projection does not say what its events say",
        hint="`palimpsest verify` names the first bad event",
    )


def _columns_differ(row: LogRow) -> ChainError:
    return ChainError(
        f"event {row.seq}: its columns do not say what its header says",
        hint=_VERIFY,
    )
