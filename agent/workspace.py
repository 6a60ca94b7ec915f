"""Load a workspace: the folder of transcripts, documents, questions and edit pairs.

Layout (all but one transcript or document is optional; the schema is in
``workspace_schema`` and, for people, in ``examples/claims-desk/README.md``)::

    workspace.toml        settings; the only place that says who is trusted
    transcripts/*.jsonl   one utterance or tool call a line
    documents/*           any UTF-8 text
    questions.jsonl       what is asked afterwards, with answers and evidence
    edits.jsonl           reversible edit pairs for the relay

Spans index the *canonical text* of a source: of a document exactly what was read, of a
transcript one ``speaker: text`` line a turn. Line breaks inside an utterance become
blanks there, so nobody can forge another speaker's line.

What is wrong with a single file or line is a ``Problem`` (lenient) or a
``WorkspaceError`` (strict). Refused in either mode: what leaves the folder, is over the
size limit, or is ambiguous (an id used twice, an unknown setting).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from agent.errors import WorkspaceError
from agent.models.protocol import Turn
from agent.workspace_files import Folder, JsonLine, Problem, read_settings, validated
from agent.workspace_schema import (
    TOOL_SPEAKER,
    EditPair,
    Evidence,
    Question,
    Settings,
    SourceSettings,
    SpeechLine,
    ToolLine,
    TranscriptHeader,
)
from governance.events import Scope, Span, Trust

__all__ = [
    "EditPair", "Evidence", "Problem", "Question", "Settings", "Source", "SourceTurn",
    "ToolCall", "TranscriptHeader", "Utterance", "Workspace", "document_turns", "lay_out",
    "load_workspace",
]  # fmt: skip

_MEDIA_TYPES: Final = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".ics": "text/calendar",
    ".md": "text/markdown",
    ".eml": "message/rfc822",
    ".srt": "application/x-subrip",
}


@dataclass(frozen=True)
class ToolCall:
    """A recorded call; arguments and result are JSON text, or the error's message."""

    tool: str
    arguments: str
    result: str
    ok: bool


@dataclass(frozen=True)
class Utterance:
    """What was said, before it has a place in a text; ``line`` is its line in the file."""

    speaker: str
    text: str
    tool: ToolCall | None = None
    line: int = 0


@dataclass(frozen=True)
class SourceTurn:
    """An utterance of a transcript, or a line of a document, with its place.

    ``source.text[start:end]`` is the whole turn, ``source.text[text_start:end]`` is
    ``text``. ``trust`` is the speaker's, where the settings name one, else the source's.
    """

    index: int
    speaker: str
    text: str
    start: int
    text_start: int
    end: int
    trust: Trust
    tool: ToolCall | None = None
    line: int = 0

    @property
    def turn(self) -> Turn:
        """As a model is shown it."""
        return Turn(self.speaker, self.text)


@dataclass(frozen=True)
class Source:
    """Registered evidence. ``source_id`` is the path inside the workspace, with ``/``."""

    source_id: str
    kind: Literal["transcript", "document"]
    path: Path
    raw: str
    text: str
    turns: tuple[SourceTurn, ...]
    trust: Trust
    data_subject: str
    subject: str
    scope: Scope
    header: TranscriptHeader | None = None

    @property
    def sha256(self) -> str:
        """Hex digest of the file's bytes: strict UTF-8, so ``raw`` encodes back to them."""
        return hashlib.sha256(self.raw.encode()).hexdigest()

    @property
    def media_type(self) -> str:
        """Of the canonical text, by the file's suffix."""
        return _MEDIA_TYPES.get(PurePosixPath(self.source_id).suffix.lower(), "text/plain")

    def locate(self, evidence: Evidence) -> Span | None:
        """The characters that ``evidence`` points at, or None when they are not there.

        A quote is searched in its turn when there is one, else in the whole text, and
        must be unique there: an ambiguous pointer proves nothing.
        """
        start, end = 0, len(self.text)
        if evidence.turn is not None:
            if evidence.turn >= len(self.turns):
                return None
            turn = self.turns[evidence.turn]
            start, end = turn.start, turn.end
        if evidence.quote is None:
            return Span(source_id=self.source_id, start=start, end=end)
        if self.text[start:end].count(evidence.quote) != 1:
            return None
        found = self.text.index(evidence.quote, start)
        return Span(source_id=self.source_id, start=found, end=found + len(evidence.quote))


