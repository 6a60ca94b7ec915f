from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.memory.records import (
    MAX_FIELD_CHARS,
    case_body,
    case_proposal,
    is_infrastructure_error,
    subtask_body,
    subtask_proposal,
    tool_proposal,
)
from agent.workspace import Source, ToolCall, Utterance, lay_out
from agent.workspace_schema import Outcome, TranscriptHeader
from governance.events import (
    CaseBody,
    RewardOrigin,
    Scope,
    SubtaskBody,
    ToolBody,
    content_digest,
)


def transcript(
    *,
    reward: float | None = 1.0,
    origin: RewardOrigin = "environment",
    note: str = "Booked.",
    error: str | None = None,
) -> Source:
    call = ToolCall("book", '{"claim": "CL-1"}', error or '{"ok": true}', error is None)
    said = [
        Utterance("Nora", "Please book a fitter for CL-1."),
        Utterance("tool", f"book(...) -> {call.result}", call),
        Utterance("Priya", "Done."),
    ]
    text, turns = lay_out(said, trust="customer", speakers={})
    outcome = None if reward is None else Outcome(reward=reward, origin=origin, note=note)
    header = TranscriptHeader.model_validate(
        {
            "transcript": "call-1",
            "started_at": "2026-03-04T09:12:00Z",
            "task": "Book a fitter.",
            "plan": ["Ask", "Book"],
        }
    ).model_copy(update={"outcome": outcome})
    return Source(
        source_id="transcripts/1.jsonl", kind="transcript", path=Path("1.jsonl"), raw=text,
        text=text, turns=turns, trust="customer", data_subject="Nora", subject="claim CL-1",
        scope=Scope(), header=header,
    )  # fmt: skip


def test_a_completed_task_becomes_a_case() -> None:
    source = transcript()
    proposal = case_proposal(source, "source-1")
    assert proposal is not None
    assert proposal.body == CaseBody(
        task="Book a fitter.", plan=["Ask", "Book"], outcome="Booked.",
        reward_ppm=1_000_000, reward_origin="environment",
    )  # fmt: skip
    (span,) = proposal.spans
    assert (span.source_id, span.start, span.end) == ("source-1", 0, len(source.text))
    assert proposal.origin is None
    assert proposal.episode == source.source_id
    assert proposal.data_subject == "Nora"
    assert proposal.valid_from_us == 1_772_615_520_000_000


def test_failures_are_cases_too() -> None:
    proposal = case_proposal(transcript(reward=-0.5, note="Wrong garage."), "source-1")
    assert proposal is not None
    assert isinstance(proposal.body, CaseBody)
    assert proposal.body.reward_ppm == -500_000


def test_without_an_outcome_there_is_no_case() -> None:
    assert case_proposal(transcript(), "s") is not None
    assert case_proposal(transcript(reward=None), "s") is None
    assert case_proposal(replace(transcript(), header=None), "s") is None
    assert case_proposal(replace(transcript(), text=""), "s") is None


def test_an_infrastructure_error_is_not_a_negative_case() -> None:
    broken = "connection refused by booking-service:443"
    assert case_proposal(transcript(reward=0, error=broken), "s") is None
    assert case_proposal(transcript(reward=-1, note="The service was unreachable."), "s") is None
    # A tool's honest answer is a failure of the plan, and so is what a person judged.
    assert case_proposal(transcript(reward=0, error="no such policy"), "s") is not None
    assert case_proposal(transcript(reward=0, error=broken, origin="human"), "s") is not None
    # A success in spite of it stays a success.
    assert case_proposal(transcript(reward=1, error=broken), "s") is not None


@pytest.mark.parametrize(
    "message",
    [
        "Timeout", "request timed out", "time-out after 30 s", "HTTP 503", "status code: 502",
        "Service Unavailable", "rate limited", "Too Many Requests", "connection reset by peer",
        "[Errno 111] Connection refused", "No space left on device", "down for maintenance",
    ],
)  # fmt: skip
def test_infrastructure_errors(message: str) -> None:
    assert is_infrastructure_error(message)


@pytest.mark.parametrize(
    "message",
    [
        "policy not found", "amount exceeds the limit", "customer unreachable", "HTTP 404",
        "not allowed", "error 50000 euros", "needs maintenance", "",
    ],
)  # fmt: skip
def test_answers_of_working_tools(message: str) -> None:
    assert not is_infrastructure_error(message)


def test_a_tool_call_becomes_tool_memory() -> None:
    source = transcript(error="policy not found")
    turn = source.turns[1]
    proposal = tool_proposal(source, turn, "source-1")
    assert proposal.body == ToolBody(
        tool="book", arguments='{"claim": "CL-1"}', result="policy not found", ok=False
    )
    (span,) = proposal.spans
    assert source.text[span.start : span.end] == "tool: book(...) -> policy not found"
    with pytest.raises(ValueError, match="not a tool call"):
        tool_proposal(source, source.turns[0], "source-1")


def test_a_subtask_rests_on_its_turns() -> None:
    source = transcript()
    body = subtask_body("Book a fitter.", "Call the garage", "Booked for Friday")
    proposal = subtask_proposal(source, source.turns[:2], "source-1", body)
    assert isinstance(proposal.body, SubtaskBody)
    (span,) = proposal.spans
    assert source.text[span.start : span.end].startswith("Nora: Please")
    assert source.text[span.start : span.end].endswith('{"ok": true}')


def test_long_results_are_cut_and_say_so() -> None:
    call = ToolCall("dump", "{}", "x" * (MAX_FIELD_CHARS + 5), True)
    source = transcript()
    turn = replace(source.turns[1], tool=call)
    body = tool_proposal(source, turn, "s").body
    assert isinstance(body, ToolBody)
    assert body.result == "x" * MAX_FIELD_CHARS + " … [5 characters left out]"


def test_what_cannot_be_hashed_is_replaced() -> None:
    body = case_body("a\ud800b", (), "fine", reward=5.0, origin="test")
    assert body.task == "a\ufffdb"
    assert body.reward_ppm == 1_000_000
    assert len(content_digest(body)) == 64
