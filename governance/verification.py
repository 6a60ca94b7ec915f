"""Brings a proposal, its evidence and the memory around it before the verifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from governance.errors import LedgerError
from governance.events import Actor, EntryProposed, Scope, Span
from governance.ledger import Ledger
from governance.lineage import IN_FORCE, trust_of
from governance.state import State
from governance.verifiers import (
    STANDARD,
    Citation,
    Neighbourhood,
    Peer,
    Verification,
    VerificationContext,
    Verifier,
    run_verifiers,
)

CONTEXT_CHARS: Final = 4_000
"""Text on either side of a span in which names and numbers may be looked up."""


def context_of(
    ledger: Ledger, proposal: EntryProposed, author: Actor, scope: Scope, known: str = ""
) -> VerificationContext:
    """Everything the verifiers may look at.

    Args:
        ledger: Where sources, neighbours and tombstones are.
        proposal: Appended or not.
        author: Who proposes it.
        scope: Where it would live.
        known: What the write path knows about the evidence, such as its registered
            subject; never a text that the proposing model wrote.
    """
    state = ledger.state
    names = " ".join(
        state.sources[span.source_id].name.replace("/", " ")
        for span in proposal.spans
        if span.source_id in state.sources
    )
    return VerificationContext(
        entry_id=proposal.entry_id,
        body=proposal.body,
        scope=scope,
        author=author,
        trust=trust_of(
            state,
            [span for span in proposal.spans if span.source_id in state.sources],
            proposal.parents(),
            author,
        ),
        citations=_citations(ledger, proposal.spans, scope),
        keyed=ledger.keyed,
        known=f"{known}\n{names}",
        neighbours=_in_force(state, scope),
        rejected=_refused(state, scope),
        tombstones=state.tombstones(scope),
        replaces=proposal.replaces,
    )


def verify_proposal(
    ledger: Ledger,
    proposal: EntryProposed,
    author: Actor,
    scope: Scope,
    *,
    known: str = "",
    verifiers: Sequence[Verifier] = STANDARD,
) -> tuple[VerificationContext, Verification]:
    """Run the verifiers on ``proposal``; appends nothing."""
    context = context_of(ledger, proposal, author, scope, known)
    return context, run_verifiers(context, verifiers)


def _citations(ledger: Ledger, spans: Sequence[Span], scope: Scope) -> tuple[Citation, ...]:
    texts: dict[str, str | None] = {}
    citations = []
    for span in spans:
        if span.source_id not in texts:
            texts[span.source_id] = _source_text(ledger, span.source_id, scope)
        text = texts[span.source_id]
        if text is None or not span.start < span.end <= len(text):
            citations.append(Citation(span, None))
            continue
        around = text[max(0, span.start - CONTEXT_CHARS) : span.end + CONTEXT_CHARS]
        citations.append(Citation(span, text[span.start : span.end], around))
    return tuple(citations)


def _source_text(ledger: Ledger, source_id: str, scope: Scope) -> str | None:
    source = ledger.state.sources.get(source_id)
    if source is None or not scope.sees(source.scope):
        return None
    try:
        return ledger.source_text(source_id)
    except LedgerError:  # erased: the evidence is gone, so it no longer resolves
        return None


def _in_force(state: State, scope: Scope) -> Neighbourhood:
    return Neighbourhood(
        Peer(entry.entry_id, entry.body) for entry in state.having(scope, *IN_FORCE)
    )


def _refused(state: State, scope: Scope) -> Neighbourhood:
    """Rejected and revoked values: those that carry a tombstone."""
    return Neighbourhood(
        Peer(entry_id, state.entries[entry_id].body)
        for entry_id in state.tombstones(scope).values()
    )
