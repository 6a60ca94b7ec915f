"""``serve``: own a home, so that any number of commands work on it side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from governance.commands.options import DEFAULT_HOME, HomeOption, JsonOption, print_json
from governance.errors import StoreError

app = typer.Typer()


@app.command()
def serve(
    *,
    home: HomeOption = DEFAULT_HOME,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0: any free one.")
    ] = 0,
    idle_exit: Annotated[
        float | None,
        typer.Option(
            "--idle-exit", min=0.1, show_default=False,
            help="End after nobody was connected for so many seconds. Default: never.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Own the ledger and answer for it: dashboard, agents and commands share one home.

    Only on this computer, and only to whoever can read HOME/service.json or holds a token.
    Ctrl-C stops it; what was acknowledged is on disk.
    """
    from governance.client import RemoteLog  # noqa: PLC0415
    from governance.ledger import Ledger  # noqa: PLC0415

    try:
        from governance.service.daemon import Daemon  # noqa: PLC0415
    except ImportError as error:
        raise StoreError(
            f"the service cannot run here: {error}", hint="pip install palimpsest-ledger"
        ) from error
    with Ledger.open(home, doing="palimpsest serve") as ledger:
        if isinstance(ledger.log, RemoteLog):
            _tell(ledger.log.url, already=True, as_json=as_json)
            return
        daemon = Daemon(ledger, home=home, port=port, idle_exit_s=idle_exit)
        _tell(daemon.endpoint.url, already=False, as_json=as_json)
        daemon.run()


def _tell(url: str, *, already: bool, as_json: bool) -> None:
    if as_json:
        print_json({"url": url, "already": already})
    elif already:
        typer.echo(f"A service owns this home already, at {url}")
    else:
        typer.echo(f"Serving at {url}. Ctrl-C stops.")
