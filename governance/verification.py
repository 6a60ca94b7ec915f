"""Brings a proposal, its evidence and the memory around it before the verifiers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from governance.errors import LedgerError
from governance.events import (
    Actor,
    EntryProposed,
    Origin,
    Scope,
    Span,
    VerifierRated,
    VerifierResult,
    channel_of,
)
from governance.ledger import Ledger
from governance.lineage import actor_trust, trust_of
from governance.policy import PolicyInput, outcomes_of
from governance.state import DriftHold, State
from governance.surroundings import peer_of, surroundings
from governance.verifiers import (
    STANDARD,
    Citation,
    Interval,
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
    around = surroundings(ledger, state, scope)
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
        neighbours=around.in_force,
        rejected=around.refused,
        tombstones=around.tombstones,
        replaces=proposal.replaces,
        valid=Interval(proposal.valid_from_us, proposal.valid_to_us),
        lineage=_lineage(state, proposal),
        pending=around.pending,
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


def _lineage(state: State, proposal: EntryProposed) -> tuple[Peer, ...]:
    """All that it replaces or was made from, and so on up, nearest first."""
    found: dict[str, Peer] = {}
    frontier = [*proposal.parents(), *_one(proposal.replaces)]
    while frontier:
        entry_id = frontier.pop(0)
        entry = state.entries.get(entry_id)
        if entry_id in found or entry is None:
            continue
        found[entry_id] = peer_of(entry)
        frontier += [*entry.parents, *_one(entry.replaces)]
    return tuple(found.values())


def _one(entry_id: str | None) -> list[str]:
    return [] if entry_id is None else [entry_id]


# --- what the policy sees --------------------------------------------------------------


def facts_of(
    state: State,
    context: VerificationContext,
    verification: Verification,
    proposal: EntryProposed,
) -> PolicyInput:
    """What the policy decides on."""
    return PolicyInput(
        kind=context.body.kind,
        channel=channel_of(context.body),
        scope=context.scope,
        actor_kind=context.author.kind,
        actor_id=context.author.id,
        actor_trust=actor_trust(state, context.author),
        trust=context.trust,
        risk_ppm=verification.risk_ppm,
        checks=outcomes_of(verification.results),
        spans=len(context.citations),
        own=own_citations(state, proposal.spans, context.author),
        parents=len(proposal.parents()),
        active=len(context.neighbours),
        pending=context.pending,
        replaces=proposal.replaces is not None,
        drift_hold=holds_back(
            state.drift_holds.values(), context.scope, [p.entry_id for p in context.lineage],
            proposal.origin,
        ),
        uninformative=uninformative(state.verifiers, verification.results),
    )  # fmt: skip


def own_citations(state: State, spans: Iterable[Span], author: Actor) -> int:
    """How many of ``spans`` cite a source that ``author`` registered."""
    cited = (state.sources.get(span.source_id) for span in spans)
    return sum(source is not None and source.registered_by == author for source in cited)


def holds_back(
    holds: Iterable[DriftHold], scope: Scope, lineage: Iterable[str], origin: Origin | None
) -> bool:
    """Whether a drift hold that nobody released speaks against what a proposal comes from.

    It names an entry of the lineage, one that was in the prompt, or the adapter that was on;
    or it names nothing and thereby all of its scope.
    """
    influences = {*lineage, *(origin.recalled if origin is not None else ())}
    adapter = origin.adapter_digest if origin is not None else None
    for hold in holds:
        if hold.released or not scope.sees(hold.scope):
            continue
        named = hold.held.entries or hold.held.adapters
        if not named or influences & set(hold.held.entries) or adapter in hold.held.adapters:
            return True
    return False


def uninformative(
    rated: Mapping[str, VerifierRated], results: Iterable[VerifierResult]
) -> frozenset[str]:
    """Verifiers whose results say no more than chance, in the version that ran."""
    return frozenset(
        result.verifier
        for result in results
        for rating in [rated.get(result.verifier)]
        if rating is not None
        and rating.standing == "non-informative"
        and rating.version == result.version
    )
