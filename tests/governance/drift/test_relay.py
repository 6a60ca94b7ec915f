"""Relays with stub editors of known behaviour: the monitor must say what they did."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from governance import canonical
from governance.drift import (
    EditPair,
    EditResult,
    Expectation,
    RelayPlan,
    RelayResult,
    RelayStep,
    domain_for,
    edit_order,
    first_lost_facts,
    macro_mean,
    measure_relay,
    plan_relay,
    run_relay,
    summarise_relay,
)
from governance.drift.score import PPM
from governance.errors import DocumentParseError, DriftError

ROWS = [f"C-{1000 + i},Customer {i},2026-03-{i + 1:02d},{100 + 7 * i},open" for i in range(10)]
TEXT = "\n".join(["claim,customer,date,amount,status", *ROWS]) + "\n"


def change(name: str, old: str, new: str, *, stated: bool = True) -> EditPair:
    expect = Expectation((new,), (old,)) if stated else None
    return EditPair(name, "ledger", f"Make it {new}", f"Make it {old}", expect)


PAIRS = [
    change(
        "status", "C-1003,Customer 3,2026-03-04,121,open", "C-1003,Customer 3,2026-03-04,121,closed"
    ),
    change("customer", "Customer 5", "Dora Weiss"),
    change("amount", "2026-03-08,149", "2026-03-08,150"),
]
SWAPS = {
    pair.forward: (pair.expect.disappear[0], pair.expect.appear[0]) for pair in PAIRS if pair.expect
} | {
    pair.backward: (pair.expect.appear[0], pair.expect.disappear[0])
    for pair in PAIRS
    if pair.expect
}


def perfect(document: str, instruction: str) -> EditResult:
    return EditResult(document.replace(*SWAPS[instruction]))


class Saboteur:
    """Edits perfectly, and does ``harm`` at the given steps."""

    def __init__(self, harm: Callable[[str], str], *steps: int) -> None:
        self.harm = harm
        self.steps = steps
        self.calls = 0

    def __call__(self, document: str, instruction: str) -> EditResult:
        result = perfect(document, instruction).document
        harmed = self.harm(result) if self.calls in self.steps else result
        self.calls += 1
        return EditResult(harmed)


def plan(pairs: list[EditPair] | None = None, *, round_trips: int = 3, seed: int = 7) -> RelayPlan:
    return plan_relay(
        "ledger.csv",
        domain_for("ledger.csv"),
        TEXT,
        PAIRS if pairs is None else pairs,
        seed=seed,
        round_trips=round_trips,
    )


def relay(editor: Callable[[str, str], EditResult]) -> tuple[list[RelayStep], RelayResult]:
    steps = list(run_relay(plan(), editor))
    return steps, summarise_relay(plan(), steps)


def drop(*numbers: int) -> Callable[[str], str]:
    def harm(text: str) -> str:
        return "".join(
            line
            for line in text.splitlines(keepends=True)
            if not any(line.startswith(f"C-{1000 + number},") for number in numbers)
        )

    return harm


def test_a_perfect_editor_scores_one_and_is_applied_throughout() -> None:
    steps, result = relay(perfect)
    assert len(steps) == 6
    assert all(step.applied and step.kept_ppm == PPM for step in steps)
    assert result.rs_ppm == (PPM, PPM, PPM)
    assert result.rs_at(6) == PPM
    assert (result.applied_ppm, result.critical, result.errors) == (PPM, 0, 0)
    assert (result.status, result.damage, first_lost_facts(steps)) == ("passed", (), {})
    assert steps[-1].difflib_ppm == steps[-1].rapidfuzz_ppm == PPM
    assert [step.score_ppm for step in steps[::2]] == [None, None, None]


def test_doing_nothing_is_not_attempted_and_never_a_pass() -> None:
    steps, result = relay(lambda document, _: EditResult(document))
    assert {step.status for step in steps} == {"not attempted"}
    assert (result.applied_ppm, result.rs_ppm, result.status) == (0, (0, 0, 0), "not attempted")
    # The bare similarity would have called it perfect.
    assert {trip.similarity_ppm for trip in result.round_trips} == {PPM}
    assert relay(perfect)[1].status == "passed"


@pytest.mark.parametrize(
    "editor",
    [
        lambda document, _: EditResult(document.replace("\n", "\r\n").replace("\r\r", "\r")),
        lambda document, _: EditResult(document.replace("status", "state")),
        lambda document, _: EditResult(document.replace("100,open", "100.00,open")),
    ],
    ids=["line ends", "renames something else", "respells"],
)
def test_another_edit_than_the_asked_one_is_not_attempted(
    editor: Callable[[str, str], EditResult],
) -> None:
    _, result = relay(editor)
    assert (result.applied_ppm, result.status) == (0, "not attempted")


def test_skipping_the_way_back_lowers_the_score_and_is_blamed_on_the_way_back() -> None:
    backward = {pair.backward for pair in PAIRS}
    steps, result = relay(
        lambda document, instruction: (
            EditResult(document) if instruction in backward else perfect(document, instruction)
        )
    )
    assert [step.status for step in steps] == ["applied", "not attempted"] * 3
    assert result.applied_ppm == PPM
    assert result.rs_ppm[0] > result.rs_ppm[1] > result.rs_ppm[2]
    assert {(d.operation, d.direction) for d in result.damage} == {("substitute", "backward")}
    assert [d.step for d in result.damage] == [1, 3, 5]


@pytest.mark.parametrize(("step", "direction"), [(2, "forward"), (3, "backward")])
def test_a_dropped_element_is_caught_at_the_step_that_dropped_it(step: int, direction: str) -> None:
    steps, result = relay(Saboteur(drop(8), step))
    assert result.rs_ppm == (PPM, 900_000, 900_000)
    (damage,) = result.damage
    assert (damage.operation, damage.key, damage.location) == ("delete", "C-1008", "line 10")
    assert (damage.step, damage.round_trip, damage.direction) == (step, 2, direction)
    assert damage.before == ROWS[8]
    assert first_lost_facts(steps)["identifier c-1008"] == step
    assert "identifier c-1008" in {str(fact) for fact in steps[step].lost}
    kept = steps[step].kept_ppm
    assert kept is not None
    assert kept < PPM
    assert (result.critical, result.status) == (1, "drifted")


def test_a_changed_digit_an_addition_and_a_duplicate_are_named() -> None:
    def harm(text: str) -> str:
        return text.replace(",156,", ",166,") + f"C-7,Mallory,2026-01-01,5,open\n{ROWS[0]}\n"

    _, result = relay(Saboteur(harm, 4))
    found = {damage.operation: damage for damage in result.damage}
    assert set(found) == {"substitute", "insert", "duplicate"}
    assert {damage.step for damage in found.values()} == {4}
    assert found["substitute"].location == "line 10 (amount)"
    assert result.rs_at(4) == PPM
    assert result.rs_at(6) < 850_000


def test_what_comes_back_is_no_damage() -> None:
    class Forgetful(Saboteur):
        def __call__(self, document: str, instruction: str) -> EditResult:
            healed = document if ROWS[8] in document else document + ROWS[8] + "\n"
            return super().__call__(healed if self.calls == 3 else document, instruction)

    _, result = relay(Forgetful(drop(8), 2))
    assert {damage.operation for damage in result.damage} <= {"move"}
    assert relay(Saboteur(drop(8), 2))[1].damage[0].operation == "delete"


def test_without_a_predicate_the_direction_stays_open() -> None:
    bare = [EditPair(p.id, p.domain, p.forward, p.backward) for p in PAIRS]
    steps = list(run_relay(plan(bare), Saboteur(drop(8), 2)))
    result = summarise_relay(plan(bare), steps)
    assert [damage.direction for damage in result.damage] == ["undetermined"]
    assert result.kept_ppm is None
    assert result.applied_ppm == PPM


def test_an_error_scores_zero_is_counted_and_stays_in_the_mean() -> None:
    calls = iter(range(6))

    def flaky(document: str, instruction: str) -> EditResult:
        if next(calls) == 2:
            return EditResult("", error="no reply")
        return perfect(document, instruction)

    steps, result = relay(flaky)
    assert (steps[2].status, steps[2].error, steps[2].text) == ("error", "no reply", TEXT)
    assert result.rs_ppm == (PPM, 0, PPM)
    assert first_lost_facts(steps) == {}
    assert (result.errors, result.critical, result.status) == (1, 1, "error")
    _, good = relay(perfect)
    assert macro_mean([result, good], 4) == 0.5


@pytest.mark.parametrize("junk", ["", "\x00\x01", "I cannot do that.", '"unbalanced'])
def test_unreadable_replies_are_errors_not_empty_documents(junk: str) -> None:
    _, result = relay(lambda _document, _instruction: EditResult(junk))
    assert result.rs_ppm == (0, 0, 0)
    assert (result.errors, result.applied_ppm, result.status) == (6, 0, "error")


@pytest.mark.parametrize("done", range(7))
def test_a_relay_resumes_to_identical_results(done: int) -> None:
    def editor() -> Saboteur:
        return Saboteur(drop(8), 2)

    whole = list(run_relay(plan(), editor()))
    recorded = [EditResult(step.text, step.error) for step in whole[:done]]
    later = editor()
    later.calls = done
    rest = list(run_relay(plan(), later, recorded))
    assert [step.index for step in rest] == list(range(done, 6))
    assert rest == whole[done:]
    assert measure_relay(plan(), recorded) == tuple(whole[:done])
    assert later.calls == 6


def test_the_order_is_seeded_round_robin() -> None:
    order = edit_order(PAIRS, seed=7, round_trips=7)
    assert order == edit_order(PAIRS[::-1], seed=7, round_trips=7)
    assert len(order) == 7
    ids = sorted(pair.id for pair in PAIRS)
    assert sorted(order[:3]) == sorted(order[3:6]) == ids
    assert len({edit_order(PAIRS, seed=seed, round_trips=3) for seed in range(20)}) > 1
    assert edit_order([], seed=7, round_trips=3) == ()


def test_records_hold_no_floats_and_name_everything() -> None:
    steps, result = relay(Saboteur(drop(8), 2))
    for step in steps:
        assert canonical.encode(step.to_dict())
        assert step.to_event().items() <= step.to_dict().items()
    assert canonical.encode(plan().to_dict())
    record = result.to_dict()
    assert canonical.encode(record)
    assert record["rs"] == [
        {"k": 2, "score_ppm": PPM},
        {"k": 4, "score_ppm": 900_000},
        {"k": 6, "score_ppm": 900_000},
    ]


@pytest.mark.parametrize("k", [0, 1, 3, 8, -2])
def test_rs_exists_for_even_k_within_the_relay_only(k: int) -> None:
    _, result = relay(perfect)
    with pytest.raises(DriftError):
        result.rs_at(k)
    assert result.rs_at(2) == PPM


def test_bad_plans_are_refused() -> None:
    assert plan(round_trips=1).round_trips == 1
    with pytest.raises(DriftError):
        plan([])
    with pytest.raises(DriftError):
        plan(round_trips=0)
    with pytest.raises(DriftError):
        plan([PAIRS[0], PAIRS[0]])
    with pytest.raises(DocumentParseError):
        plan_relay("a.csv", domain_for("a.csv"), "", PAIRS, seed=1, round_trips=1)


def test_incomplete_steps_are_refused() -> None:
    steps = list(run_relay(plan(), perfect))
    assert len(summarise_relay(plan(), steps[:3]).rs_ppm) == 1
    with pytest.raises(DriftError):
        summarise_relay(plan(), steps[:1])
    with pytest.raises(DriftError):
        summarise_relay(plan(), steps[1:])
    with pytest.raises(DriftError):
        macro_mean([], 2)
