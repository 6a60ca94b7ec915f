"""Evidence bundles for tests: a made-up log, its parts in the open, to be damaged."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from governance import canonical, notes, standalone
from governance.errors import PalimpsestError, SealError
from governance.evidence import write_bundle
from governance.merkle import LogRow, leaf_hash, root_hash
from governance.sealing import Opened, commit
from governance.verify import VerificationReport, verify_log
from tests.governance.verify_logs import ORIGIN, event, key, public, rotation, row_of, signed_at

LENGTH = 24
POLICY = {"name": "default", "text": "rules: ∅", "digest": "x"}
SECRET = '=HYPERLINK("http://evil") <script>\u202e\''


@dataclass
class Source:
    """What :func:`write_bundle` reads, kept in lists."""

    logged: list[tuple[str, bytes]]
    signed: list[str]
    opened: dict[int, Opened | None] = field(default_factory=dict)
    witnessed: list[str] = field(default_factory=list)
    origin: str = ORIGIN
    first_key: bytes = public(1)

    def checkpoints(self) -> Sequence[str]:
        return self.signed

    def cosigned(self) -> Sequence[str]:
        return self.witnessed

    def headers(self, stop: int) -> Iterator[bytes]:
        return iter([header for _, header in self.logged[:stop]])

    def policies(self) -> Sequence[int]:
        return [seq for seq, (kind, _) in enumerate(self.logged, 1) if kind == "policy.activated"]

    def disclose(self, seq: int) -> Opened | None:
        return self.opened[seq]


def _committed(seq: int, payload: dict[str, Any], **changes: Any) -> tuple[LogRow, Opened]:
    data = canonical.encode(payload)
    made = commit(data)
    return event(seq, payload_commit=made.digest, **changes), Opened(made.nonce, data)


def source() -> Source:
    """24 events that rotate from key 1 to key 2 at event 10; payloads of 3 and 7 can be opened."""
    rows, opened = [], {}
    for seq in range(1, LENGTH + 1):
        if seq == 10:
            rows.append(rotation(seq, 2))
            continue
        payload: dict[str, Any] = {"text": f"{SECRET} {seq}", "list": [1, None, {"é": "ü"}["é"]]}
        changes = {}
        if seq == 3:
            payload, changes = POLICY, {"type": "policy.activated"}
        row, disclosure = _committed(seq, payload, **changes)
        rows.append(row)
        opened[seq] = disclosure
    signed = [signed_at(rows, size, *by) for size, *by in (
        (0, 1), (1, 1), (8, 1), (12, 1, 2), (16, 2), (LENGTH, 2),
    )]  # fmt: skip
    kinds = [(row.type, row.header) for row in rows]
    return Source(kinds, signed, dict(opened), [signed[-2]])


def bundle(path: Path, made_from: Source | None = None) -> Path:
    write_bundle(path, made_from or source(), [7])
    return path


@dataclass
class Parts:
    """The members of a bundle; :meth:`packed` makes them agree with the manifest again."""

    files: dict[str, bytes]

    @classmethod
    def of(cls, path: Path) -> Parts:
        with zipfile.ZipFile(path) as file:
            return cls({name: file.read(name) for name in file.namelist()})

    @property
    def headers(self) -> list[bytes]:
        return self.files["headers.jsonl"].splitlines()

    @headers.setter
    def headers(self, value: list[bytes]) -> None:
        self.files["headers.jsonl"] = b"".join(line + b"\n" for line in value)

    @property
    def signed(self) -> list[str]:
        parts = self.files["checkpoints.txt"].decode(errors="replace").split("\n\n")
        return [f"{parts[at]}\n\n{parts[at + 1]}\n" for at in range(0, len(parts) - 1, 2)]

    @signed.setter
    def signed(self, value: list[str]) -> None:
        self.files["checkpoints.txt"] = "".join(f"{note}\n" for note in value).encode()

    @property
    def disclosed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files["disclosed.jsonl"].splitlines()]

    @disclosed.setter
    def disclosed(self, value: list[dict[str, Any]]) -> None:
        lines = (canonical.encode(one) + b"\n" for one in value)
        self.files["disclosed.jsonl"] = b"".join(lines)

    def agree(self) -> Parts:
        """An attacker rewrites the manifest, too."""
        digests = {
            name: hashlib.sha256(data).hexdigest()
            for name, data in self.files.items()
            if name != "manifest.json"
        }
        manifest = canonical.encode({"files": digests, "format": 1})
        return Parts(self.files | {"manifest.json": manifest})

    def packed(self) -> io.BytesIO:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as file:
            for name, data in self.files.items():
                file.writestr(name, data)
        return buffer

    def write(self, path: Path) -> Path:
        path.write_bytes(self.packed().getvalue())
        return path

    def stand_alone(self, folder: Path, known_key: bytes | None = None) -> standalone.Report:
        """What the stand-alone verifier says."""
        path = self.write(folder / "tampered.zip")
        return standalone.verify(standalone.Bundle(path), known_key)

    def independent(self) -> VerificationReport:
        """What :func:`verify_log` says of the same headers, notes and payloads."""
        shown = {one["seq"]: one for one in self.disclosed}

        def check(row: LogRow, header: dict[str, canonical.JsonValue]) -> None:
            one = shown.get(places[id(row.header)])
            if one is None:
                return
            nonce, payload = bytes.fromhex(one["nonce"]), canonical.encode(one["payload"])
            if hmac.new(nonce, payload, "sha256").hexdigest() != header.get("payload_commit"):
                raise SealError("payload does not match its commitment")

        rows = [_row(at, data) for at, data in enumerate(self.headers, start=1)]
        places = {id(row.header): at for at, row in enumerate(rows, start=1)}
        return verify_log(
            rows, signed=self.signed, public_key=public(1), origin=ORIGIN, check_payload=check,
            tiles=(),
        )  # fmt: skip


def _row(position: int, data: bytes) -> LogRow:
    """A row whose columns say what the header says."""
    try:
        header: dict[str, Any] = canonical.decode(data)
    except PalimpsestError:
        header = {"seq": position, "event_id": f"unreadable {position}"}
    return row_of(data, header)


def resigned(headers: Sequence[bytes], size: int, *signers: int, origin: str = ORIGIN) -> str:
    """A note over other headers by whoever has these keys."""
    root = root_hash([leaf_hash(data) for data in headers[:size]])
    made = [notes.sign(notes.Checkpoint(origin, size, root), key(one)) for one in signers]
    return made[0] + "".join(note.partition("\n\n")[2] for note in made[1:])
