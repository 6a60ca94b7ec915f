"""One packet an answer: uvicorn writes head and body one after the other.

On loopback a packet costs as much as parsing a request, and wakes the client once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

LARGE_BYTES: Final = 64 * 1024
"""More than this goes out at once: joining it would copy it."""


class JoinedTransport(asyncio.Transport):
    """A transport whose small writes of one turn of the loop leave together, in order."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, at the latest when the loop turns."""
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)
        if len(data) > LARGE_BYTES:
            self._flush()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts:
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        """Send what is left, then close."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Socket and addresses."""
        return self._transport.get_extra_info(name, default)


def joined(base: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
    """A server protocol that writes through :class:`JoinedTransport`."""
    made: Callable[[asyncio.Protocol, asyncio.BaseTransport], None] = base.connection_made

    def connection_made(self: asyncio.Protocol, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        made(self, JoinedTransport(transport))

    return type("JoinedProtocol", (base,), {"connection_made": connection_made})


PROTOCOL: Final = joined(AutoHTTPProtocol)
"""With ``httptools`` if it is installed, else with ``h11``, at three times the cost."""
