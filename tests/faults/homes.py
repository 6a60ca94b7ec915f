"""Homes to be damaged: made once, copied for every fault."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb

from governance.events import MemoryRecalled, RoleGranted
from governance.home import CHECKPOINTS, DATABASE
from governance.ledger import Ledger
from governance.merkle import Tree
from tests.governance.drafts import (
    BOT,
    StepClock,
    append,
    draft,
    fact_body,
    learned_card,
    life,
    proposed,
    source,
)

EVENTS = 300
"""More than one tile."""


def build(home: Path) -> Path:
    """A home with :data:`EVENTS` events of many kinds, written in several appends."""
    with Ledger.open(home, create=True, clock=StepClock()) as ledger:
        append(ledger, source())
        ledger.append(life(), key="life")
        ledger.append(learned_card())
        for number in range(3):
            ledger.append([draft(RoleGranted(principal=f"p{number}", role="reviewer"))])
        recalled = MemoryRecalled(recall_id="r", purpose="answer", query="?", entries=["e1", "c1"])
        derived = proposed("e2", fact_body("301 EUR"), derived_from=["e1"])
        rest = range(ledger.head.seq + 2, EVENTS)
        ledger.append(
            [
                draft(recalled),
                draft(derived, BOT),
                *(draft(RoleGranted(principal=f"q{one}", role="reviewer")) for one in rest),
            ]
        )
        assert ledger.head.seq == EVENTS
    return home


def copied(home: Path, target: Path) -> Path:
    shutil.copytree(home, target)
    return target


def sql(home: Path, *statements: str) -> None:
    """What anybody with the file and no key can do."""
    with duckdb.connect(str(home / DATABASE)) as connection:
        for statement in statements:
            connection.execute(statement)


def unconstrained(table: str, *statements: str) -> list[str]:
    """``statements`` on a copy of ``table`` without its keys, put in its place."""
    return [
        f"CREATE TABLE loose AS SELECT * FROM {table}",
        *(statement.replace(table, "loose") for statement in statements),
        f"DROP TABLE {table}",
        f"ALTER TABLE loose RENAME TO {table}",
    ]


def rewrite(home: Path, seq: int, change: Callable[[bytes], bytes]) -> None:
    """Change a header and make everything else in the database agree with it."""
    with duckdb.connect(str(home / DATABASE)) as connection:
        [(header,)] = connection.execute("SELECT header FROM event WHERE seq = ?", [seq]).fetchall()
        changed = change(bytes(header))
        assert changed != bytes(header)
        leaf = hashlib.sha256(b"\x00" + changed).digest()
        connection.execute(
            "UPDATE event SET header = ?, leaf = ? WHERE seq = ?", [changed, leaf, seq]
        )
        leaves = connection.execute("SELECT leaf FROM event ORDER BY seq").fetchall()
        connection.execute("DELETE FROM tile")
        for tile in Tree().extend(bytes(row[0]) for row in leaves):
            connection.execute(
                "INSERT INTO tile VALUES (?, ?, ?)", [tile.level, tile.index, tile.hashes]
            )


def checkpoint_file(home: Path) -> Path:
    return home / CHECKPOINTS / "checkpoints.log"
