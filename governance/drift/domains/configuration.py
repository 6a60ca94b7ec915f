"""JSON configurations and records (RFC 8259).

Elements are the scalar members of objects (identified by JSON path) and the items of
arrays. Member order has no meaning, item order has. An item that is an object is one
element with its members as fields; arrays inside it give elements of their own. Strings
and numbers stay apart (``"200"`` is not 200), numbers compare by value (1.0 = 1).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from governance.drift.domains.elements import (
    Element,
    FieldValue,
    checked,
    refuse_binary,
    text_field,
    value_field,
)
from governance.errors import DocumentParseError
from governance.literals import Canonical, plain_decimal

_IDENTITY_MEMBERS: Final = ("id", "uid", "key", "code", "name", "number", "ref", "title")
_MAX_DEPTH: Final = 100


@dataclass(frozen=True)
class _Members:
    """An object with its members in order, repeated names included."""

    pairs: tuple[tuple[str, _Json], ...]


_Json: TypeAlias = "_Members | list[_Json] | str | Decimal | bool | None"


class ConfigurationDomain:
    """JSON text of any shape."""

    name = "configuration"
    suffixes = (".json",)

    def parse(self, text: str) -> tuple[Element, ...]:
        """Members and items; locations are JSON paths.

        Raises:
            DocumentParseError: not JSON, NaN or Infinity, nested too deeply, or empty.
        """
        refuse_binary(text, domain=self.name)
        try:
            value: _Json = json.loads(
                text.removeprefix("\ufeff"),
                object_pairs_hook=lambda pairs: _Members(tuple(pairs)),
                parse_int=Decimal,
                parse_float=Decimal,
                parse_constant=_no_constant,
            )
            elements = list(_walk(value, self.name))
        except json.JSONDecodeError as error:
            raise DocumentParseError(
                error.msg,
                domain=self.name,
                where=f"line {error.lineno} column {error.colno}",
                hint="the text must be one JSON value",
            ) from error
        except (RecursionError, ValueError) as error:
            raise DocumentParseError(str(error), domain=self.name) from error
        return checked(elements, domain=self.name)


def _no_constant(name: str) -> Decimal:
    raise ValueError(f"{name} is not a JSON number")


def _walk(value: _Json, domain: str) -> Iterator[Element]:
    if _is_empty(value):
        return
    yield from _visit(value, path="$", where="$", sequence=None, depth=0, domain=domain)


def _visit(
    value: _Json, *, path: str, where: str, sequence: str | None, depth: int, domain: str
) -> Iterator[Element]:
    """Elements below ``value``.

    ``path`` identifies (array places by the item's identity, or not at all, so that a
    deletion does not rename what follows it); ``where`` locates (array places by index).
    """
    if depth > _MAX_DEPTH:
        raise DocumentParseError("nested too deeply", domain=domain, where=path[:60])
    if isinstance(value, _Members) and value.pairs:
        for name, member in _named(value):
            yield from _visit(
                member,
                path=f"{path}.{name}",
                where=f"{where}.{name}",
                sequence=sequence,
                depth=depth + 1,
                domain=domain,
            )
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _item(
                item,
                path=path,
                where=f"{where}[{index}]",
                sequence=sequence or path,
                depth=depth + 1,
                domain=domain,
            )
    else:
        yield Element(
            "member", path, (_path(path), _scalar("value", value)), where, _source(value), sequence
        )


def _item(
    item: _Json, *, path: str, where: str, sequence: str, depth: int, domain: str
) -> Iterator[Element]:
    if isinstance(item, _Members) and item.pairs:
        identity = _identity(item)
        own = f"{path}[{identity}]"
        fields, nested = _flatten(item, "", depth, domain)
        key = own if identity else ""
        raw = _source(item, arrays=False)
        yield Element("item", key, (_path(path), *fields), where, raw, sequence)
        for name, array in nested:
            yield from _visit(
                array,
                path=f"{own}.{name}",
                where=f"{where}.{name}",
                sequence=sequence,
                depth=depth + 1,
                domain=domain,
            )
    elif isinstance(item, list) and item:
        yield Element("array", "", (_path(path),), where, "[", sequence)
        yield from _visit(
            item, path=f"{path}[]", where=where, sequence=sequence, depth=depth, domain=domain
        )
    else:
        fields = (_path(path), _scalar("value", item))
        yield Element("item", "", fields, where, _source(item), sequence)


def _flatten(
    members: _Members, prefix: str, depth: int, domain: str
) -> tuple[tuple[FieldValue, ...], list[tuple[str, list[_Json]]]]:
    """Scalars of an item as fields (dotted names), and the arrays found on the way."""
    if depth > _MAX_DEPTH:
        raise DocumentParseError("nested too deeply", domain=domain, where=prefix[:60])
    fields: list[FieldValue] = []
    arrays: list[tuple[str, list[_Json]]] = []
    for name, value in _named(members):
        dotted = f"{prefix}{name}"
        if isinstance(value, _Members) and value.pairs:
            inner, nested = _flatten(value, f"{dotted}.", depth + 1, domain)
            fields += inner
            arrays += nested
        elif isinstance(value, list) and value:
            arrays.append((dotted, value))
        else:
            fields.append(_scalar(dotted, value))
    return tuple(fields), arrays


def _named(members: _Members) -> list[tuple[str, _Json]]:
    """Members sorted by name; a repeated name is numbered, so that none hides another."""
    seen: Counter[str] = Counter()
    named: list[tuple[str, _Json]] = []
    for name, value in members.pairs:
        seen[name] += 1
        named.append((name if seen[name] == 1 else f"{name}#{seen[name]}", value))
    return sorted(named, key=lambda pair: pair[0])


def _identity(members: _Members) -> str:
    values = dict(members.pairs)
    for name in _IDENTITY_MEMBERS:
        value = values.get(name)
        if isinstance(value, str | Decimal):
            return str(value)
    return ""


def _path(path: str) -> FieldValue:
    words = path.removeprefix("$").replace("[", ".").replace("]", "").replace(".", " ").strip()
    return FieldValue("path", path, Canonical("text", words))


def _scalar(name: str, value: _Json) -> FieldValue:
    match value:
        case None:
            return FieldValue(name, "null", Canonical("null", ""))
        case bool():
            return FieldValue(name, _source(value), Canonical("boolean", _source(value)))
        case Decimal():
            return FieldValue(name, str(value), Canonical("number", plain_decimal(value)))
        case str() if " " in value.strip() and len(value) > 40:  # noqa: PLR2004 - prose
            return text_field(name, value)
        case str():
            return value_field(name, value, bare_numbers=False)
        case _:
            return FieldValue(name, _source(value), Canonical("empty", _source(value)))


def _is_empty(value: _Json) -> bool:
    return (isinstance(value, _Members) and not value.pairs) or value == []


def _source(value: _Json, *, arrays: bool = True) -> str:
    """The value as compact JSON, numbers as they were written.

    Without ``arrays`` their items are left out: they are elements of their own.
    """
    match value:
        case _Members(pairs):
            inner = (
                f"{json.dumps(name, ensure_ascii=False)}: {_source(member, arrays=arrays)}"
                for name, member in pairs
            )
            return "{" + ", ".join(inner) + "}"
        case list() if value and not arrays:
            return "[...]"
        case list():
            return "[" + ", ".join(_source(item) for item in value) + "]"
        case Decimal():
            return str(value)
        case _:
            return json.dumps(value, ensure_ascii=False)
