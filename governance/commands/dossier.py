"""All there is to know about one entry, for ``show``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from governance.commands import describe, render
from governance.errors import LedgerError
from governance.events import CardBody, FactBody, text_of
from governance.lineage import carriers, span_trust, trust_of

if TYPE_CHECKING:
    from governance.commands.options import Json
    from governance.ledger import Event, Ledger
    from governance.lineage import Carrier
    from governance.state import EntryState

CONTEXT_CHARS = 120
_PPM = 1_000_000


@dataclass(frozen=True)
class Quote:
    """A span in its source, with a little around it; ``text`` is None once erased."""

    source_id: str
    name: str
    trust: str
    start: int
    end: int
    before: str
    text: str | None
    after: str


@dataclass(frozen=True)
class Dossier:
    """One entry with its surroundings."""

    entry: EntryState
    trust: str
    quotes: tuple[Quote, ...]
    events: tuple[Event, ...]
    derivatives: tuple[str, ...]
    recalls: tuple[int, ...]
    carriers: tuple[Carrier, ...]


def dossier(ledger: Ledger, entry_id: str) -> Dossier:
    """Collect it.

    Raises:
        LedgerError: no such entry.
    """
    state = ledger.state
    entry = state.entry(entry_id)
    return Dossier(
        entry=entry,
        trust=trust_of(state, entry.spans, entry.parents, entry.author),
        quotes=tuple(_quotes(ledger, entry)),
        events=tuple(ledger.event(seq) for seq in entry.history),
        derivatives=tuple(child.entry_id for child in state.derivatives(entry.entry_id)),
        recalls=tuple(state.recalls.get(entry.entry_id, ())),
        carriers=carriers(state, [entry.entry_id]),
    )


def dossier_data(found: Dossier) -> dict[str, Json]:
    """As JSON data."""
    return {
        **describe.entry_data(found.entry),
        "trust": found.trust,
        "evidence": [
            {"source_id": q.source_id, "name": q.name, "trust": q.trust, "start": q.start,
             "end": q.end, "before": q.before, "text": q.text, "after": q.after}
            for q in found.quotes
        ],
        "events": [describe.event_data(event) for event in found.events],
        "derivatives": list(found.derivatives),
        "recalls": list(found.recalls),
        "served_by": [
            {"shard": carrier.shard_id, "digest": carrier.digest} for carrier in found.carriers
        ],
    }  # fmt: skip


def print_dossier(found: Dossier) -> None:
    """As tables."""
    console = render.console()
    entry = found.entry
    console.print(render.plain(f"{entry.entry_id} v{entry.version}", "bold"))
    console.print(render.fields(_facts(found)))
    for quote in found.quotes:
        console.print()
        console.print(render.plain(f"Evidence: {quote.name} ({quote.trust})", "bold"))
        console.print(_quoted(quote))
    console.print()
    checks = [
        (result.verifier, render.status(result.outcome), result.detail,
         "" if result.score_ppm is None else f"{result.score_ppm / _PPM:.2f}")
        for result in entry.results
    ]  # fmt: skip
    if checks:
        console.print(render.table("Checks", ("Check", "Outcome", "Detail", "Score"), checks))
        console.print()
    rows = [
        (str(event.header.seq), describe.time_of(event.header.recorded_at_us),
         event.header.type, str(event.header.actor),
         render.short(describe.summary(event.payload)))
        for event in found.events
    ]  # fmt: skip
    columns = ("Version", "Time (UTC)", "Event", "Who", "What")
    console.print(render.table("History", columns, rows))


def _facts(found: Dossier) -> list[tuple[str, Text | str]]:
    entry = found.entry
    pairs: list[tuple[str, Text | str]] = [("Status", render.status(entry.status))]
    body = entry.body
    if isinstance(body, FactBody | CardBody):
        pairs += [("Topic", body.topic), ("Attribute", body.attribute)]
    if isinstance(body, FactBody):
        pairs.append(("Value", body.value))
    if isinstance(body, CardBody):
        pairs += [("Question", body.question), ("Answer", body.answer)]
    else:
        pairs.append(("Text", text_of(body)))
    served = ", ".join(f"{one.digest[:12]} of {one.shard_id}" for one in found.carriers)
    return [
        *pairs,
        ("Kind", f"{body.kind}, {entry.channel} channel"),
        ("Scope", str(entry.scope)),
        ("Proposed by", str(entry.author)),
        ("Trust", found.trust),
        ("Risk", f"{entry.risk_ppm / _PPM:.2f}"),
        ("Waits because", entry.review_message if entry.in_review else ""),
        ("Decided by", f"{entry.decided_by}, {entry.reason_code}" if entry.decided_by else ""),
        ("Replaces", entry.replaces or ""),
        ("Derived from", ", ".join(entry.derived_from)),
        ("Derivatives", ", ".join(found.derivatives)),
        ("In adapter", served),
        ("Recalled", f"{len(found.recalls)} times" if found.recalls else "never"),
        ("Content", entry.content_digest),
    ]


def _quotes(ledger: Ledger, entry: EntryState) -> list[Quote]:
    quotes = []
    for span in entry.spans:
        source = ledger.state.sources[span.source_id]
        try:
            text: str | None = ledger.source_text(span.source_id)
        except LedgerError:
            text = None
        whole = text or ""
        quotes.append(
            Quote(
                span.source_id, source.name, span_trust(ledger.state, span), span.start, span.end,
                whole[max(0, span.start - CONTEXT_CHARS) : span.start],
                None if text is None else whole[span.start : span.end],
                whole[span.end : span.end + CONTEXT_CHARS],
            )
        )  # fmt: skip
    return quotes


def _quoted(quote: Quote) -> Text:
    if quote.text is None:
        return render.plain("(erased)", "dim")
    text = render.plain(quote.before, "dim")
    text.append_text(render.plain(quote.text, "bold underline"))
    return text.append_text(render.plain(quote.after, "dim"))
