"""``revoke``: take back one entry with everything that came from it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
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
from governance.errors import StoreError, VerificationError

if TYPE_CHECKING:
    from governance.commands.options import Json
    from governance.events import Actor
    from governance.ledger import Ledger, Receipt
    from governance.memory_target import Rebuilt
    from governance.review import Submitted
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
    reinstate: Annotated[
        bool,
        typer.Option("--reinstate", help="Propose again what it had superseded; see the dry run."),
    ] = False,
    receipt_file: Annotated[
        Path | None,
        typer.Option("--receipt", help="Write a receipt with proof there.", show_default=False),
    ] = None,
    build: BuildOption = True,
    as_json: JsonOption = False,
) -> None:
    """Take an entry back with everything derived from it, in text and in weights.

    Out of service at once, in every scope, exports included; then the shards concerned are
    rebuilt without it. Exit code 3 when something could still act on it.
    """
    from governance import corrections, revocation, standing  # noqa: PLC0415
    from governance.memory_target import Rebuilt, rebuild  # noqa: PLC0415

    who = parse_actor(actor)
    with open_ledger(home, write=not dry_run) as ledger:
        with _recorded(ledger, entry_id, who, dry_run=dry_run):
            plan = revocation.plan_revocation(ledger, entry_id)
            # Before anything is done: what cannot be proposed again is no reason to stop later.
            policy = standing.policy_in_force(ledger) if reinstate and not dry_run else None
        used = revocation.trace_use(ledger, plan)
        done = _Done(rebuilt=Rebuilt())
        if not dry_run:
            done.receipt = revocation.revoke(
                ledger, plan, actor=who, reason_code=reason, comment=comment, tombstone=tombstone
            )
            if policy is not None:
                done.again = corrections.reinstate(ledger, plan, actor=who, policy=policy)
            shards = [ledger.state.shards[one.shard_id] for one in plan.carriers]
            done.rebuilt = rebuild(ledger, [s.scope for s in shards] if build else [], progress)
            done.left = _left(ledger, plan, done.rebuilt)
            if receipt_file is not None:
                _write_receipt(ledger, plan, done.receipt, receipt_file)
    _report(plan, used, done, as_json=as_json)
    done.rebuilt.raise_error()
    if done.left:
        raise VerificationError(f"still able to act: {'; '.join(done.left)}")


class _Done:
    """What came of it."""

    def __init__(self, rebuilt: Rebuilt) -> None:
        self.receipt: Receipt | None = None
        self.rebuilt = rebuilt
        self.again: tuple[Submitted, ...] = ()
        self.left: tuple[str, ...] = ()


def _recorded(
    ledger: Ledger, entry_id: str, actor: Actor, *, dry_run: bool
) -> AbstractContextManager[None]:
    """A dry run changes nothing, not even by being refused."""
    from governance.refusals import recording  # noqa: PLC0415

    if dry_run:
        return nullcontext()
    return recording(ledger, "revoke", f"entry:{entry_id}", actor=actor)


def _left(ledger: Ledger, plan: RevocationPlan, rebuilt: Rebuilt) -> tuple[str, ...]:
    """The residue, in the recall index too where the memory was loaded for the rebuild."""
    from governance import revocation  # noqa: PLC0415

    left = revocation.remains(ledger, plan.entry_ids)
    if rebuilt.target is None:
        return left
    rows = [
        f"index row of {entry_id} in {scope}"
        for scope in plan.scopes
        for entry_id in rebuilt.target.indexed(scope, plan.entry_ids)
    ]
    return (*left, *rows)


def _write_receipt(ledger: Ledger, plan: RevocationPlan, receipt: Receipt, file: Path) -> None:
    import json  # noqa: PLC0415

    from governance.revocation import receipt_document  # noqa: PLC0415

    text = json.dumps(receipt_document(ledger, plan, receipt), indent=2, ensure_ascii=False)
    try:
        file.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"the revocation stands; its receipt {file} cannot be written: {error.strerror}",
            hint=f"palimpsest proof {receipt.first_seq}",
        ) from error


# --- output -----------------------------------------------------------------------------


def _report(plan: RevocationPlan, used: tuple[UsedIn, ...], done: _Done, *, as_json: bool) -> None:
    from governance.commands.describe import receipt_data  # noqa: PLC0415

    if as_json:
        print_json({
            **_plan_data(plan, used),
            "dry_run": done.receipt is None,
            "receipt": receipt_data(done.receipt) if done.receipt else None,
            "adapters": [
                {"shard": one.shard_id, "digest": one.digest, "reused": one.reused,
                 "cards": one.cards, "certified_cards": one.certified_cards}
                for one in done.rebuilt.settled
            ],
            "reinstated": [
                {"entry_id": one.entry_id, "outcome": one.decision.outcome} for one in done.again
            ],
            "residue": list(done.left),
        })  # fmt: skip
        return
    _print_plan(plan, used)
    if done.receipt is None:
        typer.echo("nothing was changed (dry run)")
        return
    first, last = done.receipt.first_seq, done.receipt.last_seq
    typer.echo(f"revoked in versions {first} to {last}; residue: {len(done.left)}")
    for again in done.again:
        typer.echo(f"{again.entry_id} proposed again: {again.decision.outcome}")
    for one in done.rebuilt.settled:
        how = "found in the store" if one.reused else "built"
        digest = one.digest[:12] if one.digest else "no adapter"
        typer.echo(f"shard {one.shard_id}: {digest}, {one.cards} cards, {how}")


def _plan_data(plan: RevocationPlan, used: tuple[UsedIn, ...]) -> dict[str, Json]:
    from governance.revocation import Affected  # noqa: PLC0415

    def entry(one: Affected) -> Json:
        return {"entry_id": one.entry_id, "was": one.status, "kind": one.kind,
                "scope": str(one.scope), "relation": one.relation}  # fmt: skip

    return {
        "entry_id": plan.entry_id,
        "planned_at": plan.seq,
        "scopes": [str(scope) for scope in plan.scopes],
        "revoked": [entry(one) for one in plan.revoked],
        "rejected": [entry(one) for one in plan.rejected],
        "withdrawn": [
            {"shard": one.shard_id, "digest": one.digest, "holds": list(one.entry_ids)}
            for one in plan.carriers
        ],
        "stored_builds": [
            {"shard": one.shard_id, "digest": one.digest, "holds": list(one.entry_ids)}
            for one in plan.builds
        ],
        "index_rows": list(plan.indexed),
        "exports": list(plan.exports),
        "exports_elsewhere": list(plan.elsewhere),
        "same_value": list(plan.same_value),
        "restorable": list(plan.restorable),
        "recalls": list(plan.recalls),
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
    gone = {one.entry_id for one in plan.rejected}
    rows = [
        (one.relation, one.kind, one.entry_id, str(one.scope), render.status(one.status),
         "rejected" if one.entry_id in gone else "revoked")
        for one in sorted(
            (*plan.revoked, *plan.rejected), key=lambda one: (one.relation != "itself",
                                                             one.relation, str(one.scope), one.kind)
        )
    ]  # fmt: skip
    columns = ("How", "Kind", "Entry", "Scope", "Is", "Becomes")
    console.print(render.table(f"Entries that go ({len(rows)})", columns, rows))
    adapters = [
        *((c.shard_id, c.digest[:12], "leaves service", ", ".join(c.entry_ids))
          for c in plan.carriers),
        *((c.shard_id, c.digest[:12], "out of service, in the store", ", ".join(c.entry_ids))
          for c in plan.builds),
    ]  # fmt: skip
    if adapters:
        named = ("Shard", "Adapter", "State", "Holds")
        console.print(render.table("Adapters", named, adapters))
    if used:
        prompts = [
            (str(one.seq), one.purpose, render.short(one.query),
             render.short("; ".join(answer for _, answer in one.answers)))
            for one in used
        ]  # fmt: skip
        headings = ("Version", "Purpose", "Prompt", "Answers")
        console.print(render.table("Where it was used", headings, prompts))
    for line, style in _remarks(plan):
        console.print(render.plain(line, style))


def _remarks(plan: RevocationPlan) -> list[tuple[str, str]]:
    """What a table would be too much for."""
    found = []
    if plan.indexed:
        found.append((f"Rows that leave the recall index: {len(plan.indexed)}", ""))
    if plan.exports:
        found.append((f"Exports withdrawn: {', '.join(plan.exports)}", ""))
    if plan.elsewhere:
        names = ", ".join(plan.elsewhere)
        found.append((f"Handed out of this home, ask for them back: {names}", "yellow"))
    if plan.same_value:
        names = ", ".join(plan.same_value)
        found.append((f"Still says the same, and stays: {names}", "yellow"))
    if plan.restorable:
        names = ", ".join(plan.restorable)
        found.append((f"Superseded by it; --reinstate proposes again: {names}", "yellow"))
    return found
