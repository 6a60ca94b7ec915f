"""Signed checkpoints as C2SP signed notes (tlog-checkpoint), Ed25519.

    palimpsest/<home id>
    <size>
    <base64 root>

    — <name> <base64(key id ‖ signature)>


The signature covers everything up to and including the newline before the blank line.
Signature type byte 0x01 is Ed25519; 0x06 (ML-DSA-44) is reserved and refused until built.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from governance.errors import CheckpointError

ED25519 = 0x01
ML_DSA_44_RESERVED = 0x06
_DASH = "— "
_PLAIN_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Checkpoint:
    """The log had ``size`` events and this ``root`` (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """The signed text, newline included."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def key_id(name: str, public_key: bytes) -> bytes:
    """First four bytes of SHA-256(name ‖ newline ‖ type ‖ key), as C2SP defines them."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([ED25519]) + public_key).digest()[:4]


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The signed note; its origin doubles as the key's name."""
    public = key.public_key().public_bytes_raw()
    signature = key_id(checkpoint.origin, public) + key.sign(checkpoint.body().encode())
    line = f"{_DASH}{checkpoint.origin} {base64.b64encode(signature).decode()}\n"
    return checkpoint.body() + "\n" + line


def parse(note: str) -> Checkpoint:
    """The checkpoint in ``note``, *without* looking at its signature.

    Raises:
        CheckpointError: not a checkpoint note.
    """
    body, blank, _ = note.partition("\n\n")
    lines = body.split("\n")
    if not blank or len(lines) != 3:  # noqa: PLR2004  # origin, size, root
        raise CheckpointError("not a checkpoint: origin, size and root expected")
    origin, size, root = lines
    decoded = _from_base64(root)
    if decoded is None or len(decoded) != hashlib.sha256().digest_size:
        raise CheckpointError("checkpoint root is not 32 bytes of base64")
    if not _PLAIN_NUMBER.fullmatch(size):
        raise CheckpointError(f"checkpoint size {size[:24]!r} is not a plain number")
    return Checkpoint(origin, int(size), decoded)


def verify(note: str, public_key: bytes, *, origin: str | None = None) -> Checkpoint:
    """The checkpoint in ``note``, after its signature held.

    Args:
        note: A signed note.
        public_key: Raw Ed25519 key it must be signed with.
        origin: The log it must be about; ``None`` accepts any.

    Raises:
        CheckpointError: malformed, about another log, signed by another key, or forged.
    """
    checkpoint = parse(note)
    if origin is not None and checkpoint.origin != origin:
        raise CheckpointError(f"checkpoint of another log: {checkpoint.origin[:80]!r}")
    body, _, signatures = note.partition("\n\n")
    wanted = key_id(checkpoint.origin, public_key)
    for line in signatures.split("\n"):
        name, _, encoded = line.removeprefix(_DASH).rpartition(" ")
        if not line.startswith(_DASH) or name != checkpoint.origin:
            continue
        raw = _from_base64(encoded)
        if raw is None or raw[:4] != wanted:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(raw[4:], f"{body}\n".encode())
        except InvalidSignature as error:
            raise CheckpointError(
                f"checkpoint at size {checkpoint.size}: the signature is forged"
            ) from error
        return checkpoint
    raise CheckpointError(f"checkpoint at size {checkpoint.size} is not signed by the ledger's key")


def _from_base64(text: str) -> bytes | None:
    """The bytes, or ``None`` unless ``text`` is their one standard spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:  # also what base64 raises for text beyond ASCII
        return None
    return data if base64.b64encode(data).decode() == text else None
