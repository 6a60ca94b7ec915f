"""What an entry says, one model per kind, and the evidence it rests on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from governance import canonical
from governance.events.header import Frozen

Ppm = Annotated[int, Field(ge=-1_000_000, le=1_000_000)]
"""A ratio in parts per million: hashed payloads hold no floats."""

EntryKind = Literal["fact", "card", "case", "subtask", "tool"]
Channel = Literal["external", "parametric"]
RewardOrigin = Literal["environment", "test", "ground_truth", "human", "model", "unknown"]


class Span(Frozen):
    """Characters ``start`` to ``end`` (exclusive) of a registered source's text."""

    source_id: str
    start: int = Field(ge=0)
    end: int = Field(gt=0)


class FactBody(Frozen):
    """A statement about a topic, kept as text and recalled into prompts."""

    kind: Literal["fact"] = "fact"
    topic: str
    attribute: str
    value: str = Field(min_length=1)
    statement: str = Field(min_length=1)


class CardBody(Frozen):
    """A question–answer flashcard, trained into the adapter of its shard."""

    kind: Literal["card"] = "card"
    topic: str
    attribute: str
    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    rewordings: list[str] = []
    probes: list[str] = []
    """Held-out wordings: never trained, asked by the absorption certificate."""


class CaseBody(Frozen):
    """What was asked, what was done and how it ended (Memento's case)."""

    kind: Literal["case"] = "case"
    task: str = Field(min_length=1)
    plan: list[str]
    outcome: str
    reward_ppm: Ppm
    reward_origin: RewardOrigin


class SubtaskBody(Frozen):
    """One step of a plan and its result, shared within a task."""

    kind: Literal["subtask"] = "subtask"
    task: str
    step: str = Field(min_length=1)
    result: str


class ToolBody(Frozen):
    """One tool call: arguments and result as text, and whether it worked."""

    kind: Literal["tool"] = "tool"
    tool: str = Field(min_length=1)
    arguments: str
    result: str
    ok: bool


Body = Annotated[
    FactBody | CardBody | CaseBody | SubtaskBody | ToolBody, Field(discriminator="kind")
]


def channel_of(body: Body) -> Channel:
    """Cards are learned in weights; everything else stays text."""
    return "parametric" if isinstance(body, CardBody) else "external"


def text_of(body: Body) -> str:
    """The one text a reviewer reads, a diff compares and a verifier checks."""
    if isinstance(body, FactBody):
        return body.statement
    if isinstance(body, CardBody):
        return f"{body.question} {body.answer}"
    if isinstance(body, CaseBody):
        return "\n".join([body.task, *body.plan, body.outcome])
    if isinstance(body, SubtaskBody):
        return f"{body.step}\n{body.result}"
    return f"{body.tool}({body.arguments})\n{body.result}"


def content_digest(body: Body) -> str:
    """SHA-256 (hex) of the body: what a reviewer's decision is bound to."""
    return canonical.digest(body.model_dump(mode="json"))
