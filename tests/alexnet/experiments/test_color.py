"""The permutation test of the two halves of conv1."""

import itertools

import numpy as np
import pytest

from alexnet.experiments.color import color_p
from alexnet.visualize.tuning import color_selectivity


def kernels(selectivities):
    """Kernels of one pixel of these color selectivities."""
    s = np.asarray(selectivities)[:, np.newaxis]
    gray = np.sqrt(1 - s) * np.ones(3) / np.sqrt(3)
    made = gray + np.sqrt(s) * np.array([1, -1, 0]) / np.sqrt(2)
    assert color_selectivity(made[:, :, np.newaxis, np.newaxis]) == pytest.approx(s[:, 0])
    return made[:, :, np.newaxis, np.newaxis]


def test_p_is_the_share_of_all_divisions():
    values = np.array([0.1, 0.2, 0.15, 0.7, 0.3, 0.8, 0.55, 0.6])
    observed = abs(values[:4].mean() - values[4:].mean())
    divisions = [np.isin(np.arange(8), c) for c in itertools.combinations(range(8), 4)]
    as_far = [abs(values[d].mean() - values[~d].mean()) > observed - 1e-12 for d in divisions]
    assert color_p(kernels(values)) == pytest.approx(np.mean(as_far), abs=0.015)


def test_columns_that_differ_whichever_has_the_colors(rng):
    gray, color = rng.uniform(0, 0.2, 16), rng.uniform(0.6, 1, 16)
    assert color_p(kernels([*gray, *color])) < 0.001
    assert color_p(kernels([*color, *gray])) < 0.001


def test_p_is_uniform_where_the_halves_are_arbitrary(rng):
    p = [color_p(kernels(rng.uniform(0, 1, 16))) for _ in range(100)]
    assert 0.01 <= np.mean(np.array(p) < 0.05) <= 0.11
    assert 0.4 <= np.mean(p) <= 0.6


def test_p_repeats():
    values = kernels(np.linspace(0, 1, 10))
    assert color_p(values) == color_p(values)


def test_dead_kernels_do_not_count():
    some = kernels([0.1, 0.3, 0.2, 0.6, 0.9, 0.5])
    dead = np.zeros((1, 3, 1, 1))
    with_dead = np.concatenate([some[:3], dead, dead, some[3:]])
    assert color_p(with_dead) == color_p(some)
    assert color_p(np.concatenate([some[:2], dead, dead])) is None
