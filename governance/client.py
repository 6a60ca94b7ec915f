"""A ledger that somebody else owns, asked over HTTP on this machine."""

from __future__ import annotations

from pathlib import Path

from governance.log import OwnedLog


class RemoteLog(OwnedLog):
    """Stands in until the service is built."""


def connected(home: Path) -> RemoteLog | None:
    """A connection to the service that owns ``home``; ``None`` when none answers."""
    return None
