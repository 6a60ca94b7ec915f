"""Starting a service in the background, for commands that stay open beside others."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from governance.client import URL_VARIABLE, connected
from governance.errors import StoreError
from governance.home import prepare

LOG: Final = "service.log"
IDLE_EXIT_S: Final = 15
START_S: Final = 20.0
OFF_VARIABLE: Final = "PALIMPSEST_SERVICE"
"""``0`` starts no service: the command then owns the home itself."""
_NEEDED: Final = ("starlette", "uvicorn")
_POLL_S: Final = 0.05


def ensure(home: Path, *, create: bool = False) -> bool:
    """Make sure that a service owns ``home``; False when there is none, for whatever reason.

    Whoever opens the ledger next becomes its client, or, when this was False, its owner. The
    service goes away by itself soon after its last client.

    Raises:
        StoreError: no home there, not ours, or half a home.

    Side effects: makes the home with ``create``; starts a process that outlives this one and
    writes to ``HOME/service.log``.
    """
    if os.environ.get(URL_VARIABLE) or os.environ.get(OFF_VARIABLE) == "0":
        return False
    prepare(home, create=create)
    if not all(importlib.util.find_spec(name) for name in _NEEDED):
        return False
    return _answers(home) or _start(home)


def _answers(home: Path) -> bool:
    try:
        remote = connected(home)
    except StoreError:
        return False  # opening the ledger says what is wrong
    if remote is None:
        return False
    remote.close()
    return True


def _start(home: Path) -> bool:
    command = [
        sys.executable, "-m", "governance.cli", "serve", "--home", str(home),
        "--idle-exit", str(IDLE_EXIT_S),
    ]  # fmt: skip
    try:
        with (home / LOG).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,  # Ctrl-C here must not interrupt a commit there
            )  # fmt: skip
    except OSError:
        return False
    # It outlives this command; should it end first, it must not stay behind as a zombie.
    threading.Thread(target=process.wait, name="service-reaper", daemon=True).start()
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if _answers(home):
            return True
        if process.poll() is not None:
            return False
        time.sleep(_POLL_S)
    return False
