"""Commands of the agent: ``run`` and ``ask``. Imports nothing heavy until one is called."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agent import interop_commands
from agent.errors import WorkspaceError

if TYPE_CHECKING:
    from agent.workspace import Workspace

app = typer.Typer()
app.registered_groups.extend(interop_commands.app.registered_groups)
app.registered_commands.extend(interop_commands.app.registered_commands)

DEFAULT_HOME = Path(".palimpsest")
HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="PALIMPSEST_HOME", help="Folder that holds the ledger."),
]
ModelOption = Annotated[
    str, typer.Option("--model", help="builtin, local:PATH or endpoint:URL[#MODEL].")
]


@app.command()
def run(
    workspace: Annotated[
        Path | None, typer.Argument(help="Workspace folder; see examples/claims-desk.")
    ] = None,
    *,
    home: HomeOption = DEFAULT_HOME,
    source: Annotated[
        Path | None,
        typer.Option("--source", help="Dialogue data instead of a workspace (SGD .jsonl[.gz])."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Dialogues to take from --source.")
    ] = None,
    model: ModelOption = "builtin",
    policy: Annotated[
        str | None,
        typer.Option("--policy", help="Policy name or file; default: what the workspace names."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a workspace with any unreadable line or file.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take an agent through a workspace: learn, answer, relay, and report.

    Safe to stop at any point (Ctrl-C); the same command continues where it stopped. Other
    commands and the dashboard can work on the same home meanwhile.
    """
    _offline()
    prepared = _workspace(workspace, source=source, limit=limit, strict=strict)
    # Imported here and not above, so that `--help` stays instant.
    from agent.console import RunConsole  # noqa: PLC0415
    from agent.models.load import load_model  # noqa: PLC0415
    from agent.run import RunOptions  # noqa: PLC0415
    from agent.run import run as run_agent  # noqa: PLC0415
    from governance.policy import load_policy  # noqa: PLC0415
    from governance.service.launch import ensure  # noqa: PLC0415

    rules = load_policy(policy or _policy_of(prepared))
    console = RunConsole(quiet=as_json)
    console.problems(prepared)
    loaded = load_model(model)
    ensure(home, create=True)  # so that others can look and decide while this goes on
    with console:
        summary = run_agent(prepared, loaded, RunOptions(home, rules, model), console)
    if as_json:
        typer.echo(json.dumps(summary.to_json(), indent=2))
    else:
        console.summary(summary, home)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    *,
    home: HomeOption = DEFAULT_HOME,
    arm: Annotated[str, typer.Option("--arm", help="none, external, parametric or both.")] = "both",
    model: ModelOption = "builtin",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Ask one question of a home's memory, and say what was recalled for it."""
    _offline()
    from agent.console import show_answer  # noqa: PLC0415
    from agent.models.load import load_model  # noqa: PLC0415
    from agent.run import ask_home  # noqa: PLC0415

    answered = ask_home(home, question, arm, load_model(model))
    if as_json:
        typer.echo(json.dumps(answered.to_json(), indent=2))
    else:
        show_answer(answered)


def _workspace(
    folder: Path | None, *, source: Path | None, limit: int | None, strict: bool
) -> Workspace:
    if (folder is None) == (source is None):
        raise WorkspaceError(
            "give either a workspace folder or --source FILE",
            hint="try: palimpsest run examples/claims-desk",
        )
    if source is not None:
        from agent.importers import import_source  # noqa: PLC0415

        return import_source(source, limit=limit, strict=strict)
    if limit is not None:
        raise WorkspaceError("--limit goes with --source", hint="leave it out for a workspace")
    from agent.workspace import load_workspace  # noqa: PLC0415

    assert folder is not None
    return load_workspace(folder, strict=strict)


def _policy_of(workspace: Workspace) -> str:
    """A policy file in the workspace wins over a shipped policy of the same name."""
    own = workspace.root / f"{workspace.settings.policy}.policy.yaml"
    return str(own) if own.is_file() else workspace.settings.policy


def _offline() -> None:
    """No code path may need the internet, whatever a library would like to check."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
