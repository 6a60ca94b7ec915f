"""Element diff and reconstruction score of one document against another.

With n elements in the original, m in the current document, M matched pairs of similarity
``s`` in [0, 1] and credit ``c = s``, or ``c = MOVE_CREDIT * s`` for a pair that moved::

    kept      = sum(c)
    recall    = kept / n            what is left of the original
    precision = kept / m            how much of the document is the original's
    overlap   = kept / (n + m - M)  a generalised Jaccard index, <= min(recall, precision)
    score     = overlap * (1 + frame) / 2

``frame`` is the overlap of the frame elements (1 where there are none). Therefore

* the score is 1 exactly when nothing but layout differs, and equivalent spellings
  (0.2 kg and 200 g, another order of JSON members) are layout;
* losing K of N elements never scores above 1 - K/N: kept <= N - K, n + m - M >= N;
* every addition, duplicate, move and field change lowers it;
* an element counts once: damage to one costs at most 1/N, unlike scores that square.

Scores are also given in whole millionths (ppm), rounded down, because hashed records hold
no floats; 1_000_000 ppm therefore still means "nothing changed".
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from rapidfuzz.distance import Indel

from governance.canonical import JsonValue
from governance.drift.domains.elements import Domain, Element
from governance.drift.matching import Pair, match_elements
from governance.errors import DocumentParseError

PPM: Final = 1_000_000
MOVE_CREDIT: Final = 0.75
"""What an element keeps of its worth when it is all there but in another place."""
DIFFLIB_LIMIT: Final = 1_000
"""Words up to which difflib compares words; beyond, sentences (it takes quadratic time)."""

_SENTENCE_BREAK = re.compile(r"(?<=[.!?])\s+|\n+")

OperationKind: TypeAlias = Literal["delete", "insert", "substitute", "move", "duplicate", "format"]


@dataclass(frozen=True)
class FieldChange:
    """One field of a substituted element; None where a side has no such field."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Operation:
    """One difference. Indexes count parsed elements from 0, None where there is none."""

    kind: OperationKind
    element: str
    key: str
    index_before: int | None
    index_after: int | None
    location_before: str
    location_after: str
    before: str | None
    after: str | None
    fields: tuple[FieldChange, ...] = ()
    frame: bool = False

    @property
    def location(self) -> str:
        """Where to look: the place in the original, or of the addition; with its fields."""
        place = self.location_before or self.location_after
        names = ", ".join(change.name for change in self.fields)
        return f"{place} ({names})" if names else place

    def to_dict(self) -> dict[str, JsonValue]:
        """Strings, integers and null only; safe to record."""
        return {
            "operation": self.kind,
            "element": self.element,
            "key": self.key,
            "location": self.location,
            "location_after": self.location_after,
            "before": self.before,
            "after": self.after,
            "fields": [
                {"name": change.name, "before": change.before, "after": change.after}
                for change in self.fields
            ],
        }


@dataclass(frozen=True)
class ElementDiff:
    """What happened between two documents, and the score that follows from it.

    ``error`` says why the current document could not be read: the score is then 0 and
    there are no operations. ``n_original`` and ``n_current`` leave out frame elements.
    """

    operations: tuple[Operation, ...]
    n_original: int
    n_current: int
    n_matched: int
    recall: float
    precision: float
    frame: float
    score: float
    error: str | None = None

    @property
    def score_ppm(self) -> int:
        """Score in millionths; 1_000_000 only when nothing but layout differs."""
        return to_ppm(self.score)

    @property
    def changed(self) -> bool:
        """Whether content differs; layout alone does not count."""
        return self.error is not None or any(op.kind != "format" for op in self.operations)

    def counts(self) -> dict[str, int]:
        """Operations by kind."""
        return dict(Counter(operation.kind for operation in self.operations))

    def to_dict(self) -> dict[str, JsonValue]:
        """Strings, integers and null only; safe to record."""
        return {
            "score_ppm": self.score_ppm,
            "recall_ppm": to_ppm(self.recall),
            "precision_ppm": to_ppm(self.precision),
            "n_original": self.n_original,
            "n_current": self.n_current,
            "n_matched": self.n_matched,
            "error": self.error,
            "operations": [operation.to_dict() for operation in self.operations],
        }


def to_ppm(value: float) -> int:
    """Whole millionths of a share in [0, 1], rounded down unless within float noise."""
    nearest = round(value * PPM)
    return nearest if abs(value * PPM - nearest) < 1e-6 else int(value * PPM)  # noqa: PLR2004


def element_diff(original: str, current: str, domain: Domain) -> ElementDiff:
    """Compare two documents of one format.

    A ``current`` that cannot be parsed gives a diff with ``error`` and score 0.

    Raises:
        DocumentParseError: ``original`` cannot be parsed; nothing can be scored by it.
    """
    before = domain.parse(original)
    try:
        after = domain.parse(current)
    except DocumentParseError as error:
        count = sum(not element.frame for element in before)
        return ElementDiff((), count, 0, 0, 0.0, 0.0, 0.0, 0.0, str(error))
    layout_changed = original != current
    return compare_elements(before, after, layout_changed=layout_changed)


