"""The API as HTTP: who is let in, what is refused and how, and its description."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from governance import wire
from governance.access import OWNER
from governance.client import RemoteLog
from governance.errors import LedgerError, SchemaVersionError
from governance.events import PAYLOADS
from governance.log import Receipt
from governance.service import desk, gate
from governance.service.routes import ROUTES
from tests.governance.desk import Desk
from tests.governance.drafts import append, draft, life, source
from tests.governance.serving import Served, serving


@pytest.fixture
def served(home: Path) -> Iterator[Served]:
    with serving(home) as running:
        yield running


class Reply:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = dict(response.getheaders())
        self.body = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return str(self.json["error"])


def ask(
    served: Served,
    method: str,
    path: str,
    body: object = None,
    *,
    token: str | None = "",
    headers: Mapping[str, str] | None = None,
    raw: bytes | None = None,
) -> Reply:
    """One plain request, as any HTTP client would send it; ``token=None`` sends none."""
    connection = http.client.HTTPConnection("127.0.0.1", served.daemon.desk.port, timeout=20)
    sent = {} if token is None else {"Authorization": f"Bearer {token or served.daemon.desk.token}"}
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    try:
        connection.request(method, path, data, sent | dict(headers or {}))
        return Reply(connection.getresponse())
    finally:
        connection.close()


def one_draft() -> dict[str, object]:
    made = draft(source())
    return {
        "type": "source.ingested", "payload": made.payload.model_dump(mode="json"),
        "actor": made.actor.model_dump(), "scope": made.scope.model_dump(),
    }  # fmt: skip


# --- who is let in -----------------------------------------------------------------------


def test_nothing_is_told_without_a_token(served: Served) -> None:
    for endpoint in ROUTES:
        path = endpoint.path.format(seq=1, level=0, index=0) if "{" in endpoint.path else (
            endpoint.path
        )  # fmt: skip
        reply = ask(served, endpoint.method, path, token=None)
        assert (reply.status == 200) == endpoint.open, path
        if not endpoint.open:
            assert (reply.status, reply.error) == (401, "TokenError")
            assert "Bearer" in reply.json["hint"]
    assert ask(served, "GET", "/v1/head").json["seq"] == 0


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Bearer nonsense", "not a token of this service"),
        ("Bearer pal_0_guess", "not known here"),
        ("Basic abc", "a token is needed"),
        ("Bearer ", "a token is needed"),
    ],
)
def test_a_wrong_token_is_refused(served: Served, header: str, words: str) -> None:
    reply = ask(served, "GET", "/v1/head", token=None, headers={"Authorization": header})
    assert reply.status == 401
    assert words in reply.json["message"]
    assert ask(served, "GET", "/v1/head").status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "", "127.0.0.1.evil.example"])
def test_another_host_name_is_turned_away_even_with_the_token(served: Served, host: str) -> None:
    reply = ask(served, "GET", "/v1/head", headers={"Host": host})
    assert (reply.status, reply.error) == (403, "NotAuthorisedError")
    assert ask(served, "GET", "/health", token=None, headers={"Host": host}).status == 403
    for good in ("localhost", "localhost:1", "127.0.0.1"):
        assert ask(served, "GET", "/v1/head", headers={"Host": good}).status == 200


def test_it_listens_on_this_machine_only(served: Served) -> None:
    assert served.daemon._socket.getsockname()[0] == "127.0.0.1"


def test_a_client_of_another_version_is_told_both(served: Served) -> None:
    reply = ask(served, "GET", "/v1/head", headers={wire.API_HEADER: "7"})
    assert (reply.status, reply.error) == (426, "SchemaVersionError")
    assert "speaks API 1" in reply.json["message"]
    assert "speaks 7" in reply.json["message"]


def test_health_proves_that_it_knows_a_token_for_this_port_only(served: Served) -> None:
    digest = wire.secret_digest(served.daemon.desk.token)
    port = served.daemon.desk.port
    found = ask(served, "GET", "/health?nonce=abc", token=None).json
    assert found["proof"] == wire.proof_of(digest, "abc", port)
    assert found["proof"] != wire.proof_of(digest, "abc", port + 1)
    assert ask(served, "GET", "/health", token=None).json["proof"] is None
    assert ask(served, "GET", "/health?nonce=abc&token=unknown", token=None).json["proof"] is None


# --- what is refused ---------------------------------------------------------------------


def test_requests_are_closed_records(served: Served) -> None:
    good = {"drafts": [one_draft()]}
    for wrong, words in (
        ({**good, "more": 1}, "more"),
        ({"drafts": []}, "drafts"),
        ({"drafts": [{**one_draft(), "type": "no.such"}]}, "no.such"),
        ({"drafts": [{**one_draft(), "payload": {"source_id": "x"}}]}, "source.ingested"),
        ({"drafts": [{**one_draft(), "actor": {"kind": "god", "id": "x"}}]}, "actor"),
        ([], "an object"),
    ):
        reply = ask(served, "POST", "/v1/append", wrong)
        assert reply.status in {409, 426}
        assert words in reply.json["message"]
    assert ask(served, "POST", "/v1/append", raw=b"{").status == 409
    assert ask(served, "POST", "/v1/append", good).json["last_seq"] == 1


def test_paths_that_do_not_exist_are_named(served: Served) -> None:
    reply = ask(served, "GET", "/v2/head")
    assert (reply.status, reply.error) == (409, "LedgerError")
    assert "/v2/head" in reply.json["message"]
    for path in ("/v1/headers/x", "/v1/headers/-1", f"/v1/headers/{'9' * 20}", "/v1/tiles/0/a"):
        assert "is not a number" in ask(served, "GET", path).json["message"]
    assert ask(served, "GET", "/v1/append").status in {405, 409}
    assert ask(served, "GET", "/v1/headers/1").error == "LedgerError"


def test_large_requests_are_refused_before_they_are_read(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_BODY_BYTES", 1_000)
    reply = ask(served, "POST", "/v1/append", raw=b"x" * 1_001)
    assert reply.status == 413
    chunked = ask(
        served, "POST", "/v1/append", headers={"Transfer-Encoding": "chunked"},
        raw=b"3e9\r\n" + b"x" * 1_001 + b"\r\n0\r\n\r\n",
    )  # fmt: skip
    assert chunked.status == 413
    small = {"drafts": [one_draft()]}
    assert ask(served, "POST", "/v1/append", small).status == 200


def test_a_body_in_pieces_is_one_body(served: Served) -> None:
    data = json.dumps({"text": "a"}).encode()
    with socket.create_connection(("127.0.0.1", served.daemon.desk.port), timeout=20) as raw:
        head = (
            "POST /v1/keyed HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: Bearer {served.daemon.desk.token}\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        raw.sendall(head.encode() + data[:5])
        raw.sendall(data[5:])
        answer = b"".join(iter(lambda: raw.recv(65_536), b""))
    assert b" 200 " in answer.splitlines()[0]
    assert served.ledger.keyed("a").encode() in answer


def test_errors_keep_their_class_or_its_nearest(served: Served) -> None:
    from governance.errors import DocumentParseError, GovernanceError, PolicyFileError

    assert wire.error_answer(LedgerError("x", hint="y")) == wire.ErrorAnswer(
        error="LedgerError", message="x", hint="y"
    )
    odd = PolicyFileError("bad", file="p.yaml", line=3)
    assert wire.error_answer(odd).error == "PolicyError"
    assert wire.error_answer(odd).message == "p.yaml:3: bad"
    assert wire.error_answer(DocumentParseError("bad", domain="csv")).error == "DriftError"
    back = wire.error_of(wire.ErrorAnswer(error="SelfReviewError", message="m", hint="h"))
    assert (type(back).__name__, str(back), back.hint) == ("SelfReviewError", "m", "h")
    unknown = wire.error_of(wire.ErrorAnswer(error="FutureError", message="m"))
    assert type(unknown).__name__ == "StoreError"
    assert isinstance(back, GovernanceError)


def test_statuses_come_near_what_happened() -> None:
    from governance import errors

    for kind, status in (
        (errors.TokenError, 401), (errors.NotAuthorisedError, 403), (errors.StoreError, 503),
        (errors.ChainError, 500), (errors.AppendConflictError, 409), (errors.ReviewError, 409),
    ):  # fmt: skip
        assert gate.status_of(kind("x")) == status


def test_what_nobody_foresaw_is_a_failure_of_the_service(
    served: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = served.client()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(type(served.daemon.desk), "about", broken)
        with pytest.raises(Exception, match=r"the service failed \(500\)") as caught:
            _ = client.public_key
    assert type(caught.value).__name__ == "StoreError"
    assert client.public_key == served.ledger.public_key
    assert "a bug" in caplog.text


def test_only_http_is_spoken() -> None:
    async def never(*_: object) -> Any:
        raise AssertionError("nothing is asked or told")

    made = gate.Gate(never, authenticate=lambda _: OWNER, append=never)
    asyncio.run(made({"type": "websocket"}, never, never))


def test_a_checkout_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wire.software_version()

    def unknown(_: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr(wire, "version", unknown)
    assert wire.software_version() == "unknown"


# --- paging ------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "value"), [("PAGE_EVENTS", 3), ("PAGE_BYTES", 1_000)])
def test_events_come_in_pages_of_bounded_size(
    served: Served, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    append(served.ledger, source())
    for number in range(5):
        served.ledger.append(life(f"e{number}"))
    whole = list(served.ledger.events())
    client = served.client()
    monkeypatch.setattr(desk, limit, value)
    assert list(client.events()) == whole
    assert [e.header.seq for e in client.events(types=["entry.proposed"])] == [2, 6, 10, 14, 18]
    reply = ask(served, "POST", "/v1/events", {})
    assert reply.headers[wire.HEAD_HEADER] == "21"
    assert int(reply.headers[wire.NEXT_HEADER]) == len(reply.body.splitlines()) + 1
    assert len(reply.body.splitlines()) < 10


def test_pages_end_at_the_head_there_was(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.ledger.append([draft(source(f"s{number}")) for number in range(5)])
    client = served.client()
    monkeypatch.setattr(desk, "PAGE_EVENTS", 2)
    reading = client.events()
    append(served.ledger, source("later"))
    assert [event.header.seq for event in reading] == [1, 2, 3, 4, 5]


def test_an_erased_payload_and_an_unknown_type_on_the_wire(served: Served) -> None:
    append(served.ledger, source())
    event = served.ledger.event(1)
    line = json.loads(wire.encoded_event(event))
    assert wire.decoded_event(json.dumps(line).encode()) == event
    erased = wire.decoded_event(json.dumps({**line, "payload": None}).encode())
    assert (erased.header, erased.payload) == (event.header, None)
    newer = {**line, "header": {**line["header"], "type": "dream.recorded"}}
    with pytest.raises(SchemaVersionError, match=r"dream\.recorded"):
        wire.decoded_event(json.dumps(newer).encode())
    with pytest.raises(Exception, match="the service sent no event"):
        wire.decoded_event(b"{}")


# --- its description ---------------------------------------------------------------------


def test_the_description_covers_every_route_and_holds_what_is_answered(served: Served) -> None:
    document = ask(served, "GET", "/openapi.json", token=None).json
    assert document["openapi"].startswith("3.1")
    assert {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    } == {(endpoint.method, endpoint.path) for endpoint in ROUTES}
    names = document["components"]["schemas"]
    assert {model.__name__ for model in PAYLOADS.values()} <= names.keys()
    for schema in names.values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert names["AppendBody"]["additionalProperties"] is False
    identities = [
        operation["operationId"]
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    assert len(set(identities)) == len(identities)

    def resolved(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                assert node["$ref"].rpartition("/")[2] in names
            for value in node.values():
                resolved(value)
        elif isinstance(node, list):
            for value in node:
                resolved(value)

    resolved(document)


def test_requests_and_answers_keep_to_the_description(served: Served) -> None:
    document = ask(served, "GET", "/openapi.json", token=None).json
    Desk(served.ledger).fact("deductible", "300 EUR")

    def check(name: str, value: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(value)

    check("AppendBody", {"drafts": [one_draft()]})
    with pytest.raises(jsonschema.ValidationError):
        check("AppendBody", {"drafts": [{**one_draft(), "type": "no.such"}]})
    check("ReceiptBody", ask(served, "POST", "/v1/append", {"drafts": [one_draft()]}).json)
    check("AboutAnswer", ask(served, "GET", "/v1/about").json)
    check("HeadAnswer", ask(served, "GET", "/v1/head").json)
    check("VerifyAnswer", ask(served, "POST", "/v1/verify", {}).json)
    check("ErrorAnswer", ask(served, "GET", "/v1/nothing").json)
    steps = {"kind": "entry", "start": 1, "stop": 99, "types": ["entry.proposed"]}
    check("StepsAnswer", ask(served, "POST", "/v1/last-steps", steps).json)
    for line in ask(served, "POST", "/v1/events", {}).body.splitlines():
        check("EventLine", json.loads(line))


def test_a_client_and_the_owner_read_the_same(served: Served) -> None:
    Desk(served.ledger).fact("deductible", "300 EUR")
    log = served.client().log
    assert isinstance(log, RemoteLog)
    assert list(log.select(1, 99)) == list(served.ledger.log.select(1, 99))
    assert log.receipt("nothing") is None
    assert isinstance(log.append([draft(source("s2"))]), Receipt)
