"""What the service does for a principal, apart from HTTP.

Reads go through :class:`governance.scoped.ScopedLog`; writes are held against the principal
before they reach the writer. The rules of the ledger itself hold in any case, in the append.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Final

from governance import wire
from governance.access import (
    OWNER,
    Principal,
    Token,
    check_bounds,
    check_write,
    recognise,
)
from governance.errors import (
    AppendConflictError,
    LedgerError,
    NotAuthorisedError,
    PalimpsestError,
    PolicyError,
    StoreError,
    TokenError,
)
from governance.events import (
    Actor,
    CommandRefused,
    EntryProposed,
    EntryRevoked,
    Event,
    PolicyActivated,
    Role,
    Trust,
)
from governance.ledger import EventDraft, Ledger, Receipt, SystemClock
from governance.lineage import verify_in_sight
from governance.log import OwnedLog
from governance.policy import Policy, parse_policy
from governance.refusals import recording
from governance.review import submit
from governance.scoped import ScopedLog
from governance.service.writer import Writer
from governance.transfer import unrated

PAGE_EVENTS: Final = 2_000
PAGE_BYTES: Final = 4 * 2**20
"""One answer holds at most so many events and, but for its last event, so many bytes: a slow
reader pins one page and no more."""
OUTSIDE: Final[frozenset[Trust]] = frozenset({"customer", "unknown"})
"""What is not the organisation's own word."""


class Desk:
    """One owned ledger, served."""

    def __init__(self, ledger: Ledger, log: OwnedLog) -> None:
        self.log = log
        self.token = f"own_{secrets.token_urlsafe(32)}"
        """The owner's token: new at every start, told in ``service.json`` only."""
        self._digest = wire.secret_digest(self.token)
        self._ledger = ledger
        self._clock = SystemClock()
        self._policy: Policy | None = None
        self.port = 0

    # --- who asks ----------------------------------------------------------------------

    def authenticate(self, token: str) -> Principal:
        """Whose token this is.

        Raises:
            TokenError: malformed, unknown, revoked or expired.
        """
        if secrets.compare_digest(wire.secret_digest(token), self._digest):
            return OWNER
        known = Token.parse(token)
        if known is None:
            raise TokenError(
                "this is not a token of this service",
                hint="the owner's changes at every start: see service.json; "
                "others look like pal_ID_SECRET",
            )
        return recognise(known, self.log.state, self._clock.now_us())

    def health(self, nonce: str, token_id: str) -> wire.HealthAnswer:
        """Prove to whoever holds a token that this service knows it too."""
        digest: str | None = self._digest
        if token_id:
            known = self.log.state.tokens.get(token_id)
            digest = known.digest if known is not None else None
        proof = wire.proof_of(digest, nonce, self.port) if digest and nonce else None
        return wire.HealthAnswer(
            status="ok", api=wire.API_VERSION, version=wire.software_version(), proof=proof
        )

    def about(self, principal: Principal) -> wire.AboutAnswer:
        """Whose log this is, and who is asking."""
        return wire.AboutAnswer(
            version=wire.software_version(), api=wire.API_VERSION, origin=self.log.origin,
            public_key=self.log.public_key.hex(), pid=os.getpid(), principal=principal.actor,
            bounds=principal.bounds, roles=sorted(principal.roles),
        )  # fmt: skip

    # --- writing -----------------------------------------------------------------------

    async def append(
        self, writer: Writer, principal: Principal, body: wire.AppendBody
    ) -> wire.ReceiptBody:
        """See :meth:`governance.ledger.Ledger.append`.

        Raises:
            NotAuthorisedError: the principal may not append one of the drafts, or revokes something
                from which more was made than it may see.
            As :meth:`governance.ledger.Ledger.append`.

        Side effects: what a program may not append is recorded as ``command.refused``; people's
            commands record that themselves (``governance.refusals``).
        """
        drafts = [draft.draft() for draft in body.drafts]
        if principal.owner:
            return _receipt(await writer.append(drafts, body.key))
        for draft in drafts:
            try:
                self._admit(principal, draft)
            except NotAuthorisedError as error:
                if principal.actor is not None and principal.actor.kind != "human":
                    with suppress(PalimpsestError):  # what refuses the record hides no refusal
                        await writer.append([_refused(principal, draft, error)], None)
                raise
        receipt = await writer.append(drafts, body.key)
        if receipt.repeated and not ScopedLog(self.log, principal).covers(receipt):
            raise AppendConflictError(
                "somebody else has used this idempotency key", hint="choose another key"
            )
        return _receipt(receipt)

    def _admit(self, principal: Principal, draft: EventDraft) -> None:
        check_write(principal, draft.payload.event_type, draft.actor, draft.scope)
        if draft.policy_digest is not None:
            raise NotAuthorisedError("a policy's digest is set by the service, not by a client")
        if isinstance(draft.payload, EntryRevoked):
            # The client's plan is blind to what lies outside; this state is not.
            verify_in_sight(self.log.state, draft.payload.entry_id, principal.bounds)

    def propose(self, principal: Principal, body: wire.ProposalBody) -> wire.ProposalAnswer:
        """Verify and decide here, under the policy in force, whatever the client thinks.

        A program trusted no further than outsiders does not say who judged how a task ended.

        Raises:
            NotAuthorisedError: outside the principal's bounds.
            PolicyError: no policy is in force.
            LedgerError: the proposal may not follow the present state.

        Side effects: as :func:`governance.review.submit`; what a program may not propose here is
            recorded.
        """
        actor = principal.actor
        if actor is None:
            raise NotAuthorisedError(
                "proposals are made in somebody's name", hint="use that principal's token"
            )
        proposal = wire.decoded_payload(EntryProposed.event_type, body.proposal)
        assert isinstance(proposal, EntryProposed)
        with self._recording(principal, proposal):
            check_bounds(principal, body.scope)
            known = self.log.state.entries.get(proposal.entry_id)
            if known is not None and known.scope != body.scope:
                raise LedgerError(f"entry {proposal.entry_id} belongs to another scope")
        if actor.kind != "human" and self.log.state.trusted.get(str(actor)) in OUTSIDE:
            proposal = proposal.model_copy(update={"body": unrated(proposal.body)})
        done = submit(
            self._ledger, proposal, actor=actor, scope=body.scope, policy=self._policy_in_force(),
            episode=body.episode, data_subject=body.data_subject,
        )  # fmt: skip
        return wire.ProposalAnswer(
            entry_id=done.entry_id, decision=wire.DecisionBody(**vars(done.decision)),
            results=list(done.verification.results), risk_ppm=done.verification.risk_ppm,
            receipt=_receipt(done.receipt),
        )  # fmt: skip

    def _recording(
        self, principal: Principal, proposal: EntryProposed
    ) -> AbstractContextManager[None]:
        """Put on record what a program may not propose; a person's command does so itself."""
        actor = principal.actor
        if actor is None or actor.kind == "human":
            return nullcontext()
        return recording(
            self._ledger, "propose", proposal.subject_id(), actor=actor, scope=principal.bounds
        )

    def _policy_in_force(self) -> Policy:
        state = self.log.state
        name = state.active_policy
        if name is None:
            raise PolicyError(
                "no policy is in force, so nothing may be proposed",
                hint="palimpsest policy activate default",
            )
        digest = state.policies[name]
        if self._policy is None or self._policy.digest != digest:
            texts = [
                event.payload.text
                for event in self.log.select(1, state.seq, types=[PolicyActivated.event_type])
                if isinstance(event.payload, PolicyActivated) and event.payload.digest == digest
            ]
            if not texts:
                raise StoreError(f"the text of policy {name} {digest[:12]} is gone")
            self._policy = parse_policy(texts[-1], Path(f"{name}.policy.yaml"))
        return self._policy

    def rotate(self, principal: Principal, body: wire.RotateBody) -> wire.ReceiptBody:
        """See :meth:`governance.ledger.Ledger.rotate_key`.

        Raises:
            NotAuthorisedError: neither the owner nor an admin, or in another name.
        """
        _require(principal, body.actor, what="rotate the signing key")
        return _receipt(self.log.rotate_key(body.actor, body.reason))

    def rebuild(self, principal: Principal) -> wire.RebuildAnswer:
        """See :meth:`governance.ledger.Ledger.rebuild_projections`.

        Raises:
            NotAuthorisedError: neither the owner nor an engineer.
        """
        _require(principal, principal.actor, "engineer", what="rebuild projections")
        return wire.RebuildAnswer(mentions=self.log.rebuild_projections())

    def verify(self, body: wire.VerifyBody) -> wire.VerifyAnswer:
        """See :meth:`governance.ledger.Ledger.verify`; anybody with a token may ask for it."""
        found = vars(self.log.verify(payloads=body.payloads))
        return wire.VerifyAnswer(**{name: found[name] for name in wire.VerifyAnswer.model_fields})

    # --- reading -----------------------------------------------------------------------

    def page(self, principal: Principal, body: wire.SelectBody) -> Page:
        """Events from ``body.start`` on, as many as one answer holds."""
        head = self.log.head.seq
        view = ScopedLog(self.log, principal)
        lines: list[bytes] = []
        size = 0
        events = view.select(
            body.start, min(body.stop, head), types=body.types, subjects=body.subjects
        )
        last: Event | None = None
        for event in events:
            if len(lines) == PAGE_EVENTS or size >= PAGE_BYTES:
                assert last is not None
                return Page(lines, head, last.header.seq + 1)
            lines.append(wire.encoded_event(event))
            size += len(lines[-1])
            last = event
        return Page(lines, head, None)