@dataclass(frozen=True)
class Workspace:
    """Everything that was read; ``problems`` is what was left out, and why."""

    root: Path
    name: str
    settings: Settings
    sources: tuple[Source, ...]
    questions: tuple[Question, ...]
    edits: tuple[EditPair, ...]
    relay_documents: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def transcripts(self) -> tuple[Source, ...]:
        """In the order of their file names: the order in which they are fed."""
        return tuple(source for source in self.sources if source.kind == "transcript")

    @property
    def documents(self) -> tuple[Source, ...]:
        """In the order of their file names."""
        return tuple(source for source in self.sources if source.kind == "document")

    def source(self, source_id: str) -> Source:
        """The source called ``source_id``.

        Raises:
            WorkspaceError: there is none.
        """
        for source in self.sources:
            if source.source_id == source_id:
                return source
        raise WorkspaceError(
            f"the workspace has no source {source_id!r}",
            hint="Sources are named by their path, such as documents/payments.csv.",
        )

    def edits_of(self, document: str) -> tuple[EditPair, ...]:
        """The edit pairs of one document, in file order."""
        return tuple(pair for pair in self.edits if pair.document == document)


def load_workspace(path: Path, *, strict: bool) -> Workspace:
    """Read and check the workspace in ``path``.

    Args:
        path: Folder; ``workspace.toml`` may be missing, then everything is a default.
        strict: Refuse the first problem instead of leaving its line or file out.

    Raises:
        WorkspaceError: nothing usable is there, or see the module's docstring.
    """
    folder = Folder(path, strict=strict)
    settings = read_settings(folder)
    sources = [*_transcripts(folder, settings), *_documents(folder, settings)]
    if not sources:
        raise _nothing_in(folder)
    by_id = {source.source_id: source for source in sources}
    _check_settings(folder, settings, by_id)
    questions = tuple(_questions(folder, by_id))
    edits = tuple(_edits(folder, by_id))
    return Workspace(
        root=folder.root,
        name=settings.name or folder.root.name,
        settings=settings,
        sources=tuple(sources),
        questions=questions,
        edits=edits,
        relay_documents=_relay_documents(settings, by_id, edits),
        problems=tuple(folder.problems),
    )


def lay_out(
    utterances: Iterable[Utterance], *, trust: Trust, speakers: Mapping[str, Trust]
) -> tuple[str, tuple[SourceTurn, ...]]:
    """The canonical text of a transcript and the place of every turn in it."""
    parts: list[str] = []
    turns: list[SourceTurn] = []
    start = 0
    for index, said in enumerate(utterances):
        speaker, text = _one_line(said.speaker), _one_line(said.text)
        line = f"{speaker}: {text}"
        end = start + len(line)
        turns.append(
            SourceTurn(
                index, speaker, text, start, end - len(text), end,
                speakers.get(speaker, trust), said.tool, said.line,
            )
        )  # fmt: skip
        parts.append(f"{line}\n")
        start = end + 1
    return "".join(parts), tuple(turns)


def _one_line(text: str) -> str:
    return " ".join(text.splitlines()).strip()


def _nothing_in(folder: Folder) -> WorkspaceError:
    if folder.problems:
        first = folder.problems[0]
        return WorkspaceError(
            f"nothing in {folder.root.name} can be used: {first}", hint=first.hint
        )
    return WorkspaceError(
        f"workspace {folder.root} has neither transcripts nor documents",
        hint="Put at least one file into transcripts/ (.jsonl) or documents/.",
    )


# --- sources ---------------------------------------------------------------------------


def _transcripts(folder: Folder, settings: Settings) -> list[Source]:
    sources: list[Source] = []
    names: dict[str, str] = {}
    for name in folder.files("transcripts"):
        if not name.endswith(".jsonl"):
            folder.problem(name, "not a .jsonl file", "Transcripts are JSON Lines files.")
            continue
        raw = folder.text(name, settings.limits.max_document_bytes)
        if raw is None:
            continue
        header, utterances = _read_turns(folder, name, raw)
        if not utterances:
            folder.problem(name, "has no turns", 'Write {"speaker": ..., "text": ...} lines.')
            continue
        if header is not None:
            _unique(names, header.transcript, name, "transcript")
        sources.append(
            _transcript(folder, name, raw, header=header, utterances=utterances, settings=settings)
        )
    return sources


def _transcript(
    folder: Folder,
    name: str,
    raw: str,
    *,
    header: TranscriptHeader | None,
    utterances: Sequence[Utterance],
    settings: Settings,
) -> Source:
    place = settings.sources.get(name, SourceSettings())
    text, turns = lay_out(utterances, trust=place.trust, speakers=place.speakers)
    named = header.subject if header is not None else ""
    return Source(
        source_id=name,
        kind="transcript",
        path=folder.root / name,
        raw=raw,
        text=text,
        turns=turns,
        trust=place.trust,
        data_subject=place.data_subject or name,
        subject=place.subject or named or PurePosixPath(name).stem,
        scope=settings.scope,
        header=header,
    )


