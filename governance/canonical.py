"""The only encoder whose bytes are hashed.

RFC 8785 (JCS) restricted to a subset on which every JSON library agrees: ASCII keys,
strings without lone surrogates, booleans, null, integers within ±(2⁵³−1), lists and
objects, nested at most 64 deep. No floats: measured quantities are integers in stated
units (``_ppm``, ``_us``), so no two libraries can disagree on how a number is written. On
this subset sorted ``orjson`` equals ``rfc8785`` byte for byte (proved in the tests).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

import orjson

from governance.errors import LedgerError

JsonValue: TypeAlias = "bool | int | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 64
"""Deeper nesting is refused, so that no forged header can exhaust a checker's stack."""


def encode(value: Mapping[str, JsonValue]) -> bytes:
    """Canonical bytes of a JSON object.

    Raises:
        LedgerError: a value is outside the canonical subset; the message holds its path.
    """
    if not _is_canonical(value):
        _check(value, "$", MAX_DEPTH)  # says where; subclasses of int and str may pass
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError) as error:
        _check(value, "$", MAX_DEPTH)  # a lone surrogate, which the quick look leaves to orjson
        raise LedgerError(f"value cannot be encoded: {error}") from error


def encode_strict(value: Mapping[str, JsonValue]) -> bytes:
    """:func:`encode` for an object whose keys and types a closed model has checked already.

    Raises:
        LedgerError: an integer or a text in it is outside the canonical subset.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    except (TypeError, ValueError):
        return encode(value)


def decode(data: bytes) -> dict[str, JsonValue]:
    """The object in ``data``, which must already be canonical.

    Raises:
        LedgerError: not JSON, not an object, or not the canonical spelling of itself
            (duplicate keys, spaces, another key order, escapes that need not be).
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise LedgerError(f"canonical JSON expected: {error}") from error
    if not isinstance(value, dict) or encode(value) != data:
        raise LedgerError("bytes are not the canonical form of a JSON object")
    return cast("dict[str, JsonValue]", value)


def digest(value: Mapping[str, JsonValue]) -> str:
    """SHA-256 (hex) of the canonical bytes of ``value``."""
    return hashlib.sha256(encode(value)).hexdigest()


def _is_canonical(value: Mapping[str, JsonValue]) -> bool:
    """:func:`_check` without saying where; surrogates are left to the encoder."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        below: list[object] = []
        for item in level:
            kind = type(item)
            if kind is str or kind is bool or item is None:
                continue
            if kind is dict:
                held = cast("dict[object, object]", item)
                if not all(type(key) is str and key.isascii() for key in held):
                    return False
                below += held.values()
            elif kind is list or kind is tuple:
                below += cast("list[object]", item)
            elif kind is not int or not -MAX_INTEGER <= cast("int", item) <= MAX_INTEGER:
                return False
        if not below:
            return True
        level = below
    return False


def _check(value: JsonValue, path: str, depth: int) -> None:
    if depth == 0:
        raise LedgerError(f"{path[:80]}: nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise LedgerError(f"{path}: integer beyond ±(2^53-1)", hint="store it as a string")
    elif isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, dict):
        _check_object(value, path, depth)
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            _check(item, f"{path}[{position}]", depth - 1)
    else:
        raise LedgerError(
            f"{path}: {type(value).__name__} cannot be hashed",
            hint="use integers in stated units instead of floats",
        )


def _check_object(value: Mapping[str, JsonValue], path: str, depth: int) -> None:
    for key, item in value.items():
        if not _is_ascii_text(key):
            raise LedgerError(f"{path}: key {key!r} is not ASCII text")
        _check(item, f"{path}.{key}", depth - 1)


def _is_ascii_text(key: object) -> bool:
    return isinstance(key, str) and key.isascii()


def _check_text(value: str, path: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise LedgerError(f"{path}: lone surrogate in text") from error
