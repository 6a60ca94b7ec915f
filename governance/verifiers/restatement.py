"""Is it nearly what is known, or nearly what was refused?"""

from __future__ import annotations

from typing import ClassVar, Final

from rapidfuzz import fuzz, process

from governance.events import VerifierResult, text_of
from governance.facts import Fact, conserved_facts
from governance.textforms import value_key
from governance.verifiers.protocol import Neighbourhood, Peer, VerificationContext, failed, passed

NEAR_PERCENT: Final = 88.0
"""``fuzz.ratio`` from which two texts with the same facts count as restatements."""

MAX_CANDIDATES: Final = 8


class Restatement:
    """Near match by text, with the same numbers, dates, names and identifiers.

    Without the second condition the same sentence about two claims would match. This is
    the net under the tombstone: a reworded rejected value is shown to a person. The very
    same claim is left to the verifiers ``duplicate`` and ``tombstone``.
    """

    name: ClassVar[str] = "restatement"
    version: ClassVar[int] = 1

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails naming the nearest entry; ``score_ppm`` is the similarity."""
        refused = _nearest(context, context.rejected)
        if refused is not None:
            peer, score = refused
            return failed(self, f"restates {peer.entry_id}, which was refused", score_ppm=score)
        known = _nearest(context, context.neighbours)
        if known is not None:
            peer, score = known
            return failed(self, f"nearly the same as {peer.entry_id}", score_ppm=score)
        return passed(self)


def _nearest(context: VerificationContext, among: Neighbourhood) -> tuple[Peer, int] | None:
    """The most similar other entry of the kind that states the same facts, if near enough."""
    text = text_of(context.body)
    texts = {
        peer.entry_id: value_key(peer.text)
        for peer in among
        if peer.body.kind == context.body.kind and peer.entry_id != context.entry_id
    }
    hits = process.extract(
        value_key(text), texts, scorer=fuzz.ratio, score_cutoff=NEAR_PERCENT, limit=MAX_CANDIDATES
    )
    stated = _stated(text) if hits else None
    for _, score, entry_id in hits:
        peer = among.get(entry_id)
        same = (peer.claim.place, peer.claim.key) == (context.claim.place, context.claim.key)
        if not same and _stated(peer.text) == stated:
            return peer, round(score * 10_000)
    return None


def _stated(text: str) -> tuple[frozenset[Fact], frozenset[str]]:
    """Facts, and every word with a digit in it: ``booking 1_0007`` is not ``1_0008``."""
    words = value_key(text).split()
    digits = frozenset(word for word in words if any(char.isdigit() for char in word))
    return frozenset(conserved_facts(text)), digits
