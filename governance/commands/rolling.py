"""``rollback``: put everything since a version back, with a second person where policy says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, get_args

import typer

from governance.commands.options import (
    DEFAULT_HOME,
    ActorOption,
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
from governance.commands.settled import done_data, print_settled
from governance.errors import RollbackError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from governance.commands.options import Json
    from governance.events import Channel, Scope
    from governance.ledger import Ledger
    from governance.memory_target import Rebuilt
    from governance.rollback import Requested, RollbackPlan, ShardMove

app = typer.Typer()
rollback_app = typer.Typer(invoke_without_command=True)
app.add_typer(rollback_app, name="rollback")

ReasonOption = Annotated[
    str, typer.Option("--reason", help="Reason code; a wrong one lists those allowed.")
]


@rollback_app.callback()
def rollback(
    ctx: typer.Context,
    *,
    to: Annotated[
        int | None,
        typer.Option("--to", help="Version to go back to; see `log`.", show_default=False),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    dry_run: DryRunOption = False,
    scope: ScopeOption = None,
    channel: Annotated[
        str,
        typer.Option("--channel", help="Only external or parametric.", show_default=False),
    ] = "",
    reason: ReasonOption = "regression",
    comment: CommentOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Put the memory back to how it stood at a version. Nothing is trained.

    A rollback is an event itself: to undo it, roll back to the version before it. Where the
    policy in force asks for two people, this only asks for it, and another person accepts.
    """
    if ctx.invoked_subcommand is not None:
        return
    if to is None:
        raise typer.BadParameter("no version was named: --to VERSION", ctx=ctx)
    from governance import rollback as rolling  # noqa: PLC0415
    from governance.memory_target import Rebuilt  # noqa: PLC0415

    only, owner = _channel(channel), parse_scope(scope)
    with open_ledger(home, write=not dry_run) as ledger:
        plan = _plan(ledger, to, owner, only)
        receipt, rebuilt, requested = None, Rebuilt(), None
        person = parse_actor(actor)
        if not dry_run and ledger.state.terms.rollback_people > 1:
            requested = rolling.request_rollback(
                ledger, plan, actor=person, reason_code=reason, comment=comment
            )
        elif not dry_run:
            receipt = rolling.rollback(
                ledger, plan, actor=person, reason_code=reason, comment=comment
            )
            rebuilt = _rebuilt(ledger, [plan])
    if as_json:
        print_json({**_rollback_data(plan), "dry_run": dry_run, **done_data(receipt, rebuilt),
                    "requested": _requested_data(requested)})  # fmt: skip
        rebuilt.raise_error()
        return
    _print_rollback(plan)
    if requested is not None:
        _print_requested(requested)
    elif receipt is None:
        typer.echo("nothing was changed (dry run)")
    else:
        typer.echo(f"rolled back to version {to} in version {receipt.last_seq}")
        print_settled(rebuilt)
    rebuilt.raise_error()


