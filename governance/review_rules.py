"""What reviewers may do, and when: part of the entry state machine. Pure.

1. An approval under terms acts once its time for second thoughts is over, signed if it must be.
2. Where two people must agree, two different ones do, neither of them the author.
3. Who has claimed an entry decides on it alone while the claim runs. Taking something out of
   service is never held up by a claim.
4. A decision is withdrawn by whoever made it, before it acted.
"""

from __future__ import annotations

from typing import Final

from governance.errors import (
    ClaimedError,
    IllegalTransitionError,
    NotAuthorisedError,
    ReviewError,
    SelfReviewError,
)
from governance.events import (
    Actor,
    EntryApproved,
    EntryPayload,
    EntryQuarantined,
    ReviewAssigned,
    ReviewClaimed,
    ReviewEndorsed,
    ReviewTerms,
    ReviewWithdrawn,
    Status,
)
from governance.state import EntryState, State

SECOND_THOUGHTS_S: Final = 30
"""A decision can be withdrawn for at least so long, in seconds."""
CLAIM_SLACK_S: Final = 60
"""A claim may be counted from a little before it is recorded."""
_S: Final = 1_000_000
_WAITING: Final[frozenset[Status]] = frozenset({"verified", "quarantined"})


def check_review(
    state: State, entry: EntryState, payload: EntryPayload, actor: Actor, now_us: int
) -> None:
    """Refuse what a reviewer may not do now; everything else is none of its business.

    Raises:
        ClaimedError: somebody else is deciding on it.
        SelfReviewError: the author, or one person twice.
        IllegalTransitionError: too early, too late, or not in this status.
        NotAuthorisedError: not this actor.
        ReviewError: terms may not be loosened.
    """
    if isinstance(payload, EntryApproved | ReviewEndorsed):
        check_unclaimed(entry, actor, now_us)
        _check_people(entry, payload, actor)
    elif isinstance(payload, ReviewAssigned | EntryQuarantined):
        _check_terms(entry, payload, actor)
    elif isinstance(payload, ReviewClaimed):
        _check_claim(state, entry, payload, actor, now_us)
    elif isinstance(payload, ReviewWithdrawn):
        check_withdrawal(entry, actor, now_us)


def check_effect(entry: EntryState, now_us: int) -> None:
    """Refuse to let an approval act before its time.

    Raises:
        IllegalTransitionError: it can still be withdrawn, or is not signed.
    """
    if entry.status != "approved" or entry.terms == ReviewTerms():
        return
    if entry.acts_from_us is None or now_us < entry.acts_from_us:
        missing = "is not signed" if entry.acts_from_us is None else "can still be withdrawn"
        raise IllegalTransitionError(f"the approval of entry {entry.entry_id} {missing}")


def due(entry: EntryState, now_us: int) -> bool:
    """Whether an approved entry may act by now."""
    if entry.status != "approved":
        return False
    return entry.terms == ReviewTerms() or (
        entry.acts_from_us is not None and entry.acts_from_us <= now_us
    )


def claimed_by_other(entry: EntryState, actor: Actor, now_us: int) -> bool:
    """Whether somebody else is deciding on the entry."""
    return entry.claimant(now_us) not in {None, actor}


def check_unclaimed(entry: EntryState, actor: Actor, now_us: int) -> None:
    """Refuse a person's decision while somebody else has claimed the entry.

    Raises:
        ClaimedError: they have.
    """
    if actor.kind == "human" and claimed_by_other(entry, actor, now_us):
        left = -((now_us - entry.claimed_until_us) // (60 * _S))
        raise ClaimedError(
            f"{entry.claimed_by} is deciding on entry {entry.entry_id}",
            hint=f"the claim ends in {left} min, or when they let it go",
        )


def _check_people(entry: EntryState, payload: EntryPayload, actor: Actor) -> None:
    if actor.kind != "human":
        if isinstance(payload, ReviewEndorsed):
            raise NotAuthorisedError(f"{actor} is no person and cannot endorse")
        return
    if actor == entry.author:
        raise SelfReviewError(
            f"{actor} wrote entry {entry.entry_id} and may not approve it",
            hint="ask another reviewer",
        )
    others = [one for one in entry.endorsed_by if one != actor]
    if isinstance(payload, ReviewEndorsed):
        if entry.terms.people < 2:  # noqa: PLR2004
            raise IllegalTransitionError(f"entry {entry.entry_id} takes one approval, not two")
        if entry.endorsed_by:
            raise SelfReviewError(f"entry {entry.entry_id} has its first approval already")
    elif entry.terms.people > 1 and not others:
        mine = actor in entry.endorsed_by
        raise SelfReviewError(
            f"entry {entry.entry_id} takes two reviewers"
            + (f", and {actor} is the first" if mine else ""),
            hint="ask another reviewer" if mine else "endorse it; another reviewer approves",
        )


def _check_terms(
    entry: EntryState, payload: ReviewAssigned | EntryQuarantined, actor: Actor
) -> None:
    """Policies set terms; a person may tighten them."""
    terms, now = payload.terms, entry.terms
    if actor.kind != "human" or terms is None:
        return
    tighter = (
        terms.people >= now.people and terms.delay_s >= now.delay_s and terms.signed >= now.signed
    )
    if not tighter:
        raise ReviewError(f"{actor} may not loosen what a decision on {entry.entry_id} takes")


def _check_claim(
    state: State, entry: EntryState, payload: ReviewClaimed, actor: Actor, now_us: int
) -> None:
    if actor.kind != "human":
        raise NotAuthorisedError(f"{actor} is no person and decides on nothing")
    check_unclaimed(entry, actor, now_us)
    if payload.until_us == 0:
        return
    if entry.status not in _WAITING:
        raise IllegalTransitionError(
            f"entry {entry.entry_id} is {entry.status} and waits for nobody"
        )
    if payload.until_us > now_us + (state.terms.claim_s + CLAIM_SLACK_S) * _S:
        raise ReviewError(
            f"a claim lasts {state.terms.claim_s // 60} min at most", hint="claim it again later"
        )


def check_withdrawal(entry: EntryState, actor: Actor, now_us: int) -> None:
    """Refuse to take back what somebody else decided, what has acted, or what is long past.

    Raises:
        NotAuthorisedError: it was somebody else's decision.
        IllegalTransitionError: there is nothing to withdraw, or it is too late.
    """
    endorsed = entry.status in _WAITING and bool(entry.endorsed_by)
    last = entry.endorsed_by[-1] if endorsed else entry.decided_by
    before = entry.as_of((entry.decided_seq or 0) - 1)
    undoable = endorsed or entry.status in {"approved", "rejected"}
    if not undoable or before is None or before.status not in _WAITING:
        raise IllegalTransitionError(
            f"entry {entry.entry_id} is {entry.status}: there is nothing to withdraw",
            hint="what acts is revoked; what was decided long ago is rolled back",
        )
    if last != actor:
        raise NotAuthorisedError(f"{last} decided on entry {entry.entry_id}, not {actor}")
    window = max(entry.terms.delay_s, SECOND_THOUGHTS_S) * _S
    unsigned = entry.status == "approved" and entry.acts_from_us is None
    if not unsigned and now_us > (entry.decided_at_us or 0) + window:
        raise IllegalTransitionError(
            f"the decision on entry {entry.entry_id} can no longer be withdrawn",
            hint="revoke it, or roll back",
        )
