"""``access``, ``erase``, ``hold`` and ``prune``: handing out, destroying and keeping."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from governance.commands.options import (
    DEFAULT_HOME,
    ActorOption,
    BuildOption,
    CommentOption,
    DryRunOption,
    HomeOption,
    JsonOption,
    ScopeOption,
    open_ledger,
    parse_actor,
    parse_scope,
    print_json,
    progress,
)
from governance.errors import LedgerError

if TYPE_CHECKING:
    from governance.commands.options import Json
    from governance.erasure import Erased, ErasurePlan
    from governance.events import EntryKind, ErasureBasis, Status

app = typer.Typer()
erase_app = typer.Typer(no_args_is_help=True)
hold_app = typer.Typer(no_args_is_help=True)
app.add_typer(erase_app, name="erase", help="Destroy entries, or everything about a person.")
app.add_typer(hold_app, name="hold", help="Legal holds: what may not be destroyed.")

ErasureArgument = Annotated[str, typer.Argument(help="Id of the erasure; see `erase list`.")]
EntryOption = Annotated[
    list[str] | None,
    typer.Option("--entry", help="An entry; repeat for more.", show_default=False),
]
SubjectOption = Annotated[
    str,
    typer.Option("--subject", help="A person, named as their sources were.", show_default=False),
]
WhyOption = Annotated[str, typer.Option("--reason", help="Why, in words, for the record.")]


@app.command()
def access(
    *,
    subject: SubjectOption,
    out: Annotated[Path, typer.Option("--out", help="JSON file to write; must not exist.")],
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write everything that is held about a person to a file, for that person."""
    from governance.subject_access import give_access  # noqa: PLC0415

    with open_ledger(home, write=True) as ledger:
        done = give_access(ledger, subject, out, actor=parse_actor(actor))
    if as_json:
        print_json({
            "export_id": done.export_id, "file": str(done.path), "sha256": done.sha256,
            "events": done.events, "entries": done.entries, "sources": done.sources,
        })  # fmt: skip
    else:
        typer.echo(
            f"{done.path}: {done.sources} source(s), {done.entries} entries, "
            f"{done.events} records; {done.export_id}"
        )


# --- erase -----------------------------------------------------------------------------


