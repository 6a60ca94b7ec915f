"""Changes a home behind the ledger's back."""

from __future__ import annotations

from pathlib import Path

import duckdb


def tamper(home: Path, *, seq: int) -> None:
    """Flip one byte of an event's hashed header."""
    with duckdb.connect(str(home / "ledger.duckdb")) as connection:
        row = connection.execute("SELECT header FROM event WHERE seq = ?", [seq]).fetchone()
        assert row is not None
        altered = bytearray(row[0])
        altered[-3] ^= 1
        connection.execute("UPDATE event SET header = ? WHERE seq = ?", [bytes(altered), seq])
