"""How rows and conditions are written as values of a statement."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from governance.merkle import LogRow

RECORDS: Final = {
    "event": "seq, '|', recorded_at_us, '|', hash(leaf), '|', strlen(type), '|',"
    " strlen(event_id), '|', coalesce(strlen(command)::VARCHAR, '-'), '|', type, event_id,"
    " command, subject",
    "mention": "seq, '|', strlen(type), '|', type, subject",
}
"""What a fingerprint is made of: everything that is read without looking at the header.
With lengths, so that nothing can move from one column to the next."""


def narrowed(
    where: str, values: list[Any], column: str, wanted: Collection[str] | None
) -> tuple[str, list[Any]]:
    """``where`` and its values, with ``column`` limited to what is wanted, if that is said."""
    if wanted is None:
        return where, values
    return f"{where} AND {column} IN (SELECT unnest(?::VARCHAR[]))", [*values, list(wanted)]


def values_of(row: LogRow) -> tuple[object, ...]:
    """In the order of the columns of the table ``event``."""
    return (
        row.seq, row.event_id, row.type, row.recorded_at_us, row.subject, row.header, row.leaf,
        row.sealed, row.command,
    )  # fmt: skip
