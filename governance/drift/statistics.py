"""Intervals for means, differences and rates; seeded, so that a report can be repeated.

Observations of one document, transcript or environment are not independent, so clusters
are resampled whole (Field and Welsh 2007). *Percentile* intervals take quantiles of the
resampled means; *BCa* (Efron 1987) corrects them for bias and skew with a jackknife over
clusters and is the default. With one cluster no interval exists, and none is made up.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from governance.errors import DriftError

Method: TypeAlias = Literal["bca", "percentile"]
Weighting: TypeAlias = Literal["observations", "clusters"]
_Array: TypeAlias = "NDArray[np.float64]"
_Cluster = TypeVar("_Cluster", bound=Hashable)

DEFAULT_RESAMPLES: Final = 2_000
_BATCH: Final = 250
_NORMAL: Final = NormalDist()


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval; ``low`` and ``high`` are None with one cluster."""

    estimate: float
    low: float | None
    high: float | None
    level: float
    n: int
    clusters: int

    def to_dict(self) -> dict[str, float | int | None]:
        """For reports; floats, so never for a hashed record."""
        return {
            "estimate": self.estimate,
            "low": self.low,
            "high": self.high,
            "level": self.level,
            "n": self.n,
            "clusters": self.clusters,
        }


def bootstrap_mean(
    values: Mapping[_Cluster, Sequence[float]],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = DEFAULT_RESAMPLES,
    method: Method = "bca",
    weighting: Weighting = "observations",
) -> Interval:
    """Mean with a clustered bootstrap interval.

    Args:
        values: Observations by cluster (document, transcript, question group).
        seed: Of the resampling; same seed and data, same interval.
        level: Coverage, in (0, 1).
        resamples: Bootstrap samples.
        method: ``bca`` or ``percentile``.
        weighting: ``observations`` for the mean over all observations, ``clusters`` for
            the macro-mean (every cluster counts the same).

    Raises:
        DriftError: no observations, a value that is not finite, or a bad level.
    """
    groups = [np.asarray(group, dtype=np.float64) for group in values.values() if len(group)]
    if not groups or not 0 < level < 1 or resamples < 1:
        raise DriftError(
            "no interval: observations and a level between 0 and 1 are needed",
            hint="check that the run produced any scores",
        )
    if not all(bool(np.isfinite(group).all()) for group in groups):
        raise DriftError("no interval: a score is not a finite number", hint="count errors as 0")
    totals = np.array([group.sum() for group in groups])
    sizes = np.array([float(group.size) for group in groups])
    if weighting == "clusters":
        totals, sizes = totals / sizes, np.ones_like(sizes)
    n = sum(group.size for group in groups)
    estimate = float(totals.sum() / sizes.sum())
    if len(groups) < 2:  # noqa: PLR2004
        return Interval(estimate, None, None, level, n, len(groups))
    means = _resampled(totals, sizes, seed, resamples)
    alphas = ((1 - level) / 2, (1 + level) / 2)
    if method == "bca":
        alphas = _bca_levels(means, totals, sizes, estimate, alphas)
    low, high = np.quantile(means, alphas)
    return Interval(estimate, float(low), float(high), level, n, len(groups))


def paired_difference(
    treatment: Mapping[_Cluster, Sequence[float]],
    control: Mapping[_Cluster, Sequence[float]],
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = DEFAULT_RESAMPLES,
    method: Method = "bca",
    weighting: Weighting = "observations",
) -> Interval:
    """Mean of treatment minus control on the same items, with a clustered interval.

    Both sides hold the same clusters with the same items in the same order: an
    observation is compared with itself under the other arm, never with the mean.

    Raises:
        DriftError: the two sides do not hold the same items, or ``bootstrap_mean`` does.
    """
    if treatment.keys() != control.keys() or any(
        len(treatment[cluster]) != len(control[cluster]) for cluster in treatment
    ):
        raise DriftError(
            "the two arms do not hold the same items",
            hint="run both arms on the same seeds and order",
        )
    differences = {
        cluster: [a - b for a, b in zip(treatment[cluster], control[cluster], strict=True)]
        for cluster in treatment
    }
    return bootstrap_mean(
        differences,
        seed=seed,
        level=level,
        resamples=resamples,
        method=method,
        weighting=weighting,
    )


def wilson_interval(successes: int, n: int, *, level: float = 0.95) -> Interval:
    """Score interval of a rate (Wilson 1927); right where 0 or all succeed, unlike Wald's.

    Raises:
        DriftError: ``n`` is not positive, or ``successes`` is outside 0 … n.
    """
    if n <= 0 or not 0 <= successes <= n or not 0 < level < 1:
        raise DriftError(
            f"no rate of {successes} in {n}", hint="successes must lie between 0 and a positive n"
        )
    z = _NORMAL.inv_cdf((1 + level) / 2)
    rate = successes / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(rate, low, high, level, n, n)


def _resampled(totals: _Array, sizes: _Array, seed: int, resamples: int) -> _Array:
    """Means of ``resamples`` samples of clusters with replacement."""
    generator = np.random.default_rng(seed)
    means: list[_Array] = []
    for start in range(0, resamples, _BATCH):
        count = min(_BATCH, resamples - start)
        picks = generator.integers(0, totals.size, size=(count, totals.size))
        means.append(totals[picks].sum(axis=1) / sizes[picks].sum(axis=1))
    return np.concatenate(means)


def _bca_levels(
    means: _Array, totals: _Array, sizes: _Array, estimate: float, alphas: tuple[float, float]
) -> tuple[float, float]:
    """Quantile levels corrected for bias and acceleration (Efron 1987, section 3)."""
    below = float((np.sum(means < estimate) + 0.5 * np.sum(means == estimate)) / means.size)
    if not 0 < below < 1:
        return alphas
    bias = _NORMAL.inv_cdf(below)
    left_out = (totals.sum() - totals) / (sizes.sum() - sizes)
    deviation = left_out.mean() - left_out
    spread = float((deviation**2).sum())
    if spread == 0:
        return alphas
    acceleration = float((deviation**3).sum()) / (6 * spread**1.5)

    def corrected(alpha: float) -> float:
        z = bias + _NORMAL.inv_cdf(alpha)
        return _NORMAL.cdf(bias + z / (1 - acceleration * z))

    return corrected(alphas[0]), corrected(alphas[1])
