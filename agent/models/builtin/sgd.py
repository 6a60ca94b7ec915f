"""Schema-Guided Dialogue as extraction examples (CC BY-SA 4.0, Rastogi et al. 2020).

Subject: the dialogue's id; attribute: the slot's name in words; value: the annotated span.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.models.protocol import Turn

Label = tuple[str, str, str | None]


@dataclass(frozen=True)
class SgdDialogue:
    """One dialogue: its turns and, for each, the annotated (value, attribute, None)."""

    id: str
    turns: tuple[Turn, ...]
    labels: tuple[tuple[Label, ...], ...]


def read_sgd(path: Path, limit: int | None = None) -> Iterator[SgdDialogue]:
    """Dialogues of a gzipped JSON Lines file, the first ``limit`` of them."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if limit is not None and number >= limit:
                return
            yield _dialogue(json.loads(line))


def _dialogue(row: dict[str, object]) -> SgdDialogue:
    turns: list[Turn] = []
    labels: list[tuple[Label, ...]] = []
    raw_turns = row["turns"]
    if not isinstance(raw_turns, list):
        raise TypeError("expected a list under 'turns'")
    for turn in raw_turns:
        text = turn["text"]
        turns.append(Turn(turn["speaker"], text))
        spans = sorted(turn["spans"], key=lambda span: int(span[2]))
        found: dict[Label, None] = {}
        for _, slot, start, end in spans:
            value = " ".join(text[start:end].split())
            found.setdefault((value, slot.replace("_", " "), None))
        labels.append(tuple(found))
    return SgdDialogue(str(row["id"]), tuple(turns), tuple(labels))
