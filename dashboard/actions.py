"""The only writer behind the screen: typed commands in, a receipt or a refusal out.

A command says who, what, why, and which version and content the person saw. Everything is
checked again below (role, author, transition, version, tombstone): nothing that a browser
sends can pass because a button was there. A refusal is a value; pages show it beside the
button. After a decision that touches the weights the memory is asked to follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from dashboard.wording import LOOK_AGAIN, name_of, told
from governance import review, reviewers
from governance.authority import REASONS, Command
from governance.errors import PalimpsestError
from governance.events import Actor, Scope
from governance.housekeeping import housekeep
from governance.ledger import Ledger, Receipt
from governance.review_rules import due
from governance.revocation import RevocationPlan, residue, revoke
from governance.rollback import (
    RollbackPlan,
    accept_rollback,
    decline_rollback,
    request_rollback,
    rollback,
)
from governance.state import EntryState

Choice = Literal["approve", "reject", "quarantine"]
PAST: Final[dict[Choice, str]] = {
    "approve": "Approved", "reject": "Rejected", "quarantine": "Quarantined",
}  # fmt: skip


class Follower(Protocol):
    """What makes the memory follow the ledger (:class:`dashboard.settling.Settler`)."""

    def request(self, scope: Scope, *, missing_only: tuple[str, ...] | None = None) -> None:
        """Settle ``scope`` soon; with digests, only if one of them is not in the store."""
        ...

    def request_later(self, scope: Scope, after_s: float) -> None:
        """Settle ``scope`` once an approval takes effect."""
        ...


@dataclass(frozen=True)
class Decide:
    """A person's decision on one version of one entry."""

    actor: Actor
    entry_id: str
    choice: Choice
    reason_code: str
    comment: str
    expected_version: int
    expected_digest: str
    expected_approvals: int = 0
    """How many had approved it when the person looked: the last of two makes it act."""


@dataclass(frozen=True)
class Claim:
    """Keep an entry to oneself while deciding on it, or let it go again."""

    actor: Actor
    entry_id: str
    release: bool = False


@dataclass(frozen=True)
class Withdraw:
    """Take one's own last decision on an entry back, before it acts."""

    actor: Actor
    entry_id: str


@dataclass(frozen=True)
class Revoke:
    """Take an entry back, with everything the shown plan lists."""

    actor: Actor
    plan: RevocationPlan
    reason_code: str
    comment: str


@dataclass(frozen=True)
class RollBack:
    """Put the memory back as the shown plan says; ``typed`` is the confirmation.

    Where the policy in force asks for two people, this asks a second one.
    """

    actor: Actor
    plan: RollbackPlan
    reason_code: str
    comment: str
    typed: str


@dataclass(frozen=True)
class AnswerRollBack:
    """Accept or decline what somebody asked for. The id stands for exactly one plan.

    ``typed`` confirms an acceptance: it is carried out at once. Who declines what somebody
    else asked for says why.
    """

    actor: Actor
    rollback_id: str
    accept: bool
    comment: str
    typed: str = ""


@dataclass(frozen=True)
class Done:
    """It stands in the ledger, as events ``first_seq`` to ``last_seq``."""

    words: str
    first_seq: int
    last_seq: int
    settling: bool = False
    undo: str = ""
    """The entry on which this decision can be withdrawn."""
    undone_from: int | None = None
    """The version to which a rollback takes this back."""


@dataclass(frozen=True)
class Refused:
    """It was not done, and why. ``kind`` is the name of the rule that refused."""

    words: str
    hint: str
    kind: str


def reasons(command: Command) -> dict[str, str]:
    """The closed list of reason codes for a command, with their meaning."""
    return REASONS[command]


