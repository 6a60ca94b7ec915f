"""The service as a process: starting, stopping, being found, taken over and left alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from governance import cli, housekeeping
from governance.client import RemoteLog, connected
from governance.errors import SchemaVersionError, StoreBusyError, StoreError
from governance.events import ExportIssued, ExportWithdrawn
from governance.exports import remove_withdrawn
from governance.ledger import Ledger
from governance.log import OwnedLog
from governance.ownership import SERVICE, endpoint_of
from governance.service import daemon, launch, writer
from governance.service.daemon import Daemon
from governance.service.joined import JoinedTransport
from tests.governance.drafts import ANN, append, draft, source
from tests.governance.serving import serving

RUNNER = CliRunner()


def until(true: Callable[[], object], patience_s: float = 30.0) -> None:
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def made(home: Path) -> Path:
    Ledger.open(home, create=True).close()
    return home


@pytest.fixture
def process(made: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A service of its own, in its own session."""
    command = [sys.executable, "-m", "governance.cli", "serve", "--home", str(made), "--json"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        until(lambda: connected_and_closed(made))
        yield started
    finally:
        started.kill()
        started.communicate()


def connected_and_closed(home: Path) -> bool:
    found = connected(home)
    if found is None:
        return False
    found.close()
    return True


# --- one owner, many users ---------------------------------------------------------------


def test_many_open_the_home_that_a_service_owns(made: Path) -> None:
    with serving(made) as served:
        with Ledger.open(made) as first, Ledger.open(made) as second:
            append(first, source("s1"))
            append(second, source("s2"))
            assert set(first.state.sources) == set(second.state.sources) == {"s1", "s2"}
            assert first.home == made
        with Ledger.open(made, read_only=True) as reader:
            assert reader.head.seq == 2
            with pytest.raises(StoreError, match="for reading only"):
                append(reader, source("s3"))
        assert served.ledger.head.seq == 2
    with Ledger.open(made) as owner:
        assert isinstance(owner.log, OwnedLog)
        assert owner.head.seq == 2


def test_the_address_is_for_this_user_only_and_goes_with_the_service(made: Path) -> None:
    with serving(made) as served:
        assert (made / SERVICE).stat().st_mode & 0o777 == 0o600
        endpoint = endpoint_of(made)
        assert endpoint == served.daemon.endpoint
        first = endpoint.token
    assert not (made / SERVICE).exists()
    with serving(made) as served:
        assert served.daemon.desk.token != first


def test_a_service_needs_the_ledger_itself_and_a_free_port(made: Path) -> None:
    with serving(made) as served:
        with (
            Ledger.open(made) as client,
            pytest.raises(StoreError, match="only the owner"),
        ):
            Daemon(client, home=made)
        with Ledger.in_memory() as other, pytest.raises(StoreError, match="is not free"):
            Daemon(other, home=None, port=served.daemon.desk.port)
        result = RUNNER.invoke(cli.app, ["serve", "--home", str(made), "--json"])
        assert json.loads(result.stdout) == {"url": served.url, "already": True}
        result = RUNNER.invoke(cli.app, ["serve", "--home", str(made)])
        assert (result.exit_code, served.url in result.stdout) == (0, True)


def test_a_log_that_is_not_understood_is_not_served(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger.open(made) as ledger:
        assert isinstance(ledger.log, OwnedLog)
        monkeypatch.setattr(ledger.log, "unknown_types", frozenset({"dream.recorded"}))
        with pytest.raises(SchemaVersionError, match=r"dream\.recorded"):
            Daemon(ledger, home=made)


def test_a_ledger_in_memory_can_be_served_too() -> None:
    with Ledger.in_memory() as ledger:
        daemon = Daemon(ledger, home=None)
        daemon.stop()  # before it runs: nothing to stop
        thread = threading.Thread(target=daemon.run)
        thread.start()
        assert daemon.ready.wait(10)
        from governance.client import connected_url

        with Ledger(connected_url(daemon.endpoint.url, daemon.desk.token)) as client:
            assert append(client, source()).last_seq == 1
        daemon.stop()
        thread.join(20)
        assert ledger.head.seq == 1


def test_signals_end_it_and_are_given_back(made: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Ledger.open(made) as ledger:
        daemon = Daemon(ledger, home=made)

        def end() -> None:
            assert daemon.ready.wait(10)
            until(lambda: connected_and_closed(made))
            os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=end)
        thread.start()
        daemon.run()
        thread.join()
        assert signal.getsignal(signal.SIGTERM) is before
        assert append(ledger, source()).last_seq == 1


# --- the command -------------------------------------------------------------------------


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_serve_says_where_and_ends_when_idle(made: Path, more: list[str]) -> None:
    command = ["serve", "--home", str(made), "--idle-exit", "0.2", *more]
    result = RUNNER.invoke(cli.app, command)
    assert result.exit_code == 0
    assert "http://127.0.0.1:" in result.stdout
    assert not (made / SERVICE).exists()


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(
    made: Path, process: subprocess.Popen[bytes], name: signal.Signals
) -> None:
    with Ledger.open(made) as client:
        append(client, source())
    process.send_signal(name)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out)["already"] is False
    assert not (made / SERVICE).exists()
    assert not (made / "ledger.duckdb.wal").exists()
    with Ledger.open(made) as ledger:
        assert isinstance(ledger.log, OwnedLog)
        assert ledger.head.seq == 1
        assert not list(ledger.events(types=["ledger.recovered"]))


def test_a_killed_owner_is_taken_over(made: Path, process: subprocess.Popen[bytes]) -> None:
    client = Ledger.open(made)
    append(client, source())
    process.kill()
    process.wait()
    assert (made / SERVICE).exists()
    with pytest.raises(StoreError, match="is gone") as gone:
        append(client, source("s2"))
    assert "repeat the command" in gone.value.hint
    client.close()
    with Ledger.open(made, read_only=True) as reader:
        assert isinstance(reader.log, OwnedLog)
    with Ledger.open(made) as ledger:
        assert isinstance(ledger.log, OwnedLog)
        assert not (made / SERVICE).exists()
        assert append(ledger, source("s2")).last_seq == ledger.head.seq


def test_a_client_follows_a_service_that_was_started_again(
    made: Path, process: subprocess.Popen[bytes]
) -> None:
    with Ledger.open(made) as client:
        first = append(client, source())
        process.kill()
        process.wait()
        with serving(made) as served:
            assert append(client, source("s2")).last_seq > first.last_seq
            assert isinstance(client.log, RemoteLog)
            assert client.log.url == served.url
            assert set(client.state.sources) == {"s1", "s2"}


def test_a_home_held_without_a_service_is_busy(made: Path) -> None:
    with Ledger.open(made, doing="an import"):
        (made / SERVICE).write_text(json.dumps(
            {"url": "http://127.0.0.1:9", "token": "own_x", "pid": 1, "version": "0"}
        ))  # fmt: skip
        with pytest.raises(StoreBusyError, match="an import") as busy:
            Ledger.open(made, patience_s=0.1)
        assert "palimpsest serve" in busy.value.hint
    Ledger.open(made).close()


def test_it_leaves_when_nobody_is_connected(made: Path) -> None:
    with Ledger.open(made) as ledger:
        daemon = Daemon(ledger, home=made, idle_exit_s=0.5)
        thread = threading.Thread(target=daemon.run)
        thread.start()
        assert daemon.ready.wait(10)
        client = Ledger.open(made)
        append(client, source())
        time.sleep(1.5)
        assert thread.is_alive()  # the client is silent, but still there
        client.close()
        thread.join(20)
        assert not thread.is_alive()
        assert not (made / SERVICE).exists()


# --- the writer --------------------------------------------------------------------------


def test_appends_that_wait_share_commits_and_fail_alone(made: Path) -> None:
    with serving(made) as served:
        groups: list[int] = []
        log = served.daemon.desk.log
        carry_out = log.append_each

        def counted(appends: list[object]) -> object:
            groups.append(len(appends))
            time.sleep(0.05)
            return carry_out(appends)  # type: ignore[arg-type]

        log.append_each = counted  # type: ignore[method-assign,assignment]
        failures: list[str] = []

        def work(number: int) -> None:
            with Ledger.open(made) as client:
                for turn in range(4):
                    append(client, source(f"s{number}-{turn}"))
                try:
                    append(client, source(f"s{number}-0"))
                except StoreError:
                    raise
                except Exception as error:  # noqa: BLE001
                    failures.append(type(error).__name__)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert served.ledger.head.seq == 24
        assert failures == ["LedgerError"] * 6
        assert sum(groups) == 30
        assert len(groups) < 20
        assert max(groups) > 2


def test_a_writer_that_fails_answers_and_goes_on(
    made: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(made) as served:
        log = served.daemon.desk.log
        client = served.client()

        def broken(_: object) -> None:
            raise RuntimeError("a bug")

        log.append_each = broken  # type: ignore[method-assign,assignment]
        with pytest.raises(StoreError, match="the service failed"):
            append(client, source())
        del log.append_each
        assert append(client, source()).last_seq == 1
        assert "a bug" in caplog.text


def test_whoever_hangs_up_is_not_waited_for(made: Path) -> None:
    with Ledger.open(made) as ledger:
        log = ledger.log
        assert isinstance(log, OwnedLog)

        async def hang_up() -> None:
            working = writer.Writer(log, asyncio.get_running_loop())
            task = asyncio.create_task(working.append([draft(source())], None))
            await asyncio.sleep(0)
            task.cancel()
            await working.append([draft(source("s2"))], None)
            await asyncio.to_thread(working.stop)

        asyncio.run(hang_up())
        assert ledger.head.seq == 2


def test_the_log_is_tidied_in_quiet_moments(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUIET_S", 0.05)
    with serving(made) as served:
        tidied = threading.Event()
        served.daemon.desk.log.tidy = tidied.set  # type: ignore[method-assign]
        append(served.client(), source())
        assert tidied.wait(10)


def test_housekeeping_that_fails_is_said_once_and_tried_again(
    made: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "HOUSEKEEPING_S", 0.01)
    tries: list[Ledger] = []

    def counted(ledger: Ledger) -> tuple[str, ...]:
        tries.append(ledger)
        return remove_withdrawn(ledger)

    monkeypatch.setattr(housekeeping, "remove_withdrawn", counted)
    folder, file = made / "exports" / "first", made / "exports" / "second"
    folder.mkdir(parents=True)  # no file, so it cannot be deleted like one
    file.write_text("handed out", encoding="utf-8")
    with serving(made) as served:
        client = served.client()
        for name in ("first", "second"):
            issued = ExportIssued(
                export_id=name, purpose="memory", path=f"exports/{name}", sha256="", entries=[]
            )
            append(client, issued, ANN)
            append(client, ExportWithdrawn(export_id=name, reason_code="wrong"), ANN)
        tried = len(tries)
        until(lambda: len(tries) > tried + 2)
        assert file.exists()
        folder.rmdir()
        until(lambda: not file.exists())
    assert caplog.text.count("first cannot be deleted") == 1


def test_answers_leave_in_one_piece_and_in_order() -> None:
    class Wire(asyncio.Transport):
        def __init__(self) -> None:
            super().__init__({"socket": "s"})
            self.sent: list[bytes] = []
            self.done: list[str] = []

        def write(self, data: bytes | bytearray | memoryview) -> None:
            self.sent.append(bytes(data))

        def close(self) -> None:
            self.done.append("closed")

        def is_closing(self) -> bool:
            return bool(self.done)

        def pause_reading(self) -> None:
            self.done.append("paused")

        def resume_reading(self) -> None:
            self.done.append("resumed")

    async def send() -> Wire:
        wire = Wire()
        joined = JoinedTransport(wire)
        joined.write(b"head ")
        joined.write(b"body")
        assert wire.sent == []
        await asyncio.sleep(0)
        assert wire.sent == [b"head body"]
        joined.write(b"head ")
        joined.write(b"x" * 70_000)
        assert len(wire.sent) == 2
        joined.write(b"last")
        assert joined.get_extra_info("socket") == "s"
        assert not joined.is_closing()
        joined.pause_reading()
        joined.resume_reading()
        joined.close()
        await asyncio.sleep(0)
        return wire

    wire = asyncio.run(send())
    assert wire.sent[2] == b"last"
    assert wire.done == ["paused", "resumed", "closed"]


# --- started in the background -----------------------------------------------------------


@pytest.fixture
def background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(launch.OFF_VARIABLE)
    monkeypatch.setattr(launch, "IDLE_EXIT_S", 1)


@pytest.mark.usefixtures("background")
def test_a_service_is_started_once_and_leaves_by_itself(home: Path) -> None:
    assert launch.ensure(home, create=True)
    first = endpoint_of(home)
    assert first is not None
    with Ledger.open(home) as client:
        assert launch.ensure(home)
        assert endpoint_of(home) == first
        append(client, source())
        assert os.getsid(first.pid) == first.pid  # Ctrl-C in a terminal does not reach it
    until(lambda: not (home / SERVICE).exists())
    assert (home / launch.LOG).stat().st_size > 0
    with Ledger.open(home) as ledger:
        assert isinstance(ledger.log, OwnedLog)
        assert ledger.head.seq == 1


@pytest.mark.usefixtures("background")
def test_without_a_service_the_command_owns_the_home(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreError, match="no palimpsest home"):
        launch.ensure(tmp_path / "nowhere")
    with monkeypatch.context() as patch:
        patch.setenv(launch.OFF_VARIABLE, "0")
        assert not launch.ensure(made)
    with monkeypatch.context() as patch:
        patch.setattr("importlib.util.find_spec", lambda _: None)
        assert not launch.ensure(made)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/nowhere/python")
        assert not launch.ensure(made)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")  # starts, and gives up
        assert not launch.ensure(made)
    with monkeypatch.context() as patch:
        patch.setattr(launch, "START_S", 0.0)
        assert not launch.ensure(made)
        until(lambda: connected_and_closed(made))
        until(lambda: not (made / SERVICE).exists())
    with monkeypatch.context() as patch:

        def strange(_: Path) -> None:
            raise StoreError("belongs to another user")

        patch.setattr(launch, "connected", strange)
        assert not launch._answers(made)


def test_the_service_says_when_it_cannot_run(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "governance.service.daemon", None)
    result = RUNNER.invoke(cli.app, ["serve", "--home", str(made)])
    assert result.exit_code == 5
    assert "cannot run here" in result.stderr
