"""``principal``, ``token`` and ``key``: who may act from outside, and which key signs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from governance.commands.options import (
    DEFAULT_HOME,
    ActorOption,
    HomeOption,
    JsonOption,
    open_ledger,
    parse_actor,
    parse_scope,
    print_json,
)

if TYPE_CHECKING:
    from governance.events import Trust

app = typer.Typer()
principal_app = typer.Typer(no_args_is_help=True)
token_app = typer.Typer(no_args_is_help=True)
key_app = typer.Typer(no_args_is_help=True)
app.add_typer(principal_app, name="principal", help="Who may act from outside, and where.")
app.add_typer(token_app, name="token", help="API tokens of principals.")
app.add_typer(key_app, name="key", help="The key that signs checkpoints.")


PrincipalName = Annotated[str, typer.Argument(help="human:NAME, agent:NAME or importer:NAME.")]


@principal_app.command("add")
def add(
    principal: PrincipalName,
    *,
    scope: Annotated[
        str, typer.Option("--scope", help="All that it may read and write: TENANT/AGENT[/USER].")
    ],
    trust: Annotated[
        str,
        typer.Option(
            "--trust",
            help="How far its sources are trusted at most, and what rules see as actor.trust: "
            "trusted, internal, customer or unknown.",
            show_default="as before, at first internal for people and unknown for programs",
        ),
    ] = "",
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Register a principal, or give a registered one other bounds or another trust."""
    from governance.authority import register_principal  # noqa: PLC0415

    bounds, who, given = parse_scope(scope), parse_actor(actor), _trust(trust)
    assert bounds is not None
    with open_ledger(home, write=True) as ledger:
        changed = register_principal(ledger, principal, bounds, actor=who, trust=given) is not None
        level = ledger.state.trusted[principal]
    if as_json:
        print_json({"principal": principal, "scope": str(bounds), "trust": level,
                    "changed": changed})  # fmt: skip
    else:
        already = "" if changed else " already"
        typer.echo(f"{principal} acts in {bounds}, trusted as {level}{already}")


@principal_app.command("list")
def list_principals(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Principals, their bounds, roles and tokens in force."""
    from governance.commands import render  # noqa: PLC0415

    now_us = time.time_ns() // 1_000
    with open_ledger(home) as ledger:
        state = ledger.state
    found = [
        (
            name,
            str(bounds),
            state.trusted[name],
            sorted(state.roles.get(name, ())),
            sum(
                token.principal == name and token.standing(now_us) == "valid"
                for token in state.tokens.values()
            ),
        )
        for name, bounds in state.principals.items()
    ]
    if as_json:
        print_json({
            "principals": [
                {"principal": name, "scope": scope, "trust": trust, "roles": roles,
                 "tokens": tokens}
                for name, scope, trust, roles, tokens in found
            ]
        })  # fmt: skip
        return
    rows = [
        (render.plain(name), render.plain(scope), trust, ", ".join(roles) or "–", str(tokens))
        for name, scope, trust, roles, tokens in found
    ]
    columns = ("Principal", "Scope", "Trust", "Roles", "Tokens")
    render.console().print(render.table("", columns, rows))


@token_app.command("issue")
def issue(
    principal: PrincipalName,
    *,
    days: Annotated[
        int | None,
        typer.Option("--days", min=1, help="Ends after so many days.", show_default="never ends"),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it, once: the ledger keeps only a digest of it."""
    from governance.authority import issue_token  # noqa: PLC0415

    who = parse_actor(actor)
    with open_ledger(home, write=True) as ledger:
        token = issue_token(ledger, principal, days=days, actor=who)
    if as_json:
        print_json({"principal": principal, "id": token.token_id, "token": token.text})
    else:
        typer.echo(token.text)
        typer.echo(f"token {token.token_id} of {principal}; it is not shown again", err=True)


@token_app.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(help="The id: what stands between the underscores.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a token at once."""
    from governance.authority import revoke_token  # noqa: PLC0415

    who = parse_actor(actor)
    with open_ledger(home, write=True) as ledger:
        revoke_token(ledger, token_id, reason=reason, actor=who)
    if as_json:
        print_json({"id": token_id, "revoked": True})
    else:
        typer.echo(f"token {token_id} opens nothing any more")


@token_app.command("list")
def list_tokens(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Tokens that were issued, and whether they still open anything."""
    from governance.commands import describe, render  # noqa: PLC0415

    now_us = time.time_ns() // 1_000
    with open_ledger(home) as ledger:
        tokens = list(ledger.state.tokens.values())
    if as_json:
        print_json({
            "tokens": [
                {"id": one.token_id, "principal": one.principal, "standing": one.standing(now_us),
                 "expires_at_us": one.expires_at_us}
                for one in tokens
            ]
        })  # fmt: skip
        return
    rows = [
        (
            render.plain(one.token_id),
            render.plain(one.principal),
            one.standing(now_us),
            describe.time_of(one.expires_at_us) if one.expires_at_us is not None else "never",
        )
        for one in tokens
    ]
    columns = ("Token", "Principal", "Standing", "Ends")
    render.console().print(render.table("", columns, rows))


@key_app.command("show")
def show_key(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Print the public key of this log, for those who check proofs and for witnesses."""
    from governance.proof import log_key  # noqa: PLC0415  # keeps `--help` instant

    with open_ledger(home) as ledger:
        found = log_key(ledger)
    if as_json:
        print_json({"origin": found.name, "key": str(found), "public_key": found.public.hex()})
    else:
        typer.echo(str(found))


@key_app.command("rotate")
def rotate(
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")],
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Sign with a new key from now on. The first checkpoint after it is signed by both."""
    who = parse_actor(actor)
    with open_ledger(home, write=True) as ledger:
        before = ledger.public_key.hex()
        receipt = ledger.rotate_key(who, reason)
        after = ledger.public_key.hex()
    if as_json:
        print_json({"old_key": before, "new_key": after, "event": receipt.last_seq})
    else:
        typer.echo(f"checkpoints are signed by {after[:16]}… from event {receipt.last_seq} on")


def _trust(name: str) -> Trust | None:
    from governance.errors import LedgerError  # noqa: PLC0415
    from governance.events import Trust  # noqa: PLC0415

    known: tuple[Trust, ...] = get_args(Trust)
    if name and name not in known:
        raise LedgerError(f"there is no trust level {name!r}", hint=" or ".join(known))
    return next((level for level in known if level == name), None)
