"""Clients that append through a service that is killed under them; run by the fault tests.

``python -m tests.faults.service_child HOME FILE NAME COUNT``: appends COUNT commands, each
until it is acknowledged, whoever owns the home by then, and notes every acknowledgement.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from governance.errors import StoreError
from governance.ledger import Ledger
from tests.governance.drafts import draft, source

PATIENCE_S = 90.0


def work(home: Path, notes: Path, name: str, count: int) -> None:
    """Append ``count`` commands."""
    file = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    until = time.monotonic() + PATIENCE_S
    ledger: Ledger | None = None
    for number in range(count):
        identity = f"{name}-{number}"
        while True:
            try:
                ledger = ledger or Ledger.open(home)
                receipt = ledger.append([draft(source(identity))], key=identity)
            except StoreError:  # the owner died: open again, and repeat the same command
                if time.monotonic() > until:
                    raise
                if ledger is not None:
                    ledger.close()
                ledger = None
                time.sleep(0.02)
                continue
            os.write(file, f"{identity} {receipt.first_seq}\n".encode())
            break
    if ledger is not None:
        ledger.close()


if __name__ == "__main__":
    work(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
