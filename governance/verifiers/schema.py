"""Is the entry well formed and consistent with itself?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from governance.events import Body, CardBody, CaseBody, FactBody, VerifierResult
from governance.textforms import value_key
from governance.verifiers.protocol import VerificationContext, failed, passed

MAX_TEXT_CHARS: Final = 10_000
MAX_VALUE_CHARS: Final = 400
MAX_LIST_ITEMS: Final = 32


class Schema:
    """Sizes, blanks, and that the fields of the body do not contradict one another.

    Types and unknown keys were refused earlier, when the body was parsed.
    """

    name: ClassVar[str] = "schema"
    version: ClassVar[int] = 1

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails with every problem found, in field order."""
        problems = [*_sizes(context), *_consistency(context.body)]
        return failed(self, "; ".join(problems)) if problems else passed(self)


def _sizes(context: VerificationContext) -> Iterator[str]:
    for field, value in context.body.model_dump(exclude={"kind"}).items():
        texts = value if isinstance(value, list) else [value]
        if len(texts) > MAX_LIST_ITEMS:
            yield f"{field} has {len(texts)} items, at most {MAX_LIST_ITEMS} are allowed"
        limit = (
            MAX_VALUE_CHARS
            if field in {"topic", "attribute", "value", "answer"}
            else MAX_TEXT_CHARS
        )
        for text in texts:
            if isinstance(text, str) and len(text) > limit:
                yield f"{field} has {len(text)} characters, at most {limit} are allowed"
            if isinstance(text, str) and text and not value_key(text):
                yield f"{field} is blank"


def _consistency(body: Body) -> Iterator[str]:
    if isinstance(body, FactBody):
        if not value_key(body.topic):
            yield "topic is missing"
        if not value_key(body.attribute):
            yield "attribute is missing"
        if value_key(body.value) not in value_key(body.statement):
            yield "the statement does not contain its value"
    elif isinstance(body, CardBody):
        trained = {value_key(text) for text in (body.question, *body.rewordings)}
        if trained & {value_key(text) for text in body.probes}:
            yield "a held-out probe is also trained"
        if value_key(body.question) == value_key(body.answer):
            yield "question and answer are the same"
    elif isinstance(body, CaseBody) and not (body.plan or value_key(body.outcome)):
        yield "a case needs a plan or an outcome"
