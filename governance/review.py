"""Deciding on entries: the policy's decisions and a person's, each one append.

1. ``submit``: proposal, verification and the policy's decision stand or fall together.
2. A rule's approval in the external channel takes effect at once, a person's when the time for
   second thoughts that the policy sets is over (``housekeeping``); a card becomes active only
   inside a certified adapter (``MemoryTarget.settle``).
3. What an approved entry ``replaces`` is superseded when it takes effect, with whatever was
   derived from it about the same attribute; adapters that hold it leave service.
4. Only people decide here, with a reason from a closed list, on the version and content
   they have seen. Author ≠ reviewer, roles and transitions hold in the ledger and below,
   whatever the caller does.
5. A value that was rejected or revoked meanwhile cannot be approved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from governance.authority import REASONS, Command, require_reason, require_role
from governance.client import RemoteLog
from governance.decisions import Subject, approval_drafts, policy_drafts, verified_payload
from governance.errors import NotAuthorisedError, ReviewError
from governance.events import (
    Actor,
    EntryApproved,
    EntryProposed,
    EntryQuarantined,
    EntryRejected,
    EntryVerified,
    PolicyActivated,
    ReviewAssigned,
    ReviewCommented,
    ReviewEndorsed,
    Scope,
    VerifierResult,
)
from governance.ledger import EventDraft, Ledger, Receipt
from governance.lineage import PENDING, withdrawal_drafts
from governance.policy import Decision, Outcome, Policy
from governance.refusals import recording
from governance.review_rules import check_unclaimed
from governance.state import EntryState, State
from governance.tombstone import tombstone_of
from governance.verification import facts_of, verify_proposal
from governance.verifiers import STANDARD, Verification, Verifier
from governance.wire import ProposalBody

_OUTCOMES: Final[dict[type, Outcome]] = {
    EntryApproved: "allow", ReviewAssigned: "review", EntryQuarantined: "quarantine",
    EntryRejected: "deny",
}  # fmt: skip
VERIFIERS: Final = Actor(kind="system", id="verifiers")


@dataclass(frozen=True)
class Submitted:
    """What became of a proposal. Of a repeat (``receipt.repeated``): what was recorded then."""

    entry_id: str
    decision: Decision
    verification: Verification
    receipt: Receipt


# --- the policy decides ----------------------------------------------------------------


def submit(
    ledger: Ledger,
    proposal: EntryProposed,
    *,
    actor: Actor,
    scope: Scope,
    policy: Policy,
    episode: str | None = None,
    data_subject: str = "",
    known: str = "",
    verifiers: Sequence[Verifier] = STANDARD,
) -> Submitted:
    """Propose, verify and let the policy decide, in one append.

    Args:
        ledger: Where it is recorded.
        proposal: The entry; its id should be derived from scope, evidence and content.
        actor: Who proposes it: a model, an importer or a named person.
        scope: From the authenticated principal.
        policy: Decides; its digest goes into the decision's header. With a restricted
            ledger the policy in force decides instead, where the ledger is owned.
        episode: The transcript or run it was learned in.
        data_subject: Whose key encrypts it.
        known: What the write path knows about the evidence (its registered subject); the
            owner of a restricted ledger does not take a client's word for it.
        verifiers: A verifier that is left out counts as missing; a restricted ledger's owner
            runs all of its own.

    Raises:
        LedgerError: the proposal may not follow the present state.
        NotAuthorisedError: a restricted ledger's principal is not ``actor``.

    Side effects: appends ``entry.proposed``, ``entry.verified`` and the decision.
    """
    log = ledger.log
    if isinstance(log, RemoteLog) and log.bounds is not None:
        return _submitted_there(
            log, proposal, actor=actor, scope=scope, episode=episode, data_subject=data_subject
        )
    key = f"submit:{proposal.entry_id}:{proposal.version}"
    earlier = ledger.receipt(key)
    if earlier is not None:
        return _recorded(ledger, proposal, replace(earlier, repeated=True))
    context, verification = verify_proposal(
        ledger, proposal, actor, scope, known=known, verifiers=verifiers
    )
    decision = policy.decide(facts_of(ledger.state, context, verification, proposal))
    subject = Subject.proposed(proposal, scope)
    drafts = [
        EventDraft(proposal, actor, scope, episode=episode, data_subject=data_subject),
        EventDraft(verified_payload(subject, verification), VERIFIERS, scope, episode=episode),
        *policy_drafts(ledger.state, subject, decision, episode),
    ]
    receipt = ledger.append(drafts, key=key)
    return Submitted(proposal.entry_id, decision, verification, receipt)


def _submitted_there(
    log: RemoteLog,
    proposal: EntryProposed,
    *,
    actor: Actor,
    scope: Scope,
    episode: str | None,
    data_subject: str,
) -> Submitted:
    """Verified and decided on by the owner of the ledger: this process is not trusted to."""
    if actor != log.principal:
        raise NotAuthorisedError(
            f"this token is {log.principal}'s and cannot propose as {actor}",
            hint=f"propose as {log.principal}",
        )
    answer = log.propose(
        ProposalBody(
            proposal=proposal.model_dump(mode="json"), scope=scope, episode=episode,
            data_subject=data_subject,
        )
    )  # fmt: skip
    return Submitted(
        answer.entry_id,
        Decision(**answer.decision.model_dump()),
        Verification(tuple(answer.results), answer.risk_ppm),
        answer.receipt.receipt(),
    )


def reconsider(
    ledger: Ledger,
    entry_id: str,
    *,
    policy: Policy,
    known: str = "",
    verifiers: Sequence[Verifier] = STANDARD,
) -> Submitted:
    """Verify an undecided entry again and let ``policy`` decide on it, in one append.

    Raises:
        IllegalTransitionError: it is neither proposed nor verified.
    """
    entry = ledger.state.entry(entry_id)
    proposal = EntryProposed(
        entry_id=entry.entry_id, version=entry.version, body=entry.body,
        spans=list(entry.spans), origin=entry.origin, derived_from=list(entry.derived_from),
        replaces=entry.replaces, valid_from_us=entry.valid_from_us,
        valid_to_us=entry.valid_to_us, copy_of=entry.copy_of,
    )  # fmt: skip
    context, verification = verify_proposal(
        ledger, proposal, entry.author, entry.scope, known=known, verifiers=verifiers
    )
    decision = policy.decide(facts_of(ledger.state, context, verification, proposal))
    subject = Subject.of(entry)
    drafts = [
        EventDraft(verified_payload(subject, verification), VERIFIERS, entry.scope),
        *policy_drafts(ledger.state, subject, decision, entry.episode),
    ]
    return Submitted(entry.entry_id, decision, verification, ledger.append(drafts))


def activate_policy(ledger: Ledger, policy: Policy, actor: Actor) -> bool:
    """Record that ``policy`` decides from here on; False when it did already.

    Side effects: appends ``policy.activated`` with the whole text.
    """
    require_role(ledger.state, actor, "officer", "admin")
    state = ledger.state
    if state.active_policy == policy.name and state.policies.get(policy.name) == policy.digest:
        return False
    payload = PolicyActivated(
        name=policy.name, digest=policy.digest, text=policy.text, terms=policy.terms
    )
    ledger.append([EventDraft(payload, actor)])
    return True


# --- a person decides ------------------------------------------------------------------


def approve(
    ledger: Ledger,
    entry_id: str,
    *,
    actor: Actor,
    reason_code: str,
    comment: str = "",
    expected_version: int,
    expected_digest: str,
) -> Receipt:
    """Let an entry act, or endorse it where a second person must agree.

    It acts at once if the policy asked for no delay and no signature, else later
    (``housekeeping.take_effect``); until then :func:`reviewers.withdraw` takes it back.

    Raises:
        SelfReviewError: the actor wrote it, or approved it already.
        ClaimedError: somebody else is deciding on it.
        IllegalTransitionError: it does not wait for a decision.
        AppendConflictError: it is not the version or content the reviewer saw.
        ReviewError: unknown reason, or the value was refused meanwhile.
        NotAuthorisedError: the actor is no person or no reviewer.
    """
    entry = ledger.state.entry(entry_id)
    with recording(ledger, "approve", f"entry:{entry.entry_id}", actor=actor):
        _may_decide(ledger.state, actor, "approve", reason_code)
        refuse_tombstoned(ledger, entry)
        subject = Subject.of(entry, version=expected_version, digest=expected_digest)
        return ledger.append(
            consent_drafts(ledger.state, entry, subject, actor, (reason_code, comment))
        )


def consent_drafts(
    state: State, entry: EntryState, subject: Subject, actor: Actor, said: tuple[str, str]
) -> list[EventDraft]:
    """What a person's yes appends; ``said`` is reason code and comment."""
    if entry.terms.people > 1 and not entry.endorsed_by:
        return [EventDraft(subject.decided(ReviewEndorsed, *said), actor, entry.scope)]
    payload = subject.decided(EntryApproved, *said)
    if entry.terms.delay_s or entry.terms.signed:
        return [EventDraft(payload, actor, entry.scope)]
    return approval_drafts(state, subject, payload, actor)


