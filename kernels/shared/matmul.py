"""General matrix product C = A @ B on the CPU, by the micro-kernel.

The factors may be transposed views. Where the rows of B are adjacent in memory (B itself is
row-major), A is packed into panels of ROWS rows; each thread takes up to GROUP_PANELS panels of B,
`lanes` columns wide, packs DEPTH_TERMS rows of them at a time (they stay in the second-level cache)
and multiplies every panel of A with each of them.

Where the columns of B are adjacent (B is the transpose of a row-major matrix, as the weights of
a linear layer are), its columns are rows that the micro-kernel gathers where they lie, nothing
of B is packed, and the tiles are those of C transposed. With few rows of A (inference of a few
images) such a product takes as long as reading B: the panel is as narrow as the rows of A, and each
task reads its rows of B to the end instead of DEPTH_TERMS numbers of many.

The order of every sum is fixed by the shape alone, so any number of threads gives the same
bits. Sums run over DEPTH_TERMS products before they are added to C, which also keeps the rounding
error of long sums small.
"""

import numpy as np
from numba import prange

from minigrad.kernels.shared.layout import flat
from minigrad.kernels.shared.memory import pool
from minigrad.kernels.shared.microkernel import (
    GATHERED_ROWS,
    ROWS,
    VECTOR_BYTES,
    gathered_product,
    lanes_of,
    tile_product,
    tile_product_gathered_half,
    tile_product_gathered_narrow,
    widest_lanes,
)
from minigrad.kernels.shared.threads import jit, parallel_jit

DEPTH_TERMS = 256
GROUP_PANELS = 16
# Columns of B, gathered as rows, of one task.
TASK_COLUMNS = 64
# Numbers of a panel of A that a task uses again for all its columns: part of a second-level cache.
REUSED_NUMBERS = 1 << 15


