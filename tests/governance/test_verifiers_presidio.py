"""The adapter for Presidio, against stand-ins: Presidio itself is not installed for the tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from governance.events import FactBody
from governance.verifiers import presidio, run_verifiers
from governance.verifiers.personal import Personal
from tests.governance.evidence import context

TEXT = "Ring 8.8.4.4 or see https://x.example on 4 May."
BODY = FactBody(topic="t", attribute="a", value="x", statement=TEXT)


class Stand:
    """What the three packages were asked to do."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.suffix_list: dict[str, Any] = {}
        self.engine: Any = None

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tldextract = ModuleType("tldextract")
        tldextract.tldextract = SimpleNamespace(TLD_EXTRACTOR="fetches")  # type: ignore[attr-defined]
        tldextract.TLDExtract = self.extractor  # type: ignore[attr-defined]
        spacy = ModuleType("spacy")
        spacy.blank = lambda language: f"blank {language}"  # type: ignore[attr-defined]
        analyzer, nlp = ModuleType("presidio_analyzer"), ModuleType("presidio_analyzer.nlp_engine")
        nlp.SpacyNlpEngine = lambda **given: SimpleNamespace(nlp=None, **given)  # type: ignore[attr-defined]
        analyzer.AnalyzerEngine = self.make  # type: ignore[attr-defined]
        for module in (tldextract, spacy, analyzer, nlp):
            monkeypatch.setitem(sys.modules, module.__name__, module)
        self.tldextract: Any = tldextract

    def extractor(self, **given: Any) -> str:
        self.suffix_list = given
        return "offline"

    def make(self, **given: Any) -> Stand:
        self.engine = given["nlp_engine"]
        return self

    def analyze(self, **given: Any) -> list[SimpleNamespace]:
        self.calls.append(given)
        kinds = {"URL": "https://x.example", "IP_ADDRESS": "8.8.4.4", "DATE_TIME": "4 May"}
        return [
            SimpleNamespace(
                entity_type=kind, start=given["text"].index(said),
                end=given["text"].index(said) + len(said),
            )
            for kind, said in kinds.items()
            if said in given["text"]
        ]  # fmt: skip


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    presidio._analyzer.cache_clear()
    yield
    presidio._analyzer.cache_clear()


def test_it_is_asked_only_when_somebody_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand()
    stand.install(monkeypatch)
    monkeypatch.delenv(presidio.ASKED_FOR, raising=False)
    assert Personal().verify(context(BODY)).outcome == "pass"
    assert stand.calls == []
    monkeypatch.setenv(presidio.ASKED_FOR, "1")
    result = Personal().verify(context(BODY))
    assert (result.outcome, result.detail) == ("fail", "ip address (Presidio) …")
    assert stand.calls[0]["language"] == "en"


def test_it_loads_no_model_and_fetches_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    stand = Stand()
    stand.install(monkeypatch)
    monkeypatch.setenv(presidio.ASKED_FOR, "1")
    list(presidio.find_by_presidio(TEXT))
    assert stand.engine.nlp == {"en": "blank en"}
    assert stand.suffix_list == {"suffix_list_urls": (), "cache_dir": None}
    assert stand.tldextract.tldextract.TLD_EXTRACTOR == "offline"


def test_asked_for_and_not_installed_is_a_failed_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    monkeypatch.setitem(sys.modules, "spacy", None)
    monkeypatch.setenv(presidio.ASKED_FOR, "1")
    [found] = run_verifiers(context(BODY), [Personal()]).results
    assert (found.outcome, found.detail) == ("error", "did not run: ModuleNotFoundError")
    monkeypatch.setenv(presidio.ASKED_FOR, "0")
    [found] = run_verifiers(context(BODY), [Personal()]).results
    assert found.outcome == "pass"
