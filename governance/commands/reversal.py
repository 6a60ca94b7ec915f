"""``rollback``: take back everything since a version."""

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
from governance.errors import RollbackError

if TYPE_CHECKING:
    from governance.commands.options import Json
    from governance.events import Channel
    from governance.ledger import Receipt
    from governance.memory_target import Rebuilt
    from governance.rollback import RollbackPlan

app = typer.Typer()

ReasonOption = Annotated[
    str, typer.Option("--reason", help="Reason code; a wrong one lists those allowed.")
]


@app.command()
def rollback(
    *,
    to: Annotated[int, typer.Option("--to", help="Version to go back to; see `log`.")],
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

    A rollback is an event itself: to undo it, roll back to the version before it.
    """
    from governance import rollback as rolling  # noqa: PLC0415
    from governance.memory_target import Rebuilt, load_target, rebuild  # noqa: PLC0415

    only, owner = _channel(channel), parse_scope(scope)
    with open_ledger(home, write=not dry_run) as ledger:
        plan = rolling.plan_rollback(ledger, to, scope=owner, channel=only)
        if any(move.after for move in plan.shards):  # only then is the memory worth loading
            plan = rolling.plan_rollback(
                ledger, to, scope=owner, channel=only, target=load_target(ledger)
            )
        receipt, rebuilt = None, Rebuilt()
        if not dry_run:
            receipt = rolling.rollback(
                ledger, plan, actor=parse_actor(actor), reason_code=reason, comment=comment
            )
            if plan.missing_adapters:
                rebuilt = rebuild(ledger, [move.scope for move in plan.shards], progress)
    if as_json:
        print_json({**_rollback_data(plan), "dry_run": dry_run, **_done(receipt, rebuilt)})
    else:
        _print_rollback(plan)
        if receipt is None:
            typer.echo("nothing was changed (dry run)")
        else:
            typer.echo(f"rolled back to version {to} in version {receipt.last_seq}")
            _print_settled(rebuilt)
    rebuilt.raise_error()


# --- helpers ---------------------------------------------------------------------------


def _channel(name: str) -> Channel | None:
    from governance.events import Channel  # noqa: PLC0415

    known: tuple[Channel, ...] = get_args(Channel)
    if name and name not in known:
        raise RollbackError(f"there is no channel {name!r}", hint=" or ".join(known))
    return next((channel for channel in known if channel == name), None)


def _done(receipt: Receipt | None, rebuilt: Rebuilt) -> dict[str, Json]:
    from governance.commands.describe import receipt_data  # noqa: PLC0415

    return {
        "receipt": receipt_data(receipt) if receipt else None,
        "adapters": [
            {"shard": one.shard_id, "digest": one.digest, "reused": one.reused,
             "cards": one.cards, "certified_cards": one.certified_cards}
            for one in rebuilt.settled
        ],
    }  # fmt: skip


def _print_settled(rebuilt: Rebuilt) -> None:
    for one in rebuilt.settled:
        how = "found in the store" if one.reused else "built"
        digest = one.digest[:12] if one.digest else "no adapter"
        typer.echo(f"shard {one.shard_id}: {digest}, {one.cards} cards, {how}")


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
             "intact": one.intact}
            for one in plan.shards
        ],
        "missing_adapters": list(plan.missing_adapters),
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
             "missing: will be built again" if one.intact is False else "")
            for one in plan.shards
        ]  # fmt: skip
        headings = ("Shard", "Serves", "Will serve", "")
        console.print(render.table("", headings, shards))
