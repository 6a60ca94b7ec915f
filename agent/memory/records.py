"""What a finished task and its tool calls leave behind: cases, subtasks, tool memory.

Pure functions from recorded facts to proposals. Nothing here judges: the reward is the
one that was recorded, with its origin, and a task that ended because something *around*
the agent broke gives no case at all. Memento writes such tasks down as failures (its judge
errors count as "incorrect"), which teaches the agent to avoid plans that were right.
"""

from __future__ import annotations

import re
from typing import Final

from agent.gateway import Proposal
from agent.workspace import Source, SourceTurn, ToolCall
from agent.workspace_schema import Outcome
from governance.events import (
    Body,
    CaseBody,
    RewardOrigin,
    Span,
    SubtaskBody,
    ToolBody,
)

PPM: Final = 1_000_000
MAX_FIELD_CHARS: Final = 8_000
"""Longest argument or result that is remembered; the source keeps the whole of it."""

_INFRASTRUCTURE: Final = re.compile(
    r"\b(?:time[d\s-]*out|deadline exceeded|connection (?:refused|reset|aborted|closed|error|lost)"
    r"|(?:host|server|service|endpoint) (?:is |was )?unreachable|no route to host|broken pipe"
    r"|name or service not known|dns|network (?:error|down|is unreachable)"
    r"|(?:temporarily|service) unavailable|bad gateway|internal server error|too many requests"
    r"|rate.?limit\w*|quota exceeded|out of memory|disk full|no space left"
    r"|(?:down for|under) maintenance"
    r"|(?:http|status|error)(?: code)?[ :]*(?:429|5\d\d))\b",
    re.IGNORECASE,
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def is_infrastructure_error(message: str) -> bool:
    """True when ``message`` is about the machinery, not about what was tried with it.

    By wording, conservatively: "policy not found" or "not allowed" are answers of a tool
    that works, "connection refused" or "HTTP 503" are not.
    """
    return _INFRASTRUCTURE.search(message) is not None


def case_body(
    task: str, plan: tuple[str, ...], outcome: str, *, reward: float, origin: RewardOrigin
) -> CaseBody:
    """A case; ``reward`` is −1 to 1 and becomes parts per million.

    A failure that was recorded as 0 stays 0: it was not rewarded, nobody said it did harm.
    """
    return CaseBody(
        task=_kept(task),
        plan=[_kept(step) for step in plan],
        outcome=_kept(outcome),
        reward_ppm=round(max(-1.0, min(1.0, reward)) * PPM),
        reward_origin=origin,
    )


def subtask_body(task: str, step: str, result: str) -> SubtaskBody:
    """One step of a plan with its result, for planner and executor of the same task."""
    return SubtaskBody(task=_kept(task), step=_kept(step), result=_kept(result))


def tool_body(call: ToolCall) -> ToolBody:
    """A tool call as it was, errors included."""
    return ToolBody(
        tool=call.tool, arguments=_kept(call.arguments), result=_kept(call.result), ok=call.ok
    )


def case_proposal(source: Source, source_id: str) -> Proposal | None:
    """The case of a completed task: what was asked, what was done, how it ended.

    Args:
        source: A transcript; only its header, written by the recording system, can say
            how the task ended.
        source_id: Under which the ledger knows the transcript.

    Returns:
        ``None`` when no outcome was recorded, or when the task failed because of an
        infrastructure error (:func:`failed_by_infrastructure`).
    """
    header = source.header
    if header is None or header.outcome is None or not source.text:
        return None
    outcome = header.outcome
    if failed_by_infrastructure(source, outcome):
        return None
    body = case_body(
        header.task, header.plan, outcome.note, reward=outcome.reward, origin=outcome.origin
    )
    return _proposal(source, source_id, body, 0, len(source.text))


def failed_by_infrastructure(source: Source, outcome: Outcome) -> bool:
    """True when a task was not rewarded and its last tool call met an infrastructure error.

    When a person gave the reward, the failure is taken as meant, whatever the last call met,
    unless the person's own note blames the machinery.
    """
    if outcome.reward > 0:
        return False
    if is_infrastructure_error(outcome.note):
        return True
    calls = [turn.tool for turn in source.turns if turn.tool is not None]
    if outcome.origin == "human" or not calls:
        return False
    return not calls[-1].ok and is_infrastructure_error(calls[-1].result)


def subtask_proposal(
    source: Source, turns: tuple[SourceTurn, ...], source_id: str, body: SubtaskBody
) -> Proposal:
    """A subtask that was worked on in ``turns`` (at least one, in order)."""
    return _proposal(source, source_id, body, turns[0].start, turns[-1].end)


def tool_proposal(source: Source, turn: SourceTurn, source_id: str) -> Proposal:
    """Tool memory of the call recorded in ``turn``; the turn is the evidence.

    Raises:
        ValueError: the turn is no tool call.
    """
    if turn.tool is None:
        raise ValueError(f"turn {turn.index} of {source.source_id} is not a tool call")
    return _proposal(source, source_id, tool_body(turn.tool), turn.start, turn.end)


def _proposal(source: Source, source_id: str, body: Body, start: int, end: int) -> Proposal:
    header = source.header
    return Proposal(
        body=body,
        spans=(Span(source_id=source_id, start=start, end=end),),
        origin=None,  # recorded, not written by a model
        episode=source.source_id,
        data_subject=source.data_subject,
        valid_from_us=header.started_at_us if header else None,
    )


def _kept(text: str) -> str:
    """``text`` as it can be hashed and stored; what was cut off is said."""
    whole = _SURROGATE.sub("\ufffd", text)
    if len(whole) <= MAX_FIELD_CHARS:
        return whole
    return f"{whole[:MAX_FIELD_CHARS]} … [{len(whole) - MAX_FIELD_CHARS} characters left out]"
