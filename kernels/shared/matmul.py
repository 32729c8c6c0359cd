"""General matrix product C = A @ B on the CPU, by the micro-kernel.

The factors may be transposed views. Where the rows of B are adjacent in memory (B itself is
row-major), A is packed into panels of ROWS rows; each thread takes up to GROUP_PANELS panels of B,
`lanes` columns wide, packs DEPTH_TERMS rows of them at a time (they stay in the second-level cache)
and multiplies every panel of A with each of them.

Where the columns of B are adjacent (B is the transpose of a row-major matrix, as the weights of
a linear layer are), its columns are rows that the micro-kernel gathers where they lie, nothing
of B is packed, and the tiles are those of C transposed. With few rows of A (inference of a few
images) such a product takes as long as reading B: the panel is as narrow as the rows of A, and each
task reads its rows of B to the end instead of DEPTH_TERMS numbers of many. One row of A is
multiplied by `dot.py`.

With ``bfloat16=True`` the terms of a sum are pairs of bfloat16 (`bfloat16.py`) instead of numbers.
They are made where panels are packed: two rows of B are rounded and interleaved. Rows of B that the
micro-kernel would gather where they lie are first rounded, GATHERED_ROWS of them at a time, to
a buffer that stays in the second-level cache; whole rows, since memory is read fastest by long
pieces. `bfloat16_rows` does it once for weights that do not change.

The order of every sum is fixed by the shape alone, so any number of threads gives the same
bits. Sums run over DEPTH_TERMS terms before they are added to C, which also keeps the rounding
error of long sums small.
"""

import numpy as np
from numba import prange

from minigrad.kernels.shared.dot import multiply_row, multiply_row_rounded
from minigrad.kernels.shared.layout import flat
from minigrad.kernels.shared.memory import pool
from minigrad.kernels.shared.microkernel import (
    GATHERED_ROWS,
    ROWS,
    VECTOR_BYTES,
    gathered_product,
    lanes_of,
    spaced,
    tile_product,
    tile_product_gathered_half,
    tile_product_gathered_narrow,
    widest_lanes,
)
from minigrad.kernels.shared.pairs import round_row, round_rows
from minigrad.kernels.shared.threads import jit, parallel_jit
from minigrad.kernels.shared.vectors import term

DEPTH_TERMS = 256
GROUP_PANELS = 16
# Columns of B, gathered as rows, of one task.
TASK_COLUMNS = 64
# Terms of a panel of A that a task uses again for all its columns: part of a second-level cache.
REUSED_TERMS = 1 << 15
# Between rows of a buffer, so that they do not all fall on the same lines of a cache.
GAP_PAIRS = 16


