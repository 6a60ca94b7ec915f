"""Which verifiers a rule asks about, read from its text; pure.

Needed to hold a rule to the worth of its verifiers, so it errs on the side of *all*: a rule
whose questions cannot be read off asks about every verifier.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_STRING: Final = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_TOKEN = re.compile(rf"(?P<string>{_STRING})|(?P<word>[A-Za-z_]\w*)|(?P<other>\S)")
_MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})
_OVER_NAMES = re.compile(
    rf"\[\s*(?P<names>(?:{_STRING})(?:\s*,\s*(?:{_STRING}))*)\s*,?\s*\]"
    rf"\s*\.\s*(?:{'|'.join(sorted(_MACROS))})\s*\(\s*(?P<variable>[A-Za-z_]\w*)\s*,"
)
_LITERAL = re.compile(_STRING)


class Asked(NamedTuple):
    """Names of verifiers; ``every`` when the rule may ask about any of them."""

    names: frozenset[str]
    every: bool


def asked_of(when: str) -> Asked:
    """What the CEL expression ``when`` asks of ``checks``.

    Read are ``checks.NAME``, ``checks["NAME"]``, and ``checks[x]`` where ``x`` runs over a
    list of names written out before a macro. Any other use of ``checks`` is *every*.
    """
    variables: dict[str, set[str]] = {}
    for match in _OVER_NAMES.finditer(when):
        names = {_unquoted(text) for text in _LITERAL.findall(match["names"])}
        variables.setdefault(match["variable"], set()).update(names)
    tokens = [(m.lastgroup or "", m[0]) for m in _TOKEN.finditer(when)]
    found: set[str] = set()
    every = False
    for place, token in enumerate(tokens):
        if token == ("word", "checks") and tokens[place - 1 : place] != [("other", ".")]:
            read = _names(tokens[place + 1 : place + 4], variables)
            found |= read or set()
            every = every or read is None
    return Asked(frozenset(found), every)


def _names(after: list[tuple[str, str]], variables: dict[str, set[str]]) -> set[str] | None:
    """What the tokens after ``checks`` ask about; ``None`` when that cannot be said."""
    kinds, texts = [kind for kind, _ in after], [text for _, text in after]
    if texts[:1] == ["."] and kinds[1:2] == ["word"]:
        return None if texts[2:3] == ["("] else {texts[1]}
    if texts[:1] == ["["] and texts[2:3] == ["]"]:
        if kinds[1] == "string":
            return {_unquoted(texts[1])}
        return variables.get(texts[1])
    return None


def _unquoted(text: str) -> str:
    return text[1:-1]
