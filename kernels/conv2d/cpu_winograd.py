"""Convolution with fewer multiplications: Winograd's minimal filtering.

A tile of 6 x 6 pixels and a filter of R x R give M x M outputs, M = 7 - R. In each direction they
come from 6 products, where the sum has R M: the tile and the filter are transformed, multiplied
value by value, and the products transformed into outputs. As matrices, with products between
matrices and * value by value,

    output tile = A [ (G filter G^T) * (B^T input tile B) ] A^T          (tiles overlap by R - 1)

It is the multiplication of polynomials by Toom and Cook, transposed: G evaluates the filter at six
points, B and A are the transposed interpolation and evaluation.

That is 36 multiplications for each tile and pair of channels instead of (R M)^2: a quarter for
R = 3, and 2.8 times fewer for R = 5. The sum over the input channels is taken before the
last transform, so at each of the 36 points there is one matrix product

    products (tiles, OC / G) = values (tiles, IC) @ filters (IC, OC / G)

which the micro-kernel computes; the transforms cost little where channels are many.
The weight gradient is the same with other roles: the input tile is correlated with M x M gradients,
which leaves R x R sums, and the products sum over the tiles instead of the channels.

The points are 0, 1, -1, 2, -1/2 and infinity. Larger numbers would lose digits: with these a result
is off by a few 1e-6 of the largest in float32, up to ten times as much as by the direct path.

Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015, arXiv:1509.09308; the
matrices are those of Toom and Cook (Blahut, Fast Algorithms for Signal Processing, 2010, 5.2).
"""

import math

import numpy as np
from numba import prange

from minigrad.kernels.conv2d import cpu_direct
from minigrad.kernels.conv2d.cpu_winograd_tiles import (
    CHUNK_TILES,
    GAP_NUMBERS,
    TILE_SIZE,
    combine,
    matrices,
    outputs_from_products,
    tile_grid,
    tile_position,
    transform_block,
    transform_filters,
    transform_tiles,
)
from minigrad.kernels.shared.memory import pool
from minigrad.kernels.shared.microkernel import (
    GATHERED_ROWS,
    ROWS,
    gathered_product,
    lanes_of,
    spaced,
    tile_product,
    widest_lanes,
)
from minigrad.kernels.shared.threads import jit, parallel_jit

# Values of the tiles of one task of the forward pass: about half of a second-level cache.
BLOCK_BYTES = 5 << 17
LEAST_TASKS = 8  # where there are enough tiles to share
# Values of all the chunks that are transformed before they are used: a last-level cache.
VALUES_BYTES = 1 << 22
LEAST_TILES = 16  # for which it pays to transform the filters


