"""Timing of contestants in turn, so that a slow second of the machine hits all of them alike."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WARM_UP_ROUNDS = 2
RESAMPLES = 2000
LEAST_ROUNDS = 6  # with fewer, resampling says nothing about how sure a ratio is


@dataclass(frozen=True)
class Sample:
    """Repeated times of one piece of work, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.seconds))

    @property
    def p10(self) -> float:
        return float(np.percentile(self.seconds, 10))

    @property
    def p90(self) -> float:
        return float(np.percentile(self.seconds, 90))


def interleaved(contestants: list[Callable[[], float]], repeats: int) -> list[Sample]:
    """Let the contestants take turns, in reversed order every other round.

    Args:
        contestants: each does its work once and returns the seconds it took; what it prepares
            for that is not in them.
        repeats: rounds that count; two more come before to warm up.
    """
    times = [[] for _ in contestants]
    turns = list(zip(contestants, times))
    for number in range(WARM_UP_ROUNDS + repeats):
        for contestant, seconds in turns if number % 2 else reversed(turns):
            seconds.append(contestant())
    return [Sample(tuple(seconds[WARM_UP_ROUNDS:])) for seconds in times]


def ratio(one: Sample, other: Sample, same_rounds: bool = True) -> tuple[float, float, float]:
    """Ratio of the medians, and its 95% confidence interval by resampling.

    It covers the noise within the runs, not what differs from one run to the next. With fewer
    rounds than `LEAST_ROUNDS` it is unknown: from 0 to infinity.

    Args:
        same_rounds: the two took turns, so that a slow round was slow for both.
    """
    middle = one.median / other.median
    if min(len(one.seconds), len(other.seconds)) < LEAST_ROUNDS:
        return middle, 0.0, np.inf
    rng = np.random.default_rng(0)

    def medians(sample: Sample, chosen: np.ndarray) -> np.ndarray:
        return np.median(np.array(sample.seconds)[chosen], axis=1)

    rounds = rng.integers(0, len(one.seconds), (RESAMPLES, len(one.seconds)))
    others = rounds
    if not same_rounds:
        others = rng.integers(0, len(other.seconds), (RESAMPLES, len(other.seconds)))
    low, high = np.percentile(medians(one, rounds) / medians(other, others), (2.5, 97.5))
    return middle, float(low), float(high)


def interval(low: float, high: float) -> str:
    """A confidence interval for a table."""
    return f"{low:.2f}-{high:.2f}" if np.isfinite(high) else "-"
