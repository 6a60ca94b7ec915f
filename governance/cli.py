"""The command line: puts together the commands of all installed packages.

Each package offers a Typer app in the entry-point group ``palimpsest.commands``; its
commands appear beside these. Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from typing import Any, Final

import typer
from typer.core import TyperGroup

from governance.commands import (
    bisecting,
    correcting,
    erasing,
    evidence,
    identity,
    inspection,
    policies,
    proving,
    reviewing,
    revoking,
    rolling,
    serving,
    setup,
    signing,
    timetravel,
    transferring,
)
from governance.errors import PalimpsestError
from governance.textforms import visible

COMMAND_GROUP: Final = "palimpsest.commands"
INTERRUPTED: Final = 130

EPILOG: Final = (
    "Exit codes: 0 ok · 1 internal error · 2 bad input · 3 integrity: the record does not "
    "prove what it claims · 4 refused by policy, role or review · 5 environment: files, "
    "locks, network · 130 interrupted. PALIMPSEST_DEBUG=1 shows tracebacks."
)


class CommandGroup(TyperGroup):
    """Turns every error of ours into two readable lines and its exit code."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Run the command."""
        try:
            return super().invoke(ctx)
        except PalimpsestError as error:
            if _debugging():
                import traceback  # noqa: PLC0415  # slow to import, and rarely wanted

                traceback.print_exc()
            _report(str(error), error.hint)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            _report("interrupted", "run the same command again; it continues where it stopped")
            raise typer.Exit(INTERRUPTED) from error


app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    help="See, approve, measure and take back what AI agents learn.",
)


def _merge(part: typer.Typer) -> None:
    app.registered_commands.extend(part.registered_commands)
    app.registered_groups.extend(part.registered_groups)


def load_commands() -> None:
    """Add the commands of every installed package, once.

    A package whose own dependencies are missing is named and left out: the commands of
    the others must keep working, above all ``verify``.
    """
    for point in sorted(entry_points(group=COMMAND_GROUP), key=lambda point: point.name):
        try:
            _merge(point.load())
        except ImportError as error:
            _report(
                f"the commands of {point.name!r} are not available: {error}",
                f"pip install 'palimpsest-ledger[{point.name}]'",
                label="note",
            )


def main() -> None:
    """Entry point of ``palimpsest``."""
    load_commands()
    try:
        app()
    except Exception as error:  # the one place for what nobody foresaw
        if _debugging():
            raise
        _report(
            f"internal error: {type(error).__name__}: {error}",
            "PALIMPSEST_DEBUG=1 shows where; nothing half-written is left behind",
        )
        sys.exit(1)


def _report(message: str, hint: str, *, label: str = "error") -> None:
    typer.echo(f"{label}: {visible(' '.join(message.split()))}", err=True)
    if hint:
        typer.echo(f"hint: {visible(' '.join(hint.split()))}", err=True)


def _debugging() -> bool:
    return os.environ.get("PALIMPSEST_DEBUG", "") not in {"", "0"}


for _part in (
    setup, inspection, timetravel, evidence, reviewing, revoking, correcting, transferring,
    rolling, bisecting, policies, proving, serving, identity, erasing,
    signing,
):  # fmt: skip
    _merge(_part.app)

if __name__ == "__main__":
    main()
