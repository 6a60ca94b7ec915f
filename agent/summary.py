"""What a run came to, read back from the ledger and from nowhere else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from agent.answering import ARMS, PPM
from governance.drift import bootstrap_mean
from governance.events import (
    ENTRY_KINDS,
    OutcomeRecorded,
    RelayScored,
    RelayStarted,
    Scope,
)
from governance.ledger import Ledger
from governance.state import State

BOOTSTRAP_RESAMPLES = 2_000


@dataclass(frozen=True)
class ArmScore:
    """Exact match and token F1 of one arm; ``ci`` is the 95 % interval of ``em``."""

    n: int
    em: float
    f1: float
    ci: tuple[float, float]
    f1_ci: tuple[float, float]


@dataclass(frozen=True)
class RelayResult:
    """One document's relay: RS@k by k, share of forward edits really made, critical drops."""

    document: str
    rs: dict[int, float]
    applied: float
    critical: int
    errors: int


@dataclass(frozen=True)
class Summary:
    """Everything ``palimpsest run`` reports."""

    head: int
    root: str
    verified: bool
    by_status: dict[str, int]
    by_kind: dict[str, int]
    in_review: int
    shards: int
    adapters: tuple[dict[str, object], ...]
    arms: dict[str, ArmScore]
    relay: tuple[RelayResult, ...]
    seconds: float
    model_id: str
    model_digest: str

    def to_json(self) -> dict[str, object]:
        """The object that ``--json`` prints."""
        return {
            "ledger": {"head": self.head, "root": self.root, "verified": self.verified},
            "entries": {"by_status": self.by_status, "by_kind": self.by_kind},
            "shards": self.shards,
            "adapters": list(self.adapters),
            "arms": {
                arm: {
                    "n": score.n,
                    "em": round(score.em, 4),
                    "f1": round(score.f1, 4),
                    "ci": [round(bound, 4) for bound in score.ci],
                    "f1_ci": [round(bound, 4) for bound in score.f1_ci],
                }
                for arm, score in self.arms.items()
            },
            "relay": [
                {
                    "document": one.document,
                    "rs": {str(k): round(score, 4) for k, score in one.rs.items()},
                    "applied": round(one.applied, 4),
                    "critical": one.critical,
                    "errors": one.errors,
                }
                for one in self.relay
            ],
            "seconds": round(self.seconds, 1),
            "model": {"id": self.model_id, "digest": self.model_digest},
        }


def summarise(
    ledger: Ledger,
    *,
    scope: Scope,
    run_id: str,
    seed: int,
    seconds: float,
    model: tuple[str, str],
) -> Summary:
    """Read the results of ``run_id`` back from ``ledger``, after verifying it.

    Args:
        ledger: Where everything is.
        run_id: Of the answers and relays to report.
        scope: Whose entries are counted.
        seed: Of the bootstrap.
        seconds: Wall time of the run, which the ledger cannot know.
        model: Id and digest of the model that answered.
    """
    state = ledger.state
    entries = list(state.visible(scope))
    return Summary(
        head=ledger.head.seq,
        root=ledger.head.root,
        verified=ledger.verify().ok,
        by_status=dict(sorted(Counter(entry.status for entry in entries).items())),
        by_kind={
            kind: count
            for kind in ENTRY_KINDS
            if (count := sum(entry.body.kind == kind for entry in entries))
        },
        in_review=len(state.queue(scope)),
        shards=sum(scope.sees(shard.scope) for shard in state.shards.values()),
        adapters=tuple(_adapters(state, scope)),
        arms=_arms(ledger, run_id, seed),
        relay=tuple(_relays(ledger, run_id)),
        seconds=seconds,
        model_id=model[0],
        model_digest=model[1],
    )


def _adapters(state: State, scope: Scope) -> list[dict[str, object]]:
    """The adapters now served, one a shard."""
    served = [shard for shard in state.shards.values() if shard.active and scope.sees(shard.scope)]
    found = [state.adapters[shard.active] for shard in served if shard.active]
    return [
        {
            "shard": adapter.shard_id,
            "version": adapter.version,
            "digest": adapter.digest,
            "certified_cards": adapter.certified_cards,
            "cards": len(adapter.cards),
        }
        for adapter in found
    ]


def _arms(ledger: Ledger, run_id: str, seed: int) -> dict[str, ArmScore]:
    """Latest outcome of every question and arm: a repeated run replaces, never adds."""
    latest: dict[tuple[str, str], OutcomeRecorded] = {}
    for event in ledger.events(types={"outcome.recorded"}):
        outcome = event.payload
        if isinstance(outcome, OutcomeRecorded) and outcome.run_id == run_id:
            latest[outcome.arm, outcome.task_id] = outcome
    scores: dict[str, ArmScore] = {}
    for arm in ARMS:
        outcomes = [one for (at, _), one in latest.items() if at == arm]
        if outcomes:
            scores[arm] = _score(outcomes, seed)
    return scores


def _score(outcomes: list[OutcomeRecorded], seed: int) -> ArmScore:
    exact = [float(one.exact) for one in outcomes]
    f1 = [one.f1_ppm / PPM for one in outcomes]
    return ArmScore(
        n=len(outcomes),
        em=sum(exact) / len(exact),
        f1=sum(f1) / len(f1),
        ci=_interval(exact, seed),
        f1_ci=_interval(f1, seed),
    )


def _interval(values: list[float], seed: int) -> tuple[float, float]:
    """Bootstrap over questions; a single question has no interval, so it is its own."""
    questions = {number: [value] for number, value in enumerate(values)}
    interval = bootstrap_mean(questions, seed=seed, resamples=BOOTSTRAP_RESAMPLES)
    low = interval.estimate if interval.low is None else interval.low
    high = interval.estimate if interval.high is None else interval.high
    return low, high


def _relays(ledger: Ledger, run_id: str) -> list[RelayResult]:
    names: dict[str, str] = {}
    results: dict[str, RelayResult] = {}
    for event in ledger.events(types={"relay.started", "relay.scored"}):
        if event.header.episode != run_id:
            continue
        payload = event.payload
        if isinstance(payload, RelayStarted):
            names[payload.relay_id] = payload.document
        elif isinstance(payload, RelayScored):
            document = names[payload.relay_id]
            results[document] = RelayResult(
                document=document,
                rs={point.k: point.score_ppm / PPM for point in payload.rs},
                applied=payload.applied_ppm / PPM,
                critical=payload.critical,
                errors=payload.errors,
            )
    return list(results.values())
