"""Is it nearly what is known, or nearly what was refused?"""

from __future__ import annotations

from typing import ClassVar, Final

from rapidfuzz import fuzz, process

from governance.events import VerifierResult, text_of
from governance.facts import Fact, conserved_facts
from governance.textforms import value_key
from governance.verifiers.polarity import says_nothing
from governance.verifiers.protocol import (
    NEAR,
    Neighbourhood,
    Peer,
    VerificationContext,
    failed,
    passed,
)

NEAR_PERCENT: Final = 100 * NEAR
"""``fuzz.ratio`` from which two texts with the same facts count as restatements."""

MAX_CANDIDATES: Final = 8


class Restatement:
    """Near match by text with the same facts, or a refused value in another place.

    Numbers, dates, names and identifiers must be the same, or else the same sentence about two
    claims would match. This is the net under the tombstone: a reworded rejected value is
    shown to a person, and so is a text that says a rejected value of the same topic under
    another attribute or beside another value. The very same claim is left to the verifiers
    ``duplicate`` and ``tombstone``.
    """

    name: ClassVar[str] = "restatement"
    version: ClassVar[int] = 2

    def verify(self, context: VerificationContext) -> VerifierResult:
        """Fails naming the nearest entry; ``score_ppm`` is the similarity."""
        refused = _nearest(context, context.rejected)
        if refused is not None:
            peer, score = refused
            return failed(self, f"restates {peer.entry_id}, which was refused", score_ppm=score)
        repeated = _repeated(context)
        if repeated is not None:
            detail = f"says {repeated.claim.value!r}, which was refused as {repeated.entry_id}"
            return failed(self, detail)
        known = _nearest(context, context.neighbours)
        if known is not None:
            peer, score = known
            return failed(self, f"nearly the same as {peer.entry_id}", score_ppm=score)
        return passed(self)


def _repeated(context: VerificationContext) -> Peer | None:
    """A refused entry about the same topic whose value stands in this text as whole words."""
    text = f" {value_key(text_of(context.body))} "
    claim = (context.claim.place, context.claim.key)
    for peer in context.rejected.about(context.claim):
        key = peer.claim.key
        if (peer.claim.place, key) != claim and not says_nothing(key) and f" {key} " in text:
            return peer
    return None


def _nearest(context: VerificationContext, among: Neighbourhood) -> tuple[Peer, int] | None:
    """The most similar other entry of the kind that states the same facts, if near enough."""
    text = text_of(context.body)
    key = value_key(text)
    hits = [
        (score, entry_id)
        for texts in among.like(context.body, key)
        for _, score, entry_id in process.extract(
            key, texts, scorer=fuzz.ratio, score_cutoff=NEAR_PERCENT, limit=MAX_CANDIDATES
        )
        if entry_id != context.entry_id
    ]
    stated = _stated(text) if hits else None
    for score, entry_id in sorted(hits, key=lambda hit: -hit[0]):
        peer = among.get(entry_id)
        same = (peer.claim.place, peer.claim.key) == (context.claim.place, context.claim.key)
        if not same and _stated(peer.text) == stated:
            return peer, round(score * 10_000)
    return None


def _stated(text: str) -> frozenset[Fact]:
    """Facts; words with digits are the same already (``booking 1_0007`` is not ``1_0008``)."""
    return frozenset(conserved_facts(text))
