"""What makes one sealed payload checkable by a stranger: its text and its nonce.

Whoever has both can recompute the commitment in the event's header. Giving them away for
one event says nothing about any other: every event has a nonce of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from governance.sealing import unseal

_IV = slice(1, 13)
_BODY = slice(13, None)
_NONCE_BYTES = 32


@dataclass(frozen=True)
class Disclosure:
    """``payload`` (canonical bytes) and the ``nonce`` of its commitment."""

    nonce: bytes
    payload: bytes


def open_box(box: bytes, *, key: bytes, event_id: str, leaf: bytes, commit: str) -> Disclosure:
    """Open a sealed payload, checked as by :func:`governance.sealing.unseal`, nonce included.

    Raises:
        SealError: altered bytes or header, another event's box, or a swapped payload.
    """
    payload = unseal(box, key=key, event_id=event_id, leaf=leaf, commit=commit)
    own = HKDF(hashes.SHA256(), 32, salt=None, info=event_id.encode()).derive(key)
    plain = AESGCM(own).decrypt(box[_IV], box[_BODY], leaf)
    return Disclosure(plain[:_NONCE_BYTES], payload)