def _read_turns(
    folder: Folder, name: str, raw: str
) -> tuple[TranscriptHeader | None, list[Utterance]]:
    header: TranscriptHeader | None = None
    utterances: list[Utterance] = []
    for position, line in enumerate(folder.json_lines(name, raw)):
        if position == 0 and "transcript" in line.record:
            header = validated(folder, line, TranscriptHeader)
        elif (said := _utterance(folder, line)) is not None:
            utterances.append(said)
    return header, utterances


def _utterance(folder: Folder, line: JsonLine) -> Utterance | None:
    if "tool" not in line.record:
        speech = validated(folder, line, SpeechLine)
        if speech is None:
            return None
        return Utterance(speech.speaker, speech.text, None, line.number)
    call = validated(folder, line, ToolLine)
    if call is None:
        return None
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    result = call.error or json.dumps(call.result, ensure_ascii=False)
    arrow = "->" if call.error is None else "-> error:"
    recorded = ToolCall(call.tool, arguments, result, call.error is None)
    text = f"{call.tool}({arguments}) {arrow} {result}"
    return Utterance(TOOL_SPEAKER, text, recorded, line.number)


def _documents(folder: Folder, settings: Settings) -> list[Source]:
    sources: list[Source] = []
    for name in folder.files("documents"):
        raw = folder.text(name, settings.limits.max_document_bytes)
        if raw is None:
            continue
        place = settings.sources.get(name, SourceSettings())
        sources.append(
            Source(
                source_id=name,
                kind="document",
                path=folder.root / name,
                raw=raw,
                text=raw,
                turns=document_turns(name, raw, place.trust),
                trust=place.trust,
                data_subject=place.data_subject or name,
                subject=place.subject or PurePosixPath(name).stem,
                scope=settings.scope,
            )
        )
    return sources


def document_turns(name: str, raw: str, trust: Trust) -> tuple[SourceTurn, ...]:
    """Every non-blank line, said by the file: records and cues are lines, too."""
    speaker = PurePosixPath(name).name
    turns: list[SourceTurn] = []
    start = 0
    for number, line in enumerate(raw.splitlines(keepends=True), start=1):
        text = line.strip()
        if text:
            begin = start + line.index(text)
            end = begin + len(text)
            turns.append(
                SourceTurn(len(turns), speaker, text, begin, begin, end, trust, None, number)
            )
        start += len(line)
    return tuple(turns)


# --- what refers to sources ------------------------------------------------------------


def _check_settings(folder: Folder, settings: Settings, sources: Mapping[str, Source]) -> None:
    for name in (*settings.sources, *settings.relay.documents):
        folder.inside(name, "workspace.toml")
        if name not in sources:
            folder.problem(
                "workspace.toml",
                f"names {name!r}, which was not loaded",
                "Name files by their path, such as documents/payments.csv.",
            )


def _questions(folder: Folder, sources: Mapping[str, Source]) -> Iterable[Question]:
    seen: dict[str, str] = {}
    for line in folder.optional_json_lines("questions.jsonl"):
        question = validated(folder, line, Question)
        if question is None:
            continue
        _unique(seen, question.id, line.where, "question")
        evidence = question.evidence
        if evidence is not None:
            folder.inside(evidence.source, line.where)
            source = sources.get(evidence.source)
            if source is None or source.locate(evidence) is None:
                folder.problem(
                    line.where,
                    f"the evidence of {question.id} is not in {evidence.source}",
                    "Turns count from 0 without the header; a quote must occur exactly once.",
                )
                continue
        yield question


def _edits(folder: Folder, sources: Mapping[str, Source]) -> Iterable[EditPair]:
    seen: dict[str, str] = {}
    for line in folder.optional_json_lines("edits.jsonl"):
        pair = validated(folder, line, EditPair)
        if pair is None:
            continue
        _unique(seen, pair.id, line.where, "edit pair")
        folder.inside(pair.document, line.where)
        source = sources.get(pair.document)
        if source is None or source.kind != "document":
            folder.problem(
                line.where,
                f"edit pair {pair.id} is for {pair.document}, which was not loaded",
                "Name a file in documents/ by its path.",
            )
            continue
        yield pair


def _relay_documents(
    settings: Settings, sources: Mapping[str, Source], edits: Sequence[EditPair]
) -> tuple[str, ...]:
    with_pairs = dict.fromkeys(pair.document for pair in edits)
    wanted = settings.relay.documents or tuple(with_pairs)
    return tuple(name for name in wanted if name in sources and name in with_pairs)


def _unique(seen: dict[str, str], name: str, where: str, what: str) -> None:
    if name in seen:
        raise WorkspaceError(
            f"{where}: the {what} id {name!r} is already used in {seen[name]}",
            hint="Give every one its own id; which of the two is meant cannot be guessed.",
        )
    seen[name] = where
