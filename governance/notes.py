"""Signed checkpoints as C2SP signed notes (signed-note, tlog-checkpoint, tlog-cosignature).

    palimpsest/<home id>
    <size>
    <base64 root>

    — <name> <base64(key id ‖ signature)>
    — …

The log's signature (type 0x01) covers everything up to and including the newline before
the blank line; a witness's cosignature (type 0x04) covers a time and the same text. Type
0x06 (ML-DSA-44) is reserved and refused until built. Lines of unknown keys are ignored; a
line that names a known key (same name, same key id) and does not verify spoils the note.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from governance.errors import CheckpointError

ED25519 = 0x01
COSIGNATURE = 0x04
ML_DSA_44_RESERVED = 0x06
MAX_SIGNATURES = 64
"""More than the 16 that C2SP asks for, and few enough to check all of them."""
MAX_TIME_S = 2**63 - 1
_DASH = "— "
_ID_BYTES = 4
_KEY_BYTES = 32
_TIME_BYTES = 8
_PLAIN_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
_KEY_NAME = re.compile(r"[^\s+]{1,200}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True)
class Checkpoint:
    """The log had ``size`` events and this ``root`` (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def body(self) -> str:
        """The signed text, newline included."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True)
class VerifierKey:
    """A public key with its name and type; ``str`` is its C2SP vkey form."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes that name it on a signature line."""
        return key_id(self.name, self.public, self.kind)

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


def key_id(name: str, public_key: bytes, kind: int = ED25519) -> bytes:
    """First four bytes of SHA-256(name ‖ newline ‖ type ‖ key), as C2SP defines them."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:_ID_BYTES]


def parse_key(text: str, *, kind: int) -> VerifierKey:
    """The key in vkey form, ``<name>+<key id, hex>+<base64(type ‖ key)>``.

    Args:
        text: What ``str`` of a key gives.
        kind: The type it must have: :data:`ED25519` for a log, :data:`COSIGNATURE` for a
            witness. A key for one purpose is refused for another.

    Raises:
        CheckpointError: malformed, an id that is not this key's, or another type.
    """
    name, _, rest = text.partition("+")
    found_id, _, encoded = rest.partition("+")
    raw = from_base64(encoded)
    if not is_key_name(name) or raw is None or len(raw) != 1 + _KEY_BYTES:
        raise CheckpointError(
            f"{text[:80]!r} is not a verifier key",
            hint="it looks like NAME+0123abcd+BASE64; `palimpsest key show` and "
            "`palimpsest witness show` print one",
        )
    key = VerifierKey(name, raw[0], raw[1:])
    if raw[0] != kind:
        wanted = "a log" if kind == ED25519 else "a witness"
        raise CheckpointError(f"the key of {name[:80]!r} has type {raw[0]}, not that of {wanted}")
    if found_id != key.key_id.hex():
        raise CheckpointError(f"the key of {name[:80]!r} does not match its own id")
    return key


def is_key_name(name: str) -> bool:
    """True for a name that may stand on a signature line: no spaces, no plus."""
    return bool(_KEY_NAME.fullmatch(name)) and not _CONTROL.search(name) and _encodes(name)


# --- signing -----------------------------------------------------------------------------


def sign(checkpoint: Checkpoint, key: Ed25519PrivateKey, *more: Ed25519PrivateKey) -> str:
    """The signed note, one line for each key; its origin doubles as the keys' name."""
    text = checkpoint.body()
    lines = []
    for one in (key, *more):
        public = one.public_key().public_bytes_raw()
        lines.append(
            _line(checkpoint.origin, key_id(checkpoint.origin, public) + one.sign(text.encode()))
        )
    return f"{text}\n{''.join(lines)}"


def cosign(note: str, name: str, key: Ed25519PrivateKey, time_s: int) -> str:
    """The line by which witness ``name`` vouches for ``note`` at ``time_s`` (Unix seconds).

    The caller has checked the note; whatever lines it carries are not covered.

    Raises:
        CheckpointError: not a checkpoint note.
    """
    text = parse(note).body()
    public = key.public_key().public_bytes_raw()
    signature = key.sign(_cosigned(text, time_s))
    stamp = time_s.to_bytes(_TIME_BYTES, "big")
    return _line(name, key_id(name, public, COSIGNATURE) + stamp + signature)


def add_lines(note: str, lines: str) -> str:
    """``note`` with more signature lines; a newer line of a key replaces its older one.

    Raises:
        CheckpointError: the result is not a checkpoint note.
    """
    opened = _open(note)
    kept = {one.owner: one for one in (*opened.signatures, *_signatures(lines))}
    merged = f"{opened.checkpoint.body()}\n" + "".join(
        _line(one.name, one.raw) for one in kept.values()
    )
    _open(merged)
    return merged


# --- checking ----------------------------------------------------------------------------


def parse(note: str) -> Checkpoint:
    """The checkpoint in ``note``, *without* verifying any signature.

    Raises:
        CheckpointError: not a checkpoint note.
    """
    return _open(note).checkpoint


def signers(note: str, keys: Iterable[bytes]) -> frozenset[bytes]:
    """Which of these raw Ed25519 keys the log signed ``note`` with.

    Raises:
        CheckpointError: not a checkpoint note, or a line of one of the keys is forged.
    """
    opened = _open(note)
    origin, text = opened.checkpoint.origin, opened.checkpoint.body().encode()
    ids: dict[bytes, set[bytes]] = {}
    for key in keys:
        ids.setdefault(key_id(origin, key), set()).add(key)
    found: set[bytes] = set()
    for one in opened.signatures:
        known = ids.get(one.raw[:_ID_BYTES], set()) if one.name == origin else set()
        # Two keys may share the four bytes of an id; the line is then of either.
        valid = {key for key in known if _holds(key, one.raw[_ID_BYTES:], text)}
        if known and not valid:
            raise CheckpointError(
                f"checkpoint at size {opened.checkpoint.size}: the signature is forged"
            )
        found |= valid
    return frozenset(found)


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
    if not signers(note, [public_key]):
        raise CheckpointError(
            f"checkpoint at size {checkpoint.size} is not signed by the ledger's key"
        )
    return checkpoint


def verify_cosignature(note: str, witness: VerifierKey) -> int:
    """When (Unix seconds) ``witness`` vouched for ``note``; the latest of several times.

    Raises:
        CheckpointError: not a checkpoint note, not cosigned by this witness, or forged.
    """
    opened = _open(note)
    text, times = opened.checkpoint.body(), []
    for one in opened.signatures:
        if one.owner != (witness.name, witness.key_id):
            continue
        rest = one.raw[_ID_BYTES:]
        time_s = int.from_bytes(rest[:_TIME_BYTES], "big")
        if time_s > MAX_TIME_S or not _holds(
            witness.public, rest[_TIME_BYTES:], _cosigned(text, time_s)
        ):
            raise CheckpointError(
                f"checkpoint at size {opened.checkpoint.size}: the cosignature of "
                f"{witness.name!r} is forged"
            )
        times.append(time_s)
    if not times:
        raise CheckpointError(
            f"checkpoint at size {opened.checkpoint.size} is not cosigned by {witness.name!r}"
        )
    return max(times)


def names(note: str, key: VerifierKey) -> bool:
    """True when a line of ``note`` claims to be by ``key``; nothing is verified.

    Raises:
        CheckpointError: not a checkpoint note.
    """
    return any(one.owner == (key.name, key.key_id) for one in _open(note).signatures)


def cosigners(note: str, witnesses: Iterable[VerifierKey]) -> frozenset[VerifierKey]:
    """Which of these witnesses cosigned ``note``; one key under two names counts once.

    Raises:
        CheckpointError: not a checkpoint note, or a line of one of them is forged.
    """
    found: dict[bytes, VerifierKey] = {}
    for witness in witnesses:
        if names(note, witness):
            verify_cosignature(note, witness)
            found.setdefault(witness.public, witness)
    return frozenset(found.values())


# --- the form ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Signature:
    """One signature line: ``raw`` is key id and signature."""

    name: str
    raw: bytes

    @property
    def owner(self) -> tuple[str, bytes]:
        """Name and id of the key that made it, as far as the line says."""
        return self.name, self.raw[:_ID_BYTES]


@dataclass(frozen=True)
class _Opened:
    checkpoint: Checkpoint
    signatures: tuple[_Signature, ...]


def _open(note: str) -> _Opened:
    """Take a note apart; nothing it says is trusted yet.

    Raises:
        CheckpointError: not a checkpoint note.
    """
    body, blank, lines = note.partition("\n\n")
    texts = body.split("\n")
    if not blank or len(texts) != 3 or not texts[0]:  # noqa: PLR2004  # origin, size, root
        raise CheckpointError("not a checkpoint: origin, size and root expected")
    if _CONTROL.search(note) or not _encodes(note):
        raise CheckpointError("not a checkpoint: it holds control characters or broken text")
    origin, size, root = texts
    decoded, number = from_base64(root), plain_number(size)
    if decoded is None or len(decoded) != hashlib.sha256().digest_size:
        raise CheckpointError("checkpoint root is not 32 bytes of base64")
    if number is None:
        raise CheckpointError(f"checkpoint size {size[:24]!r} is not a plain number")
    return _Opened(Checkpoint(origin, number, decoded), tuple(_signatures(lines)))


def _signatures(text: str) -> Iterator[_Signature]:
    """The signature lines in ``text``, each ending in a newline.

    Raises:
        CheckpointError: a line that is none, none at all, or too many.
    """
    *lines, rest = text.split("\n")
    if rest or not 0 < len(lines) <= MAX_SIGNATURES:
        raise CheckpointError(f"a checkpoint ends in 1 to {MAX_SIGNATURES} whole signature lines")
    for line in lines:
        name, _, encoded = line.removeprefix(_DASH).rpartition(" ")
        raw = from_base64(encoded)
        good = line.startswith(_DASH) and is_key_name(name)
        if not good or raw is None or len(raw) <= _ID_BYTES:
            raise CheckpointError(f"not a signature line: {line[:80]!r}")
        yield _Signature(name, raw)


def _line(name: str, raw: bytes) -> str:
    return f"{_DASH}{name} {base64.b64encode(raw).decode()}\n"


def _cosigned(text: str, time_s: int) -> bytes:
    """What a cosignature covers (C2SP tlog-cosignature, Ed25519 signed message)."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def _holds(public_key: bytes, signature: bytes, data: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except InvalidSignature:
        return False
    return True


def plain_number(text: str) -> int | None:
    """The number ``text`` spells in plain ASCII digits without leading zeroes, else ``None``."""
    return int(text) if _PLAIN_NUMBER.fullmatch(text) else None


def _encodes(text: str) -> bool:
    """False for text with lone surrogates, which has no bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def from_base64(text: str) -> bytes | None:
    """The bytes, or ``None`` unless ``text`` is their one standard spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:  # also what base64 raises for text beyond ASCII
        return None
    return data if base64.b64encode(data).decode() == text else None
