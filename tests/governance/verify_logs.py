"""Format-1 logs for verifier tests, made without anything of the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import canonical, notes
from governance.merkle import LogRow, Tile, Tree, leaf_hash
from governance.verify import VerificationReport, verify_log

ORIGIN = "palimpsest/test"


def key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public(number: int) -> bytes:
    return key(number).public_key().public_bytes_raw()


def header(seq: int, **changes: canonical.JsonValue) -> dict[str, canonical.JsonValue]:
    """A whole header of format 1; random-looking, the same every time."""
    digits = hashlib.sha512(b"%d" % seq).hexdigest()
    parts = (digits[:8], digits[8:12], f"7{digits[12:15]}", f"8{digits[15:18]}", digits[18:30])
    known: dict[str, canonical.JsonValue] = {
        "format": 1,
        "seq": seq,
        "event_id": "-".join(parts),
        "type": "entry.proposed",
        "recorded_at_us": 1_767_225_600_000_000 + seq,
        "actor": {"kind": "agent", "id": "desk"},
        "scope": {"tenant": "acme", "agent": "desk", "user": ""},
        "subject": f"entry:{digits[30:54]}",
        "subject_version": 1,
        "causes": [[], [digits[:36]], [digits[:36], "x"]][seq % 3],
        "episode": "run-1" if seq % 2 else None,
        "policy_digest": digits[:64] if seq % 2 else None,
        "command": digits[54:78] if seq % 5 else None,
        "payload_commit": digits[64:],
    }
    return known | changes


def event(seq: int, **changes: canonical.JsonValue) -> LogRow:
    fields = header(seq, **changes)
    data = canonical.encode(fields)
    return row_of(data, fields)


def row_of(data: bytes, fields: dict[str, Any]) -> LogRow:
    """The row whose columns say what the header says, as far as it says it."""
    names = ("seq", "event_id", "type", "recorded_at_us", "subject")
    seq, event_id, kind, when, subject = (fields.get(name) for name in names)
    return LogRow(
        seq, event_id, kind, when, subject,  # type: ignore[arg-type]  # damaged ones lack some
        data, leaf_hash(data), b"box", fields.get("command"),
    )  # fmt: skip


def rotation(seq: int, to: int) -> LogRow:
    return event(seq, type="key.rotated", subject=f"key:{public(to).hex()}")


def signed_at(rows: Sequence[LogRow], size: int, *signers: int) -> str:
    """A checkpoint note with the signature lines of these keys."""
    tree = Tree()
    tree.extend(row.leaf for row in rows[:size])
    signed = [notes.sign(notes.Checkpoint(ORIGIN, size, tree.root()), key(one)) for one in signers]
    body = signed[0].partition("\n\n")[0]
    return f"{body}\n\n" + "".join(note.partition("\n\n")[2] for note in signed)


@dataclass
class FullLog:
    """Rows, notes and tiles of a log, to be damaged and checked."""

    rows: list[LogRow]
    signed: list[str] = field(default_factory=list)
    tiles: list[Tile] = field(default_factory=list)

    @classmethod
    def of(cls, rows: list[LogRow], sizes: Sequence[int] = (), signer: int = 1) -> FullLog:
        """A log signed at these sizes and at its end."""
        wanted = sorted({*sizes, len(rows)})
        tiles = Tree().extend(row.leaf for row in rows)
        return cls(rows, [signed_at(rows, size, signer) for size in wanted], tiles)

    def check(
        self, *, first_key: int = 1, newest_key: bytes | None = None, processes: int = 1
    ) -> VerificationReport:
        return verify_log(
            self.rows,
            signed=self.signed,
            public_key=public(first_key),
            origin=ORIGIN,
            tiles=self.tiles,
            newest_key=newest_key,
            processes=processes,
        )
