"""What another policy would have decided, proposal by proposal; appends nothing.

Every proposal of the log is decided on again with what was recorded then: the results of the
verifiers, the trust that they saw, the risk, and how many entries were in force and waiting at
that moment. Nothing is verified again, and what the other policy decides changes no later
count: the question is what it would have said, not what would have become of it.

One pass in order, which keeps a few numbers per entry and no texts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final, NamedTuple, get_args

from governance.events import (
    PAYLOADS,
    Actor,
    Channel,
    Decision,
    EntryApproved,
    EntryExpired,
    EntryKind,
    EntryPayload,
    EntryProposed,
    EntryQuarantined,
    EntryRejected,
    EntryVerified,
    Event,
    Header,
    Origin,
    ReviewAssigned,
    ReviewEndorsed,
    ReviewWithdrawn,
    RollbackApplied,
    Scope,
    Status,
    Trust,
    VerifierResult,
    channel_of,
)
from governance.ledger import Ledger
from governance.lineage import IN_FORCE, actor_trust
from governance.policy import Outcome, Policy, PolicyInput, outcomes_of
from governance.records import ARRIVES
from governance.state import State
from governance.verification import holds_back, own_citations, uninformative

_OUTCOMES: Final[dict[type[EntryPayload], Outcome]] = {
    EntryApproved: "allow", ReviewAssigned: "review", EntryQuarantined: "quarantine",
    EntryRejected: "deny",
}  # fmt: skip
_GOVERNING: Final = ("principal.", "verifier.", "drift.")
_TYPES: Final = frozenset(
    name for name, model in PAYLOADS.items()
    if issubclass(model, EntryPayload | RollbackApplied) or name.startswith(_GOVERNING)
)  # fmt: skip
_STATUSES: Final[tuple[Status, ...]] = get_args(Status)
_TRUSTS: Final[tuple[Trust, ...]] = get_args(Trust)


class Verdict(NamedTuple):
    """An outcome and the rule it is by."""

    outcome: Outcome
    rule_id: str


@dataclass(frozen=True)
class Replayed:
    """One proposal, decided twice. ``before`` is ``None`` where no policy decided then."""

    seq: int
    entry_id: str
    version: int
    kind: EntryKind
    scope: Scope
    before: Verdict | None
    after: Verdict

    @property
    def changed(self) -> bool:
        """True when another outcome came out."""
        return self.before is None or self.before.outcome != self.after.outcome


@dataclass(frozen=True)
class Simulation:
    """What came of it.

    Args:
        policy: Name of the policy that was tried.
        digest: SHA-256 (hex) of its text.
        decided: Proposals decided again.
        unreadable: Proposals that were erased and cannot be.
        moves: (outcome then, outcome now) → how many; ``none`` where no policy decided then.
        changes: The proposals with another outcome, in order.
    """

    policy: str
    digest: str
    decided: int
    unreadable: int
    moves: dict[tuple[str, str], int]
    changes: tuple[Replayed, ...]


def simulate(ledger: Ledger, policy: Policy, *, since: int = 1) -> Simulation:
    """Decide on every proposal that was verified from event ``since`` on, under ``policy``."""
    replay = _Replay(policy, since)
    for event in ledger.events(types=_TYPES):
        replay.take_up(event)
    return replay.finished()


class _Proposal(NamedTuple):
    """Of a proposal, what rules can ask about."""

    kind: EntryKind
    channel: Channel
    actor: Actor
    scope: Scope
    spans: int
    own: int
    parents: tuple[str, ...]
    replaces: str | None
    origin: Origin | None


class _Replay:
    """The pass over the log."""

    def __init__(self, policy: Policy, since: int) -> None:
        self._policy = policy
        self._since = since
        self._state = State()  # only of what governs the whole
        self._population = Population()
        self._open: dict[str, _Proposal] = {}
        self._above: dict[str, tuple[str, ...]] = {}
        self._waiting: dict[str, Replayed] = {}
        self._moves: Counter[tuple[str, str]] = Counter()
        self._changes: list[Replayed] = []
        self._decided = self._unreadable = 0

    def take_up(self, event: Event) -> None:
        header, payload = event.header, event.payload
        if header.type.startswith(_GOVERNING):
            self._state.absorb(header, payload)
            return
        if isinstance(payload, EntryProposed):
            self._propose(header, payload)
        elif header.type == EntryProposed.event_type:
            self._unreadable += header.seq >= self._since
        elif isinstance(payload, EntryVerified) and payload.entry_id in self._open:
            self._decide(header, payload)
        elif isinstance(payload, EntryPayload) and header.actor.kind == "policy":
            self._compare(payload)
        self._population.take_up(event)

    def finished(self) -> Simulation:
        for replayed in self._waiting.values():
            self._count(replayed)
        self._waiting = {}
        return Simulation(
            self._policy.name, self._policy.digest, self._decided, self._unreadable,
            dict(self._moves), tuple(sorted(self._changes, key=lambda one: one.seq)),
        )  # fmt: skip

    def _propose(self, header: Header, payload: EntryProposed) -> None:
        parents = tuple(payload.parents())
        self._open[payload.entry_id] = _Proposal(
            payload.body.kind, channel_of(payload.body), header.actor, header.scope,
            len(payload.spans), own_citations(self._state, payload.spans, header.actor), parents,
            payload.replaces, payload.origin,
        )  # fmt: skip
        above = (*parents, *([payload.replaces] if payload.replaces is not None else []))
        if above:
            self._above[payload.entry_id] = above

    def _decide(self, header: Header, payload: EntryVerified) -> None:
        proposal = self._open[payload.entry_id]
        decision = self._policy.decide(self._facts(proposal, payload))
        if header.seq >= self._since:
            self._waiting[payload.entry_id] = Replayed(
                header.seq, payload.entry_id, payload.version, proposal.kind, proposal.scope,
                None, Verdict(decision.outcome, decision.rule_id),
            )  # fmt: skip

    def _facts(self, proposal: _Proposal, payload: EntryVerified) -> PolicyInput:
        scope, state = proposal.scope, self._state
        return PolicyInput(
            kind=proposal.kind,
            channel=proposal.channel,
            scope=scope,
            actor_kind=proposal.actor.kind,
            actor_id=proposal.actor.id,
            actor_trust=actor_trust(state, proposal.actor),
            trust=_recorded_trust(payload.results),
            risk_ppm=payload.risk_ppm,
            checks=outcomes_of(payload.results),
            spans=proposal.spans,
            own=proposal.own,
            parents=len(proposal.parents),
            active=self._population.in_force(scope),
            pending=self._population.pending(scope),
            replaces=proposal.replaces is not None,
            drift_hold=holds_back(
                state.drift_holds.values(), scope, self._lineage(payload.entry_id),
                proposal.origin,
            ),
            uninformative=uninformative(state.verifiers, payload.results),
        )  # fmt: skip

    def _lineage(self, entry_id: str) -> set[str]:
        found: set[str] = set()
        frontier = list(self._above.get(entry_id, ()))
        while frontier:
            parent = frontier.pop()
            if parent not in found:
                found.add(parent)
                frontier += self._above.get(parent, ())
        return found

    def _compare(self, payload: EntryPayload) -> None:
        """The decision of then, and the end of the proposal unless it waits for a person."""
        outcome = _OUTCOMES.get(type(payload))
        replayed = self._waiting.pop(payload.entry_id, None)
        if outcome is None or replayed is None:
            return
        rule_id = getattr(payload, "rule_id", "") or ""
        self._count(Replayed(**{**vars(replayed), "before": Verdict(outcome, rule_id)}))
        if outcome in {"allow", "deny"}:
            self._open.pop(payload.entry_id, None)

    def _count(self, replayed: Replayed) -> None:
        self._decided += 1
        before = replayed.before.outcome if replayed.before is not None else "none"
        self._moves[before, replayed.after.outcome] += 1
        if replayed.changed:
            self._changes.append(replayed)


def _recorded_trust(results: list[VerifierResult]) -> Trust:
    """The trust that rules saw: the verifier ``provenance`` begins its detail with it."""
    for result in results:
        if result.verifier == "provenance":
            level = result.detail.partition(";")[0]
            return next((known for known in _TRUSTS if known == level), "unknown")
    return "unknown"


# --- how many there were ---------------------------------------------------------------


class Population:
    """How many entries were in force and waiting in each scope, one event at a time.

    Of each entry, its steps are kept as one number each (event, status, whether it waits),
    because a withdrawal or a rollback puts it back to where it was.
    """

    def __init__(self) -> None:
        self._steps: dict[str, list[int]] = {}
        self._decided: dict[str, list[int]] = {}
        self._scopes: dict[str, Scope] = {}
        self._counts: Counter[tuple[str, str, str, bool]] = Counter()
        self._agents: Counter[tuple[str, str, bool]] = Counter()

    def in_force(self, scope: Scope) -> int:
        """Entries in force that ``scope`` sees."""
        return self._seen(scope, waiting=False)

    def pending(self, scope: Scope) -> int:
        """Entries that ``scope`` sees and that wait for a person."""
        return self._seen(scope, waiting=True)

    def take_up(self, event: Event) -> None:
        """Follow one event about an entry, or a rollback; also when its payload was erased."""
        header, payload = event.header, event.payload
        if isinstance(payload, RollbackApplied):
            for change in payload.entries:
                self._put_back(change.entry_id, payload.to_seq, header.seq, change.after)
            return
        kind, _, entry_id = header.subject.partition(":")
        model = PAYLOADS[header.type]
        if kind != "entry" or not issubclass(model, EntryPayload):
            return
        if model is EntryProposed:
            self._scopes[entry_id] = header.scope
        if model is ReviewWithdrawn:
            decided = self._decided.get(entry_id) or [header.seq]
            self._put_back(entry_id, decided[-1] - 1, header.seq, None)
            return
        self._step(entry_id, header.seq, model)

    def _step(self, entry_id: str, seq: int, model: type[EntryPayload]) -> None:
        status, waits = self._last(entry_id, seq)
        status = "proposed" if model is EntryProposed else ARRIVES.get(model, status)
        if model is ReviewAssigned:
            waits = True
        elif model in {EntryExpired, EntryProposed} or (
            issubclass(model, Decision) and model is not ReviewEndorsed
        ):
            waits = False
        if issubclass(model, Decision):
            self._decided.setdefault(entry_id, []).append(seq)
        self._move(entry_id, seq, status, waits=waits)

    def _put_back(self, entry_id: str, to_seq: int, seq: int, status: Status | None) -> None:
        then, waits = self._last(entry_id, to_seq)
        decided = self._decided.get(entry_id, [])
        while decided and decided[-1] > to_seq:
            decided.pop()
        self._move(entry_id, seq, status or then, waits=waits)

    def _last(self, entry_id: str, seq: int) -> tuple[Status, bool]:
        """Where it stood right after event ``seq``."""
        for step in reversed(self._steps.get(entry_id, ())):
            if step >> 5 <= seq:
                return _STATUSES[(step & 31) >> 1], bool(step & 1)
        return "expired", False  # not there yet: it counts nowhere

    def _move(self, entry_id: str, seq: int, status: Status, *, waits: bool) -> None:
        if entry_id not in self._scopes:
            return
        steps = self._steps.setdefault(entry_id, [])
        if steps:
            self._tally(entry_id, steps[-1], -1)
        steps.append(seq << 5 | _STATUSES.index(status) << 1 | waits)
        self._tally(entry_id, steps[-1], 1)

    def _tally(self, entry_id: str, step: int, by: int) -> None:
        status, waits = _STATUSES[(step & 31) >> 1], bool(step & 1)
        pending = status == "quarantined" or (status == "verified" and waits)
        if status in IN_FORCE or pending:
            scope = self._scopes[entry_id]
            self._counts[scope.tenant, scope.agent, scope.user, pending] += by
            self._agents[scope.tenant, scope.agent, pending] += by

    def _seen(self, scope: Scope, *, waiting: bool) -> int:
        if not scope.user:
            return self._agents[scope.tenant, scope.agent, waiting]
        return sum(
            self._counts[scope.tenant, scope.agent, user, waiting] for user in ("", scope.user)
        )
