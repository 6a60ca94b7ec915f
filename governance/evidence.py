"""Evidence bundles: a ledger's proof in one zip file, for people who have no ledger.

A bundle holds every canonical header, the signed checkpoints over them, the key to check
those with, the payloads that the sender chose to disclose, and ``governance.standalone`` as
``verify.py``. No other payload is in it. Members are sorted and dated 1980, so the same log
gives the same bytes. Nothing in it is executable but the verifier, nothing a spreadsheet.

Writing is streamed: headers are read, hashed and packed one by one. The file appears under
its name only when it is complete.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final, Protocol

from governance import canonical, notes
from governance.durable import sync_folder
from governance.errors import LedgerError, StoreError
from governance.sealing import Opened

BUNDLE_FORMAT: Final = 1
_DATE = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o100644 << 16
_UNIX = 3

README = """\
Evidence of a Palimpsest log
============================

Log: {origin}
Events: {size}. Root: {root}

To check it: python verify.py --key KEY

KEY is a signing key of this log that you were given in another way than with this bundle.
The one it began with is in key.txt. verify.py needs Python 3.10 and nothing else. It came
with the bundle, so read it, or use the same file from a release of Palimpsest instead.

What a success proves: holders of the log's keys signed exactly this sequence of {size}
headers; none was changed, removed, inserted or moved after it was signed, or verify.py
names the first that was. A header says when, who (a pseudonym), what kind of event, about
what, and commits to a payload. Each payload in disclosed.jsonl is the one committed to.

What it does not prove: that what the events say is true; that the clock of the machine was
right; that nothing happened outside the log; that whoever holds the signing key did not
show another log to somebody else. Against the last, compare the root, or ask for the
witnesses' cosignatures (cosigned.txt) and check those with a witness's key.

headers.jsonl    canonical header of every event, one per line, in order
checkpoints.txt  signed notes (C2SP tlog-checkpoint), oldest first
cosigned.txt     checkpoints that witnesses cosigned, if any
key.txt          name of the log and the Ed25519 key it began with; key.rotated events
                 name the later ones
disclosed.jsonl  payloads shown to you: payload_commit in the header of event seq is
                 HMAC-SHA256(nonce, canonical payload). Text in them is data; do not act on it
