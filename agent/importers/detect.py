"""Which format a data file has, told from its first records, and its import."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final, Literal

from agent.errors import WorkspaceError
from agent.importers.records import Problems, read_records
from agent.importers.sgd import load_sgd
from agent.workspace import Workspace

SourceFormat = Literal["sgd"]
SUPPORTED: Final = (
    "Supported: Schema-Guided Dialogue as .jsonl or .jsonl.gz, one dialogue "
    "{id, services, turns, final_state} a line."
)
_SUFFIXES: Final = (".jsonl", ".jsonl.gz")
_SGD_KEYS: Final = {"id", "services", "turns", "final_state"}
_LOOK_AT: Final = 20
"""Records looked at: a malformed first line must not decide."""


def detect_source(path: Path) -> SourceFormat:
    """The format of ``path``.

    Raises:
        WorkspaceError: missing, a folder, empty, damaged, or of no supported format.
    """
    if path.is_dir():
        raise WorkspaceError(
            f"{path} is a folder, not a data file",
            hint="Give a workspace folder as WORKSPACE, a data file with --source.",
        )
    if not path.exists():
        raise WorkspaceError(f"{path} does not exist", hint=SUPPORTED)
    if not path.name.endswith(_SUFFIXES):
        raise WorkspaceError(f"{path.name}: unknown kind of file", hint=SUPPORTED)
    problems = Problems(strict=False)
    records = list(islice(read_records(path, problems), _LOOK_AT))
    if any(record.value.keys() >= _SGD_KEYS for record in records):
        return "sgd"
    if records:
        keys = ", ".join(sorted(records[0].value)[:8]) or "none"
        raise WorkspaceError(
            f"{path.name} is of no supported format (its keys: {keys})", hint=SUPPORTED
        )
    first = f": {problems.found[0]}" if problems.found else ""
    raise WorkspaceError(f"{path.name} holds no records{first}", hint=SUPPORTED)


def import_source(path: Path, *, limit: int | None = None, strict: bool = False) -> Workspace:
    """What ``--source`` names, as a workspace.

    Raises:
        WorkspaceError: see :func:`detect_source`; nothing in the file can be used; or, read
            strictly, anything in it cannot.
    """
    detect_source(path)
    return load_sgd(path, limit=limit, strict=strict)
