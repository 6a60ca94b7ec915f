"""A service in a thread of the test, and clients of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from governance.access import Token
from governance.authority import issue_token, register_principal
from governance.client import RemoteLog, connected_url
from governance.events import Actor, Role, RoleGranted, Scope, Trust
from governance.ledger import EventDraft, Ledger
from governance.ports import Clock
from governance.service.daemon import Daemon
from tests.governance.drafts import ANN


@dataclass
class Served:
    """A running service, the ledger it owns, and ways to reach it."""

    ledger: Ledger
    daemon: Daemon
    clients: list[RemoteLog] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.daemon.endpoint.url

    def client(self, token: str | None = None, *, read_only: bool = False) -> Ledger:
        """A ledger of somebody else: the owner, or whoever holds ``token``."""
        return Ledger(self.remote(token, read_only=read_only))

    def remote(self, token: str | None = None, *, read_only: bool = False) -> RemoteLog:
        token = token or self.daemon.desk.token
        self.clients.append(connected_url(self.url, token, read_only=read_only))
        return self.clients[-1]

    def principal(
        self, name: str, bounds: Scope, *roles: Role, trust: Trust | None = None
    ) -> Token:
        """Register somebody with these roles; ann, who does it, becomes the admin."""
        if roles and not self.ledger.state.roles:
            self.grant(str(ANN), "admin")
        register_principal(self.ledger, name, bounds, actor=ANN, trust=trust)
        for role in roles:
            self.grant(name, role)
        return issue_token(self.ledger, name, days=None, actor=ANN)

    def grant(self, name: str, role: Role) -> None:
        self.ledger.append([EventDraft(RoleGranted(principal=name, role=role), ANN)])


def actor_of(name: str) -> Actor:
    kind, _, identity = name.partition(":")
    return Actor.model_validate({"kind": kind, "id": identity})


@contextmanager
def serving(
    home: Path, *, clock: Clock | None = None, idle_exit_s: float | None = None
) -> Iterator[Served]:
    """Serve a home, made if need be, until the block ends."""
    with Ledger.open(home, create=True, clock=clock) as ledger:
        daemon = Daemon(ledger, home=home, idle_exit_s=idle_exit_s)
        thread = threading.Thread(target=daemon.run, name="service")
        thread.start()
        served = Served(ledger, daemon)
        try:
            assert daemon.ready.wait(10)
            yield served
        finally:
            for client in served.clients:
                client.close()
            daemon.stop()
            thread.join(20)
            assert not thread.is_alive()
