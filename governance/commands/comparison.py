"""What to compare an entry with, and the word diff of the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from governance.errors import LedgerError
from governance.events import text_of
from governance.textdiff import WordDiff, word_diff

if TYPE_CHECKING:
    from governance.commands.options import Json
    from governance.ledger import Ledger
    from governance.state import EntryState

CHOICES: Final = ("replaced", "previous", "evidence")


@dataclass(frozen=True)
class EntryComparison:
    """Two texts, what each is, and their difference."""

    entry_id: str
    against: str
    before_name: str
    after_name: str
    before: str
    after: str
    diff: WordDiff

    def data(self) -> dict[str, Json]:
        """As JSON data."""
        return {
            "entry_id": self.entry_id, "against": self.against, "before_name": self.before_name,
            "after_name": self.after_name, "before": self.before, "after": self.after,
            "similarity": self.diff.similarity_ppm / 1_000_000,
            "parts": [
                {"operation": part.operation, "before": part.before, "after": part.after}
                for part in self.diff.parts
            ],
        }  # fmt: skip


def compare_entry(ledger: Ledger, entry_id: str, against: str = "") -> EntryComparison:
    """Compare an entry with what it replaces, its previous version, or its evidence.

    Args:
        ledger: Where it is.
        entry_id: Or a unique beginning of it.
        against: One of :data:`CHOICES`; empty takes the first that exists.

    Raises:
        LedgerError: no such entry, or nothing of that kind to compare it with.
    """
    if against not in {"", *CHOICES}:
        raise LedgerError(
            f"--against {against!r} is not known", hint=f"one of: {', '.join(CHOICES)}"
        )
    entry = ledger.state.entry(entry_id)
    for choice in [against] if against else CHOICES:
        found = _counterpart(ledger, entry, choice)
        if found is not None:
            name, text = found
            after = text_of(entry.body)
            return EntryComparison(
                entry.entry_id, choice, name, f"{entry.entry_id} v{entry.version}",
                text, after, word_diff(text, after),
            )  # fmt: skip
    wanted = {"replaced": "replaces nothing", "previous": "has no earlier version"}
    raise LedgerError(
        f"entry {entry.entry_id} {wanted.get(against, 'cites no evidence')}",
        hint=f"palimpsest show {entry.entry_id}",
    )


def _counterpart(ledger: Ledger, entry: EntryState, choice: str) -> tuple[str, str] | None:
    if choice == "replaced":
        old = ledger.state.entries.get(entry.replaces or "")
        return (f"{old.entry_id} v{old.version}", text_of(old.body)) if old else None
    if choice == "previous":
        earlier = entry.previous
        while earlier is not None and earlier.version == entry.version:
            earlier = earlier.previous
        if earlier is None:
            return None
        return f"{earlier.entry_id} v{earlier.version}", text_of(earlier.body)
    quotes = [ledger.source_text(span.source_id)[span.start : span.end] for span in entry.spans]
    if not quotes:
        return None
    names = ", ".join(
        dict.fromkeys(ledger.state.sources[span.source_id].name for span in entry.spans)
    )
    return f"evidence in {names}", "\n".join(quotes)