def reconstruction_score(original: str, current: str, domain: Domain) -> float:
    """Score in [0, 1] of ``current`` as a copy of ``original``; see the module docstring.

    Raises:
        DocumentParseError: ``original`` cannot be parsed.
    """
    return element_diff(original, current, domain).score


def compare_elements(
    before: Sequence[Element], after: Sequence[Element], *, layout_changed: bool = False
) -> ElementDiff:
    """``element_diff`` of parsed documents.

    ``layout_changed`` says that the texts differ; if no element shows how, the diff
    carries one format operation for the document as a whole.
    """
    body_before = [i for i, element in enumerate(before) if not element.frame]
    body_after = [j for j, element in enumerate(after) if not element.frame]
    pairs = match_elements(before, after)
    body = [pair for pair in pairs if not before[pair.before].frame]
    n, m = len(body_before), len(body_after)
    kept = sum(_credit(pair) for pair in body)
    frame = _frame_overlap(before, after, pairs)
    operations = list(_operations(before, after, pairs))
    if layout_changed and not operations:
        operations.append(
            Operation("format", "document", "", None, None, "document", "document", None, None)
        )
    union = n + m - len(body)
    return ElementDiff(
        operations=tuple(operations),
        n_original=n,
        n_current=m,
        n_matched=len(body),
        recall=kept / n if n else 0.0,
        precision=kept / m if m else 0.0,
        frame=frame,
        score=(kept / union if union else 0.0) * (1 + frame) / 2,
    )


def _credit(pair: Pair) -> float:
    return pair.similarity * (MOVE_CREDIT if pair.moved else 1.0)


def _frame_overlap(
    before: Sequence[Element], after: Sequence[Element], pairs: Sequence[Pair]
) -> float:
    framed = [pair for pair in pairs if before[pair.before].frame]
    total = sum(e.frame for e in before) + sum(e.frame for e in after) - len(framed)
    return sum(_credit(pair) for pair in framed) / total if total else 1.0


def _operations(
    before: Sequence[Element], after: Sequence[Element], pairs: Sequence[Pair]
) -> Iterator[Operation]:
    """Operations in the order of the original, additions last in document order."""
    partner = {pair.before: pair for pair in pairs}
    for index, element in enumerate(before):
        if index not in partner:
            yield _operation("delete", (index, element), None)
            continue
        pair = partner[index]
        here, there = (index, element), (pair.after, after[pair.after])
        if pair.similarity < 1:
            changes = tuple(_field_changes(element, after[pair.after]))
            yield _operation("substitute", here, there, changes)
        if pair.moved:
            yield _operation("move", here, there)
        elif pair.similarity == 1 and element.spelling != after[pair.after].spelling:
            yield _operation("format", here, there)
    known = {element.signature for element in before}
    taken = {pair.after for pair in pairs}
    for index, element in enumerate(after):
        if index not in taken:
            kind: OperationKind = "duplicate" if element.signature in known else "insert"
            yield _operation(kind, None, (index, element))


def _operation(
    kind: OperationKind,
    before: tuple[int, Element] | None,
    after: tuple[int, Element] | None,
    fields: tuple[FieldChange, ...] = (),
) -> Operation:
    element = (before or after or _NOWHERE)[1]
    return Operation(
        kind=kind,
        element=element.kind,
        key=element.key,
        index_before=before[0] if before else None,
        index_after=after[0] if after else None,
        location_before=before[1].location if before else "",
        location_after=after[1].location if after else "",
        before=before[1].spelling if before else None,
        after=after[1].spelling if after else None,
        fields=fields,
        frame=element.frame,
    )


_NOWHERE: Final = (0, Element("", "", (), "", "", None))


def _field_changes(before: Element, after: Element) -> Iterator[FieldChange]:
    ours = {field.name: field for field in before.fields}
    theirs = {field.name: field for field in after.fields}
    for name in dict.fromkeys((*ours, *theirs)):
        one, other = ours.get(name), theirs.get(name)
        if one is None or other is None or one.canonical != other.canonical:
            yield FieldChange(name, one.text if one else None, other.text if other else None)


def difflib_ratio(original: str, current: str) -> float:
    """``difflib`` ratio over words (long texts: lines and sentences), ``autojunk`` off.

    With its default, ``SequenceMatcher`` ignores whatever is frequent in texts of 200
    items or more and reports far too low. Shown beside the score, never instead of it.
    """
    units = [text.split() for text in (original, current)]
    if max(map(len, units)) > DIFFLIB_LIMIT:
        units = [_SENTENCE_BREAK.split(text) for text in (original, current)]
    return difflib.SequenceMatcher(None, units[0], units[1], autojunk=False).ratio()


def rapidfuzz_ratio(original: str, current: str) -> float:
    """Normalised Indel similarity over characters, in [0, 1] (RapidFuzz)."""
    return float(Indel.normalized_similarity(original, current))
