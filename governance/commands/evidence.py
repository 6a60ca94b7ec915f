"""``evidence``: the proof of a whole log in one file, for people who have no ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from governance.commands.options import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    open_ledger,
    print_json,
)

app = typer.Typer()


@app.command()
def evidence(
    out: Annotated[Path, typer.Argument(help="Zip file to write; must not exist.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    entry: Annotated[
        list[str] | None,
        typer.Option(
            "--entry",
            help="Disclose everything logged about this entry; may be repeated.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write an evidence bundle: headers, signed checkpoints, key, and a verifier.

    `python verify.py OUT.zip`, with the verify.py inside it, checks the bundle without this
    program. Payloads stay secret but for those of policies and of each --entry.
    """
    from governance.evidence import write_bundle  # noqa: PLC0415

    with open_ledger(home) as ledger:
        shown = [seq for one in entry or () for seq in ledger.state.entry(one).history]
        receipt = write_bundle(out, ledger, shown)
        key = ledger.first_key.hex()
    if as_json:
        print_json({
            "bundle": str(receipt.path), "sha256": receipt.sha256, "events": receipt.events,
            "root": receipt.root, "disclosed": receipt.disclosed, "key": key,
            "verifier_sha256": receipt.verifier_sha256,
        })  # fmt: skip
        return
    typer.echo(
        f"{receipt.path}: evidence of {receipt.events} events, {receipt.disclosed} payload(s) "
        f"disclosed\nsha256 {receipt.sha256}\nroot {receipt.root}\n"
        f"give the reader this key in another way: {key}\n"
        f"the verify.py inside has sha256 {receipt.verifier_sha256}"
    )
