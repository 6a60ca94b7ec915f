"""The only writer behind the screen: typed commands in, a receipt or a refusal out.

A command says who, what, why, and which version and content the person saw. Everything is
checked again below (role, author, transition, version, tombstone): nothing that a browser
sends can pass because a button was there. A refusal is a value; pages show it beside the
button. After a decision that touches the weights the memory is asked to follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from governance import review, reviewers
from governance.authority import REASONS, Command
from governance.errors import PalimpsestError
from governance.events import Actor, Scope
from governance.ledger import Ledger, Receipt
from governance.revocation import RevocationPlan, residue, revoke
from governance.rollback import RollbackPlan, rollback
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
    """Put the memory back as the shown plan says; ``typed`` is the confirmation."""

    actor: Actor
    plan: RollbackPlan
    reason_code: str
    comment: str
    typed: str


@dataclass(frozen=True)
class Done:
    """It stands in the ledger, as events ``first_seq`` to ``last_seq``."""

    words: str
    first_seq: int
    last_seq: int
    settling: bool = False
    undo: str = ""
    """The entry on which this decision can be withdrawn."""


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
        return _refused(error)
    entry = ledger.state.entry(command.entry_id)
    waits_s = _waits_s(ledger, entry)
    settling = not waits_s and (entry.channel == "parametric" or _withdrew(ledger, receipt))
    if settling:
        follower.request(entry.scope)
    elif waits_s and entry.channel == "parametric":
        follower.request_later(entry.scope, waits_s)
    undo = command.entry_id if command.choice != "quarantine" and not _acts(entry) else ""
    words = _words(command, entry, waits_s)
    return Done(words, receipt.first_seq, receipt.last_seq, settling, undo)


def withdraw(ledger: Ledger, command: Withdraw) -> Done | Refused:
    """Put the entry back into the queue as it was.

    Side effects: appends ``review.withdrawn``.
    """
    try:
        receipt = reviewers.withdraw(ledger, command.entry_id, actor=command.actor)
    except PalimpsestError as error:
        return _refused(error)
    words = f"Taken back: {command.entry_id} waits again"
    return Done(words, receipt.first_seq, receipt.last_seq)


def _acts(entry: EntryState) -> bool:
    return entry.status == "active"


def _waits_s(ledger: Ledger, entry: EntryState) -> float:
    """Seconds until the approval takes effect; 0 when it is none, or acts at once."""
    if entry.status != "approved" or entry.acts_from_us is None:
        return 0.0
    return max(0.0, (entry.acts_from_us - ledger.now_us()) / 1e6)


def _words(command: Decide, entry: EntryState, waits_s: float) -> str:
    if command.choice == "approve" and entry.status in {"verified", "quarantined"}:
        return f"First of two approvals of {command.entry_id}; another reviewer must agree"
    words = f"{PAST[command.choice]} {command.entry_id}"
    if entry.status == "approved" and entry.acts_from_us is None:
        return f"{words}; it acts once it is signed"
    return f"{words}; it acts in {waits_s:.0f} s" if waits_s else words


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
        return _refused(error)
    settling = bool(command.plan.carriers)
    if settling:
        follower.request(ledger.state.entry(command.plan.entry_id).scope)
    left = residue(ledger.state, command.plan.entry_ids)
    words = f"Revoked {len(command.plan.entry_ids)} entries; residue {len(left)}"
    return Done(words, receipt.first_seq, receipt.last_seq, settling)


def roll_back(ledger: Ledger, follower: Follower, command: RollBack) -> Done | Refused:
    """Put entries and shards back to how they stood at a version.

    Side effects: appends one event per agent; builds an adapter again only if its bytes
    are missing from the store.
    """
    if command.typed.strip() != str(command.plan.to_seq):
        return Refused(
            "The typed number is not the version shown.", f"type {command.plan.to_seq}",
            "ConfirmationRequired",
        )  # fmt: skip
    try:
        receipt = rollback(
            ledger,
            command.plan,
            actor=command.actor,
            reason_code=command.reason_code,
            comment=command.comment,
        )
    except PalimpsestError as error:
        return _refused(error)
    served = tuple(move.after for move in command.plan.shards if move.after)
    for scope in {str(move.scope): move.scope for move in command.plan.shards}.values():
        follower.request(scope, missing_only=served)
    words = f"Rolled back to version {command.plan.to_seq}"
    return Done(words, receipt.first_seq, receipt.last_seq, bool(served))


def _withdrew(ledger: Ledger, receipt: Receipt) -> bool:
    events = ledger.events(receipt.first_seq, receipt.last_seq, types={"adapter.withdrawn"})
    return any(True for _ in events)


def _refused(error: PalimpsestError) -> Refused:
    return Refused(str(error), error.hint, type(error).__name__)
