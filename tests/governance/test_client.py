"""The client's side: whom it trusts, how it reconnects, and what it makes of nonsense."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from governance import client as clients
from governance import line, loopback, wire
from governance.client import RemoteLog, connected, connected_by_environment, connected_url
from governance.errors import (
    LedgerError,
    SchemaVersionError,
    StoreError,
    TokenError,
)
from governance.ledger import Ledger, verify_home
from governance.loopback import Channel, Dropped
from governance.ownership import SERVICE, Endpoint
from governance.service import routes
from tests.governance.desk import DESK
from tests.governance.drafts import append, draft, source
from tests.governance.erasable import NORA, erased, fill
from tests.governance.serving import Served, serving

Handler = Callable[[bytes], bytes]


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    with serving(home) as running:
        yield running


@contextmanager
def answering(handler: Handler, *, turns: int = 1) -> Iterator[tuple[int, list[bytes]]]:
    """A program on some port that takes one request a connection and says ``handler(it)``."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def serve() -> None:
            for _ in range(turns):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(65_536))
                    connection.sendall(handler(heard[-1]))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], heard
        finally:
            server.close()
            thread.join(25)


def http(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def health(**changes: object) -> bytes:
    fields = {"status": "ok", "api": wire.API_VERSION, "version": "9.9", "proof": "00"}
    return http(json.dumps(fields | changes).encode())


# --- whom it trusts ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [http(b"hello"), http(b"{}"), health(), health(proof=None), b"\x00\x01 nonsense\r\n\r\n", b""],
    ids=["text", "empty", "wrong proof", "no proof", "no http", "nothing"],
)
def test_a_program_on_a_reused_port_gets_no_token(home: Path, answer: bytes) -> None:
    home.mkdir()
    with answering(lambda _: answer) as (port, heard):
        stale = {"url": f"http://127.0.0.1:{port}", "token": "own_secret", "pid": 1, "version": "0"}
        (home / SERVICE).write_text(json.dumps(stale))
        assert connected(home) is None
    assert len(heard) == 1
    assert b"own_secret" not in heard[0]
    assert b"authorization" not in heard[0].lower()


def test_a_live_service_cannot_answer_for_another_port(served: Served) -> None:
    """A relay that passes the question on gets an answer for the wrong port."""

    def relay(request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", served.daemon.desk.port)) as real:
            real.sendall(request.replace(b"Host:", b"Connection: close\r\nHost:"))
            return b"".join(iter(lambda: real.recv(65_536), b""))

    with (
        answering(relay) as (port, heard),
        pytest.raises(StoreError, match="another service answers"),
    ):
        connected_url(f"http://127.0.0.1:{port}", served.daemon.desk.token)
    assert served.daemon.desk.token.encode() not in heard[0]
    connected_url(served.url, served.daemon.desk.token).close()


def test_a_service_of_another_version_is_named(home: Path) -> None:
    with (
        answering(lambda _: health(api=7)) as (port, heard),
        pytest.raises(SchemaVersionError, match=r"9\.9 with API 7.*with API 1"),
    ):
        connected_url(f"http://localhost:{port}", "own_secret")
    assert b"own_secret" not in heard[0]


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1", "http://10.0.0.1:80", "http://127.0.0.1", "127.0.0.1:80", ""]
)
def test_only_this_machine_is_spoken_to(url: str) -> None:
    with pytest.raises(StoreError, match="not the address of a service on this machine"):
        connected_url(url, "own_x")


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(StoreError, match="no palimpsest service answers"):
        connected_url(f"http://127.0.0.1:{port}", "own_x")
    assert connected(Path("/nowhere")) is None


# --- by the environment ------------------------------------------------------------------


def test_a_principal_without_the_files_works_by_url_and_token(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connected_by_environment() is None
    token = served.principal("agent:bot", DESK)
    monkeypatch.setenv(clients.URL_VARIABLE, served.url)
    with pytest.raises(TokenError, match="PALIMPSEST_TOKEN is not"):
        Ledger.open(tmp_path / "none")
    monkeypatch.setenv(clients.TOKEN_VARIABLE, token.text)
    with Ledger.open(tmp_path / "none", create=True) as ledger:
        assert ledger.bounds == DESK
    with Ledger.open(tmp_path / "none", read_only=True) as ledger:
        with pytest.raises(StoreError, match="for reading only"):
            append(ledger, source())
        with pytest.raises(StoreError, match="for reading only"):
            ledger.rebuild_projections()
    assert not (tmp_path / "none").exists()
    assert verify_home(tmp_path / "none").ok


# --- connections -------------------------------------------------------------------------


def test_a_dropped_connection_is_made_anew_and_an_append_happens_once(served: Served) -> None:
    log = served.remote()
    ledger = Ledger(log)
    append(ledger, source())
    for channel in log._line._idle:
        channel._socket.shutdown(socket.SHUT_RDWR)
    assert append(ledger, source("s2")).last_seq == 2
    broken = Channel.exchange
    calls = 0

    def lost(self: Channel, request: bytes, *, timeout_s: float) -> loopback.Answer:
        nonlocal calls
        answer = broken(self, request, timeout_s=timeout_s)
        if b"/v1/append" in request:
            calls += 1
            if calls == 1:
                raise Dropped("after it was carried out")
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Channel, "exchange", lost)
        receipt = append(ledger, source("s3"))
    assert (receipt.last_seq, receipt.repeated, calls) == (3, True, 2)
    assert served.ledger.head.seq == 3


