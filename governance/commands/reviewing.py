"""``review``: the queue and the decisions on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from governance.commands.inspection import EntryArgument, show
from governance.commands.options import (
    DEFAULT_HOME,
    ActorOption,
    BuildOption,
    CommentOption,
    HomeOption,
    JsonOption,
    ScopeOption,
    open_ledger,
    parse_actor,
    parse_scope,
    print_json,
    progress,
)
from governance.commands.signing import PassphraseOption, SignOption, load_key

if TYPE_CHECKING:
    from governance.events import Scope
    from governance.ledger import Ledger, Receipt
    from governance.reviewers import Verdict
    from governance.state import EntryState

app = typer.Typer()
review_app = typer.Typer(no_args_is_help=True)
app.add_typer(review_app, name="review", help="See what waits for a person, and decide.")
review_app.command("show")(show)

ReasonOption = Annotated[
    str, typer.Option("--reason", help="Reason code; a wrong one lists those allowed.")
]
Decide = Callable[["Ledger", "EntryState"], "Receipt"]


@review_app.command("list")
def list_queue(
    *,
    home: HomeOption = DEFAULT_HOME,
    scope: ScopeOption = None,
    mine: Annotated[
        bool, typer.Option("--mine", help="Only what you claimed or were asked to decide.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 50,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """What waits for a person, riskiest first."""
    reader, me = parse_scope(scope), parse_actor(actor) if mine else None
    with open_ledger(home) as ledger:
        now_us = ledger.now_us()
        waiting = [
            entry for entry in _waiting(ledger, reader)
            if me is None or entry.assignee == str(me) or entry.claimant(now_us) == me
        ]  # fmt: skip
    from governance.commands import describe, render  # noqa: PLC0415
    from governance.events import text_of  # noqa: PLC0415

    if as_json:
        entries = [describe.entry_data(entry) for entry in waiting[:limit]]
        print_json({"waiting": len(waiting), "entries": entries})
        return
    rows = [
        (
            entry.entry_id,
            f"{entry.risk_ppm / 1_000_000:.2f}",
            render.status(entry.status),
            entry.body.kind,
            render.short(text_of(entry.body)),
            render.short(entry.review_message or _failed(entry)),
            render.short(_whose(entry, now_us)),
        )
        for entry in waiting[:limit]
    ]
    columns = ("Entry", "Risk", "Status", "Kind", "Text", "Why it waits", "With")
    render.console().print(render.table(f"{len(waiting)} waiting", columns, rows))


@review_app.command()
def approve(
    entry_id: EntryArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    reason: ReasonOption = "",
    comment: CommentOption = "",
    actor: ActorOption = "",
    sign: SignOption = None,
    passphrase_env: PassphraseOption = "",
    build: BuildOption = True,
    as_json: JsonOption = False,
) -> None:
    """Let an entry act. A flashcard acts once its adapter is built and certified."""
    key = None if sign is None else load_key(sign, passphrase_env)
    who = parse_actor(actor)

    def decide(ledger: Ledger, entry: EntryState) -> Receipt:
        from governance import review, signatures  # noqa: PLC0415

        if key is not None:  # before anything is decided: an unsigned approval is not asked for
            signatures.require_signer(ledger.state, who, key)
        receipt = review.approve(
            ledger, entry.entry_id, actor=who, reason_code=reason, comment=comment,
            expected_version=entry.version, expected_digest=entry.content_digest,
        )  # fmt: skip
        if key is not None:
            signatures.sign_decision(ledger, entry.entry_id, key=key, actor=who)
        return receipt

    _decide(home, entry_id, decide, build=build, as_json=as_json)


@review_app.command()
def reject(
    entry_id: EntryArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    reason: ReasonOption = "",
    comment: CommentOption = "",
    actor: ActorOption = "",
    tombstone: Annotated[
        bool,
        typer.Option("--tombstone/--no-tombstone", help="Whether the value may never come back."),
    ] = True,
    build: BuildOption = True,
    as_json: JsonOption = False,
) -> None:
    """Refuse an entry, and its value with it."""

    def decide(ledger: Ledger, entry: EntryState) -> Receipt:
        from governance import review  # noqa: PLC0415

        return review.reject(
            ledger, entry.entry_id, actor=parse_actor(actor), reason_code=reason, comment=comment,
            expected_version=entry.version, expected_digest=entry.content_digest,
            tombstone=tombstone,
        )  # fmt: skip

    _decide(home, entry_id, decide, build=build, as_json=as_json)


@review_app.command()
def quarantine(
    entry_id: EntryArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    reason: ReasonOption = "",
    comment: CommentOption = "",
    actor: ActorOption = "",
    build: BuildOption = True,
    as_json: JsonOption = False,
) -> None:
    """Set an entry apart until somebody has looked into it; it stops acting at once."""

    def decide(ledger: Ledger, entry: EntryState) -> Receipt:
        from governance import review  # noqa: PLC0415

        return review.quarantine(
            ledger, entry.entry_id, actor=parse_actor(actor), reason_code=reason, comment=comment,
            expected_version=entry.version, expected_digest=entry.content_digest,
        )  # fmt: skip

    _decide(home, entry_id, decide, build=build, as_json=as_json)


@review_app.command()
def withdraw(
    entry_id: EntryArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    comment: CommentOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take your own last decision on an entry back, before it acts."""

    def decide(ledger: Ledger, entry: EntryState) -> Receipt:
        from governance import reviewers  # noqa: PLC0415

        return reviewers.withdraw(ledger, entry.entry_id, actor=parse_actor(actor), comment=comment)

    _decide(home, entry_id, decide, build=False, as_json=as_json)


