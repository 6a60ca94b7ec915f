"""What the viewer reads when a rule below refuses: in the second person, and what is so now.

The ledger names actors (``human:ann wrote entry fact-1``); whoever reads it at the screen is
that actor. And who is refused because somebody else was faster wants to know who, and that
the page now shows how things stand.
"""

from __future__ import annotations

from typing import Final

from governance.errors import (
    AppendConflictError,
    ClaimedError,
    IllegalTransitionError,
    PalimpsestError,
)
from governance.events import Actor
from governance.state import EntryState

_VERBS: Final = (
    ("does not hold", "do not hold"), ("is the first", "are the first"),
    ("is not a person", "are not a person"), ("is no ", "are no "), ("is a ", "are a "),
)  # fmt: skip
_DID: Final = {"approved": "approved", "active": "approved", "rejected": "rejected",
               "revoked": "revoked"}  # fmt: skip
LOOK_AGAIN: Final = "this page shows how it stands now: look again, then decide"


def name_of(actor: Actor | None) -> str:
    """A person by name; anything else with its kind. Nobody: empty."""
    if actor is None:
        return ""
    return actor.id if actor.kind == "human" else str(actor)


def told(error: PalimpsestError, actor: Actor, entry: EntryState | None = None) -> tuple[str, str]:
    """A refusal and what to do next, as ``actor`` reads them.

    Args:
        error: What was raised.
        actor: Who tried, and looks at the screen.
        entry: What it was tried on, as it stands now.
    """
    faster = _faster(entry, actor) if isinstance(error, IllegalTransitionError) else ""
    if faster:
        return faster, LOOK_AGAIN
    words = _second_person(str(error), actor)
    if isinstance(error, ClaimedError):
        return f"Right now {words}", error.hint
    words = _sentence(words)
    if isinstance(error, AppendConflictError):
        return f"It changed while you were looking. {words}", LOOK_AGAIN
    return words, error.hint


def _faster(entry: EntryState | None, actor: Actor) -> str:
    """Who decided on the entry while the viewer was looking; empty when nobody did."""
    if entry is None or entry.decided_by is None or entry.status not in _DID:
        return ""
    who = "you" if entry.decided_by == actor else name_of(entry.decided_by)
    return f"Meanwhile {who} {_DID[entry.status]} entry {entry.entry_id}"


def _second_person(words: str, actor: Actor) -> str:
    me = str(actor)
    for third, second in _VERBS:
        words = words.replace(f"{me} {third}", f"you {second}")
    return words.replace(me, "you").replace("human:", "")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
