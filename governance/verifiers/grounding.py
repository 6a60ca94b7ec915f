"""Does the cited evidence say what the entry says?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import ClassVar, Final

from rapidfuzz import fuzz

from governance.events import Body, CardBody, CaseBody, FactBody, VerifierResult, text_of
from governance.facts import Fact, missing_facts
from governance.literals import find_mentions
from governance.textforms import skeleton, value_key
from governance.verifiers.protocol import VerificationContext, failed, passed

MIN_WORDS_SUPPORTED: Final = 0.5
"""Share of a statement's content words that must stand in the cited passage."""

MAX_ALIGNED_CHARS: Final = 2_000_000
"""Characters of the entry times characters cited up to which they are aligned: 0.1 s."""

_WORD = re.compile(r"\w+")
_SHORT: Final = 4
_COMMON: Final = frozenset({
    "about", "after", "also", "been", "before", "being", "between", "both", "cannot", "could",
    "does", "doing", "from", "further", "have", "having", "here", "hers", "herself", "himself",
    "into", "itself", "more", "most", "myself", "only", "other", "ours", "over", "same", "shall",
    "should", "some", "such", "than", "that", "their", "theirs", "them", "themselves", "then",
    "there", "these", "they", "this", "those", "through", "under", "until", "very", "want",
    "wants", "were", "what", "when", "where", "which", "while", "whom", "whose", "will", "with",
    "would", "your", "yours", "called", "known", "named",
})  # fmt: skip


class Grounding:
    """Spans resolve; the value stands in them; nothing else was made up.

    1. Every span resolves to text.
    2. The value (of a card: the answer) occurs in the cited characters: literally, or in
       another notation of the same number, date or name.
    3. Numbers, dates, identifiers and names elsewhere in the entry occur in the cited
       passage (span and context) or are known to the write path.
       A case is not asked: how a task ended is said by the recording system, not by the
       transcript, and judged by the verifier ``outcome``.
    4. At least half of the other content words occur there too, so that a grounded value
       cannot carry an invented sentence.

    ``score_ppm`` is rapidfuzz's best partial alignment of the entry in the cited text; it
    is shown to reviewers and decides nothing. A named person who cites nothing stands for
    the entry personally (DESIGN section 2, rule 5).
    """

    name: ClassVar[str] = "grounding"
    version: ClassVar[int] = 1

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails with what the evidence does not say."""
        if not context.citations:
            if context.author.kind == "human":
                return passed(self, f"stated by {context.author}")
            return failed(self, "no evidence is cited")
        problems = list(_problems(context))
        score = _alignment(text_of(context.body), context.cited)
        digest = context.evidence_digest
        if problems:
            return failed(self, "; ".join(problems), score_ppm=score, evidence_digest=digest)
        return passed(self, score_ppm=score, evidence_digest=digest)


def _alignment(text: str, cited: str) -> int | None:
    """Best partial alignment in parts per million; ``None`` where it would take too long."""
    if len(text) * len(cited) > MAX_ALIGNED_CHARS:
        return None
    return round(fuzz.partial_ratio(skeleton(text), skeleton(cited)) * 10_000)


def _problems(context: VerificationContext) -> Iterator[str]:
    for citation in context.citations:  # 1
        if citation.text is None:
            span = citation.span
            yield f"span {span.start}–{span.end} of {span.source_id} does not resolve"
    for value in _values(context.body):  # 2
        if not states(context.cited, value):
            yield f"the cited text does not say {value!r}"
    missing = _invented(context)
    if missing:  # 3
        yield "not in the evidence: " + ", ".join(missing)
    share = _words_supported(context)
    if share < MIN_WORDS_SUPPORTED:  # 4
        yield f"only {share:.0%} of its words stand in the evidence"


def states(text: str, value: str) -> bool:
    """True when ``text`` contains ``value``, literally or in another notation."""
    if not value_key(value):
        return False
    if f" {value_key(value)} " in f" {value_key(text)} ":
        return True
    if missing_facts(value, text):
        return False
    rest, position = "", 0
    for mention in find_mentions(value):
        rest += value[position : mention.start] + " "
        position = mention.end
    words = _words(rest + value[position:])
    if not words and not find_mentions(value):
        return False
    return words <= _words(text)


def _values(body: Body) -> tuple[str, ...]:
    """What must stand in the cited characters themselves."""
    if isinstance(body, FactBody):
        return (body.value,)
    if isinstance(body, CardBody):
        return (body.answer,)
    return ()


def _invented(context: VerificationContext) -> list[str]:
    """Facts of the entry that nothing supports, as text, each once.

    Words of the attribute count as told: naming the attribute is the model's part. Plans
    and calls are full of capitalised verbs, so names are not required of them.
    """
    named = _words(context.claim.attribute)
    learned = isinstance(context.body, FactBody | CardBody)
    claims = "\n".join(dict.fromkeys(_claims(context.body)))
    missing: tuple[Fact, ...] = ()
    for told in _widening(context, claims):
        missing = tuple(
            fact
            for fact in missing_facts(claims, told)
            if fact.kind != "name" or (learned and fact.value not in named)
        )
        if not missing:
            break
    return [str(fact) for fact in missing]


def _widening(context: VerificationContext, claims: str) -> Iterator[str]:
    """The cited text, then with related lines around it, then with all lines around it.

    Reading facts out of text is the costly part, and the first two nearly always do.
    """
    cited = f"{context.cited}\n{context.known}"
    yield cited
    wanted = frozenset(_words(claims))
    related = [line for line in context.context.splitlines() if wanted & _line_words(line)]
    yield "\n".join((cited, *related))
    yield f"{cited}\n{context.context}"


@lru_cache(maxsize=16_384)
def _line_words(line: str) -> frozenset[str]:
    return frozenset(word for word in _words(line) if len(word) >= _SHORT or not word.isalpha())


def _claims(body: Body) -> Iterator[str]:
    """Texts whose facts must stand in the passage."""
    if isinstance(body, FactBody):
        yield from (body.topic, body.statement)
    elif isinstance(body, CardBody):
        yield body.topic
        for question in (body.question, *body.rewordings, *body.probes):
            # "Tell me …": the capital that opens a question is no name.
            yield question[:1].lower() + question[1:]
    elif not isinstance(body, CaseBody):
        yield text_of(body)


def _words_supported(context: VerificationContext) -> float:
    """Share of the statement's content words found in the passage.

    Words of topic and attribute are not counted: naming the attribute is the model's part,
    and both are compared with other entries anyway.
    """
    body = context.body
    if not isinstance(body, FactBody):
        return 1.0
    named = _words(body.topic) | _words(body.attribute)
    content = {
        word
        for word in _words(body.statement) - named
        if len(word) >= _SHORT and word not in _COMMON
    }
    if not content:
        return 1.0
    told = _words(f"{context.cited}\n{context.known}\n{context.context}")
    return len(content & told) / len(content)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(value_key(text)))
