"""Proofs that one event is in the log, which anybody can check with a file and a key.

A proof is a C2SP tlog-proof file:

    c2sp.org/tlog-proof@v1
    extra <base64 of the event's canonical header>
    index <seq − 1>
    <base64 hash> …

    <signed checkpoint note, with the cosignatures of witnesses>

Checking it, numbered as in :func:`verify_proof`:

1. The file has this form, and its checkpoint is about the log whose key was given.
2. The checkpoint is signed by the log, and no line of a known key is forged.
3. Enough of the given witnesses cosigned it.
4. The header leads to the signed root from its place: the extra data is trusted only now.
5. The header says the place it was found at.

It proves the header (who, when, what kind, about what, commitment to the payload), not the
payload itself, which stays encrypted.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from governance import canonical, notes
from governance.errors import CheckpointError, LedgerError, ProofError
from governance.merkle import inclusion_proof, verify_inclusion
from governance.notes import Checkpoint, VerifierKey

FIRST_LINE = "c2sp.org/tlog-proof@v1"
ROTATED = "key.rotated"
_NEW_KEY = re.compile(r"key:([0-9a-f]{64})")


class ProvableLog(Protocol):
    """What proving needs from a ledger; small values only, so a remote one can offer it."""

    @property
    def origin(self) -> str:
        """The log's name on its checkpoints."""
        ...

    @property
    def public_key(self) -> bytes:
        """Raw Ed25519 key that signs its checkpoints now."""
        ...

    def note(self) -> str:
        """The newest signed checkpoint."""
        ...

    def first_note(self, seq: int) -> str:
        """The first signed checkpoint that covers event ``seq``.

        Raises:
            LedgerError: none does.
        """
        ...

    def tile(self, level: int, index: int) -> bytes:
        """The hashes of one tile, joined: 256 of a whole one, else those there are."""
        ...

    def header(self, seq: int) -> bytes:
        """Canonical header bytes of one event.

        Raises:
            LedgerError: no such event.
        """
        ...

    def rotations(self) -> Sequence[int]:
        """Numbers of all ``key.rotated`` events, oldest first."""
        ...


@dataclass(frozen=True)
class VerifiedProof:
    """What a proof that held says. ``cosigners`` are those of the witnesses asked about."""

    seq: int
    header: dict[str, canonical.JsonValue]
    checkpoint: Checkpoint
    cosigners: frozenset[VerifierKey]


def log_key(log: ProvableLog) -> VerifierKey:
    """The key of a log in the form that is given to others."""
    return VerifierKey(log.origin, notes.ED25519, log.public_key)


def build_proof(log: ProvableLog, seq: int, note: str | None = None) -> str:
    """The proof file of event ``seq``, checked before it is handed out.

    Args:
        log: The ledger.
        seq: Number of the event.
        note: The checkpoint to prove against; ``None``: the newest.

    Raises:
        LedgerError: no such event, or the checkpoint does not cover it.
        ProofError: the stored hashes do not prove what was signed.
    """
    note = log.note() if note is None else note
    checkpoint = notes.parse(note)
    header = log.header(seq)
    if seq > checkpoint.size:
        raise LedgerError(f"event {seq} is not covered by the checkpoint at {checkpoint.size}")
    path = inclusion_proof(seq - 1, checkpoint.size, log.tile)
    try:
        verify_inclusion(header, seq - 1, checkpoint.size, path, checkpoint.root)
    except ProofError as error:
        raise ProofError(
            f"event {seq} cannot be proved: {error}", hint="`palimpsest verify` names the cause"
        ) from error
    lines = [
        FIRST_LINE,
        f"extra {base64.b64encode(header).decode()}",
        f"index {seq - 1}",
        *(base64.b64encode(one).decode() for one in path),
    ]
    return "\n".join(lines) + "\n\n" + note


