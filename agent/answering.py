"""Ask the same questions under four arms and score the answers.

none         the model alone
external     recalled notes in the prompt
parametric   the routed shard's adapter, no notes
both         adapter and notes

The context is empty before every question; which arm comes first changes nothing, since
decoding is greedy and at most one adapter is served at a time. Every question leaves two
events: what was put before the model, and what it said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from agent.gateway import Gateway
from agent.memory.recall import Recall
from agent.models.protocol import LanguageModel
from agent.prompting import answer
from agent.target import NOTE_KINDS, NOTE_TOKEN_BUDGET, AgentMemory
from governance.drift.answers import exact_match, token_f1
from governance.events import Arm, MemoryRecalled, OutcomeRecorded
from governance.ledger import SystemClock
from governance.ports import Clock

ARMS: tuple[Arm, ...] = ("none", "external", "parametric", "both")
PPM = 1_000_000


@dataclass(frozen=True)
class Asked:
    """One question to be put, with the answers that count as right."""

    task_id: str
    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Answered:
    """A question, what was put before the model, what it said, and how that scored."""

    asked: Asked
    arm: Arm
    answer: str
    exact: bool
    f1: float
    recalled: MemoryRecalled
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The object that ``palimpsest ask --json`` prints."""
        return {
            "question": self.asked.question,
            "arm": self.arm,
            "answer": self.answer,
            "entries": self.recalled.entries,
            "notes": list(self.notes),
            "shard": self.recalled.shard_id,
            "adapter": self.recalled.adapter_digest,
            "router_score_ppm": self.recalled.router_score_ppm,
        }


class Answerer:
    """Answers questions from a home's memory."""

    def __init__(
        self,
        gateway: Gateway,
        model: LanguageModel,
        memory: AgentMemory,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._gateway = gateway
        self._model = model
        self._memory = memory

    def ask(self, asked: Asked, arm: Arm, *, run_id: str) -> Answered:
        """Put one question under one arm. Appends nothing.

        Raises:
            ModelError: the model cannot be asked.
            AdapterError: the routed adapter's bytes are missing or altered.
        """
        notes = self._recall(asked.question) if arm in {"external", "both"} else None
        route = (
            self._memory.route(self._gateway.scope, asked.question)
            if arm in {"parametric", "both"}
            else None
        )
        with self._memory.serving(route.digest if route else None):
            said = answer(self._model, asked.question, notes.texts if notes else ())
        recalled = MemoryRecalled(
            recall_id=self._gateway.new_id("recall", f"{run_id}:{arm}:{asked.task_id}"),
            purpose="answer",
            query=asked.question,
            entries=notes.entry_ids if notes else [],
            shard_id=route.shard_id if route else None,
            adapter_digest=route.digest if route else None,
            router_score_ppm=route.score_ppm if route else None,
        )
        return Answered(
            asked,
            arm,
            said,
            exact_match(said, asked.answers),
            token_f1(said, asked.answers),
            recalled,
            tuple(notes.texts) if notes else (),
        )

    def run(
        self, questions: Sequence[Asked], *, run_id: str, arms: Iterable[Arm] = ARMS
    ) -> Iterator[OutcomeRecorded | None]:
        """Ask all questions under all arms and record each; ``None`` for one done before.

        Side effects: two events a question and arm, in one append. Stopping in between
        loses at most the question in hand.
        """
        memory = self._gateway.memory_digest()
        for arm in arms:
            for asked in questions:
                key = f"answer:{run_id}:{memory}:{arm}:{asked.task_id}:{_digest(asked)}"
                if self._gateway.done(key):
                    yield None
                    continue
                answered = self.ask(asked, arm, run_id=run_id)
                outcome = self._outcome(answered, run_id)
                self._gateway.record([answered.recalled, outcome], key=key, episode=run_id)
                yield outcome

    def _recall(self, question: str) -> Recall:
        return self._memory.external.recall(
            self._gateway.ledger.state,
            self._gateway.scope,
            question,
            kinds=NOTE_KINDS,
            token_budget=NOTE_TOKEN_BUDGET,
            count_tokens=self._model.count_tokens,
            as_of_us=self._clock.now_us(),  # neither what is over nor what is yet to come
        )

    @staticmethod
    def _outcome(answered: Answered, run_id: str) -> OutcomeRecorded:
        return OutcomeRecorded(
            task_id=answered.asked.task_id,
            run_id=run_id,
            arm=answered.arm,
            question=answered.asked.question,
            answer=answered.answer,
            expected=list(answered.asked.answers),
            exact=answered.exact,
            f1_ppm=round(answered.f1 * PPM),
            origin="ground_truth",
        )


def _digest(asked: Asked) -> str:
    return hashlib.sha256("\n".join((asked.question, *asked.answers)).encode()).hexdigest()[:16]
