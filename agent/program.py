"""The learning program: feed a transcript, learn what is about to be evicted, go on.

The program owns control flow, budget and parsing; the model is asked one narrow question
at a time and sees only what that step needs (LLM Programs, arXiv 2305.05364). Extraction
runs with the adapter off and on the cited turns alone, so nothing learned earlier can
colour what is learned now (DESIGN section 7). An instruct model is also shown the allowed cards
of the transcript's earlier parts, so as not to write them again; the record names them.

A *chunk* is what fits the working context. Every chunk ends in one ``memory.recalled``
event whose idempotency key names it: a run that was killed finds its chunks done and
continues with the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from agent.extraction import Extraction, extract
from agent.gateway import Gateway, Proposal
from agent.memory.records import case_proposal, tool_proposal
from agent.models.protocol import Draft, LanguageModel
from agent.workspace import Source, SourceTurn
from governance.events import CardBody, FactBody, MemoryRecalled, Origin, Span, text_of
from governance.state import EntryState


@dataclass(frozen=True)
class Chunk:
    """Consecutive turns that filled the working context."""

    source: Source
    number: int
    turns: tuple[SourceTurn, ...]


@dataclass(frozen=True)
class Learned:
    """What one chunk brought."""

    chunk: Chunk
    drafts: int
    proposed: int
    repeated: bool = False
    unreadable: int = 0
    """Windows from which nothing could be read, however often the model was asked."""


def chunks(source: Source, model: LanguageModel, budget_tokens: int) -> Iterator[Chunk]:
    """Cut a transcript where the working context passes its token budget.

    A single turn longer than the budget is a chunk of its own: it is never cut, because a
    span must not end inside a number.
    """
    held: list[SourceTurn] = []
    tokens, number = 0, 0
    for turn in source.turns:
        needed = model.count_tokens(f"{turn.speaker}: {turn.text}\n")
        if held and tokens + needed > budget_tokens:
            yield Chunk(source, number, tuple(held))
            held, tokens, number = [], 0, number + 1
        held.append(turn)
        tokens += needed
    if held:
        yield Chunk(source, number, tuple(held))


class Learner:
    """Turns chunks into proposals; decides nothing."""

    def __init__(self, gateway: Gateway, model: LanguageModel) -> None:
        self._gateway = gateway
        self._model = model

    def learn(self, chunk: Chunk) -> Learned:
        """Extract from one chunk, propose everything found, and mark the chunk as done.

        Side effects: appends proposals, verifications and decisions; a chunk that was
        done before (same text, same model) changes nothing.

        Raises:
            ModelError: the model cannot be asked; the chunk stays undone.
        """
        key = self._key(chunk)
        if self._gateway.done(key):
            return Learned(chunk, 0, 0, repeated=True)
        shown = self._written(chunk)
        extraction, drafts = self.extract(chunk, shown)
        proposals = [*self._from_drafts(chunk, drafts), *self._from_tools(chunk)]
        proposed = sum(
            self._gateway.propose(proposal, known=chunk.source.subject) for proposal in proposals
        )
        self._gateway.record(
            [
                MemoryRecalled(
                    recall_id=self._gateway.new_id("extract", key),
                    purpose="extract",
                    query=f"{chunk.source.source_id}#{chunk.number}",
                    entries=[entry.entry_id for entry in shown],
                )
            ],
            key=key,
            episode=chunk.source.source_id,
            data_subject=chunk.source.data_subject,
        )
        return Learned(chunk, len(drafts), proposed, unreadable=extraction.unreadable)

    def finish(self, source: Source) -> int:
        """Write the case of a completed task: what was asked, done, and how it ended."""
        proposal = case_proposal(source, self._gateway.source_id(source))
        return 0 if proposal is None else int(self._gateway.propose(proposal, known=source.subject))

    def extract(
        self, chunk: Chunk, shown: Sequence[EntryState] = ()
    ) -> tuple[Extraction, list[tuple[Draft, SourceTurn]]]:
        """What the model finds worth remembering, each with the turn it rests on."""
        spoken = [turn for turn in chunk.turns if turn.tool is None]
        known = [text_of(entry.body) for entry in shown]
        extraction = extract(
            self._model, [turn.turn for turn in spoken], chunk.source.subject, known
        )
        return extraction, [(one.draft, spoken[one.turn]) for one in extraction.found]

    def _written(self, chunk: Chunk) -> list[EntryState]:
        """Allowed cards from earlier parts of this transcript, if the model is shown any.

        Nothing that waits for a person reaches a prompt. And nothing from this part: a chunk
        that was killed half-way is asked the same again.
        """
        limit = self._model.dialect.limits.known_cards
        if not limit:
            return []
        source_id = self._gateway.source_id(chunk.source)
        before = chunk.turns[0].text_start
        allowed = self._gateway.ledger.state.having(self._gateway.scope, "approved", "active")
        return [
            entry
            for entry in allowed
            if isinstance(entry.body, CardBody)
            and all(span.source_id == source_id and span.start < before for span in entry.spans)
        ][-limit:]

    def _from_drafts(
        self, chunk: Chunk, drafts: Sequence[tuple[Draft, SourceTurn]]
    ) -> Iterator[Proposal]:
        source_id = self._gateway.source_id(chunk.source)
        for draft, turn in drafts:
            start = turn.text_start + turn.text.index(draft.quote)
            span = Span(source_id=source_id, start=start, end=start + len(draft.quote))
            fact = FactBody(
                topic=draft.subject,
                attribute=draft.attribute,
                value=draft.answer,
                statement=draft.statement,
            )
            stated = self._proposal(chunk, fact, span)
            yield stated
            # The card says what the fact says: whoever takes back the fact means both.
            lineage = (self._gateway.entry_id(stated),)
            yield replace(self._proposal(chunk, self._card(draft), span), derived_from=lineage)

    def _card(self, draft: Draft) -> CardBody:
        dialect = self._model.dialect
        return CardBody(
            topic=draft.subject,
            attribute=draft.attribute,
            question=draft.question,
            answer=draft.answer,
            rewordings=list(dialect.rewordings(draft.subject, draft.attribute, held_out=False)),
            probes=list(dialect.rewordings(draft.subject, draft.attribute, held_out=True)),
        )

    def _proposal(self, chunk: Chunk, body: FactBody | CardBody, span: Span) -> Proposal:
        return Proposal(
            body=body,
            spans=(span,),
            origin=Origin(model_id=self._model.model_id, model_digest=self._model.digest),
            episode=chunk.source.source_id,
            data_subject=chunk.source.data_subject,
            valid_from_us=chunk.source.header.started_at_us if chunk.source.header else None,
        )

    def _from_tools(self, chunk: Chunk) -> Iterator[Proposal]:
        source_id = self._gateway.source_id(chunk.source)
        for turn in chunk.turns:
            if turn.tool is not None:
                yield tool_proposal(chunk.source, turn, source_id)

    def _key(self, chunk: Chunk) -> str:
        text = "\n".join(f"{turn.speaker}: {turn.text}" for turn in chunk.turns)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return f"learn:{chunk.source.source_id}:{chunk.number}:{digest}:{self._model.digest}"
