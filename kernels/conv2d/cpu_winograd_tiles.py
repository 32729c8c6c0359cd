"""Tiles of Winograd's convolution: which algorithm, where they lie, and their way in and out."""

import functools
import math

import numpy as np
from numba import get_thread_id, prange

from minigrad.kernels.conv2d.winograd_algorithms import algorithms
from minigrad.kernels.shared.addresses import address, call, clear, copy
from minigrad.kernels.shared.microkernel import GATHERED_ROWS, lanes_of, panel_width
from minigrad.kernels.shared.threads import jit, parallel_jit

# What making and reading a transformed filter takes, in multiply-adds; it is made once for many
# tiles.
FILTER_COST = 12
# A direct sum is simpler: what needs nearly as many multiply-adds is not faster.
WORTHWHILE = 0.8
# Layers with a stride are the first ones, with filters of few numbers: their direct sums are short,
# and so exact that the error of longer lines would be more than twice theirs.
MOST_PIXELS_OF_STRIDED = 6
MOST_TAPS = 5
TASK_CHANNELS = 16  # input channels whose filters one task transforms


def has_tiles(output_shape, weight_shape, stride):
    """Whether there are outputs, and the window is square and small when divided by the stride."""
    taps, across = (-(-size // step) for size, step in zip(weight_shape[2:], stride))
    return taps == across and 2 <= taps <= MOST_TAPS and 0 not in output_shape


@functools.lru_cache(maxsize=256)
def suits(output_shape, weight_shape, stride, groups, dtype, bfloat16=False):
    """Whether a convolution and its gradients are faster this way than by the direct path.

    They are where channels and tiles are many: the filters are transformed for all tiles, and
    every tile for all channels.

    Args:
        output_shape: (N, OH, OW, OC).
        weight_shape: (OC, IC, KH, KW).
    """
    if not has_tiles(output_shape, weight_shape, stride):
        return False
    N, OH, OW, OC = output_shape
    direct = N * OH * OW * OC * math.prod(weight_shape[1:])
    shapes = output_shape, weight_shape, stride, groups, dtype, bfloat16
    return _cost(best_algorithm(*shapes), *shapes) < WORTHWHILE * direct


@functools.lru_cache(maxsize=256)
def best_algorithm(output_shape, weight_shape, stride, groups, dtype, bfloat16=False):
    """The algorithm of least cost, for a window of 2 to 5 taps when divided by the stride."""
    shapes = output_shape, weight_shape, stride, groups, dtype, bfloat16
    taps = -(-weight_shape[2] // stride[0])
    found = algorithms(taps, bfloat16)
    if stride != (1, 1) and not bfloat16:
        found = [a for a in found if a.size <= MOST_PIXELS_OF_STRIDED]
    return min(found, key=lambda algorithm: _cost(algorithm, *shapes))


def _cost(algorithm, output_shape, weight_shape, stride, groups, dtype, bfloat16):
    """Multiply-adds at all points, of the transforms, and for the filters.

    Products in bfloat16 take half the time.
    """
    lanes, width = lanes_of(dtype), panel_width(dtype)
    inputs = -(-weight_shape[1] * math.prod(stride) // width) * width  # of a group
    outputs = -(-weight_shape[0] // groups // lanes) * lanes * groups
    tiles = math.prod(tile_grid(output_shape, algorithm.outputs))
    tiles = -(-tiles // GATHERED_ROWS) * GATHERED_ROWS
    evaluation, _, interpolation = (np.count_nonzero(m) for m in algorithm.matrices)
    P, S, M = algorithm.products, algorithm.size, algorithm.outputs
    return (
        P * P * inputs * outputs * ((tiles / 2 if bfloat16 else tiles) + FILTER_COST)
        + tiles * (P + S) * evaluation * inputs * groups
        + tiles * (P + M) * interpolation * outputs
    )


def tile_grid(shape, M):
    """How many tiles cover images (N, H, W, ...), in each dimension."""
    N, H, W = shape[:3]
    return N, -(-H // M), -(-W // M)


def split_filters(weight, stride, groups):
    """(G, OC / G, inputs, R, R): filters of the image whose pixels are SH x SW pixels.

    With stride 1, a view of the weights.
    """
    OC, IC, KH, KW = weight.shape
    SH, SW = stride
    RH, RW = -(-KH // SH), -(-KW // SW)
    if stride != (1, 1):
        padded = np.zeros((OC, IC, RH * SH, RW * SW), weight.dtype)
        padded[:, :, :KH, :KW] = weight
        weight = padded.reshape(OC, IC, RH, SH, RW, SW).transpose(0, 3, 5, 1, 2, 4)
    return weight.reshape(groups, OC // groups, SH * SW * IC, RH, RW)


def turned_filters(weight, groups):
    """(G, IC, OC / G, R, R): those of the input gradient, turned by 180 degrees; a view."""
    OC, *rest = weight.shape
    return weight.reshape(groups, OC // groups, *rest)[..., ::-1, ::-1].swapaxes(1, 2)


@parallel_jit
def transform_filters(weight, evaluate, pair, work, filters):
    """(G, OC, IC, R, R) as [group][OC / lanes][point][IC / pair][lanes], zero behind the last.

    TASK_CHANNELS input channels at a time: all their filters lie side by side in a tile.

    Args:
        pair: input channels of one element of `filters`: 2 in bfloat16, else 1.
        work: memory for each thread: R * R * TASK_CHANNELS * lanes numbers of the weight's type.
    """
    _, OC, IC, R, _ = weight.shape
    groups, panels, points, depth, lanes = filters.shape
    elements = TASK_CHANNELS // pair
    blocks = (depth + elements - 1) // elements
    itemsize = filters.itemsize
    for task in prange(groups * panels * blocks):
        panel, first = task // blocks, task % blocks * elements
        g, channel = panel // panels, panel % panels * lanes
        count = min(elements, depth - first)
        size = count * lanes
        taps = work[get_thread_id(), : R * R * pair * size].reshape(R * R, pair * size)
        taps[...] = 0
        for c in range(min(lanes, OC - channel)):
            for i in range(count * pair):
                ic = first * pair + i
                if ic < IC:
                    at = i % pair * size + i // pair * lanes + c
                    for t in range(R * R):
                        taps[t, at] = weight[g, channel + c, ic, t // R, t % R]
        target = (panel * points * depth + first) * lanes
        call(
            evaluate,
            (
                address(taps, 0), R * pair * size * itemsize, pair * size * itemsize, size,
                address(filters, target), depth * lanes * itemsize,
            ),
        )  # fmt: skip


@jit
def tile_position(number, rows, columns):
    """The image, row and column of a tile."""
    return number // (rows * columns), number // columns % rows, number % columns


@jit
def copy_pixels(images, n, top, left, rows, columns, stride, channel, channels, width, target):
    """Some pixels of SH x SW pixels of an image, to an address: [row][column][width].

    Row `top` and column `left` are those of the image. What lies outside is zero, and so are
    numbers behind the last of SH * SW * channels.
    """
    _, H, W, C = images.shape
    SH, SW = stride
    size = channels * images.itemsize
    run, used = SW * size, SH * SW * size  # bytes of a row, and of all rows, of a pixel
    unused = width * images.itemsize - used
    whole_runs = SW == 1 or channels == C
    for i in range(rows):
        for j in range(columns):
            pixel, w = target + (i * columns + j) * (used + unused), left + j * SW
            for h in range(top + i * SH, top + (i + 1) * SH):
                row = address(images, ((n * H + h) * W + w) * C + channel)
                if 0 <= h < H and 0 <= w and w + SW <= W and whole_runs:
                    copy(pixel, row, run)
                elif 0 <= h < H:
                    for s in range(SW):
                        if 0 <= w + s < W:
                            copy(pixel + s * size, row + s * C * images.itemsize, size)
                        else:
                            clear(pixel + s * size, size)
                else:
                    clear(pixel, run)
                pixel += run
            clear(pixel, unused)


@jit
def load_tile(images, n, top, left, size, stride, channel, channels, width, scratch):
    """Address of the S x S pixels of a tile and the distances of its rows and columns, in bytes.

    Where they lie in the image, if that is possible, else of a copy.
    """
    _, H, W, C = images.shape
    itemsize = images.itemsize
    is_inside = 0 <= top and top + size <= H and 0 <= left and left + size <= W
    if stride == (1, 1) and is_inside and width == channels:
        start = ((n * H + top) * W + left) * C + channel
        return address(images, start), W * C * itemsize, C * itemsize
    copy_pixels(
        images, n, top, left, size, size, stride, channel, channels, width, address(scratch, 0)
    )
    return address(scratch, 0), size * width * itemsize, width * itemsize


@jit
def store_tile(
    interpolate, products, point_stride, lanes, bias, relu, M, output, n, top, left, channel,
    channels, scratch,
):  # fmt: skip
    """The outputs of a tile from its products: `channels` of `lanes`, and pixels that exist.

    Where that is all of them they are written where they belong, else by way of a copy.
    """
    _, OH, OW, OC = output.shape
    itemsize = output.itemsize
    start = ((n * OH + top) * OW + left) * OC + channel
    is_whole = channels == lanes and top + M <= OH and left + M <= OW
    target, row_stride, column_stride = address(scratch, 0), M * lanes, lanes
    if is_whole:
        target, row_stride, column_stride = address(output, start), OW * OC, OC
    call(
        interpolate,
        (
            products, point_stride, lanes, bias, relu, target, row_stride * itemsize,
            column_stride * itemsize,
        ),
    )  # fmt: skip
    if not is_whole:
        for i in range(min(M, OH - top)):
            for j in range(min(M, OW - left)):
                pixel = address(output, start + (i * OW + j) * OC)
                copy(pixel, address(scratch, (i * M + j) * lanes), channels * itemsize)
