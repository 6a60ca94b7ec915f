from __future__ import annotations

from enum import IntEnum
from types import MappingProxyType
from typing import Any

import pytest
import rfc8785

from governance import canonical
from governance.errors import LedgerError

EXACT: dict[str, Any] = {
    "b": [True, False, None, 0, -1, canonical.MAX_INTEGER, -canonical.MAX_INTEGER],
    "a": {"z": "é€😀", "Z": 'quote " slash / backslash \\ control \x00\x1f\x7f tab \t line \n'},
    "": "an empty key is a key",
}


def test_known_bytes_and_the_reference_encoder_agree() -> None:
    assert canonical.encode({"b": 1, "a": "x"}) == b'{"a":"x","b":1}'
    assert canonical.encode(EXACT) == rfc8785.dumps(EXACT)
    assert canonical.decode(canonical.encode(EXACT)) == EXACT


def test_what_libraries_disagree_on_is_refused() -> None:
    refused: dict[str, Any] = {
        "a float": 1.0,
        "minus zero": -0.0,
        "not a number": float("nan"),
        "an integer beyond 2^53-1": 2**53,
        "a negative one": -(2**53),
        "bytes": b"x",
        "a set": {1},
        "a lone surrogate": "\ud800",
        "a mapping that is no dict": MappingProxyType({"a": 1}),
    }
    for what, value in refused.items():
        with pytest.raises(LedgerError):
            canonical.encode({"value": [value]})
        assert what  # named for the reader of a failure
    # Control: the nearest values that are allowed.
    for value in (1, 0, 2**53 - 1, -(2**53) + 1, "x", [1], "\ud7ff", {"a": 1}):
        assert canonical.encode({"value": [value]}) == rfc8785.dumps({"value": [value]})


def test_keys_are_ascii_text() -> None:
    for key in ("é", "😀", 1, None):
        with pytest.raises(LedgerError, match="ASCII"):
            canonical.encode({key: 1})  # type: ignore[dict-item]
    assert canonical.encode({"e": 1}) == b'{"e":1}'


def test_the_message_says_where() -> None:
    with pytest.raises(LedgerError, match=r"\$\.a\[1\]\.b: float") as caught:
        canonical.encode({"a": [0, {"b": 0.5}]})  # type: ignore[dict-item]
    assert "stated units" in caught.value.hint


def test_nesting_is_bounded_in_both_directions() -> None:
    def nest(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for _ in range(levels - 1):
            value = {"a": value}
        return value

    deepest = nest(canonical.MAX_DEPTH)
    assert canonical.decode(canonical.encode(deepest)) == deepest
    with pytest.raises(LedgerError, match="nested"):
        canonical.encode(nest(canonical.MAX_DEPTH + 1))
    for levels in (1_000, 100_000):  # more than a recursive checker's stack
        with pytest.raises(LedgerError):
            canonical.decode(b'{"a":' * levels + b"1" + b"}" * levels)


def test_only_the_canonical_spelling_decodes() -> None:
    good = b'{"a":1,"b":"\xc3\xa9"}'
    assert canonical.decode(good) == {"a": 1, "b": "é"}
    for bad in (
        b'{"a":1,"a":1,"b":"\xc3\xa9"}',  # duplicate key
        b'{"b":"\xc3\xa9","a":1}',  # order
        b'{"a": 1,"b":"\xc3\xa9"}',  # space
        b'{"a":1,"b":"\\u00e9"}',  # an escape that need not be
        b'{"a":1.0,"b":"\xc3\xa9"}',
        b'{"a":1e0,"b":"\xc3\xa9"}',
        b'{"a":-0,"b":"\xc3\xa9"}',
        b'{"a":01,"b":"\xc3\xa9"}',
        b'{"a":1,"b":"\xe9"}',  # not UTF-8
        b'{"a":1,"b":"\\ud800"}',
        b'{"a":18446744073709551616,"b":"\xc3\xa9"}',
        good + b"\n",
        good[:-1],
        b"[1]",
        b"null",
        b"",
    ):
        with pytest.raises(LedgerError):
            canonical.decode(bad)


def test_composed_and_decomposed_text_stay_distinct() -> None:
    composed, decomposed = {"a": "\u00e9"}, {"a": "e\u0301"}
    assert canonical.encode(composed) != canonical.encode(decomposed)
    assert canonical.decode(canonical.encode(decomposed)) == decomposed
    assert canonical.digest(composed) != canonical.digest(decomposed)
    assert canonical.digest(composed) == canonical.digest(dict(composed))


def test_subclasses_of_integers_are_written_as_integers() -> None:
    class Level(IntEnum):
        HIGH = 3

    assert canonical.encode({"level": Level.HIGH}) == b'{"level":3}'