def decide(ledger: Ledger, follower: Follower, command: Decide) -> Done | Refused:
    """Approve, reject or quarantine.

    Side effects: appends the decision and what follows from it; asks for settling when
    the weights are concerned.
    """
    carry_out = {
        "approve": review.approve, "reject": review.reject, "quarantine": review.quarantine,
    }[command.choice]  # fmt: skip
    try:
        seen = ledger.state.entry(command.entry_id)
        if command.choice == "approve" and len(seen.endorsed_by) != command.expected_approvals:
            return _approved_meanwhile(seen)
        receipt = carry_out(
            ledger,
            command.entry_id,
            actor=command.actor,
            reason_code=command.reason_code,
            comment=command.comment,
            expected_version=command.expected_version,
            expected_digest=command.expected_digest,
        )
    except PalimpsestError as error:
        return _refused(error, command.actor, _entry(ledger, command.entry_id))
    entry = ledger.state.entry(command.entry_id)
    waits_s = _waits_s(ledger, entry)
    trains = entry.channel == "parametric" and due(entry, ledger.now_us())
    settling = trains or _withdrew(ledger, receipt)
    if settling:
        follower.request(entry.scope)
    elif waits_s and entry.channel == "parametric":
        follower.request_later(entry.scope, waits_s)
    undo = command.entry_id if command.choice != "quarantine" and not _acts(entry) else ""
    return Done(_words(command, entry), receipt.first_seq, receipt.last_seq, settling, undo)


def withdraw(ledger: Ledger, command: Withdraw) -> Done | Refused:
    """Put the entry back into the queue as it was.

    Side effects: appends ``review.withdrawn``.
    """
    try:
        receipt = reviewers.withdraw(ledger, command.entry_id, actor=command.actor)
    except PalimpsestError as error:
        return _refused(error, command.actor)
    words = f"Taken back: {command.entry_id} waits again"
    return Done(words, receipt.first_seq, receipt.last_seq)


def claim(ledger: Ledger, command: Claim) -> Done | Refused:
    """Claim an entry for as long as the policy gives, or release it.

    Side effects: appends ``review.claimed``.
    """
    carry_out = reviewers.release if command.release else reviewers.claim
    try:
        receipt = carry_out(ledger, command.entry_id, actor=command.actor)
    except PalimpsestError as error:
        return _refused(error, command.actor, _entry(ledger, command.entry_id))
    words = f"{'Released' if command.release else 'Claimed'} {command.entry_id}"
    return Done(words, receipt.first_seq, receipt.last_seq)


def let_act(ledger: Ledger) -> None:
    """Let approvals act whose time for second thoughts is over, as every command does.

    Side effects: see :func:`governance.housekeeping.housekeep`; nothing beside a service.
    """
    housekeep(ledger)


def _entry(ledger: Ledger, entry_id: str) -> EntryState | None:
    return ledger.state.entries.get(entry_id)


def _approved_meanwhile(entry: EntryState) -> Refused:
    """Nobody gives the last approval who believed it to be the first."""
    who = " and ".join(name_of(one) for one in entry.endorsed_by)
    words = (
        f"Meanwhile {who} approved it: yours would be the last, and it would act"
        if who
        else "The first approval was taken back while you were looking"
    )
    return Refused(words, LOOK_AGAIN, "AppendConflictError")


def _acts(entry: EntryState) -> bool:
    return entry.status == "active"


def _waits_s(ledger: Ledger, entry: EntryState) -> float:
    """Seconds until the approval takes effect; 0 when it is none, or acts at once."""
    if entry.status != "approved" or entry.acts_from_us is None:
        return 0.0
    return max(0.0, (entry.acts_from_us - ledger.now_us()) / 1e6)


def _words(command: Decide, entry: EntryState) -> str:
    if command.choice == "approve" and entry.status in {"verified", "quarantined"}:
        return f"First of two approvals of {command.entry_id}; another reviewer must agree"
    words = f"{PAST[command.choice]} {command.entry_id}"
    if entry.status == "approved" and entry.acts_from_us is None:
        return f"{words}; it acts once it is signed"
    return words


def take_back(ledger: Ledger, follower: Follower, command: Revoke) -> Done | Refused:
    """Revoke an entry with its derivatives; nothing of it acts when this returns.

    Side effects: appends revocations and withdrawals; asks for the shards to be rebuilt.
    """
    if not command.comment.strip():
        return Refused("Revoking needs a comment.", "say what was wrong", "CommentRequired")
    try:
        receipt = revoke(
            ledger,
            command.plan,
            actor=command.actor,
            reason_code=command.reason_code,
            comment=command.comment,
        )
    except PalimpsestError as error:
        return _refused(error, command.actor, _entry(ledger, command.plan.entry_id))
    settling = bool(command.plan.carriers)
    if settling:
        follower.request(ledger.state.entry(command.plan.entry_id).scope)
    left = residue(ledger.state, command.plan.entry_ids)
    words = f"Revoked {len(command.plan.entry_ids)} entries; residue {len(left)}"
    return Done(words, receipt.first_seq, receipt.last_seq, settling)


