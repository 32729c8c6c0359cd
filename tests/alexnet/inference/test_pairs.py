"""Two networks on the same images: against SciPy, and the interval by simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest

from alexnet.inference import pairs


def test_mcnemar_by_hand():
    assert pairs.mcnemar(0, 0) == pairs.mcnemar(12, 12) == 1
    assert pairs.mcnemar(0, 5) == pairs.mcnemar(5, 0) == 2 / 32
    assert pairs.mcnemar(1, 4) == (2 * (1 + 5)) / 32


@pytest.mark.parametrize(
    "only", [(3, 4), (0, 1), (100, 140), (900, 1000), (2, 3000), (24000, 24500)]
)
def test_mcnemar_is_the_binomial_test(only):
    expected = binomtest(only[0], sum(only)).pvalue
    assert pairs.mcnemar(*only) == pytest.approx(expected, rel=1e-9)


def test_difference_by_hand():
    first = np.array([True, True, False, False, True])
    second = np.array([True, True, True, True, False])
    assert pairs.counts(first, second) == (1, 2)
    value, low, high = pairs.difference(first, second)
    assert value == pytest.approx(0.2) and low < 0 < high
    assert pairs.difference(first, first)[0] == 0
    assert pairs.difference(second, first)[0] == pytest.approx(-0.2)
    low, high = pairs.difference(np.array([False]), np.array([True]))[1:]
    assert -1 < low < 0 and high == 1


@pytest.mark.parametrize("images", [50, 400])
def test_intervals_hold_the_true_difference_in_95_of_100_samples(rng, images):
    shares, held = [0.6, 0.1, 0.05, 0.25], 0
    for _ in range(500):
        cell = rng.choice(4, images, p=shares)
        _, low, high = pairs.difference(np.isin(cell, (0, 1)), np.isin(cell, (0, 2)))
        held += low <= shares[2] - shares[1] <= high
    assert held / 500 == pytest.approx(0.95, abs=0.03)
