"""What reviewers do around a decision: claim, assign, withdraw, decide on many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from governance.authority import require_reason, require_role
from governance.decisions import Subject, once
from governance.errors import ReviewError
from governance.events import (
    Actor,
    ReviewAssigned,
    ReviewClaimed,
    ReviewWithdrawn,
)
from governance.ledger import EventDraft, Ledger, Receipt
from governance.refusals import recording
from governance.review import consent_drafts, refusal_drafts, refuse_tombstoned
from governance.review_rules import check_unclaimed
from governance.state import EntryState

Verdict: TypeAlias = Literal["approve", "reject"]

_US: Final = 1_000_000


@dataclass(frozen=True)
class Seen:
    """An entry as a reviewer saw it."""

    entry_id: str
    version: int
    digest: str

    @classmethod
    def of(cls, entry: EntryState) -> Seen:
        """As it stands now."""
        return cls(entry.entry_id, entry.version, entry.content_digest)


def claim(ledger: Ledger, entry_id: str, *, actor: Actor) -> Receipt:
    """Keep an entry to oneself for as long as the policy gives; again: for as long anew.

    Raises:
        ClaimedError: somebody else has claimed it.
        IllegalTransitionError: it waits for nobody.
        NotAuthorisedError: the actor is no reviewer.
    """
    entry = ledger.state.entry(entry_id)
    with recording(ledger, "claim", f"entry:{entry.entry_id}", actor=actor):
        require_role(ledger.state, actor, "reviewer")
        until = ledger.now_us() + ledger.state.terms.claim_s * _US
        payload = ReviewClaimed(entry_id=entry.entry_id, version=entry.version, until_us=until)
        return ledger.append([EventDraft(payload, actor, entry.scope)])


def release(ledger: Ledger, entry_id: str, *, actor: Actor) -> Receipt:
    """Let go of an entry that the actor has claimed.

    Raises:
        ClaimedError: somebody else has claimed it.
        NotAuthorisedError: the actor is no reviewer.
    """
    entry = ledger.state.entry(entry_id)
    with recording(ledger, "release", f"entry:{entry.entry_id}", actor=actor):
        require_role(ledger.state, actor, "reviewer")
        payload = ReviewClaimed(entry_id=entry.entry_id, version=entry.version, until_us=0)
        return ledger.append([EventDraft(payload, actor, entry.scope)])


def assign(ledger: Ledger, entry_id: str, *, to: Actor, actor: Actor) -> Receipt:
    """Ask somebody in particular to decide on an entry that waits.

    Raises:
        IllegalTransitionError: it waits for nobody.
        ReviewError: ``to`` is no person, or its author.
        NotAuthorisedError: one of the two is no reviewer.
    """
    entry = ledger.state.entry(entry_id)
    with recording(ledger, "assign", f"entry:{entry.entry_id}", actor=actor):
        require_role(ledger.state, actor, "reviewer")
        require_role(ledger.state, to, "reviewer")
        if to == entry.author:
            raise ReviewError(f"{to} wrote entry {entry.entry_id} and may not decide on it")
        payload = ReviewAssigned(
            entry_id=entry.entry_id, version=entry.version, rule_id="",
            message=entry.review_message, assignee=str(to),
        )  # fmt: skip
        return ledger.append([EventDraft(payload, actor, entry.scope)])


def withdraw(ledger: Ledger, entry_id: str, *, actor: Actor, comment: str = "") -> Receipt:
    """Take one's own last decision back: the entry waits again as it did before.

    Raises:
        NotAuthorisedError: somebody else decided.
        IllegalTransitionError: nothing to withdraw, it acts already, or it is too late.
    """
    entry = ledger.state.entry(entry_id)
    with recording(ledger, "withdraw", f"entry:{entry.entry_id}", actor=actor):
        payload = ReviewWithdrawn(entry_id=entry.entry_id, version=entry.version, comment=comment)
        return ledger.append([EventDraft(payload, actor, entry.scope)])


def decide_many(
    ledger: Ledger,
    seen: Sequence[Seen],
    verdict: Verdict,
    *,
    actor: Actor,
    reason_code: str,
    comment: str = "",
) -> Receipt:
    """Decide on several entries in one append, all or none.

    Only what is quickly decided: no more than the policy's cap, none above its risk, none that is
    quarantined, and none that takes a second person or a signature.

    Raises:
        ReviewError: too many, none, one twice, or one that must be decided on by itself.
        As :func:`governance.review.approve`, for any of them.
    """
    first = seen[0].entry_id if seen else ""
    with recording(ledger, f"{verdict} many", f"entry:{first}", actor=actor):
        require_role(ledger.state, actor, "reviewer")
        require_reason(verdict, reason_code)
        entries = _together(ledger, seen)
        said = (reason_code, comment)
        drafts: list[EventDraft] = []
        for one, entry in zip(seen, entries, strict=True):
            subject = Subject.of(entry, version=one.version, digest=one.digest)
            if verdict == "approve":
                refuse_tombstoned(ledger, entry)
                drafts += consent_drafts(ledger.state, entry, subject, actor, said)
            else:
                check_unclaimed(entry, actor, ledger.now_us())
                drafts += refusal_drafts(ledger, entry, subject, actor, said=said, tombstone=True)
        return ledger.append(once(drafts))


def _together(ledger: Ledger, seen: Sequence[Seen]) -> list[EntryState]:
    terms = ledger.state.terms
    if not seen:
        raise ReviewError("nothing was chosen to decide on")
    if len({one.entry_id for one in seen}) != len(seen):
        raise ReviewError("an entry was chosen twice")
    if len(seen) > terms.bulk_cap:
        raise ReviewError(
            f"{len(seen)} entries at once are too many to have been read",
            hint=f"the policy allows {terms.bulk_cap} in one go",
        )
    entries = [ledger.state.entry(one.entry_id) for one in seen]
    for entry in entries:
        reason = _alone(entry, terms.bulk_risk_ppm)
        if reason:
            raise ReviewError(
                f"entry {entry.entry_id} {reason}", hint="decide on it by itself: review show"
            )
    return entries


def _alone(entry: EntryState, most_ppm: int) -> str:
    """Why an entry may not be decided on together with others; empty when it may."""
    if entry.status == "quarantined":
        return "is quarantined"
    if entry.risk_ppm > most_ppm:
        return f"has a risk of {entry.risk_ppm / _US:.2f}"
    if entry.terms.people > 1:
        return "takes two reviewers"
    return "takes a signature" if entry.terms.signed else ""
