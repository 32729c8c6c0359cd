"""Convolution with fewer multiplications: Winograd's minimal filtering.

A tile of 6 x 6 pixels and a filter of R x R give M x M outputs, M = 7 - R, as the coefficients of a
product of polynomials, in each direction: evaluate both at six points, multiply value by
value, interpolate. As matrices, with products between matrices and * value by value,

    output tile = A [ (G filter G^T) * (B^T input tile B) ] A^T          (tiles overlap by R - 1)

That is 36 multiplications for each tile and pair of channels instead of (R M)^2: a quarter for
R = 3, and 2.8 times fewer for R = 5. The sum over the input channels is taken before the
interpolation, so at each of the 36 points there is one matrix product

    products (tiles, OC / G) = values (tiles, IC) @ filters (IC, OC / G)

which the micro-kernel computes; evaluation and interpolation cost little where channels are many.
The weight gradient is the same with other roles: the input tile is correlated with M x M gradients,
which leaves R x R sums, and the products sum over the tiles instead of the channels.

The points are 0, 1, -1, 2, -1/2 and infinity. Larger numbers would lose digits: with these a result
is off by up to 3e-6 of the largest in float32, up to ten times as far as by the direct path.

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015, arXiv:1509.09308; the
matrices are those of Toom and Cook (Blahut, Fast Algorithms for Signal Processing, 2010, 5.2).
"""

import math
from fractions import Fraction
from functools import cache

import numpy as np
from numba import prange

from minigrad.kernels.conv2d import cpu_direct
from minigrad.kernels.shared.memory import pool
from minigrad.kernels.shared.microkernel import (
    GATHERED_ROWS,
    ROWS,
    gathered_product,
    lanes_of,
    make_tile_product,
    spaced,
    tile_product,
    widest_lanes,
)
from minigrad.kernels.shared.threads import jit, parallel_jit

SIZE = 6  # of a tile, in each direction
POINTS = tuple(Fraction(p) for p in ("0", "1", "-1", "2", "-1/2"))  # and infinity
# Values of the tiles of one task of the forward pass, bytes: about half of a second-level cache.
BLOCK = 5 << 17
TASKS = 8  # at least, where there are tiles enough to share
# Tiles whose products are summed at a time for the weight gradient.
CHUNK = 64
# Values of all the chunks that are evaluated before they are used, bytes: a last-level cache.
PIECE = 1 << 22
# Tiles for which it pays to evaluate the filters.
FEWEST = 16
FILTERS = 16  # input channels whose filters one task evaluates
TASK = 8  # tiles evaluated by one task
# Numbers between the values at one point and the next: without them, powers of two of channels
# would put the values of a tile at all points into the same few sets of the caches.
GAP = 16

# The values of a row of pixels at the six points: a small matrix times vectors of channels.
line_product = make_tile_product(gathered=False, rows=SIZE, vectors=2)


