"""A log as one principal may see it: what lies outside its bounds does not exist.

Runs in the process that owns the log. Every read starts from headers, whose scope the
Merkle leaf commits to; payloads of other scopes are not even opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from governance import canonical
from governance.access import Principal
from governance.errors import ChainError, LedgerError
from governance.events import Event, Scope
from governance.log import OwnedLog, Receipt
from governance.merkle import LogRow
from governance.store import LastSteps, Mention


class ScopedLog:
    """Reads of an owned log, filtered. Implements ``governance.projection.Journal``."""

    def __init__(self, log: OwnedLog, principal: Principal) -> None:
        self._log = log
        self._principal = principal

    def select(
        self,
        start: int,
        stop: int,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[Event]:
        """See the protocol.

        Raises:
            As :meth:`governance.checked.CheckedLog.select`.
        """
        rows = self._rows(start, stop, types=types, subjects=subjects)
        return (self._log.decode(row) for row in rows)

    def last_steps(self, kind: str, start: int, stop: int, *, types: Collection[str]) -> LastSteps:
        """See the protocol."""
        if self._principal.owner:
            return self._log.last_steps(kind, start, stop, types=types)
        prefix = f"{kind}:"
        found = {
            row.subject.removeprefix(prefix): (row.seq, row.type)
            for row in self._rows(start, stop, types=types)
            if row.subject.startswith(prefix)
        }
        seqs, names = zip(*found.values(), strict=True) if found else ((), ())
        return LastSteps(list(found), seqs, names)

    def mentions(
        self, start: int, stop: int, *, types: Collection[str], subject: str | None = None
    ) -> Sequence[Mention]:
        """See the protocol."""
        found = self._log.mentions(start, stop, types=types, subject=subject)
        if self._principal.owner or not found:
            return found
        visible = {row.seq for row in self._rows(found[0].seq, found[-1].seq, types=types)}
        return [mention for mention in found if mention.seq in visible]

    def header(self, seq: int) -> bytes:
        """Canonical header bytes of one event.

        Raises:
            LedgerError: no such event, or none that this principal may know of.
        """
        for row in self._rows(seq, seq):
            return row.header
        raise LedgerError(f"event {seq} does not exist", hint=f"the head is {self._log.head.seq}")

    def receipt(self, key: str) -> Receipt | None:
        """What the command with this key did; ``None`` if it never ran in these bounds."""
        found = self._log.receipt(key)
        return found if found is not None and self.covers(found) else None

    def covers(self, receipt: Receipt) -> bool:
        """Whether the events of a receipt are this principal's to know."""
        first, last = receipt.first_seq, receipt.last_seq
        return sum(1 for _ in self._rows(first, last)) == last - first + 1

    def _rows(
        self,
        start: int,
        stop: int,
        *,
        types: Collection[str] | None = None,
        subjects: Collection[str] | None = None,
    ) -> Iterator[LogRow]:
        rows = self._log.rows(start, stop, types=types, subjects=subjects)
        if self._principal.owner:
            return rows
        return (row for row in rows if self._visible(row))

    def _visible(self, row: LogRow) -> bool:
        """Judged by the header, never by the columns beside it: only the header is signed."""
        header = canonical.decode(row.header)
        labels = header.get("scope")
        if not isinstance(labels, dict):
            raise ChainError(f"event {row.seq}: unreadable header")
        scope = Scope.model_validate(labels)
        return self._principal.sees_record(scope, str(header["type"]), str(header["subject"]))
