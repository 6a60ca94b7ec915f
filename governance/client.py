"""A ledger that somebody else owns, asked over HTTP on this machine.

Every append carries an idempotency key, its own or one made here, so it can be sent again
when a connection broke: it happens once or not at all.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from governance import wire
from governance.batch import EventDraft
from governance.errors import GovernanceError, LedgerError, StoreError, TokenError
from governance.events import Actor, Event, Scope
from governance.line import TIMEOUT_S, Line
from governance.log import Head, Receipt
from governance.loopback import Answer
from governance.ownership import Endpoint, endpoint_of
from governance.projection import state_of
from governance.sealing import Opened
from governance.state import State
from governance.store import LastSteps, Mention
from governance.verify import VerificationReport

URL_VARIABLE: Final = "PALIMPSEST_URL"
TOKEN_VARIABLE: Final = "PALIMPSEST_TOKEN"  # noqa: S105  # the name of a variable
LONG_S: Final = 3600.0
"""For what reads the whole log."""
FAR: Final = 2_000
"""A state further behind than this is made anew, lazily, instead of being moved on."""
_OK: Final = 200

M = TypeVar("M", bound=wire.Message)
Locate = Callable[[], Endpoint | None]
"""Says where the service is now; it may have been started again elsewhere."""


class RemoteLog:
    """The log of a running service. Implements ``governance.ledger.Log``; thread-safe."""

    def __init__(
        self, endpoint: Endpoint, *, read_only: bool = False, locate: Locate | None = None
    ) -> None:
        """Connect.

        Args:
            endpoint: Where it is, and the token to show.
            read_only: Refuse to append.
            locate: Asked for the address again when the service is gone from there.

        Raises:
            OSError: nobody, or somebody else, answers there.
            SchemaVersionError: a service of another version.
            TokenError: the token is unknown, revoked or expired.
        """
        self._endpoint = endpoint
        self._read_only = read_only
        self._locate = locate
        self._line = Line(endpoint.url, endpoint.token)
        self._lock = threading.Lock()
        self._state: State | None = None
        try:
            answer = self._line.ask("GET", "/v1/about", b"", timeout_s=TIMEOUT_S, repeat=True)
            self._about = _message(answer, wire.AboutAnswer)
        except BaseException:
            self._line.close()
            raise

    # --- what a ledger asks for -----------------------------------------------------------

    @property
    def url(self) -> str:
        """Where the service answers."""
        return self._endpoint.url

    @property
    def head(self) -> Head:
        """Version and root now."""
        head = self._get("/v1/head", wire.HeadAnswer)
        return Head(head.seq, head.root)

    @property
    def state(self) -> State:
        """The memory now, moved on by what happened since it was last asked for."""
        seq = self.head.seq
        known = self._state
        if known is not None and known.seq == seq:
            return known
        if known is None or not 0 < seq - known.seq <= FAR:
            state = state_of(self, seq)
        else:
            state = known.fork()
            for event in self.select(known.seq + 1, seq):
                state.absorb(event.header, event.payload)
            state.seq = seq  # what lies outside the bounds moved only the number
        with self._lock:
            if self._state is known:
                self._state = state
        return state

    @property
    def origin(self) -> str:
        """The log's name on its checkpoints."""
        return self._about.origin

    @property
    def public_key(self) -> bytes:
        """Raw Ed25519 key (32 bytes) that signs checkpoints now."""
        return bytes.fromhex(self._get("/v1/about", wire.AboutAnswer).public_key)

    def now_us(self) -> int:
        """See :class:`governance.logs.Log`: the service runs on this machine."""
        return time.time_ns() // 1000

    @property
    def bounds(self) -> Scope | None:
        """All that this token may read and write; ``None``: everything."""
        return self._about.bounds

    @property
    def principal(self) -> Actor | None:
        """Who this token is; ``None``: the owner, who may act as anybody."""
        return self._about.principal

    # --- appending --------------------------------------------------------------------------

    def append(self, drafts: Sequence[EventDraft], *, key: str | None = None) -> Receipt:
        """See :meth:`governance.ledger.Ledger.append`."""
        if not drafts:
            raise LedgerError("an append needs at least one event")
        body = wire.encoded_append(drafts, key or f"auto:{secrets.token_hex(16)}")
        return self._post("/v1/append", body, wire.ReceiptBody, writes=True).receipt()

    def propose(self, proposal: wire.ProposalBody) -> wire.ProposalAnswer:
        """Have an entry verified and decided on by the service, under the policy in force.

        Raises:
            As ``governance.review.submit``.
        """
        return self._post("/v1/proposals", _json(proposal), wire.ProposalAnswer, writes=True)

    def rotate_key(self, actor: Actor, reason: str) -> Receipt:
        """See :meth:`governance.ledger.Ledger.rotate_key`. Never sent twice."""
        body = _json(wire.RotateBody(actor=actor, reason=reason))
        answer = self._post("/v1/keys/rotate", body, wire.ReceiptBody, writes=True, repeat=False)
        return answer.receipt()

    def rebuild_projections(self) -> int:
        """See :meth:`governance.ledger.Ledger.rebuild_projections`."""
        path = "/v1/projections/rebuild"
        answer = self._post(path, b"{}", wire.RebuildAnswer, writes=True, timeout_s=LONG_S)
        return answer.mentions

    # --- reading ----------------------------------------------------------------------------

    def receipt(self, key: str) -> Receipt | None:
        """What the command with this idempotency key did; ``None`` if it never ran."""
        found = self._get(f"/v1/receipts?key={quote(key, safe='')}", wire.ReceiptAnswer).receipt
        return None if found is None else found.receipt()

    def keyed(self, text: str) -> str:
        """See :meth:`governance.keystore.Keystore.keyed`."""
        return self._post("/v1/keyed", _json(wire.TextBody(text=text)), wire.TextAnswer).digest

    def select(
        self,
        start: int,
        stop: int,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[Event]:
        """See :class:`governance.projection.Journal`; up to the head there is now."""
        first = self._page(start, stop, types, subjects)
        return self._pages(first, stop, types, subjects)

    def _pages(
        self,
        page: Answer,
        stop: int,
        types: Collection[str] | None,
        subjects: Collection[str] | None,
    ) -> Iterator[Event]:
        last = min(stop, int(page.headers[wire.HEAD_HEADER]))
        while True:
            for line in page.body.splitlines():
                yield wire.decoded_event(line)
            if wire.NEXT_HEADER not in page.headers:
                return
            page = self._page(int(page.headers[wire.NEXT_HEADER]), last, types, subjects)

    def _page(
        self,
        start: int,
        stop: int,
        types: Collection[str] | None,
        subjects: Collection[str] | None,
    ) -> Answer:
        body = wire.SelectBody(
            start=start, stop=min(stop, wire.LAST),
            types=None if types is None else list(types),
            subjects=None if subjects is None else list(subjects),
        )  # fmt: skip
        return self._ask("POST", "/v1/events", _json(body))

    def last_steps(self, kind: str, start: int, stop: int, *, types: Collection[str]) -> LastSteps:
        """See :class:`governance.projection.Journal`."""
        body = wire.StepsBody(kind=kind, start=start, stop=stop, types=list(types))
        found = self._post("/v1/last-steps", _json(body), wire.StepsAnswer)
        return LastSteps(found.ids, found.seqs, found.types)

    def mentions(
        self, start: int, stop: int, *, types: Collection[str], subject: str | None = None
    ) -> Sequence[Mention]:
        """See :class:`governance.projection.Journal`."""
        body = wire.MentionsBody(start=start, stop=stop, types=list(types), subject=subject)
        found = self._post("/v1/mentions", _json(body), wire.MentionsAnswer)
        return [Mention(one.seq, one.type, one.subject) for one in found.mentions]

    def header(self, seq: int) -> bytes:
        """Canonical header bytes of one event, checked by the service."""
        return self._ask("GET", f"/v1/headers/{seq}").body

    def tile(self, level: int, index: int) -> bytes:
        """See :meth:`governance.ledger.Ledger.tile`."""
        return self._ask("GET", f"/v1/tiles/{level}/{index}").body

    def note(self) -> str:
        """See :meth:`governance.ledger.Ledger.note`."""
        return self._ask("GET", "/v1/checkpoint").body.decode()

    def first_note(self, seq: int) -> str:
        """See :meth:`governance.ledger.Ledger.first_note`."""
        return self._ask("GET", f"/v1/checkpoint/{seq}").body.decode()

    @property
    def first_key(self) -> bytes:
        """Raw Ed25519 key (32 bytes) that the log began with."""
        return bytes.fromhex(self._get("/v1/checkpoints", wire.NotesAnswer).first_key)

    def signed_notes(self) -> list[str]:
        """See :meth:`governance.ledger.Ledger.checkpoints`."""
        return self._get("/v1/checkpoints", wire.NotesAnswer).notes

    def headers(self, start: int, stop: int) -> Iterator[bytes]:
        """See :meth:`governance.ledger.Ledger.headers`."""
        following: int | None = start
        while following is not None:
            body = wire.RangeBody(start=following, stop=min(stop, wire.LAST))
            answer = self._ask("POST", "/v1/headers", _json(body))
            yield from answer.body.splitlines()
            found = answer.headers.get(wire.NEXT_HEADER)
            following = None if found is None else int(found)

    def disclose(self, seq: int) -> Opened | None:
        """See :meth:`governance.ledger.Ledger.disclose`."""
        found = self._get(f"/v1/disclosures/{seq}", wire.DisclosureAnswer)
        if found.payload is None:
            return None
        return Opened(bytes.fromhex(found.nonce), found.payload.encode())

    def verify(
        self, *, payloads: bool, progress: Callable[[int], None] | None = None
    ) -> VerificationReport:
        """See :meth:`governance.ledger.Ledger.verify`; the service does it, and tells the end."""
        body = _json(wire.VerifyBody(payloads=payloads))
        found = self._post("/v1/verify", body, wire.VerifyAnswer, timeout_s=LONG_S)
        if progress is not None:
            progress(found.events)
        return VerificationReport(**found.model_dump())

    def close(self) -> None:
        """Hang up; idempotent."""
        self._line.close()

    # --- asking ------------------------------------------------------------------------------

    def _get(self, path: str, kind: type[M]) -> M:
        return _message(self._ask("GET", path), kind)

    def _post(
        self,
        path: str,
        body: bytes,
        kind: type[M],
        *,
        writes: bool = False,
        repeat: bool = True,
        timeout_s: float = TIMEOUT_S,
    ) -> M:
        if writes and self._read_only:
            raise StoreError("the ledger is open for reading only")
        return _message(self._ask("POST", path, body, timeout_s=timeout_s, repeat=repeat), kind)

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        timeout_s: float = TIMEOUT_S,
        repeat: bool = True,
    ) -> Answer:
        """An answer of status 200.

        Raises:
            StoreError: the service is gone or does not answer.
            PalimpsestError: whatever the service refused with.
        """
        try:
            answer = self._line.ask(method, path, body, timeout_s=timeout_s, repeat=repeat)
        except TimeoutError as error:
            raise StoreError(
                f"the service of this home did not answer within {timeout_s:.0f} s",
                hint="the machine may be busy: repeat the command; it happens only once",
            ) from error
        except OSError as error:
            if not (repeat and self._moved()):
                raise _gone(error) from error
            try:
                answer = self._line.ask(method, path, body, timeout_s=timeout_s, repeat=True)
            except OSError as again:
                raise _gone(again) from again
        if answer.status != _OK:
            raise _refusal(answer)
        return answer

    def _moved(self) -> bool:
        """Whether the service has been started anew; then that one is asked from here on."""
        found = self._locate() if self._locate is not None else None
        if found is None or found == self._endpoint:
            return False
        with self._lock:
            self._line.close()
            self._endpoint, self._line = found, Line(found.url, found.token)
        return True