@erase_app.command("request")
def request(
    *,
    entry: EntryOption = None,
    subject: SubjectOption = "",
    basis: Annotated[
        str, typer.Option("--basis", help="Ground of GDPR Article 17(1); a wrong one lists them.")
    ],
    reason: WhyOption,
    home: HomeOption = DEFAULT_HOME,
    dry_run: DryRunOption = False,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """List what would be destroyed, and ask for it. A second person has to approve."""
    from governance import erasure  # noqa: PLC0415

    ground, who = _basis(basis), parse_actor(actor)
    with open_ledger(home, write=True) as ledger:
        plan = erasure.plan_erasure(ledger, entries=entry or (), data_subject=subject or None)
        erasure_id = ""
        if not dry_run:
            erasure_id = erasure.request_erasure(
                ledger, plan, actor=who, basis=ground, reason=reason
            )
    if as_json:
        print_json({**_plan_data(plan), "erasure_id": erasure_id, "dry_run": dry_run})
        return
    _print_plan(plan)
    if dry_run:
        typer.echo("nothing was changed (dry run)")
    else:
        typer.echo(f"{erasure_id} waits for a second person: palimpsest erase approve {erasure_id}")


@erase_app.command("approve")
def approve(
    erasure_id: ErasureArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    comment: CommentOption = "",
    actor: ActorOption = "",
    complete_now: Annotated[
        bool, typer.Option("--complete/--no-complete", help="Carry it out at once, or leave it.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Agree to an erasure somebody else asked for, and carry it out. Cannot be undone."""
    from governance.erasure import approve_erasure, complete_erasure  # noqa: PLC0415

    who, done = parse_actor(actor), None
    with open_ledger(home, write=True) as ledger:
        approve_erasure(ledger, erasure_id, actor=who, comment=comment)
        if complete_now:
            done = complete_erasure(ledger, erasure_id, actor=who, progress=progress)
    if done is not None:
        _print_done(done, as_json=as_json)
    elif as_json:
        print_json({"erasure_id": erasure_id, "status": "approved"})
    else:
        typer.echo(f"{erasure_id} is approved: palimpsest erase complete {erasure_id}")


@erase_app.command("decline")
def decline(
    erasure_id: ErasureArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    comment: CommentOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Do not agree to an erasure, or take back one's own request."""
    from governance.erasure import decline_erasure  # noqa: PLC0415

    with open_ledger(home, write=True) as ledger:
        decline_erasure(ledger, erasure_id, actor=parse_actor(actor), comment=comment)
    if as_json:
        print_json({"erasure_id": erasure_id, "status": "declined"})
    else:
        typer.echo(f"{erasure_id} is declined; nothing was destroyed")


@erase_app.command("complete")
def complete(
    erasure_id: ErasureArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Carry out an approved erasure, or go on with one that was interrupted."""
    from governance.erasure import complete_erasure  # noqa: PLC0415

    with open_ledger(home, write=True) as ledger:
        done = complete_erasure(ledger, erasure_id, actor=parse_actor(actor), progress=progress)
    _print_done(done, as_json=as_json)


@erase_app.command("list")
def list_erasures(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Erasures that were asked for, and how they stand."""
    from governance.commands import render  # noqa: PLC0415

    with open_ledger(home) as ledger:
        found = list(ledger.state.erasures.items())
    if as_json:
        print_json({
            "erasures": [
                {"erasure_id": name, "status": one.status, "basis": one.requested.basis,
                 "requested_by": str(one.requested_by),
                 "approved_by": str(one.approved_by) if one.approved_by else None,
                 "entries": list(one.requested.entries),
                 "data_subject": one.requested.data_subject}
                for name, one in found
            ]
        })  # fmt: skip
        return
    rows = [
        (name, one.status, one.requested.basis,
         "a person" if one.requested.data_subject else f"{len(one.requested.entries)} entries",
         render.plain(str(one.requested_by)), render.plain(str(one.approved_by or "–")))
        for name, one in found
    ]  # fmt: skip
    columns = ("Erasure", "Is", "Basis", "Of", "Asked for by", "Approved by")
    render.console().print(render.table("", columns, rows))


@erase_app.command("certificate")
def certificate(
    erasure_id: ErasureArgument,
    *,
    out: Annotated[Path, typer.Option("--out", help="JSON file to write; must not exist.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Write what was erased, when, by whom and on which ground, with a proof; no content.

    Beside FILE.json it writes FILE.txt for people and FILE.tlog-proof, which `proof-check`
    checks without this home.
    """
    from governance.certificates import write_certificate  # noqa: PLC0415

    with open_ledger(home) as ledger:
        files = write_certificate(ledger, erasure_id, out)
    if as_json:
        print_json({"erasure_id": erasure_id, "files": [str(one) for one in files]})
    else:
        typer.echo("\n".join(map(str, files)))


# --- hold ------------------------------------------------------------------------------


@hold_app.command("place")
def place(
    *,
    entry: EntryOption = None,
    subject: Annotated[
        list[str] | None,
        typer.Option("--subject", help="A person; repeat for more.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Keep all there is.")] = False,
    reason: WhyOption,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Forbid to erase or prune entries, what is held about people, or anything at all."""
    from governance.retention import place_hold  # noqa: PLC0415

    if everything == bool(entry or subject):
        raise LedgerError(
            "say what to keep", hint="--entry ID, --subject NAME, or --everything and neither"
        )
    with open_ledger(home, write=True) as ledger:
        hold_id = place_hold(
            ledger, reason=reason, actor=parse_actor(actor), entries=entry or (),
            data_subjects=subject or (),
        )  # fmt: skip
    if as_json:
        print_json({"hold_id": hold_id})
    else:
        typer.echo(f"{hold_id} is in force")


@hold_app.command("lift")
def lift(
    hold_id: Annotated[str, typer.Argument(help="Id of the hold; see `hold list`.")],
    *,
    reason: WhyOption,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a hold."""
    from governance.retention import lift_hold  # noqa: PLC0415

    with open_ledger(home, write=True) as ledger:
        lift_hold(ledger, hold_id, reason=reason, actor=parse_actor(actor))
    if as_json:
        print_json({"hold_id": hold_id, "lifted": True})
    else:
        typer.echo(f"{hold_id} is lifted")


@hold_app.command("list")
def list_holds(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Holds, and whether they are in force."""
    from governance.commands import render  # noqa: PLC0415

    with open_ledger(home) as ledger:
        found = list(ledger.state.holds.items())
    if as_json:
        print_json({
            "holds": [
                {"hold_id": name, "lifted": one.lifted, "reason": one.placed.reason,
                 "entries": list(one.placed.entries),
                 "data_subjects": list(one.placed.data_subjects)}
                for name, one in found
            ]
        })  # fmt: skip
        return
    rows = [
        (name, "lifted" if one.lifted else "in force", str(len(one.placed.entries)),
         str(len(one.placed.data_subjects)), render.plain(one.placed.reason))
        for name, one in found
    ]  # fmt: skip
    columns = ("Hold", "Is", "Entries", "People", "Reason")
    render.console().print(render.table("", columns, rows))


# --- prune -----------------------------------------------------------------------------


@app.command()
def prune(
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", help="Nothing happened to it for so many days: 90d.")
    ],
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="fact, card, case, …; repeat for more.", show_default=False),
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="active, superseded, …; repeat.", show_default=False),
    ] = None,
    scope: ScopeOption = None,
    home: HomeOption = DEFAULT_HOME,
    dry_run: DryRunOption = False,
    comment: CommentOption = "",
    actor: ActorOption = "",
    build: BuildOption = True,
    as_json: JsonOption = False,
) -> None:
    """Let old entries expire. They stay on record; to destroy them, `erase`."""
    from governance import retention  # noqa: PLC0415
    from governance.memory_target import Rebuilt, rebuild  # noqa: PLC0415

    before_us = time.time_ns() // 1_000 - _days(older_than) * retention.US_PER_DAY
    rebuilt = Rebuilt()
    with open_ledger(home, write=not dry_run) as ledger:
        plan = retention.plan_prune(
            ledger, before_us=before_us, kinds=_kinds(kind), statuses=_statuses(status),
            reader=parse_scope(scope),
        )  # fmt: skip
        if not dry_run:
            done = retention.prune(ledger, plan, actor=parse_actor(actor), comment=comment)
            rebuilt = rebuild(ledger, done.scopes if build else (), progress)
    if as_json:
        print_json({"entries": list(plan.entries), "dry_run": dry_run})
    elif dry_run:
        typer.echo("\n".join([*plan.entries, f"{len(plan.entries)} would expire (dry run)"]))
    else:
        typer.echo(f"{len(plan.entries)} expired")
    rebuilt.raise_error()


# --- helpers ---------------------------------------------------------------------------


def _basis(text: str) -> ErasureBasis:
    from governance.events import ErasureBasis  # noqa: PLC0415

    known: tuple[ErasureBasis, ...] = get_args(ErasureBasis)
    for one in known:
        if one == text:
            return one
    raise LedgerError(f"there is no basis {text!r}", hint=f"one of {', '.join(known)}")


def _days(text: str) -> int:
    number = text.removesuffix("d")
    if not number.isdecimal() or number == text:
        raise LedgerError(f"--older-than {text!r} is no number of days", hint="for example 90d")
    return int(number)


def _kinds(texts: list[str] | None) -> list[EntryKind]:
    from governance.events import ENTRY_KINDS  # noqa: PLC0415

    wrong = sorted(set(texts or ()) - set(ENTRY_KINDS))
    if wrong:
        raise LedgerError(f"there is no kind {wrong[0]!r}", hint=" or ".join(ENTRY_KINDS))
    return [kind for kind in ENTRY_KINDS if kind in (texts or ())]


def _statuses(texts: list[str] | None) -> list[Status]:
    return [cast("Status", text) for text in texts or ()]  # plan_prune refuses any other


def _plan_data(plan: ErasurePlan) -> dict[str, Json]:
    found = plan.found
    return {
        "planned_at": found.seq,
        "plan_digest": plan.digest,
        "data_subject": plan.data_subject,
        "entries": list(found.entries),
        "sources": list(found.sources),
        "relays": list(found.relays),
        "events": len(found.events),
        "adapters": list(found.adapters),
        "exports": list(found.exports),
        "exports_outside": list(plan.outside),
        "shared_entries": list(found.shared),
        "kept_events": list(found.kept),
    }


def _print_plan(plan: ErasurePlan) -> None:
    from governance.commands import render  # noqa: PLC0415

    found = plan.found
    rows = [
        ("entries, with all derived from them", str(len(found.entries))),
        ("sources", str(len(found.sources))),
        ("relays", str(len(found.relays))),
        ("records, prompts and outcomes included", str(len(found.events))),
        ("adapter builds", str(len(found.adapters))),
        ("exports", str(len(found.exports))),
    ]
    console = render.console()
    console.print(render.table("What would be destroyed", ("What", "How many"), rows))
    if found.shared:
        text = f"Stay, because they also rest on other evidence: {', '.join(found.shared)}"
        console.print(render.plain(text, "yellow"))
    if plan.outside:
        text = f"Handed out, to be deleted by hand: {', '.join(plan.outside)}"
        console.print(render.plain(text, "yellow"))
    if found.kept:
        text = f"{len(found.kept)} event(s) that govern the ledger stay"
        console.print(render.plain(text, "yellow"))


def _print_done(done: Erased, *, as_json: bool) -> None:
    from governance.commands.describe import receipt_data  # noqa: PLC0415

    if as_json:
        print_json({
            "erasure_id": done.erasure_id, "events": done.events, "entries": done.entries,
            "sources": done.sources, "adapters": list(done.adapters),
            "exports": list(done.exports), "searched": done.searched,
            "receipt": receipt_data(done.receipt),
        })  # fmt: skip
    else:
        typer.echo(
            f"{done.erasure_id}: {done.entries} entries and {done.sources} source(s) erased, "
            f"{done.events} records destroyed; {done.searched} files searched, nothing found\n"
            f"palimpsest erase certificate {done.erasure_id} --out FILE.json"
        )
    done.rebuilt.raise_error()
