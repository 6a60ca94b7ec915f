"""``replay`` and ``consolidate``: build adapters again, to compare or to do better.

Imports nothing heavy until one is called.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.consolidation import Consolidated, Quality
    from agent.lora.replay import Replayed
    from agent.lora.shards import ShardPlan

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


@app.command()
def consolidate(
    *,
    passes: Annotated[
        int, typer.Option("--passes", min=1, max=64, help="Times the recipe's training steps.")
    ] = 2,
    home: Annotated[
        Path,
        typer.Option("--home", envvar="PALIMPSEST_HOME", help="Folder that holds the ledger."),
    ] = Path(".palimpsest"),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which cards would be learned together.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Learn the cards in service again, sorted by topic and for longer; keep what is no worse.

    A shard is swapped only if its certificate passes and nothing measured is worse than now.
    Safe to stop; the same command goes on.
    """
    from agent.consolidation import consolidate as learn_again  # noqa: PLC0415 - `--help` instant
    from agent.consolidation import plan_consolidation, with_passes  # noqa: PLC0415
    from agent.lora.recipe import load_recipe  # noqa: PLC0415
    from agent.lora.shards import ShardBuilder, shipped_recipe  # noqa: PLC0415
    from agent.models.load import load_model  # noqa: PLC0415
    from agent.models.local import LocalModel  # noqa: PLC0415
    from agent.target import remembered_model  # noqa: PLC0415
    from governance.commands.options import open_ledger, progress  # noqa: PLC0415

    with open_ledger(home, write=not dry_run) as ledger:
        if dry_run:
            _print_plans(plan_consolidation(ledger.state), as_json=as_json)
            return
        model = load_model(remembered_model(home))
        if not isinstance(model, LocalModel):
            raise AdapterError(f"{model.model_id} has no weights here: it learns no cards")
        recipe = with_passes(load_recipe(shipped_recipe(model)), passes)
        builder = ShardBuilder(model, ledger.home, recipe=recipe)
        done: list[Consolidated] = []
        for one in learn_again(ledger, builder, progress):
            done.append(one)
            if not as_json:
                typer.echo(_consolidated(one))
    if as_json:
        typer.echo(json.dumps({"passes": passes, "shards": [_shard_data(one) for one in done]}))
    elif not done:
        typer.echo("nothing to do: no cards in service, or learned so before")


def _print_plans(plans: Sequence[ShardPlan], *, as_json: bool) -> None:
    from governance.events import CardBody  # noqa: PLC0415

    told = [
        {
            "shard": plan.shard_id,
            "cards": [entry.entry_id for entry in plan.cards],
            "topics": sorted({e.body.topic for e in plan.cards if isinstance(e.body, CardBody)}),
        }
        for plan in plans
    ]
    if as_json:
        typer.echo(json.dumps({"shards": told}))
    for one in () if as_json else told:
        typer.echo(f"{one['shard']}: {len(one['cards'])} card(s) on {', '.join(one['topics'])}")


def _consolidated(one: Consolidated) -> str:
    outcome = "swapped" if one.swapped else f"kept as it was ({one.because})"
    return (
        f"{one.shard_id}: {one.cards} card(s), {outcome}; held-out wordings "
        f"{_percent(one.before.wordings)} → {_percent(one.after.wordings)}, controls "
        f"{_controls(one.before)} → {_controls(one.after)}"
    )


def _controls(quality: Quality) -> str:
    return "/".join(map(_percent, (quality.world, quality.abstaining, quality.notes)))


def _percent(ppm: int) -> str:
    return f"{ppm / 10_000:.0f} %"


def _shard_data(one: Consolidated) -> dict[str, object]:
    return {
        "shard": one.shard_id, "digest": one.digest, "cards": one.cards, "swapped": one.swapped,
        "because": one.because, "before_ppm": vars(one.before), "after_ppm": vars(one.after),
    }  # fmt: skip


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
