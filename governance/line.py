"""Connections to a service that has proved itself, before a token is shown to it.

On every new connection the client sends a nonce, and only who knows the token can answer it
for this port. The token itself follows only then. So a stale ``service.json`` whose port now
belongs to another program gives nothing away.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from typing import Final
from urllib.parse import quote, urlsplit

from pydantic import ValidationError

from governance import wire
from governance.access import Token
from governance.errors import SchemaVersionError, StoreError, TokenError
from governance.loopback import Answer, Channel, Dropped, request_bytes

TIMEOUT_S: Final = 60.0
_LOCAL: Final = frozenset({"127.0.0.1", "localhost"})


class Line:
    """Proved connections to one service, shared by the threads of this process."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in _LOCAL or parts.port is None:
            raise StoreError(
                f"{url!r} is not the address of a service on this machine",
                hint="give http://127.0.0.1:PORT; reach another machine through an SSH tunnel "
                "that keeps the port",
            )
        self._host, self._port = "127.0.0.1", parts.port
        self._authority = f"127.0.0.1:{parts.port}"
        known = Token.parse(token)
        self._token_id = known.token_id if known else ""
        self._digest = known.digest if known else wire.secret_digest(token)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            wire.API_HEADER: str(wire.API_VERSION),
        }
        self._idle: list[Channel] = []
        self._lock = threading.Lock()

    def ask(self, method: str, path: str, body: bytes, *, timeout_s: float, repeat: bool) -> Answer:
        """One request, sent again on a new connection if an idle one turns out to be closed.

        Raises:
            OSError: nobody answers.
            As :meth:`_dial`.
        """
        request = request_bytes(
            method, path, host=self._authority, headers=self._headers, body=body
        )
        channel = self._take() if repeat else None
        if channel is not None:
            try:
                return self._exchange(channel, request, timeout_s)
            except Dropped:
                self.close()  # the others were idle just as long
        return self._exchange(self._dial(), request, timeout_s)

    def _exchange(self, channel: Channel, request: bytes, timeout_s: float) -> Answer:
        try:
            answer = channel.exchange(request, timeout_s=timeout_s)
        except BaseException:
            channel.close()
            raise
        if answer.headers.get("connection", "").lower() == "close":
            channel.close()
        else:
            with self._lock:
                self._idle.append(channel)
        return answer

    def _take(self) -> Channel | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _dial(self) -> Channel:
        """A new connection to a process that has shown that it knows the token.

        Raises:
            OSError: nobody answers, or somebody who is not this service.
            SchemaVersionError: a service of another version.
            TokenError: the service does not know the token.
        """
        channel = Channel(self._host, self._port)
        try:
            self._meet(channel)
        except BaseException:
            channel.close()
            raise
        return channel

    def _meet(self, channel: Channel) -> None:
        nonce = secrets.token_hex(16)
        path = f"/health?nonce={nonce}&token={quote(self._token_id)}"
        request = request_bytes("GET", path, host=self._authority, headers={})
        answer = channel.exchange(request, timeout_s=TIMEOUT_S)
        try:
            health = wire.HealthAnswer.model_validate_json(answer.body)
        except ValidationError as error:
            raise ConnectionRefusedError("another program answers there") from error
        if health.api != wire.API_VERSION:
            raise SchemaVersionError(
                f"the service is palimpsest {health.version} with API {health.api}; this is "
                f"{wire.software_version()} with API {wire.API_VERSION}",
                hint="use the same version on both sides: stop `palimpsest serve`, start it again",
            )
        if health.proof is None and self._token_id:
            raise TokenError(
                f"the service does not know token {self._token_id}",
                hint="ask an admin: palimpsest token issue PRINCIPAL",
            )
        expected = wire.proof_of(self._digest, nonce, self._port)
        if not hmac.compare_digest(expected, health.proof or ""):
            raise ConnectionRefusedError("another service answers there")

    def close(self) -> None:
        """Hang up; a later request connects anew."""
        with self._lock:
            idle, self._idle = self._idle, []
        for channel in idle:
            channel.close()
