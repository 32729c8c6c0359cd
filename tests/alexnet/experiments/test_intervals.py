"""Intervals and tests beside SciPy's own, textbook values, and simulated experiments."""

import importlib.util
import math

import numpy as np
import pytest
from scipy import stats

from alexnet.errors import UsageError
from alexnet.experiments import intervals

A, B = [0.212, 0.207, 0.219, 0.211], [0.224, 0.219, 0.236]


def test_welch_is_that_of_scipy():
    estimate = intervals.welch(A, B)
    expected = stats.ttest_ind(A, B, equal_var=False).confidence_interval(0.95)
    assert estimate.value == pytest.approx(np.mean(A) - np.mean(B))
    assert estimate[1:] == pytest.approx(expected)


def test_mean_interval_is_that_of_scipy():
    expected = stats.ttest_1samp(A, 0).confidence_interval(0.95)
    assert intervals.mean_interval(A)[1:] == pytest.approx(expected)


def test_runs_that_are_all_alike_have_an_interval_of_no_width():
    assert intervals.welch([0.5, 0.5], [0.25, 0.25]) == (0.25, 0.25, 0.25)
    assert intervals.runs_needed([0.5, 0.5], [0.25, 0.25], 0.01) == 2


def test_intervals_hold_the_true_difference_in_95_of_100_experiments(rng):
    inside = 0
    for _ in range(2000):
        low, high = intervals.welch(rng.normal(0.2, 0.01, 4), rng.normal(0.25, 0.03, 6))[1:]
        inside += low <= -0.05 <= high
    assert 0.935 <= inside / 2000 <= 0.965


def test_visible_difference_is_seen_in_8_of_10_experiments(rng):
    """With the spread known: that of a few runs is itself a matter of luck."""
    sd, runs = 0.01, 5
    spread = sd * np.sqrt((runs - 1) / runs) * np.array([-1, 1, 0, 1, -1]) * math.sqrt(5 / 4)
    assert np.var(spread, ddof=1) == pytest.approx(sd**2)
    visible = intervals.visible_difference(spread, spread)
    samples = zip(rng.normal(visible, sd, (4000, runs)), rng.normal(0, sd, (4000, runs)))
    seen = sum(intervals.welch(a, b).low > 0 for a, b in samples)
    assert 0.77 <= seen / 4000 <= 0.83


def test_runs_needed_are_the_fewest_that_see_the_difference():
    count = intervals.runs_needed(A, B, 0.005)
    needed = [count - 1, count]
    seen = []
    for runs in needed:
        variances = np.var(A, ddof=1) / runs, np.var(B, ddof=1) / runs
        freedom = (runs - 1) * sum(variances) ** 2 / sum(v**2 for v in variances)
        t = stats.t.ppf(0.975, freedom) + stats.t.ppf(0.8, freedom)
        seen.append(t * math.sqrt(sum(variances)))
    assert seen[0] > 0.005 >= seen[1]
    assert intervals.runs_needed(A, B, -0.005) == count
    assert intervals.runs_needed(A, B, 1e-9) is None


def test_exact_interval_of_a_share():
    """The textbook's: of n successes in n the lower end is 0.025^(1/n)."""
    assert intervals.share_interval(5, 5) == (1, pytest.approx(0.025**0.2), 1)
    assert intervals.share_interval(0, 5).high == pytest.approx(1 - 0.025**0.2)


def test_visible_share_is_seen_in_8_of_10_experiments():
    for count in (2, 5, 40):
        share = intervals.visible_share(count, 0.05)
        seen = [n for n in range(count + 1) if intervals.share_interval(n, count).low > 0.05]
        assert sum(stats.binom.pmf(seen, count, share)) == pytest.approx(0.8)


def test_paired_difference_has_the_variance_of_networks_and_of_images():
    first, second, images = [30, 40], [50, 50], [1000, 1000]
    estimate = intervals.paired_difference(first, second, images)
    assert estimate.value == pytest.approx(-0.015)
    over_networks = np.var([-0.02, -0.01], ddof=1) / 2
    over_images = np.mean([0.08 - 0.02**2, 0.09 - 0.01**2]) / 1000
    total = over_networks + over_images
    t = stats.t.ppf(0.975, total**2 / over_networks**2)
    half = t * math.sqrt(total)
    assert estimate[1:] == pytest.approx((-0.015 - half, -0.015 + half))


def test_networks_that_agree_leave_the_variance_of_the_images():
    estimate = intervals.paired_difference([40, 40], [60, 60], [1000, 1000])
    half = stats.norm.ppf(0.975) * math.sqrt((0.1 - 0.02**2) / 1000)
    assert estimate[1:] == pytest.approx((-0.02 - half, -0.02 + half))


def test_without_scipy_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install scipy"):
        intervals.welch(A, B)
