"""Running the service: its socket, its threads, and an end that loses nothing.

Started on a ledger that this process owns. ``SIGTERM`` and ``SIGINT`` stop it: running
requests are finished, ``service.json`` is withdrawn, the files are closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn

from governance import wire
from governance.access import Principal
from governance.errors import PalimpsestError, StoreError
from governance.housekeeping import Housekeeper
from governance.ledger import Ledger
from governance.log import OwnedLog
from governance.ownership import Endpoint, publish, withdraw
from governance.service.desk import Desk
from governance.service.gate import Gate
from governance.service.joined import PROTOCOL
from governance.service.openapi import describe
from governance.service.routes import router
from governance.service.writer import Writer

HOST: Final = "127.0.0.1"
KEEP_ALIVE_S: Final = 24 * 3600
"""A client that is connected keeps the service alive, so idle connections stay open."""
GRACE_S: Final = 10
SWITCH_S: Final = 0.0005
"""The writer must not wait 5 ms for its turn whenever the event loop is busy."""
HOUSEKEEPING_S: Final = 1.0
_BACKLOG: Final = 128
_LOG: Final = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Uvicorn, which leaves signals to the daemon and asks it whether to go on."""

    def __init__(self, config: uvicorn.Config, daemon: Daemon) -> None:
        super().__init__(config)
        self._daemon = daemon

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal, and go on after that: uvicorn would raise it again at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        names = (signal.SIGINT, signal.SIGTERM)
        before = {name: signal.signal(name, self.handle_exit) for name in names}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; true ends the service."""
        idle = not self.server_state.connections
        return self._daemon.tick(idle=idle) or await super().on_tick(counter)


class Daemon:
    """One service on one ledger."""

    def __init__(
        self, ledger: Ledger, *, home: Path | None, port: int = 0, idle_exit_s: float | None = None
    ) -> None:
        """Bind the port and tell where it answers; nothing is served before :meth:`run`.

        Args:
            ledger: Owned by this process; closed by the caller, after :meth:`run`.
            home: Where ``service.json`` is written; ``None``: nowhere.
            port: On 127.0.0.1; 0: the system chooses.
            idle_exit_s: End after nobody was connected for so long; ``None``: never.

        Raises:
            StoreError: the port is taken, or the ledger is not owned here.
            SchemaVersionError: the ledger holds events that only a newer version knows.
        """
        log = ledger.log
        if not isinstance(log, OwnedLog):
            raise StoreError("only the owner of a ledger can serve it")
        log.refuse_unknown()
        self.desk = Desk(ledger, log)
        self._home = home
        self._idle_exit_s = idle_exit_s
        self._busy_at = time.monotonic()
        self._socket = _bound(port)
        self.desk.port = self._socket.getsockname()[1]
        self._server: _Server | None = None
        self._keeper = Housekeeper(ledger)
        self._housekeeping = threading.Thread()
        self._housekeeping_at = 0.0
        self._trouble = ""
        self.ready = threading.Event()

    @property
    def endpoint(self) -> Endpoint:
        """What ``service.json`` says."""
        return Endpoint(
            f"http://{HOST}:{self.desk.port}", self.desk.token, os.getpid(),
            wire.software_version(),
        )  # fmt: skip

    def run(self) -> None:
        """Serve until :meth:`stop`, a signal, or nobody is left.

        Side effects: writes ``service.json`` and withdraws it at the end.
        """
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        try:
            asyncio.run(self._serve())
        finally:
            sys.setswitchinterval(interval)
            self._socket.close()
            if self._home is not None:
                withdraw(self._home)

    async def _serve(self) -> None:
        desk = self.desk
        writer = Writer(desk.log, asyncio.get_running_loop())

        async def append(principal: Principal, body: wire.AppendBody) -> wire.ReceiptBody:
            return await desk.append(writer, principal, body)

        app = Gate(router(desk, describe()), authenticate=desk.authenticate, append=append)
        config = uvicorn.Config(
            app, loop="asyncio", http=PROTOCOL, ws="none", lifespan="off", access_log=False,
            log_level="error", server_header=False, date_header=False, proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S, timeout_graceful_shutdown=GRACE_S,
        )  # fmt: skip
        self._server = _Server(config, self)
        try:
            if self._home is not None:
                publish(self._home, self.endpoint)
            self.ready.set()
            await self._server.serve(sockets=[self._socket])
        finally:
            await asyncio.to_thread(writer.stop)
            if self._housekeeping.is_alive():
                await asyncio.to_thread(self._housekeeping.join)

    def stop(self) -> None:
        """Finish running requests and end; from any thread."""
        if self._server is not None:
            self._server.should_exit = True

    def tick(self, *, idle: bool) -> bool:
        """Whether nobody has been connected for long enough."""
        now = time.monotonic()
        if not idle:
            self._busy_at = now
        if now >= self._housekeeping_at and not self._housekeeping.is_alive():
            self._housekeeping_at = now + HOUSEKEEPING_S
            self._housekeeping = threading.Thread(target=self._housekeep, name="housekeeping")
            self._housekeeping.start()
        return self._idle_exit_s is not None and now - self._busy_at >= self._idle_exit_s

    def _housekeep(self) -> None:
        """What fails is said once, and tried again every time."""
        trouble = ""
        try:
            self._keeper.run()
        except PalimpsestError as error:
            trouble = str(error)
            if trouble != self._trouble:
                _LOG.error("housekeeping failed and is tried again: %s", trouble)
        self._trouble = trouble


def _bound(port: int) -> socket.socket:
    # With the protocol named, asyncio sends small answers at once (TCP_NODELAY).
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        raise StoreError(
            f"port {port} is not free: {error.strerror}", hint="leave --port out, or choose another"
        ) from error
    return found
