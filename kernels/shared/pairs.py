"""Rows of float32 numbers as pairs of bfloat16, adjacent along the row (`bfloat16.py`)."""

import numpy as np
from numba import prange

from minigrad.kernels.shared.threads import jit, parallel_jit
from minigrad.kernels.shared.vectors import term


@parallel_jit
def round_rows(matrix, N, K, pairs):
    """pairs (N * ceil(K / 2),) of a matrix (N * K,) of float32."""
    for n in prange(N):
        round_row(matrix, n, K, pairs, n * ((K + 1) // 2))


@jit
def round_row(matrix, n, K, pairs, target):
    """From `target` on, the pairs of row n of K numbers; of an odd K the last ends with zero."""
    whole = K // 2
    row, rounded = matrix[n * K : (n + 1) * K], pairs[target : target + whole]
    for t in range(whole):
        rounded[t] = term(rounded, row[2 * t], row[2 * t + 1])
    if 2 * whole < K:
        pairs[target + whole] = term(pairs, row[K - 1], np.float32(0))
