"""The gate of the local server, and the command that starts it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from dashboard import commands, server
from governance.errors import StoreBusyError, StoreError
from governance.ledger import Ledger

TOKEN = "t0ken"


async def inner(scope: Any, _receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})
    else:
        await send({"type": "websocket.accept"})


async def never() -> Any:
    raise AssertionError("the gate reads no body")


def ask(
    gate: server.LocalGate,
    path: str = "/",
    *,
    query: str = "",
    cookie: str = "",
    kind: str = "http",
) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"cookie", cookie.encode())] if cookie else []
    scope = {"type": kind, "path": path, "query_string": query.encode(), "headers": headers}
    asyncio.run(gate(scope, never, send))
    return sent


def header(message: dict[str, Any], name: bytes) -> str:
    found: bytes = dict(message["headers"]).get(name, b"")
    return found.decode()


@pytest.fixture
def gate() -> server.LocalGate:
    return server.LocalGate(inner, token=TOKEN, policy="default-src 'self'")


def test_without_token_or_cookie_nothing_is_served(gate: server.LocalGate) -> None:
    for query in ("", "token=", "token=wrong", "token=t0ke"):
        assert ask(gate, query=query)[0]["status"] == 403
    assert ask(gate, kind="websocket") == [{"type": "websocket.close", "code": 4403}]
    assert ask(gate, cookie=f"{server.COOKIE}=forged")[0]["status"] == 403
    assert ask(gate, query=f"token={TOKEN}")[0]["status"] == 303


def test_token_works_once_and_leaves_the_address(gate: server.LocalGate) -> None:
    (start, _) = ask(gate, "/review", query=f"token={TOKEN}")
    assert start["status"] == 303
    assert header(start, b"location") == "/review"
    cookie = header(start, b"set-cookie")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert ask(gate, query=f"token={TOKEN}")[0]["status"] == 403, "a second browser"
    held = cookie.partition(";")[0]
    (page, _) = ask(gate, cookie=held)
    assert page["status"] == 200
    assert header(page, b"content-security-policy") == "default-src 'self'"
    assert ask(gate, kind="websocket", cookie=held) == [{"type": "websocket.accept"}]


def test_health_needs_no_cookie_and_metrics_does(gate: server.LocalGate) -> None:
    assert ask(gate, server.HEALTH)[0]["status"] == 200
    assert ask(gate, "/_stcore/metrics")[0]["status"] == 403


def test_policy_allows_only_this_server_and_the_known_inline_script() -> None:
    policy = server.content_policy()
    assert "default-src 'self'" in policy
    assert policy.count("'sha256-") == 1
    assert "unsafe-eval'" not in policy.replace("'wasm-unsafe-eval'", "")
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


def test_settings_bind_loopback_and_keep_text_out_of_errors() -> None:
    settings = server.settings(8571)
    assert settings["server.address"] == "127.0.0.1"
    assert settings["client.showErrorDetails"] == "type"
    assert settings["server.enableAgentApi"] is False
    assert settings["browser.gatherUsageStats"] is False
    assert Path(str(settings["theme.base"])).is_file()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    calls: list[tuple[int, str]] = []
    monkeypatch.setattr(server, "serve", lambda port, token: calls.append((port, token)))
    for name in ("PALIMPSEST_HOME", "PALIMPSEST_ACTOR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return calls


def start(*arguments: str) -> Any:
    return CliRunner().invoke(commands.app, [*arguments, "--no-browser"])


def test_command_serves_the_home_on_a_free_port(home: Path, served: list[tuple[int, str]]) -> None:
    result = start("--home", str(home))
    assert result.exit_code == 0, result.output
    ((port, token),) = served
    assert f"http://127.0.0.1:{port}/?token={token}" in result.output
    start("--home", str(home))
    assert served[1][1] != token, "every start has its own token"


def test_command_names_a_missing_or_busy_home_and_a_busy_port(
    tmp_path: Path, home: Path, served: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = start("--home", str(tmp_path / "nowhere"))
    assert isinstance(missing.exception, StoreError)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        busy = start("--home", str(home), "--port", str(port))
        assert isinstance(busy.exception, StoreError)
        assert f"port {port} is in use" in str(busy.exception)
        assert "--port" in busy.exception.hint
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    absent = start("--home", str(home))
    assert isinstance(absent.exception, StoreError)
    assert "palimpsest-ledger[dashboard]" in absent.exception.hint
    assert served == []


def test_command_says_who_owns_a_busy_home(
    home: Path, served: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise StoreBusyError("in use by process 4711", hint="stop it")

    monkeypatch.setattr("governance.ledger.Ledger.open", busy)
    result = start("--home", str(home))
    assert isinstance(result.exception, StoreBusyError)
    assert served == []
    monkeypatch.undo()
    Ledger.open(home).close()
