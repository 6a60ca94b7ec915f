"""Files with entries in them that were handed out: which, where, and gone once withdrawn.

An export below the home stays under our control: when one of its entries is taken back, the
append that takes it back withdraws the export too, and the file is deleted right after. A
process that dies in between leaves a file that the ledger says is withdrawn;
:func:`remove_withdrawn` deletes it the next time anybody writes. What was written elsewhere
can only be named, so that somebody asks for it back.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from governance.durable import reported
from governance.events import Actor, ExportWithdrawn
from governance.ledger import EventDraft, Ledger
from governance.state import ExportState, State

FOLDER: Final = "exports"
_PLACE: Final = re.compile(rf"{FOLDER}/[A-Za-z0-9][A-Za-z0-9._-]*")


def containing(state: State, entry_ids: Collection[str]) -> tuple[ExportState, ...]:
    """Exports that are not withdrawn and list one of these entries, oldest first."""
    wanted = frozenset(entry_ids)
    return tuple(
        export
        for export in state.exports.values()
        if not export.withdrawn and not wanted.isdisjoint(export.issued.entries)
    )


def withdrawals(
    state: State, entry_ids: Collection[str], actor: Actor, reason_code: str
) -> list[EventDraft]:
    """Events that withdraw every export with one of these entries in it."""
    return [
        EventDraft(
            ExportWithdrawn(export_id=export.issued.export_id, reason_code=reason_code),
            actor,
            export.scope,
        )
        for export in containing(state, entry_ids)
    ]


def file_of(ledger: Ledger, export: ExportState) -> Path | None:
    """Where the file lies below the home; ``None`` when it went elsewhere.

    A path that leads anywhere but into the folder of exports is no path of ours.
    """
    path = export.issued.path
    if path is None or not ledger.has_home or _PLACE.fullmatch(path) is None:
        return None
    return ledger.home / path


def remove_withdrawn(ledger: Ledger) -> tuple[str, ...]:
    """Delete the files of withdrawn exports that are still there; idempotent.

    Returns:
        Ids of the exports whose files were deleted now.

    Raises:
        StoreError: a file cannot be deleted.
    """
    removed = []
    for export in ledger.state.exports.values():
        path = file_of(ledger, export) if export.withdrawn else None
        if path is not None and _there(path):
            with reported(f"{path} cannot be deleted"):
                path.unlink(missing_ok=True)
            removed.append(export.issued.export_id)
    return tuple(removed)


def remaining(ledger: Ledger, entry_ids: Collection[str]) -> tuple[str, ...]:
    """Exports through which these entries could still get about; one readable line each."""
    state, wanted = ledger.state, frozenset(entry_ids)
    left = [
        f"export {export.issued.export_id} is not withdrawn" for export in containing(state, wanted)
    ]
    for export in state.exports.values():
        path = file_of(ledger, export) if export.withdrawn else None
        if path is not None and not wanted.isdisjoint(export.issued.entries) and _there(path):
            left.append(f"file {path.name} of withdrawn export {export.issued.export_id} exists")
    return tuple(left)


def _there(path: Path) -> bool:
    return path.is_symlink() or path.exists()
