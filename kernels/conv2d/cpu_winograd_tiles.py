"""The transforms of Winograd's convolution: of tiles, of filters, and of products into outputs.

See `cpu_winograd.py` for the algorithm. The values of tiles at the 36 points lie as
[point][tile][channel], so that at each point they are a matrix.
"""

import math
from fractions import Fraction
from functools import cache

import numpy as np
from numba import prange

from minigrad.kernels.shared.microkernel import make_tile_product, spaced
from minigrad.kernels.shared.threads import jit, parallel_jit

TILE_SIZE = 6  # pixels, in each direction
POINTS = tuple(Fraction(p) for p in ("0", "1", "-1", "2", "-1/2"))  # and infinity
# Tiles whose values at a point are adjacent, and whose products are summed at a time for the weight
# gradient.
CHUNK_TILES = 64
TASK_CHANNELS = 16  # input channels whose filters one task transforms
TASK_TILES = 8  # that one task transforms
# Between the values at one point and those at the next: without them, powers of two of channels
# would put the values of a tile at all points into the same few sets of the caches.
GAP_NUMBERS = 16

# The values of a row of pixels at the six points: a small matrix times vectors of channels.
line_product = make_tile_product(gathered=False, rows=TILE_SIZE, vectors=2)


@cache
def matrices(R, dtype):
    """B (6, 6), G^T (R, 6) and A^T (M, 6) for filters of R taps and M = 7 - R outputs.

    One column for each point.
    """
    M = TILE_SIZE + 1 - R
    columns = []
    for point in POINTS:
        others = [p for p in POINTS if p != point]
        scale = math.prod(point - p for p in others)
        columns.append(
            (
                [*_coefficients(others), 0],
                [point**i / scale for i in range(R)],
                [point**i for i in range(M)],
            )
        )
    at_infinity = [0] * (R - 1) + [1], [0] * (M - 1) + [1]
    columns.append((_coefficients(POINTS), *at_infinity))
    return tuple(
        np.array([[float(x) for x in column] for column in matrix], dtype).T.copy()
        for matrix in zip(*columns)
    )


