"""The routes: each turns one message into one answer; what they do is ``desk``'s business.

``ROUTES`` is the one table: the application and ``/openapi.json`` are both made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from governance import wire
from governance.access import Principal
from governance.errors import LedgerError, NotAuthorisedError
from governance.scoped import ScopedLog
from governance.service.desk import Desk
from governance.service.gate import APPEND, parsed, send_error

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

BINARY: Final = "application/octet-stream"
JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
TEXT: Final = "text/plain; charset=utf-8"
PAGE_HEADERS: Final = 2_000


@dataclass(frozen=True)
class Asked:
    """A request, as a route sees it."""

    desk: Desk
    principal: Principal
    body: bytes
    parts: dict[str, int]
    query: dict[str, str]

    @property
    def view(self) -> ScopedLog:
        """The log as the principal may see it."""
        return ScopedLog(self.desk.log, self.principal)


Answerer = Callable[[Asked], "wire.Message | Response"]


@dataclass(frozen=True)
class Endpoint:
    """One route: what it is for, what it takes and gives, and how it is answered."""

    method: str
    path: str
    summary: str
    answer: Answerer | None
    takes: type[wire.Message] | None = None
    gives: type[wire.Message] | str = TEXT
    query: tuple[str, ...] = ()
    open: bool = False


def _head(asked: Asked) -> wire.Message:
    head = asked.desk.log.head
    return wire.HeadAnswer(seq=head.seq, root=head.root)


def _receipt(asked: Asked) -> wire.Message:
    found = asked.view.receipt(asked.query.get("key", ""))
    if found is None:
        return wire.ReceiptAnswer(receipt=None)
    return wire.ReceiptAnswer(
        receipt=wire.ReceiptBody(
            first_seq=found.first_seq, last_seq=found.last_seq, event_ids=list(found.event_ids)
        )
    )


def _keyed(asked: Asked) -> wire.Message:
    text = parsed(wire.TextBody, asked.body).text
    return wire.TextAnswer(digest=asked.desk.log.keyed(text))


def _events(asked: Asked) -> Response:
    page = asked.desk.page(asked.principal, parsed(wire.SelectBody, asked.body))
    return Response(page.body, media_type=LINES, headers=page.headers)


def _last_steps(asked: Asked) -> wire.Message:
    body = parsed(wire.StepsBody, asked.body)
    found = asked.view.last_steps(body.kind, body.start, body.stop, types=body.types)
    return wire.StepsAnswer(ids=list(found.ids), seqs=list(found.seqs), types=list(found.types))


def _mentions(asked: Asked) -> wire.Message:
    body = parsed(wire.MentionsBody, asked.body)
    found = asked.view.mentions(body.start, body.stop, types=body.types, subject=body.subject)
    return wire.MentionsAnswer(
        mentions=[
            wire.MentionLine(seq=one.seq, type=one.type, subject=one.subject) for one in found
        ]
    )


def _header(asked: Asked) -> Response:
    return Response(asked.view.header(asked.parts["seq"]), media_type=JSON)


def _tile(asked: Asked) -> Response:
    hashes = asked.desk.log.tile(asked.parts["level"], asked.parts["index"])
    return Response(hashes, media_type=BINARY)


def _note(asked: Asked) -> Response:
    return Response(asked.desk.log.note(), media_type=TEXT)


def _notes(asked: Asked) -> wire.Message:
    log = asked.desk.log
    return wire.NotesAnswer(first_key=log.first_key.hex(), notes=log.signed_notes())


def _headers(asked: Asked) -> Response:
    """All of them or none: a log with gaps proves nothing."""
    if not asked.principal.owner:
        raise NotAuthorisedError(
            f"{asked.principal.actor} may not read all headers", hint="ask for one by its number"
        )
    body = parsed(wire.RangeBody, asked.body)
    stop = min(body.stop, body.start + PAGE_HEADERS - 1)
    lines = b"".join(header + b"\n" for header in asked.desk.log.headers(body.start, stop))
    more = stop < min(body.stop, asked.desk.log.head.seq)
    return Response(
        lines, media_type=LINES, headers={wire.NEXT_HEADER: str(stop + 1)} if more else None
    )


def _disclosure(asked: Asked) -> wire.Message:
    seq = asked.parts["seq"]
    asked.view.header(seq)  # refuses what this principal may not know of
    opened = asked.desk.log.disclose(seq)
    if opened is None:
        return wire.DisclosureAnswer(nonce="", payload=None)
    return wire.DisclosureAnswer(nonce=opened.nonce.hex(), payload=opened.payload.decode())


def _first_note(asked: Asked) -> Response:
    return Response(asked.desk.log.first_note(asked.parts["seq"]), media_type=TEXT)


def _about(asked: Asked) -> wire.Message:
    return asked.desk.about(asked.principal)


def _verify(asked: Asked) -> wire.Message:
    return asked.desk.verify(parsed(wire.VerifyBody, asked.body))


def _rotate(asked: Asked) -> wire.Message:
    return asked.desk.rotate(asked.principal, parsed(wire.RotateBody, asked.body))


def _rebuild(asked: Asked) -> wire.Message:
    return asked.desk.rebuild(asked.principal)


def _propose(asked: Asked) -> wire.Message:
    return asked.desk.propose(asked.principal, parsed(wire.ProposalBody, asked.body))


def _health(asked: Asked) -> wire.Message:
    return asked.desk.health(asked.query.get("nonce", "")[:64], asked.query.get("token", "")[:64])


ROUTES: Final = (
    Endpoint("GET", "/health", "Is it alive, and does it know the token that I mean?", _health,
             gives=wire.HealthAnswer, query=("nonce", "token"), open=True),
    Endpoint("GET", "/v1/about", "Whose log this is, and who is asking.", _about,
             gives=wire.AboutAnswer),
    Endpoint("GET", "/v1/head", "Version and root now.", _head, gives=wire.HeadAnswer),
    Endpoint("POST", APPEND, "Append drafts in one durable transaction, or none of them.", None,
             takes=wire.AppendBody, gives=wire.ReceiptBody),
    Endpoint("GET", "/v1/receipts", "What the command with this idempotency key did.", _receipt,
             gives=wire.ReceiptAnswer, query=("key",)),
    Endpoint("POST", "/v1/keyed", "Digest of a text under the home's secret.", _keyed,
             takes=wire.TextBody, gives=wire.TextAnswer),
    Endpoint("POST", "/v1/events", "A page of events; palimpsest-next says where the next one "
             "starts.", _events, takes=wire.SelectBody, gives=LINES),
    Endpoint("POST", "/v1/last-steps", "The last event about each subject of a kind.",
             _last_steps, takes=wire.StepsBody, gives=wire.StepsAnswer),
    Endpoint("POST", "/v1/mentions", "Who names whom.", _mentions, takes=wire.MentionsBody,
             gives=wire.MentionsAnswer),
    Endpoint("GET", "/v1/headers/{seq}", "Canonical header bytes of one event.", _header,
             gives=JSON),
    Endpoint("GET", "/v1/tiles/{level}/{index}", "Hashes of one tile of the signed tree.", _tile,
             gives=BINARY),
    Endpoint("GET", "/v1/checkpoint", "The newest signed checkpoint.", _note),
    Endpoint("GET", "/v1/checkpoint/{seq}", "The first checkpoint that covers an event.",
             _first_note),
    Endpoint("GET", "/v1/checkpoints", "Every signed checkpoint that is kept, and the first key.",
             _notes, gives=wire.NotesAnswer),
    Endpoint("POST", "/v1/headers", "A page of canonical headers; palimpsest-next says where the "
             "next one starts.", _headers, takes=wire.RangeBody, gives=LINES),
    Endpoint("GET", "/v1/disclosures/{seq}", "Text and nonce of one payload.", _disclosure,
             gives=wire.DisclosureAnswer),
    Endpoint("POST", "/v1/proposals", "Propose an entry; it is verified and decided on here.",
             _propose, takes=wire.ProposalBody, gives=wire.ProposalAnswer),
    Endpoint("POST", "/v1/verify", "Check the whole log again.", _verify, takes=wire.VerifyBody,
             gives=wire.VerifyAnswer),
    Endpoint("POST", "/v1/keys/rotate", "Sign with a new key from now on.", _rotate,
             takes=wire.RotateBody, gives=wire.ReceiptBody),
    Endpoint("POST", "/v1/projections/rebuild", "Drop projections and make them again.",
             _rebuild, gives=wire.RebuildAnswer),
)  # fmt: skip
"""The append itself is answered by the gate, before any framework."""

_QUICK: Final = frozenset({"/health", "/v1/head"})
"""Answered on the event loop: they read what is in memory."""


def router(desk: Desk, description: bytes) -> Router:
    """The application behind the gate; ``description`` is ``/openapi.json``."""

    def route(endpoint: Endpoint, answer: Answerer) -> Route:
        async def serve(request: Request) -> Response:
            asked = Asked(
                desk,
                request.scope.get("principal", Principal()),
                await request.body(),
                {name: _number(value) for name, value in request.path_params.items()},
                dict(request.query_params),
            )
            if endpoint.path in _QUICK:
                return _response(answer(asked))
            return _response(await run_in_threadpool(answer, asked))

        return Route(endpoint.path, serve, methods=[endpoint.method])

    async def describe(_: Request) -> Response:
        return Response(description, media_type=JSON)

    routes = [route(one, one.answer) for one in ROUTES if one.answer is not None]
    return Router([*routes, Route("/openapi.json", describe)], default=_nowhere)


def _response(answer: wire.Message | Response) -> Response:
    if isinstance(answer, Response):
        return answer
    return Response(orjson.dumps(answer.model_dump(mode="json")), media_type=JSON)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):  # noqa: PLR2004  # 2⁶³
        raise LedgerError(f"{text[:40]!r} is not a number")
    return int(text)


async def _nowhere(scope: Scope, _: Receive, send: Send) -> None:
    await send_error(
        send, LedgerError(f"{scope['path'][:80]!r} does not exist", hint="see /openapi.json")
    )
