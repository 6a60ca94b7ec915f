"""``correct``: say what is right instead, or that nothing is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from governance.commands.inspection import EntryArgument
from governance.commands.options import (
    DEFAULT_HOME,
    ActorOption,
    BuildOption,
    CommentOption,
    HomeOption,
    JsonOption,
    open_ledger,
    parse_actor,
    print_json,
    progress,
)
from governance.errors import LedgerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from governance.events import Actor, Body
    from governance.ledger import Ledger, Receipt
    from governance.memory_target import Rebuilt
    from governance.review import Submitted
    from governance.verifiers import Interval

app = typer.Typer()


def _text(flag: str, what: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(flag, help=what, show_default=False)
    return option


@app.command()
def correct(
    entry_id: EntryArgument,
    *,
    home: HomeOption = DEFAULT_HOME,
    value: Annotated[str, _text("--value", "The value that is right.")] = "",
    statement: Annotated[str, _text("--statement", "The sentence that is right.")] = "",
    answer: Annotated[str, _text("--answer", "Of a card: the answer that is right.")] = "",
    negate: Annotated[
        bool, typer.Option("--negate", help="It does not hold; --statement says so.")
    ] = False,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="ATTRIBUTE=VALUE", help="A part that stays; repeat."),
    ] = None,
    valid_from: Annotated[
        str, _text("--valid-from", "True from this day or time on (UTC, ISO 8601).")
    ] = "",
    valid_to: Annotated[str, _text("--valid-to", "True until before this day or time.")] = "",
    retract: Annotated[
        bool, typer.Option("--retract", help="It no longer holds; nothing takes its place.")
    ] = False,
    never_again: Annotated[
        bool, typer.Option("--never-again", help="With --retract: its value may not come back.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Approve all that waits to take its place, at once.")
    ] = False,
    comment: CommentOption = "",
    actor: ActorOption = "",
    build: BuildOption = True,
    as_json: JsonOption = False,
) -> None:
    """Correct an entry that is in force. The history stays; somebody else approves it.

    One of: --value or --answer, --negate, --keep, --valid-from or --valid-to alone,
    --retract, --accept.
    """
    asked = _Asked(
        value=value or answer, statement=statement, negate=negate, keep=tuple(keep or ()),
        valid=_interval(valid_from, valid_to), retract=retract, never_again=never_again,
        accept=accept,
    )  # fmt: skip
    asked.check()
    who = parse_actor(actor)
    from governance.memory_target import rebuild  # noqa: PLC0415

    with open_ledger(home, write=True) as ledger:
        old = ledger.state.entry(entry_id)
        submitted: Sequence[Submitted] = ()
        receipt: Receipt | None = None
        if retract or accept:
            receipt = _decided(ledger, old.entry_id, asked, who, comment)
        else:
            submitted = _proposed(ledger, old.entry_id, asked, who, comment)
        scopes = [old.scope] if receipt is not None and build else []
        rebuilt = rebuild(ledger, scopes, progress)
        status = ledger.state.entries[old.entry_id].status
    _report(old.entry_id, status, submitted, receipt, rebuilt, as_json=as_json)
    rebuilt.raise_error()


class _Asked:
    """What the options say."""

    def __init__(
        self, *, value: str, statement: str, negate: bool, keep: tuple[str, ...],
        valid: Interval, retract: bool, never_again: bool, accept: bool,
    ) -> None:  # fmt: skip
        self.value, self.statement, self.negate, self.keep = value, statement, negate, keep
        self.valid, self.retract, self.never_again, self.accept = (
            valid, retract, never_again, accept,
        )  # fmt: skip

    def check(self) -> None:
        """Refuse nothing, and two things at once.

        Raises:
            LedgerError: see above.
        """
        ways = {
            "--retract": self.retract, "--accept": self.accept, "--keep": bool(self.keep),
            "--negate": self.negate,
            "--value": bool(self.value or self.statement) and not self.negate,
        }  # fmt: skip
        given = [name for name, on in ways.items() if on]
        if len(given) > 1:
            raise LedgerError(f"{' and '.join(given)} do not go together", hint="give one of them")
        bounded = self.valid.start_us is not None or self.valid.end_us is not None
        if not given and not bounded:
            raise LedgerError("what is right instead?", hint="palimpsest correct --help")
        if self.never_again and not self.retract:
            raise LedgerError("--never-again goes with --retract")


def _decided(ledger: Ledger, entry_id: str, asked: _Asked, actor: Actor, comment: str) -> Receipt:
    from governance import corrections  # noqa: PLC0415

    if asked.accept:
        return corrections.accept(ledger, entry_id, actor=actor, comment=comment)
    _, receipt = corrections.retract(
        ledger, entry_id, actor=actor, comment=comment, never_again=asked.never_again
    )
    return receipt


def _proposed(
    ledger: Ledger, entry_id: str, asked: _Asked, actor: Actor, comment: str
) -> Sequence[Submitted]:
    from governance import corrections, review  # noqa: PLC0415
    from governance.standing import policy_in_force  # noqa: PLC0415

    policy = policy_in_force(ledger)
    bodies = _bodies(ledger.state.entries[entry_id].body, asked)
    if bodies:
        done = corrections.correct(
            ledger, entry_id, bodies, actor=actor, policy=policy, valid=asked.valid
        )
    else:
        done = (corrections.bound(ledger, entry_id, asked.valid, actor=actor, policy=policy),)
    for one in done:
        if comment and not one.receipt.repeated:
            review.comment(ledger, one.entry_id, actor=actor, text=comment)
    return done


def _bodies(body: Body, asked: _Asked) -> list[Body]:
    from governance import corrections  # noqa: PLC0415

    if asked.negate:
        return [corrections.negated(body, asked.statement or asked.value, asked.value)]
    if asked.value or asked.statement:
        return [corrections.replaced(body, asked.value, asked.statement)]
    parts = [part.partition("=") for part in asked.keep]
    return [corrections.kept(body, name, value) for name, _, value in parts]


def _interval(start: str, end: str) -> Interval:
    from governance.verifiers import Interval  # noqa: PLC0415

    return Interval(_moment(start), _moment(end))


def _moment(text: str) -> int | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise LedgerError(
            f"{text!r} is neither a day nor a time", hint="for example 2026-03-31"
        ) from error
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(aware.timestamp()) * 1_000_000


def _report(
    entry_id: str, status: str, submitted: Sequence[Submitted], receipt: Receipt | None,
    rebuilt: Rebuilt, *, as_json: bool,
) -> None:  # fmt: skip
    from governance.commands.describe import receipt_data  # noqa: PLC0415

    if as_json:
        print_json({
            "entry_id": entry_id, "status": status,
            "receipt": receipt_data(receipt) if receipt else None,
            "proposed": [
                {"entry_id": one.entry_id, "outcome": one.decision.outcome,
                 "rule": one.decision.rule_id, "repeated": one.receipt.repeated}
                for one in submitted
            ],
            "adapters": [
                {"shard": one.shard_id, "digest": one.digest} for one in rebuilt.settled
            ],
        })  # fmt: skip
        return
    for one in submitted:
        decision = one.decision
        typer.echo(f"{one.entry_id}: {decision.outcome} ({decision.rule_id}: {decision.message})")
    typer.echo(f"{entry_id} is {status}")