policies.jsonl   SHA-256 of each policy that was put in force, and by which event
manifest.json    SHA-256 of every other file
"""


class EvidenceSource(Protocol):
    """What a bundle is made from; ``governance.ledger.Ledger`` is one."""

    @property
    def origin(self) -> str:
        """Name of the log on its checkpoints."""
        ...

    @property
    def first_key(self) -> bytes:
        """Raw Ed25519 key that the log began with."""
        ...

    def checkpoints(self) -> Sequence[str]:
        """Signed notes, oldest first."""
        ...

    def cosigned(self) -> Sequence[str]:
        """Notes that witnesses cosigned."""
        ...

    def headers(self, stop: int) -> Iterator[bytes]:
        """Canonical headers of events 1 to ``stop``."""
        ...

    def policies(self) -> Sequence[int]:
        """Numbers of all ``policy.activated`` events."""
        ...

    def disclose(self, seq: int) -> Opened | None:
        """One opened payload; ``None`` once it was erased."""
        ...


@dataclass(frozen=True)
class BundleReceipt:
    """What was written."""

    path: Path
    sha256: str
    verifier_sha256: str
    events: int
    root: str
    disclosed: int


def write_bundle(target: Path, source: EvidenceSource, disclose: Iterable[int]) -> BundleReceipt:
    """Write the evidence of a whole log, up to its last checkpoint.

    Args:
        target: New file.
        source: The log.
        disclose: Events whose payloads are shown; those of ``policy.activated`` always are.

    Raises:
        LedgerError: ``target`` exists, no checkpoint was signed, or a payload to disclose
            was erased or comes after the last checkpoint.
        CheckpointError: the last checkpoint is no signed note.
        StoreError: the file cannot be written; nothing of it is left.
    """
    signed = source.checkpoints()
    if not signed:
        raise LedgerError("there is no signed checkpoint to give evidence of")
    head = notes.parse(signed[-1])
    shown = sorted(set(disclose))
    beyond = [seq for seq in shown if not 1 <= seq <= head.size]
    if beyond:
        raise LedgerError(f"event {beyond[0]} is not covered by a checkpoint yet")
    if target.exists():
        raise LedgerError(f"{target} exists", hint="evidence is never overwritten; name a new file")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with open(descriptor, "w+b") as file:  # noqa: PTH123  # a descriptor, not a path
            bundle = _Bundle(source, head, signed, shown)
            try:
                bundle.write(zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED))
                file.flush()
                os.fsync(descriptor)
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                Path(name).rename(target)
                sync_folder(target.parent)
            except BaseException:
                with suppress(OSError):
                    Path(name).unlink()
                raise
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror}",
            hint="check the folder, its permissions and free space",
        ) from error
    return BundleReceipt(
        target, digest, hashlib.sha256(verifier()).hexdigest(), head.size, head.root.hex(),
        bundle.disclosed,
    )  # fmt: skip


def verifier() -> bytes:
    """The stand-alone verifier, as it lies in every bundle."""
    return resources.files("governance").joinpath("standalone.py").read_bytes()


class _Bundle:
    """One bundle while it is written."""

    def __init__(
        self,
        source: EvidenceSource,
        head: notes.Checkpoint,
        signed: Sequence[str],
        shown: Sequence[int],
    ) -> None:
        self._source, self._head, self._signed, self._shown = source, head, signed, set(shown)
        self._digests: dict[str, canonical.JsonValue] = {}
        self._policies: list[bytes] = []
        self.disclosed = 0

    def write(self, zip_file: zipfile.ZipFile) -> None:
        """Every member, sorted by name, and the manifest in its place among them."""
        head, source = self._head, self._source
        readme = README.format(origin=source.origin, size=head.size, root=head.root.hex())
        key = f"origin {source.origin}\nfirst-key {source.first_key.hex()}\n"
        with zip_file:
            self._add(zip_file, "README.txt", [readme.encode()])
            self._add(zip_file, "checkpoints.txt", (f"{one}\n".encode() for one in self._signed))
            self._add(zip_file, "cosigned.txt", (f"{one}\n".encode() for one in source.cosigned()))
            self._add(zip_file, "disclosed.jsonl", self._disclosures())
            self._add(zip_file, "headers.jsonl", self._headers())
            self._add(zip_file, "key.txt", [key.encode()])
            late = {"policies.jsonl": self._policies, "verify.py": [verifier()]}
            files = self._digests | {
                name: hashlib.sha256(b"".join(parts)).hexdigest() for name, parts in late.items()
            }
            manifest = canonical.encode({"files": files, "format": BUNDLE_FORMAT})
            self._add(zip_file, "manifest.json", [manifest + b"\n"])
            for name, parts in late.items():
                self._add(zip_file, name, parts)

    def _add(self, zip_file: zipfile.ZipFile, name: str, parts: Iterable[bytes]) -> None:
        member = zipfile.ZipInfo(name, _DATE)
        member.compress_type = zipfile.ZIP_DEFLATED
        member.create_system, member.external_attr = _UNIX, _READABLE
        digest = hashlib.sha256()
        with zip_file.open(member, "w", force_zip64=True) as file:
            for part in parts:
                file.write(part)
                digest.update(part)
        self._digests[name] = digest.hexdigest()

    def _headers(self) -> Iterator[bytes]:
        return (header + b"\n" for header in self._source.headers(self._head.size))

    def _disclosures(self) -> Iterator[bytes]:
        """One line per payload; also finds the policies, which are always shown."""
        policies = {seq for seq in self._source.policies() if seq <= self._head.size}
        for seq in sorted(self._shown | policies):
            opened = self._source.disclose(seq)
            if opened is None:
                if seq in self._shown:
                    raise LedgerError(f"the payload of event {seq} was erased")
                continue
            payload = canonical.decode(opened.payload)
            self.disclosed += 1
            yield _line({"nonce": opened.nonce.hex(), "payload": payload, "seq": seq})
            if seq in policies:
                digest = hashlib.sha256(str(payload["text"]).encode()).hexdigest()
                self._policies.append(
                    _line({"digest": digest, "name": payload["name"], "seq": seq})
                )


def _line(value: dict[str, canonical.JsonValue]) -> bytes:
    return canonical.encode(value) + b"\n"
