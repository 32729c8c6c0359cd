"""Intervals and tests. Runs with the same seed in two arms are independent: nothing is paired by
seed, as networks that begin with one different bit end as different as those of other seeds."""

import importlib.util
import math
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from alexnet.errors import UsageError
from alexnet.inference.results import Estimate

# Of two-sided intervals; and the chance to notice an effect for which the number of runs is chosen.
CONFIDENCE, POWER = 0.95, 0.8
SIGNIFICANT = 1 - CONFIDENCE
MOST_RUNS = 1000  # that are proposed


def require_scipy() -> ModuleType:
    """scipy.stats, which takes a second to import.

    Raises:
        UsageError: it is not installed.
    """
    if importlib.util.find_spec("scipy") is None:
        raise UsageError("intervals need SciPy, which is not installed: pip install scipy")
    from scipy import stats

    return stats


def mean_interval(values: Sequence[float]) -> Estimate:
    """Student's t interval of a mean, of at least two values."""
    stats = require_scipy()
    value, error = float(np.mean(values)), math.sqrt(_variance_of_mean(values))
    half = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return Estimate(value, value - half, value + half)


def welch(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Welch's t interval of mean(a) - mean(b), of at least two values each."""
    stats = require_scipy()
    value = float(np.mean(a) - np.mean(b))
    error, freedom = _welch_error(_variance_of_mean(a), len(a), _variance_of_mean(b), len(b))
    half = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    return Estimate(value, value - half, value + half)


def visible_difference(a: Sequence[float], b: Sequence[float]) -> float:
    """The difference of means that runs with this spread notice with a chance of 80%.

    (t(0.975) + t(0.8)) standard errors, the usual approximation.
    """
    error, freedom = _welch_error(_variance_of_mean(a), len(a), _variance_of_mean(b), len(b))
    return _quantiles(freedom) * error


def runs_needed(a: Sequence[float], b: Sequence[float], size: float) -> int | None:
    """Runs in each arm that would notice a difference of `size`, with the spread of these.

    Returns:
        at least 2; None for more than `MOST_RUNS`.
    """
    variances = float(np.var(a, ddof=1)), float(np.var(b, ddof=1))
    for count in range(2, MOST_RUNS + 1):
        variance_a, variance_b = (variance / count for variance in variances)
        error, freedom = _welch_error(variance_a, count, variance_b, count)
        if _quantiles(freedom) * error <= abs(size):
            return count
    return None


def paired_difference(
    only_first: Sequence[int], only_second: Sequence[int], images: Sequence[int]
) -> Estimate:
    """The error of the second way minus that of the first, on the same networks and images.

    The variance has two parts: that over the networks; and that over the images, which is the same
    for all networks where they err on the same images, so that more networks do not lower it. It
    is taken as if they did, which makes the interval wider rather than narrower. Student's t with
    Satterthwaite's degrees of freedom.

    Args:
        only_first, only_second: images that only this way classifies correctly, by network; at
            least two networks.
        images: of the whole set, by network.
    """
    stats = require_scipy()
    first, second, count = (np.asarray(x, np.float64) for x in (only_first, only_second, images))
    differences = (first - second) / count
    over_networks = _variance_of_mean(differences)
    over_images = float(np.mean((first + second) / count**2 - differences**2 / count))
    total, value = over_networks + over_images, float(differences.mean())
    freedom = math.inf
    if over_networks:
        freedom = total**2 / (over_networks**2 / (len(differences) - 1))
    half = math.sqrt(total) * float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    return Estimate(value, value - half, value + half)


def share_interval(successes: int, count: int) -> Estimate:
    """A share with the exact interval of Clopper and Pearson."""
    interval = require_scipy().binomtest(successes, count).proportion_ci(CONFIDENCE, "exact")
    return Estimate(successes / count, float(interval.low), float(interval.high))


def visible_share(count: int, chance: float) -> float:
    """The share that `count` runs notice to be above chance, with a chance of 80%.

    They do where the interval of `share_interval` is above `chance`; at least two runs.
    """
    stats = require_scipy()
    fewest = next(n for n in range(1, count + 1) if share_interval(n, count).low > chance)
    # Of which `fewest` or more of the runs have a chance of 80%.
    return float(stats.beta.ppf(POWER, fewest, count - fewest + 1))


def _variance_of_mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.var(values, ddof=1)) / len(values)


def _welch_error(
    variance_a: float, runs_a: int, variance_b: float, runs_b: int
) -> tuple[float, float]:
    """The standard error of a difference of means, and its degrees of freedom.

    Args:
        variance_a, variance_b: variances of the means.
    """
    total = variance_a + variance_b
    if total == 0:
        return 0.0, runs_a + runs_b - 2.0
    spread = variance_a**2 / (runs_a - 1) + variance_b**2 / (runs_b - 1)
    return math.sqrt(total), total**2 / spread


def _quantiles(freedom: float) -> float:
    t = require_scipy().t
    return float(t.ppf((1 + CONFIDENCE) / 2, freedom) + t.ppf(POWER, freedom))
