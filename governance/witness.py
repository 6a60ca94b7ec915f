"""Witnesses: somebody else's memory of how long the log was, and what it held.

A witness keeps, for each log, exactly one checkpoint: the newest it has vouched for. It
cosigns (C2SP tlog-cosignature) only what provably continues that one, so a log that was
cut or rewritten cannot be vouched for again, and two readers who trust the same witness
cannot be shown two histories. A request is the body of C2SP tlog-witness
``add-checkpoint``, preceded by the proofs of key changes the witness may not know yet:

    <tlog-proof file of a key.rotated event>        none or more, oldest first
                                                    an empty line after each
    old <size the witness is at>
    <base64 hash of the consistency proof> …

    <signed checkpoint note>

Rules, numbered as in :meth:`Witness.cosign`:

1. The log is known, or its key is given on this first contact (``trust``).
2. The checkpoint is signed by the key trusted for the log, or by one that a chain of key
   changes signed by the trusted one leads to.
3. Another root at the very size that was vouched for is a fork.
4. ``old`` is the size vouched for; otherwise the witness says which size that is.
5. The consistency proof holds; if not, the log was rewritten (or the proof was damaged).
6. The new checkpoint is durable before anything is signed, under a lock, and the time of
   a cosignature never goes back.

At a fork nothing is signed, and both notes are kept in ``evidence``: with the log's own
signature on each they convict it.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import notes
from governance.durable import read_text, reported, write_whole
from governance.errors import (
    CheckpointError,
    ForkError,
    LedgerError,
    ProofError,
    StaleRequestError,
    StoreBusyError,
    StoreError,
)
from governance.merkle import EMPTY_ROOT, consistency_proof, verify_consistency
from governance.notes import COSIGNATURE, ED25519, Checkpoint, VerifierKey
from governance.proof import ProvableLog, build_proof, decode_line, follow_keys

KEY_FILE = "witness.key"
LOGS = "logs"
EVIDENCE = "evidence"
LOCK = "lock"
MAX_LINKS = 64
"""Changes of key in one request; a log that rotates more often is asked in between."""
_SECRET = "PRIVATE+KEY"  # the prefix of a C2SP signing key  # noqa: S105
_PROOF_BLOCKS = 3


# --- requests ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """What a log asks of a witness."""

    old: int
    proof: tuple[bytes, ...]
    note: str
    chain: tuple[str, ...] = ()

    def text(self) -> str:
        """The request as it travels."""
        lines = [f"old {self.old}", *(base64.b64encode(one).decode() for one in self.proof)]
        links = "".join(f"{link}\n" for link in self.chain)
        return links + "\n".join(lines) + "\n\n" + self.note


def build_request(log: ProvableLog, old: int) -> Request:
    """Ask for a cosignature on the newest checkpoint by a witness that is at size ``old``.

    Raises:
        CheckpointError: the witness has vouched for more than this log holds.
        ProofError: the stored hashes do not prove what was signed.
    """
    note = log.note()
    size = notes.parse(note).size
    if old > size:
        raise CheckpointError(
            f"the witness has vouched for {old} events, this ledger ends at {size}",
            hint="an old copy or a cut ledger: restore the newest one",
        )
    chain = [build_proof(log, seq, log.first_note(seq)) for seq in log.rotations() if seq > old]
    return Request(old, tuple(consistency_proof(old, size, log.tile)), note, tuple(chain))


def parse_request(text: str) -> Request:
    """Take a request apart; nothing in it is trusted yet.

    Raises:
        LedgerError: not a request.
    """
    # Proof file and request have three blocks each: lines, checkpoint text, signatures.
    # Every signature block ends in a newline, so only the last one keeps it when split.
    blocks = text.split("\n\n")
    groups = [blocks[at : at + _PROOF_BLOCKS] for at in range(0, len(blocks), _PROOF_BLOCKS)]
    if len(blocks) % _PROOF_BLOCKS or len(groups) > MAX_LINKS + 1:
        raise LedgerError(
            "not a request for a cosignature",
            hint="make one with `palimpsest witness request`",
        )
    *links, (first, body, signatures) = groups
    chain = tuple("\n\n".join(link) + "\n" for link in links)
    head, *hashes = first.split("\n")
    old = notes.plain_number(head.removeprefix("old "))
    if not head.startswith("old ") or old is None:
        raise LedgerError(f"a request starts with its old size, not with {head[:80]!r}")
    proof = tuple(decode_line(line) for line in hashes)
    return Request(old, proof, f"{body}\n\n{signatures}", chain)


# --- the witness -------------------------------------------------------------------------


@dataclass(frozen=True)
class LogRecord:
    """The one thing a witness remembers of a log. ``time_s`` is of its last cosignature."""

    key: VerifierKey
    note: str
    time_s: int

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint vouched for."""
        return notes.parse(self.note)