def suits(output, weight, stride, groups):
    """Whether a convolution and its gradients are faster this way than by the direct path.

    They are where channels are many, where the tiles are so many that it pays to evaluate the
    filters, and where the last tiles do not cover much more than the image. Only the shapes of
    `output` and `weight` (or of their gradients) count.
    """
    OC, IC, KH, KW = weight.shape
    N, OH, OW, _ = output.shape
    channels = max(lanes_of(weight.dtype), 2 * ROWS)
    if stride != (1, 1) or KH != KW or not 3 <= KH <= 5 or min(IC, OC // groups) < channels:
        return False
    tiles = math.prod(_tiles((1, OH, OW, OC), SIZE + 1 - KH))
    return N * tiles >= FEWEST and 1.5 * tiles * SIZE**2 < OH * OW * KH**2


def forward(input, weight, bias, stride, padding, groups, *, output):
    """For stride 1, square filters of 2 to 5, and channels that fill a panel."""
    OC, IC, R, _ = weight.shape
    if bias is None:
        bias = np.zeros(OC, weight.dtype)
    evaluate, evaluate_filter, interpolate = _matrices(R, weight.dtype)
    lanes, filter_lanes = lanes_of(weight.dtype), widest_lanes(weight.dtype, OC // groups)
    panels = -(-OC // groups // filter_lanes)
    filters = pool.empty((groups, panels, SIZE**2, IC, filter_lanes), weight.dtype)
    _evaluate_filters(weight, evaluate_filter, lanes, filters)
    tiles = math.prod(_tiles(output.shape, SIZE + 1 - R))
    block = min(BLOCK // (SIZE**2 * IC * input.itemsize), CHUNK, tiles * groups // TASKS)
    block = max(block // GATHERED_ROWS, 1) * GATHERED_ROWS
    wide = filter_lanes > lanes
    _multiply(input, *padding, evaluate, lanes, filters, wide, interpolate, bias, block, output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    """For stride 1, square filters of 2 to 5, and channels that fill a panel."""
    R = weight.shape[2]
    padding = R - 1 - padding[0], R - 1 - padding[1]
    mirrored = cpu_direct.mirrored(weight, groups)
    forward(grad_output, mirrored, None, stride, padding, groups, output=grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    """For stride 1, square filters of 2 to 5, and channels that fill a panel."""
    OC, IC, R, _ = grad_weight.shape
    C, M, dtype = input.shape[3], SIZE + 1 - R, input.dtype
    # The gradients of a tile are the filter here, and R x R sums are what it leaves.
    evaluate, evaluate_gradient, interpolate = _matrices(M, dtype)
    lanes = lanes_of(dtype)
    panels = -(-OC // groups // lanes)
    sums = pool.empty((groups, SIZE**2, panels, -(-IC // ROWS) * ROWS, lanes), dtype)
    sums[...] = 0
    grid = _tiles(grad_output.shape, M)
    tiles = math.prod(grid)
    chunks = max(1, PIECE // (SIZE**2 * CHUNK * (C + OC) * input.itemsize))
    chunks = min(chunks, -(-tiles // CHUNK))
    # The micro-kernel reads panels to their end, also behind the last channel.
    values, gradient_values = (
        pool.empty((chunks * SIZE**2 * (CHUNK * channels + GAP) + lanes,), dtype)
        for channels in (C, OC)
    )
    for first in range(0, tiles, chunks * CHUNK):
        count = min(tiles - first, chunks * CHUNK)
        _evaluate(input, grid, first, count, M, *padding, evaluate, lanes, values)
        _evaluate(
            grad_output, grid, first, count, M, 0, 0, evaluate_gradient, lanes, gradient_values
        )
        _correlate(values, gradient_values, count, C, OC, IC, sums)
    _interpolate_weights(sums, interpolate, grad_weight)


# -- the three matrices -------------------------------------------------------------------


@cache
def _matrices(R, dtype):
    """B (6, 6), G^T (R, 6) and A^T (M, 6) for filters of R taps and M = 7 - R outputs.

    One column for each point.
    """
    M = SIZE + 1 - R
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
    """Of the product of (x - root), from the constant term upwards."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [0, *coefficients], [*(root * c for c in coefficients), 0]
        coefficients = [s - r for s, r in zip(shifted, scaled)]
    return coefficients


# -- evaluation ---------------------------------------------------------------------------


def _tiles(shape, M):
    """How many tiles cover images (N, H, W, C), in each dimension."""
    N, H, W, _ = shape
    return N, -(-H // M), -(-W // M)


@parallel_jit
def _evaluate(images, grid, first, count, M, PH, PW, matrix, lanes, values):
    """The values of `count` tiles from tile `first` on: [chunk][point][tile][channel]."""
    C = images.shape[3]
    _, rows, columns = grid
    size = matrix.shape[0]
    stride = CHUNK * C + GAP
    for task in prange((count + TASK - 1) // TASK):
        scratch = _scratch(size, C, images.dtype)
        for t in range(task * TASK, min((task + 1) * TASK, count)):
            n, row, column = _position(first + t, rows, columns)
            target = t // CHUNK * SIZE**2 * stride + t % CHUNK * C
            _evaluate_tile(
                images, n, row * M - PH, column * M - PW, 0, C,
                matrix, lanes, scratch, values, target, stride,
            )  # fmt: skip


@jit
def _position(number, rows, columns):
    """The image, row and column of a tile."""
    return number // (rows * columns), number // columns % rows, number % columns


@jit
def _scratch(size, channels, dtype):
    """What `_evaluate_tile` needs for tiles of `size` x `size` pixels; made once for many tiles."""
    half = np.empty(SIZE * size * channels, dtype)
    zeros, pixels = np.zeros(channels, dtype), np.empty(size, np.int64)
    return half, zeros, pixels, spaced(size, SIZE), spaced(size, channels)


@jit
def _evaluate_tile(
    images, n, top, left, channel, channels, matrix, lanes, scratch, values, target, stride
):
    """Of one tile and some of its channels; the next point's values are `stride` further.

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
    for i in range(SIZE):
        for c in range(0, channels, lanes):
            start = min(c, channels - lanes)
            line_product(
                factors, 0, factor_taps, half, i * size * channels + start, columns, size, 1,
                values, target + i * SIZE * stride + start, stride, False,
            )  # fmt: skip


@parallel_jit
def _evaluate_filters(weight, matrix, lanes, filters):
    """(OC, IC, R, R) as [group][OC / lanes][point][IC][lanes], zero after the last channel.

    FILTERS input channels at a time: all their filters are the channels of one tile.
    """
    OC, IC, R, _ = weight.shape
    groups, panels, points, _, filter_lanes = filters.shape
    per_group, blocks = OC // groups, (IC + FILTERS - 1) // FILTERS
    weights, taps = weight.reshape(-1), R * R
    for task in prange(groups * panels * blocks):
        panel, first = task // blocks, task % blocks * FILTERS
        g, channel = panel // panels, panel % panels * filter_lanes
        count = min(FILTERS, IC - first)
        tile = np.zeros((1, R, R, count * filter_lanes), weight.dtype)
        rows = tile.reshape(taps, -1)
        for c in range(min(filter_lanes, per_group - channel)):
            for i in range(count):
                start = ((g * per_group + channel + c) * IC + first + i) * taps
                filter = weights[start : start + taps]
                for t in range(taps):
                    rows[t, i * filter_lanes + c] = filter[t]
        _evaluate_tile(
            tile, 0, 0, 0, 0, count * filter_lanes, matrix, lanes,
            _scratch(R, count * filter_lanes, weight.dtype), filters.reshape(-1),
            (panel * points * IC + first) * filter_lanes, IC * filter_lanes,
        )  # fmt: skip


# -- products and interpolation -----------------------------------------------------------


@parallel_jit
def _multiply(images, PH, PW, matrix, lanes, filters, wide, interpolate, bias, block, output):
    """The convolution of `block` tiles and one group a task."""
    N, OH, OW, OC = output.shape
    groups, panels, points, IC, filter_lanes = filters.shape
    M, per_group = interpolate.shape[0], OC // groups
    rows, columns = (OH + M - 1) // M, (OW + M - 1) // M
    tiles = N * rows * columns
    filter_memory = filters.reshape(-1)
    zero = np.zeros(1, np.int64)
    stride, width = block * IC + GAP, block * filter_lanes
    for task in prange((tiles + block - 1) // block * groups):
        first, g = task // groups * block, task % groups
        count = min(block, tiles - first)
        values, value_rows = np.empty(points * stride, images.dtype), spaced(block, IC)
        scratch = _scratch(SIZE, IC, images.dtype)
        for t in range(count):
            n, row, column = _position(first + t, rows, columns)
            _evaluate_tile(
                images, n, row * M - PH, column * M - PW, g * IC, IC,
                matrix, lanes, scratch, values, t * IC, stride,
            )  # fmt: skip
        products, half = (
            np.empty((SIZE, SIZE * width), images.dtype),
            np.empty((M, SIZE * width), images.dtype),
        )
        pixels = np.empty((M * M, width), images.dtype)
        product_memory, half_rows = products.reshape(-1), half.reshape(M * SIZE, width)
        for panel in range(panels):
            for point in range(points):
                start = ((g * panels + panel) * points + point) * IC * filter_lanes
                for row in range(0, count, GATHERED_ROWS):
                    gathered_product(
                        values, point * stride, value_rows[row:], filter_memory, start, zero,
                        1, IC, product_memory, (point * block + row) * filter_lanes, filter_lanes,
                        False, wide,
                    )  # fmt: skip
            for i in range(M):
                _combine(interpolate[i], products, 0, 1, half[i])
                for j in range(M):
                    _combine(interpolate[j], half_rows, i * SIZE, 1, pixels[i * M + j])
            channel = panel * filter_lanes
            channels = min(filter_lanes, per_group - channel)
            channel += g * per_group
            panel_bias = bias[channel : channel + channels]
            for t in range(count):
                n, row, column = _position(first + t, rows, columns)
                for i in range(min(M, OH - row * M)):
                    for j in range(min(M, OW - column * M)):
                        target = output[
                            n, row * M + i, column * M + j, channel : channel + channels
                        ]
                        source = pixels[i * M + j, t * filter_lanes : t * filter_lanes + channels]
                        for c in range(channels):
                            target[c] = source[c] + panel_bias[c]


@jit
def _combine(factors, rows, first, step, total):
    """total = sum over the six points k of factors[k] * rows[first + k * step]."""
    f0, f1, f2, f3, f4, f5 = factors[0], factors[1], factors[2], factors[3], factors[4], factors[5]
    r0, r1, r2 = rows[first], rows[first + step], rows[first + 2 * step]
    r3, r4, r5 = rows[first + 3 * step], rows[first + 4 * step], rows[first + 5 * step]
    for c in range(total.size):
        total[c] = (f0 * r0[c] + f1 * r1[c] + f2 * r2[c]) + (f3 * r3[c] + f4 * r4[c] + f5 * r5[c])


@parallel_jit
def _correlate(values, gradient_values, count, C, OC, IC, sums):
    """sums[group, point] += values.T @ gradient_values over `count` tiles."""
    groups, points, panels, padded, lanes = sums.shape
    sum_memory = sums.reshape(-1)
    value_taps, gradient_taps = spaced(CHUNK, C), spaced(CHUNK, OC)
    for task in prange(groups * points):
        g, point = task // points, task % points
        for first in range(0, count, CHUNK):
            taps = min(CHUNK, count - first)
            start = first // CHUNK * points + point
            value_start = start * (CHUNK * C + GAP) + g * IC
            for panel in range(panels):
                gradient_start = start * (CHUNK * OC + GAP) + g * (OC // groups) + panel * lanes
                target = (task * panels + panel) * padded * lanes
                for row in range(0, IC, ROWS):
                    # The last tile ends with the last channel: the next belong to other sums.
                    channel = min(row, IC - ROWS)
                    tile_product(
                        values, value_start + channel, value_taps,
                        gradient_values, gradient_start, gradient_taps, taps, 1,
                        sum_memory, target + row * lanes, lanes, True,
                    )  # fmt: skip


@parallel_jit
def _interpolate_weights(sums, interpolate, grad_weight):
    OC, IC, R, _ = grad_weight.shape
    groups, points, panels, padded, lanes = sums.shape
    per_group = OC // groups
    for task in prange(groups * panels * IC):
        g, panel, ic = task // (panels * IC), task // IC % panels, task % IC
        # Rows of the last tile, which ends with the last channel, lie this much further.
        row = ic if ic < padded - ROWS else ic + padded - IC
        rows = np.empty((points, lanes), sums.dtype)
        half, total = np.empty((R * SIZE, lanes), sums.dtype), np.empty(lanes, sums.dtype)
        for point in range(points):
            source, target = sums[g, point, panel, row], rows[point]
            for c in range(lanes):
                target[c] = source[c]
        for i in range(R):
            for j in range(SIZE):
                _combine(interpolate[i], rows, j, SIZE, half[i * SIZE + j])
        for i in range(R):
            for j in range(R):
                _combine(interpolate[j], half, i * SIZE, 1, total)
                for c in range(min(lanes, per_group - panel * lanes)):
                    grad_weight[g * per_group + panel * lanes + c, ic, i, j] = total[c]
