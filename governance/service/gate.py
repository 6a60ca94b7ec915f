"""What every request passes: host, size, token. The append is answered right here.

1. ``Host`` must be this machine's own name: a web page that had its name point to 127.0.0.1
   (DNS rebinding) is turned away.
2. Everything but ``/health`` and ``/openapi.json`` needs ``Authorization: Bearer TOKEN``.
3. A request is at most 64 MiB.
4. Errors of ours are answered as ``{error, message, hint}``.

Written as plain ASGI: an append takes a millisecond, and a framework would double it.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import ValidationError

from governance import wire
from governance.access import Principal
from governance.errors import (
    LedgerError,
    NotAuthorisedError,
    PalimpsestError,
    SchemaVersionError,
    SealError,
    StoreError,
    TokenError,
    VerificationError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

APPEND: Final = "/v1/append"
OPEN: Final = frozenset({"/health", "/openapi.json"})
_HOSTS: Final = frozenset({b"localhost", b"127.0.0.1"})
_STATUS: Final[tuple[tuple[type[PalimpsestError], HTTPStatus], ...]] = (
    (TokenError, HTTPStatus.UNAUTHORIZED),
    (NotAuthorisedError, HTTPStatus.FORBIDDEN),
    (SchemaVersionError, HTTPStatus.UPGRADE_REQUIRED),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
    (VerificationError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (SealError, HTTPStatus.INTERNAL_SERVER_ERROR),
)

Authenticate = Callable[[str], Principal]
Append = Callable[[Principal, wire.AppendBody], "Awaitable[wire.ReceiptBody]"]


M = TypeVar("M", bound=wire.Message)


class _TooLargeError(LedgerError):
    """The request is longer than any may be."""


class Gate:
    """The outermost application."""

    def __init__(self, app: ASGIApp, *, authenticate: Authenticate, append: Append) -> None:
        self._app = app
        self._authenticate = authenticate
        self._append = append

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then answer or pass on."""
        if scope["type"] != "http":
            return  # neither websockets nor a lifespan are offered
        try:
            await self._admit(scope, receive, send)
        except PalimpsestError as error:
            await send_error(send, error)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").rpartition(b":")
        if (host[0] or host[2]) not in _HOSTS:
            raise NotAuthorisedError(
                "this service answers to 127.0.0.1 and localhost only",
                hint="use the address in service.json",
            )
        if int(headers.get(b"content-length", b"0")) > wire.MAX_BODY_BYTES:
            raise _too_large()
        if scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        principal = self._authenticate(_token(headers))
        asked = headers.get(wire.API_HEADER.encode(), str(wire.API_VERSION).encode())
        if asked != str(wire.API_VERSION).encode():
            raise SchemaVersionError(
                f"this service speaks API {wire.API_VERSION} (palimpsest "
                f"{wire.software_version()}), the client speaks {asked.decode('latin-1')[:20]}",
                hint="use the same version on both sides",
            )
        if scope["path"] == APPEND and scope["method"] == "POST":
            body = parsed(wire.AppendBody, await read_body(receive))
            receipt = await self._append(principal, body)
            await send_json(send, HTTPStatus.OK, receipt.model_dump_json().encode())
            return
        scope["principal"] = principal
        await self._app(scope, receive, send)


def parsed(kind: type[M], body: bytes) -> M:
    """The message in a body.

    Raises:
        LedgerError: it is not one of this kind.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise LedgerError(
            f"the request is not understood: {wire.first_problem(error)}",
            hint="/openapi.json describes every request",
        ) from error


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request, however it was sent.

    Raises:
        LedgerError: it is longer than any may be.
    """
    parts: list[bytes] = []
    length, more = 0, True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > wire.MAX_BODY_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
    return b"".join(parts)


async def send_json(
    send: Send, status: int, body: bytes, *, kind: bytes = b"application/json"
) -> None:
    """Answer."""
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    start: Message = {"type": "http.response.start", "status": int(status), "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})


async def send_error(send: Send, error: PalimpsestError) -> None:
    """Answer with an error of ours."""
    await send_json(send, status_of(error), wire.error_answer(error).model_dump_json().encode())


def status_of(error: PalimpsestError) -> HTTPStatus:
    """The HTTP status that comes nearest."""
    if isinstance(error, _TooLargeError):
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    found = (status for kind, status in _STATUS if isinstance(error, kind))
    return next(found, HTTPStatus.CONFLICT)


def _token(headers: dict[bytes, bytes]) -> str:
    kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise TokenError(
            "a token is needed",
            hint="send Authorization: Bearer TOKEN; service.json has the owner's",
        )
    return token.strip()


def _too_large() -> _TooLargeError:
    return _TooLargeError(
        f"a request holds at most {wire.MAX_BODY_BYTES >> 20} MiB",
        hint="append fewer events at once",
    )
