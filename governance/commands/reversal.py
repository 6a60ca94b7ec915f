"""``revoke``: take back one entry with everything derived from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from governance.commands.inspection import EntryArgument
from governance.commands.options import (
    DEFAULT_HOME,
    ActorOption,
    BuildOption,
    CommentOption,
    DryRunOption,
    HomeOption,
    JsonOption,
    open_ledger,
    parse_actor,
    print_json,
    progress,
)
from governance.commands.settled import done_data, print_settled
from governance.errors import VerificationError

if TYPE_CHECKING:
    from governance.commands.options import Json
    from governance.revocation import RevocationPlan, UsedIn

app = typer.Typer()

ReasonOption = Annotated[
    str, typer.Option("--reason", help="Reason code; a wrong one lists those allowed.")
]


@app.command()
def revoke(
    entry_id: EntryArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    dry_run: DryRunOption = False,
    reason: ReasonOption = "wrong",
    comment: CommentOption = "",
    actor: ActorOption = "",
    tombstone: Annotated[
        bool,
        typer.Option("--tombstone/--no-tombstone", help="Whether the value may never come back."),
    ] = True,
    build: BuildOption = True,
    as_json: JsonOption = False,
) -> None:
    """Take an entry back with everything derived from it, in text and in weights.

    Out of service at once; then the shards concerned are rebuilt without it.
    """
    from governance import revocation  # noqa: PLC0415
    from governance.memory_target import Rebuilt, rebuild  # noqa: PLC0415

    with open_ledger(home, write=not dry_run) as ledger:
        plan = revocation.plan_revocation(ledger, entry_id)
        used = revocation.trace_use(ledger, plan)
        receipt, rebuilt = None, Rebuilt()
        if not dry_run:
            receipt = revocation.revoke(
                ledger, plan, actor=parse_actor(actor), reason_code=reason, comment=comment,
                tombstone=tombstone,
            )  # fmt: skip
            shards = [ledger.state.shards[one.shard_id] for one in plan.carriers]
            scopes = [shard.scope for shard in shards] if build else []
            rebuilt = rebuild(ledger, scopes, progress)
        left = revocation.residue(ledger.state, plan.entry_ids)
    if as_json:
        print_json({
            **_plan_data(plan, used), "dry_run": dry_run, **done_data(receipt, rebuilt),
            "residue": [] if dry_run else list(left),
        })  # fmt: skip
    else:
        _print_plan(plan, used)
        if receipt is None:
            typer.echo("nothing was changed (dry run)")
        else:
            first, last = receipt.first_seq, receipt.last_seq
            typer.echo(f"revoked in versions {first} to {last}; residue: {len(left)}")
            print_settled(rebuilt)
    rebuilt.raise_error()
    if left and not dry_run:
        raise VerificationError(f"still able to act: {'; '.join(left)}")


# --- helpers ---------------------------------------------------------------------------


def _plan_data(plan: RevocationPlan, used: tuple[UsedIn, ...]) -> dict[str, Json]:
    return {
        "entry_id": plan.entry_id,
        "planned_at": plan.seq,
        "revoked": [{"entry_id": one.entry_id, "was": one.status} for one in plan.revoked],
        "rejected": [{"entry_id": one.entry_id, "was": one.status} for one in plan.rejected],
        "withdrawn": [
            {"shard": one.shard_id, "digest": one.digest, "holds": list(one.entry_ids)}
            for one in plan.carriers
        ],
        "same_value": list(plan.same_value),
        "used_in": [
            {"seq": one.seq, "purpose": one.purpose, "query": one.query,
             "adapter_digest": one.adapter_digest,
             "answers": [{"seq": seq, "answer": answer} for seq, answer in one.answers]}
            for one in used
        ],
    }  # fmt: skip


def _print_plan(plan: RevocationPlan, used: tuple[UsedIn, ...]) -> None:
    from governance.commands import render  # noqa: PLC0415

    console = render.console()
    rows = [
        (one.entry_id, render.status(one.status), "revoked" if one in plan.revoked else "rejected")
        for one in (*plan.revoked, *plan.rejected)
    ]
    console.print(render.table("Entries that go", ("Entry", "Is", "Becomes"), rows))
    if plan.carriers:
        adapters = [(c.shard_id, c.digest[:12], ", ".join(c.entry_ids)) for c in plan.carriers]
        columns = ("Shard", "Adapter", "Holds")
        console.print(render.table("Adapters withdrawn", columns, adapters))
    if used:
        prompts = [
            (str(one.seq), one.purpose, render.short(one.query),
             render.short("; ".join(answer for _, answer in one.answers)))
            for one in used
        ]  # fmt: skip
        headings = ("Version", "Purpose", "Prompt", "Answers")
        console.print(render.table("Where it was used", headings, prompts))
    if plan.same_value:
        console.print(
            render.plain(f"Still says the same, and stays: {', '.join(plan.same_value)}", "yellow")
        )
