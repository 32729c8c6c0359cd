"""The packed matrix product against NumPy in float64."""

import numpy as np
import pytest

from minigrad.kernels.shared import matmul
from minigrad.kernels.shared.microkernel import ROWS, lanes_of

EDGES = [1, 2, ROWS - 1, ROWS, ROWS + 1]


def sizes(dtype):
    """Around the tile in every direction, over DEPTH products, over a group of panels."""
    lanes = lanes_of(dtype)
    edge = [(M, K, N) for M in EDGES for K in (0, 1, 3) for N in (1, lanes - 1, lanes, lanes + 1)]
    long = [
        (ROWS + 3, K, lanes + 5)
        for K in (matmul.DEPTH_TERMS, matmul.DEPTH_TERMS + 1, 2 * matmul.DEPTH_TERMS + 7)
    ]
    # Panels of every width, over more than what a task uses again at once.
    reach = [
        (lanes_of(dtype, vectors) - 1, matmul.REUSED_NUMBERS // lanes_of(dtype, vectors) + 1, 3)
        for vectors in (0.5, 1, 2, 3)
    ]
    return [*edge, *long, *reach, (ROWS + 1, 5, 33 * lanes + 3), (3 * ROWS - 1, 7, 16 * lanes)]


@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
def test_equals_numpy(transposed, dtype, rng):
    for M, K, N in sizes(dtype):
        a = rng.standard_normal((K, M) if "a" in transposed else (M, K)).astype(dtype)
        b = rng.standard_normal((N, K) if "b" in transposed else (K, N)).astype(dtype)
        a, b = (a.T if "a" in transposed else a), (b.T if "b" in transposed else b)
        expected = a.astype(np.float64) @ b.astype(np.float64)
        output = np.full(expected.shape, np.nan, dtype)
        before = a.copy(), b.copy()
        matmul.matmul(a, b, output=output)
        # Rounding of a sum of K products, relative to the sum of their magnitudes.
        limit = 4 * np.sqrt(K) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))
        assert (np.abs(output - expected) <= limit).all(), (M, K, N)
        assert np.array_equal(a, before[0]) and np.array_equal(b, before[1])


def test_identity_is_exact(dtype, rng):
    matrix = rng.standard_normal((29, 67)).astype(dtype)
    output = np.full_like(matrix, np.nan)
    matmul.matmul(np.eye(29, dtype=dtype), matrix, output=output)
    assert np.array_equal(output, matrix)


def test_is_the_same_on_any_number_of_threads(dtype, rng, same_on_any_number_of_threads):
    a = rng.standard_normal((37, 300)).astype(dtype)
    b = rng.standard_normal((300, 533)).astype(dtype)

    def run():
        output = np.empty((37, 533), dtype)
        matmul.matmul(a, b, output=output)
        return [output]

    same_on_any_number_of_threads(run)
