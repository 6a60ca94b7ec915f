"""Results of a relay, and where each loss began.

Every element that is damaged at the end is traced to the step that broke it first: the
beginning of the unbroken run of steps in which it is damaged. A forward step may change
elements on purpose; those that its edit predicate names are blamed on the backward step
if that does not bring them back. Without a predicate forward and backward cannot be told
apart for what the forward step touched, and the direction is ``undetermined``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from governance.canonical import JsonValue
from governance.drift.relay import RelayPlan, RelayStep
from governance.drift.score import PPM, Operation, OperationKind
from governance.errors import DriftError

READY_PPM: Final = 980_000
"""DELEGATE-52 calls a model ready for a document from RS@20 of 98 % on."""

BlameDirection: TypeAlias = Literal["forward", "backward", "undetermined"]
_Identity: TypeAlias = "tuple[str, str]"


@dataclass(frozen=True)
class Damage:
    """One element that is not as it was, with the step that broke it first."""

    operation: OperationKind
    element: str
    key: str
    location: str
    before: str | None
    after: str | None
    step: int
    round_trip: int
    direction: BlameDirection

    def to_dict(self) -> dict[str, JsonValue]:
        """Strings, integers and null only."""
        return {
            "operation": self.operation,
            "element": self.element,
            "key": self.key,
            "location": self.location,
            "before": self.before,
            "after": self.after,
            "step": self.step,
            "round_trip": self.round_trip,
            "direction": self.direction,
        }


@dataclass(frozen=True)
class RoundTrip:
    """One forward and backward edit. ``similarity_ppm`` ignores the compliance gate."""

    number: int
    pair_id: str
    attempted: bool
    error: str | None
    similarity_ppm: int
    critical: bool


@dataclass(frozen=True)
class RelayResult:
    """The outcome of the whole round trips of one relay.

    ``rs_ppm[i]`` is RS@k for k = 2 (i + 1) interactions: 0 after an error, and 0 as long
    as no edit was attempted. ``applied_ppm`` is the share of forward edits carried out.
    """

    document: str
    round_trips: tuple[RoundTrip, ...]
    rs_ppm: tuple[int, ...]
    applied_ppm: int
    kept_ppm: int | None
    critical: int
    errors: int
    damage: tuple[Damage, ...]

    @property
    def status(self) -> Literal["passed", "drifted", "not attempted", "error"]:
        """``passed`` only if every edit was applied and the document is ready (98 %)."""
        if not any(trip.attempted for trip in self.round_trips):
            return "error" if self.errors else "not attempted"
        if self.errors:
            return "error"
        done = self.applied_ppm == PPM and self.rs_ppm[-1] >= READY_PPM
        return "passed" if done else "drifted"

    def rs_at(self, k: int) -> int:
        """RS@k in ppm after ``k`` interactions.

        Raises:
            DriftError: ``k`` is odd, not positive, or beyond the end of the relay.
        """
        if k < 2 or k % 2 or k > 2 * len(self.rs_ppm):  # noqa: PLR2004
            raise DriftError(
                f"RS@{k} does not exist here",
                hint=f"k counts interactions: an even number up to {2 * len(self.rs_ppm)}",
            )
        return self.rs_ppm[k // 2 - 1]

    def to_dict(self) -> dict[str, JsonValue]:
        """Strings, integers and null only."""
        return {
            "document": self.document,
            "status": self.status,
            "rs": [{"k": 2 * (i + 1), "score_ppm": score} for i, score in enumerate(self.rs_ppm)],
            "similarity_ppm": [trip.similarity_ppm for trip in self.round_trips],
            "applied_ppm": self.applied_ppm,
            "kept_ppm": self.kept_ppm,
            "critical": self.critical,
            "errors": self.errors,
            "damage": [damage.to_dict() for damage in self.damage],
        }


def summarise_relay(plan: RelayPlan, steps: Sequence[RelayStep]) -> RelayResult:
    """Score the round trips that are complete.

    Args:
        plan: The relay's plan.
        steps: All steps from the first on, in order (``measure_relay`` for recorded ones).

    Raises:
        DriftError: no round trip is complete, or steps are missing.
    """
    if [step.index for step in steps] != list(range(len(steps))) or len(steps) < 2:  # noqa: PLR2004
        raise DriftError(
            f"{plan.document}: steps are missing", hint="pass every step from index 0 on"
        )
    trips = tuple(
        _round_trip(forward, backward)
        for forward, backward in zip(steps[0::2], steps[1::2], strict=False)
    )
    attempted = 0
    scores: list[int] = []
    for trip in trips:
        attempted += trip.attempted
        scores.append(trip.similarity_ppm if attempted else 0)
    kept = [step.kept_ppm for step in steps if step.kept_ppm is not None]
    return RelayResult(
        document=plan.document,
        round_trips=trips,
        rs_ppm=tuple(scores),
        applied_ppm=attempted * PPM // len(trips),
        kept_ppm=sum(kept) // len(kept) if kept else None,
        critical=sum(trip.critical for trip in trips),
        errors=sum(step.error is not None for step in steps[: 2 * len(trips)]),
        damage=find_damage(steps[: 2 * len(trips)]),
    )


def _round_trip(forward: RelayStep, backward: RelayStep) -> RoundTrip:
    return RoundTrip(
        number=forward.round_trip,
        pair_id=forward.pair_id,
        attempted=forward.applied,
        error=forward.error or backward.error,
        similarity_ppm=backward.score_ppm or 0,
        critical=backward.critical,
    )


def find_damage(steps: Sequence[RelayStep]) -> tuple[Damage, ...]:
    """What is damaged after the last readable round trip, first broken first."""
    open_damage: dict[_Identity, Damage] = {}
    for step in steps:
        if step.error is not None:
            continue
        current = dict(_differences(step))
        for identity, operation in current.items():
            if identity not in open_damage and not _on_purpose(step, operation):
                open_damage[identity] = _damage(step, operation)
        if step.direction == "backward":
            # What is as it was again was no loss; what changed further keeps its origin.
            open_damage = {
                identity: _updated(damage, current[identity])
                for identity, damage in open_damage.items()
                if identity in current
            }
    return tuple(sorted(open_damage.values(), key=lambda damage: (damage.step, damage.location)))


def _differences(step: RelayStep) -> Iterator[tuple[_Identity, Operation]]:
    """Content differences to the seed; an addition is identified by its text."""
    for operation in step.diff_seed.operations:
        if operation.kind == "move":
            yield ("move", str(operation.index_before)), operation
        elif operation.index_before is not None and operation.kind != "format":
            yield ("element", str(operation.index_before)), operation
        elif operation.index_before is None and operation.kind != "format":
            yield ("addition", operation.after or ""), operation


def _on_purpose(step: RelayStep, operation: Operation) -> bool:
    if step.direction == "backward" or step.expectation is None:
        return False
    return step.expectation.explains(operation.before, operation.after)


def _damage(step: RelayStep, operation: Operation) -> Damage:
    unknown = step.direction == "forward" and step.expectation is None
    return Damage(
        operation=operation.kind,
        element=operation.element,
        key=operation.key,
        location=operation.location,
        before=operation.before,
        after=operation.after,
        step=step.index,
        round_trip=step.round_trip,
        direction="undetermined" if unknown else step.direction,
    )


def _updated(damage: Damage, operation: Operation) -> Damage:
    """The damage as it stands now, with the step that it began at."""
    return Damage(
        operation=operation.kind,
        element=operation.element,
        key=operation.key,
        location=operation.location,
        before=operation.before,
        after=operation.after,
        step=damage.step,
        round_trip=damage.round_trip,
        direction=damage.direction,
    )


def macro_mean(results: Sequence[RelayResult], k: int) -> float:
    """Mean RS@k over documents in [0, 1]; errors and unattempted relays count as 0.

    Raises:
        DriftError: no results, or a relay shorter than ``k``.
    """
    if not results:
        raise DriftError("no relays to average", hint="run at least one relay")
    return sum(result.rs_at(k) for result in results) / (PPM * len(results))


def first_lost_facts(steps: Sequence[RelayStep]) -> Mapping[str, int]:
    """Facts missing after the last readable step, with the step they went missing at."""
    since: dict[str, int] = {}
    for step in steps:
        if step.error is not None:
            continue
        lost = {str(fact) for fact in step.lost}
        if step.direction == "backward":
            since = {fact: index for fact, index in since.items() if fact in lost}
        for fact in lost:
            since.setdefault(fact, step.index)
    return since