class Page:
    """Lines of one answer, the head they were read at, and where the next page starts."""

    def __init__(self, lines: Sequence[bytes], head: int, following: int | None) -> None:
        self.body = b"".join(lines)
        self.headers = {wire.HEAD_HEADER: str(head)}
        if following is not None:
            self.headers[wire.NEXT_HEADER] = str(following)


def _receipt(receipt: Receipt) -> wire.ReceiptBody:
    return wire.ReceiptBody(
        first_seq=receipt.first_seq, last_seq=receipt.last_seq,
        event_ids=list(receipt.event_ids), repeated=receipt.repeated,
    )  # fmt: skip


def _refused(principal: Principal, draft: EventDraft, error: NotAuthorisedError) -> EventDraft:
    """The record of what a program tried, in its own name and inside its own bounds."""
    assert principal.actor is not None
    assert principal.bounds is not None
    payload = CommandRefused(
        command=f"append {draft.payload.event_type}", about=draft.payload.subject_id(),
        error=type(error).__name__, message=str(error),
    )  # fmt: skip
    return EventDraft(payload, principal.actor, principal.bounds)


def _require(principal: Principal, actor: Actor | None, *roles: Role, what: str) -> None:
    if not principal.holds(*roles) or (not principal.owner and actor != principal.actor):
        names = " or ".join((*roles, "admin"))
        raise NotAuthorisedError(f"{principal.actor} may not {what}", hint=f"it takes {names}")
