"""Payload encryption, commitments, and the keystore that makes forgetting possible.

Every payload is encrypted under a key of its own, derived (HKDF-SHA256) from the key of
its *subject* — an entry, a source — and the event id. Subject keys are random and stored
wrapped by the key of the *data subject*, the person the record is about. Destroying a
subject's key forgets that entry; destroying a data subject's key forgets the person.
Headers and commitments stay, so the log still verifies. The box also authenticates the
event's leaf, so nobody without the keystore can invent or alter an event, not even one
that no checkpoint has signed yet (``docs/adr/0002-derived-payload-keys.md``).

Keys live in SQLite with ``secure_delete``, never in DuckDB, which keeps deleted rows.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from governance.errors import SchemaVersionError, SealError, StoreError

KEYSTORE_FORMAT = 1
_BOX_VERSION = b"\x01"
_IV_BYTES = 12
_NONCE_BYTES = 32
_KEY_BYTES = 32


@dataclass(frozen=True)
class Commitment:
    """HMAC-SHA256 (hex) of a payload, for the header, and the secret nonce it was made with."""

    nonce: bytes
    digest: str


class Keyring(Protocol):
    """Where subject keys come from."""

    def subject_key(self, subject: str) -> bytes | None:
        """The 32-byte key of a subject; ``None`` when it was destroyed or never made."""
        ...


def commit(payload: bytes) -> Commitment:
    """Commit to canonical payload bytes under a fresh random nonce."""
    nonce = os.urandom(_NONCE_BYTES)
    return Commitment(nonce, _commitment(nonce, payload))


def seal(
    payload: bytes, commitment: Commitment, *, key: bytes, event_id: str, leaf: bytes
) -> bytes:
    """Encrypt canonical payload bytes under the event's own key, for the event of ``leaf``.

    The nonce of the commitment travels inside the box: once the key is gone, neither the
    text nor a guess at it can be checked against the header.
    """
    iv = os.urandom(_IV_BYTES)
    cipher = AESGCM(_event_key(key, event_id))
    return _BOX_VERSION + iv + cipher.encrypt(iv, commitment.nonce + payload, leaf)


def unseal(box: bytes, *, key: bytes, event_id: str, leaf: bytes, commit: str) -> bytes:
    """Canonical payload bytes, checked against the header and its commitment.

    Args:
        box: What :func:`seal` returned.
        key: Key of the event's subject.
        event_id: As in the header.
        leaf: Hash of the header, recomputed by the caller.
        commit: ``payload_commit`` of the header.

    Raises:
        SealError: altered bytes or header, another event's box, or a swapped payload.
    """
    if box[:1] != _BOX_VERSION:
        raise SealError("sealed payload of an unknown version")
    iv, body = box[1 : 1 + _IV_BYTES], box[1 + _IV_BYTES :]
    try:
        plain = AESGCM(_event_key(key, event_id)).decrypt(iv, body, leaf)
    except (InvalidTag, ValueError) as error:  # ValueError: cut shorter than tag and nonce
        raise SealError("the sealed payload or the header it belongs to was altered") from error
    nonce, payload = plain[:_NONCE_BYTES], plain[_NONCE_BYTES:]
    # AES-GCM is not key-committing; the HMAC in the hashed header is what binds the text.
    if not hmac.compare_digest(_commitment(nonce, payload).encode(), commit.encode()):
        raise SealError("payload does not match its commitment")
    return payload


def _commitment(nonce: bytes, payload: bytes) -> str:
    return hmac.new(nonce, payload, hashlib.sha256).hexdigest()


def _event_key(subject_key: bytes, event_id: str) -> bytes:
    return HKDF(hashes.SHA256(), _KEY_BYTES, salt=None, info=event_id.encode()).derive(subject_key)


class Keystore:
    """Signing key, lookup secret and payload keys of one home, in ``keys.sqlite``."""

    def __init__(self, path: Path | None, *, create: bool = False, read_only: bool = False) -> None:
        """Open ``path`` (``None``: in memory, for tests and throw-away ledgers).

        Raises:
            StoreError: missing, unreadable, or not a keystore.
            SchemaVersionError: written by a newer version.
        """
        if path is not None and not create and not path.is_file():
            raise StoreError(
                f"{path.name} is missing from the home",
                hint="restore it: without the keys nothing in the ledger can be read",
            )
        self._cache: dict[str, bytes] = {}
        target = ":memory:"
        if path is not None:
            mode = "ro" if read_only else "rwc" if create else "rw"
            target = f"{path.absolute().as_uri()}?mode={mode}"
        try:
            self._database = sqlite3.connect(
                target, uri=path is not None, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise StoreError(f"keystore cannot be opened: {error}") from error
        try:
            self._database.execute("PRAGMA secure_delete=ON")
            self._database.execute("PRAGMA synchronous=FULL")
            if create:
                self._create(path)
            if path is not None:
                self._verify_length(path)
            self._load()
        except StoreError:
            self.close()
            raise
        except (sqlite3.Error, ValueError) as error:
            self.close()
            raise StoreError(
                f"keystore cannot be opened: {error}", hint="restore keys.sqlite from a backup"
            ) from error

    def _verify_length(self, path: Path) -> None:
        """SQLite notices a cut file only when it reads what is gone; a key may be there."""
        (pages,) = self._database.execute("PRAGMA page_count").fetchone()
        (page_bytes,) = self._database.execute("PRAGMA page_size").fetchone()
        if path.stat().st_size < pages * page_bytes:
            raise StoreError(f"{path.name} is cut short", hint="restore it from a backup")

    def _create(self, path: Path | None) -> None:
        if path is not None:
            path.chmod(0o600)
        cursor = self._database.cursor()
        cursor.executescript(
            """
            BEGIN;
            CREATE TABLE secret (name TEXT PRIMARY KEY, value BLOB NOT NULL);
            CREATE TABLE holder_key (holder TEXT PRIMARY KEY, key BLOB NOT NULL);
            CREATE TABLE subject_key (
                subject TEXT PRIMARY KEY, holder TEXT NOT NULL, wrapped BLOB NOT NULL
            );
            """
        )
        secrets = {
            "format": str(KEYSTORE_FORMAT).encode(),
            "home_id": os.urandom(8).hex().encode(),
            "signing": Ed25519PrivateKey.generate().private_bytes_raw(),
            "lookup": os.urandom(_KEY_BYTES),
        }
        cursor.executemany("INSERT INTO secret VALUES (?, ?)", secrets.items())
        cursor.execute("COMMIT")
        cursor.close()

    def _load(self) -> None:
        rows: dict[str, bytes] = dict(self._database.execute("SELECT name, value FROM secret"))
        if not {"format", "home_id", "signing", "lookup"} <= rows.keys():
            raise StoreError("keystore is incomplete", hint="restore keys.sqlite from a backup")
        if int(rows["format"]) > KEYSTORE_FORMAT:
            raise SchemaVersionError(
                f"keystore format {int(rows['format'])} is newer than {KEYSTORE_FORMAT}",
                hint="install the version of palimpsest that wrote this home, or a newer one",
            )
        self.home_id = rows["home_id"].decode()
        self.signing_key = Ed25519PrivateKey.from_private_bytes(rows["signing"])
        self._lookup = rows["lookup"]

    @property
    def public_key(self) -> bytes:
        """Raw Ed25519 public key (32 bytes) that verifies the checkpoints."""
        return self.signing_key.public_key().public_bytes_raw()

    def keyed(self, text: str) -> str:
        """HMAC-SHA256 of ``text`` under the home's secret, 24 hex characters.

        For ids and tombstones: the same text gives the same id in this home, and nobody
        without the keystore can test a guess.
        """
        return hmac.new(self._lookup, text.encode(), hashlib.sha256).hexdigest()[:24]

    def subject_key(self, subject: str) -> bytes | None:
        """The subject's key, unwrapped; ``None`` once destroyed.

        Raises:
            SealError: the stored key was altered.
            StoreError: the keystore cannot be read.
        """
        if subject not in self._cache:
            try:
                row = self._database.execute(
                    "SELECT s.wrapped, h.key FROM subject_key s JOIN holder_key h USING (holder)"
                    " WHERE s.subject = ?",
                    (subject,),
                ).fetchone()
            except sqlite3.Error as error:
                raise StoreError(f"keystore cannot be read: {error}") from error
            if row is None:
                return None
            self._cache[subject] = _unwrap(row[0], cipher=AESGCM(row[1]), subject=subject)
        return self._cache[subject]

    def preload(self) -> None:
        """Unwrap every key in one pass, before a whole log is read.

        Raises:
            SealError: a stored key was altered.
            StoreError: the keystore cannot be read.
        """
        try:
            rows = self._database.execute(
                "SELECT s.subject, s.wrapped, h.key FROM subject_key s JOIN holder_key h"
                " USING (holder)"
            ).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"keystore cannot be read: {error}") from error
        ciphers = {key: AESGCM(key) for key in {row[2] for row in rows}}
        for subject, wrapped, holder_key in rows:
            self._cache[subject] = _unwrap(wrapped, cipher=ciphers[holder_key], subject=subject)

    def ensure(self, subjects: Sequence[tuple[str, str]]) -> None:
        """Make keys for new (subject, data subject) pairs, durably, in one transaction.

        Called before the events are committed: an orphan key harms nobody, a payload
        whose key was lost in a crash would.
        """
        missing = {
            subject: holder for subject, holder in subjects if self.subject_key(subject) is None
        }
        if not missing:
            return
        cursor = self._database.cursor()
        try:
            cursor.execute("BEGIN IMMEDIATE")
            for subject, holder in missing.items():
                self._insert(cursor, subject, self.keyed(f"holder:{holder}"))
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

    def _insert(self, cursor: sqlite3.Cursor, subject: str, holder: str) -> None:
        cursor.execute(
            "INSERT OR IGNORE INTO holder_key VALUES (?, ?)", (holder, os.urandom(_KEY_BYTES))
        )
        (holder_key,) = cursor.execute(
            "SELECT key FROM holder_key WHERE holder = ?", (holder,)
        ).fetchone()
        iv = os.urandom(_IV_BYTES)
        wrapped = iv + AESGCM(holder_key).encrypt(iv, os.urandom(_KEY_BYTES), subject.encode())
        cursor.execute("INSERT INTO subject_key VALUES (?, ?, ?)", (subject, holder, wrapped))

    def close(self) -> None:
        """Close the file and forget the keys held in memory."""
        self._cache.clear()
        self._database.close()


def _unwrap(wrapped: bytes, *, cipher: AESGCM, subject: str) -> bytes:
    iv, body = wrapped[:_IV_BYTES], wrapped[_IV_BYTES:]
    try:
        return cipher.decrypt(iv, body, subject.encode())
    except (InvalidTag, ValueError, TypeError) as error:
        raise SealError(f"the key of {subject} was altered in the keystore") from error
