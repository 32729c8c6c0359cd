"""General matrix product C = A @ B on the CPU, packed for the micro-kernel.

A, B and C are flat arrays with two strides each, so that transposes cost nothing to express;
the columns of C must be adjacent. A is packed once into panels of ROWS rows. Each thread then
takes up to GROUP panels of B, `lanes` columns wide, packs DEPTH rows of them at a time (they
stay in the second-level cache) and multiplies every panel of A with each of them.

The order of every sum is fixed by the shape alone, so any number of threads gives the same
bits. Sums run over DEPTH products before they are added to C, which also keeps the rounding
error of long sums small.
"""

import numpy as np
from numba import prange

from kernels._memory import pool
from kernels._microkernel import ROWS, lanes_of, tile_product
from kernels._team import jit, parallel_jit

DEPTH = 256
GROUP = 8


def matmul(a, b, *, output):
    """output (M, N) = a (M, K) @ b (K, N); 2-d arrays of one float dtype, output row-major.

    `a` and `b` may be transposed views of C-contiguous arrays.
    """
    M, K = a.shape
    panels = pool.empty((-(-M // ROWS) * K * ROWS,), a.dtype)
    a_flat, a_strides = _flat(a)
    b_flat, b_strides = _flat(b)
    _pack_rows(a_flat, *a_strides, M, K, panels)
    lanes = lanes_of(a.dtype)
    _multiply(panels, b_flat, *b_strides, output.reshape(-1), M, output.shape[1], K, lanes)


def _flat(matrix):
    """The memory of a row-major matrix or its transpose as a 1-d array, with its strides."""
    if matrix.flags.c_contiguous:
        return matrix.reshape(-1), (matrix.shape[1], 1)
    return matrix.T.reshape(-1), (1, matrix.shape[0])


@parallel_jit
def _pack_rows(a, row_stride, column_stride, M, K, panels):
    """panels[m, k, i] = a[m * ROWS + i, k], zero beyond the last row."""
    for m in prange((M + ROWS - 1) // ROWS):
        for i in range(ROWS):
            row = m * ROWS + i
            if row < M:
                for k in range(K):
                    panels[(m * K + k) * ROWS + i] = a[row * row_stride + k * column_stride]
            else:
                for k in range(K):
                    panels[(m * K + k) * ROWS + i] = 0


@parallel_jit
def _multiply(panels, b, row_stride, column_stride, c, M, N, K, lanes):
    group = min(max((N + lanes - 1) // lanes // 16, 1), GROUP) * lanes
    for block in prange((N + group - 1) // group):
        n0 = block * group
        columns = min(group, N - n0)
        b_panels = np.zeros(DEPTH * group, b.dtype)
        edge = np.empty(ROWS * lanes, b.dtype)
        start = np.zeros(1, np.int64)
        for k0 in range(0, K, DEPTH):
            depth = min(DEPTH, K - k0)
            _pack_columns(b, row_stride, column_stride, k0, depth, n0, columns, lanes, b_panels)
            for m0 in range(0, M, ROWS):
                a_start = m0 * K + k0 * ROWS
                for j0 in range(0, columns, lanes):
                    b_start = j0 * DEPTH
                    target = m0 * N + n0 + j0
                    if j0 + lanes <= columns and m0 + ROWS <= M:
                        tile_product(
                            panels, a_start, start, b_panels, b_start, start, 1, depth,
                            c, target, N, k0 > 0,
                        )  # fmt: skip
                    else:
                        tile_product(
                            panels, a_start, start, b_panels, b_start, start, 1, depth,
                            edge, 0, lanes, False,
                        )  # fmt: skip
                        for i in range(min(ROWS, M - m0)):
                            for j in range(min(lanes, columns - j0)):
                                before = c[target + i * N + j] if k0 > 0 else 0
                                c[target + i * N + j] = before + edge[i * lanes + j]


@jit
def _pack_columns(b, row_stride, column_stride, k0, depth, n0, columns, lanes, b_panels):
    """b_panels[n // lanes, k, n % lanes] = b[k0 + k, n0 + n]."""
    for j0 in range(0, columns, lanes):
        width = min(lanes, columns - j0)
        panel = b_panels[j0 * DEPTH : (j0 + lanes) * DEPTH]
        if column_stride == 1:
            for k in range(depth):
                source = (k0 + k) * row_stride + n0 + j0
                for j in range(width):
                    panel[k * lanes + j] = b[source + j]
        else:
            for j in range(width):
                source = (n0 + j0 + j) * column_stride + k0 * row_stride
                for k in range(depth):
                    panel[k * lanes + j] = b[source + k * row_stride]