def reject(
    ledger: Ledger,
    entry_id: str,
    *,
    actor: Actor,
    reason_code: str,
    comment: str = "",
    expected_version: int,
    expected_digest: str,
    tombstone: bool = True,
) -> Receipt:
    """Refuse an entry and, with ``tombstone``, its value for good.

    Whatever was derived from it and is still undecided is rejected with it. What was
    derived from it and is in force must be revoked (``governance.revocation``).

    Raises:
        As :func:`approve`.
    """
    entry = ledger.state.entry(entry_id)
    with recording(ledger, "reject", f"entry:{entry.entry_id}", actor=actor):
        _may_decide(ledger.state, actor, "reject", reason_code)
        check_unclaimed(entry, actor, ledger.now_us())
        subject = Subject.of(entry, version=expected_version, digest=expected_digest)
        return ledger.append(
            refusal_drafts(
                ledger, entry, subject, actor, said=(reason_code, comment), tombstone=tombstone
            )
        )


def refusal_drafts(
    ledger: Ledger,
    entry: EntryState,
    subject: Subject,
    actor: Actor,
    *,
    said: tuple[str, str],
    tombstone: bool,
) -> list[EventDraft]:
    """What a person's no appends; ``said`` is reason code and comment."""
    state, (reason_code, _) = ledger.state, said
    key = tombstone_of(ledger.keyed, entry.scope, entry.body)
    own = subject.decided(EntryRejected, *said, tombstone=key if tombstone else None)
    drafts = [EventDraft(own, actor, entry.scope)]
    for child in state.derivatives(entry.entry_id):
        if child.status in PENDING:
            same = tombstone and tombstone_of(ledger.keyed, child.scope, child.body) == key
            payload = Subject.of(child).decided(
                EntryRejected,
                reason_code,
                f"derived from {entry.entry_id}",
                tombstone=key if same else None,
            )
            drafts.append(EventDraft(payload, actor, child.scope))
    # An approved card that was not absorbed is held by its adapter all the same.
    return drafts + withdrawal_drafts(state, [entry.entry_id], actor, reason_code)


