"""Whether the two columns of conv1 differ in color, as section 6.1 of the paper says."""

import numpy as np

from alexnet.visualize.tuning import color_selectivity

PERMUTATIONS = 10_000
ROUNDING = 1e-9  # relative; equal divisions of the kernels must count as equal


def color_p(kernels: np.ndarray) -> float | None:
    """The p of a permutation test: are kernels of one half of conv1 more selective for color?

    The statistic is the absolute difference between the two halves' mean color selectivity
    (`alexnet.visualize.tuning.color_selectivity`): which half gets the colors is open. The kernels
    are divided at random 10,000 times, always the same ones. p is the share of divisions, the true
    one included, that differ as much.

    Args:
        kernels: (C, 3, KH, KW), those of the first column first.

    Returns:
        None where a half has no kernel that responds.
    """
    halves = np.split(color_selectivity(kernels), [len(kernels) // 2])
    first, second = (half[~np.isnan(half)] for half in halves)
    if not len(first) or not len(second):
        return None
    values = np.concatenate([first, second])
    observed = _difference(values[np.newaxis], len(first))[0]
    divisions = np.random.default_rng(0).permuted(np.tile(values, (PERMUTATIONS, 1)), axis=1)
    as_far = _difference(divisions, len(first)) >= observed * (1 - ROUNDING)
    return float((1 + as_far.sum()) / (1 + PERMUTATIONS))


def _difference(values: np.ndarray, count: int) -> np.ndarray:
    """Of each row, how far the mean of the first `count` values is from that of the others."""
    return np.abs(values[:, :count].mean(axis=1) - values[:, count:].mean(axis=1))
