"""A verification context around one text, for verifier tests."""

from __future__ import annotations

from collections.abc import Sequence

from governance.events import Actor, Body, Span, Trust
from governance.tombstone import tombstone_of
from governance.verifiers import Citation, Neighbourhood, Peer, VerificationContext
from tests.governance.drafts import BOT, HERE

DIALOGUE = (
    "Tobias: Your claim number is C-17. The inspection is on 10 March.\n"
    "Emeka: what do I have to pay myself?\n"
    "Tobias: The deductible is 300 EUR.\n"
    "Emeka: and who is the adjuster? is it Hugo Bancroft again?\n"
)
QUOTE = "The deductible is 300 EUR."


def plain_key(text: str) -> str:
    return text[-24:]


def context(
    body: Body,
    quote: str | None = QUOTE,
    *,
    text: str = DIALOGUE,
    trust: Trust = "internal",
    author: Actor = BOT,
    known: str = "",
    active: Sequence[Peer] = (),
    rejected: Sequence[Peer] = (),
    replaces: str | None = None,
    entry_id: str = "new",
) -> VerificationContext:
    """``quote is None`` cites nothing; a quote that is not in ``text`` does not resolve."""
    citations = []
    if quote is not None:
        start = text.find(quote)
        span = Span(source_id="s1", start=max(start, 0), end=max(start, 0) + len(quote))
        citations.append(Citation(span, quote if start >= 0 else None, text))
    return VerificationContext(
        entry_id=entry_id,
        body=body,
        scope=HERE,
        author=author,
        trust=trust,
        citations=tuple(citations),
        keyed=plain_key,
        known=known,
        neighbours=Neighbourhood(active),
        rejected=Neighbourhood(rejected),
        tombstones={tombstone_of(plain_key, HERE, peer.body): peer.entry_id for peer in rejected},
        replaces=replaces,
    )