def matmul(a, b, *, output):
    """output (M, N) = a (M, K) @ b (K, N); 2-d arrays of one float dtype, output C-contiguous.

    `a` and `b` may be transposed views of C-contiguous arrays.
    """
    M, K = a.shape
    N = b.shape[1]
    if K == 0:  # no panel would be added up
        output[...] = 0
        return
    a_flat, a_strides = _flat(a)
    b_flat, b_strides = _flat(b)
    if b_strides[0] == 1 and N > 1:
        lanes = _lanes_for(a.dtype, M)
        panels = pool.empty((-(-M // lanes) * K * lanes,), a.dtype)
        _pack_rows(a_flat, *a_strides, M, K, lanes, panels)
        # Where it is None, what narrow panels need is not even compiled.
        half = lanes == lanes_of(a.dtype, 0.5) if lanes < lanes_of(a.dtype) else None
        wide = lanes == lanes_of(a.dtype, 3)
        _multiply_gathered(panels, lanes, half, wide, b_flat, flat(output), M, N, K)
    else:
        panels = pool.empty((-(-M // ROWS) * K * ROWS,), a.dtype)
        _pack_rows(a_flat, *a_strides, M, K, ROWS, panels)
        _multiply(panels, b_flat, *b_strides, flat(output), M, N, K)


def _lanes_for(dtype, rows):
    """Lanes of one panel if a narrow one holds all rows of A, else the widest that fit well."""
    for vectors in (0.5, 1):
        if rows <= lanes_of(dtype, vectors):
            return lanes_of(dtype, vectors)
    return widest_lanes(dtype, rows)


def _flat(matrix):
    """The memory of a row-major matrix or its transpose as a 1-d array, with its strides."""
    if matrix.flags.c_contiguous:
        return matrix.reshape(-1), (matrix.shape[1], 1)
    return matrix.T.reshape(-1), (1, matrix.shape[0])


@parallel_jit
def _pack_rows(a, row_stride, column_stride, M, K, width, panels):
    """panels[m, k, i] = a[m * width + i, k], zero beyond the last row."""
    for m in prange((M + width - 1) // width):
        for i in range(width):
            row = m * width + i
            if row < M:
                for k in range(K):
                    panels[(m * K + k) * width + i] = a[row * row_stride + k * column_stride]
            else:
                for k in range(K):
                    panels[(m * K + k) * width + i] = 0


@parallel_jit
def _multiply(panels, b, row_stride, column_stride, c, M, N, K):
    lanes = 2 * VECTOR_BYTES // b.itemsize  # a constant for the compiler
    group = min(max((N + lanes - 1) // lanes // 16, 1), GROUP_PANELS) * lanes
    for block in prange((N + group - 1) // group):
        n0 = block * group
        columns = min(group, N - n0)
        b_panels = np.zeros(DEPTH_TERMS * group, b.dtype)
        # Tiles that are larger than what is left of C go here first.
        edge = np.empty(ROWS * lanes, b.dtype)
        edge_start = (edge.ctypes.data - c.ctypes.data) // c.itemsize
        start = np.zeros(1, np.int64)
        for k0 in range(0, K, DEPTH_TERMS):
            depth = min(DEPTH_TERMS, K - k0)
            _pack_columns(b, row_stride, column_stride, k0, depth, n0, columns, b_panels)
            for m0 in range(0, M, ROWS):
                a_start = m0 * K + k0 * ROWS
                for j0 in range(0, columns, lanes):
                    b_start = j0 * DEPTH_TERMS
                    target = m0 * N + n0 + j0
                    whole = j0 + lanes <= columns and m0 + ROWS <= M
                    tile_product(
                        panels, a_start, start, b_panels, b_start, start, 1, depth,
                        c, target if whole else edge_start, N if whole else lanes, whole and k0 > 0,
                    )  # fmt: skip
                    if not whole:
                        for i in range(min(ROWS, M - m0)):
                            for j in range(min(lanes, columns - j0)):
                                before = c[target + i * N + j] if k0 > 0 else 0
                                c[target + i * N + j] = before + edge[i * lanes + j]


@parallel_jit
def _multiply_gathered(panels, lanes, half, wide, b, c, M, N, K):
    """C from A in panels of `lanes` rows, and the (N, K) rows of B transposed.

    Args:
        half: for panels narrower than two vectors, whether they have half of one; else None.
        wide: whether they have three vectors.
    """
    width = (M + lanes - 1) // lanes * lanes
    reused = max(REUSED_NUMBERS // (lanes * DEPTH_TERMS), 1) * DEPTH_TERMS
    for block in prange((N + TASK_COLUMNS - 1) // TASK_COLUMNS):
        n0 = block * TASK_COLUMNS
        columns = min(TASK_COLUMNS, N - n0)
        c_block = np.empty(TASK_COLUMNS * width, b.dtype)
        start = np.zeros(1, np.int64)
        rows = np.empty(GATHERED_ROWS, np.int64)
        for first in range(0, K, reused):
            for j0 in range(0, columns, GATHERED_ROWS):
                for i in range(GATHERED_ROWS):
                    rows[i] = min(n0 + j0 + i, N - 1) * K
                for k0 in range(first, min(first + reused, K), DEPTH_TERMS):
                    depth = min(DEPTH_TERMS, K - k0)
                    for m0 in range(0, M, lanes):
                        a_start, target = m0 * K + k0 * lanes, j0 * width + m0
                        if half is None:
                            gathered_product(
                                b, k0, rows, panels, a_start, start, 1, depth,
                                c_block, target, width, k0 > 0, wide,
                            )  # fmt: skip
                        elif half:
                            tile_product_gathered_half(
                                b, k0, rows, panels, a_start, start, 1, depth,
                                c_block, target, width, k0 > 0,
                            )  # fmt: skip
                        else:
                            tile_product_gathered_narrow(
                                b, k0, rows, panels, a_start, start, 1, depth,
                                c_block, target, width, k0 > 0,
                            )  # fmt: skip
        for m in range(M):
            for j in range(columns):
                c[m * N + n0 + j] = c_block[j * width + m]


@jit
def _pack_columns(b, row_stride, column_stride, k0, depth, n0, columns, b_panels):
    """b_panels[n // lanes, k, n % lanes] = b[k0 + k, n0 + n]."""
    lanes = 2 * VECTOR_BYTES // b.itemsize
    if column_stride == 1:
        # Row by row, as B lies in memory. Through slices: an index with an offset might be
        # negative, for all the compiler knows, and would have to be tested before every number.
        full = columns // lanes * lanes
        for k in range(depth):
            start = (k0 + k) * row_stride + n0
            for j0 in range(0, full, lanes):
                target = j0 * DEPTH_TERMS + k * lanes
                row, source = b_panels[target : target + lanes], b[start + j0 : start + j0 + lanes]
                for j in range(lanes):
                    row[j] = source[j]
            for j in range(full, columns):
                b_panels[full * DEPTH_TERMS + k * lanes + j - full] = b[start + j]
    else:
        for n in range(columns):
            panel, source = n // lanes * lanes * DEPTH_TERMS + n % lanes, (n0 + n) * column_stride
            for k in range(depth):
                b_panels[panel + k * lanes] = b[source + (k0 + k) * row_stride]
