"""What a ledger stands on, whoever owns the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from governance.batch import EventDraft
from governance.events import Actor, Scope
from governance.log import Head, Receipt
from governance.projection import Journal
from governance.sealing import Opened
from governance.state import State
from governance.verify import VerificationReport


class Log(Journal, Protocol):
    """What a ledger stands on."""

    @property
    def head(self) -> Head:
        """Version and root now."""
        ...

    @property
    def state(self) -> State:
        """The memory now; never changed, only replaced."""
        ...

    @property
    def origin(self) -> str:
        """The log's name on its checkpoints."""
        ...

    @property
    def public_key(self) -> bytes:
        """Raw Ed25519 key (32 bytes) that signs checkpoints now."""
        ...

    @property
    def bounds(self) -> Scope | None:
        """All that may be read and written through this log; ``None``: everything."""
        ...

    @property
    def principal(self) -> Actor | None:
        """In whose name alone may be written through this log; ``None``: in any."""
        ...

    def now_us(self) -> int:
        """The time that an event appended now would bear; microseconds since 1970 UTC."""
        ...

    def append(self, drafts: Sequence[EventDraft], *, key: str | None = None) -> Receipt:
        """See :meth:`governance.ledger.Ledger.append`."""
        ...

    def receipt(self, key: str) -> Receipt | None:
        """See :meth:`governance.ledger.Ledger.receipt`."""
        ...

    def keyed(self, text: str) -> str:
        """See :meth:`governance.ledger.Ledger.keyed`."""
        ...

    def header(self, seq: int) -> bytes:
        """Canonical header bytes of one event, checked."""
        ...

    def tile(self, level: int, index: int) -> bytes:
        """See :meth:`governance.ledger.Ledger.tile`."""
        ...

    def note(self) -> str:
        """See :meth:`governance.ledger.Ledger.note`."""
        ...

    def first_note(self, seq: int) -> str:
        """See :meth:`governance.ledger.Ledger.first_note`."""
        ...

    @property
    def first_key(self) -> bytes:
        """Raw Ed25519 key (32 bytes) that the log began with."""
        ...

    def signed_notes(self) -> list[str]:
        """See :meth:`governance.ledger.Ledger.checkpoints`."""
        ...

    def headers(self, start: int, stop: int) -> Iterator[bytes]:
        """See :meth:`governance.ledger.Ledger.headers`."""
        ...

    def disclose(self, seq: int) -> Opened | None:
        """See :meth:`governance.ledger.Ledger.disclose`."""
        ...

    def verify(
        self, *, payloads: bool, progress: Callable[[int], None] | None = None
    ) -> VerificationReport:
        """See :meth:`governance.ledger.Ledger.verify`."""
        ...

    def rotate_key(self, actor: Actor, reason: str) -> Receipt:
        """See :meth:`governance.ledger.Ledger.rotate_key`."""
        ...

    def rebuild_projections(self) -> int:
        """See :meth:`governance.ledger.Ledger.rebuild_projections`."""
        ...

    def close(self) -> None:
        """Release what it holds; idempotent."""
        ...
