"""``adapter``: what was learned in weights, build by build, and on its way out and in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent.errors import AdapterError
from governance.commands.options import (
    DEFAULT_HOME,
    ActorOption,
    BuildOption,
    HomeOption,
    Json,
    JsonOption,
    open_ledger,
    parse_actor,
    print_json,
    progress,
)

if TYPE_CHECKING:
    from agent.lora.adapter import Manifest
    from agent.lora.interop import KnownAdapter
    from governance.events import AdapterCertified

app = typer.Typer()
adapter_app = typer.Typer(no_args_is_help=True)
app.add_typer(adapter_app, name="adapter", help="The weights of each shard, build by build.")

AdapterArgument = Annotated[
    str, typer.Argument(help="Digest or a beginning of it, SHARD:VERSION, or VERSION.")
]
_PPM = 1_000_000
_MODULES_SHOWN = 8


@adapter_app.command("list")
def list_adapters(*, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """List every build of every shard: which is served, and how the others stand."""
    from agent.lora.interop import known_adapters  # noqa: PLC0415
    from governance.commands import render  # noqa: PLC0415

    with open_ledger(home) as ledger:
        known = list(known_adapters(ledger))
    if as_json:
        print_json({"adapters": [_known_data(one) for one in known]})
        return
    rows = [
        (one.state.shard_id, str(one.state.version), one.state.digest[:12], one.standing,
         f"{one.state.certified_cards} of {len(one.state.cards)}",
         "there" if one.stored else "missing")
        for one in known
    ]  # fmt: skip
    headings = ("Shard", "Version", "Digest", "Status", "Cards absorbed", "Store")
    render.console().print(render.table("Adapters", headings, rows))


@adapter_app.command("show")
def show_adapter(
    adapter: AdapterArgument, *, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False
) -> None:
    """Show one build: what it was made from, its certificate, and what it changed most."""
    from agent.lora.interop import certificate_of, known_adapter, manifest_of  # noqa: PLC0415
    from governance.commands.adapters import find_adapter  # noqa: PLC0415

    with open_ledger(home) as ledger:
        state = find_adapter(ledger.state, adapter)
        known = known_adapter(ledger, state)
        manifest = manifest_of(ledger, state.digest)
        certificate = certificate_of(ledger, state)
    if as_json:
        print_json({
            **_known_data(known),
            "entries": [ref.entry_id for ref in state.cards],
            "manifest": manifest.model_dump(mode="json") if manifest else None,
            "certificate": certificate.model_dump(mode="json") if certificate else None,
        })  # fmt: skip
    else:
        _print_known(known, manifest)
        _print_certificate(certificate)


@adapter_app.command("export")
def export_adapter(
    adapter: AdapterArgument,
    folder: Annotated[Path, typer.Argument(help="Folder to make; must not exist.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write a build as a PEFT folder, with manifest, certificate and proof.

    Recorded with the cards in it: revoking one of them names this export. Only a build whose
    cards are all in force is handed out.
    """
    from agent.lora.interop import export_adapter as export  # noqa: PLC0415
    from governance.commands.adapters import find_adapter  # noqa: PLC0415

    with open_ledger(home, write=True) as ledger:
        state = find_adapter(ledger.state, adapter)
        done = export(ledger, state, folder, actor=parse_actor(actor))
    if as_json:
        print_json({
            "export_id": done.export_id, "folder": str(done.folder), "files": list(done.files),
            "digest": state.digest, "entries": done.entries, "sha256": done.sha256,
            "seq": done.receipt.first_seq,
        })  # fmt: skip
    else:
        typer.echo(
            f"{done.folder}: adapter {state.digest[:12]} of {done.entries} cards "
            f"(export {done.export_id})"
        )