def roll_back(ledger: Ledger, follower: Follower, command: RollBack) -> Done | Refused:
    """Put entries and shards back to how they stood at a version, or ask a second person to.

    Side effects: appends one event per agent; builds an adapter again only if its bytes
    are missing from the store.
    """
    plan, words = command.plan, (command.reason_code, command.comment)
    if command.typed.strip() != str(plan.to_seq):
        return _unconfirmed(plan.to_seq)
    try:
        if ledger.state.terms.rollback_people > 1:
            return _ask(ledger, plan, command.actor, *words)
        receipt = rollback(
            ledger, plan, actor=command.actor, reason_code=words[0], comment=words[1]
        )
    except PalimpsestError as error:
        return _refused(error, command.actor)
    return _rolled_back(follower, [plan], receipt)


def answer(ledger: Ledger, follower: Follower, command: AnswerRollBack) -> Done | Refused:
    """Accept a requested rollback, which carries it out, or decline it.

    Side effects: as :func:`roll_back`; or appends ``rollback.declined``.
    """
    request = ledger.state.rollbacks.get(command.rollback_id)
    own = request is not None and request.requested_by == command.actor
    if not command.accept and not own and not command.comment.strip():
        return Refused("Declining needs a comment.", "say why not", "CommentRequired")
    if command.accept and request is not None:
        to_seq = request.requested.to_seq
        if command.typed.strip() != str(to_seq):
            return _unconfirmed(to_seq)
    actor, comment = command.actor, command.comment
    try:
        if command.accept:
            done = accept_rollback(ledger, [command.rollback_id], actor=actor, comment=comment)
            return _rolled_back(follower, done.plans, done.receipt)
        receipt = decline_rollback(ledger, command.rollback_id, actor=actor, comment=comment)
    except PalimpsestError as error:
        return _refused(error, actor)
    words = "Your request is taken back" if own else "Declined"
    return Done(f"{words}; nothing has changed", receipt.first_seq, receipt.last_seq)


def _ask(ledger: Ledger, plan: RollbackPlan, actor: Actor, reason_code: str, comment: str) -> Done:
    asked = request_rollback(ledger, plan, actor=actor, reason_code=reason_code, comment=comment)
    who = " or ".join(one.partition(":")[2] for one in asked.acceptors) or "another person"
    words = f"Asked for; nothing has changed yet. {who} can accept it under Requests"
    return Done(words, asked.receipt.first_seq, asked.receipt.last_seq)


def _rolled_back(follower: Follower, plans: Iterable[RollbackPlan], receipt: Receipt) -> Done:
    """What was put back, and the adapters that must be in the store for it."""
    to_seq = 0
    for plan in plans:
        to_seq = plan.to_seq
        served = tuple(move.after for move in plan.shards if move.after)
        for scope in {str(move.scope): move.scope for move in plan.shards}.values():
            follower.request(scope, missing_only=served)
    return Done(
        f"Rolled back to version {to_seq}", receipt.first_seq, receipt.last_seq,
        undone_from=receipt.first_seq - 1,
    )  # fmt: skip


def _unconfirmed(to_seq: int) -> Refused:
    words = "The typed number is not the version shown."
    return Refused(words, f"type {to_seq}", "ConfirmationRequired")


def _withdrew(ledger: Ledger, receipt: Receipt) -> bool:
    events = ledger.events(receipt.first_seq, receipt.last_seq, types={"adapter.withdrawn"})
    return any(True for _ in events)


def _refused(error: PalimpsestError, actor: Actor, entry: EntryState | None = None) -> Refused:
    words, hint = told(error, actor, entry)
    return Refused(words, hint, type(error).__name__)
