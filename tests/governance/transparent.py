"""A log that others can check, without a ledger: what proofs and witnesses are tested on."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import canonical, notes
from governance.errors import LedgerError
from governance.merkle import EMPTY_ROOT, Tree, leaf_hash, node_hash
from governance.notes import COSIGNATURE, ED25519, Checkpoint, VerifierKey

ORIGIN = "palimpsest/0011"


def private(number: int) -> Ed25519PrivateKey:
    """A key that is the same in every run."""
    return Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def log_vkey(key: Ed25519PrivateKey, origin: str = ORIGIN) -> VerifierKey:
    return VerifierKey(origin, ED25519, public(key))


def witness_vkey(key: Ed25519PrivateKey, name: str) -> VerifierKey:
    return VerifierKey(name, COSIGNATURE, public(key))


# --- the RFC's definitions, word for word ------------------------------------------------


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162 section 2.1.1, over leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    at = split(len(leaves))
    return node_hash(naive_root(leaves[:at]), naive_root(leaves[at:]))


def naive_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    at = split(len(leaves))
    if index < at:
        return [*naive_path(index, leaves[:at]), naive_root(leaves[at:])]
    return [*naive_path(index - at, leaves[at:]), naive_root(leaves[:at])]


def naive_consistency(old: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF of section 2.1.4.1; empty where it is not defined."""
    return _subproof(old, leaves, known=True) if old else []


def _subproof(old: int, leaves: Sequence[bytes], *, known: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if known else [naive_root(leaves)]
    at = split(len(leaves))
    if old <= at:
        return [*_subproof(old, leaves[:at], known=known), naive_root(leaves[at:])]
    return [*_subproof(old - at, leaves[at:], known=False), naive_root(leaves[:at])]


def split(count: int) -> int:
    """The largest power of two smaller than ``count``."""
    found = 1
    while found * 2 < count:
        found *= 2
    return found


# --- a log -------------------------------------------------------------------------------


class Stored:
    """A tree with all its tiles."""

    def __init__(self, leaves: Sequence[bytes] = ()) -> None:
        self.tree = Tree()
        self.whole: dict[tuple[int, int], bytes] = {}
        self.extend(leaves)

    def extend(self, leaves: Sequence[bytes]) -> None:
        for tile in self.tree.extend(leaves):
            self.whole[tile.level, tile.index] = tile.hashes

    def tile(self, level: int, index: int) -> bytes:
        found = self.whole.get((level, index))
        return b"".join(self.tree.partial[level]) if found is None else found


class Log:
    """A :class:`governance.proof.ProvableLog` of made-up headers, signed after each append."""

    def __init__(self, key: Ed25519PrivateKey | None = None, origin: str = ORIGIN) -> None:
        self.keys = [key or private(1)]
        self.name = origin
        self.headers: list[bytes] = []
        self.stored = Stored()
        self.signed = [self.sign()]

    def append(self, count: int = 1, salt: str = "") -> Log:
        for _ in range(count):
            self._add({"subject": f"entry:{salt}", "type": "entry.proposed"})
        self.signed.append(self.sign())
        return self

    def rotate(self, key: Ed25519PrivateKey) -> Log:
        """Name a new key, and sign with both from here on to the next append."""
        self._add({"subject": f"key:{public(key).hex()}", "type": "key.rotated"})
        self.keys.append(key)
        self.signed.append(self.sign(*self.keys[-2:]))
        return self

    def rewritten(self, keep: int, grow: int) -> Log:
        """Another history after event ``keep``, by whoever holds the same keys."""
        other = Log(self.keys[-1], self.name)
        other.headers = self.headers[:keep]
        other.stored = Stored([leaf_hash(one) for one in other.headers])
        return other.append(grow, salt="other")

    def sign(self, *keys: Ed25519PrivateKey) -> str:
        point = Checkpoint(self.name, self.stored.tree.size, self.stored.tree.root())
        return notes.sign(point, *(keys or self.keys[-1:]))

    def _add(self, values: dict[str, str]) -> None:
        header = canonical.encode({"seq": len(self.headers) + 1, **values})
        self.headers.append(header)
        self.stored.extend([leaf_hash(header)])

    @property
    def vkey(self) -> VerifierKey:
        return log_vkey(self.keys[-1], self.name)

    # What proofs ask for.

    @property
    def origin(self) -> str:
        return self.name

    @property
    def public_key(self) -> bytes:
        return public(self.keys[-1])

    def note(self) -> str:
        return self.signed[-1]

    def first_note(self, seq: int) -> str:
        return next(note for note in self.signed if notes.parse(note).size >= seq)

    def tile(self, level: int, index: int) -> bytes:
        return self.stored.tile(level, index)

    def header(self, seq: int) -> bytes:
        if not 1 <= seq <= len(self.headers):
            raise LedgerError(f"event {seq} does not exist")
        return self.headers[seq - 1]

    def rotations(self) -> Sequence[int]:
        return [
            seq
            for seq, header in enumerate(self.headers, start=1)
            if canonical.decode(header)["type"] == "key.rotated"
        ]


def lines_of(note: str) -> list[str]:
    """The signature lines of a note."""
    return note.partition("\n\n")[2].splitlines(keepends=True)


def relined(note: str, lines: Sequence[str]) -> str:
    """``note`` with exactly these signature lines."""
    return f"{note.partition(chr(10) * 2)[0]}\n\n{''.join(lines)}"


def flipped(line: str) -> str:
    """A signature line with one bit of the signature changed."""
    name, _, encoded = line.rstrip("\n").rpartition(" ")
    raw = bytearray(base64.b64decode(encoded))
    raw[-1] ^= 1
    return f"{name} {base64.b64encode(bytes(raw)).decode()}\n"
