"""Decisions as events: what an approval, a refusal or a policy's verdict appends; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from governance.errors import LedgerError
from governance.events import (
    Actor,
    EntryActivated,
    EntryApproved,
    EntryPayload,
    EntryProposed,
    EntryQuarantined,
    EntryRejected,
    EntrySuperseded,
    EntryVerified,
    ReviewAssigned,
    Scope,
    channel_of,
    content_digest,
)
from governance.events import Decision as DecisionPayload
from governance.ledger import EventDraft
from governance.lineage import withdrawal_drafts
from governance.policy import Decision
from governance.state import EntryState, State
from governance.tombstone import claim_of
from governance.verifiers import Verification

POLICY_REASON: Final = "policy"
"""Reason code of every decision that a rule made; ``rule_id`` says which."""

_AnyDecision = TypeVar("_AnyDecision", bound=DecisionPayload)


@dataclass(frozen=True)
class Subject:
    """The entry a decision is about, appended already or in the same batch."""

    entry_id: str
    version: int
    digest: str
    scope: Scope
    parametric: bool
    replaces: str | None

    @classmethod
    def of(
        cls, entry: EntryState, *, version: int | None = None, digest: str | None = None
    ) -> Subject:
        """An entry of the ledger, as it is or as the reviewer saw it."""
        return cls(
            entry.entry_id,
            entry.version if version is None else version,
            entry.content_digest if digest is None else digest,
            entry.scope,
            entry.channel == "parametric",
            entry.replaces,
        )

    @classmethod
    def proposed(cls, proposal: EntryProposed, scope: Scope) -> Subject:
        """An entry that the same append proposes."""
        return cls(
            proposal.entry_id,
            proposal.version,
            content_digest(proposal.body),
            scope,
            channel_of(proposal.body) == "parametric",
            proposal.replaces,
        )

    def decided(
        self,
        kind: type[_AnyDecision],
        reason_code: str,
        comment: str = "",
        *,
        rule_id: str | None = None,
        tombstone: str | None = None,
    ) -> _AnyDecision:
        """A decision on this version and content."""
        fields = {
            "entry_id": self.entry_id, "version": self.version, "content_digest": self.digest,
            "reason_code": reason_code, "comment": comment, "rule_id": rule_id,
        }  # fmt: skip
        if tombstone is not None:
            fields["tombstone"] = tombstone
        return kind.model_validate(fields)


def verified_payload(subject: Subject, verification: Verification) -> EntryVerified:
    """The verifiers' results as an event."""
    return EntryVerified(
        entry_id=subject.entry_id,
        version=subject.version,
        results=list(verification.results),
        risk_ppm=verification.risk_ppm,
    )


def policy_drafts(
    state: State, subject: Subject, decision: Decision, episode: str | None
) -> list[EventDraft]:
    """The policy's decision as events, under the policy's name and digest."""
    actor = Actor(kind="policy", id=decision.policy)

    def verdict(kind: type[_AnyDecision]) -> _AnyDecision:
        return subject.decided(kind, POLICY_REASON, decision.message, rule_id=decision.rule_id)

    if decision.outcome == "allow":
        drafts = approval_drafts(state, subject, verdict(EntryApproved), actor)
    else:
        payload: EntryPayload
        if decision.outcome == "deny":
            # No tombstone: the rule will say the same again, and better evidence may come.
            payload = verdict(EntryRejected)
        elif decision.outcome == "quarantine":
            payload = verdict(EntryQuarantined).model_copy(update={"terms": decision.terms})
        else:
            payload = ReviewAssigned(
                entry_id=subject.entry_id,
                version=subject.version,
                rule_id=decision.rule_id,
                message=decision.message,
                terms=decision.terms,
            )
        drafts = [EventDraft(payload, actor, subject.scope)]
    return [
        EventDraft(
            draft.payload, draft.actor, draft.scope, episode=episode, policy_digest=decision.digest
        )
        for draft in drafts
    ]


def approval_drafts(
    state: State, subject: Subject, approval: EntryApproved, actor: Actor
) -> list[EventDraft]:
    """An approval that acts at once, and everything it brings about.

    Raises:
        LedgerError: it would replace an entry of another scope.
    """
    return [
        EventDraft(approval, actor, subject.scope),
        *effect_drafts(state, subject, actor),
    ]


def once(drafts: Iterable[EventDraft]) -> list[EventDraft]:
    """Without what several decisions of one append would do twice, such as superseding."""
    kept: dict[tuple[str, str], EventDraft] = {}
    for draft in drafts:
        kept.setdefault((draft.payload.event_type, draft.payload.subject_id()), draft)
    return list(kept.values())


def effect_drafts(state: State, subject: Subject, actor: Actor) -> list[EventDraft]:
    """What an approval brings about when it takes effect (``review``, rules 2 and 3).

    A card has none of its own: it becomes active inside a certified adapter.

    Raises:
        LedgerError: it would replace an entry of another scope.
    """
    drafts = []
    if not subject.parametric:
        active = EntryActivated(entry_id=subject.entry_id, version=subject.version)
        drafts.append(EventDraft(active, actor, subject.scope))
    gone = _superseded(state, subject)
    drafts += [
        EventDraft(
            EntrySuperseded(entry_id=old.entry_id, version=old.version, by=subject.entry_id),
            actor,
            old.scope,
        )
        for old in gone
    ]
    ids = [old.entry_id for old in gone]
    return drafts + withdrawal_drafts(state, ids, actor, "superseded")


def _superseded(state: State, subject: Subject) -> list[EntryState]:
    """The replaced entry, if it is active here, and its derivatives about the same thing."""
    old = state.entries.get(subject.replaces or "")
    if old is None:
        return []
    if old.scope != subject.scope:
        raise LedgerError(f"entry {old.entry_id} belongs to another scope")
    place = claim_of(old.body).place
    family = [
        old,
        *(
            child
            for child in state.derivatives(old.entry_id)
            if claim_of(child.body).place == place and child.entry_id != subject.entry_id
        ),
    ]
    return [entry for entry in family if entry.status == "active"]
