"""The weight gradient by Winograd's algorithm: sums over tiles instead of channels.

Of each tile the S x S pixels are correlated with the M x M output gradients, which leaves R x R
sums: the algorithm of the same points in which the gradients are the filter,

    weight gradient = A^T [ sum over tiles of (B^T tile B) * (G gradients G^T) ] A

for each pair of channels. At each of the P x P points there is one matrix product over the tiles,

    sums (IC, OC / G) = values^T (IC, tiles) @ gradient values (tiles, OC / G)

The sums of all points are many megabytes, and to go through them for every few tiles would take
longer than the products. So a task makes one row of points: it evaluates only these, for a chunk
of tiles at a time, in panels for the micro-kernel, and adds to the sums of one point after the
other. Nothing is evaluated twice except where there are fewer rows than threads want, and the
output channels are divided, too.

The first half of both transforms, column by column, is done once for all rows of points: for as
many tiles at a time as fit into a part of the last-level cache with it. A tile is loaded there as
by the other directions, with zeros around the image and phases instead of a stride
(`cpu_winograd.py`). Every sum has one order, that of the tiles, which depends on the shapes alone.
"""

import math

import numpy as np
from numba import get_num_threads, get_thread_id, prange

from minigrad.kernels.conv2d.cpu_winograd_tiles import (
    best_algorithm,
    load_tile,
    tile_grid,
    tile_position,
)
from minigrad.kernels.conv2d.cpu_winograd_transforms import (
    evaluate_columns,
    evaluate_filter_columns,
    evaluate_filter_line,
    evaluate_line,
    interpolate,
)
from minigrad.kernels.shared.addresses import address, call
from minigrad.kernels.shared.memory import pool
from minigrad.kernels.shared.microkernel import (
    GATHERED_ROWS,
    VECTOR_BYTES,
    lanes_of,
    panel_width,
    vector_product,
    widest_lanes,
)
from minigrad.kernels.shared.threads import parallel_jit