@adapter_app.command("import")
def import_adapter(
    folder: Annotated[Path, typer.Argument(help="Folder that `adapter export` wrote.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    build: BuildOption = True,
    as_json: JsonOption = False,
) -> None:
    """Take in a build that was made elsewhere from exactly the cards of a shard here.

    Its bytes are believed when the log names them, or when building it here again gives the
    same. Anything else is refused: unknown training data cannot be taken back. With --build
    the build is then judged here and, if it passes, served.
    """
    from agent.lora.interop import import_adapter as take_in  # noqa: PLC0415
    from agent.lora.interop import read_foreign  # noqa: PLC0415
    from agent.lora.shards import ShardBuilder  # noqa: PLC0415
    from agent.models.load import load_model  # noqa: PLC0415
    from agent.models.local import LocalModel  # noqa: PLC0415
    from agent.target import AgentMemory, remembered_model  # noqa: PLC0415

    read_foreign(folder)  # what is wrong with the folder is said before a model is loaded
    with open_ledger(home, write=build) as ledger:
        model = load_model(remembered_model(home))
        if not isinstance(model, LocalModel):
            raise AdapterError(
                f"this home uses {model.model_id}, which has no weights here",
                hint="adapters go with --model builtin or local:PATH",
            )
        builder = ShardBuilder(model, ledger.home)
        done = take_in(ledger, builder, folder, progress)
        settled = AgentMemory(ledger, model).settle(done.scope, progress) if build else []
        active = ledger.state.shards.get(done.shard_id)
    served = active is not None and active.active == done.digest
    if as_json:
        print_json({
            "digest": done.digest, "shard": done.shard_id, "because": done.because,
            "served": served, "settled": len(settled),
        })  # fmt: skip
    else:
        said = "in service" if served else "in the store"
        typer.echo(f"{done.shard_id}: {done.digest[:12]} is {said} ({done.because})")


# --- parts ------------------------------------------------------------------------------


def _known_data(known: KnownAdapter) -> dict[str, Json]:
    state = known.state
    return {
        "digest": state.digest, "shard": state.shard_id, "version": state.version,
        "scope": str(known.scope), "status": known.standing, "cards": len(state.cards),
        "certified_cards": state.certified_cards, "stored": known.stored,
        "environment": known.environment, "seq": state.seq,
    }  # fmt: skip


def _print_known(known: KnownAdapter, manifest: Manifest | None) -> None:
    from governance.commands import render  # noqa: PLC0415

    state, trained = known.state, known.trained
    pairs = [
        ("Adapter", state.digest),
        ("Shard", f"{state.shard_id}, version {state.version}, in {known.scope}"),
        ("Status", known.standing if known.stored else f"{known.standing}; not in the store"),
        ("Cards", ", ".join(f"{ref.entry_id} v{ref.version}" for ref in state.cards)),
        ("Inputs", state.inputs_digest),
        ("Base", f"{manifest.base_id} {state.base_digest}" if manifest else state.base_digest),
        ("Recipe", trained.recipe_digest if trained else ""),
        ("Subspace", trained.subspace_digest if trained else ""),
        ("Rehearsal", manifest.rehearsal if manifest else ""),
        ("Training", f"{trained.steps} steps, seed {trained.seed}" if trained else ""),
        ("Environment", known.environment),
        ("Event", str(state.seq)),
    ]
    render.console().print(render.fields(pairs))


def _print_certificate(certificate: AdapterCertified | None) -> None:
    from governance.commands import render  # noqa: PLC0415

    console = render.console()
    console.print()
    if certificate is None:
        console.print(render.plain("It was never judged, or its certificate was erased.", "dim"))
        return
    verdict = "passed" if certificate.passed else "refused"
    kept = (certificate.controls_kept_ppm, certificate.abstain_kept_ppm,
            certificate.context_kept_ppm)  # fmt: skip
    names = ("facts", "abstaining", "use of notes")
    shares = ", ".join(
        f"{name} {share / _PPM:.2f}" for name, share in zip(names, kept, strict=True)
    )
    console.print(render.plain(f"Certificate {verdict}: {certificate.reason}"))
    console.print(render.plain(f"Controls kept: {shares}"))
    cards = [
        (one.entry_id, f"{one.min_p_ppm / _PPM:.3f}", f"{one.min_p_off_ppm / _PPM:.3f}",
         f"{one.probes_exact} of {one.probes}", "yes" if one.certified else "no")
        for one in certificate.cards
    ]  # fmt: skip
    headings = ("Card", "Least p on", "Off", "Rewordings right", "Absorbed")
    console.print(render.table("Absorption", headings, cards))
    largest = sorted(certificate.modules, key=lambda one: -one.relative_ppm)[:_MODULES_SHOWN]
    modules = [(one.module, f"{one.relative_ppm / _PPM:.4%}") for one in largest]
    title = f"Largest changes ({len(largest)} of {len(certificate.modules)} layers)"
    console.print(render.plain(_spread(certificate)))
    console.print(render.table(title, ("Module", "‖ΔW‖ / ‖W‖"), modules))
    probes = [(one.kind, one.question, one.expected, one.before, one.after)
              for one in certificate.probes]  # fmt: skip
    headings = ("Kind", "Question", "Expected", "Off", "On")
    console.print(render.table(f"Probes ({len(probes)})", headings, probes))


def _spread(certificate: AdapterCertified) -> str:
    """How far the largest change stands out: an edit of one place is a sign of a backdoor."""
    from statistics import median  # noqa: PLC0415

    changes = [one.relative_ppm for one in certificate.modules]
    middle = median(changes) if changes else 0
    if not middle:
        return "It changes no weight"
    return f"Largest change of a layer: {max(changes) / middle:.1f} times the median"
