"""Reviewers' own signatures over their decisions (21 CFR 11.50 and 11.70).

The log's key proves that a decision was recorded; this proves that a certain person made it.
What is signed, with Ed25519, is the canonical JSON of

    {"format", "origin", "leaf", "decision_seq", "meaning", "name", "principal",
     "recorded_at_us"}

``leaf`` is the leaf hash of the decision event and ``origin`` the name of its log, so a
signature cannot be cut out and put on another record. ``name``, ``recorded_at_us`` and
``meaning`` are what 11.50 asks a signed record to show. The private key stays in a file of the
reviewer's; the ledger knows only the public one.

A decision is signed after it is recorded, in a second append: before, it has no leaf.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from governance import canonical
from governance.durable import reported
from governance.errors import LedgerError, NotAuthorisedError, ReviewError
from governance.events import (
    PAYLOADS,
    Actor,
    Decision,
    DecisionSigned,
    Event,
    SignerRegistered,
    SignerWithdrawn,
)
from governance.ledger import EventDraft, Ledger, Receipt
from governance.records import SignerState
from governance.refusals import recording
from governance.state import State

FORMAT: Final = "palimpsest-signed-decision/1"
PUBLIC_SUFFIX: Final = ".pub"
MEANINGS: Final = {
    "entry.approved": "approved, after reading the evidence",
    "review.endorsed": "endorsed as the first of two reviewers, after reading the evidence",
    "entry.rejected": "rejected",
    "entry.quarantined": "set apart for investigation",
    "entry.revoked": "revoked",
}
"""What a signature says, unless the signer says otherwise."""
_DECISIONS: Final = frozenset(
    name for name, model in PAYLOADS.items() if issubclass(model, Decision)
)


# --- the statement; pure ---------------------------------------------------------------


@dataclass(frozen=True)
class Statement:
    """What a reviewer signs. ``leaf`` is hex; ``recorded_at_us`` is the decision's time."""

    origin: str
    leaf: str
    decision_seq: int
    meaning: str
    name: str
    principal: str
    recorded_at_us: int

    def encoded(self) -> bytes:
        """The bytes that are signed."""
        return canonical.encode({"format": FORMAT, **asdict(self)})

    def signed(self, key: Ed25519PrivateKey) -> str:
        """The signature, hex."""
        return key.sign(self.encoded()).hex()

    def holds(self, key: str, signature: str) -> bool:
        """Whether ``signature`` over this statement is by ``key``; both hex, of any origin."""
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
            public.verify(bytes.fromhex(signature), self.encoded())
        except (InvalidSignature, ValueError):
            return False
        return True


# --- key files -------------------------------------------------------------------------


