"""Intervals and answer scores, against known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from governance.drift import (
    bootstrap_mean,
    exact_match,
    normalise_answer,
    paired_difference,
    token_f1,
    wilson_interval,
)
from governance.drift.statistics import Method
from governance.errors import DriftError


def clusters(values: list[float]) -> dict[str, list[float]]:
    return {str(i): [value] for i, value in enumerate(values)}


SAMPLE = list(np.random.default_rng(3).exponential(1.0, size=40))


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_agrees_with_scipy_on_independent_observations(method: Method) -> None:
    ours = bootstrap_mean(clusters(SAMPLE), seed=1, resamples=20_000, method=method)
    theirs = stats.bootstrap(
        (np.array(SAMPLE),),
        np.mean,
        n_resamples=20_000,
        method="BCa" if method == "bca" else "percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert ours.estimate == pytest.approx(np.mean(SAMPLE))
    assert ours.low == pytest.approx(theirs.low, abs=0.02)
    assert ours.high == pytest.approx(theirs.high, abs=0.02)


def test_same_seed_same_interval() -> None:
    data = clusters(SAMPLE)
    assert bootstrap_mean(data, seed=5) == bootstrap_mean(data, seed=5)
    assert bootstrap_mean(data, seed=5) != bootstrap_mean(data, seed=6)


def test_clusters_are_resampled_whole() -> None:
    tight = bootstrap_mean(clusters([0.0, 1.0] * 50), seed=1)
    wide = bootstrap_mean({"a": [0.0] * 50, "b": [1.0] * 50}, seed=1)
    assert tight.estimate == wide.estimate == 0.5
    assert (tight.n, tight.clusters, wide.n, wide.clusters) == (100, 100, 100, 2)
    assert tight.low is not None
    assert tight.low > 0.35
    assert (wide.low, wide.high) == (0.0, 1.0)


def test_weighting_by_cluster_is_the_macro_mean() -> None:
    data = {"a": [0.0] * 9, "b": [1.0]}
    assert bootstrap_mean(data, seed=1).estimate == pytest.approx(0.1)
    assert bootstrap_mean(data, seed=1, weighting="clusters").estimate == 0.5


def test_degenerate_data_has_a_degenerate_or_no_interval() -> None:
    constant = bootstrap_mean(clusters([1.0] * 5), seed=1)
    assert (constant.low, constant.high) == (1.0, 1.0)
    noisy = bootstrap_mean({str(i): [0.1] * (i + 1) for i in range(7)}, seed=1)
    assert noisy.low == pytest.approx(0.1)
    assert noisy.high == pytest.approx(0.1)
    single = bootstrap_mean(clusters(SAMPLE), seed=1, resamples=1)
    assert single.low == single.high
    lone = bootstrap_mean({"a": [0.0, 1.0]}, seed=1)
    assert (lone.estimate, lone.low, lone.high) == (0.5, None, None)
    assert lone.to_dict()["clusters"] == 1


def test_pairing_removes_what_both_arms_share() -> None:
    hard = [float(i) for i in range(30)]
    better = [value + 0.5 + 0.01 * (i % 3) for i, value in enumerate(hard)]
    gain = paired_difference(clusters(better), clusters(hard), seed=1)
    assert gain.estimate == pytest.approx(0.51)
    assert gain.low is not None
    assert gain.high is not None
    assert 0.5 <= gain.low <= gain.high <= 0.52
    none = paired_difference(clusters(hard), clusters(hard), seed=1)
    assert (none.low, none.high) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("first", "second"),
    [({"a": [1.0]}, {"b": [1.0]}), ({"a": [1.0]}, {"a": [1.0, 2.0]}), ({}, {})],
)
def test_unpaired_or_empty_arms_are_refused(
    first: dict[str, list[float]], second: dict[str, list[float]]
) -> None:
    with pytest.raises(DriftError):
        paired_difference(first, second, seed=1)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(DriftError):
        bootstrap_mean(clusters([0.0, bad]), seed=1)
    with pytest.raises(DriftError):
        bootstrap_mean(clusters([0.0, 1.0]), seed=1, level=1.0)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (3, 10), (10, 10), (50, 1000)])
def test_wilson_agrees_with_scipy(successes: int, n: int) -> None:
    ours = wilson_interval(successes, n)
    theirs = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert ours.low == pytest.approx(theirs.low)
    assert ours.high == pytest.approx(theirs.high)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_rate(successes: int, n: int) -> None:
    with pytest.raises(DriftError):
        wilson_interval(successes, n)


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "f1"),
    [
        ("The San Jose.", ["san jose"], True, 1.0),
        ("1,200", ["1200"], True, 1.0),
        ("San Jose", ["San Francisco"], False, 0.5),
        ("San Jose", ["Oakland", "san jose"], True, 1.0),
        ("in San Jose", ["San Jose"], False, 0.8),
        ("", ["San Jose"], False, 0.0),
        ("the", [""], True, 1.0),
        ("x", [], False, 0.0),
        ("a a b", ["b"], True, 1.0),
    ],
)
def test_answers_are_scored_as_squad_does(
    prediction: str, answers: list[str], exact: bool, f1: float
) -> None:
    assert token_f1(prediction, answers) == pytest.approx(f1)
    assert exact_match(prediction, answers) is exact


def test_normal_form_of_answers() -> None:
    assert normalise_answer("  The  quick, (brown) fox!") == "quick brown fox"
