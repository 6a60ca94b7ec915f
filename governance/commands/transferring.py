"""``share``, ``export`` and ``import``: memory on its way to another scope, file or home."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from governance.commands.inspection import EntryArgument
from governance.commands.options import (
    DEFAULT_HOME,
    ActorOption,
    HomeOption,
    JsonOption,
    ScopeOption,
    open_ledger,
    parse_actor,
    parse_scope,
    print_json,
)
from governance.errors import LedgerError

if TYPE_CHECKING:
    from governance.events import EntryKind, Scope, Trust
    from governance.ledger import Ledger
    from governance.transfer import ImportReport

app = typer.Typer()

SubjectOption = Annotated[
    str,
    typer.Option("--data-subject", help="Whose key encrypts it, and whose erasure destroys it."),
]


@app.command()
def share(
    entry_id: EntryArgument,
    *,
    to: Annotated[str, typer.Option("--to", help="TENANT/AGENT or TENANT/AGENT/USER.")],
    home: HomeOption = DEFAULT_HOME,
    data_subject: SubjectOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Copy an entry in force into another scope, for review there.

    The copy stays tied to its original: revoking the original takes it back too.
    """
    from governance.sharing import share as share_entry  # noqa: PLC0415
    from governance.standing import policy_in_force  # noqa: PLC0415

    target = _scope(to)
    with open_ledger(home, write=True) as ledger:
        done = share_entry(
            ledger, entry_id, to=target, actor=parse_actor(actor),
            policy=policy_in_force(ledger), data_subject=data_subject,
        )  # fmt: skip
        status = ledger.state.entries[done.entry_id].status
    decision = done.decision
    if as_json:
        print_json({
            "entry_id": done.entry_id, "scope": str(target), "status": status,
            "outcome": decision.outcome, "rule": decision.rule_id, "message": decision.message,
            "repeated": done.receipt.repeated,
        })  # fmt: skip
    else:
        typer.echo(f"{done.entry_id} in {target} is {status}")
        typer.echo(f"{decision.outcome} ({decision.rule_id}: {decision.message})")


@app.command("export")
def export_file(
    *,
    home: HomeOption = DEFAULT_HOME,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="File to write; must not exist. Default: HOME/exports/, where revoking an "
            "entry in it deletes it.",
            show_default=False,
        ),
    ] = None,
    scope: ScopeOption = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Only this kind of entry; repeat.", show_default=False),
    ] = None,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write what is in force to a file, one JSON object a line, and record that it was."""
    from governance.transfer import export_memory  # noqa: PLC0415

    with open_ledger(home, write=True) as ledger:
        done = export_memory(
            ledger, scope=parse_scope(scope) or _only_scope(ledger), actor=parse_actor(actor),
            out=out, kinds=frozenset(_kind(name) for name in kind or ()),
        )  # fmt: skip
    if as_json:
        print_json({"export_id": done.export_id, "file": str(done.path),
                    "entries": done.entries, "sha256": done.sha256,
                    "seq": done.receipt.first_seq})  # fmt: skip
    else:
        typer.echo(f"{done.path}: {done.entries} entries (export {done.export_id})")


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="File that `palimpsest export` wrote.")],
    *,
    scope: Annotated[str, typer.Option("--scope", help="TENANT/AGENT or TENANT/AGENT/USER.")],
    home: HomeOption = DEFAULT_HOME,
    trust: Annotated[
        str,
        typer.Option(
            "--trust", help="How far the file is trusted: unknown, customer, internal, trusted."
        ),
    ] = "unknown",
    importer: Annotated[
        str, typer.Option("--importer", help="Name under which it is proposed.")
    ] = "file",
    data_subject: SubjectOption = "",
    as_json: JsonOption = False,
) -> None:
    """Propose every entry of a file here. Nothing is approved because the file says so.

    Safe to stop and to repeat. Lines that are no entries are listed and left out: exit code 2.
    """
    from governance.events import Actor  # noqa: PLC0415
    from governance.standing import policy_in_force  # noqa: PLC0415
    from governance.transfer import import_memory  # noqa: PLC0415

    target, level = _scope(scope), _trust(trust)
    with open_ledger(home, write=True) as ledger:
        report = import_memory(
            ledger, file, scope=target, policy=policy_in_force(ledger), trust=level,
            actor=ledger.principal or Actor(kind="importer", id=importer.strip() or "file"),
            data_subject=data_subject,
        )  # fmt: skip
    _print_report(report, as_json=as_json)
    if report.bad:
        raise LedgerError(
            f"{len(report.bad)} lines of {file} are no entries and were left out",
            hint="mend them and import the file again: what is known stays as it is",
        )


# --- parts ------------------------------------------------------------------------------


def _print_report(report: ImportReport, *, as_json: bool) -> None:
    from governance.commands import render  # noqa: PLC0415

    statuses = sorted({one.status for one in report.entries})
    if as_json:
        print_json({
            "lines": len(report.entries) + len(report.bad),
            "known_before": sum(one.repeated for one in report.entries),
            "by_status": {status: report.count(status) for status in statuses},
            "entries": [vars(one) for one in report.entries],
            "bad_lines": [vars(one) for one in report.bad],
        })  # fmt: skip
        return
    counts = ", ".join(f"{report.count(status)} {status}" for status in statuses) or "nothing"
    typer.echo(f"{len(report.entries)} entries: {counts}")
    refused = [
        (str(one.line), one.entry_id, render.status(one.status), render.short(one.why))
        for one in report.entries
        if one.status not in {"active", "approved"}
    ]
    console = render.console()
    if refused:
        columns = ("Line", "Entry", "Is", "Message")
        console.print(render.table("Not in force", columns, refused))
    if report.bad:
        rows = [(str(one.line), render.short(one.why)) for one in report.bad]
        console.print(render.table("Not entries", ("Line", "Message"), rows))


def _scope(text: str) -> Scope:
    found = parse_scope(text)
    assert found is not None
    return found


def _only_scope(ledger: Ledger) -> Scope:
    """The one agent whose memory is here.

    Raises:
        LedgerError: there are several, or none.
    """
    active = ledger.state.entries.with_status("active")
    scopes = {
        str(scope): scope for scope in (one.scope.model_copy(update={"user": ""}) for one in active)
    }
    if len(scopes) != 1:
        names = ", ".join(sorted(scopes)) or "nothing is in force"
        raise LedgerError(f"whose memory? {names}", hint="give --scope TENANT/AGENT")
    return next(iter(scopes.values()))


def _kind(name: str) -> EntryKind:
    from governance.events import ENTRY_KINDS  # noqa: PLC0415

    for kind in ENTRY_KINDS:
        if kind == name:
            return kind
    raise LedgerError(f"there is no kind {name!r}", hint=", ".join(ENTRY_KINDS))


def _trust(name: str) -> Trust:
    from governance.events import Trust  # noqa: PLC0415

    levels: tuple[Trust, ...] = get_args(Trust)
    for level in levels:
        if level == name:
            return level
    raise LedgerError(f"there is no trust {name!r}", hint=", ".join(levels))