def matmul(a, b, *, output, bfloat16=False):
    """output (M, N) = a (M, K) @ b (K, N); 2-d arrays of one float dtype, output C-contiguous.

    `a` and `b` may be transposed views of C-contiguous arrays.

    Args:
        bfloat16: whether the factors, float32, are rounded to bfloat16 before they are multiplied.
            `b` may then be the transpose of what `bfloat16_rows` made of its transpose.
    """
    (M, K), N = a.shape, b.shape[1]
    numbers = 2 if bfloat16 else 1  # of a term
    terms = -(-K // numbers)
    is_rounded = bfloat16 and b.dtype == np.uint32
    fits = b.shape[0] == (terms if is_rounded else K) and output.shape == (M, N)
    if not fits or not a.dtype == output.dtype or not (is_rounded or a.dtype == b.dtype):
        raise ValueError(
            f"matmul: a {a.shape} {a.dtype} @ b {b.shape} {b.dtype} does not fit output "
            f"{output.shape} {output.dtype}"
        )
    if bfloat16 and a.dtype != np.float32:
        raise TypeError(f"matmul: only float32 factors are rounded to bfloat16, got {a.dtype}")
    if K == 0:  # no panel would be added up
        output[...] = 0
        return
    a_flat, a_strides = _flat(a)
    b_flat, b_strides = _flat(b)
    if is_rounded and b_strides[0] != 1 and min(terms, N) > 1:  # else both orders are one
        raise ValueError("matmul: b must be the transpose of what bfloat16_rows returned")
    gathered = is_rounded or (b_strides[0] == 1 and N > 1)
    if gathered and M == 1:
        if numbers == 2 and not is_rounded:
            multiply_row_rounded(a_flat, b_flat, flat(output), N, K)
        else:
            multiply_row(a_flat, b_flat, flat(output), N, K, numbers)
        return
    lanes = _lanes_for(a.dtype, M) if gathered else ROWS
    panels = pool.empty((-(-M // lanes) * terms * lanes,), np.uint32 if bfloat16 else a.dtype)
    _pack_rows(a_flat, *a_strides, M, K, numbers, lanes, panels)
    c = flat(output)
    if gathered:
        # Where it is None, what narrow panels need is not even compiled.
        half = lanes == lanes_of(a.dtype, 0.5) if lanes < lanes_of(a.dtype) else None
        wide = lanes == lanes_of(a.dtype, 3)
        multiply = _multiply_rounded if numbers == 2 and not is_rounded else _multiply_gathered
        multiply(panels, lanes, half, wide, b_flat, c, M, N, b.shape[0])
    else:
        _multiply(panels, b_flat, c, M, N, K, numbers)


def bfloat16_rows(matrix):
    """The rows of a float32 matrix (N, K) rounded to bfloat16: pairs, uint32 (N, ceil(K / 2))."""
    N, K = matrix.shape
    rounded = np.empty((N, -(-K // 2)), np.uint32)
    round_rows(flat(matrix), N, K, flat(rounded))
    return rounded


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
def _pack_rows(a, row_stride, column_stride, M, K, numbers, width, panels):
    """panels[m, t, i] = term t of row m * width + i of A, zero beyond the last row."""
    terms = (K + numbers - 1) // numbers
    for m in prange((M + width - 1) // width):
        for i in range(width):
            row = m * width + i
            if row < M:
                start = row * row_stride
                for t in range(terms):
                    k = t * numbers
                    first = a[start + k * column_stride]
                    second = a[start + (k + 1) * column_stride] if k + 1 < K else a.dtype.type(0)
                    panels[(m * terms + t) * width + i] = term(panels, first, second)
            else:
                for t in range(terms):
                    panels[(m * terms + t) * width + i] = 0


@parallel_jit
def _multiply(panels, b, c, M, N, K, numbers):
    lanes = 2 * VECTOR_BYTES // b.itemsize  # a constant for the compiler
    terms = (K + numbers - 1) // numbers
    group = min(max((N + lanes - 1) // lanes // 16, 1), GROUP_PANELS) * lanes
    for block in prange((N + group - 1) // group):
        n0 = block * group
        columns = min(group, N - n0)
        b_panels = np.zeros(DEPTH_TERMS * group, panels.dtype)
        # Tiles that are larger than what is left of C go here first.
        edge = np.empty(ROWS * lanes, c.dtype)
        edge_start = (edge.ctypes.data - c.ctypes.data) // c.itemsize
        start = np.zeros(1, np.int64)
        for t0 in range(0, terms, DEPTH_TERMS):
            depth = min(DEPTH_TERMS, terms - t0)
            _pack_columns(b, N, K, numbers, t0, depth, n0, columns, b_panels)
            for m0 in range(0, M, ROWS):
                a_start = m0 * terms + t0 * ROWS
                for j0 in range(0, columns, lanes):
                    b_start = j0 * DEPTH_TERMS
                    target = m0 * N + n0 + j0
                    whole = j0 + lanes <= columns and m0 + ROWS <= M
                    tile_product(
                        panels, a_start, start, b_panels, b_start, start, 1, depth,
                        c, target if whole else edge_start, N if whole else lanes, whole and t0 > 0,
                    )  # fmt: skip
                    if not whole:
                        for i in range(min(ROWS, M - m0)):
                            for j in range(min(lanes, columns - j0)):
                                before = c[target + i * N + j] if t0 > 0 else 0
                                c[target + i * N + j] = before + edge[i * lanes + j]


@jit
def _pack_columns(b, N, K, numbers, t0, depth, n0, columns, b_panels):
    """b_panels[n // lanes, t, n % lanes] = term t0 + t of column n0 + n of B."""
    lanes = 2 * VECTOR_BYTES // b.itemsize
    full = columns // lanes * lanes
    zeros = np.zeros(columns, b.dtype)
    # Row by row, as B lies in memory. Through slices: an index with an offset might be
    # negative, for all the compiler knows, and would have to be tested before every number.
    for t in range(depth):
        k = (t0 + t) * numbers
        start = k * N + n0
        first = b[start : start + columns]
        second = b[start + N : start + N + columns] if k + 1 < K else zeros
        for j0 in range(0, full, lanes):
            target = j0 * DEPTH_TERMS + t * lanes
            row = b_panels[target : target + lanes]
            first_part, second_part = first[j0 : j0 + lanes], second[j0 : j0 + lanes]
            for j in range(lanes):
                row[j] = term(b_panels, first_part[j], second_part[j])
        for j in range(full, columns):
            value = term(b_panels, first[j], second[j])
            b_panels[full * DEPTH_TERMS + t * lanes + j - full] = value


@parallel_jit
def _multiply_gathered(panels, lanes, half, wide, b, c, M, N, terms):
    """C from A in panels of `lanes` rows, and the (N, terms) rows of B transposed.

    Args:
        half: for panels narrower than two vectors, whether they have half of one; else None.
        wide: whether they have three vectors.
    """
    reused = max(REUSED_TERMS // (lanes * DEPTH_TERMS), 1) * DEPTH_TERMS
    for block in prange((N + TASK_COLUMNS - 1) // TASK_COLUMNS):
        n0 = block * TASK_COLUMNS
        columns = min(TASK_COLUMNS, N - n0)
        c_block = np.empty(TASK_COLUMNS * _padded(M, lanes), c.dtype)
        rows = np.empty(GATHERED_ROWS, np.int64)
        for first in range(0, terms, reused):
            count = min(reused, terms - first)
            for j0 in range(0, columns, GATHERED_ROWS):
                for i in range(GATHERED_ROWS):
                    rows[i] = min(n0 + j0 + i, N - 1) * terms + first
                _multiply_rows(
                    b, rows, panels, first, count, lanes, half, wide, c_block, j0, M, terms
                )
        _store_columns(c_block, n0, columns, lanes, c, M, N)


@parallel_jit
def _multiply_rounded(panels, lanes, half, wide, b, c, M, N, K):
    """As `_multiply_gathered`, of (N, K) rows of float32, each first rounded to pairs."""
    terms = (K + 1) // 2
    for block in prange((N + TASK_COLUMNS - 1) // TASK_COLUMNS):
        n0 = block * TASK_COLUMNS
        columns = min(TASK_COLUMNS, N - n0)
        c_block = np.empty(TASK_COLUMNS * _padded(M, lanes), c.dtype)
        rows = spaced(GATHERED_ROWS, terms + GAP_PAIRS)
        pairs = np.zeros(GATHERED_ROWS * (terms + GAP_PAIRS), np.uint32)
        for j0 in range(0, columns, GATHERED_ROWS):
            for i in range(min(GATHERED_ROWS, columns - j0)):
                round_row(b, n0 + j0 + i, K, pairs, rows[i])
            _multiply_rows(pairs, rows, panels, 0, terms, lanes, half, wide, c_block, j0, M, terms)
        _store_columns(c_block, n0, columns, lanes, c, M, N)


@jit
def _multiply_rows(b, rows, panels, first, count, lanes, half, wide, c_block, j0, M, terms):
    """Rows of C transposed, j0 and the next: `count` terms of their sums, from `first` on."""
    start = np.zeros(1, np.int64)
    width = _padded(M, lanes)
    for t0 in range(0, count, DEPTH_TERMS):
        depth = min(DEPTH_TERMS, count - t0)
        for m0 in range(0, M, lanes):
            panel, target = m0 * terms + (first + t0) * lanes, j0 * width + m0
            if half is None:
                gathered_product(
                    b, t0, rows, panels, panel, start, 1, depth,
                    c_block, target, width, first + t0 > 0, wide,
                )  # fmt: skip
            elif half:
                tile_product_gathered_half(
                    b, t0, rows, panels, panel, start, 1, depth,
                    c_block, target, width, first + t0 > 0,
                )  # fmt: skip
            else:
                tile_product_gathered_narrow(
                    b, t0, rows, panels, panel, start, 1, depth,
                    c_block, target, width, first + t0 > 0,
                )  # fmt: skip


@jit
def _store_columns(c_block, n0, columns, lanes, c, M, N):
    """c[m, n0 + n] = c_block[n, m]."""
    width = _padded(M, lanes)
    for m in range(M):
        for j in range(columns):
            c[m * N + n0 + j] = c_block[j * width + m]


@jit
def _padded(rows, lanes):
    """The rows of whole panels."""
    return (rows + lanes - 1) // lanes * lanes
