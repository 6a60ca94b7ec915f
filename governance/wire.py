"""What the service and its clients say to each other: one model per message.

``governance.service`` serves exactly these and describes them as OpenAPI; ``governance.client``
speaks them. Unknown keys are refused on both sides.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from governance import errors
from governance.batch import EventDraft
from governance.errors import ChainError, LedgerError, PalimpsestError, SchemaVersionError
from governance.events import (
    PAYLOADS,
    Actor,
    Event,
    Header,
    Payload,
    ReviewTerms,
    Scope,
    VerifierResult,
)
from governance.log import Receipt
from governance.policy import Outcome, Severity

API_VERSION: Final = 1
API_HEADER: Final = "palimpsest-api"
NEXT_HEADER: Final = "palimpsest-next"
HEAD_HEADER: Final = "palimpsest-head"
MAX_BODY_BYTES: Final = 64 * 2**20
"""Largest request; one append is one request, and a source may be a long document."""
LAST: Final = 2**63 - 1

Json = dict[str, object]
Version = Annotated[int, Field(ge=-LAST, le=LAST)]


def software_version() -> str:
    """The installed version, as clients and owner tell each other."""
    try:
        return version("palimpsest-ledger")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "unknown"


class Message(BaseModel):
    """Base of everything that is sent: closed and immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- appending --------------------------------------------------------------------------


class DraftBody(Message):
    """An event to append; ``payload`` is the model of its ``type``."""

    type: str
    payload: Json
    actor: Actor
    scope: Scope
    causes: list[str] = []
    episode: str | None = None
    policy_digest: str | None = None
    data_subject: str = ""

    def draft(self) -> EventDraft:
        """The draft.

        Raises:
            SchemaVersionError: this version does not know the type.
            LedgerError: the payload does not fit its type.
        """
        return EventDraft(
            decoded_payload(self.type, self.payload), self.actor, self.scope, tuple(self.causes),
            self.episode, self.policy_digest, self.data_subject,
        )  # fmt: skip


class AppendBody(Message):
    """``POST /v1/append``: all drafts in one durable transaction, or none of them."""

    drafts: Annotated[list[DraftBody], Field(min_length=1)]
    key: str | None = None


class ReceiptBody(Message):
    """What an append did."""

    first_seq: int
    last_seq: int
    event_ids: list[str]
    repeated: bool = False

    def receipt(self) -> Receipt:
        """As the ledger gives it."""
        return Receipt(self.first_seq, self.last_seq, tuple(self.event_ids), self.repeated)


class ReceiptAnswer(Message):
    """``GET /v1/receipts?key=…``."""

    receipt: ReceiptBody | None


# --- reading ----------------------------------------------------------------------------


class SelectBody(Message):
    """``POST /v1/events``: events of these types and subjects in the range, as NDJSON.

    One answer is one page; the header ``palimpsest-next`` says where the next one starts.
    """

    start: Version = 1
    stop: Version = LAST
    types: list[str] | None = None
    subjects: list[str] | None = None


class EventLine(Message):
    """One line of the answer to ``POST /v1/events``. Erased: no payload."""

    header: Header
    payload: Json | None

    def event(self) -> Event:
        """The event.

        Raises:
            SchemaVersionError: this version does not know the type.
            LedgerError: the payload does not fit its type.
        """
        if self.payload is None:
            return Event(self.header, None)
        return Event(self.header, decoded_payload(self.header.type, self.payload))


class StepsBody(Message):
    """``POST /v1/last-steps``: the last event about each subject of one kind."""

    kind: str
    start: Version
    stop: Version
    types: list[str]


class StepsAnswer(Message):
    """In columns, subjects in the order in which they first occur."""

    ids: list[str]
    seqs: list[int]
    types: list[str]


class MentionsBody(Message):
    """``POST /v1/mentions``: who names whom."""

    start: Version
    stop: Version
    types: list[str]
    subject: str | None = None


class MentionLine(Message):
    """Event ``seq`` names ``subject``."""

    seq: int
    type: str
    subject: str


class MentionsAnswer(Message):
    """In order of ``seq``."""

    mentions: list[MentionLine]


class HeadAnswer(Message):
    """``GET /v1/head``: version and root (hex) now."""

    seq: int
    root: str


class TextBody(Message):
    """``POST /v1/keyed``: a text."""

    text: str


class TextAnswer(Message):
    """Its keyed digest."""

    digest: str


# --- proving, keys, projections ---------------------------------------------------------


class VerifyBody(Message):
    """``POST /v1/verify``: check the whole log again."""

    payloads: bool = True


class VerifyAnswer(Message):
    """What was checked, and everything that is wrong."""

    events: int
    checkpoints: int
    payloads: int
    erased: int
    unsigned: int
    root: str
    problems: list[str]
    notices: list[str]
    first_bad: int | None


class RotateBody(Message):
    """``POST /v1/keys/rotate``: sign with a new key from now on."""

    actor: Actor
    reason: str


class RebuildAnswer(Message):
    """``POST /v1/projections/rebuild``: how much was made again."""

    mentions: int


# --- proposing --------------------------------------------------------------------------


class ProposalBody(Message):
    """``POST /v1/proposals``: an entry to be verified and decided on, here and not there."""

    proposal: Json
    scope: Scope
    episode: str | None = None
    data_subject: str = ""


