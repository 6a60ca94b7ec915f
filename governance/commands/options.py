"""What all commands share: options, opening a home, and how results are printed."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from governance.errors import LedgerError

if TYPE_CHECKING:
    from governance.events import Actor, Scope
    from governance.ledger import Ledger

DEFAULT_HOME: Final = Path(".palimpsest")

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="PALIMPSEST_HOME", help="Folder that holds the ledger."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
ActorOption = Annotated[
    str,
    typer.Option(
        "--actor",
        envvar="PALIMPSEST_ACTOR",
        help="Who decides, as human:NAME. Default: the user of this computer. It is "
        "recorded, not authenticated.",
        show_default=False,
    ),
]
CommentOption = Annotated[str, typer.Option("--comment", help="Free text for the record.")]
ScopeOption = Annotated[
    str | None,
    typer.Option("--scope", help="Only TENANT/AGENT or TENANT/AGENT/USER.", show_default=False),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would happen and change nothing.")
]
BuildOption = Annotated[
    bool,
    typer.Option("--build/--no-build", help="Rebuild affected adapters at once, or leave it."),
]


def open_ledger(home: Path, *, write: bool = False) -> Ledger:
    """The ledger of ``home``; read-only unless ``write``. A context manager."""
    from governance.ledger import Ledger  # noqa: PLC0415  # keeps `--help` instant

    ledger = Ledger.open(home, read_only=not write)
    if write:
        from governance.housekeeping import housekeep  # noqa: PLC0415

        try:
            housekeep(ledger)
        except BaseException:
            ledger.close()
            raise
    return ledger


def parse_actor(text: str) -> Actor:
    """``human:NAME``, or a bare name of a person; empty is the user of this computer.

    Raises:
        LedgerError: not of that form.
    """
    from governance.events import Actor  # noqa: PLC0415

    kind, colon, name = text.partition(":")
    if not text:
        kind, name = "human", _user()
    elif not colon:
        kind, name = "human", text
    if kind != "human" or not name.strip():
        raise LedgerError(
            f"--actor {text!r} is not a person", hint="give human:NAME, for example human:ana"
        )
    return Actor(kind="human", id=name.strip())


def parse_scope(text: str | None) -> Scope | None:
    """``TENANT/AGENT[/USER]``; ``None`` stays ``None``.

    Raises:
        LedgerError: not of that form.
    """
    from governance.events import Scope  # noqa: PLC0415

    if text is None:
        return None
    parts = text.split("/")
    if len(parts) not in {2, 3} or not all(parts):
        raise LedgerError(
            f"--scope {text!r} is not a scope", hint="give TENANT/AGENT or TENANT/AGENT/USER"
        )
    return Scope(tenant=parts[0], agent=parts[1], user="".join(parts[2:]))


def print_json(value: Json) -> None:
    """One JSON document on standard output, ASCII only, so no text can act on a terminal."""
    typer.echo(json.dumps(value, indent=2))


def progress(line: str) -> None:
    """A line about long work, on standard error."""
    from governance.textforms import visible  # noqa: PLC0415

    typer.echo(visible(line), err=True)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no entry for this uid, as in some containers
        return f"uid-{os.getuid()}" if hasattr(os, "getuid") else "unknown"
