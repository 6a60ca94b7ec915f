"""Payload encryption and commitments.

Every payload is encrypted under a key of its own:

    key = HKDF-SHA256(salt = key of the data subject, ikm = secret of the event, info = event id)

The *data subject* is the person the record is about. Destroying an event's secret forgets
that event; destroying a data subject's key forgets the person. Headers and commitments stay,
so the log still verifies. The box also authenticates the event's leaf, so nobody without the
keystore can invent or alter an event, not even one that no checkpoint has signed yet
(``docs/adr/0006-a-key-for-every-event.md``; the keys are kept by ``governance.keystore``).

Boxes of format 1 were sealed under a key of their *subject* (``docs/adr/0002``); they stay
readable.

    box 1 = 0x01 ‖ iv ‖ AES-256-GCM(nonce ‖ payload)
    box 2 = 0x02 ‖ holder ‖ iv ‖ AES-256-GCM(nonce ‖ payload)
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from governance.errors import SealError

SUBJECT_BOX = 1
EVENT_BOX = 2
HOLDER_BYTES = 12
KEY_BYTES = 32
_IV_BYTES = 12
_NONCE_BYTES = 32
_EVENT_PREFIX = bytes([EVENT_BOX])


@dataclass(frozen=True)
class Commitment:
    """HMAC-SHA256 (hex) of a payload, for the header, and the secret nonce it was made with."""

    nonce: bytes
    digest: str


class Keyring(Protocol):
    """Where payload keys come from."""

    def event_key(self, seq: int, holder: bytes, event_id: str) -> bytes | None:
        """The 32-byte key of one event; ``None`` once it was destroyed."""
        ...

    def subject_key(self, subject: str) -> bytes | None:
        """The 32-byte key of a subject of format 1; ``None`` when destroyed or never made."""
        ...


def commit(payload: bytes) -> Commitment:
    """Commit to canonical payload bytes under a fresh random nonce."""
    nonce = os.urandom(_NONCE_BYTES)
    return Commitment(nonce, hmac.digest(nonce, payload, "sha256").hex())


def derive(secret: bytes, salt: bytes, info: str) -> bytes:
    """HKDF-SHA256 (RFC 5869) for one block of 32 bytes, in two calls of the C library."""
    extracted = hmac.digest(salt, secret, "sha256")
    return hmac.digest(extracted, info.encode() + b"\x01", "sha256")


def seal(
    payload: bytes, commitment: Commitment, *, key: bytes, holder: bytes, leaf: bytes
) -> bytes:
    """Encrypt canonical payload bytes under the event's own key, for the event of ``leaf``.

    The nonce of the commitment travels inside the box: once the key is gone, neither the
    text nor a guess at it can be checked against the header.
    """
    iv = os.urandom(_IV_BYTES)
    return _EVENT_PREFIX + holder + iv + AESGCM(key).encrypt(iv, commitment.nonce + payload, leaf)


@dataclass(frozen=True)
class Opened:
    """What a box held: the commitment's nonce and the canonical payload bytes."""

    nonce: bytes
    payload: bytes


def unseal(
    box: bytes, *, keys: Keyring, seq: int, subject: str, event_id: str, leaf: bytes, commit: str
) -> Opened | None:
    """What is in the box, checked against the header and its commitment.

    Args:
        box: What :func:`seal` returned, now or in format 1.
        keys: Where its key is.
        seq: Number of the event.
        subject: As in the header.
        event_id: As in the header.
        leaf: Hash of the header, recomputed by the caller.
        commit: ``payload_commit`` of the header.

    Returns:
        ``None`` when the key was destroyed.

    Raises:
        SealError: altered bytes or header, another event's box, or a swapped payload.
    """
    version, body = box[:1], box[1:]
    if version == _EVENT_PREFIX:
        holder, body = body[:HOLDER_BYTES], body[HOLDER_BYTES:]
        key = keys.event_key(seq, holder, event_id)
    elif version == bytes([SUBJECT_BOX]):
        key = keys.subject_key(subject)
        key = derive(key, bytes(hashlib.sha256().digest_size), event_id) if key else None
    else:
        raise SealError("sealed payload of an unknown version")
    if key is None:
        return None
    try:
        plain = AESGCM(key).decrypt(body[:_IV_BYTES], body[_IV_BYTES:], leaf)
    except (InvalidTag, ValueError) as error:  # ValueError: cut shorter than tag and nonce
        raise SealError("the sealed payload or the header it belongs to was altered") from error
    nonce, payload = plain[:_NONCE_BYTES], plain[_NONCE_BYTES:]
    # AES-GCM is not key-committing; the HMAC in the hashed header is what binds the text.
    digest = hmac.digest(nonce, payload, "sha256").hex()
    if not hmac.compare_digest(digest.encode(), commit.encode()):
        raise SealError("payload does not match its commitment")
    return Opened(nonce, payload)
