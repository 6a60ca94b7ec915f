"""The keystore that makes forgetting possible: one SQLite file with ``secure_delete``.

It holds the signing key (and the next one, while a rotation is under way), a secret for
keyed ids, one key for each data subject, and one secret for each event. Event secrets are
made ahead, in blocks of :data:`BLOCK`, so that an append waits for SQLite once in a while
and not every time. A destroyed secret is zeroed.

Keys never live in DuckDB, which keeps deleted rows.
"""

from __future__ import annotations

import hmac
import os
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance.errors import SchemaVersionError, SealError, StoreError
from governance.sealing import HOLDER_BYTES, KEY_BYTES, derive

KEYSTORE_FORMAT: Final = 2
BLOCK: Final = 256
"""Event secrets in one row."""
AHEAD: Final = 4
"""Blocks made at a time, beyond the one that is needed."""
_CACHED_BLOCKS: Final = 4_096
"""8 KiB each: the secrets of a million events."""
_UNOPENED: Final = (
    "check permissions and free space of the home; if keys.sqlite is damaged, restore it"
    " from a backup"
)
_DESTROYED: Final = bytes(KEY_BYTES)
_IV_BYTES: Final = 12
_FORGET_HOLDER: Final = (
    "DELETE FROM holder_key WHERE holder = ?", "DELETE FROM subject_key WHERE holder = ?",
)  # fmt: skip

_TABLES: Final = {
    1: """
        CREATE TABLE secret (name TEXT PRIMARY KEY, value BLOB NOT NULL);
        CREATE TABLE holder_key (holder TEXT PRIMARY KEY, key BLOB NOT NULL);
        CREATE TABLE subject_key (
            subject TEXT PRIMARY KEY, holder TEXT NOT NULL, wrapped BLOB NOT NULL
        );
    """,
    2: """
        CREATE TABLE event_secrets (block INTEGER PRIMARY KEY, secrets BLOB NOT NULL);
        CREATE TABLE retired_key (number INTEGER PRIMARY KEY, public BLOB NOT NULL UNIQUE);
    """,
}
"""What each format added."""


@dataclass(frozen=True)
class Fingerprint:
    """What a store's unhashed columns up to event ``seq`` amounted to (``LedgerStore``)."""

    seq: int
    engine: str
    value: str


