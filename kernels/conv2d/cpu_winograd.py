"""Convolution with fewer multiplications: Winograd's minimal filtering.

A tile of S x S pixels gives M x M outputs of filters of R x R taps, M = S + 1 - R. Tile and filter
are transformed, multiplied value by value at P x P points, and the products transformed into
outputs (`winograd_algorithms.py` has the matrices, and where they come from):

    output tile = A^T [ (G filter G^T) * (B^T tile B) ] A            (tiles overlap by R - 1)

The sum over the input channels is taken before the last transform, so at each point there is one
matrix product

    products (tiles, OC / G) = values (tiles, IC) @ filters (IC, OC / G)

which the micro-kernel computes; the transforms cost little where channels are many. In float32 a
3 x 3 filter needs 2.3 to 3.1 products for an output instead of 9, and one of 5 x 5 needs about 5
instead of 25.

A stride is taken apart: the pixels whose rows and columns leave the same remainders are a smaller
image, seen with stride 1 by every SH-th row and SW-th column of the filter. Those of all
remainders are the channels of one pixel of SH x SW pixels. So conv1, 11 x 11 with stride 4 of
3 channels, is a convolution of 3 x 3 taps of 48 channels.

The weight gradient is the same with other roles: `cpu_winograd_weight.py`.
"""

import math

import numpy as np
from numba import get_num_threads, get_thread_id, prange

from minigrad.kernels.conv2d.cpu_winograd_tiles import (
    TASK_CHANNELS,
    best_algorithm,
    load_tile,
    split_filters,
    store_tile,
    suits,
    tile_grid,
    tile_position,
    transform_filters,
    turned_filters,
)
from minigrad.kernels.conv2d.cpu_winograd_transforms import (
    evaluate,
    evaluate_filter,
    interpolate,
)
from minigrad.kernels.conv2d.cpu_winograd_weight import backward_weight
from minigrad.kernels.shared.addresses import address, call
from minigrad.kernels.shared.memory import pool
from minigrad.kernels.shared.microkernel import (
    GATHERED_ROWS,
    gathered_product,
    lanes_of,
    panel_width,
    spaced,
    widest_lanes,
)
from minigrad.kernels.shared.prepared import prepared
from minigrad.kernels.shared.threads import parallel_jit

__all__ = ["backward_input", "backward_weight", "forward", "suits"]

TASK_TILES = 16
LEAST_TASKS = 8  # where there are enough tiles to share