def connected(home: Path, *, read_only: bool = False) -> RemoteLog | None:
    """A connection to the service that owns ``home``; ``None`` when none answers.

    Raises:
        StoreError: ``service.json`` belongs to another user.
        SchemaVersionError: a service of another version owns it.
    """
    endpoint = endpoint_of(home)
    if endpoint is None:
        return None
    try:
        return RemoteLog(endpoint, read_only=read_only, locate=lambda: endpoint_of(home))
    except OSError:
        return None  # it died, and perhaps another program took its port


def connected_url(url: str, token: str, *, read_only: bool = False) -> RemoteLog:
    """A connection as whoever holds ``token``, without access to the files.

    Raises:
        StoreError: nobody answers there, or not the service that knows the token.
        TokenError: it is unknown, revoked or expired.
        SchemaVersionError: a service of another version.
    """
    try:
        return RemoteLog(Endpoint(url, token, 0, ""), read_only=read_only)
    except OSError as error:
        raise StoreError(
            f"no palimpsest service answers at {url}: {error}",
            hint=f"start `palimpsest serve` there, and set {URL_VARIABLE} to its address",
        ) from error


def connected_by_environment(*, read_only: bool = False) -> RemoteLog | None:
    """:func:`connected_url` as ``PALIMPSEST_URL`` and ``PALIMPSEST_TOKEN`` say, if they do.

    Raises:
        TokenError: an address without a token.
        As :func:`connected_url`.
    """
    url = os.environ.get(URL_VARIABLE, "")
    if not url:
        return None
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise TokenError(
            f"{URL_VARIABLE} is set and {TOKEN_VARIABLE} is not",
            hint="ask an admin: palimpsest token issue PRINCIPAL",
        )
    return connected_url(url, token, read_only=read_only)


def _json(message: wire.Message) -> bytes:
    return message.model_dump_json().encode()


def _message(answer: Answer, kind: type[M]) -> M:
    if answer.status != _OK:
        raise _refusal(answer)
    try:
        return kind.model_validate_json(answer.body)
    except ValidationError as error:
        raise StoreError(f"the service sent something else: {wire.first_problem(error)}") from error


def _refusal(answer: Answer) -> GovernanceError:
    try:
        return wire.error_of(wire.ErrorAnswer.model_validate_json(answer.body))
    except ValidationError:
        return StoreError(
            f"the service failed ({answer.status})",
            hint="its log has the details: service.log in the home",
        )


def _gone(error: OSError) -> StoreError:
    return StoreError(
        f"the service that owns this home is gone: {error}",
        hint="repeat the command: it then takes the home itself, and nothing happens twice",
    )
