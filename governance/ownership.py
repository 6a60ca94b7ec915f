"""Who owns a home: one process writes, everybody else asks it.

``owner.lock`` is locked (``flock``) for as long as a process holds the ledger's files, so a
crashed owner has let go of it already: a lock that can be taken is stale by definition. It
says who holds it. ``service.json`` (0600) tells others where the owner answers and with which
token; it counts only while the lock is held.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from governance.durable import write_whole
from governance.errors import StoreError

LOCK: Final = "owner.lock"
SERVICE: Final = "service.json"


@dataclass(frozen=True)
class Endpoint:
    """Where a running service answers, and the token that opens it to this user."""

    url: str
    token: str
    pid: int
    version: str


class Ownership:
    """The lock of one home. Several readers may share it; a writer is alone."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @classmethod
    def claim(cls, home: Path, *, shared: bool, doing: str) -> Ownership | None:
        """Take the lock; ``None`` when somebody else holds it.

        Args:
            home: A home that exists.
            shared: For reading only: other readers may hold it too.
            doing: What for, told to whoever finds it taken.

        Raises:
            StoreError: the lock file cannot be made.
        """
        try:
            descriptor = os.open(home / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if shared and (home / LOCK).parent.is_dir():
                return cls(None)  # a home on a read-only medium has no writer to keep out
            raise StoreError(
                f"{home / LOCK} cannot be opened: {error.strerror}",
                hint="check permissions, or choose another home with --home",
            ) from error
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        if not shared:
            about = json.dumps({"pid": os.getpid(), "doing": doing}).encode()
            with suppress(OSError):  # only a courtesy to whoever waits
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, about, 0)
        return cls(descriptor)

    def release(self) -> None:
        """Let go; idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def owner_of(home: Path) -> str:
    """Who holds the lock, as far as the file says."""
    try:
        found = json.loads((home / LOCK).read_text("utf-8"))
        return f"process {int(found['pid'])} ({found['doing']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def endpoint_of(home: Path) -> Endpoint | None:
    """Where the owner of ``home`` says that it answers; ``None`` when it says nothing.

    Raises:
        StoreError: the file is there and is not ours to read.
    """
    try:
        found = json.loads((home / SERVICE).read_text("utf-8"))
        return Endpoint(
            str(found["url"]), str(found["token"]), int(found["pid"]), str(found["version"])
        )
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise StoreError(
            f"{home / SERVICE} belongs to another user",
            hint="ask an admin for a token and set PALIMPSEST_URL and PALIMPSEST_TOKEN",
        ) from error
    except (OSError, ValueError, KeyError, TypeError):
        return None  # half a file: its writer is about to replace it, or died


def publish(home: Path, endpoint: Endpoint) -> None:
    """Write ``service.json``, whole or not at all, readable for this user alone.

    Raises:
        StoreError: it could not be written.
    """
    write_whole(home / SERVICE, json.dumps(asdict(endpoint)))


def withdraw(home: Path) -> None:
    """Remove ``service.json``; idempotent.

    Raises:
        StoreError: it cannot be removed.
    """
    try:
        (home / SERVICE).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{home / SERVICE} cannot be removed: {error.strerror}",
            hint="check permissions of the home; it names a service that runs no more",
        ) from error