def _coefficients(roots):
    """The coefficients of the product of (x - root), from the constant term upwards."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [0, *coefficients], [*(root * c for c in coefficients), 0]
        coefficients = [s - r for s, r in zip(shifted, scaled)]
    return coefficients


def tile_grid(shape, M):
    """How many tiles cover images (N, H, W, C), in each dimension."""
    N, H, W, _ = shape
    return N, -(-H // M), -(-W // M)


@parallel_jit
def transform_tiles(images, grid, first, count, M, padding, matrix, lanes, values):
    """The values of `count` tiles from tile `first` on: [chunk][point][tile][channel]."""
    C = images.shape[3]
    _, rows, columns = grid
    PH, PW = padding
    size = matrix.shape[0]
    stride = CHUNK_TILES * C + GAP_NUMBERS
    for task in prange((count + TASK_TILES - 1) // TASK_TILES):
        scratch = _scratch(size, C, images.dtype)
        for t in range(task * TASK_TILES, min((task + 1) * TASK_TILES, count)):
            n, row, column = tile_position(first + t, rows, columns)
            target = t // CHUNK_TILES * TILE_SIZE**2 * stride + t % CHUNK_TILES * C
            _transform_tile(
                images, n, row * M - PH, column * M - PW, 0, C,
                matrix, lanes, scratch, values, target, stride,
            )  # fmt: skip


@jit
def tile_position(number, rows, columns):
    """The image, row and column of a tile."""
    return number // (rows * columns), number // columns % rows, number % columns


@jit
def _scratch(size, channels, dtype):
    """What `_transform_tile` needs for tiles of `size` x `size` pixels; made once for many."""
    half = np.empty(TILE_SIZE * size * channels, dtype)
    zeros, pixels = np.zeros(channels, dtype), np.empty(size, np.int64)
    return half, zeros, pixels, spaced(size, TILE_SIZE), spaced(size, channels)


@jit
def _transform_tile(
    images, n, top, left, channel, channels, matrix, lanes, scratch, values, target, stride
):
    """The values of one tile at all points, for some channels; `stride` from point to point.

    The last vectors end with the last channel, so some may be computed twice.
    """
    _, H, W, C = images.shape
    size = matrix.shape[0]
    image_memory, factors = images.reshape(-1), matrix.reshape(-1)
    half, zeros, pixels, factor_taps, columns = scratch
    outside = (zeros.ctypes.data - images.ctypes.data) // images.itemsize
    for j in range(size):
        for k in range(size):
            h, w = top + k, left + j
            inside = 0 <= h < H and 0 <= w < W
            pixels[k] = ((n * H + h) * W + w) * C + channel if inside else outside
        for c in range(0, channels, lanes):
            start = min(c, channels - lanes)
            line_product(
                factors, 0, factor_taps, image_memory, start, pixels, size, 1,
                half, j * channels + start, size * channels, False,
            )  # fmt: skip
    for i in range(TILE_SIZE):
        for c in range(0, channels, lanes):
            start = min(c, channels - lanes)
            line_product(
                factors, 0, factor_taps, half, i * size * channels + start, columns, size, 1,
                values, target + i * TILE_SIZE * stride + start, stride, False,
            )  # fmt: skip


@parallel_jit
def transform_filters(weight, matrix, lanes, filters):
    """(OC, IC, R, R) as [group][OC / lanes][point][IC][lanes], zero after the last channel.

    TASK_CHANNELS input channels at a time: all their filters are the channels of one tile.
    """
    OC, IC, R, _ = weight.shape
    groups, panels, points, _, filter_lanes = filters.shape
    per_group, blocks = OC // groups, (IC + TASK_CHANNELS - 1) // TASK_CHANNELS
    weights, taps = weight.reshape(-1), R * R
    for task in prange(groups * panels * blocks):
        panel, first = task // blocks, task % blocks * TASK_CHANNELS
        g, channel = panel // panels, panel % panels * filter_lanes
        count = min(TASK_CHANNELS, IC - first)
        tile = np.zeros((1, R, R, count * filter_lanes), weight.dtype)
        rows = tile.reshape(taps, -1)
        for c in range(min(filter_lanes, per_group - channel)):
            for i in range(count):
                start = ((g * per_group + channel + c) * IC + first + i) * taps
                filter = weights[start : start + taps]
                for t in range(taps):
                    rows[t, i * filter_lanes + c] = filter[t]
        _transform_tile(
            tile, 0, 0, 0, 0, count * filter_lanes, matrix, lanes,
            _scratch(R, count * filter_lanes, weight.dtype), filters.reshape(-1),
            (panel * points * IC + first) * filter_lanes, IC * filter_lanes,
        )  # fmt: skip


@jit
def transform_block(
    images, grid, first, count, channel, M, IC, padding, matrix, lanes, values, stride
):
    """The values of `count` tiles from tile `first` on and of one group: [point][tile][channel]."""
    _, rows, columns = grid
    PH, PW = padding
    scratch = _scratch(TILE_SIZE, IC, images.dtype)
    for t in range(count):
        n, row, column = tile_position(first + t, rows, columns)
        _transform_tile(
            images, n, row * M - PH, column * M - PW, channel, IC,
            matrix, lanes, scratch, values, t * IC, stride,
        )  # fmt: skip


@jit
def outputs_from_products(matrix, products, half, pixels):
    """The M x M pixels of each tile from its products at the 36 points."""
    M, width = matrix.shape[0], pixels.shape[1]
    half_rows = half.reshape(M * TILE_SIZE, width)
    for i in range(M):
        combine(matrix[i], products, 0, 1, half[i])
        for j in range(M):
            combine(matrix[j], half_rows, i * TILE_SIZE, 1, pixels[i * M + j])


@jit
def combine(factors, rows, first, step, total):
    """total = sum over the six points k of factors[k] * rows[first + k * step]."""
    f0, f1, f2, f3, f4, f5 = factors[0], factors[1], factors[2], factors[3], factors[4], factors[5]
    r0, r1, r2 = rows[first], rows[first + step], rows[first + 2 * step]
    r3, r4, r5 = rows[first + 3 * step], rows[first + 4 * step], rows[first + 5 * step]
    for c in range(total.size):
        total[c] = (f0 * r0[c] + f1 * r1[c] + f2 * r2[c]) + (f3 * r3[c] + f4 * r4[c] + f5 * r5[c])