CHUNK_TILES = 128  # even
# Of half transformed tiles that all tasks work on at a time: a part of the last-level cache.
PIECE_BYTES = 8 << 20
GAP_NUMBERS = 80
TASK_TILES = 8  # of the first half of the transforms
# The share of the threads' time that tasks must use: in the rest some wait for the last of them.
BALANCE = 0.9


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight, bfloat16=False):
    """For windows that are square when divided by the stride, of 2 to 5 taps."""
    OC, IC, KH, KW = grad_weight.shape
    N, OH, OW, _ = grad_output.shape
    dtype = input.dtype
    shapes = grad_output.shape, grad_weight.shape, stride, groups, dtype, bfloat16
    algorithm = best_algorithm(*shapes).transposed
    M, P = algorithm.taps, algorithm.products
    # Tiles of one element of the factors, and its type.
    pair, factor_type = (2, np.dtype(np.uint32)) if bfloat16 else (1, dtype)
    inputs, per_group = stride[0] * stride[1] * IC, OC // groups
    width = -(-inputs // panel_width(dtype)) * panel_width(dtype)
    lanes = widest_lanes(dtype, per_group)
    panels = -(-per_group // lanes)
    _, rows, columns = tile_grid(grad_output.shape, M)
    tiles, channels = N * rows * columns, (width, panels * lanes)
    # Of a tile: the pixels and the gradients after the first half of their transforms.
    numbers = [P * side * n for side, n in zip((algorithm.size, M), channels)]
    piece = max(PIECE_BYTES // (groups * sum(numbers) * dtype.itemsize), CHUNK_TILES)
    piece = min(-(-piece // CHUNK_TILES) * CHUNK_TILES, -(-tiles // pair) * pair)
    lines, gradient_lines = (_spaced_rows((P, groups, piece, n // P), dtype) for n in numbers)
    sums = pool.empty((groups, P, P, panels, width, lanes), dtype)
    chunk = min(CHUNK_TILES, piece)
    task_panels = _panels_of_task(groups * P, panels)
    values_of_task = P * ((chunk // pair + 1) * (width + task_panels * lanes))
    values = pool.empty((get_num_threads(), values_of_task), factor_type)
    copied = pool.empty((get_num_threads(), algorithm.size**2 * max(channels)), dtype)
    columns_code = (
        evaluate_columns(algorithm, dtype),
        evaluate_filter_columns(algorithm, dtype),
    )
    line_code = (
        evaluate_line(algorithm, dtype, bfloat16),
        evaluate_filter_line(algorithm, dtype, bfloat16),
    )
    wide = lanes == lanes_of(dtype, 3)
    for first in range(0, tiles, piece):
        count = min(piece, tiles - first)
        _evaluate_columns(
            input, first, count, (rows, columns), M, algorithm.size, stride, padding,
            IC, width, columns_code[0], copied, lines,
        )  # fmt: skip
        _evaluate_columns(
            grad_output, first, count, (rows, columns), M, M, (1, 1), (0, 0), per_group,
            panels * lanes, columns_code[1], copied, gradient_lines,
        )  # fmt: skip
        if count % pair:  # the second of the last pair
            lines[:, :, count], gradient_lines[:, :, count] = 0, 0
        _correlate(
            lines, gradient_lines, count, pair, line_code, chunk, task_panels, wide, first > 0,
            values, sums,
        )  # fmt: skip
    _weights_from_sums(sums, interpolate(algorithm, dtype), stride, grad_weight)


def _spaced_rows(shape, dtype):
    """Memory of a shape, with a gap behind each row.

    Without it rows would begin at the same few sets of the caches, and compete for them.
    """
    size = math.prod(shape[1:])
    return pool.empty((shape[0], size + GAP_NUMBERS), dtype)[:, :size].reshape(shape)


def _panels_of_task(rows, panels):
    """Panels of output channels of one task, so that the threads have about as much to do.

    This changes who computes what, and the order of no sum.
    """
    threads = get_num_threads()
    for blocks in range(1, panels):
        tasks = rows * blocks
        if tasks >= BALANCE * threads * -(-tasks // threads):
            return -(-panels // blocks)
    return 1


@parallel_jit
def _evaluate_columns(
    images, first, count, grid, step, size, stride, padding, channels, width, evaluate, work, lines
):
    """lines[row of points, group, tile] = that row of the half transformed tile.

    Args:
        grid: rows and columns of tiles of an image.
        step, size: from one tile to the next, and of a tile, in pixels of SH x SW pixels.
    """
    _, groups, tiles, line = lines.shape
    rows, columns = grid
    SH, SW = stride
    PH, PW = padding
    for task in prange((count + TASK_TILES - 1) // TASK_TILES * groups):
        begin, g = task // groups * TASK_TILES, task % groups
        for t in range(begin, min(begin + TASK_TILES, count)):
            n, row, column = tile_position(first + t, rows, columns)
            pixels, row_stride, column_stride = load_tile(
                images, n, row * step * SH - PH, column * step * SW - PW, size, stride,
                g * channels, channels, width, work[get_thread_id()],
            )  # fmt: skip
            target = address(lines, (g * tiles + t) * line)
            call(evaluate, (pixels, row_stride, column_stride, width, target, lines.strides[0]))


@parallel_jit
def _correlate(
    lines, gradient_lines, count, pair, code, chunk, task_panels, wide, accumulate, work, sums
):  # fmt: skip
    """sums[group, row of points] (+)= the products of all tiles; one row a task.

    Args:
        pair: tiles of one element of the factors.
        work: memory for each thread.
    """
    groups, P, _, panels, width, lanes = sums.shape
    _, _, tiles, line = lines.shape
    gradient_line, itemsize = gradient_lines.shape[3], sums.itemsize
    evaluate_inputs, evaluate_gradients = code
    vector = VECTOR_BYTES // itemsize
    panel_width = max(vector, GATHERED_ROWS)
    blocks = (panels + task_panels - 1) // task_panels
    # Elements of a panel, and one more, so that panels do not compete for the same sets of the
    # caches; from one point to the next.
    elements = chunk // pair + 1
    value_gap, gradient_gap = elements * width, elements * task_panels * lanes
    sum_memory, zero = sums.reshape(-1), np.zeros(1, np.int64)
    for task in prange(groups * P * blocks):
        g, i, first_panel = task // blocks // P, task // blocks % P, task % blocks * task_panels
        used_panels = min(task_panels, panels - first_panel)
        skipped = gradient_line // panels * first_panel
        values = work[get_thread_id()]
        gradient_values = values[P * value_gap :]
        for first in range(0, count, chunk):
            depth = (min(chunk, count - first) + pair - 1) // pair
            for t in range(depth):
                tile = g * tiles + first + t * pair
                source = address(lines, tile * line) + i * lines.strides[0]
                call(
                    evaluate_inputs,
                    (
                        source, source + line * itemsize, width,
                        address(values, t * panel_width), value_gap * itemsize,
                        panel_width // vector, elements * panel_width * itemsize,
                    ),
                )  # fmt: skip
                source = address(gradient_lines, tile * gradient_line + skipped)
                source += i * gradient_lines.strides[0]
                call(
                    evaluate_gradients,
                    (
                        source, source + gradient_line * itemsize, used_panels * lanes,
                        address(gradient_values, t * lanes), gradient_gap * itemsize,
                        lanes // vector, elements * lanes * itemsize,
                    ),
                )  # fmt: skip
            for j in range(P):
                for panel in range(used_panels):
                    b_start = j * gradient_gap + panel * elements * lanes
                    target = (((g * P + i) * P + j) * panels + first_panel + panel) * width * lanes
                    for row in range(0, width, GATHERED_ROWS):
                        a_start = j * value_gap + row // panel_width * panel_width * elements
                        vector_product(
                            values, a_start + row % panel_width, zero, gradient_values, b_start,
                            zero, 1, depth, sum_memory, target + row * lanes, lanes,
                            accumulate or first > 0, wide,
                        )  # fmt: skip


@parallel_jit
def _weights_from_sums(sums, interpolate, stride, grad_weight):
    OC, IC, KH, KW = grad_weight.shape
    groups, P, _, panels, width, lanes = sums.shape
    SH, SW = stride
    R, itemsize = (KH + SH - 1) // SH, sums.itemsize
    per_group = OC // groups
    no_bias = np.zeros(lanes, sums.dtype)
    for task in prange(groups * panels * IC):
        g, panel, ic = task // (panels * IC), task // IC % panels, task % IC
        taps = np.empty((R, R, lanes), sums.dtype)
        for phase in range(SH * SW):
            start = (g * P * P * panels + panel) * width + phase * IC + ic
            call(
                interpolate,
                (
                    address(sums, start * lanes), panels * width * lanes * itemsize, lanes,
                    address(no_bias, 0), 0, address(taps, 0), R * lanes * itemsize,
                    lanes * itemsize,
                ),
            )  # fmt: skip
            for i in range(R):
                for j in range(R):
                    kh, kw = i * SH + phase // SW, j * SW + phase % SW
                    if kh < KH and kw < KW:
                        for c in range(min(lanes, per_group - panel * lanes)):
                            oc = g * per_group + panel * lanes + c
                            grad_weight[oc, ic, kh, kw] = taps[i, j, c]
