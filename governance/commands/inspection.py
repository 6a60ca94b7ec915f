"""``log``, ``show``, ``diff`` and ``verify``: look at everything, change nothing."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from governance.commands.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    ScopeOption,
    open_ledger,
    print_json,
    progress,
)
from governance.errors import LedgerError, VerificationError

if TYPE_CHECKING:
    from governance.commands.comparison import EntryComparison
    from governance.ledger import Event, Ledger
    from governance.verify import VerificationReport

app = typer.Typer()

PROGRESS_EVERY_S: Final = 2.0
"""Short checks say nothing until they are done."""

EntryArgument = Annotated[str, typer.Argument(help="Entry id, or a unique beginning of it.")]


@app.command()
def log(
    *,
    home: HomeOption = DEFAULT_HOME,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="The last so many events.")
    ] = 40,
    event_type: Annotated[
        str, typer.Option("--type", help="Only this type, or types starting with it.")
    ] = "",
    entry: Annotated[str, typer.Option("--entry", help="Only events of this entry.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List events, oldest first. The number of an event is the version it led to."""
    with open_ledger(home) as ledger:
        events = list(_selected(ledger, limit, event_type, entry))
    if as_json:
        from governance.commands.describe import event_data  # noqa: PLC0415

        print_json({"events": [event_data(event) for event in events]})
        return
    from governance.commands import describe, render  # noqa: PLC0415

    rows = [
        (
            str(event.header.seq),
            describe.time_of(event.header.recorded_at_us),
            event.header.type,
            event.header.subject.partition(":")[2],
            render.short(describe.summary(event.payload)),
            str(event.header.actor),
        )
        for event in events
    ]
    columns = ("Version", "Time (UTC)", "Event", "Subject", "What", "Who")
    render.console().print(render.table("", columns, rows))


@app.command()
def show(
    entry_id: EntryArgument, *, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False
) -> None:
    """Everything about one entry: text, evidence, checks, decisions, lineage, use."""
    from governance.commands.dossier import dossier, dossier_data, print_dossier  # noqa: PLC0415

    with open_ledger(home) as ledger:
        found = dossier(ledger, entry_id)
    if as_json:
        print_json(dossier_data(found))
    else:
        print_dossier(found)