def new_key_file(path: Path, passphrase: str = "") -> str:
    """Make a key; returns the public one (hex).

    Args:
        path: New file for the private key (PKCS #8 PEM, mode 0600). The public one is
            written beside it, with ``.pub`` added, for whoever registers it.
        passphrase: Encrypts the private key; empty: nothing does.

    Raises:
        LedgerError: there is such a file already; a key is never overwritten.
        StoreError: a file cannot be written.
    """
    key = Ed25519PrivateKey.generate()
    sealed = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    public = key.public_key()
    beside = path.with_name(path.name + PUBLIC_SUFFIX)
    _write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealed))
    _write_new(beside, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public.public_bytes_raw().hex()


def read_key_file(path: Path, passphrase: str = "") -> Ed25519PrivateKey:
    """The private key in ``path``.

    Raises:
        LedgerError: no Ed25519 private key, or another passphrase.
        StoreError: the file cannot be read.
    """
    raw = _read(path)
    try:
        key = load_pem_private_key(raw, passphrase.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LedgerError(
            f"{path} holds no private key that this passphrase opens",
            hint="--passphrase-env names the variable with its passphrase",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerError(f"{path} holds another kind of key than Ed25519")
    return key


def public_key_of(path: Path, passphrase: str = "") -> str:
    """The public key (hex) of a key file, private or public.

    Raises:
        LedgerError, StoreError: as :func:`read_key_file`.
    """
    with suppress(ValueError, UnsupportedAlgorithm):
        public = load_pem_public_key(_read(path))
        if isinstance(public, Ed25519PublicKey):
            return public.public_bytes_raw().hex()
    return read_key_file(path, passphrase).public_key().public_bytes_raw().hex()


# --- signers ---------------------------------------------------------------------------


def register_signer(
    ledger: Ledger, principal: str, key: str, name: str, *, actor: Actor
) -> Receipt:
    """Let ``principal`` sign decisions with ``key`` (raw, hex), printed as ``name``.

    Raises:
        NotAuthorisedError: the actor is no admin or, without roles, somebody else.
        LedgerError: no name, no person, or a key that is or was in use.
    """
    with recording(ledger, "signer register", f"principal:{principal}", actor=actor):
        if not name.strip():
            raise LedgerError("a signature shows a name", hint='--name "Ann Meyer"')
        payload = SignerRegistered(principal=principal, key=key, name=name.strip())
        return ledger.append([EventDraft(payload, actor)])


def withdraw_signer(ledger: Ledger, principal: str, reason: str, *, actor: Actor) -> Receipt:
    """End a key: it signs nothing any more, and what it signed before stays signed.

    Raises:
        NotAuthorisedError: the actor is no admin or, without roles, somebody else.
        LedgerError: there is no key in force, or no reason.
    """
    with recording(ledger, "signer withdraw", f"principal:{principal}", actor=actor):
        if not reason.strip():
            raise LedgerError("a reason is missing", hint="--reason says why the key ends")
        payload = SignerWithdrawn(principal=principal, reason=reason.strip())
        return ledger.append([EventDraft(payload, actor)])


# --- signing ---------------------------------------------------------------------------


def require_signer(state: State, actor: Actor, key: Ed25519PrivateKey) -> SignerState:
    """The actor's registration of ``key``; to be asked for before deciding.

    Raises:
        NotAuthorisedError: there is none, or it was withdrawn.
    """
    signer = state.signers.get(str(actor))
    if (
        signer is None
        or signer.withdrawn
        or signer.key != key.public_key().public_bytes_raw().hex()
    ):
        raise NotAuthorisedError(
            f"{actor} has not registered this signing key",
            hint="palimpsest signer register --key FILE --name NAME",
        )
    return signer


def sign_decision(
    ledger: Ledger, entry_id: str, *, key: Ed25519PrivateKey, actor: Actor, meaning: str = ""
) -> Receipt:
    """Sign the actor's last decision on an entry.

    Args:
        ledger: Where the decision is recorded.
        entry_id: What it is about.
        key: Registered for the actor.
        actor: Who decided, and signs.
        meaning: What signing it says; empty takes it from :data:`MEANINGS`.

    Raises:
        ReviewError: nobody has decided on the entry.
        NotAuthorisedError: the key is not registered for the actor.
        IllegalTransitionError: it is not the actor's decision, or signed already.

    Side effects: appends ``decision.signed``.
    """
    entry = ledger.state.entry(entry_id)
    with recording(ledger, "sign", f"entry:{entry.entry_id}", actor=actor):
        signer = require_signer(ledger.state, actor, key)
        if entry.decided_seq is None:
            raise ReviewError(f"nobody has decided on entry {entry.entry_id}: nothing to sign")
        header = ledger.event(entry.decided_seq).header
        statement = Statement(
            ledger.origin, ledger.leaf(header.seq), header.seq,
            meaning.strip() or MEANINGS[header.type], signer.name, str(actor),
            header.recorded_at_us,
        )  # fmt: skip
        payload = DecisionSigned(
            entry_id=entry.entry_id, version=entry.version, decision_seq=header.seq,
            leaf=statement.leaf, meaning=statement.meaning, name=signer.name, key=signer.key,
            signature=statement.signed(key),
        )  # fmt: skip
        return ledger.append([EventDraft(payload, actor, entry.scope)])


# --- checking --------------------------------------------------------------------------


@dataclass(frozen=True)
class SignatureFinding:
    """A signature that does not prove what it claims; ``seq`` is its event."""

    seq: int
    problem: str


@dataclass(frozen=True)
class SignatureReport:
    """How many signatures were checked, and what is wrong with which."""

    checked: int
    findings: tuple[SignatureFinding, ...]


def verify_all(ledger: Ledger) -> SignatureReport:
    """Check every signature against the decision it names and the key in force at the time.

    Through a ledger that shows one scope only, registrations of others are not seen, and
    that the key was registered is not checked there.
    """
    in_force: dict[str, str] = {}
    checked, findings = 0, []
    types = [kind.event_type for kind in (SignerRegistered, SignerWithdrawn, DecisionSigned)]
    for event in ledger.events(types=types):
        payload = event.payload
        if isinstance(payload, SignerRegistered):
            in_force[payload.principal] = payload.key
        elif isinstance(payload, SignerWithdrawn):
            in_force.pop(payload.principal, None)
        elif isinstance(payload, DecisionSigned):  # None once the entry was erased
            checked += 1
            registered = ledger.bounds is not None or (
                in_force.get(str(event.header.actor)) == payload.key
            )
            problem = _problem(ledger, event, payload, registered=registered)
            if problem:
                findings.append(SignatureFinding(event.header.seq, problem))
    return SignatureReport(checked, tuple(findings))


def _problem(ledger: Ledger, event: Event, payload: DecisionSigned, *, registered: bool) -> str:
    """What is wrong with one signature, the cause before what follows from it; empty: nothing."""
    signed, seq = event.header, payload.decision_seq
    if seq >= signed.seq:
        return f"signs event {seq}, which was not there yet"
    decision = ledger.event(seq).header
    statement = Statement(
        ledger.origin, payload.leaf, seq, payload.meaning, payload.name, str(signed.actor),
        decision.recorded_at_us,
    )  # fmt: skip
    problem = ""
    if decision.type not in _DECISIONS or decision.subject != signed.subject:
        problem = f"signs event {seq}, which is no decision on {signed.subject}"
    elif decision.actor != signed.actor:
        problem = f"{signed.actor} signs event {seq}, a decision of {decision.actor}"
    elif ledger.leaf(seq) != payload.leaf:
        problem = f"the leaf it signs is not that of event {seq}"
    elif not registered:
        problem = f"its key was not registered for {signed.actor}"
    elif not statement.holds(payload.key, payload.signature):
        problem = f"the signature of {signed.actor} does not fit what it claims to sign"
    return problem


def _write_new(path: Path, data: bytes) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    with reported(f"{path} cannot be written"):
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileExistsError as error:
            raise LedgerError(
                f"{path} is there already", hint="a key is never overwritten; take another name"
            ) from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _read(path: Path) -> bytes:
    with reported(f"{path} cannot be read"):
        return path.read_bytes()