@dataclass(frozen=True)
class Cosigned:
    """A cosignature: the ``line`` to send back, and what was vouched for."""

    line: str
    checkpoint: Checkpoint
    time_s: int


class Witness:
    """A folder of its own: key, one record for each log, evidence of forks."""

    def __init__(self, folder: Path) -> None:
        """Open an existing witness.

        Raises:
            StoreError: there is none, or its key cannot be read.
        """
        self._folder = folder
        text = read_text(folder / KEY_FILE)
        if text is None:
            raise StoreError(
                f"there is no witness at {folder}", hint="`palimpsest witness init` makes one"
            )
        name, _, encoded = text.strip().removeprefix(f"{_SECRET}+").partition("+")
        try:
            raw = decode_line(encoded.partition("+")[2])
            self._key = Ed25519PrivateKey.from_private_bytes(raw[1:])
        except (ProofError, ValueError) as error:
            raise StoreError(f"the key of the witness at {folder} is damaged") from error
        self.key = VerifierKey(name, COSIGNATURE, self._key.public_key().public_bytes_raw())
        if not notes.is_key_name(name) or text != _secret(self.key, self._key):
            raise StoreError(f"the key of the witness at {folder} is damaged")

    @classmethod
    def create(cls, folder: Path, name: str) -> Witness:
        """Make a witness, or open the one of this name that is there.

        Raises:
            LedgerError: a name that cannot stand on a signature line.
            StoreError: the folder is not empty, is another witness, or not writable.
        """
        if not notes.is_key_name(name):
            raise LedgerError(
                f"{name[:80]!r} cannot name a witness",
                hint="no spaces and no plus; for example audit.example/ledger-witness",
            )
        with reported(f"no witness can be made at {folder}"):
            if (folder / KEY_FILE).exists():
                found = cls(folder)
                if found.key.name != name:
                    raise StoreError(f"{folder} is the witness {found.key.name!r} already")
                return found
            # What an interrupted run left is completed; a memory whose key was lost is kept.
            ours = {LOCK, LOGS, EVIDENCE, f"{KEY_FILE}.new"}
            if folder.is_dir() and any(one.name not in ours for one in folder.iterdir()):
                raise StoreError(f"{folder} holds other files", hint="choose a new folder")
            for one in (folder, folder / LOGS, folder / EVIDENCE):
                one.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = Ed25519PrivateKey.generate()
            public = VerifierKey(name, COSIGNATURE, key.public_key().public_bytes_raw())
            write_whole(folder / KEY_FILE, _secret(public, key))
        return cls(folder)

    def records(self) -> list[LogRecord]:
        """What it remembers, one record for each log, by origin.

        Raises:
            StoreError: a record is damaged.
        """
        with reported(f"the records of {self._folder} cannot be read"):
            paths = sorted((self._folder / LOGS).glob("*.note"))
        found = [_record(path.name, read_text(path) or "") for path in paths]
        return sorted(found, key=lambda one: one.key.name)

    def cosign(self, request: Request, *, now_s: int, trust: VerifierKey | None = None) -> Cosigned:
        """Vouch for the checkpoint of ``request``, by the rules at the top.

        Args:
            request: Untrusted.
            now_s: Unix seconds.
            trust: Key of a log seen for the first time; it must fit if the log is known.

        Raises:
            LedgerError: an unknown log, or another key than the one trusted before.
            StaleRequestError: the witness is at another size than the request assumes.
            CheckpointError, ProofError: a signature or a change of key does not hold.
            ForkError: the log shows another history than before; evidence was kept.
            StoreError: the record could not be made durable; nothing was signed.
            StoreBusyError: another process uses this witness.
        """
        checkpoint = notes.parse(request.note)
        with self._locked():
            record = self._record(checkpoint.origin)
            trusted = self._trusted(checkpoint.origin, record, trust)  # step 1
            key = follow_keys(trusted, request.chain)  # step 2
            notes.verify(request.note, key.public, origin=key.name)
            size, root = 0, EMPTY_ROOT
            if record is not None:
                size, root = record.checkpoint.size, record.checkpoint.root
                if size == checkpoint.size and root != checkpoint.root:  # step 3
                    self._fork(record, request, f"two histories of {size} events")
            if request.old != size:  # step 4
                raise StaleRequestError(
                    f"the witness is at size {size}, the request starts at {request.old}",
                    size=size,
                    hint=f"ask again with `palimpsest witness request --old {size}`",
                )
            try:
                verify_consistency(size, checkpoint.size, root, checkpoint.root, request.proof)
            except ProofError as error:  # step 5
                if record is not None and checkpoint.size >= size:
                    self._fork(record, request, str(error))
                raise
            time_s = max(now_s, record.time_s if record is not None else 0)
            self._keep(LogRecord(key, request.note, time_s))  # step 6
            line = notes.cosign(request.note, self.key.name, self._key, time_s)
        return Cosigned(line, checkpoint, time_s)

    def _trusted(
        self, origin: str, record: LogRecord | None, trust: VerifierKey | None
    ) -> VerifierKey:
        if record is None and trust is None:
            raise LedgerError(
                f"the log {origin[:80]!r} is unknown to this witness",
                hint="on first contact give its key with --trust; `palimpsest key show` prints it",
            )
        if trust is not None and record is not None and trust != record.key:
            raise LedgerError(
                f"another key is already trusted for {origin[:80]!r}: {record.key}",
                hint="--trust is for the first contact only; a log changes its key by an event",
            )
        key = trust if record is None else record.key
        assert key is not None
        return key

    def _fork(self, record: LogRecord, request: Request, what: str) -> None:
        names = [self._convict(note) for note in (record.note, request.note)]
        raise ForkError(
            f"the log {record.key.name!r} shows another history than the one vouched for: "
            f"{what}; both signed checkpoints are kept: {', '.join(names)}",
            hint="nothing was signed. If the request was damaged on its way, a new one will "
            "hold; if not, show both files to whoever relies on this log",
        )

    def _convict(self, note: str) -> str:
        checkpoint = notes.parse(note)
        name = f"{_file_id(checkpoint.origin)}-{checkpoint.size}-{checkpoint.root.hex()[:16]}.note"
        write_whole(self._folder / EVIDENCE / name, note)
        return f"{EVIDENCE}/{name}"

    def _record(self, origin: str) -> LogRecord | None:
        path = self._folder / LOGS / f"{_file_id(origin)}.note"
        text = read_text(path)
        if text is None:
            return None
        record = _record(path.name, text)
        if record.key.name != origin:
            raise _damaged(path.name, f"it is about {record.key.name[:80]!r}")
        return record

    def _keep(self, record: LogRecord) -> None:
        path = self._folder / LOGS / f"{_file_id(record.key.name)}.note"
        write_whole(path, f"{record.key}\ntime {record.time_s}\n\n{record.note}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with reported(f"the witness at {self._folder} cannot be locked"):
            flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
            descriptor = os.open(self._folder / LOCK, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise StoreBusyError(
                f"another process uses the witness at {self._folder}",
                hint="try again when it is done",
            ) from error
        try:
            yield
        finally:
            os.close(descriptor)


def _record(name: str, text: str) -> LogRecord:
    """The record in the file ``name``, whose signature must still hold."""
    head, _, note = text.partition("\n\n")
    vkey, _, time_line = head.partition("\n")
    time_s = notes.plain_number(time_line.removeprefix("time "))
    try:
        key = notes.parse_key(vkey, kind=ED25519)
        notes.verify(note, key.public, origin=key.name)
    except CheckpointError as error:
        raise _damaged(name, str(error)) from error
    if time_s is None:
        raise _damaged(name, "it holds no time")
    return LogRecord(key, note, time_s)


def _damaged(name: str, why: str) -> StoreError:
    return StoreError(
        f"the record {name} of the witness is damaged: {why}",
        hint="restore it from a backup; without it a fork would go unseen",
    )


def _file_id(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()[:32]


def _secret(public: VerifierKey, key: Ed25519PrivateKey) -> str:
    """The key file: a C2SP signing key, ``PRIVATE+KEY+<name>+<key id>+<base64(type ‖ key)>``."""
    encoded = base64.b64encode(bytes([public.kind]) + key.private_bytes_raw()).decode()
    return f"{_SECRET}+{public.name}+{public.key_id.hex()}+{encoded}\n"
