from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from agent.errors import ModelError
from agent.models.endpoint import ATTEMPTS, KEY_VARIABLE, EndpointModel
from agent.models.protocol import LanguageModel

Handler = Callable[[httpx.Request], httpx.Response]
URL = "http://models.test:8000/v1"


def _reply(content: object) -> httpx.Response:
    return httpx.Response(200, json={"choices": [{"message": {"content": content}}]})


def _listing(*names: str) -> httpx.Response:
    return httpx.Response(200, json={"data": [{"id": name} for name in names]})


def _model(handler: Handler, waits: list[float] | None = None) -> EndpointModel:
    return EndpointModel(
        URL,
        "qwen",
        key="secret",
        transport=httpx.MockTransport(handler),
        sleep=(waits if waits is not None else []).append,
    )


def test_prompts_are_asked_greedily_with_a_seed_and_answers_keep_their_order() -> None:
    bodies: list[dict[str, object]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        assert request.url == f"{URL}/chat/completions"
        assert request.headers["Authorization"] == "Bearer secret"
        body = json.loads(request.content)
        bodies.append(body)
        return _reply(body["messages"][0]["content"].upper())

    model: LanguageModel = _model(handler)
    prompts = [f"prompt {i}" for i in range(9)]
    assert model.generate(prompts, max_new_tokens=7) == [p.upper() for p in prompts]
    assert all(
        (b["model"], b["temperature"], b["seed"], b["max_tokens"]) == ("qwen", 0, 0, 7)
        for b in bodies
    )
    assert model.generate([], max_new_tokens=7) == []


def test_the_id_names_host_and_model_and_no_secret() -> None:
    model = EndpointModel(
        "https://user:pass@models.test/v1",
        "qwen",
        transport=httpx.MockTransport(lambda _: _reply("x")),
    )
    assert model.model_id == "endpoint:models.test/qwen"
    assert len(model.digest) == 64
    assert model.digest != _model(lambda _: _reply("x")).digest
    assert model.count_tokens("12345") == 2
    assert model.context_tokens > 0
    assert model.dialect.answer_target("x") == "x"
    model.close()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_failure_is_retried_with_growing_waits(status: int) -> None:
    waits: list[float] = []
    answers = [httpx.Response(status), httpx.Response(status), _reply("ok")]
    model = _model(lambda _: answers.pop(0), waits)
    assert model.generate(["x"], max_new_tokens=1) == ["ok"]
    assert waits == [1.0, 2.0]


def test_the_server_may_say_how_long_to_wait() -> None:
    waits: list[float] = []
    answers = [
        httpx.Response(429, headers={"Retry-After": "7"}),
        httpx.Response(429, headers={"Retry-After": "9999"}),
        httpx.Response(503, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        _reply("ok"),
    ]
    assert _model(lambda _: answers.pop(0), waits).generate(["x"], max_new_tokens=1) == ["ok"]
    assert waits == [7.0, 30.0, 4.0]


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (httpx.Response(401), "refused the key"),
        (httpx.Response(403), "refused the key"),
        (httpx.Response(429), "rate limit"),
        (httpx.Response(500), "HTTP 500"),
        (httpx.Response(404, json={"error": {"message": "no\nsuch model"}}), "no such model"),
        (httpx.Response(400, json=[1]), "HTTP 400: Bad Request"),
        (httpx.Response(302, headers={"Location": "http://else.test"}), "HTTP 302"),
        (httpx.Response(200, text="<html>"), "not JSON"),
        (httpx.Response(200, json=[1]), "no object"),
        (httpx.Response(200, json={"choices": []}), "without choices"),
    ],
)
def test_refusals_and_nonsense_are_named(response: httpx.Response, message: str) -> None:
    waits: list[float] = []
    with pytest.raises(ModelError, match=message) as caught:
        _model(lambda _: response, waits).generate(["x"], max_new_tokens=1)
    assert caught.value.hint
    assert "secret" not in str(caught.value)
    assert len(waits) == (ATTEMPTS - 1 if response.status_code in {429, 500} else 0)
    assert _model(lambda _: _reply(None)).generate(["x"], max_new_tokens=1) == [""]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (httpx.ConnectError("Connection refused"), "Connection refused"),
        (httpx.ReadTimeout("x"), "no answer in time"),
    ],
)
def test_an_unreachable_server_is_named(error: httpx.TransportError, message: str) -> None:
    def fails(_request: httpx.Request) -> httpx.Response:
        raise error

    waits: list[float] = []
    with pytest.raises(ModelError, match=f"models.test:8000 cannot be reached: {message}"):
        _model(fails, waits).generate(["x"], max_new_tokens=1)
    assert waits == [1.0, 2.0, 4.0]


def _connect(address: str, handler: Handler) -> EndpointModel:
    return EndpointModel.connect(
        address, transport=httpx.MockTransport(handler), sleep=lambda _: None
    )


def test_connecting_takes_the_named_model_or_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers.get("Authorization"))
        return _listing("first", "second")

    monkeypatch.setenv(KEY_VARIABLE, "k1")
    assert _connect(URL, handler).model_id == "endpoint:models.test:8000/first"
    monkeypatch.delenv(KEY_VARIABLE)
    assert _connect(f"{URL}#second", handler).model_id == "endpoint:models.test:8000/second"
    assert keys == ["Bearer k1", None]
    with pytest.raises(ModelError, match="does not serve 'third'") as caught:
        _connect(f"{URL}#third", handler)
    assert "first, second" in caught.value.hint
    with pytest.raises(ModelError, match="lists no models"):
        _connect(URL, lambda _: httpx.Response(200, json={"data": "x"}))


@pytest.mark.parametrize(
    "address", ["models.test", "ftp://models.test", "http://", "http://x:port", ""]
)
def test_a_malformed_address_is_refused(address: str) -> None:
    with pytest.raises(ModelError, match="address"):
        _connect(address, lambda _: _listing("x"))


def test_a_real_server_on_this_machine_answers() -> None:
    class Server(BaseHTTPRequestHandler):
        def _send(self, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self._send({"data": [{"id": "tiny"}]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._send({"choices": [{"message": {"content": "Rome"}}]})

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            model = EndpointModel.connect(f"http://127.0.0.1:{server.server_port}/v1")
            assert model.generate(["capital of Italy?"], max_new_tokens=4) == ["Rome"]
            model.close()
        finally:
            server.shutdown()
            thread.join()
