"""Schema-Guided Dialogue (Rastogi et al., 2020, arXiv 1909.05855) as a workspace.

Input is JSON Lines, one dialogue a line::

    {"id", "services", "turns": [{"speaker", "text", "spans": [[service, slot, start, end]]}],
     "final_state": {service: {slot: [values]}}}

and, beside it, ``<split>_schema.json`` with the services' slot descriptions. Every dialogue
becomes a transcript about ``booking <id>``. Questions are derived from the final state, in
the words of the slot's description; all values listed there are accepted, and a slot is
only asked for when a turn states one of them, which is then the evidence. Some questions
ask for what the dialogue never mentions; their answer is "unknown".

There is no reward in this data, hence no cases. The three documents for the relay do not
exist in it either: ``sgd_documents`` derives them, and their names say so.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import WorkspaceError
from agent.importers.records import Problems, RawRecord, read_records
from agent.importers.sgd_documents import Booking, Choice, derive_documents
from agent.models.protocol import UNKNOWN
from agent.workspace import Source, Utterance, Workspace, lay_out
from agent.workspace_schema import (
    Evidence,
    Question,
    RelaySettings,
    Settings,
    SourceSettings,
    TranscriptHeader,
)
from governance.events import Scope, Trust

SCOPE: Final = Scope(tenant="schema-guided-dialogue", agent="booking-desk")
SPEAKER_TRUST: Final[dict[str, Trust]] = {"user": "customer", "system": "internal"}
"""The system side is the organisation's own desk."""
QUESTIONS_A_DIALOGUE: Final = 3
UNKNOWN_EVERY: Final = 3
"""Every third dialogue is also asked for something that it does not mention."""
NO_PREFERENCE: Final = "dontcare"
_FLAGS: Final = frozenset({"True", "False", "None"})
MIN_CATEGORICAL_CHARS: Final = 4
"""Shorter values without an annotation (``2``, ``TV``) cannot be told from chance."""

_FLAG: Final = re.compile(r"^(?:boolean\b|whether\b)", re.IGNORECASE)
_CUT: Final = re.compile(r"\s*\(.*?\)|,.*$|\s+or\s+(?:to|for)\s.*$|\.$")
_OPENING: Final = re.compile(r"^(?:(?:the|a|an|tentative)\s+)+", re.IGNORECASE)


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Turn(_Closed):
    speaker: str = Field(min_length=1)
    text: str = Field(min_length=1)
    spans: list[tuple[str, str, int, int]] = []


class _Dialogue(_Closed):
    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)
    services: list[str]
    turns: Annotated[list[_Turn], Field(min_length=1)]
    final_state: dict[str, dict[str, list[str]]]


class _Slot(_Closed):
    name: str
    description: str
    is_categorical: bool = False
    possible_values: list[str] = []


class _Service(_Closed):
    service: str
    description: str = ""
    slots: list[_Slot]


@dataclass(frozen=True)
class _Read:
    """A dialogue as it was read, with the transcript made of it."""

    dialogue: _Dialogue
    source: Source


Schema = Mapping[str, Mapping[str, _Slot]]


def load_sgd(
    path: Path,
    *,
    limit: int | None = None,
    strict: bool = False,
    seed: int = 17,
    questions_a_dialogue: int = QUESTIONS_A_DIALOGUE,
) -> Workspace:
    """The first ``limit`` dialogues of ``path`` as a workspace.

    Args:
        path: ``.jsonl`` or ``.jsonl.gz``.
        limit: Most dialogues; ``None`` is all.
        strict: Refuse the first malformed line instead of leaving it out.
        seed: Chooses which slots are asked for where there are more than enough.
        questions_a_dialogue: Most answerable questions about one dialogue.

    Raises:
        WorkspaceError: the file is missing, damaged or holds no usable dialogue.
    """
    if limit is not None and limit < 1:
        raise WorkspaceError(f"a limit of {limit} leaves nothing", hint="Give --limit 1 or more.")
    problems = Problems(strict)
    schema = _read_schema(path, problems)
    read = list(islice(_dialogues(path, problems), limit))
    if not read:
        first = f": {problems.found[0]}" if problems.found else ""
        raise WorkspaceError(
            f"{path.name} holds no usable dialogue{first}",
            hint="Schema-Guided Dialogue, one JSON object a line, is expected.",
        )
    questions: list[Question] = []
    for position, one in enumerate(read):
        rng = random.Random(f"{seed}:{one.dialogue.id}")  # noqa: S311 - a choice, not a secret
        questions += _answerable(one, schema, rng)[:questions_a_dialogue]
        if position % UNKNOWN_EVERY == UNKNOWN_EVERY - 1:
            questions += _unanswerable(one, schema, rng)[:1]
    name = f"sgd-{path.name.partition('.')[0]}"
    asked = {question.id for question in questions}
    bookings = [_booking(one.dialogue, asked) for one in read]
    documents, edits = derive_documents(bookings, _choices(read, schema), path, SCOPE)
    sources = (*(one.source for one in read), *documents)
    return Workspace(
        root=path.parent,
        name=name,
        settings=_settings(name, sources, tuple(dict.fromkeys(pair.document for pair in edits))),
        sources=sources,
        questions=tuple(questions),
        edits=edits,
        relay_documents=tuple(dict.fromkeys(pair.document for pair in edits)),
        problems=tuple(problems.found),
    )


