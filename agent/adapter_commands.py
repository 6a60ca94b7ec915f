"""``replay``: build adapters again and compare. Imports nothing heavy until it is called."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.errors import AdapterError

if TYPE_CHECKING:
    from agent.lora.replay import Replayed

app = typer.Typer()

_FORGED_PPM = (10_000, 50_000, 100_000, 250_000)
_DIFFERS = 3
"""Exit code: the record does not prove what it claims."""


@app.command()
def replay(
    adapter: Annotated[
        str | None,
        typer.Argument(help="Digest (or its beginning), or SHARD:VERSION."),
    ] = None,
    *,
    home: Annotated[
        Path,
        typer.Option("--home", envvar="PALIMPSEST_HOME", help="Folder that holds the ledger."),
    ] = Path(".palimpsest"),
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Replay that many, drawn at random.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of the draw; drawn and printed if not given.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Build an adapter again from the ledger's cards and compare it with the recorded one.

    Stores and serves nothing. Exit code 3 when one differs, 2 when none could be replayed.
    """
    if (adapter is None) == (sample is None):
        raise typer.BadParameter("give either an adapter or --sample K")
    from agent.lora.recipe import load_recipe  # noqa: PLC0415 - keeps `--help` instant
    from agent.lora.replay import Replayer, escape_probability  # noqa: PLC0415
    from agent.lora.shards import shipped_recipe  # noqa: PLC0415
    from agent.models.load import load_model  # noqa: PLC0415
    from agent.models.local import LocalModel  # noqa: PLC0415
    from agent.target import remembered_model  # noqa: PLC0415
    from governance.commands.adapters import find_adapter  # noqa: PLC0415
    from governance.ledger import Ledger  # noqa: PLC0415

    drawn = secrets.randbelow(1 << 32) if seed is None else seed
    with Ledger.open(home, read_only=True) as ledger:
        model = load_model(remembered_model(home))
        if not isinstance(model, LocalModel):
            raise AdapterError(f"{model.model_id} has no weights here: it built no adapter")
        replayer = Replayer(ledger, home, model, load_recipe(shipped_recipe(model)))
        chosen = (
            [find_adapter(ledger.state, adapter)]
            if adapter is not None
            else replayer.sample(sample or 1, drawn)
        )
        done = [replayer.replay(one) for one in chosen]
    compared = sum(one.rebuilt is not None for one in done)
    escapes = {str(ppm): escape_probability(ppm, compared) for ppm in _FORGED_PPM}
    if as_json:
        told: dict[str, object] = {"replayed": [_data(one) for one in done]}
        if sample is not None:
            told |= {"seed": drawn, "escape_probability_by_forged_ppm": escapes}
        typer.echo(json.dumps(told, indent=2))
    else:
        for one in done:
            typer.echo(_line(one))
        if sample is not None:
            typer.echo(f"seed {drawn}; {compared} replayed. A forged share would have escaped:")
            for ppm in _FORGED_PPM:
                typer.echo(f"  {ppm / 10_000:g} % forged: {escapes[str(ppm)]:.3f}")
    if any(one.verdict == "differs" for one in done):
        raise typer.Exit(_DIFFERS)
    if not compared:
        raise AdapterError("no adapter could be replayed", hint="cards that were erased are gone")


def _line(one: Replayed) -> str:
    line = f"{one.recorded[:12]}  {one.verdict}: {one.note}"
    if one.difference_ppm:
        worst = max(one.difference_ppm, key=lambda name: one.difference_ppm[name])
        share = one.difference_ppm[worst] / 10_000
        line += (
            f"; at most {share:.4g} % ({worst}), answers alike {one.answers_alike}/{one.answers}"
        )
    return line


def _data(one: Replayed) -> dict[str, object]:
    return {
        "adapter": one.recorded,
        "rebuilt": one.rebuilt,
        "verdict": one.verdict,
        "promised": one.promised,
        "note": one.note,
        "difference_ppm": one.difference_ppm,
        "answers_alike": one.answers_alike,
        "answers": one.answers,
    }
