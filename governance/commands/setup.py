"""``init``, ``freeze``, ``thaw`` and ``role``: the state of a home as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from governance.commands.options import (
    DEFAULT_HOME,
    ActorOption,
    HomeOption,
    JsonOption,
    open_ledger,
    parse_actor,
    print_json,
)
from governance.errors import PolicyError

app = typer.Typer()
role_app = typer.Typer(no_args_is_help=True)
app.add_typer(role_app, name="role", help="Grant and withdraw roles.")

ReasonText = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
RoleName = Annotated[str, typer.Argument(help="reviewer, engineer, officer or admin.")]
PrincipalName = Annotated[str, typer.Argument(help="human:NAME.")]


@app.command()
def init(
    *,
    home: HomeOption = DEFAULT_HOME,
    policy: Annotated[
        str, typer.Option("--policy", help="Policy that decides: a name or a .yaml file.")
    ] = "default",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a home: an empty ledger with its keys, and a policy in force."""
    from governance.ledger import Ledger  # noqa: PLC0415
    from governance.policy import load_policy  # noqa: PLC0415
    from governance.review import activate_policy  # noqa: PLC0415

    rules = load_policy(policy)
    who = parse_actor(actor)
    with Ledger.open(home, create=True) as ledger:
        activate_policy(ledger, rules, who)
        head = ledger.head
    if as_json:
        print_json({"home": str(home), "policy": rules.name, "policy_digest": rules.digest,
                    "head": head.seq, "root": head.root})  # fmt: skip
    else:
        typer.echo(f"{home} is ready; policy {rules.name} {rules.digest[:12]} decides.")


@app.command()
def freeze(
    *,
    home: HomeOption = DEFAULT_HOME,
    reason: ReasonText = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Stop all learning, and recall of what no person reviewed, until `thaw`.

    Nothing is proposed, comes into force or is built. Revoking and erasing go on; a rollback
    takes away, and brings back only what a person had approved.
    """
    _switch(home, actor, reason, as_json=as_json, frozen=True)


@app.command()
def thaw(
    *,
    home: HomeOption = DEFAULT_HOME,
    reason: ReasonText = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let learning and recall go on after `freeze`, from where they stopped."""
    _switch(home, actor, reason, as_json=as_json, frozen=False)


@role_app.command("grant")
def grant(
    principal: PrincipalName,
    role: RoleName,
    *,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let somebody act in a role. The first role of a home must be its admin."""
    _change_role(home, principal, role, actor=actor, as_json=as_json, granted=True)


@role_app.command("withdraw")
def withdraw(
    principal: PrincipalName,
    role: RoleName,
    *,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take a role away again."""
    _change_role(home, principal, role, actor=actor, as_json=as_json, granted=False)


def _switch(home: Path, actor: str, reason: str, *, as_json: bool, frozen: bool) -> None:
    from governance.authority import require_role  # noqa: PLC0415
    from governance.events import LedgerFrozen, LedgerThawed, Role  # noqa: PLC0415
    from governance.ledger import EventDraft  # noqa: PLC0415

    who = parse_actor(actor)
    with open_ledger(home, write=True) as ledger:
        # Anybody with a role may pull the brake; letting it go again is a decision.
        anybody: tuple[Role, ...] = ("reviewer", "engineer", "officer")
        require_role(ledger.state, who, *(anybody if frozen else ("officer",)))
        changed = ledger.state.frozen != frozen
        if changed:
            payload = LedgerFrozen(reason=reason) if frozen else LedgerThawed(reason=reason)
            ledger.append([EventDraft(payload, who)])
        seq = ledger.head.seq
    if as_json:
        print_json({"frozen": frozen, "changed": changed, "head": seq})
    else:
        state = "frozen" if frozen else "not frozen"
        typer.echo(f"learning is {state}" + ("" if changed else " already"))


def _change_role(
    home: Path, principal: str, role: str, *, actor: str, as_json: bool, granted: bool
) -> None:
    from governance.authority import ROLES, change_role  # noqa: PLC0415

    who, holder = parse_actor(actor), str(parse_actor(principal))
    name = next((known for known in ROLES if known == role), None)
    if name is None:
        raise PolicyError(f"there is no role {role!r}", hint=f"one of: {', '.join(ROLES)}")
    with open_ledger(home, write=True) as ledger:
        change_role(ledger, holder, name, actor=who, granted=granted)
        held = sorted(ledger.state.roles.get(holder, ()))
    if as_json:
        print_json({"principal": holder, "roles": held})
    else:
        typer.echo(f"{holder}: {', '.join(held) or 'no role'}")
