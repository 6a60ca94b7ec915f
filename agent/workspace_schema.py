"""What the files of a workspace may say: one closed model per file or line.

Who is trusted is said in ``workspace.toml`` only. A transcript or document that rates
itself is refused, because an unknown key is (DESIGN section 2, rule 13).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from agent.models.protocol import UNKNOWN
from governance.events import RewardOrigin, Scope, Trust

DEFAULT_MAX_DOCUMENT_BYTES = 5_000_000
TOOL_SPEAKER = "tool"
"""Reserved label: only a recorded tool call may carry it."""

Text = Annotated[str, Field(min_length=1)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
Label = Annotated[str, Field(pattern=r"^[^:\r\n]+$", max_length=60)]
"""No colon or line break: ``label: text`` must be read in one way only."""
Texts = Annotated[tuple[Text, ...], Field(strict=False)]


class Closed(BaseModel):
    """Immutable; unknown keys and silent conversions are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


# --- workspace.toml --------------------------------------------------------------------


class ContextSettings(Closed):
    """How much of a conversation the program keeps before it learns and clears."""

    budget_tokens: int = Field(default=350, ge=32)


class SeedSettings(Closed):
    """One seed a use, so that changing one leaves the others' results alone."""

    answers: int = Field(default=17, ge=0)
    relay: int = Field(default=29, ge=0)
    bootstrap: int = Field(default=41, ge=0)


class RelaySettings(Closed):
    """Round trips per document; no documents named means all that have edit pairs."""

    round_trips: int = Field(default=3, ge=1)
    documents: Texts = ()


class LimitSettings(Closed):
    """A larger file is refused before it is read."""

    max_document_bytes: int = Field(default=DEFAULT_MAX_DOCUMENT_BYTES, ge=1)


class SourceSettings(Closed):
    """Where a source stands: its trust, whose data it is, what it is about.

    ``data_subject`` names the key its payloads are encrypted under, and so what an
    erasure destroys; empty means the source itself. ``speakers`` raises or lowers the
    trust of single speakers by the label the recorder gave them.
    """

    trust: Trust = "unknown"
    data_subject: str = ""
    subject: str = ""
    speakers: dict[Label, Trust] = {}


class Settings(Closed):
    """The whole of ``workspace.toml``; every key has a default."""

    name: str = ""
    description: str = ""
    policy: Identifier = "default"
    scope: Scope = Scope()
    context: ContextSettings = ContextSettings()
    seeds: SeedSettings = SeedSettings()
    relay: RelaySettings = RelaySettings()
    limits: LimitSettings = LimitSettings()
    sources: dict[str, SourceSettings] = {}


# --- transcripts/*.jsonl ---------------------------------------------------------------


class Outcome(Closed):
    """How the task ended, −1 to 1, and who says so."""

    reward: float = Field(ge=-1, le=1, allow_inf_nan=False)
    origin: RewardOrigin
    note: str = ""


class TranscriptHeader(Closed):
    """Optional first line, written by the recording system when the task is closed."""

    transcript: Identifier
    channel: str = ""
    started_at: Annotated[AwareDatetime, Field(strict=False)] | None = None
    subject: str = ""
    task: str = ""
    plan: Texts = ()
    outcome: Outcome | None = None

    @model_validator(mode="after")
    def _outcome_needs_task(self) -> Self:
        if self.outcome is not None and not self.task.strip():
            raise ValueError("an outcome needs the task it belongs to")
        return self

    @property
    def started_at_us(self) -> int | None:
        """Start in microseconds since 1970 UTC: the ``valid_from`` of what was said."""
        moment: datetime | None = self.started_at
        return None if moment is None else round(moment.timestamp() * 1_000_000)


class SpeechLine(Closed):
    """One utterance."""

    speaker: Label
    text: Text

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.speaker.strip().casefold() == TOOL_SPEAKER:
            raise ValueError(f"the speaker {TOOL_SPEAKER!r} is reserved for tool calls")
        if not self.text.strip() or not self.speaker.strip():
            raise ValueError("speaker and text must not be blank")
        return self


class ToolLine(Closed):
    """One tool call and what came back: a result, or an error."""

    speaker: Annotated[str, Field(pattern=f"^{TOOL_SPEAKER}$")] = TOOL_SPEAKER
    tool: Identifier
    arguments: dict[str, JsonValue] = {}
    result: JsonValue = None
    error: Text | None = None

    @model_validator(mode="after")
    def _result_or_error(self) -> Self:
        if (self.result is None) == (self.error is None):
            raise ValueError("a tool call has either a result or an error")
        return self


# --- questions.jsonl, edits.jsonl ------------------------------------------------------


class Evidence(Closed):
    """Where the answer stands: a turn, a verbatim quote, or a quote within a turn."""

    source: Text
    turn: int | None = Field(default=None, ge=0)
    quote: Text | None = None

    @model_validator(mode="after")
    def _points_somewhere(self) -> Self:
        if self.turn is None and self.quote is None:
            raise ValueError("evidence needs a turn or a quote")
        return self


class Question(Closed):
    """A question with all accepted answers; ``("unknown",)`` when nothing says."""

    id: Identifier
    question: Text
    answers: Annotated[tuple[Text, ...], Field(strict=False, min_length=1)]
    evidence: Evidence | None = None
    subject: Text
    attribute: Text

    @property
    def answerable(self) -> bool:
        """False when the right answer is to decline."""
        return self.answers != (UNKNOWN,)

    @model_validator(mode="after")
    def _evidence_where_answerable(self) -> Self:
        if self.answerable == (self.evidence is None):
            raise ValueError(f"evidence is needed, except where the answer is {UNKNOWN!r}")
        return self


class Expect(Closed):
    """Strings that a document must and must not hold after the forward edit."""

    present: Texts = ()
    absent: Texts = ()

    @model_validator(mode="after")
    def _expects_something(self) -> Self:
        if not self.present and not self.absent:
            raise ValueError("expect needs something present or absent")
        return self


class EditPair(Closed):
    """An instruction and the one that undoes it (DELEGATE-52, arXiv 2604.15597)."""

    id: Identifier
    document: Text
    forward: Text
    backward: Text
    expect: Expect
