"""A model behind an OpenAI-compatible server: external channel only.

The weights are not here, so nothing can be trained into them and log-probabilities are
not scored: parametric arms are reported as unavailable. Requests ask for temperature 0
and a fixed seed; whether equal prompts give equal texts is up to the server.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self

import httpx

from agent.errors import ModelError
from agent.models.chat import ChatDialect
from agent.models.protocol import Dialect

KEY_VARIABLE: Final = "PALIMPSEST_API_KEY"
SEED: Final = 0
TIMEOUT_S: Final = 60.0
CONNECT_TIMEOUT_S: Final = 5.0
ATTEMPTS: Final = 4
BACKOFF_S: Final = 1.0
MAX_WAIT_S: Final = 30.0
PARALLEL: Final = 4
CONTEXT_TOKENS: Final = 8192
"""Assumed: the protocol does not say."""
CHARS_PER_TOKEN: Final = 4
_RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_JSON = Mapping[str, object]


class EndpointModel:
    """A chat model by URL. Implements LanguageModel. Thread-safe.

    Args:
        url: Base address such as ``http://localhost:8000/v1``.
        model: The served model's name.
        key: Bearer token, if the server wants one.
        transport: For tests; the network otherwise.
        sleep: Waits seconds between attempts.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = _parsed(url)
        self._model = model
        self._dialect = ChatDialect()
        self._sleep = sleep
        self._client = httpx.Client(
            base_url=self._url.copy_with(fragment=None, userinfo=b""),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            transport=transport,
            follow_redirects=False,
        )

    @classmethod
    def connect(
        cls,
        address: str,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Self:
        """The model at ``URL[#MODEL]``, the key taken from ``PALIMPSEST_API_KEY``.

        Asks the server once, so that a wrong address or key shows before any work is
        done; without ``#MODEL`` its first model is taken.

        Raises:
            ModelError: nobody answers, the key is refused, or it serves no such model.
        """
        model = cls(
            address,
            _parsed(address).fragment,
            key=os.environ.get(KEY_VARIABLE) or None,
            transport=transport,
            sleep=sleep,
        )
        served = model.served_models()
        if not model._model:
            model._model = served[0]
        elif model._model not in served:
            raise ModelError(
                f"{model._host} does not serve {model._model!r}",
                hint=f"it serves {', '.join(served[:5])}",
            )
        return model

    @property
    def model_id(self) -> str:
        """``endpoint:HOST/MODEL``; no credentials, no path."""
        return f"endpoint:{self._host}/{self._model}"

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the endpoint id: the weights behind it cannot be seen."""
        return hashlib.sha256(self.model_id.encode()).hexdigest()

    @property
    def dialect(self) -> Dialect:
        """Chat prompts and parsers."""
        return self._dialect

    @property
    def context_tokens(self) -> int:
        """An assumption: the protocol does not tell."""
        return CONTEXT_TOKENS

    def count_tokens(self, text: str) -> int:
        """About a token every four characters; the server's tokenizer is not here."""
        return -(-len(text) // CHARS_PER_TOKEN)

    def generate(self, prompts: Sequence[str], *, max_new_tokens: int) -> list[str]:
        """Replies in order, a few requests at a time.

        Raises:
            ModelError: the server cannot be reached, refuses, or answers nonsense.
        """
        if not prompts:
            return []
        with ThreadPoolExecutor(max_workers=min(PARALLEL, len(prompts))) as pool:
            return list(pool.map(lambda prompt: self._complete(prompt, max_new_tokens), prompts))

    def served_models(self) -> list[str]:
        """Names that ``/models`` lists.

        Raises:
            ModelError: it lists none, or the request failed.
        """
        listed = self._request("GET", "models").get("data")
        names = [
            str(item["id"])
            for item in (listed if isinstance(listed, list) else [])
            if isinstance(item, dict) and "id" in item
        ]
        if not names:
            raise ModelError(
                f"{self._host} lists no models",
                hint="is this the base address, ending in /v1? name one with endpoint:URL#MODEL",
            )
        return names

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def _host(self) -> str:
        return self._url.netloc.decode().rpartition("@")[2]

    def _complete(self, prompt: str, max_new_tokens: int) -> str:
        reply = self._request(
            "POST",
            "chat/completions",
            {
                "model": self._model,
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": max_new_tokens,
                "temperature": 0,
                "seed": SEED,
            },
        )
        try:
            content = reply["choices"][0]["message"]["content"]  # type: ignore[index]
        except (KeyError, IndexError, TypeError) as error:
            raise self._nonsense("a reply without choices[0].message.content") from error
        return content if isinstance(content, str) else ""

    def _request(self, method: str, path: str, body: _JSON | None = None) -> _JSON:
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            wait_s = min(BACKOFF_S * 2 ** (attempt - 1), MAX_WAIT_S)
            try:
                response = self._client.request(method, path, json=body)
            except httpx.TransportError as error:
                if last:
                    raise self._unreachable(error) from error
            else:
                if response.status_code not in _RETRIED or last:
                    return self._read(response)
                wait_s = _retry_after_s(response, wait_s)
            self._sleep(wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _read(self, response: httpx.Response) -> _JSON:
        status = response.status_code
        if status in {401, 403}:
            raise ModelError(
                f"{self._host} refused the key (HTTP {status})", hint=f"set {KEY_VARIABLE}"
            )
        if status == httpx.codes.TOO_MANY_REQUESTS:
            raise ModelError(
                f"{self._host} is over its rate limit (HTTP 429, {ATTEMPTS} attempts)",
                hint="wait, or ask for a higher limit",
            )
        if not response.is_success:
            raise ModelError(
                f"{self._host} answered HTTP {status}: {_complaint(response)}",
                hint="is this the base address of an OpenAI-compatible server, ending in /v1?",
            )
        try:
            reply = response.json()
        except ValueError as error:
            raise self._nonsense("something that is not JSON") from error
        if not isinstance(reply, dict):
            raise self._nonsense("JSON that is no object")
        return reply

    def _unreachable(self, error: httpx.TransportError) -> ModelError:
        reason = "no answer in time" if isinstance(error, httpx.TimeoutException) else str(error)
        return ModelError(
            f"{self._host} cannot be reached: {reason}",
            hint="is the server running, and the address right?",
        )

    def _nonsense(self, got: str) -> ModelError:
        return ModelError(
            f"{self._host} sent {got}", hint="is it an OpenAI-compatible server, address /v1?"
        )


def _parsed(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ModelError(
            f"endpoint address is malformed: {error}", hint="http://HOST/v1"
        ) from error
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ModelError(
            f"endpoint address {url!r} is not http(s)", hint="use endpoint:http://HOST:PORT/v1"
        )
    return parsed


def _retry_after_s(response: httpx.Response, fallback_s: float) -> float:
    """Seconds the server asks to wait, bounded; dates are not understood."""
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), MAX_WAIT_S) if asked.isdigit() else fallback_s


def _complaint(response: httpx.Response) -> str:
    """The server's own words, one line."""
    try:
        error = response.json().get("error")
    except (ValueError, AttributeError):
        error = None
    message = error.get("message") if isinstance(error, dict) else error
    text = str(message or response.reason_phrase or "no explanation")
    return " ".join(text.split())[:200]