def test_a_rotation_is_never_sent_twice(served: Served) -> None:
    log = served.remote()
    append(Ledger(log), source())
    exchange = Channel.exchange

    def lost(self: Channel, request: bytes, *, timeout_s: float) -> loopback.Answer:
        answer = exchange(self, request, timeout_s=timeout_s)
        if b"/v1/keys" in request:
            raise Dropped("after it was carried out")
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Channel, "exchange", lost)
        with pytest.raises(StoreError, match="is gone"):
            log.rotate_key(draft(source()).actor, "once")
    assert len(served.ledger.rotations()) == 1


def test_threads_share_a_client(served: Served) -> None:
    log = served.remote()
    ledger = Ledger(log)

    def work(number: int) -> None:
        for turn in range(5):
            append(ledger, source(f"s{number}-{turn}"))
            assert f"s{number}-{turn}" in ledger.state.sources

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert served.ledger.head.seq == 20
    assert len(ledger.state.sources) == 20
    assert 1 <= len(log._line._idle) <= 4


def test_a_connection_that_the_service_ends_is_not_kept(served: Served) -> None:
    log = served.remote()
    with pytest.MonkeyPatch.context() as patch:
        exchange = Channel.exchange

        def last(self: Channel, request: bytes, *, timeout_s: float) -> loopback.Answer:
            answer = exchange(self, request, timeout_s=timeout_s)
            headers = {**answer.headers, "connection": "close"}
            return loopback.Answer(answer.status, headers, answer.body)

        patch.setattr(Channel, "exchange", last)
        assert log.head.seq == 0
    assert log._line._idle == []
    assert log.head.seq == 0


def test_a_service_that_does_not_answer_in_time(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = served.remote()

    def slow(self: Channel, request: bytes, *, timeout_s: float) -> loopback.Answer:
        raise TimeoutError

    monkeypatch.setattr(Channel, "exchange", slow)
    with pytest.raises(StoreError, match="did not answer within 60 s") as late:
        _ = log.head
    assert "happens only once" in late.value.hint


def test_a_new_address_that_does_not_answer_either(served: Served) -> None:
    where = served.daemon.endpoint
    found = [Endpoint("http://127.0.0.1:9", where.token, 1, "")]
    log = RemoteLog(where, locate=lambda: found[0])
    log.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log._line, "_port", 9)
        with pytest.raises(StoreError, match="is gone"):
            _ = log.head
    assert log.url == "http://127.0.0.1:9"
    found[0] = where
    assert log.head.seq == 0
    log.close()


def test_a_service_that_did_not_move_is_gone(served: Served) -> None:
    where = served.daemon.endpoint
    found: list[Endpoint | None] = [where]
    log = RemoteLog(where, locate=lambda: found[0])
    log.close()
    for here in (where, None):
        found[0] = here
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(log._line, "_port", 9)
            with pytest.raises(StoreError, match="is gone"):
                _ = log.head
    assert log.head.seq == 0
    log.close()


def test_a_client_tells_what_the_owner_would_to_whoever_checks(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "PAGE_HEADERS", 2)
    owner, other = served.ledger, served.client()
    fill(owner)
    head = owner.head.seq
    before = owner.now_us()
    assert before <= other.now_us() <= owner.now_us()
    assert other.origin == owner.origin
    assert other.first_key == owner.first_key
    assert other.checkpoints() == owner.checkpoints() != []
    for stop in (0, 1, 2, 5, head):
        assert list(other.headers(stop)) == list(owner.headers(stop))
    assert other.disclose(1) == owner.disclose(1) is not None
    told: list[int] = []
    assert other.verify(progress=told.append) == owner.verify()
    assert told == [head]
    erased(owner, person=NORA)
    assert other.disclose(1) == owner.disclose(1) is None