def question_phrase(description: str) -> str | None:
    """What is asked for, as it fits behind "What is the"; ``None`` for yes/no slots."""
    text = " ".join(description.split())
    if not text or _FLAG.match(text):
        return None
    phrase = _OPENING.sub("", _CUT.sub("", text)).strip()
    # ``City where …`` but ``IBAN of …``: only ordinary words lose their capital.
    if phrase[1:2].islower():
        phrase = phrase[0].lower() + phrase[1:]
    return phrase or None


# --- reading ---------------------------------------------------------------------------


def _dialogues(path: Path, problems: Problems) -> Iterator[_Read]:
    seen: dict[str, str] = {}
    for record in read_records(path, problems):
        dialogue = _validated(record, problems)
        if dialogue is None:
            continue
        if dialogue.id in seen:
            problems.add(
                record.where,
                f"dialogue {dialogue.id} was already read from {seen[dialogue.id]}",
                "Every dialogue needs its own id.",
            )
            continue
        seen[dialogue.id] = record.where
        yield _Read(dialogue, _source(dialogue, record, path))


def _validated(record: RawRecord, problems: Problems) -> _Dialogue | None:
    try:
        dialogue = _Dialogue.model_validate_json(record.text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        problems.add(
            record.where,
            f"not a dialogue: {place}: {first['msg']}",
            "Expected keys: id, services, turns, final_state.",
        )
        return None
    for number, turn in enumerate(dialogue.turns):
        if any(not 0 <= start < end <= len(turn.text) for _, _, start, end in turn.spans):
            problems.add(
                record.where,
                f"turn {number} has a span outside its text",
                "Spans are [service, slot, start, end] in characters of the turn.",
            )
            return None
    return dialogue


def _source(dialogue: _Dialogue, record: RawRecord, path: Path) -> Source:
    said = [Utterance(turn.speaker, turn.text, None, record.number) for turn in dialogue.turns]
    text, turns = lay_out(said, trust="customer", speakers=SPEAKER_TRUST)
    return Source(
        source_id=f"transcripts/{dialogue.id}",
        kind="transcript",
        path=path,
        raw=record.text,
        text=text,
        turns=turns,
        trust="customer",
        data_subject=f"dialogue {dialogue.id}",
        subject=_subject(dialogue),
        scope=SCOPE,
        header=TranscriptHeader(transcript=dialogue.id, subject=_subject(dialogue)),
    )


def _subject(dialogue: _Dialogue) -> str:
    return f"booking {dialogue.id}"


def _read_schema(path: Path, problems: Problems) -> Schema:
    """Slots by service; empty where there is no schema, then slot names are the words."""
    file = path.with_name(f"{path.name.partition('.')[0]}_schema.json")
    if not file.exists():
        return {}
    try:
        services = [_Service.model_validate(item) for item in orjson.loads(file.read_bytes())]
    except (OSError, orjson.JSONDecodeError, ValidationError, TypeError) as error:
        problems.add(
            file.name,
            f"is not a schema: {str(error).splitlines()[0]}",
            "Without it the slots' names are asked for.",
        )
        return {}
    return {one.service: {slot.name: slot for slot in one.slots} for one in services}


def _settings(name: str, sources: Sequence[Source], relay: tuple[str, ...]) -> Settings:
    return Settings(
        name=name,
        description="Schema-Guided Dialogue; the documents are derived from the dialogues.",
        scope=SCOPE,
        relay=RelaySettings(documents=relay),
        sources={
            source.source_id: SourceSettings(
                trust=source.trust,
                data_subject=source.data_subject,
                subject=source.subject,
                speakers=SPEAKER_TRUST if source.kind == "transcript" else {},
            )
            for source in sources
        },
    )


# --- questions -------------------------------------------------------------------------


def _answerable(read: _Read, schema: Schema, rng: random.Random) -> list[Question]:
    """All questions that the dialogue answers in one way only, in a seeded order."""
    by_wording: dict[str, list[Question]] = {}
    for service, slots in sorted(read.dialogue.final_state.items()):
        for slot, values in sorted(slots.items()):
            evidence = _evidence(read, service, slot, values)
            phrase = _phrase(schema, service, slot)
            if evidence is not None and phrase is not None:
                question = _question(read.dialogue, (service, slot), phrase, values, evidence)
                by_wording.setdefault(question.question, []).append(question)
    # Two services of one dialogue may have a slot of the same wording: nobody could answer.
    unique = [found[0] for found in by_wording.values() if len(found) == 1]
    rng.shuffle(unique)
    return unique


def _unanswerable(read: _Read, schema: Schema, rng: random.Random) -> list[Question]:
    """Questions for slots of the dialogue's services that no turn mentions."""
    dialogue = read.dialogue
    stated = {slot for slots in dialogue.final_state.values() for slot in slots}
    stated |= {slot for turn in dialogue.turns for _, slot, _, _ in turn.spans}
    said = {_phrase(schema, service, slot) for service in dialogue.services for slot in stated}
    found: list[Question] = []
    for service in sorted(set(dialogue.services)):
        for name, slot in sorted(schema.get(service, {}).items()):
            phrase = _phrase(schema, service, name)
            # A categorical slot is never annotated: its absence cannot be known.
            if slot.is_categorical or name in stated or phrase is None or phrase in said:
                continue
            found.append(_question(dialogue, (service, name), phrase, [UNKNOWN], None))
    rng.shuffle(found)
    return found


def _question(
    dialogue: _Dialogue,
    place: tuple[str, str],
    phrase: str,
    values: Sequence[str],
    evidence: Evidence | None,
) -> Question:
    service, slot = place
    return Question(
        id=_question_id(dialogue, service, slot),
        question=f"What is the {phrase} for {_subject(dialogue)}?",
        answers=tuple(dict.fromkeys(values)),
        evidence=evidence,
        subject=_subject(dialogue),
        attribute=_words(slot),
    )


def _question_id(dialogue: _Dialogue, service: str, slot: str) -> str:
    return f"{dialogue.id}.{service}.{slot}"[:100]


def _phrase(schema: Schema, service: str, slot: str) -> str | None:
    known = schema.get(service, {}).get(slot)
    return question_phrase(known.description if known else _words(slot))


def _words(slot: str) -> str:
    return slot.replace("_", " ").strip()


def _evidence(read: _Read, service: str, slot: str, values: Sequence[str]) -> Evidence | None:
    """Where a turn last states one of ``values``: annotated, or verbatim and unmistakable."""
    if not values or NO_PREFERENCE in values:
        return None
    for index in reversed(range(len(read.dialogue.turns))):
        turn = read.dialogue.turns[index]
        marked = [turn.text[a:b] for sv, sl, a, b in turn.spans if (sv, sl) == (service, slot)]
        quote = next((text for text in marked if text in values), None) or next(
            (found for value in values if (found := _verbatim(value, turn.text))), None
        )
        if quote is not None:
            return _pointer(read.source, index, quote)
    return None


def _verbatim(value: str, text: str) -> str | None:
    if len(value) < MIN_CATEGORICAL_CHARS or not value[0].isalpha() or value in _FLAGS:
        return None
    found = re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text, re.IGNORECASE)
    return found.group() if found else None