@app.command()
def diff(
    first: Annotated[
        str, typer.Argument(help="Entry id; with --adapter or --versions: the earlier one.")
    ],
    second: Annotated[
        str | None,
        typer.Argument(help="With --adapter or --versions: the later one.", show_default=False),
    ] = None,
    *,
    home: HomeOption = DEFAULT_HOME,
    adapter: Annotated[
        bool,
        typer.Option(
            "--adapter", help="Compare two adapters, each by digest, SHARD:VERSION or version."
        ),
    ] = False,
    versions: Annotated[
        bool,
        typer.Option("--versions", help="Compare two versions of the whole memory, by number."),
    ] = False,
    scope: ScopeOption = None,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            help="replaced, previous or evidence. Default: the first of these that exists.",
            show_default=False,
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Word diff of an entry, or what differs between two adapters or two versions."""
    if (adapter or versions) != (second is not None) or (adapter and versions):
        raise LedgerError(
            "diff takes one ENTRY, or --adapter or --versions and two of them",
            hint="palimpsest diff ENTRY; palimpsest diff --adapter V1 V2; "
            "palimpsest diff --versions 10 20",
        )
    if second is not None and versions:
        from governance.commands.timetravel import diff_versions  # noqa: PLC0415

        diff_versions(home, first, second, scope, as_json=as_json)
        return
    if second is not None:
        _diff_adapters(home, first, second, as_json=as_json)
        return
    from governance.commands.comparison import compare_entry  # noqa: PLC0415

    with open_ledger(home) as ledger:
        comparison = compare_entry(ledger, first, against)
    if as_json:
        print_json(comparison.data())
    else:
        _print_comparison(comparison)


@app.command()
def verify(
    *,
    home: HomeOption = DEFAULT_HOME,
    payloads: Annotated[
        bool,
        typer.Option("--payloads/--no-payloads", help="Open every payload, or check all but that."),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Check the whole log from its bytes against its signed checkpoints.

    Exit code 3 when anything was changed, removed, inserted, reordered or cut off; the first
    bad event is named. docs/verification.md lists the steps. Reviewers' signatures on decisions
    are checked too, unless payloads are left closed.
    """
    from governance.ledger import verify_home  # noqa: PLC0415

    report = verify_home(home, payloads=payloads, progress=_Progress().tell)
    signatures = _verify_signatures(report, home) if payloads and report.ok else None
    if as_json:
        print_json({
            "ok": report.ok, "events": report.events, "checkpoints": report.checkpoints,
            "payloads": report.payloads if payloads else None,
            "erased": report.erased if payloads else None,
            "unsigned": report.unsigned, "root": report.root, "first_bad": report.first_bad,
            "signatures": signatures,
            "problems": list(report.problems), "notices": list(report.notices),
        })  # fmt: skip
        if not report.ok:
            raise typer.Exit(VerificationError.exit_code)
        return
    _print_verification(report, home, payloads=payloads)
    if signatures:
        typer.echo(f"signatures of reviewers: {signatures} checked, all hold")


def _verify_signatures(report: VerificationReport, home: Path) -> int | None:
    """Add what is wrong with reviewers' signatures; how many were checked, if they could be.

    Only of a log that holds by itself: what they sign is its events.
    """
    from governance.errors import GovernanceError  # noqa: PLC0415
    from governance.signatures import verify_all  # noqa: PLC0415
    from governance.verify import Rank  # noqa: PLC0415

    try:
        with open_ledger(home) as ledger:
            found = verify_all(ledger)
    except GovernanceError as error:
        report.notice(f"the signatures of reviewers were not checked: {error}")
        return None
    for one in found.findings:
        report.add(f"event {one.seq}: {one.problem}", rank=Rank.EVENT, place=one.seq)
    return found.checked


class _Progress:
    """Says on standard error how far a long check has come."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def tell(self, events: int) -> None:
        if time.monotonic() - self._told_s >= PROGRESS_EVERY_S:
            self._told_s = time.monotonic()
            progress(f"{events} events checked")


def _print_verification(report: VerificationReport, home: Path, *, payloads: bool) -> None:
    from governance.textforms import visible  # noqa: PLC0415

    for notice in report.notices:
        typer.echo(f"notice: {visible(notice)}")
    if report.ok:
        opened = f"{report.payloads} payloads opened, {report.erased} erased"
        typer.echo(
            f"verified: {report.events} events under {report.checkpoints} signed checkpoints, "
            f"{opened if payloads else 'no payload opened'}\nroot {report.root}"
        )
        return
    for problem in report.problems:
        typer.echo(visible(problem))
    if report.first_bad is not None:
        typer.echo(f"first bad event: {report.first_bad}")
    raise VerificationError(
        f"the record of {home} does not prove what it claims: {len(report.problems)} problem(s)",
        hint="keep the files as they are, and restore a backup beside them",
    )


def _selected(ledger: Ledger, limit: int, event_type: str, entry: str) -> deque[Event]:
    from governance.events import PAYLOADS  # noqa: PLC0415

    types = {name for name in PAYLOADS if name.startswith(event_type)}
    if not types:
        raise LedgerError(
            f"there is no event type {event_type!r}", hint=f"types: {', '.join(sorted(PAYLOADS))}"
        )
    if entry:
        found = ledger.state.entry(entry)
        events = (ledger.event(seq) for seq in found.history)
        return deque((event for event in events if event.header.type in types), maxlen=limit)
    if not event_type:
        start = max(1, ledger.head.seq - limit + 1)
        return deque(ledger.events(start), maxlen=limit)
    return deque(ledger.events(types=types), maxlen=limit)


def _diff_adapters(home: Path, first: str, second: str, *, as_json: bool) -> None:
    from governance.commands.adapters import (  # noqa: PLC0415
        adapter_data,
        compare_adapters,
        print_adapters,
    )

    with open_ledger(home) as ledger:
        comparison = compare_adapters(ledger, first, second)
    if as_json:
        print_json(adapter_data(comparison))
    else:
        print_adapters(comparison)


def _print_comparison(comparison: EntryComparison) -> None:
    from governance.commands import render  # noqa: PLC0415

    console = render.console()
    console.print(render.plain(f"{comparison.before_name}  →  {comparison.after_name}", "bold"))
    console.print(render.diff_text(comparison.diff))
    if not comparison.diff.changed:
        console.print("no difference", style="dim")
