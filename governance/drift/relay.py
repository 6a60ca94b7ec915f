"""Relays: chains of forward and backward edits on one document, measured at every step.

After DELEGATE-52 (arXiv 2604.15597): the editor sees only the current document and one
instruction; what it returns is the next document, nothing missing is put back. Fixed
here, where the paper leaves it open:

* The order of edits follows from a recorded seed, round-robin, and is recorded itself.
* A round trip with an error (no reply, unreadable document) scores 0 and is counted.
* A forward step that does not carry out its edit is *not attempted*. A relay without any
  attempted edit scores 0, because an editor that does nothing would score 1; otherwise
  the share of applied edits always stands beside the score.
* A critical failure is a round trip that ends at least ten points below the one before.
* Scores exist after whole round trips only: RS@k with k interactions, k even.

The runner is pure apart from the editor. It yields every step, so that the caller can
record it before the next one starts; given the results recorded so far it goes on from
there, and because everything else is computed from them, with identical results.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from governance.canonical import JsonValue
from governance.drift.domains import Domain, Element
from governance.drift.edits import EditPair, Expectation
from governance.drift.score import (
    PPM,
    ElementDiff,
    compare_elements,
    difflib_ratio,
    rapidfuzz_ratio,
    to_ppm,
)
from governance.errors import DocumentParseError, DriftError
from governance.facts import Fact, conserved_facts

CRITICAL_DROP_PPM: Final = 100_000
"""Ten points lost in one round trip."""

Direction: TypeAlias = Literal["forward", "backward"]
StepStatus: TypeAlias = Literal["applied", "not attempted", "error"]


@dataclass(frozen=True)
class EditResult:
    """What an editor returns: the document, or why there is none."""

    document: str
    error: str | None = None


Editor: TypeAlias = Callable[[str, str], EditResult]
"""Takes (document, instruction). How a model is asked, and how patches are applied, is its
business; it may raise to abort the relay, which can then be resumed."""


@dataclass(frozen=True)
class RelayPlan:
    """Everything that determines a relay besides the editor."""

    document: str
    domain: Domain
    text: str
    pairs: tuple[EditPair, ...]
    seed: int
    order: tuple[str, ...]

    @property
    def round_trips(self) -> int:
        """Round trips; two interactions each."""
        return len(self.order)

    def pair(self, round_trip: int) -> EditPair:
        """The edit pair of a round trip, counted from 1."""
        wanted = self.order[round_trip - 1]
        return next(pair for pair in self.pairs if pair.id == wanted)

    def to_dict(self) -> dict[str, JsonValue]:
        """Strings and integers only; the text by its SHA-256."""
        return {
            "document": self.document,
            "document_sha256": _sha256(self.text),
            "domain": self.domain.name,
            "seed": self.seed,
            "order": list(self.order),
            "round_trips": self.round_trips,
        }


@dataclass(frozen=True)
class RelayStep:
    """One edit and everything measured about the document after it.

    ``index`` counts from 0, ``round_trip`` from 1. ``score_ppm`` and the two generic
    scores are against the seed and only there after backward steps. ``kept_ppm`` is the
    share of elements that the edit had no business with and that it left intact, where
    the edit predicate tells. ``lost`` and ``invented`` are conserved facts against the
    seed, without those that the forward edit is meant to take away or bring.
    """

    index: int
    round_trip: int
    direction: Direction
    pair_id: str
    instruction: str
    text: str
    status: StepStatus
    error: str | None
    score_ppm: int | None
    critical: bool
    kept_ppm: int | None
    difflib_ppm: int | None
    rapidfuzz_ppm: int | None
    diff_previous: ElementDiff
    diff_seed: ElementDiff
    lost: tuple[Fact, ...]
    invented: tuple[Fact, ...]
    expectation: Expectation | None

    @property
    def applied(self) -> bool:
        """Whether the edit was carried out."""
        return self.status == "applied"

    def to_dict(self) -> dict[str, JsonValue]:
        """Everything, as strings, integers and null only."""
        return {
            **self.to_event(),
            "status": self.status,
            "text_sha256": _sha256(self.text),
            "critical": self.critical,
            "kept_ppm": self.kept_ppm,
            "difflib_ppm": self.difflib_ppm,
            "rapidfuzz_ppm": self.rapidfuzz_ppm,
            "invented": [str(fact) for fact in self.invented],
            "diff_previous": self.diff_previous.to_dict(),
            "diff_seed": self.diff_seed.to_dict(),
        }

    def to_event(self) -> dict[str, JsonValue]:
        """The fields of a ``relay.stepped`` payload; the rest follows from the texts."""
        return {
            "index": self.index,
            "round_trip": self.round_trip,
            "direction": self.direction,
            "pair_id": self.pair_id,
            "instruction": self.instruction,
            "text": self.text,
            "applied": self.applied,
            "error": self.error,
            "score_ppm": self.score_ppm,
            "changes": [
                {
                    "operation": operation.kind,
                    "location": operation.location,
                    "before": operation.before,
                    "after": operation.after,
                }
                for operation in self.diff_previous.operations
            ],
            "lost": [str(fact) for fact in self.lost],
        }


def edit_order(pairs: Sequence[EditPair], *, seed: int, round_trips: int) -> tuple[str, ...]:
    """Ids of the edits of each round trip: all once in seeded order, then all again.

    The order within an epoch is that of SHA-256 over seed, epoch and id, so it does not
    depend on the version of any random generator.
    """
    order: list[str] = []
    epoch = 0
    while pairs and len(order) < round_trips:
        order += sorted(
            (pair.id for pair in pairs),
            key=lambda name, epoch=epoch: _sha256(f"{seed}:{epoch}:{name}"),  # type: ignore[misc]
        )
        epoch += 1
    return tuple(order[:round_trips])


def plan_relay(
    document: str,
    domain: Domain,
    text: str,
    pairs: Sequence[EditPair],
    *,
    seed: int,
    round_trips: int,
) -> RelayPlan:
    """A relay on one document, after checking that it can be measured.

    Raises:
        DriftError: no pairs, repeated ids, no round trips, or a seed document that does
            not score exactly 1 against itself.
        DocumentParseError: the seed document is not of its format, or empty.
    """
    if not pairs or round_trips < 1:
        raise DriftError(
            f"{document}: a relay needs an edit pair and a round trip",
            hint="add pairs for this document, or ask for at least one round trip",
        )
    if len({pair.id for pair in pairs}) < len(pairs):
        raise DriftError(f"{document}: two edit pairs have the same id", hint="rename one")
    elements = domain.parse(text)
    if compare_elements(elements, domain.parse(text)).score_ppm != PPM:
        raise DriftError(f"{document}: does not score 1 against itself", hint="report this")
    order = edit_order(pairs, seed=seed, round_trips=round_trips)
    return RelayPlan(document, domain, text, tuple(pairs), seed, order)


def run_relay(
    plan: RelayPlan, editor: Editor, recorded: Sequence[EditResult] = ()
) -> Iterator[RelayStep]:
    """Carry out the relay, one step at a time.

    Args:
        plan: What to do.
        editor: Called once a step that is not recorded yet.
        recorded: Results of the first steps of an interrupted run; these steps are
            measured again, not yielded again and not edited again.
    """
    runner = _Runner(plan)
    for result in recorded[: 2 * plan.round_trips]:
        runner.advance(result)
    while runner.index < 2 * plan.round_trips:
        yield runner.advance(editor(runner.text, runner.instruction))


def measure_relay(plan: RelayPlan, recorded: Sequence[EditResult]) -> tuple[RelayStep, ...]:
    """The steps of a relay from its recorded results alone; no editor is called."""
    runner = _Runner(plan)
    return tuple(runner.advance(result) for result in recorded[: 2 * plan.round_trips])


class _Runner:
    """State between steps: the current document and the score of the last round trip."""

    def __init__(self, plan: RelayPlan) -> None:
        self._plan = plan
        self._seed = plan.domain.parse(plan.text)
        self._seed_facts = conserved_facts(plan.text)
        self._elements: tuple[Element, ...] | None = self._seed
        self._last_score_ppm = PPM
        self._forward: RelayStep | None = None
        self.text = plan.text
        self.index = 0

    @property
    def instruction(self) -> str:
        """What the editor is asked next."""
        pair = self._plan.pair(self.index // 2 + 1)
        return pair.backward if self.index % 2 else pair.forward

    def advance(self, result: EditResult) -> RelayStep:
        """Measure the result of the next step and make its document the current one."""
        backward = self.index % 2 == 1
        pair = self._plan.pair(self.index // 2 + 1)
        expectation = self._expectation(pair, backward=backward)
        text = self.text if result.error is not None else result.document
        elements, error = self._parse(text)
        error = result.error if result.error is not None else error
        diff_previous = self._diff(self._elements, elements, error, self.text != text)
        diff_seed = self._diff(self._seed, elements, error, self._plan.text != text)
        status = self._status(expectation, text, diff_previous, error, backward=backward)
        score = self._score(diff_seed, error) if backward else None
        lost, invented = self._facts(text, expectation, backward=backward)
        step = RelayStep(
            index=self.index,
            round_trip=self.index // 2 + 1,
            direction="backward" if backward else "forward",
            pair_id=pair.id,
            instruction=self.instruction,
            text=text,
            status=status,
            error=error,
            score_ppm=score,
            critical=score is not None and self._last_score_ppm - score >= CRITICAL_DROP_PPM,
            kept_ppm=None if error else self._kept(diff_previous, expectation),
            difflib_ppm=to_ppm(difflib_ratio(self._plan.text, text)) if backward else None,
            rapidfuzz_ppm=to_ppm(rapidfuzz_ratio(self._plan.text, text)) if backward else None,
            diff_previous=diff_previous,
            diff_seed=diff_seed,
            lost=lost,
            invented=invented,
            expectation=expectation,
        )
        self.text, self._elements, self.index = text, elements, self.index + 1
        self._last_score_ppm = self._last_score_ppm if score is None else score
        self._forward = None if backward else step
        return step

    def _expectation(self, pair: EditPair, *, backward: bool) -> Expectation | None:
        if self._forward is None or not backward:
            return pair.expectation(self.text)
        expected = self._forward.expectation
        return expected.reversed() if expected else None

    def _parse(self, text: str) -> tuple[tuple[Element, ...] | None, str | None]:
        try:
            return self._plan.domain.parse(text), None
        except DocumentParseError as error:
            return None, str(error)

    def _diff(
        self,
        before: tuple[Element, ...] | None,
        after: tuple[Element, ...] | None,
        error: str | None,
        layout_changed: bool,  # noqa: FBT001 - private, computed at the call
    ) -> ElementDiff:
        if before is None:
            error = error or "the document before this step could not be read"
        if error is not None or before is None or after is None:
            count = sum(not element.frame for element in before or ())
            return ElementDiff((), count, 0, 0, 0.0, 0.0, 0.0, 0.0, error)
        return compare_elements(before, after, layout_changed=layout_changed)

    def _status(
        self,
        expectation: Expectation | None,
        text: str,
        diff: ElementDiff,
        error: str | None,
        *,
        backward: bool,
    ) -> StepStatus:
        """The compliance gate; see the module docstring."""
        if error is not None:
            return "error"
        if backward and self._forward is not None and not self._forward.applied:
            return "not attempted"
        if expectation is not None:
            done = text != self.text and expectation.met(self.text, text)
        else:
            done = diff.changed and text.split() != self.text.split()
        return "applied" if done else "not attempted"

    def _score(self, diff_seed: ElementDiff, error: str | None) -> int:
        forward_failed = self._forward is not None and self._forward.error is not None
        return 0 if error is not None or forward_failed else diff_seed.score_ppm

    def _kept(self, diff: ElementDiff, expectation: Expectation | None) -> int | None:
        """Share of the previous document's other elements that are intact, or None."""
        if expectation is None or self._elements is None:
            return None
        explained: set[int] = set()
        broken: set[int] = set()
        for op in diff.operations:
            if op.kind in {"delete", "substitute"} and op.index_before is not None:
                meant = expectation.explains(op.before, op.after)
                (explained if meant else broken).add(op.index_before)
        others = len(self._elements) - len(explained)
        return to_ppm(1 - len(broken) / others) if others else PPM

    def _facts(
        self, text: str, expectation: Expectation | None, *, backward: bool
    ) -> tuple[tuple[Fact, ...], tuple[Fact, ...]]:
        facts = conserved_facts(text)
        lost, invented = self._seed_facts - facts, facts - self._seed_facts
        if not backward and expectation is not None and self._elements is not None:
            meant = [e.raw for e in self._elements if expectation.explains(e.spelling, None)]
            lost -= conserved_facts("\n".join([*meant, *expectation.disappear]))
            invented -= conserved_facts("\n".join(expectation.appear))
        return _sorted(lost), _sorted(invented)


def _sorted(facts: Counter[Fact]) -> tuple[Fact, ...]:
    return tuple(sorted(facts.elements()))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