class DecisionBody(Message):
    """What the policy in force said and why."""

    outcome: Outcome
    rule_id: str
    message: str
    severity: Severity
    clause: str
    policy: str
    digest: str
    terms: ReviewTerms = ReviewTerms()


class ProposalAnswer(Message):
    """What became of the proposal."""

    entry_id: str
    decision: DecisionBody
    results: list[VerifierResult]
    risk_ppm: int
    receipt: ReceiptBody


# --- the service itself -----------------------------------------------------------------


class HealthAnswer(Message):
    """``GET /health``: open to all. ``proof`` answers the nonce of a client with a token."""

    status: Literal["ok"]
    api: int
    version: str
    proof: str | None = None


class AboutAnswer(Message):
    """``GET /v1/about``: whose log this is, and who is asking."""

    version: str
    api: int
    origin: str
    public_key: str
    pid: int
    principal: Actor | None
    bounds: Scope | None
    roles: list[str]


class RangeBody(Message):
    """``POST /v1/headers``: canonical headers ``start`` to ``stop``, one a line."""

    start: int
    stop: int


class NotesAnswer(Message):
    """``GET /v1/checkpoints``: the key the log began with (hex), and every signed note."""

    first_key: str
    notes: list[str]


class DisclosureAnswer(Message):
    """``GET /v1/disclosures/SEQ``: nonce (hex) and canonical payload, null once erased."""

    nonce: str
    payload: str | None


class ErrorAnswer(Message):
    """Every refusal: the class of ``governance.errors``, what failed, what to do next."""

    error: str
    message: str
    hint: str = ""


# --- from and to what the ledger uses ----------------------------------------------------


def decoded_payload(name: str, content: Json) -> Payload:
    """A payload by the name of its type.

    Raises:
        SchemaVersionError: this version does not know the type.
        LedgerError: it does not fit.
    """
    model = PAYLOADS.get(name)
    if model is None:
        raise SchemaVersionError(
            f"event type {name!r} is unknown to this version ({software_version()})",
            hint="install the version of palimpsest that wrote it, or a newer one",
        )
    try:
        # By way of JSON: strict models take lists, tuples and enumerations from JSON only.
        return model.model_validate_json(orjson.dumps(content))
    except ValidationError as error:
        raise LedgerError(f"{name}: {first_problem(error)}") from error


def encoded_append(drafts: Sequence[EventDraft], key: str | None) -> bytes:
    """An :class:`AppendBody` as JSON, without building it first."""
    return orjson.dumps({
        "key": key,
        "drafts": [
            {
                "type": draft.payload.event_type,
                "payload": draft.payload.model_dump(mode="json"),
                "actor": draft.actor.model_dump(),
                "scope": draft.scope.model_dump(),
                "causes": draft.causes,
                "episode": draft.episode,
                "policy_digest": draft.policy_digest,
                "data_subject": draft.data_subject,
            }
            for draft in drafts
        ],
    })  # fmt: skip


def encoded_event(event: Event) -> bytes:
    """One :class:`EventLine` as JSON, line end included."""
    payload = None if event.payload is None else event.payload.model_dump(mode="json")
    line = {"header": event.header.model_dump(mode="json"), "payload": payload}
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def decoded_event(line: bytes) -> Event:
    """The event of a line.

    Raises:
        ChainError: it is none.
        SchemaVersionError: this version does not know its type.
    """
    try:
        return EventLine.model_validate_json(line).event()
    except ValidationError as error:
        raise ChainError(f"the service sent no event: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """Where and what, of the first thing that is wrong; without the value itself."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in found["loc"])
    return f"{where}: {found['msg']}" if where else str(found["msg"])


# --- errors ------------------------------------------------------------------------------


def _plain(kind: type[PalimpsestError]) -> bool:
    """Whether an error is made of a message and a hint, and nothing else."""
    return kind.__init__ is PalimpsestError.__init__


_ERRORS: Final[dict[str, type[errors.GovernanceError]]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.GovernanceError) and _plain(kind)
}


def error_answer(error: PalimpsestError) -> ErrorAnswer:
    """An error as it is sent: under the nearest class that a message can carry whole."""
    kind = next(one for one in type(error).__mro__ if one.__name__ in _ERRORS)
    return ErrorAnswer(error=kind.__name__, message=str(error), hint=error.hint)


def error_of(answer: ErrorAnswer) -> errors.GovernanceError:
    """The error that was sent; one of a class unknown here is a ``StoreError``."""
    return _ERRORS.get(answer.error, errors.StoreError)(answer.message, hint=answer.hint)


# --- recognising the service -------------------------------------------------------------


def proof_of(digest: str, nonce: str, port: int) -> str:
    """What only somebody who knows a token can answer to ``nonce``, on this port.

    Args:
        digest: SHA-256 (hex) of the token's secret; the owner knows no more of it.
        nonce: Chosen by the client.
        port: Where the service answers. A process that took over the port of a dead
            service cannot have the question answered by a live one elsewhere.
    """
    message = f"palimpsest health\n{port}\n{nonce}".encode()
    return hmac.digest(bytes.fromhex(digest), message, "sha256").hex()


def secret_digest(secret: str) -> str:
    """SHA-256 (hex)."""
    return hashlib.sha256(secret.encode()).hexdigest()