@rollback_app.command("accept")
def accept(
    rollback_ids: Annotated[
        list[str], typer.Argument(help="Requests, as `rollback list` shows them.")
    ],
    *,
    home: HomeOption = DEFAULT_HOME,
    comment: CommentOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Agree to rollbacks that somebody else asked for, and carry them out.

    Refused when they would change something else by now: then they are to be asked for again.
    """
    from governance import rollback as rolling  # noqa: PLC0415

    with open_ledger(home, write=True) as ledger:
        accepted = rolling.accept_rollback(
            ledger, rollback_ids, actor=parse_actor(actor), comment=comment
        )
        rebuilt = _rebuilt(ledger, accepted.plans)
    if as_json:
        print_json({"plans": [_rollback_data(plan) for plan in accepted.plans],
                    **done_data(accepted.receipt, rebuilt)})  # fmt: skip
    else:
        for plan in accepted.plans:
            _print_rollback(plan)
            typer.echo(f"rolled back to version {plan.to_seq}")
        print_settled(rebuilt)
    rebuilt.raise_error()


@rollback_app.command("decline")
def decline(
    rollback_id: Annotated[str, typer.Argument(help="A request, as `rollback list` shows it.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    comment: CommentOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Do not agree to a rollback, or take back one's own request."""
    from governance.rollback import decline_rollback  # noqa: PLC0415

    with open_ledger(home, write=True) as ledger:
        decline_rollback(ledger, rollback_id, actor=parse_actor(actor), comment=comment)
    if as_json:
        print_json({"rollback_id": rollback_id, "status": "declined"})
    else:
        typer.echo(f"{rollback_id} is declined; nothing has changed")


@rollback_app.command("list")
def list_requests(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Rollbacks that were asked for: which wait, lapsed, were declined or carried out.

    Left alone a request lapses, when what it would change has changed or a newer one is made.
    """
    from governance.commands import render  # noqa: PLC0415
    from governance.rollback import standing  # noqa: PLC0415

    with open_ledger(home) as ledger:
        state = ledger.state
        found = [(one, standing(state, one)) for one in state.rollbacks.values()]
    if as_json:
        print_json({"rollbacks": [
            {"id": one.requested.rollback_id, "status": status, "to_seq": one.requested.to_seq,
             "requested_at": one.seq, "requested_by": str(one.requested_by),
             "answered_by": str(one.answered_by) if one.answered_by else None,
             "agent": str(one.scope), "scope": _named(one.requested.only_scope),
             "channel": one.requested.only_channel, "reason": one.requested.reason_code,
             "comment": one.requested.comment}
            for one, status in found
        ]})  # fmt: skip
        return
    rows = [
        (one.requested.rollback_id, status, str(one.requested.to_seq), str(one.requested_by),
         str(one.answered_by or ""), one.requested.reason_code)
        for one, status in found
    ]  # fmt: skip
    headings = ("Request", "Status", "Back to", "Asked by", "Answered by", "Reason")
    render.console().print(render.table("Rollbacks asked for", headings, rows))


# --- helpers ---------------------------------------------------------------------------


def _plan(ledger: Ledger, to: int, scope: Scope | None, channel: Channel | None) -> RollbackPlan:
    from governance.memory_target import load_target  # noqa: PLC0415
    from governance.rollback import plan_rollback  # noqa: PLC0415

    plan = plan_rollback(ledger, to, scope=scope, channel=channel)
    if any(move.after for move in plan.shards):  # only then is the memory worth loading
        target = load_target(ledger)
        plan = plan_rollback(ledger, to, scope=scope, channel=channel, target=target)
    return plan


def _rebuilt(ledger: Ledger, plans: Sequence[RollbackPlan]) -> Rebuilt:
    """Build again what the store lost, and what must do without something erased."""
    from governance.memory_target import Rebuilt, load_target, rebuild  # noqa: PLC0415

    moves = [move for plan in plans for move in plan.shards]
    unseen = any(move.after and move.intact is None for move in moves)
    target = load_target(ledger) if unseen else None
    wanted = [
        move.scope
        for move in moves
        if move.holds_erased
        or (move.after is not None and move.intact is False)
        or (target is not None and move.after and not target.adapter_intact(move.after))
    ]
    return rebuild(ledger, wanted, progress) if wanted else Rebuilt()


def _channel(name: str) -> Channel | None:
    from governance.events import Channel  # noqa: PLC0415

    known: tuple[Channel, ...] = get_args(Channel)
    if name and name not in known:
        raise RollbackError(f"there is no channel {name!r}", hint=" or ".join(known))
    return next((channel for channel in known if channel == name), None)


def _named(scope: Scope | None) -> str | None:
    return str(scope) if scope is not None else None


def _requested_data(requested: Requested | None) -> Json:
    if requested is None:
        return None
    return {"ids": list(requested.rollback_ids), "acceptors": list(requested.acceptors)}


def _print_requested(requested: Requested) -> None:
    who = ", ".join(requested.acceptors) or "another person"
    typer.echo(f"asked for; nothing has changed yet. To accept it ({who}):")
    typer.echo(f"  palimpsest rollback accept {' '.join(requested.rollback_ids)}")


def _shard_note(move: ShardMove) -> str:
    if move.holds_erased:
        return "the one served then held what was erased since: built without it"
    return "missing: will be built again" if move.intact is False else ""


def _rollback_data(plan: RollbackPlan) -> dict[str, Json]:
    return {
        "to_seq": plan.to_seq,
        "planned_at": plan.seq,
        "entries": [
            {"entry_id": one.entry_id, "effects": list(one.effects), "before": one.before,
             "after": one.after, "version": one.after_version,
             "undoes_refusal": one.undoes_refusal}
            for one in plan.entries
        ],
        "shards": [
            {"shard": one.shard_id, "before": one.before, "after": one.after,
             "intact": one.intact, "holds_erased": one.holds_erased}
            for one in plan.shards
        ],
        "missing_adapters": list(plan.missing_adapters),
        "erased": list(plan.erased),
    }  # fmt: skip


def _print_rollback(plan: RollbackPlan) -> None:
    from governance.commands import render  # noqa: PLC0415
    from governance.rollback import EFFECTS  # noqa: PLC0415

    console = render.console()
    counts = [(effect, str(len(plan.with_effect(effect)))) for effect in EFFECTS]
    console.print(render.table(f"Back to version {plan.to_seq}", ("Effect", "Entries"), counts))
    rows = [
        (", ".join(one.effects), one.entry_id, render.status(one.before), render.status(one.after),
         "was refused since: look twice" if one.undoes_refusal else "")
        for one in sorted(plan.entries, key=lambda one: EFFECTS.index(one.effects[0]))
    ]  # fmt: skip
    if rows:
        console.print(render.table("", ("Effect", "Entry", "Is", "Becomes", ""), rows))
    if plan.shards:
        shards = [
            (one.shard_id, (one.before or "none")[:12], (one.after or "none")[:12],
             _shard_note(one))
            for one in plan.shards
        ]  # fmt: skip
        headings = ("Shard", "Serves", "Will serve", "")
        console.print(render.table("", headings, shards))
    if plan.erased:
        console.print(render.plain(f"Erased since, and stays erased: {', '.join(plan.erased)}"))