def forward(input, weight, bias, stride, padding, groups, *, output, relu=False, bfloat16=False):
    """For windows that are square when divided by the stride, of 2 to 5 taps."""
    shapes = output.shape, weight.shape, stride, groups, weight.dtype, bfloat16
    algorithm = best_algorithm(*shapes)
    filters = prepared(
        weight,
        ("winograd", algorithm, stride, groups, bfloat16),
        lambda: _transformed(split_filters(weight, stride, groups), algorithm, bfloat16),
    )
    _convolve(algorithm, input, filters, bias, stride, padding, relu, bfloat16, output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input, bfloat16=False):
    """For stride 1."""
    OC, IC, R, _ = weight.shape
    shape = (IC * groups, OC // groups, R, R)
    algorithm = best_algorithm(grad_input.shape, shape, stride, groups, weight.dtype, bfloat16)
    filters = prepared(
        weight,
        ("winograd, turned", algorithm, groups, bfloat16),
        lambda: _transformed(turned_filters(weight, groups), algorithm, bfloat16),
    )
    padding = R - 1 - padding[0], R - 1 - padding[1]
    _convolve(algorithm, grad_output, filters, None, stride, padding, False, bfloat16, grad_input)


def _transformed(weight, algorithm, bfloat16):
    """(G, OC, IC, R, R) as the kernel takes them: see `transform_filters`."""
    groups, outputs, inputs = weight.shape[:3]
    # Numbers of one element of the factors, and its type.
    pair, factor_type = (2, np.dtype(np.uint32)) if bfloat16 else (1, weight.dtype)
    lanes = widest_lanes(weight.dtype, outputs)
    shape = groups, -(-outputs // lanes), algorithm.products**2, -(-inputs // pair), lanes
    filters = pool.empty(shape, factor_type)
    taps = weight.shape[3] * weight.shape[4] * TASK_CHANNELS * lanes
    work = pool.empty((get_num_threads(), taps), weight.dtype)
    code = evaluate_filter(algorithm, weight.dtype, bfloat16)
    transform_filters(weight, code, pair, work, filters)
    return filters


def _convolve(algorithm, input, filters, bias, stride, padding, relu, bfloat16, output):
    dtype = input.dtype
    groups, _, points, _, lanes = filters.shape
    pair = 2 if bfloat16 else 1
    inputs = input.shape[3] // groups * math.prod(stride)
    if bias is None:
        bias = np.zeros(output.shape[3], dtype)
    width = -(-inputs // panel_width(dtype)) * panel_width(dtype)
    tiles = math.prod(tile_grid(output.shape, algorithm.outputs))
    block = min(TASK_TILES, tiles * groups // LEAST_TASKS)
    block = max(block // GATHERED_ROWS, 1) * GATHERED_ROWS
    code = evaluate(algorithm, dtype, bfloat16), interpolate(algorithm, dtype)
    sizes = algorithm.size, algorithm.outputs
    # Without a gap powers of two of channels would put the values of a tile at all points into
    # the same few sets of the caches.
    gaps = block * width // pair + lanes, block * lanes + lanes
    copied = max(algorithm.size**2 * width, algorithm.outputs**2 * lanes)
    values = pool.empty((get_num_threads(), points * gaps[0]), filters.dtype)
    work = pool.empty((get_num_threads(), points * gaps[1] + copied), dtype)
    _multiply(
        input, stride, padding, width, pair, filters, lanes == lanes_of(dtype, 3), bias, int(relu),
        sizes, *code, block, gaps, values, work, output,
    )  # fmt: skip


@parallel_jit
def _multiply(
    images, stride, padding, width, pair, filters, wide, bias, relu, sizes, evaluate, interpolate,
    block, gaps, value_work, work, output,
):  # fmt: skip
    """The convolution of `block` tiles and one group a task.

    Args:
        width: channels of a tile, those behind the last are zero.
        pair: numbers of one element of the factors.
        gaps: from the values of one point to those of the next, and from its products.
        value_work, work: memory for each thread.
    """
    N, OH, OW, OC = output.shape
    S, M = sizes
    SH, SW = stride
    PH, PW = padding
    groups, panels, points, depth, lanes = filters.shape
    channels, per_group = images.shape[3] // groups, OC // groups
    rows, columns = (OH + M - 1) // M, (OW + M - 1) // M
    tiles = N * rows * columns
    filter_memory, itemsize = filters.reshape(-1), images.itemsize
    padded_bias = np.zeros(groups * panels * lanes, bias.dtype)
    for channel in range(OC):
        g, c = channel // per_group, channel % per_group
        padded_bias[g * panels * lanes + c] = bias[channel]
    zero = np.zeros(1, np.int64)
    value_gap, product_gap = gaps
    value_rows = spaced(block, width // pair)
    for task in prange((tiles + block - 1) // block * groups):
        first, g = task // groups * block, task % groups
        count = min(block, tiles - first)
        values = value_work[get_thread_id()]
        products = work[get_thread_id()]
        scratch = products[points * product_gap :]
        for t in range(count):
            n, row, column = tile_position(first + t, rows, columns)
            pixels, row_stride, column_stride = load_tile(
                images, n, row * M * SH - PH, column * M * SW - PW, S, stride, g * channels,
                channels, width, scratch,
            )  # fmt: skip
            target = address(values, t * (width // pair))
            call(
                evaluate,
                (pixels, row_stride, column_stride, width, target, value_gap * itemsize),
            )
        for panel in range(panels):
            for point in range(points):
                start = ((g * panels + panel) * points + point) * depth * lanes
                for row in range(0, count, GATHERED_ROWS):
                    gathered_product(
                        values, point * value_gap, value_rows[row:], filter_memory, start, zero, 1,
                        depth, products, point * product_gap + row * lanes, lanes, False, wide,
                    )  # fmt: skip
            channel = g * per_group + panel * lanes
            for t in range(count):
                n, row, column = tile_position(first + t, rows, columns)
                store_tile(
                    interpolate, address(products, t * lanes), product_gap * itemsize, lanes,
                    address(padded_bias, (g * panels + panel) * lanes), relu, M, output, n,
                    row * M, column * M, channel, min(lanes, per_group - panel * lanes), scratch,
                )  # fmt: skip
