"""HTTP/1.1 over kept-alive sockets: the little that a client of the service needs.

A request here takes a third of the processor time that ``http.client`` needs for it, and
eight writers that share a small machine with the service feel that. Only answers with a
``Content-Length`` are understood, which is what the service sends. Raises ``OSError`` only;
the client says what it means.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CONNECT_S: Final = 5.0
_CHUNK: Final = 256 * 1024
_MAX_HEAD: Final = 64 * 1024
_MAX_BODY: Final = 1024 * 2**20


class Dropped(ConnectionError):  # noqa: N818  # it is what happened, and no fault
    """The other side closed a kept-alive connection before it answered anything."""


@dataclass(frozen=True)
class Answer:
    """Status, headers (names in lower case) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Channel:
    """One connection; not to be shared by threads at the same time."""

    def __init__(self, host: str, port: int) -> None:
        """Connect.

        Raises:
            OSError: nobody answers there.
        """
        self._socket = socket.create_connection((host, port), timeout=CONNECT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pending = b""

    def exchange(self, request: bytes, *, timeout_s: float) -> Answer:
        """Send one request and wait for its answer.

        Raises:
            Dropped: closed before anything came back.
            OSError: it failed on the way, took longer than ``timeout_s``, or is no HTTP.
        """
        self._socket.settimeout(timeout_s)
        try:
            self._socket.sendall(request)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Dropped("closed while idle") from error
        head = self._head()
        lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:])
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        try:
            status = int(lines[0].split(" ", 2)[1])
            length = int(headers["content-length"])
        except (IndexError, KeyError, ValueError) as error:
            raise OSError("what answers there does not speak HTTP as the service does") from error
        return Answer(status, headers, self._body(length))

    def _head(self) -> bytes:
        data = self._pending
        while b"\r\n\r\n" not in data:
            if len(data) > _MAX_HEAD:
                raise OSError("the answer has no end of its headers")
            try:
                more = self._socket.recv(_CHUNK)
            except ConnectionResetError:
                more = b""
            if not more:
                if data:
                    raise OSError("the answer broke off")
                raise Dropped("closed without an answer")
            data += more
        head, _, self._pending = data.partition(b"\r\n\r\n")
        return head

    def _body(self, length: int) -> bytes:
        if not 0 <= length <= _MAX_BODY:
            raise OSError("the answer is too long")
        parts, have = [self._pending], len(self._pending)
        while have < length:
            more = self._socket.recv(_CHUNK)
            if not more:
                raise OSError("the answer broke off")
            parts.append(more)
            have += len(more)
        data = b"".join(parts)
        self._pending = data[length:]
        return data[:length]

    def close(self) -> None:
        """Hang up; idempotent."""
        self._socket.close()


def request_bytes(
    method: str, path: str, *, host: str, headers: Mapping[str, str], body: bytes = b""
) -> bytes:
    """A request, ready to be sent in one piece."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