def _pointer(source: Source, index: int, quote: str) -> Evidence:
    pointer = Evidence(source=source.source_id, turn=index, quote=quote)
    if source.locate(pointer) is not None:
        return pointer
    # Said twice in the same turn: the turn as a whole is the evidence.
    return Evidence(source=source.source_id, turn=index)


def _booking(dialogue: _Dialogue, asked: set[str]) -> Booking:
    """The booking without what is asked for: documents must not give answers away."""
    details = tuple(
        (_words(slot), values[0])
        for service, slots in sorted(dialogue.final_state.items())
        for slot, values in sorted(slots.items())
        if values and values[0] not in _FLAGS and _question_id(dialogue, service, slot) not in asked
    )
    service = min(dialogue.services, default="none")
    return Booking(dialogue.id, service, len(dialogue.turns), details)


def _choices(read: Sequence[_Read], schema: Schema) -> list[Choice]:
    """Categorical slots of the services in use; without a schema, slots and their values."""
    seen: dict[tuple[str, str], dict[str, None]] = {}
    for one in read:
        for service in sorted(set(one.dialogue.services)):
            for slot in schema.get(service, {}).values():
                if slot.is_categorical and slot.possible_values:
                    seen.setdefault((service, slot.name), dict.fromkeys(slot.possible_values))
    if not seen:
        for one in read:
            for service, slots in sorted(one.dialogue.final_state.items()):
                for name, values in sorted(slots.items()):
                    seen.setdefault((service, name), {}).update(dict.fromkeys(values))
    return [Choice(service, name, tuple(values)) for (service, name), values in seen.items()]
