"""What was tried and refused is on record too: who, what, on what, and why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from governance.errors import (
    GovernanceError,
    LedgerError,
    PalimpsestError,
    StoreError,
    VerificationError,
)
from governance.events import Actor, CommandRefused, Scope
from governance.ledger import EventDraft, Ledger


@contextmanager
def recording(
    ledger: Ledger, command: str, about: str, *, actor: Actor, scope: Scope | None = None
) -> Iterator[None]:
    """Run a command; if a rule refuses it, record that and let the caller know as before.

    Args:
        ledger: Where it is tried.
        command: Its name, such as ``approve``.
        about: What it is tried on, as ``kind:id``.
        actor: Who tries.
        scope: Whose memory it concerns; ``None`` takes that of the entry named.

    Raises:
        Whatever the command raises.

    Side effects: appends ``command.refused`` when a rule refuses; not when a disk does.
    """
    try:
        yield
    except (StoreError, VerificationError):
        raise
    except GovernanceError as error:
        payload = CommandRefused(
            command=command, about=about, error=type(error).__name__, message=str(error)
        )
        # What refuses the record too (a log open for reading, a full disk) hides no refusal.
        with suppress(PalimpsestError):
            ledger.append([EventDraft(payload, actor, scope or _scope_of(ledger, about))])
        raise


def _scope_of(ledger: Ledger, about: str) -> Scope:
    kind, _, name = about.partition(":")
    if kind == "entry":
        with suppress(LedgerError):  # also by a beginning of its id
            return ledger.state.entry(name).scope
    return ledger.bounds or Scope()
