"""``signer``: keys with which reviewers sign their decisions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from governance.errors import LedgerError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

app = typer.Typer()
signer_app = typer.Typer(no_args_is_help=True)
app.add_typer(signer_app, name="signer", help="Keys with which reviewers sign decisions.")

PassphraseOption = Annotated[
    str,
    typer.Option(
        "--passphrase-env",
        help="Name of the environment variable with the key file's passphrase.",
        show_default=False,
    ),
]
SignOption = Annotated[
    Path | None,
    typer.Option("--sign", help="Sign the decision with this key file.", show_default=False),
]
KeyOption = Annotated[Path, typer.Option("--key", help="Key file that `signer new` made.")]
PrincipalOption = Annotated[
    str,
    typer.Option("--principal", help="Whose key, as human:NAME. Default: the actor's own."),
]


@signer_app.command("new")
def new(
    file: Annotated[Path, typer.Argument(help="New file for the private key.")],
    *,
    passphrase_env: PassphraseOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a signing key: FILE (private, 0600) and FILE.pub, to be registered."""
    from governance.signatures import new_key_file  # noqa: PLC0415

    public = new_key_file(file, _passphrase(passphrase_env))
    if as_json:
        print_json({"file": str(file), "key": public, "encrypted": bool(passphrase_env)})
    else:
        typer.echo(f"{file}: keep it; register {file}.pub")


@signer_app.command("register")
def register(
    *,
    key: Annotated[Path, typer.Option("--key", help="Key file, private or public (.pub).")],
    name: Annotated[str, typer.Option("--name", help="Name that signatures show.")],
    principal: PrincipalOption = "",
    passphrase_env: PassphraseOption = "",
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Let a person sign decisions with a key. Once there are roles, an admin does this."""
    from governance.signatures import public_key_of, register_signer  # noqa: PLC0415

    who = parse_actor(actor)
    whose = str(parse_actor(principal)) if principal else str(who)
    public = public_key_of(key, _passphrase(passphrase_env))
    with open_ledger(home, write=True) as ledger:
        receipt = register_signer(ledger, whose, public, name, actor=who)
    if as_json:
        print_json({"principal": whose, "name": name, "key": public, "event": receipt.last_seq})
    else:
        typer.echo(f"{whose} signs as {name} with {public[:16]}…")


@signer_app.command("withdraw")
def withdraw(
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")] = "",
    principal: PrincipalOption = "",
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """End a person's key: it signs nothing any more; what it signed stays signed."""
    from governance.signatures import withdraw_signer  # noqa: PLC0415

    who = parse_actor(actor)
    whose = str(parse_actor(principal)) if principal else str(who)
    with open_ledger(home, write=True) as ledger:
        receipt = withdraw_signer(ledger, whose, reason, actor=who)
    if as_json:
        print_json({"principal": whose, "event": receipt.last_seq})
    else:
        typer.echo(f"the key of {whose} signs nothing any more")


@signer_app.command("list")
def list_signers(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Who signs decisions, under which name and with which key."""
    from governance.commands import render  # noqa: PLC0415

    with open_ledger(home) as ledger:
        found = [
            (name, one.name, one.key, "withdrawn" if one.withdrawn else "in force")
            for name, one in ledger.state.signers.items()
        ]
    if as_json:
        print_json({
            "signers": [
                {"principal": principal, "name": name, "key": key, "standing": standing}
                for principal, name, key, standing in found
            ]
        })  # fmt: skip
        return
    rows = [
        (render.plain(principal), render.plain(name), f"{key[:16]}…", standing)
        for principal, name, key, standing in found
    ]
    console = render.console()
    console.print(render.table("", ("Principal", "Signs as", "Key", "Standing"), rows))


@signer_app.command("sign")
def sign(
    entry_id: Annotated[str, typer.Argument(help="Entry id, or a unique beginning of it.")],
    *,
    key: KeyOption,
    meaning: Annotated[
        str, typer.Option("--meaning", help="What signing it says.", show_default="its kind")
    ] = "",
    passphrase_env: PassphraseOption = "",
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Sign your own last decision on an entry, of whichever kind it is."""
    from governance.signatures import sign_decision  # noqa: PLC0415

    private, who = load_key(key, passphrase_env), parse_actor(actor)
    with open_ledger(home, write=True) as ledger:
        receipt = sign_decision(ledger, entry_id, key=private, actor=who, meaning=meaning)
        signed = ledger.state.entry(entry_id)
    if as_json:
        print_json({"entry_id": signed.entry_id, "decision": signed.decided_seq,
                    "event": receipt.last_seq})  # fmt: skip
    else:
        typer.echo(f"{who} signed event {signed.decided_seq} on {signed.entry_id}")


def load_key(file: Path, passphrase_env: str) -> Ed25519PrivateKey:
    """The private key in ``file``.

    Raises:
        LedgerError: no key, another passphrase, or no such variable.
        StoreError: the file cannot be read.
    """
    from governance.signatures import read_key_file  # noqa: PLC0415

    return read_key_file(file, _passphrase(passphrase_env))


def _passphrase(variable: str) -> str:
    if not variable:
        return ""
    found = os.environ.get(variable, "")
    if not found:
        raise LedgerError(f"the environment variable {variable} is not set, or is empty")
    return found
