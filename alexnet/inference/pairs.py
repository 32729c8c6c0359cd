"""Two networks on the same images: how their accuracies differ, and whether by chance."""

import math

import numpy as np

from alexnet.inference.results import Estimate, Z


def difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    """The accuracy of the second way minus that of the first, on the same images.

    The interval is that of Agresti and Min (2005) for pairs: Wald's with half an image more in each
    of the four cells. It is over images, not over trainings.

    Args:
        first, second: bool (N,), which images each classifies correctly.
    """
    only_first, only_second = counts(first, second)
    images = len(first)
    total, a, b = images + 2, only_first + 0.5, only_second + 0.5
    middle = (b - a) / total
    half = Z * math.sqrt((a + b) - (b - a) ** 2 / total) / total
    value = (only_second - only_first) / images
    low, high = max(-1.0, middle - half), min(1.0, middle + half)
    return Estimate(value, min(value, low), max(value, high))


def counts(first: np.ndarray, second: np.ndarray) -> tuple[int, int]:
    """How many images only the first, and only the second way classifies correctly."""
    return int((first & ~second).sum()), int((second & ~first).sum())


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p that two ways are right on the same number of images (McNemar 1947).

    Of images that only one of them classifies correctly, either is as probable; p is the chance
    that the numbers are at least as unequal as these.
    """
    images, fewer = only_first + only_second, min(only_first, only_second)
    if only_first == only_second:
        return 1.0
    # Python's integers are exact; each binomial coefficient follows from the one before.
    below = ways = 1
    for k in range(fewer):
        ways = ways * (images - k) // (k + 1)
        below += ways
    return min(1.0, 2 * below / 2**images)