def quarantine(
    ledger: Ledger,
    entry_id: str,
    *,
    actor: Actor,
    reason_code: str,
    comment: str = "",
    expected_version: int,
    expected_digest: str,
) -> Receipt:
    """Set an entry apart; if it was active it stops acting at once, adapters included.

    Raises:
        As :func:`approve`.
    """
    entry = ledger.state.entry(entry_id)
    with recording(ledger, "quarantine", f"entry:{entry.entry_id}", actor=actor):
        state = ledger.state
        _may_decide(state, actor, "quarantine", reason_code)
        subject = Subject.of(entry, version=expected_version, digest=expected_digest)
        payload = subject.decided(EntryQuarantined, reason_code, comment)
        drafts = [EventDraft(payload, actor, entry.scope)]
        drafts += withdrawal_drafts(state, [entry.entry_id], actor, reason_code)
        return ledger.append(drafts)


def comment(ledger: Ledger, entry_id: str, *, actor: Actor, text: str) -> Receipt:
    """Add a remark.

    Raises:
        ReviewError: the text is blank.
    """
    entry = ledger.state.entry(entry_id)
    if not text.strip():
        raise ReviewError("a comment needs text")
    payload = ReviewCommented(entry_id=entry.entry_id, version=entry.version, comment=text)
    return ledger.append([EventDraft(payload, actor, entry.scope)])


def _recorded(ledger: Ledger, proposal: EntryProposed, receipt: Receipt) -> Submitted:
    """What a proposal led to the first time; nothing is judged again."""
    results: tuple[VerifierResult, ...] = ()
    risk_ppm = 0
    outcome: Outcome = "deny"
    rule_id = message = policy = digest = ""
    for event in ledger.events(receipt.first_seq, receipt.last_seq):
        payload, header = event.payload, event.header
        if isinstance(payload, EntryVerified):
            results, risk_ppm = tuple(payload.results), payload.risk_ppm
        elif type(payload) in _OUTCOMES and header.subject == proposal.subject_id():
            outcome = _OUTCOMES[type(payload)]
            rule_id = getattr(payload, "rule_id", "")
            message = getattr(payload, "comment", "") or getattr(payload, "message", "")
            policy, digest = header.actor.id, header.policy_digest or ""
    decision = Decision(outcome, rule_id, message, "low", "", policy, digest)
    return Submitted(proposal.entry_id, decision, Verification(results, risk_ppm), receipt)


def _may_decide(state: State, actor: Actor, command: Command, reason_code: str) -> None:
    require_role(state, actor, "reviewer")
    require_reason(command, reason_code)


def refuse_tombstoned(ledger: Ledger, entry: EntryState) -> None:
    """Refuse an entry whose value was refused since it was proposed.

    Raises:
        ReviewError: it was.
    """
    key = tombstone_of(ledger.keyed, entry.scope, entry.body)
    earlier = ledger.state.tombstones(entry.scope).get(key)
    if earlier is not None and earlier != entry.entry_id:
        raise ReviewError(
            f"the value of {entry.entry_id} was rejected or revoked as {earlier}",
            hint=f"palimpsest show {earlier} tells why; a rollback can bring it back",
        )


__all__ = [
    "REASONS", "Submitted", "activate_policy", "approve", "comment", "quarantine",
    "reconsider", "reject", "submit",
]  # fmt: skip
