"""The only bridge between the agent and governance: propose, recall, record, settle.

The agent cannot change a status. It proposes; governance verifies and lets the policy
decide; the gateway only carries the answer back. Ids are keyed digests of scope, source
and content, so proposing the same thing twice is one entry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.workspace import Source
from governance import canonical, review
from governance.errors import PolicyError
from governance.events import (
    Actor,
    Body,
    EntryProposed,
    Origin,
    Payload,
    Scope,
    SourceIngested,
    Span,
    TrustRange,
    content_digest,
)
from governance.ledger import EventDraft, Ledger
from governance.policy import Policy

IMPORTER: Final = Actor(kind="importer", id="workspace")
"""Who registers sources, unless the ledger is open in one principal's name only."""
_ID_CHARS: Final = 12


@dataclass(frozen=True)
class Proposal:
    """Something to remember, with its evidence, before anybody has looked at it."""

    body: Body
    spans: tuple[Span, ...]
    origin: Origin | None = None
    episode: str | None = None
    data_subject: str = ""
    derived_from: tuple[str, ...] = ()
    valid_from_us: int | None = None


class Gateway:
    """What the program may do to a ledger, as one actor in one scope.

    With a ledger that is open in one principal's name, that principal is the actor of
    everything: the owner of the ledger accepts no other.
    """

    def __init__(
        self, ledger: Ledger, *, scope: Scope, actor: Actor, policy: Policy | None = None
    ) -> None:
        self.ledger = ledger
        self.scope = scope
        self._actor = ledger.principal or actor
        self._importer = ledger.principal or IMPORTER
        self._policy = policy

    # --- identity ----------------------------------------------------------------------

    def new_id(self, kind: str, identity: str) -> str:
        """An id that the same ``identity`` always gets in this home and scope."""
        return f"{kind}-{self.ledger.keyed(f'{kind}:{self.scope}:{identity}')[:_ID_CHARS]}"

    def source_id(self, source: Source) -> str:
        """The ledger's id of a workspace source: another text is another source."""
        text = hashlib.sha256(source.text.encode()).hexdigest()
        return self.new_id("source", f"{source.source_id}:{text}")

    def entry_id(self, proposal: Proposal) -> str:
        """The id under which ``proposal`` is, or would be, an entry."""
        evidence = [span.model_dump(mode="json") for span in proposal.spans]
        identity = canonical.digest(
            {"content": content_digest(proposal.body), "evidence": evidence}
        )
        return self.new_id(proposal.body.kind, identity)

    # --- writing -----------------------------------------------------------------------

    def done(self, key: str) -> bool:
        """Whether the command with this idempotency key was carried out before."""
        return self.ledger.receipt(key) is not None

    def register(self, source: Source) -> bool:
        """Register evidence; False when this very text was registered before.

        Raises:
            ForgottenError: it is about a person who was erased.

        Side effects: appends ``source.ingested``.
        """
        source_id = self.source_id(source)
        if source_id in self.ledger.state.sources:
            return False
        payload = SourceIngested(
            source_id=source_id,
            kind=source.kind,
            name=source.source_id,
            media_type=source.media_type,
            sha256=hashlib.sha256(source.text.encode()).hexdigest(),
            trust=source.trust,
            ranges=[
                TrustRange(start=turn.start, end=turn.end, trust=turn.trust)
                for turn in source.turns
                if turn.trust != source.trust
            ],
            text=source.text,
        )
        draft = EventDraft(payload, self._importer, self.scope, data_subject=source.data_subject)
        return not self.ledger.append([draft], key=f"ingest:{source_id}").repeated

    def readable(self, source: Source) -> bool:
        """Whether this very text is registered and was not erased: else nothing is read from it."""
        known = self.ledger.state.sources.get(self.source_id(source))
        return known is not None and known.kind != "erased"

    def propose(self, proposal: Proposal, *, known: str = "") -> bool:
        """Propose, verify and let the policy decide; False when it is an entry already.

        Args:
            proposal: What and on which evidence.
            known: What the registration of the source itself says it is about.

        Raises:
            PolicyError: the gateway was opened without a policy.

        Side effects: proposal, verification and decision in one append.
        """
        if self._policy is None:
            raise PolicyError("nothing may be proposed without a policy", hint="give --policy")
        entry_id = self.entry_id(proposal)
        if entry_id in self.ledger.state.entries:
            return False
        payload = EntryProposed(
            entry_id=entry_id,
            version=1,
            body=proposal.body,
            spans=list(proposal.spans),
            origin=proposal.origin,
            derived_from=list(proposal.derived_from),
            valid_from_us=proposal.valid_from_us,
        )
        review.submit(
            self.ledger,
            payload,
            actor=self._actor,
            scope=self.scope,
            policy=self._policy,
            episode=proposal.episode,
            data_subject=proposal.data_subject,
            known=known,
        )
        return True

    def record(
        self,
        payloads: Sequence[Payload],
        *,
        key: str | None,
        episode: str | None = None,
        data_subject: str = "",
    ) -> None:
        """Record what the agent did, all of it or nothing; a repeat changes nothing."""
        drafts = [
            EventDraft(payload, self._actor, self.scope, episode=episode, data_subject=data_subject)
            for payload in payloads
        ]
        self.ledger.append(drafts, key=key)

    # --- reading -----------------------------------------------------------------------

    def memory_digest(self) -> str:
        """Digest (hex) of everything that may act now: active entries and served adapters.

        Two runs over the same memory give the same answers, so they share their records.
        """
        state = self.ledger.state
        entries = sorted(
            f"{entry.entry_id}:{entry.content_digest}"
            for entry in state.active(self.scope)
            if state.may_recall(entry)
        )
        adapters = sorted(
            f"{shard.shard_id}:{shard.active}"
            for shard in state.shards.values()
            if shard.active and self.scope.sees(shard.scope) and state.may_serve(shard.active)
        )
        return canonical.digest({"entries": entries, "adapters": adapters})
