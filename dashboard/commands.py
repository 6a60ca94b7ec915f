"""``palimpsest dashboard``: opens the screen on a home. Streamlit is imported on use."""

from __future__ import annotations

import importlib.util
import os
import secrets
import socket
import threading
import time
import urllib.error
import urllib.request
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from governance.commands.options import DEFAULT_HOME, ActorOption, HomeOption
from governance.errors import StoreError

app = typer.Typer()
DEFAULT_PORT = 8571
HOST = "127.0.0.1"
_PORTS_TRIED = 20


@app.command()
def dashboard(
    *,
    home: HomeOption = DEFAULT_HOME,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", min=1024, max=65535, show_default=False,
            help=f"Port on 127.0.0.1. Default: {DEFAULT_PORT}, or the next one that is free.",
        ),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in the web browser.")
    ] = True,
    actor: ActorOption = "",
) -> None:  # fmt: skip
    """Open the dashboard: review, roll back, adapters, drift. On this computer only."""
    if importlib.util.find_spec("streamlit") is None:
        raise StoreError(
            "the dashboard is not installed", hint="pip install 'palimpsest-ledger[dashboard]'"
        )
    _prepare_home(home)
    chosen = _free_port(port)
    os.environ["PALIMPSEST_HOME"] = str(home.resolve())
    if actor:
        os.environ["PALIMPSEST_ACTOR"] = actor
    token = secrets.token_urlsafe(24)
    address = f"http://{HOST}:{chosen}/?token={token}"
    typer.echo(f"Dashboard of {home}: {address}")
    typer.echo("The link works once, in one browser. Ctrl-C stops.")
    if browser:
        threading.Thread(target=_open_browser, args=(chosen, address), daemon=True).start()
    from dashboard.server import serve  # noqa: PLC0415  # streamlit takes a second

    with suppress(KeyboardInterrupt):
        serve(chosen, token)
    typer.echo("Stopped.")


def _prepare_home(home: Path) -> None:
    """Say at once what the page could only say later, and let others in beside it.

    With a service the screen, agents and commands work on the home at the same time; without
    one the dashboard owns it while it runs.

    Raises:
        StoreError: no home, half a home, or one that is not ours.
        StoreBusyError: another process owns it and offers no service.
    """
    from governance.errors import VerificationError  # noqa: PLC0415
    from governance.ledger import Ledger  # noqa: PLC0415
    from governance.service.launch import ensure  # noqa: PLC0415

    if not ensure(home):
        with suppress(VerificationError):  # the page shows what is wrong with a record
            Ledger.open(home, read_only=True).close()


def _free_port(wanted: int | None) -> int:
    """The wanted port, or the first free one from the default on.

    Raises:
        StoreError: the wanted port, or all that were tried, are in use.
    """
    tried = [wanted] if wanted is not None else range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED)
    for port in tried:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise StoreError(
        f"port {wanted} is in use" if wanted is not None else "no port is free",
        hint="choose another with --port, or stop the other dashboard",
    )


def _open_browser(port: int, address: str) -> None:
    """Wait until the server answers, then open the page; give up quietly."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/_stcore/health", timeout=1):
                webbrowser.open(address)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
