"""The web server of ``palimpsest dashboard``: local only, one browser let in, CSP set.

1. It binds 127.0.0.1 and answers to localhost names only (DNS rebinding).
2. Any process of this computer can connect, so the first visit needs the token of the
   address that was printed. It works once; the browser then holds a cookie.
3. A content security policy keeps every page to this server: whatever slipped through
   the escaping could neither load nor send anything.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import streamlit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOST: Final = "127.0.0.1"
COOKIE: Final = "palimpsest_local"
COOKIE_LIFETIME_S: Final = 12 * 3600
HEALTH: Final = "/_stcore/health"
ENTRY: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
DENIED: Final = (
    b"<!doctype html><title>Palimpsest</title><p>This address needs the link that "
    b"<code>palimpsest dashboard</code> printed; it works once. Start it again for a new one."
)


def content_policy() -> str:
    """The policy for Streamlit's page: its own files, and the one inline script it has."""
    index = Path(streamlit.__file__).parent / "static" / "index.html"
    hashes = " ".join(
        "'sha256-" + base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() + "'"
        for code in ENTRY.findall(index.read_text("utf-8"))
    )
    return (
        f"default-src 'self'; script-src 'self' {hashes} 'wasm-unsafe-eval'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
        f"connect-src 'self' ws://{HOST}:* ws://localhost:*; worker-src 'self' blob:; "
        "object-src 'none'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
    )


class LocalGate:
    """Middleware for rules 2 and 3. One instance a process."""

    def __init__(self, app: ASGIApp, *, token: str, policy: str) -> None:
        self._app = app
        self._token = token
        self._session = secrets.token_urlsafe(32)
        self._spent = False
        self._policy = policy.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in who holds the cookie; exchange the token for it, once."""
        if scope["type"] not in {"http", "websocket"} or scope["path"] == HEALTH:
            await self._app(scope, receive, send)
            return
        if self._holds_cookie(scope):
            await self._app(scope, receive, self._with_policy(send))
        elif scope["type"] == "http" and self._shows_token(scope):
            self._spent = True
            await self._welcome(scope, send)
        elif scope["type"] == "http":
            await _answer(send, 403, DENIED, [(b"content-type", b"text/html; charset=utf-8")])
        else:
            await send({"type": "websocket.close", "code": 4403})

    def _holds_cookie(self, scope: Scope) -> bool:
        for name, value in scope["headers"]:
            if name == b"cookie":
                try:
                    held = SimpleCookie(value.decode("latin-1")).get(COOKIE)
                except CookieError:
                    continue
                if held is not None and hmac.compare_digest(held.value, self._session):
                    return True
        return False

    def _shows_token(self, scope: Scope) -> bool:
        shown = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return not self._spent and hmac.compare_digest(shown.encode(), self._token.encode())

    async def _welcome(self, scope: Scope, send: Send) -> None:
        """The cookie, and the same page without the token in its address."""
        cookie = (
            f"{COOKIE}={self._session}; Path=/; HttpOnly; SameSite=Strict; "
            f"Max-Age={COOKIE_LIFETIME_S}"
        )
        headers = [
            (b"location", scope["path"].encode() or b"/"),
            (b"set-cookie", cookie.encode()),
            (b"referrer-policy", b"no-referrer"),
        ]
        await _answer(send, 303, b"", headers)

    def _with_policy(self, send: Send) -> Send:
        async def wrapped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [
                    *message.get("headers", []),
                    (b"content-security-policy", self._policy),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                ]}  # fmt: skip
            await send(message)

        return wrapped


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def settings(port: int) -> dict[str, object]:
    """Streamlit's options for a local dashboard."""
    return {
        "server.address": HOST,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.allowedHosts": [HOST, "localhost"],
        "server.maxUploadSize": 1,
        "server.enableAgentApi": False,
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "type",
        "client.toolbarMode": "viewer",
        "logger.level": "warning",
        "logger.hideWelcomeMessage": True,
        "theme.base": str(Path(__file__).with_name("theme.toml")),
    }


def serve(port: int, token: str) -> None:
    """Run until stopped."""
    from starlette.middleware import Middleware  # noqa: PLC0415  # only with a server

    app = streamlit.App(
        Path(__file__).with_name("app.py"),
        middleware=[Middleware(LocalGate, token=token, policy=content_policy())],
    )
    try:
        app.run(config=settings(port))
    finally:
        from dashboard import session  # noqa: PLC0415  # needs a running server's modules

        session.open_workplace.clear()  # releases the home: see Workplace.close
