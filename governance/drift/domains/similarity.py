"""How alike two elements are, in [0, 1]: a weighted mean over their fields.

A field counts fully when its normal forms are equal. A differing number, date, time,
amount or identifier counts nothing, however near it is: a wrong figure is wrong. Differing
text counts by the share of words kept in order (Indel similarity over words), which is
below 1 whenever a word differs. A field that only one side has counts nothing. So the
result is 1 exactly when nothing of the content changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

from governance.drift.domains.elements import Element, FieldValue

Matrix = NDArray[np.float64]

LONG_TEXT_WORDS: Final = 20_000
"""From here on word order is ignored inside one field: Indel takes quadratic time."""


def element_similarity(first: Element, second: Element) -> float:
    """Similarity of two elements; 0 for different kinds, 1 only for equal content."""
    return float(similarity_matrix((first,), (second,))[0, 0])


def text_similarity(first: str, second: str) -> float:
    """Share of words kept in order; 1 only for equal texts."""
    if first == second:
        return 1.0
    a, b = first.split(" "), second.split(" ")
    if max(len(a), len(b)) <= LONG_TEXT_WORDS:
        return float(Indel.normalized_similarity(a, b))
    common = (Counter(a) & Counter(b)).total()
    total = len(a) + len(b)
    return min(2 * common, total - 1) / total


def similarity_matrix(rows: Sequence[Element], columns: Sequence[Element]) -> Matrix:
    """``element_similarity`` of every pair, shape (rows, columns)."""
    shape = (len(rows), len(columns))
    credit, weight = np.zeros(shape), np.zeros(shape)
    names = dict.fromkeys(f.name for element in (*rows, *columns) for f in element.fields)
    row_fields = [{f.name: f for f in element.fields} for element in rows]
    column_fields = [{f.name: f for f in element.fields} for element in columns]
    for name in names:
        ours = [fields.get(name) for fields in row_fields]
        theirs = [fields.get(name) for fields in column_fields]
        weights = np.maximum.outer(_weights(ours), _weights(theirs))
        weight += weights
        credit += weights * _field_matrix(ours, theirs)
    same_kind = equality_matrix([_kind(e) for e in rows], [_kind(e) for e in columns])
    similarity: Matrix = np.where(same_kind & (weight > 0), credit / np.maximum(weight, 1), 0.0)
    return similarity


def equality_matrix(rows: Sequence[Hashable], columns: Sequence[Hashable]) -> NDArray[np.bool_]:
    """Which values are equal, shape (rows, columns)."""
    codes: dict[Hashable, int] = {}
    ours = np.array([codes.setdefault(value, len(codes)) for value in rows], dtype=int)
    theirs = np.array([codes.setdefault(value, len(codes)) for value in columns], dtype=int)
    equal: NDArray[np.bool_] = np.equal.outer(ours, theirs)
    return equal


def _kind(element: Element) -> tuple[str, bool]:
    return element.kind, element.frame


def _weights(fields: Sequence[FieldValue | None]) -> Matrix:
    return np.array([0.0 if field is None else float(field.weight) for field in fields])


def _field_matrix(ours: Sequence[FieldValue | None], theirs: Sequence[FieldValue | None]) -> Matrix:
    """Credit of one field for every pair; computed once for each pair of values."""
    row_values, row_index = _distinct(ours)
    column_values, column_index = _distinct(theirs)
    table = np.zeros((len(row_values), len(column_values)))
    texts = [i for i, value in enumerate(row_values) if value and value[0] == "text"]
    others = [j for j, value in enumerate(column_values) if value and value[0] == "text"]
    if texts and others:
        table[np.ix_(texts, others)] = _text_matrix(
            [str(row_values[i][1]) for i in texts], [str(column_values[j][1]) for j in others]
        )
    positions = {value: j for j, value in enumerate(column_values) if value}
    for i, value in enumerate(row_values):
        if value and value in positions:
            table[i, positions[value]] = 1.0
    return table[np.ix_(row_index, column_index)]


def _distinct(
    fields: Sequence[FieldValue | None],
) -> tuple[list[tuple[str, ...]], list[int]]:
    """Distinct (kind, value) pairs, () for absent, and where each field stands in them."""
    index: dict[tuple[str, ...], int] = {}
    places = [
        index.setdefault(
            () if field is None else (field.canonical.kind, field.canonical.value), len(index)
        )
        for field in fields
    ]
    return list(index), places


def _text_matrix(first: Sequence[str], second: Sequence[str]) -> Matrix:
    ours, theirs = [t.split(" ") for t in first], [t.split(" ") for t in second]
    if max(map(len, (*ours, *theirs))) > LONG_TEXT_WORDS:
        return np.array([[text_similarity(a, b) for b in second] for a in first])
    matrix: Matrix = cdist(ours, theirs, scorer=Indel.normalized_similarity, dtype=np.float64)
    return matrix
