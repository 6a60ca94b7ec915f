"""How much a verifier's failures tell, measured by what people decided.

1. The truth is a person's last word on an entry: refused or taken back is *bad*, approved is
   *good*. What a rule decided alone, what is still open, and what fell only because of its
   parent is neither.
2. A result other than ``pass`` flags the entry. TPR is the share of bad entries that were
   flagged, FPR the share of good ones; each with its Wilson interval.
3. Worth is TPR − FPR with Newcombe's interval (Statistics in Medicine 17, 1998, 873–890,
   method 10: the hybrid of two Wilson intervals), 95 %.
4. ``non-informative``: the lower bound is not above 0. ``unmeasured``: fewer than
   :data:`MIN_DECIDED` bad or good entries, or fewer than :data:`MIN_FLAGGED` flagged ones:
   with so few, not even a verifier that is always right gets above 0.

A policy that denies on a verifier's failure keeps its failures from people, and then its worth
cannot be measured under that policy: it stays ``unmeasured``, whatever it is worth.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from governance.events import (
    Actor,
    Decision,
    EntryApproved,
    EntryErased,
    EntryPayload,
    EntryRejected,
    EntryRevoked,
    EntryVerified,
    Event,
    ReviewWithdrawn,
    VerifierRated,
)
from governance.ledger import SYSTEM, EventDraft, Ledger
from governance.refusals import recording
from governance.verifiers import NAMES, STANDARD

MIN_DECIDED: Final = 20
"""Bad entries, and good ones, below which nothing is said."""

MIN_FLAGGED: Final = 5
"""Flagged entries below which nothing is said."""

NEWS: Final = 20
"""So many more decisions are news, also when they change no standing."""

Z_95: Final = 1.959963984540054
_MILLION: Final = 1_000_000
Standing: TypeAlias = Literal["informative", "non-informative", "unmeasured"]
_Word: TypeAlias = Literal["bad", "good", ""]
_TYPES: Final = frozenset({
    "entry.verified", "entry.approved", "entry.rejected", "entry.quarantined", "entry.revoked",
    "entry.erased", "review.assigned", "review.endorsed", "review.withdrawn",
})  # fmt: skip
_COLLATERAL: Final = "derived from "
"""How the comment begins under which a person's decision reaches what was derived."""


# --- intervals -------------------------------------------------------------------------


class Share(NamedTuple):
    """A share or a difference of shares, with the bounds of its interval."""

    value: float
    low: float
    high: float


def wilson(hits: int, total: int, z: float = Z_95) -> Share:
    """A share with its score interval (Wilson 1927); of nothing: anything from 0 to 1."""
    if total == 0:
        return Share(0.0, 0.0, 1.0)
    share, spread = hits / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == total else min(1.0, centre + half)
    return Share(share, low, high)


def difference(first: Share, second: Share) -> Share:
    """``first − second`` of two independent shares, by Newcombe's method 10."""
    value = first.value - second.value
    below = math.hypot(first.value - first.low, second.high - second.value)
    above = math.hypot(first.high - first.value, second.value - second.low)
    return Share(value, value - below, value + above)


# --- worth -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Worth:
    """What one version of a verifier was worth under one policy (SHA-256, hex)."""

    verifier: str
    version: int
    policy: str
    bad: int
    bad_flagged: int
    good: int
    good_flagged: int

    @property
    def tpr(self) -> Share:
        """Share of bad entries that it flagged."""
        return wilson(self.bad_flagged, self.bad)

    @property
    def fpr(self) -> Share:
        """Share of good entries that it flagged."""
        return wilson(self.good_flagged, self.good)

    @property
    def gain(self) -> Share:
        """TPR − FPR."""
        return difference(self.tpr, self.fpr)

    @property
    def standing(self) -> Standing:
        """What follows from it (module rule 4)."""
        flagged = self.bad_flagged + self.good_flagged
        if min(self.bad, self.good) < MIN_DECIDED or flagged < MIN_FLAGGED:
            return "unmeasured"
        return "informative" if self.gain.low > 0 else "non-informative"

    def payload(self) -> VerifierRated:
        """As it is recorded."""
        return VerifierRated(
            verifier=self.verifier, version=self.version, policy=self.policy,
            bad=self.bad, bad_flagged=self.bad_flagged, good=self.good,
            good_flagged=self.good_flagged, lower_ppm=math.floor(self.gain.low * _MILLION),
            upper_ppm=math.ceil(self.gain.high * _MILLION), standing=self.standing,
        )  # fmt: skip


@dataclass
class _Judged:
    """One version of an entry: what the verifiers said, under which policy, and people."""

    results: tuple[tuple[str, int, bool], ...] = ()
    policy: str = ""
    words: list[_Word] = field(default_factory=list)


