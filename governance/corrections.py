"""Saying what is right: what takes the place of something that is in force, and how.

1. *Replacement*: the same attribute has another value.
2. *Negation*: the value does not hold; the person gives the sentence, none is made up.
3. *Retraction*: nothing takes its place. It is revoked as outdated, and its value may be
   learned again unless the person says never.
4. *Partial*: parts of it stay, each as an entry of its own; all take its place together.
5. *Bounds*: the same statement, but only from or until a time.

What takes its place is proposed by the person, who is its author: it passes checks, policy
and review like anything else, and somebody else approves it. The entry in force stays until
then, and is superseded in the append that approves its replacement. Nothing is overwritten:
every version stays readable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from governance.authority import require_reason, require_role
from governance.decisions import Subject, once
from governance.errors import IllegalTransitionError, LedgerError, ReviewError
from governance.events import (
    Actor,
    Body,
    CardBody,
    EntryProposed,
    FactBody,
    Span,
    content_digest,
)
from governance.ledger import EventDraft, Ledger, Receipt
from governance.policy import Policy
from governance.refusals import recording
from governance.review import Submitted, consent_drafts, submit
from governance.revocation import RevocationPlan, plan_revocation, revoke
from governance.state import EntryState
from governance.tombstone import refused_meanwhile
from governance.verifiers import Interval

_ID_CHARS: Final = 12
NEGATION: Final = "not"


ALWAYS: Final = Interval()


# --- what is right instead; pure --------------------------------------------------------


def replaced(body: Body, value: str, statement: str = "") -> Body:
    """``body`` with another value, and the sentence or question it stands in.

    Args:
        body: A fact or a card.
        value: The new value, or the new answer.
        statement: The new sentence of a fact. Left out, the old one is kept with the value
            exchanged, if it names the old value.

    Raises:
        LedgerError: it is neither, nothing changes, or the sentence must be given.
    """
    if not value.strip():
        raise LedgerError("a correction needs the value that is right", hint="give --value")
    if isinstance(body, CardBody):
        new: Body = body.model_copy(update={"answer": value})
    elif isinstance(body, FactBody):
        sentence = statement or body.statement.replace(body.value, value)
        if not statement and body.value not in body.statement:
            raise LedgerError(
                f"the statement does not name {body.value!r}: what should it say?",
                hint="give the new sentence with --statement",
            )
        new = body.model_copy(update={"value": value, "statement": sentence})
    else:
        raise _recorded_fact(body)
    if new == body:
        raise LedgerError("this says the same as what is in force")
    return new


def negated(body: Body, statement: str, value: str = "") -> Body:
    """``body`` turned into its denial; the sentence is the person's.

    Raises:
        LedgerError: no sentence is given, or it is neither a fact nor a card.
    """
    if not statement.strip():
        raise LedgerError(
            "a negation needs its sentence: none is made up",
            hint="give --statement (of a card: --answer)",
        )
    if isinstance(body, CardBody):
        return replaced(body, statement)
    if isinstance(body, FactBody):
        return replaced(body, value or f"{NEGATION} {body.value}", statement)
    raise _recorded_fact(body)


def kept(body: Body, attribute: str, value: str) -> Body:
    """One part of ``body`` that still holds, as a fact of its own about the same topic.

    Raises:
        LedgerError: attribute or value is blank, or it is no fact.
    """
    if not isinstance(body, FactBody):
        raise _recorded_fact(body)
    if not attribute.strip() or not value.strip():
        raise LedgerError("a part that stays needs both names", hint="--keep ATTRIBUTE=VALUE")
    name, said = attribute.strip(), value.strip()
    return FactBody(
        topic=body.topic, attribute=name, value=said, statement=f"{body.topic}, {name}: {said}."
    )


def _recorded_fact(body: Body) -> LedgerError:
    return LedgerError(
        f"a {body.kind} cannot be corrected in words of its own",
        hint="retract it with --retract; facts and cards can be reworded",
    )


# --- proposing it -----------------------------------------------------------------------


def correct(
    ledger: Ledger,
    entry_id: str,
    bodies: Sequence[Body],
    *,
    actor: Actor,
    policy: Policy,
    valid: Interval = ALWAYS,
) -> tuple[Submitted, ...]:
    """Propose what takes the place of an entry in force; a repeat changes nothing.

    Args:
        ledger: Where it is.
        entry_id: What is to be corrected, or a unique beginning of its id.
        bodies: What is right instead; several: parts of it.
        actor: The person who says so, author of the replacements.
        policy: Decides whether they wait for a reviewer.
        valid: When the replacements hold.

    Raises:
        NotAuthorisedError: the actor is no person.
        IllegalTransitionError: the entry is not in force.
        LedgerError: no such entry, or no replacement.

    Side effects: appends the proposals with checks and decisions; a refusal is recorded.
    """
    with recording(ledger, "correct", f"entry:{entry_id}", actor=actor):
        require_role(ledger.state, actor, "reviewer", "engineer", "officer")
        old = _in_force(ledger, entry_id)
        _check_interval(valid)
        if not bodies:
            raise LedgerError("a correction needs what is right instead", hint="see --help")
        if len({content_digest(body) for body in bodies}) < len(bodies):
            raise LedgerError("two of the replacements say the same")
        return tuple(
            _proposed(ledger, old, body, actor=actor, policy=policy, valid=valid) for body in bodies
        )


def bound(
    ledger: Ledger, entry_id: str, valid: Interval, *, actor: Actor, policy: Policy
) -> Submitted:
    """Propose the same statement for a limited time, on the same evidence.

    It is made from the entry it replaces, so revoking that one takes it back too.

    Raises:
        As :func:`correct`; LedgerError also when the interval is the present one.
    """
    with recording(ledger, "correct", f"entry:{entry_id}", actor=actor):
        require_role(ledger.state, actor, "reviewer", "engineer", "officer")
        old = _in_force(ledger, entry_id)
        _check_interval(valid)
        if valid == Interval(old.valid_from_us, old.valid_to_us):
            raise LedgerError(f"entry {old.entry_id} holds for exactly that time already")
        return _proposed(
            ledger, old, old.body, actor=actor, policy=policy, valid=valid, spans=old.spans,
            derived_from=(old.entry_id,),
        )  # fmt: skip


def retract(
    ledger: Ledger,
    entry_id: str,
    *,
    actor: Actor,
    comment: str = "",
    never_again: bool = False,
) -> tuple[RevocationPlan, Receipt]:
    """Take an entry out of force with everything made from it; nothing takes its place.

    Args:
        ledger: Where it is.
        entry_id: What no longer holds.
        actor: A reviewer or officer.
        comment: Free text for the record.
        never_again: Whether its value may never be learned again.

    Raises:
        As :func:`governance.revocation.revoke` and ``plan_revocation``.

    Side effects: as :func:`governance.revocation.revoke`, with the reason ``outdated``.
    """
    with recording(ledger, "correct", f"entry:{entry_id}", actor=actor):
        plan = plan_revocation(ledger, entry_id)
    receipt = revoke(
        ledger, plan, actor=actor, reason_code="outdated", comment=comment, tombstone=never_again
    )
    return plan, receipt


def accept(
    ledger: Ledger, entry_id: str, *, actor: Actor, reason_code: str = "correction",
    comment: str = "",
) -> Receipt:  # fmt: skip
    """Approve everything that waits to take the place of an entry, in one append.

    All parts come into force together, when the policy's time for second thoughts is over, and
    the entry is superseded by all of them, so that nothing of it is missing in between.

    Raises:
        SelfReviewError: the actor proposed one of them.
        IllegalTransitionError: nothing waits, or it takes more than one person's word.
        ReviewError: unknown reason, or a value was refused meanwhile.
        NotAuthorisedError: the actor is no reviewer.

    Side effects: appends the approvals; a refusal is recorded.
    """
    with recording(ledger, "accept", f"entry:{entry_id}", actor=actor):
        state = ledger.state
        require_role(state, actor, "reviewer")
        require_reason("approve", reason_code)
        old = state.entry(entry_id)
        waiting = _waiting(ledger, old)
        drafts: list[EventDraft] = []
        for entry in waiting:
            earlier = refused_meanwhile(ledger, entry)
            if earlier is not None:
                raise ReviewError(
                    f"the value of {entry.entry_id} was rejected or revoked as {earlier}",
                    hint=f"palimpsest show {earlier} tells why",
                )
            said = (reason_code, comment)
            drafts += consent_drafts(state, entry, Subject.of(entry), actor, said)
        return ledger.append(once(drafts))


def _waiting(ledger: Ledger, old: EntryState) -> list[EntryState]:
    found = [
        entry
        for entry in ledger.state.having(old.scope, "verified")
        if entry.replaces == old.entry_id and entry.in_review
    ]
    if not found:
        raise IllegalTransitionError(f"nothing waits to take the place of {old.entry_id}")
    if any(entry.terms.people > 1 or entry.terms.signed for entry in found):
        raise IllegalTransitionError(
            f"what takes the place of {old.entry_id} needs more than one person's word at once",
            hint="palimpsest review approve, each by itself",
        )
    return found


def reinstate(
    ledger: Ledger, plan: RevocationPlan, *, actor: Actor, policy: Policy
) -> tuple[Submitted, ...]:
    """Propose again what the revoked entries had superseded, on the evidence it had.

    A superseded entry takes no new version; what is proposed is a fresh one made from it.
    It is never done without asking: that the newer statement was wrong does not make the
    older one right.

    Raises:
        As :func:`correct`.
    """
    with recording(ledger, "reinstate", f"entry:{plan.entry_id}", actor=actor):
        require_role(ledger.state, actor, "reviewer", "engineer", "officer")
        done = []
        for name in plan.restorable:
            old = ledger.state.entries[name]
            proposal = EntryProposed(
                entry_id=_new_id(ledger, old, f"again:{plan.entry_id}"), version=1,
                body=old.body, spans=list(old.spans), derived_from=[name],
                valid_from_us=old.valid_from_us, valid_to_us=old.valid_to_us,
            )  # fmt: skip
            done.append(submit(ledger, proposal, actor=actor, scope=old.scope, policy=policy))
        return tuple(done)


def _check_interval(valid: Interval) -> None:
    if valid.start_us is not None and valid.end_us is not None and valid.end_us <= valid.start_us:
        raise LedgerError("a validity ends before it begins", hint="swap the two times")


def _in_force(ledger: Ledger, entry_id: str) -> EntryState:
    old = ledger.state.entry(entry_id)
    if old.status != "active":
        pending = old.status in {"proposed", "verified", "quarantined", "approved"}
        raise IllegalTransitionError(
            f"entry {old.entry_id} is {old.status}: only what is in force is corrected",
            hint=f"palimpsest review reject {old.entry_id}" if pending else "it does not act",
        )
    return old


def _proposed(
    ledger: Ledger,
    old: EntryState,
    body: Body,
    *,
    actor: Actor,
    policy: Policy,
    valid: Interval,
    spans: Sequence[Span] = (),
    derived_from: Sequence[str] = (),
) -> Submitted:
    identity = f"{content_digest(body)}:{valid.start_us}:{valid.end_us}"
    proposal = EntryProposed(
        entry_id=_new_id(ledger, old, identity), version=1, body=body, spans=list(spans),
        derived_from=list(derived_from), replaces=old.entry_id, valid_from_us=valid.start_us,
        valid_to_us=valid.end_us,
    )  # fmt: skip
    return submit(ledger, proposal, actor=actor, scope=old.scope, policy=policy)


def _new_id(ledger: Ledger, old: EntryState, identity: str) -> str:
    name = f"correction:{old.scope}:{old.entry_id}:{old.version}:{identity}"
    return f"{old.body.kind}-{ledger.keyed(name)[:_ID_CHARS]}"
