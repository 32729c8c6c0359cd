"""How much rounding to bfloat16 may change the result of a product of random matrices."""

import numpy as np

from minigrad.kernels.shared.bfloat16 import UNIT_ROUNDOFF

# The error of a rounded factor is evenly spread over +-u / m of it, with its significand m, whose
# logarithm is evenly spread between 1 and 2: the mean of 1 / m**2 is 3 / (8 ln 2). A sum of
# products of random signs has, relative to its own size, the error of one product: of two factors.
PRODUCT_ERROR = UNIT_ROUNDOFF * np.sqrt(2 / 3 * 3 / (8 * np.log(2)))
# What algorithms that round other values, computed from the factors, may add to that.
LARGEST_FACTOR = 4
# Of a million errors of a normal distribution one is as large.
DEVIATIONS = 5


def assert_close(actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal up to the rounding of factors by any algorithm; both are of random numbers."""
    assert actual.shape == expected.shape
    deviation = LARGEST_FACTOR * PRODUCT_ERROR * np.sqrt(np.mean(np.square(expected)))
    np.testing.assert_allclose(actual, expected, rtol=0, atol=DEVIATIONS * deviation)
