"""What products in bfloat16 may differ by from those in float32, and whether they are computed."""

import numpy as np

import minigrad as mg
from minigrad.kernels.shared.bfloat16 import UNIT_ROUNDOFF

# The error of a rounded factor is evenly spread over +-u / m of it, with its significand m, whose
# logarithm is evenly spread between 1 and 2: the mean of 1 / m**2 is 3 / (8 ln 2). A sum of
# products of random signs has, relative to its own size, the error of one product: of two factors.
PRODUCT_ERROR = UNIT_ROUNDOFF * np.sqrt(2 / 3 * 3 / (8 * np.log(2)))
# Algorithms that round other values, computed from the factors, have up to 2.7 times that error,
# and 4.4 times at the output of a tile that rounds most (winograd_algorithms.py).
LARGEST_FACTOR = 5
# Of a million errors of a normal distribution one is as large.
DEVIATIONS = 5


def assert_close(actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal up to the rounding of factors by any algorithm; both are of random numbers."""
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=largest_error(expected))


def largest_error(expected: np.ndarray, terms: float = np.inf) -> float:
    """Of sums of products of random numbers, by any algorithm.

    Args:
        terms: of a sum. Those of few products are further from a normal distribution: for products
            of two normal numbers Bernstein's inequality has t**2 / (1 + t / sqrt(terms)) where that
            has t**2.
    """
    deviation = LARGEST_FACTOR * PRODUCT_ERROR * np.sqrt(np.mean(np.square(expected)))
    share = DEVIATIONS / np.sqrt(terms)
    return float(deviation * DEVIATIONS * (share + np.sqrt(share**2 + 4)) / 2)


def is_on() -> bool:
    """Whether a product of this thread rounds its factors: bfloat16 has nothing this near to 1."""
    above_one = np.float32(1 + 2.0**-9)
    product = (mg.tensor([[above_one]]) @ mg.tensor([[np.float32(1)]])).item()
    assert product in (1, above_one)
    return product == 1
