"""Edits as the builtin model writes them, and their application to lines; pure.

One edit a line of model output::

    KEY : OLD => NEW      replace OLD by NEW in the one line that contains both, or
                          in the only line with OLD
    * : OLD => NEW        replace OLD by NEW in every line that contains it
    delete KEY            drop the one line that contains KEY
    after KEY : TEXT      insert TEXT after the one line that contains KEY

Everything is addressed by content, which a small model copies reliably, and resolved
strictly by code: a key that fits no line, or several, makes no edit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agent.models.protocol import Patch

ARROW: Final = " => "
COLON: Final = " : "
EVERYWHERE: Final = "*"
_DELETE: Final = "delete "
_AFTER: Final = "after "


def change(key: str, old: str, new: str) -> str:
    """Model line that replaces ``old`` in the line with ``key``."""
    return f" {key}{COLON}{old}{ARROW}{new}"


def rename(old: str, new: str) -> str:
    """Model line that replaces ``old`` in every line."""
    return f" {EVERYWHERE}{COLON}{old}{ARROW}{new}"


def delete(key: str) -> str:
    """Model line that drops the line with ``key``."""
    return f" {_DELETE}{key}"


def insert(key: str, text: str) -> str:
    """Model line that adds ``text`` after the line with ``key``."""
    return f" {_AFTER}{key}{COLON}{text}"


def locate_patches(text: str, lines: Sequence[str]) -> tuple[Patch, ...]:
    """Whole-line patches for the edits in ``text``; what does not resolve is dropped."""
    patches: list[Patch] = []
    for raw in text.split("\n"):
        for patch in _locate(raw.removeprefix(" ").rstrip(), lines):
            if patch not in patches:
                patches.append(patch)
    return tuple(patches)


def apply_patch(lines: Sequence[str], patches: Sequence[Patch]) -> tuple[str, ...]:
    """``lines`` with the patches applied in order; untouched lines are kept as they are.

    A replacement or deletion acts on every line equal to ``old`` when there is more
    than one (equal lines cannot be told apart); a patch whose ``old`` or ``anchor`` is
    absent changes nothing.
    """
    result = list(lines)
    for patch in patches:
        if patch.old is None:
            if patch.new is not None and patch.anchor in result:
                result.insert(result.index(patch.anchor) + 1, patch.new)
        elif patch.new is None:
            result = [line for line in result if line != patch.old]
        else:
            result = [patch.new if line == patch.old else line for line in result]
    return tuple(result)


def _locate(edit: str, lines: Sequence[str]) -> list[Patch]:
    if edit.startswith(_AFTER):
        key, text = _anchor_and_text(edit.removeprefix(_AFTER), lines)
        anchor = _only_line(key, lines)
        if not text or anchor is None:
            return []
        return [Patch(None, _indent_like(anchor, text), anchor)]
    if edit.startswith(_DELETE):
        doomed = _only_line(edit.removeprefix(_DELETE), lines)
        return [Patch(doomed, None)] if doomed is not None else []
    before, found, new = edit.partition(ARROW)
    key, colon, old = before.partition(COLON)
    if not (found and colon and old):
        return []
    if key.strip() == EVERYWHERE:
        targets = [line for line in dict.fromkeys(lines) if _replace(line, old, new) != line]
        return [Patch(line, _replace(line, old, new)) for line in targets]
    holding = [line for line in lines if _replace(line, old, "") != line]
    # A key is needed only to tell lines apart: it may stand elsewhere in the record.
    line = holding[0] if len(holding) == 1 else _only_line(key, holding)
    return [Patch(line, _replace(line, old, new))] if line is not None else []


def _anchor_and_text(edit: str, lines: Sequence[str]) -> tuple[str, str]:
    """Key and new line of an insertion; a key that is a whole line may hold colons."""
    for line in lines:
        whole = line.strip()
        rest = edit.removeprefix(whole)
        if whole and rest != edit and rest.lstrip().startswith(":"):
            return whole, rest.lstrip().removeprefix(":").strip()
    key, _, text = edit.partition(COLON)
    return key, text


def _indent_like(anchor: str, text: str) -> str:
    """``text`` with the indentation of ``anchor`` where it has none of its own."""
    if text[:1].isspace():
        return text
    return anchor[: len(anchor) - len(anchor.lstrip())] + text


def _only_line(key: str, lines: Sequence[str]) -> str | None:
    """The one line that holds ``key``; a whole-word match beats a match inside a word."""
    if not key.strip():
        return None
    for matching in (
        [line for line in lines if re.search(rf"(?<!\w){re.escape(key)}(?!\w)", line)],
        [line for line in lines if key in line],
    ):
        if len(matching) == 1:
            return matching[0]
    return None


def _replace(line: str, old: str, new: str) -> str:
    """``line`` with ``old`` replaced where it is not part of a longer word or number."""
    return re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", lambda _: new, line)