def suits(output, weight, stride, groups):
    """Whether a convolution and its gradients are faster this way than by the direct path.

    They are where channels are many, where the tiles are so many that it pays to transform the
    filters, and where the last tiles do not cover much more than the image. Only the shapes of
    `output` and `weight` (or of their gradients) count.
    """
    OC, IC, KH, KW = weight.shape
    N, OH, OW, _ = output.shape
    channels = max(lanes_of(weight.dtype), 2 * ROWS)
    if stride != (1, 1) or KH != KW or not 3 <= KH <= 5 or min(IC, OC // groups) < channels:
        return False
    tiles = math.prod(tile_grid((1, OH, OW, OC), TILE_SIZE + 1 - KH))
    return N * tiles >= LEAST_TILES and 1.5 * tiles * TILE_SIZE**2 < OH * OW * KH**2


def forward(input, weight, bias, stride, padding, groups, *, output):
    """For stride 1, square filters of 2 to 5, and channels that fill a panel."""
    OC, IC, R, _ = weight.shape
    if bias is None:
        bias = np.zeros(OC, weight.dtype)
    input_transform, filter_transform, output_transform = matrices(R, weight.dtype)
    lanes, filter_lanes = lanes_of(weight.dtype), widest_lanes(weight.dtype, OC // groups)
    panels = -(-OC // groups // filter_lanes)
    filters = pool.empty((groups, panels, TILE_SIZE**2, IC, filter_lanes), weight.dtype)
    transform_filters(weight, filter_transform, lanes, filters)
    tiles = math.prod(tile_grid(output.shape, TILE_SIZE + 1 - R))
    block = min(
        BLOCK_BYTES // (TILE_SIZE**2 * IC * input.itemsize),
        CHUNK_TILES,
        tiles * groups // LEAST_TASKS,
    )
    block = max(block // GATHERED_ROWS, 1) * GATHERED_ROWS
    wide = filter_lanes > lanes
    _multiply(
        input, padding, input_transform, lanes, filters, wide, output_transform, bias, block, output
    )


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    """For stride 1, square filters of 2 to 5, and channels that fill a panel."""
    R = weight.shape[2]
    padding = R - 1 - padding[0], R - 1 - padding[1]
    filters = cpu_direct.flipped_filters(weight, groups)
    forward(grad_output, filters, None, stride, padding, groups, output=grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    """For stride 1, square filters of 2 to 5, and channels that fill a panel."""
    OC, IC, R, _ = grad_weight.shape
    C, M, dtype = input.shape[3], TILE_SIZE + 1 - R, input.dtype
    # The gradients of a tile take the role of the filter, and R x R sums are the result.
    input_transform, gradient_transform, output_transform = matrices(M, dtype)
    lanes = lanes_of(dtype)
    panels = -(-OC // groups // lanes)
    sums = pool.empty((groups, TILE_SIZE**2, panels, -(-IC // ROWS) * ROWS, lanes), dtype)
    sums[...] = 0
    grid = tile_grid(grad_output.shape, M)
    tiles = math.prod(grid)
    chunks = max(1, VALUES_BYTES // (TILE_SIZE**2 * CHUNK_TILES * (C + OC) * input.itemsize))
    chunks = min(chunks, -(-tiles // CHUNK_TILES))
    # The micro-kernel reads panels to their end, also behind the last channel.
    values, gradient_values = (
        pool.empty((chunks * TILE_SIZE**2 * (CHUNK_TILES * channels + GAP_NUMBERS) + lanes,), dtype)
        for channels in (C, OC)
    )
    for first in range(0, tiles, chunks * CHUNK_TILES):
        count = min(tiles - first, chunks * CHUNK_TILES)
        transform_tiles(input, grid, first, count, M, padding, input_transform, lanes, values)
        transform_tiles(
            grad_output, grid, first, count, M, (0, 0), gradient_transform, lanes, gradient_values
        )
        _correlate(values, gradient_values, count, C, OC, IC, sums)
    _weights_from_products(sums, output_transform, grad_weight)


@parallel_jit
def _multiply(images, padding, matrix, lanes, filters, wide, output_transform, bias, block, output):
    """The convolution of `block` tiles and one group a task."""
    N, OH, OW, OC = output.shape
    groups, panels, points, IC, filter_lanes = filters.shape
    M, per_group = output_transform.shape[0], OC // groups
    grid = N, (OH + M - 1) // M, (OW + M - 1) // M
    tiles = N * grid[1] * grid[2]
    filter_memory = filters.reshape(-1)
    zero = np.zeros(1, np.int64)
    stride, width = block * IC + GAP_NUMBERS, block * filter_lanes
    for task in prange((tiles + block - 1) // block * groups):
        first, g = task // groups * block, task % groups
        count = min(block, tiles - first)
        values, value_rows = np.empty(points * stride, images.dtype), spaced(block, IC)
        transform_block(
            images, grid, first, count, g * IC, M, IC, padding, matrix, lanes, values, stride
        )
        products, half = (
            np.empty((TILE_SIZE, TILE_SIZE * width), images.dtype),
            np.empty((M, TILE_SIZE * width), images.dtype),
        )
        pixels = np.empty((M * M, width), images.dtype)
        product_memory = products.reshape(-1)
        for panel in range(panels):
            for point in range(points):
                start = ((g * panels + panel) * points + point) * IC * filter_lanes
                for row in range(0, count, GATHERED_ROWS):
                    gathered_product(
                        values, point * stride, value_rows[row:], filter_memory, start, zero,
                        1, IC, product_memory, (point * block + row) * filter_lanes, filter_lanes,
                        False, wide,
                    )  # fmt: skip
            outputs_from_products(output_transform, products, half, pixels)
            channel = panel * filter_lanes
            channels = min(filter_lanes, per_group - channel)
            channel += g * per_group
            panel_bias = bias[channel : channel + channels]
            _write_tiles(pixels, grid, first, count, M, panel_bias, channel, filter_lanes, output)


@jit
def _write_tiles(pixels, grid, first, count, M, bias, channel, filter_lanes, output):
    """Add the bias to the pixels of `count` tiles, and put those that exist into the output."""
    _, OH, OW, _ = output.shape
    _, rows, columns = grid
    channels = bias.size
    for t in range(count):
        n, row, column = tile_position(first + t, rows, columns)
        for i in range(min(M, OH - row * M)):
            for j in range(min(M, OW - column * M)):
                target = output[n, row * M + i, column * M + j, channel : channel + channels]
                source = pixels[i * M + j, t * filter_lanes : t * filter_lanes + channels]
                for c in range(channels):
                    target[c] = source[c] + bias[c]


@parallel_jit
def _correlate(values, gradient_values, count, C, OC, IC, sums):
    """sums[group, point] += values.T @ gradient_values over `count` tiles."""
    groups, points, panels, padded, lanes = sums.shape
    sum_memory = sums.reshape(-1)
    value_taps, gradient_taps = spaced(CHUNK_TILES, C), spaced(CHUNK_TILES, OC)
    for task in prange(groups * points):
        g, point = task // points, task % points
        for first in range(0, count, CHUNK_TILES):
            taps = min(CHUNK_TILES, count - first)
            start = first // CHUNK_TILES * points + point
            value_start = start * (CHUNK_TILES * C + GAP_NUMBERS) + g * IC
            for panel in range(panels):
                gradient_start = (
                    start * (CHUNK_TILES * OC + GAP_NUMBERS) + g * (OC // groups) + panel * lanes
                )
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
def _weights_from_products(sums, output_transform, grad_weight):
    OC, IC, R, _ = grad_weight.shape
    groups, points, panels, padded, lanes = sums.shape
    per_group = OC // groups
    for task in prange(groups * panels * IC):
        g, panel, ic = task // (panels * IC), task // IC % panels, task % IC
        # Rows of the last tile, which ends with the last channel, lie this much further.
        row = ic if ic < padded - ROWS else ic + padded - IC
        rows = np.empty((points, lanes), sums.dtype)
        half, total = np.empty((R * TILE_SIZE, lanes), sums.dtype), np.empty(lanes, sums.dtype)
        for point in range(points):
            source, target = sums[g, point, panel, row], rows[point]
            for c in range(lanes):
                target[c] = source[c]
        for i in range(R):
            for j in range(TILE_SIZE):
                combine(output_transform[i], rows, j, TILE_SIZE, half[i * TILE_SIZE + j])
        for i in range(R):
            for j in range(R):
                combine(output_transform[j], half, i * TILE_SIZE, 1, total)
                for c in range(min(lanes, per_group - panel * lanes)):
                    grad_weight[g * per_group + panel * lanes + c, ic, i, j] = total[c]