@review_app.command()
def claim(
    entry_id: EntryArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Keep an entry to yourself while you decide; nobody else approves it meanwhile."""

    def decide(ledger: Ledger, entry: EntryState) -> Receipt:
        from governance import reviewers  # noqa: PLC0415

        return reviewers.claim(ledger, entry.entry_id, actor=parse_actor(actor))

    _decide(home, entry_id, decide, build=False, as_json=as_json)


@review_app.command()
def release(
    entry_id: EntryArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let go of an entry that you claimed."""

    def decide(ledger: Ledger, entry: EntryState) -> Receipt:
        from governance import reviewers  # noqa: PLC0415

        return reviewers.release(ledger, entry.entry_id, actor=parse_actor(actor))

    _decide(home, entry_id, decide, build=False, as_json=as_json)


@review_app.command()
def assign(
    entry_id: EntryArgument,
    reviewer: Annotated[str, typer.Argument(help="human:NAME.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask somebody in particular to decide on an entry."""

    def decide(ledger: Ledger, entry: EntryState) -> Receipt:
        from governance import reviewers  # noqa: PLC0415

        return reviewers.assign(
            ledger, entry.entry_id, to=parse_actor(reviewer), actor=parse_actor(actor)
        )

    _decide(home, entry_id, decide, build=False, as_json=as_json)


@review_app.command()
def many(
    verdict: Annotated[str, typer.Argument(help="approve or reject.")],
    entry_ids: Annotated[list[str], typer.Argument(help="Entries, as `review list` shows them.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    reason: ReasonOption = "",
    comment: CommentOption = "",
    actor: ActorOption = "",
    build: BuildOption = True,
    as_json: JsonOption = False,
) -> None:
    """Decide on several harmless entries at once, all or none; the policy sets the cap."""
    from governance.commands.describe import receipt_data  # noqa: PLC0415
    from governance.errors import ReviewError  # noqa: PLC0415
    from governance.memory_target import rebuild  # noqa: PLC0415
    from governance.reviewers import Seen, decide_many  # noqa: PLC0415

    if verdict not in {"approve", "reject"}:
        raise ReviewError(f"{verdict!r} is no verdict", hint="approve or reject")
    choice: Verdict = "approve" if verdict == "approve" else "reject"
    with open_ledger(home, write=True) as ledger:
        entries = [ledger.state.entry(entry_id) for entry_id in entry_ids]
        receipt = decide_many(
            ledger, [Seen.of(entry) for entry in entries], choice, actor=parse_actor(actor),
            reason_code=reason, comment=comment,
        )  # fmt: skip
        scopes = {scope for entry in entries for scope in _concerned(ledger, receipt, entry.scope)}
        rebuilt = rebuild(ledger, scopes if build else (), progress)
        statuses = {one.entry_id: ledger.state.entries[one.entry_id].status for one in entries}
    if as_json:
        print_json({"entries": statuses, "receipt": receipt_data(receipt)})
    else:
        for entry_id, status in statuses.items():
            typer.echo(f"{entry_id} is {status}")
    rebuilt.raise_error()


@review_app.command("comment")
def add_comment(
    entry_id: EntryArgument,
    text: Annotated[str, typer.Argument(help="The remark.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Add a remark to an entry; changes nothing else."""

    def decide(ledger: Ledger, entry: EntryState) -> Receipt:
        from governance import review  # noqa: PLC0415

        return review.comment(ledger, entry.entry_id, actor=parse_actor(actor), text=text)

    _decide(home, entry_id, decide, build=False, as_json=as_json)


def _decide(home: Path, entry_id: str, decide: Decide, *, build: bool, as_json: bool) -> None:
    """Run one decision and, where an adapter is concerned, bring the memory in line."""
    from governance.commands.describe import receipt_data  # noqa: PLC0415
    from governance.memory_target import rebuild  # noqa: PLC0415

    with open_ledger(home, write=True) as ledger:
        seen = ledger.state.entry(entry_id)
        receipt = decide(ledger, seen)
        scopes = _concerned(ledger, receipt, seen.scope)
        rebuilt = rebuild(ledger, scopes if build else (), progress)
        entry = ledger.state.entries[seen.entry_id]
        head, outlook = ledger.head.seq, _outlook(entry, ledger.now_us())
    if as_json:
        print_json({
            "entry_id": entry.entry_id, "status": entry.status, "head": head,
            "acts_from_us": entry.acts_from_us,
            "receipt": receipt_data(receipt),
            "adapters": [
                {"shard": one.shard_id, "digest": one.digest, "reused": one.reused}
                for one in rebuilt.settled
            ],
        })  # fmt: skip
    else:
        typer.echo(f"{entry.entry_id} is {entry.status} (version {receipt.last_seq}){outlook}")
        for one in rebuilt.settled:
            how = "found in the store" if one.reused else "built"
            typer.echo(f"shard {one.shard_id}: {(one.digest or 'no adapter')[:12]} {how}")
    rebuilt.raise_error()


def _outlook(entry: EntryState, now_us: int) -> str:
    """What it still takes until a decision acts."""
    from governance.commands.describe import time_of  # noqa: PLC0415

    if entry.endorsed_by and entry.status in {"verified", "quarantined"}:
        return "; another reviewer must agree"
    claimant = entry.claimant(now_us)
    if claimant is not None:
        return f"; {claimant} decides on it until {time_of(entry.claimed_until_us)} UTC"
    if entry.status != "approved" or not (entry.terms.delay_s or entry.terms.signed):
        return ""
    if entry.acts_from_us is None:
        return "; it acts once it is signed"
    undo = f"palimpsest review withdraw {entry.entry_id}"
    return f"; it acts from {time_of(entry.acts_from_us)} UTC, until then: {undo}"


def _concerned(ledger: Ledger, receipt: Receipt, scope: Scope) -> list[Scope]:
    """The scopes whose adapters the decision makes out of date."""
    types = {"adapter.withdrawn", "entry.approved"}
    for event in ledger.events(receipt.first_seq, receipt.last_seq, types=types):
        entry = ledger.state.entries.get(event.header.subject.partition(":")[2])
        if event.header.type == "adapter.withdrawn" or (entry and entry.channel == "parametric"):
            return [scope]
    return []


def _waiting(ledger: Ledger, reader: Scope | None) -> list[EntryState]:
    if reader is not None:
        return ledger.state.queue(reader)
    agents = {
        (entry.scope.tenant, entry.scope.agent): entry.scope.model_copy(update={"user": ""})
        for entry in ledger.state.entries.with_status("verified", "quarantined")
    }
    queues = (entry for scope in agents.values() for entry in ledger.state.queue(scope))
    return sorted(queues, key=lambda entry: (-entry.risk_ppm, entry.proposed_seq))


def _whose(entry: EntryState, now_us: int) -> str:
    """Who has claimed it, was asked, or agreed already."""
    claimant = entry.claimant(now_us)
    parts = [f"claimed by {claimant}"] if claimant is not None else []
    parts += [f"for {entry.assignee}"] if entry.assignee else []
    parts += [f"{one} agreed" for one in entry.endorsed_by]
    return ", ".join(parts)


def _failed(entry: EntryState) -> str:
    return ", ".join(result.verifier for result in entry.results if result.outcome != "pass")
