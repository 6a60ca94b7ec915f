"""Canonical bytes against a second library, on random objects."""

from __future__ import annotations

from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import canonical
from governance.errors import LedgerError

keys = st.text(st.characters(max_codepoint=127), max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=25,
)
objects = st.dictionaries(keys, values, max_size=6)


@settings(max_examples=400)
@given(objects)
def test_encoding_equals_the_reference_and_round_trips(value: dict[str, Any]) -> None:
    data = canonical.encode(value)
    assert data == rfc8785.dumps(value)
    assert canonical.decode(data) == value


@settings(max_examples=200)
@given(objects, st.data())
def test_one_changed_byte_is_refused_or_means_something_else(
    value: dict[str, Any], data: st.DataObject
) -> None:
    original = canonical.encode(value)
    position = data.draw(st.integers(0, len(original) - 1))
    changed = bytearray(original)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        decoded = canonical.decode(bytes(changed))
    except LedgerError:
        return
    assert decoded != value
    assert canonical.encode(decoded) == bytes(changed)


@given(objects, st.sampled_from([0.5, 2**53, "\udc00", b"x"]), keys)
def test_one_bad_value_anywhere_is_refused(
    value: dict[str, Any], poison: float | str | bytes, key: str
) -> None:
    assert canonical.encode({key: [value, "fine"]})
    with pytest.raises(LedgerError):
        canonical.encode({key: [value, poison]})  # type: ignore[list-item]
