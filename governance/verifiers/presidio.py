"""Presidio's recognisers beside ours, for whoever installs and asks for them.

``pip install 'palimpsest-ledger[presidio]'`` and ``PALIMPSEST_PRESIDIO=1`` in the environment of
the process that owns the ledger. It runs on a blank spaCy pipeline: patterns and checksums, no
model, so no names. Nothing reaches the network: the list of public suffixes that tldextract would
fetch for e-mail addresses is the one in its package.

Asked for but not installed, it raises, and the verifier that uses it has failed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final, Protocol

ASKED_FOR: Final = "PALIMPSEST_PRESIDIO"
"""Environment variable; ``1`` asks for it."""

LANGUAGE: Final = "en"
MIN_SCORE: Final = 0.5
_ORDINARY: Final = frozenset({"DATE_TIME", "URL"})
"""What Presidio also finds and nobody's data is."""


class _Hit(Protocol):
    entity_type: str
    start: int
    end: int


class _Analyzer(Protocol):
    """Presidio's ``AnalyzerEngine``, as far as it is used here."""

    def analyze(self, *, text: str, language: str, score_threshold: float) -> Sequence[_Hit]: ...


def find_by_presidio(text: str) -> Iterator[tuple[str, str]]:
    """Kind and value of every hit, in order; nothing when nobody asked for it.

    Raises:
        ImportError: asked for, but Presidio or spaCy is not installed.
    """
    if os.environ.get(ASKED_FOR) != "1":
        return
    found = _analyzer().analyze(text=text, language=LANGUAGE, score_threshold=MIN_SCORE)
    for hit in sorted(found, key=lambda hit: (hit.start, hit.end)):
        if hit.entity_type not in _ORDINARY:
            kind = hit.entity_type.replace("_", " ").lower()
            yield f"{kind} (Presidio)", text[hit.start : hit.end]


@lru_cache(maxsize=1)
def _analyzer() -> _Analyzer:
    import spacy  # noqa: PLC0415  # optional
    import tldextract  # noqa: PLC0415  # optional
    from presidio_analyzer import AnalyzerEngine  # noqa: PLC0415  # optional
    from presidio_analyzer.nlp_engine import SpacyNlpEngine  # noqa: PLC0415  # optional

    # What `tldextract.extract` uses; without addresses it reads the list it came with.
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    engine = SpacyNlpEngine(models=[{"lang_code": LANGUAGE, "model_name": "blank"}])
    engine.nlp = {LANGUAGE: spacy.blank(LANGUAGE)}  # loaded, so that it downloads no model
    analyzer: _Analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=[LANGUAGE])
    return analyzer