def measure(ledger: Ledger) -> tuple[Worth, ...]:
    """Every verifier under every policy that decided; oldest policy first.

    One pass over the decisions of the log; memory grows with the entries, not with the events.
    """
    judged: dict[tuple[str, int], _Judged] = {}
    for event in ledger.events(types=_TYPES):
        _take_up(judged, event)
    counts: Counter[tuple[str, str, int, str, bool]] = Counter()
    policies: dict[str, None] = {}
    for entry in judged.values():
        word = entry.words[-1] if entry.words else ""
        if entry.policy:
            policies[entry.policy] = None
        if word and entry.policy:
            for name, version, flagged in entry.results:
                counts[entry.policy, name, version, word, flagged] += 1
    kinds = {(policy, name, version) for policy, name, version, _, _ in counts}
    return tuple(
        _worth(counts, policy, name, version)
        for policy in policies
        for name, version in sorted(
            {(name, version) for known, name, version in kinds if known == policy}, key=_shown
        )
    )


def _take_up(judged: dict[tuple[str, int], _Judged], event: Event) -> None:
    payload, header = event.payload, event.header
    if not isinstance(payload, EntryPayload):
        return  # erased, and so neither good nor bad any more
    if isinstance(payload, EntryErased):
        for key in [key for key in judged if key[0] == payload.entry_id]:
            del judged[key]
        return
    entry = judged.setdefault((payload.entry_id, payload.version), _Judged())
    if isinstance(payload, EntryVerified):
        entry.results = tuple(
            (one.verifier, one.version, one.outcome != "pass") for one in payload.results
        )
    elif header.policy_digest is not None:
        entry.policy = header.policy_digest
    elif isinstance(payload, ReviewWithdrawn):
        del entry.words[-1:]
    elif header.actor.kind == "human" and isinstance(payload, Decision):
        entry.words.append(_word(payload))


def _word(decision: Decision) -> _Word:
    """What a person's decision says about the entry; an endorsement is half an approval."""
    if decision.comment.startswith(_COLLATERAL):
        return ""
    if isinstance(decision, EntryRejected | EntryRevoked):
        return "bad"
    return "good" if isinstance(decision, EntryApproved) else ""


def _worth(
    counts: Counter[tuple[str, str, int, str, bool]], policy: str, name: str, version: int
) -> Worth:
    def count(word: _Word, *, flagged: bool) -> int:
        return counts[policy, name, version, word, flagged]

    bad, good = count("bad", flagged=True), count("good", flagged=True)
    return Worth(
        name, version, policy, bad + count("bad", flagged=False), bad,
        good + count("good", flagged=False), good,
    )  # fmt: skip


def _shown(known: tuple[str, int]) -> tuple[int, str, int]:
    name, version = known
    return (NAMES.index(name) if name in NAMES else len(NAMES), name, version)


# --- recording -------------------------------------------------------------------------


def rate_verifiers(
    ledger: Ledger, *, actor: Actor = SYSTEM, news: int = NEWS
) -> tuple[VerifierRated, ...]:
    """Record what the verifiers are worth under the policy in force, where that is news.

    News is another standing, version or policy than recorded, or at least ``news`` more decisions.
    A verifier once found non-informative stays so until the same version is measured
    to be informative: another policy, under which nothing was decided yet, does not clear it.

    Returns:
        What was recorded; empty when no policy is in force or nothing is news.

    Raises:
        NotAuthorisedError: a person without the role engineer or officer.

    Side effects: appends ``verifier.rated``; reads every decision of the log.
    """
    state = ledger.state
    policy = state.policies.get(state.active_policy or "")
    ratings = tuple(
        payload
        for payload in _present(measure(ledger), policy)
        if _is_news(payload, state.verifiers.get(payload.verifier), news)
    )
    if ratings:
        with recording(ledger, "rate", f"policy:{state.active_policy}", actor=actor):
            ledger.append([EventDraft(payload, actor) for payload in ratings])
    return ratings


def _present(found: Iterable[Worth], policy: str | None) -> Iterator[VerifierRated]:
    """Of the versions that run now, under the policy that decides now."""
    versions = {verifier.name: verifier.version for verifier in STANDARD}
    for worth in found:
        if worth.policy == policy and versions.get(worth.verifier) == worth.version:
            yield worth.payload()


def _is_news(payload: VerifierRated, known: VerifierRated | None, news: int) -> bool:
    if known is None:
        return payload.standing != "unmeasured" or payload.bad + payload.good >= news
    marked = known.version == payload.version and known.standing == "non-informative"
    if marked and payload.standing == "unmeasured":
        return False
    more = abs(payload.bad + payload.good - known.bad - known.good)
    same = (known.standing, known.version, known.policy) == (
        payload.standing, payload.version, payload.policy,
    )  # fmt: skip
    return not same or more >= news