def test_a_service_that_refuses_to_say_what_it_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(home) as served:
        token = served.daemon.desk.token
        refusal = wire.error_answer(LedgerError("not now"))
        refused = loopback.Answer(503, {}, refusal.model_dump_json().encode())
        with monkeypatch.context() as patch:
            patch.setattr(line.Line, "ask", lambda *_, **__: refused)
            with pytest.raises(LedgerError, match="not now"):
                connected_url(served.url, token)
        log = connected_url(served.url, token)
        assert log.head.seq == 0
        log.close()


def test_state_moves_on_or_is_made_anew(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    log = served.remote()
    append(served.ledger, source())
    first = log.state
    assert log.state is first
    append(served.ledger, source("s2"))
    second = log.state
    assert second is not first
    assert set(first.sources) == {"s1"}
    assert set(second.sources) == {"s1", "s2"}
    monkeypatch.setattr(clients, "FAR", 1)
    served.ledger.append([draft(source("s3")), draft(source("s4"))])
    third = log.state
    assert set(third.sources) == {"s1", "s2", "s3", "s4"}
    log._state = second
    other = third.fork()

    def overtaken(*_: object, **__: object) -> object:
        log._state = other  # by another thread, meanwhile
        return third

    monkeypatch.setattr(clients, "state_of", overtaken)
    assert log.state is third
    assert log._state is other


# --- nonsense ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "does not speak HTTP"),
        (b"nothing\r\ncontent-length: 0\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 x\r\ncontent-length: 0\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "too long"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", "broke off"),
        (b"HTTP/1.1 200 OK\r\ncontent", "broke off"),
        (b"x" * 70_000, "no end of its headers"),
    ],
)
def test_what_is_no_answer_is_an_error_of_the_line(answer: bytes, words: str) -> None:
    with answering(lambda _: answer) as (port, _):
        channel = Channel("127.0.0.1", port)
        with pytest.raises(OSError, match=words) as caught:
            channel.exchange(b"GET / HTTP/1.1\r\n\r\n", timeout_s=20)
        assert not isinstance(caught.value, Dropped)
        channel.close()


def test_closed_before_an_answer_is_a_drop() -> None:
    with answering(lambda _: b"") as (port, _):
        channel = Channel("127.0.0.1", port)
        with pytest.raises(Dropped):
            channel.exchange(b"GET / HTTP/1.1\r\n\r\n", timeout_s=20)
        channel.close()
    ours, theirs = socket.socketpair()
    channel._socket = ours
    theirs.close()
    with pytest.raises(Dropped, match="while idle"):
        channel.exchange(b"x", timeout_s=20)
    ours.close()

    class Reset:
        def settimeout(self, _: float) -> None: ...
        def sendall(self, _: bytes) -> None: ...
        def recv(self, _: int) -> bytes:
            raise ConnectionResetError

    channel._socket = Reset()  # type: ignore[assignment]
    with pytest.raises(Dropped, match="without an answer"):
        channel.exchange(b"x", timeout_s=20)


def test_an_answer_in_pieces_and_one_that_follows_it() -> None:
    class Pieces:
        parts = [b"HTTP/1.1 200 OK\r\nContent-", b"Length: 5\r\n\r\nhe", b"lloHTTP/1.1 404 No\r\n",
                 b"content-length: 0\r\n\r\n"]  # fmt: skip

        def settimeout(self, _: float) -> None: ...
        def sendall(self, _: bytes) -> None: ...
        def recv(self, _: int) -> bytes:
            return self.parts.pop(0)

    channel = object.__new__(Channel)
    channel._socket, channel._pending = Pieces(), b""  # type: ignore[assignment]
    first = channel.exchange(b"x", timeout_s=1)
    assert (first.status, first.body, first.headers) == (200, b"hello", {"content-length": "5"})
    assert channel.exchange(b"x", timeout_s=1).status == 404


def test_an_answer_that_is_not_ours_is_a_store_error(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = served.remote()

    def say(status: int, body: bytes) -> None:
        answer = loopback.Answer(status, {}, body)
        monkeypatch.setattr(line.Line, "ask", lambda *_, **__: answer)

    say(200, b"{}")
    with pytest.raises(StoreError, match="sent something else"):
        _ = log.head
    say(502, b"<html>")
    with pytest.raises(StoreError, match=r"the service failed \(502\)"):
        _ = log.head
    say(409, b'{"error": "LedgerError", "message": "m", "hint": "h"}')
    with pytest.raises(LedgerError, match="m"):
        _ = log.head
    say(200, b'{"seq": 3, "root": "ab"}')
    assert log.head.seq == 3