class Keystore:
    """Signing keys, lookup secret and payload keys of one home, in ``keys.sqlite``."""

    def __init__(self, path: Path | None, *, create: bool = False, read_only: bool = False) -> None:
        """Open ``path`` (``None``: in memory, for tests and throw-away ledgers).

        Raises:
            StoreError: missing, unreadable, or not a keystore.
            SchemaVersionError: written by a newer version.

        Side effects: a keystore of an earlier format is brought up to this one, unless it
        is opened for reading only.
        """
        if path is not None and not create and not path.is_file():
            raise StoreError(
                f"{path.name} is missing from the home",
                hint="restore it: without the keys nothing in the ledger can be read",
            )
        self._subject_keys: dict[str, bytes] = {}
        self._holder_keys: dict[bytes, bytes | None] = {}
        self._holders: dict[str, bytes] = {}
        self._blocks: dict[int, bytes] = {}
        self.erasing = ""
        """What :meth:`destroy` kept, until :meth:`erased`; empty when nothing is under way."""
        self._format = KEYSTORE_FORMAT
        target = ":memory:"
        if path is not None:
            mode = "ro" if read_only else "rwc" if create else "rw"
            target = f"{path.absolute().as_uri()}?mode={mode}"
        try:
            self._database = sqlite3.connect(
                target, uri=path is not None, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise StoreError(f"keystore cannot be opened: {error}", hint=_UNOPENED) from error
        try:
            self._database.execute("PRAGMA secure_delete=ON")
            self._database.execute("PRAGMA synchronous=FULL")
            if create:
                self._create(path)
            if not read_only:
                # Where it may not write, SQLite reads, and would say so only at the first append.
                self._database.execute("UPDATE secret SET value = value WHERE FALSE")
            if path is not None:
                self._verify_length(path)
            self._load(upgrade=not read_only)
        except StoreError:
            self.close()
            raise
        except (sqlite3.Error, ValueError) as error:
            self.close()
            raise StoreError(f"keystore cannot be opened: {error}", hint=_UNOPENED) from error

    def _verify_length(self, path: Path) -> None:
        """SQLite notices a cut file only when it reads what is gone; a key may be there."""
        (pages,) = self._database.execute("PRAGMA page_count").fetchone()
        (page_bytes,) = self._database.execute("PRAGMA page_size").fetchone()
        if path.stat().st_size < pages * page_bytes:
            raise StoreError(f"{path.name} is cut short", hint="restore it from a backup")

    def _create(self, path: Path | None) -> None:
        if path is not None:
            path.chmod(0o600)
        secrets = {
            "format": str(KEYSTORE_FORMAT).encode(),
            "home_id": os.urandom(8).hex().encode(),
            "signing": Ed25519PrivateKey.generate().private_bytes_raw(),
            "lookup": os.urandom(KEY_BYTES),
        }
        secrets["check"] = _check_of(secrets)
        cursor = self._database.cursor()
        cursor.executescript("BEGIN;" + "".join(_TABLES.values()))
        cursor.executemany("INSERT INTO secret VALUES (?, ?)", secrets.items())
        cursor.execute("COMMIT")
        cursor.close()

    def _load(self, *, upgrade: bool) -> None:
        rows: dict[str, bytes] = dict(self._database.execute("SELECT name, value FROM secret"))
        if not {"format", "home_id", "signing", "lookup"} <= rows.keys():
            raise StoreError("keystore is incomplete", hint="restore keys.sqlite from a backup")
        self._format = int(rows["format"])
        if self._format > KEYSTORE_FORMAT:
            raise SchemaVersionError(
                f"keystore format {self._format} is newer than {KEYSTORE_FORMAT}",
                hint="install the version of palimpsest that wrote this home, or a newer one",
            )
        if rows.get("check", _check_of(rows)) != _check_of(rows):
            # Everything else that is altered fails to sign, to open or to match; a lookup secret
            # would only forget which commands were done.
            raise StoreError(
                "keystore cannot be opened: its lookup secret was altered",
                hint="restore keys.sqlite from a backup",
            )
        if self._format < KEYSTORE_FORMAT and upgrade:
            self._upgrade(_check_of(rows))
        self.home_id = rows["home_id"].decode()
        self.signing_key = Ed25519PrivateKey.from_private_bytes(rows["signing"])
        self.next_key = (
            Ed25519PrivateKey.from_private_bytes(rows["signing_next"])
            if "signing_next" in rows
            else None
        )
        self._lookup = rows["lookup"]
        self._first_slot = int(rows.get("first_slot", b"0"))
        self.erasing = rows.get("erasing", b"").decode()
        self._unsealed = frozenset(map(int, rows.get("unsealed", b"").split()))
        self._blocks_end = 0
        self._retired: tuple[bytes, ...] = ()
        if self._format == KEYSTORE_FORMAT:
            self._retired = tuple(
                row[0]
                for row in self._database.execute("SELECT public FROM retired_key ORDER BY number")
            )
            [(last,)] = self._database.execute("SELECT max(block) FROM event_secrets")
            self._blocks_end = 0 if last is None else int(last) + 1

    def _upgrade(self, check: bytes) -> None:
        cursor = self._database.cursor()
        cursor.executescript(
            "BEGIN IMMEDIATE;"
            + "".join(_TABLES[number] for number in range(self._format + 1, KEYSTORE_FORMAT + 1))
        )
        cursor.execute(
            "UPDATE secret SET value = ? WHERE name = 'format'", (str(KEYSTORE_FORMAT).encode(),)
        )
        cursor.execute("INSERT OR REPLACE INTO secret VALUES ('check', ?)", (check,))
        cursor.execute("COMMIT")
        cursor.close()
        self._format = KEYSTORE_FORMAT

    @property
    def origin(self) -> str:
        """The log's name on its checkpoints."""
        return f"palimpsest/{self.home_id}"

    # --- signing -----------------------------------------------------------------------

    @property
    def public_key(self) -> bytes:
        """Raw Ed25519 public key (32 bytes) that signs checkpoints now."""
        return self.signing_key.public_key().public_bytes_raw()

    @property
    def first_public_key(self) -> bytes:
        """The key the log started with: from it the chain of keys can be followed."""
        return self._retired[0] if self._retired else self.public_key

    def stage_next_key(self) -> bytes:
        """Make the key that a rotation will announce; returns its public half (32 bytes).

        Raises:
            StoreError: it could not be made durable.
        """
        key = Ed25519PrivateKey.generate()
        self._write(
            [("INSERT OR REPLACE INTO secret VALUES ('signing_next', ?)",
              (key.private_bytes_raw(),))]
        )  # fmt: skip
        self.next_key = key
        return key.public_key().public_bytes_raw()

    def promote_next_key(self) -> None:
        """Sign with the announced key from now on; the old private half is destroyed.

        Raises:
            StoreError: it could not be made durable.
        """
        assert self.next_key is not None
        old = self.public_key
        self._write([
            ("INSERT INTO retired_key (public) VALUES (?)", (old,)),
            ("UPDATE secret SET value = ? WHERE name = 'signing'",
             (self.next_key.private_bytes_raw(),)),
            ("DELETE FROM secret WHERE name = 'signing_next'", ()),
        ])  # fmt: skip
        self._retired = (*self._retired, old)
        self.signing_key, self.next_key = self.next_key, None

    # --- keyed ids ---------------------------------------------------------------------

    def keyed(self, text: str) -> str:
        """HMAC-SHA256 of ``text`` under the home's secret, 24 hex characters.

        For ids and tombstones: the same text gives the same id in this home, and nobody
        without the keystore can test a guess.
        """
        return hmac.digest(self._lookup, text.encode(), "sha256").hex()[:24]

    def holder(self, data_subject: str) -> bytes:
        """Pseudonym of a data subject, as it stands in boxes (12 bytes)."""
        found = self._holders.get(data_subject)
        if found is None:
            found = bytes.fromhex(self.keyed(f"holder:{data_subject}"))[:HOLDER_BYTES]
            self._holders[data_subject] = found
        return found

    # --- what the database may not change by itself ---------------------------------

    def fingerprint_secret(self) -> str:
        """Key of the store's fingerprints; leaves this file only into the database engine."""
        return self.keyed("fingerprint") + self.keyed("fingerprint, second half")

    def fingerprint(self) -> Fingerprint | None:
        """What the store amounted to when it was last recorded.

        Raises:
            StoreError: the keystore cannot be read.
        """
        row = self._fetch("SELECT value FROM secret WHERE name = 'fingerprint'", ())
        if row is None:
            return None
        try:
            seq, engine, value = row[0].decode().split("|")
            return Fingerprint(int(seq), engine, value)
        except ValueError as error:
            raise StoreError(
                "the fingerprint in the keystore was altered", hint="restore it from a backup"
            ) from error

    def record_fingerprint(self, found: Fingerprint) -> None:
        """Keep ``found`` instead of what was recorded before.

        Raises:
            StoreError: it could not be made durable.
        """
        text = f"{found.seq}|{found.engine}|{found.value}"
        self._write([("INSERT OR REPLACE INTO secret VALUES ('fingerprint', ?)", (text.encode(),))])

    # --- payload keys ------------------------------------------------------------------

    def event_key(self, seq: int, holder: bytes, event_id: str) -> bytes | None:
        """The key of one event; ``None`` once its secret or its holder's key is gone.

        Raises:
            StoreError: the keystore cannot be read.
        """
        secret = self._secret(seq)
        holder_key = self._holder_key(holder)
        if secret is None or holder_key is None:
            return None
        return derive(secret, holder_key, event_id)

    def destroyed(self, seq: int, subject: str) -> bool:
        """True when no key is left that could ever have opened this event's payload."""
        if self._secret(seq) is not None:
            return False
        return seq in self._unsealed or self.subject_key(subject) is None

    def _secret(self, seq: int) -> bytes | None:
        if not 0 < self._first_slot <= seq:
            return None
        number, place = divmod(seq, BLOCK)
        block = self._blocks.get(number)
        if block is None:
            row = self._fetch("SELECT secrets FROM event_secrets WHERE block = ?", (number,))
            if row is None:
                return None
            if len(self._blocks) >= _CACHED_BLOCKS:
                self._blocks.pop(next(iter(self._blocks)), None)
            block = self._blocks[number] = row[0]
        secret = block[place * KEY_BYTES : (place + 1) * KEY_BYTES]
        return None if secret == _DESTROYED or len(secret) != KEY_BYTES else secret

    def _holder_key(self, holder: bytes) -> bytes | None:
        if holder not in self._holder_keys:
            row = self._fetch("SELECT key FROM holder_key WHERE holder = ?", (holder.hex(),))
            self._holder_keys[holder] = None if row is None else row[0]
        return self._holder_keys[holder]

    def subject_key(self, subject: str) -> bytes | None:
        """Format 1: the subject's key, unwrapped; ``None`` once destroyed or never made.

        Raises:
            SealError: the stored key was altered.
            StoreError: the keystore cannot be read.
        """
        if subject not in self._subject_keys:
            row = self._fetch(
                "SELECT s.wrapped, h.key FROM subject_key s JOIN holder_key h USING (holder)"
                " WHERE s.subject = ?",
                (subject,),
            )
            if row is None:
                return None
            self._subject_keys[subject] = _unwrap(row[0], AESGCM(row[1]), subject)
        return self._subject_keys[subject]

    def prepare(self, first_seq: int, last_seq: int, data_subjects: Collection[str]) -> None:
        """Make what sealing events ``first_seq`` to ``last_seq`` needs, durably.

        Called before the events are committed: a secret nobody used harms nobody, a payload
        whose key was lost in a crash would.

        Raises:
            StoreError: nothing was written.
        """
        statements: list[tuple[str, tuple[object, ...]]] = []
        if self._first_slot == 0:
            statements.append(
                ("INSERT OR REPLACE INTO secret VALUES ('first_slot', ?)", (str(first_seq),))
            )
        start = max(self._blocks_end, first_seq // BLOCK)
        stop = last_seq // BLOCK + 1
        if stop > self._blocks_end:
            stop += AHEAD
            statements += [
                ("INSERT INTO event_secrets VALUES (?, ?)", (number, os.urandom(BLOCK * KEY_BYTES)))
                for number in range(start, stop)
            ]
        made = {
            holder: os.urandom(KEY_BYTES)
            for holder in map(self.holder, data_subjects)
            if self._holder_key(holder) is None
        }
        statements += [
            ("INSERT INTO holder_key VALUES (?, ?)", (holder.hex(), key))
            for holder, key in made.items()
        ]
        if not statements:
            return
        self._write(statements)
        self._first_slot = self._first_slot or first_seq
        self._blocks_end = max(self._blocks_end, stop)
        self._holder_keys.update(made)

    # --- forgetting --------------------------------------------------------------------

    def knows(self, data_subject: str) -> bool:
        """Whether there is a key for this person already."""
        return self._holder_key(self.holder(data_subject)) is not None

    def subjects_of(self, holder: bytes) -> frozenset[str]:
        """Format 1: subjects whose keys are this person's."""
        query = "SELECT subject FROM subject_key WHERE holder = ?"
        return frozenset(str(row[0]) for row in self._database.execute(query, (holder.hex(),)))

    def secrets(self, seqs: Iterable[int]) -> list[bytes]:
        """The secrets of these events that are still there, to look for them afterwards."""
        return [secret for secret in map(self._secret, seqs) if secret is not None]

    def destroy(
        self, seqs: Collection[int], *, subjects: Collection[str], holders: Collection[bytes],
        record: str,
    ) -> None:  # fmt: skip
        """Make events unreadable for good, in one durable step.

        Args:
            seqs: Events whose secrets are zeroed.
            subjects: Format 1: subjects whose keys open nothing else.
            holders: People about whom nothing else is kept.
            record: What was destroyed, for whoever goes on after a kill.

        Raises:
            StoreError: nothing was destroyed.
        """
        blocks: dict[int, bytearray] = {}
        for seq in seqs:
            if self._secret(seq) is not None:
                number, place = divmod(seq, BLOCK)
                block = blocks.setdefault(number, bytearray(self._blocks[number]))
                block[place * KEY_BYTES : (place + 1) * KEY_BYTES] = _DESTROYED
        unsealed = self._unsealed | {seq for seq in seqs if not 0 < self._first_slot <= seq}
        kept = {"unsealed": " ".join(map(str, sorted(unsealed))), "erasing": record}
        self._write([
            *(("UPDATE event_secrets SET secrets = ? WHERE block = ?", (bytes(block), number))
              for number, block in blocks.items()),
            *(("DELETE FROM subject_key WHERE subject = ?", (one,)) for one in subjects),
            *((statement, (one.hex(),)) for one in holders for statement in _FORGET_HOLDER),
            *(("INSERT OR REPLACE INTO secret VALUES (?, ?)", (name, text.encode()))
              for name, text in kept.items()),
            ("DELETE FROM secret WHERE name = 'fingerprint'", ()),  # it is about to change
        ])  # fmt: skip
        self._unsealed, self.erasing = unsealed, record
        self._blocks.update((number, bytes(block)) for number, block in blocks.items())
        self._subject_keys, self._holder_keys = {}, {}

    def erased(self) -> None:
        """What :meth:`destroy` began is done."""
        self._write([("DELETE FROM secret WHERE name = 'erasing'", ())])
        self.erasing = ""

    # --- the file ----------------------------------------------------------------------

    def _fetch(self, sql: str, values: tuple[object, ...]) -> tuple[bytes, ...] | None:
        try:
            row: tuple[bytes, ...] | None = self._database.execute(sql, values).fetchone()
        except sqlite3.Error as error:
            raise StoreError(
                f"keystore cannot be read: {error}", hint="restore keys.sqlite from a backup"
            ) from error
        return row

    def _write(self, statements: Collection[tuple[str, tuple[object, ...]]]) -> None:
        cursor = self._database.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                _execute(cursor, sql, values)
            cursor.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                cursor.execute("ROLLBACK")
            raise StoreError(
                f"keys could not be written: {error}",
                hint="check free space and permissions of the home, then try again",
            ) from error
        finally:
            cursor.close()

    def close(self) -> None:
        """Close the file and forget the keys held in memory."""
        self._subject_keys.clear()
        self._holder_keys.clear()
        self._blocks.clear()
        self._database.close()


def _check_of(secrets: Mapping[str, bytes]) -> bytes:
    return hmac.digest(secrets["lookup"], b"check:" + secrets["home_id"], "sha256")


def _execute(cursor: sqlite3.Cursor, sql: str, values: tuple[object, ...]) -> None:
    cursor.execute(sql, values)


def _unwrap(wrapped: bytes, cipher: AESGCM, subject: str) -> bytes:
    iv, body = wrapped[:_IV_BYTES], wrapped[_IV_BYTES:]
    try:
        return cipher.decrypt(iv, body, subject.encode())
    except (InvalidTag, ValueError, TypeError) as error:
        raise SealError(f"the key of {subject} was altered in the keystore") from error