def verify_proof(
    text: str,
    keys: Sequence[VerifierKey],
    *,
    witnesses: Sequence[VerifierKey] = (),
    quorum: int = 0,
) -> VerifiedProof:
    """Check a proof file against keys the caller trusts; needs nothing else.

    Args:
        text: The file.
        keys: Keys of one log; its checkpoint must be signed by one of them.
        witnesses: Keys of witnesses that may vouch for the checkpoint.
        quorum: How many of them have to, each key counted once.

    Raises:
        LedgerError: more witnesses asked for than given.
        CheckpointError: another log, not signed by it, forged, or too few cosignatures.
        ProofError: malformed, or the event is not where the proof says.
    """
    if not 0 <= quorum <= len({one.public for one in witnesses}):
        raise LedgerError(
            f"a quorum of {quorum} needs as many different witness keys",
            hint="give --witness once for each",
        )
    parsed = _parse(text)  # step 1
    checkpoint = notes.parse(parsed.note)
    if not {key.name for key in keys} <= {checkpoint.origin}:
        raise CheckpointError(f"the proof is about another log: {checkpoint.origin[:80]!r}")
    if not notes.signers(parsed.note, [key.public for key in keys]):  # step 2
        raise CheckpointError(
            "the checkpoint of the proof is not signed by the log's key",
            hint="if the log has changed its key, give the proofs of that with --chain",
        )
    found = notes.cosigners(parsed.note, witnesses)  # step 3
    if len(found) < quorum:
        raise CheckpointError(
            f"{len(found)} of {len(witnesses)} witnesses vouch for the checkpoint, "
            f"{quorum} are needed"
        )
    verify_inclusion(
        parsed.header, parsed.index, checkpoint.size, parsed.hashes, checkpoint.root
    )  # step 4
    try:
        header = canonical.decode(parsed.header)
    except LedgerError as error:
        raise ProofError(f"the proven leaf is not an event header: {error}") from error
    if header.get("seq") != parsed.index + 1:  # step 5
        raise ProofError(f"the event at index {parsed.index} says it is {header.get('seq')!r}")
    return VerifiedProof(parsed.index + 1, header, checkpoint, found)


def follow_keys(key: VerifierKey, chain: Iterable[str]) -> VerifierKey:
    """The key that ``key`` was replaced by, following proofs of ``key.rotated`` events.

    Each link is a proof file whose checkpoint both keys signed: the old one to name its
    successor, the new one to show that somebody holds it. Links that ``key`` did not sign
    lie before it and are passed over.

    Raises:
        CheckpointError, ProofError: a link is forged, or proves something else.
    """
    for text in chain:
        note = _parse(text).note
        if not notes.signers(note, [key.public]):
            continue
        proven = verify_proof(text, [key])
        match = _NEW_KEY.fullmatch(str(proven.header.get("subject")))
        if proven.header.get("type") != ROTATED or match is None:
            raise ProofError(f"event {proven.seq} is no change of key")
        public = bytes.fromhex(match.group(1))
        if not notes.signers(note, [public]):
            raise CheckpointError(
                f"the new key of event {proven.seq} did not sign the checkpoint that names it"
            )
        key = VerifierKey(key.name, notes.ED25519, public)
    return key


@dataclass(frozen=True)
class _Parsed:
    header: bytes
    index: int
    hashes: list[bytes]
    note: str


def _parse(text: str) -> _Parsed:
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines[0] != FIRST_LINE:
        raise ProofError(f"not a proof file: its first line is not {FIRST_LINE}")
    if len(lines) < 3 or not lines[1].startswith("extra "):  # noqa: PLR2004  # the fixed lines
        raise ProofError("the proof file holds no event header (extra) or no index")
    index = notes.plain_number(lines[2].removeprefix("index "))
    if not lines[2].startswith("index ") or index is None:
        raise ProofError(f"{lines[2][:80]!r} is not the index of an event")
    header = decode_line(lines[1].removeprefix("extra "))
    return _Parsed(header, index, [decode_line(line) for line in lines[3:]], note)


def decode_line(text: str) -> bytes:
    """The bytes of one base64 line.

    Raises:
        ProofError: not the one standard spelling of any bytes.
    """
    data = notes.from_base64(text)
    if data is None:
        raise ProofError(f"{text[:80]!r} is not base64")
    return data
