"""Convolution as a matrix product whose columns are never written: the direct path.

With channels last in memory the pixel under a filter tap is a run of adjacent numbers. The
micro-kernel (`shared/microkernel.py`) takes several output pixels at a time; for each tap it gets
the places where their input pixels begin, which replaces im2col, and multiplies them with

    weights   [G][OC / G / lanes][taps][channels of a tap][lanes]

where one row is one input channel of one tap for `lanes` output channels. A tap outside the image
points to zeros. Any batch size, stride, padding and number of groups works alike.

Where the input is not padded and not grouped the taps of a filter row are adjacent in memory and
count as one tap with KW * C channels: conv1 has 11 taps of 33 instead of 121 of 3.

The input gradient is the same computation on grad_output, with the filters flipped and input and
output channels exchanged. The weight gradient is a sum over pixels instead of taps: for a tap, A
is the input (rows are input channels, k runs over pixels) and B is grad_output.

Cost: the FLOPs of the contract at the micro-kernel's speed. Work is divided into blocks that
the second-level cache holds: a tap chunk of the weights for `lanes` channels stays in the first
level while TASK_PIXELS pixels are multiplied with it. Every output is summed by one thread in an
order that depends on the shapes alone.
"""

import math

import numpy as np
from numba import prange

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
from minigrad.kernels.shared.prepared import prepared
from minigrad.kernels.shared.threads import jit, parallel_jit

TASK_PIXELS = 96  # of the forward pass
# Products summed in registers before a tile is added to memory: bounds the rounding error, and
# DEPTH_TERMS * lanes weights fit into half of the first-level cache.
DEPTH_TERMS = 256
# Pixels whose products are summed at a time for the weight gradient.
CHUNK_PIXELS = 256
# The weight gradient is divided into at least as many tasks, and the sums of a task take at most so
# many bytes: a part of the second-level cache.
LEAST_TASKS = 12
SUMS_BYTES = 1 << 19


def forward(input, weight, bias, stride, padding, groups, *, output):
    if bias is None:
        bias = np.zeros(output.shape[3], output.dtype)
    _convolve(input, weight, False, bias, stride, padding, groups, output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    """For stride 1."""
    KH, KW = weight.shape[2:]
    padding = KH - 1 - padding[0], KW - 1 - padding[1]
    no_bias = np.zeros(grad_input.shape[3], grad_input.dtype)
    _convolve(grad_output, weight, True, no_bias, stride, padding, groups, grad_input)


def _convolve(images, weight, flipped, bias, stride, padding, groups, output):
    if _short(images, groups) and padding != (0, 0):
        images, padding = _pad(images, padding), (0, 0)
    merged = groups == 1 and padding[1] == 0
    panels = prepared(
        weight,
        ("panels", flipped, groups, merged),
        lambda: _weight_panels(
            flipped_filters(weight, groups) if flipped else weight, groups, merged
        ),
    )
    wide = panels.shape[-1] == lanes_of(images.dtype, 3)
    _multiply(images, panels, wide, bias, weight.shape[2:], stride, padding, merged, output)


def flipped_filters(weight, groups):
    """The filters of the input gradient: flipped, input and output channels exchanged."""
    OC, IC, KH, KW = weight.shape
    flipped = weight.reshape(groups, OC // groups, IC, KH, KW)[:, :, :, ::-1, ::-1]
    return np.ascontiguousarray(flipped.swapaxes(1, 2)).reshape(-1, OC // groups, KH, KW)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    OC, IC, KH, KW = grad_weight.shape
    if _short(input, groups):
        input, padding = _pad(input, padding), (0, 0)
    merged = groups == 1 and padding[1] == 0
    run = KW * IC if merged else IC
    lanes = lanes_of(input.dtype)
    tile = (1 if merged else KW, -(-run // ROWS) * ROWS, lanes)
    # One tile of output channels and one filter row are a unit of work.
    units = groups * -(-OC // groups // lanes) * KH
    units_per_task = max(1, SUMS_BYTES // (math.prod(tile) * input.itemsize))
    parts = -(-units // units_per_task)
    splits = -(-LEAST_TASKS // parts)
    sums = pool.empty((splits, groups, units // groups // KH, KH, *tile), input.dtype)
    _correlate(input, grad_output, stride, padding, run, parts, sums)
    _unpack_weights(sums, run, grad_weight)


# -- layout -------------------------------------------------------------------------------


def _short(images, groups):
    """Whether a tap alone has too few channels to keep the micro-kernel busy."""
    return images.shape[3] // groups < 2 * ROWS


def _pad(images, padding):
    """A copy with a border of zeros, and ROWS numbers after it that may be read."""
    N, H, W, C = images.shape
    PH, PW = padding
    shape = (N, H + 2 * PH, W + 2 * PW, C)
    memory = pool.empty((math.prod(shape) + ROWS,), images.dtype)
    padded = memory[:-ROWS].reshape(shape)
    padded[:, :PH], padded[:, PH + H :], padded[:, :, :PW], padded[:, :, PW + W :] = 0, 0, 0, 0
    padded[:, PH : PH + H, PW : PW + W] = images
    return padded


def _weight_panels(weight, groups, merged):
    """(OC, IC, KH, KW) as [G][OC / G / lanes][taps][channels][lanes], zero after the last."""
    weight = weight.reshape(groups, -1, *weight.shape[1:])
    G, OC, IC, KH, KW = weight.shape
    lanes = widest_lanes(weight.dtype, OC)
    panels = pool.empty((G, -(-OC // lanes), KH, KW, IC, lanes), weight.dtype)
    _pack_weights(weight, panels)
    taps, depth = (KH, KW * IC) if merged else (KH * KW, IC)
    return panels.reshape(G, -1, taps, depth, lanes)


@parallel_jit
def _pack_weights(weight, panels):
    G, OC, IC, KH, KW = weight.shape
    _, tiles, _, _, _, lanes = panels.shape
    for task in prange(G * tiles * KH):
        g, tile, kh = task // (tiles * KH), task // KH % tiles, task % KH
        panel = panels[g, tile, kh]
        channels = min(lanes, OC - tile * lanes)
        for kw in range(KW):
            for ic in range(IC):
                for j in range(channels):
                    panel[kw, ic, j] = weight[g, tile * lanes + j, ic, kh, kw]
                for j in range(channels, lanes):
                    panel[kw, ic, j] = 0


@parallel_jit
def _unpack_weights(sums, run, grad_weight):
    OC, IC, KH, KW = grad_weight.shape
    splits, groups, tiles, _, columns, padded_run, lanes = sums.shape
    per_group = OC // groups
    sum_memory, split_size = sums.reshape(-1), sums.size // splits
    # Rows of the last tile, which ends with the last channel, lie this much further.
    shift = padded_run - run if run >= ROWS else 0
    for oc in prange(OC):
        g, i = oc // per_group, oc % per_group
        for ic in range(IC):
            for kh in range(KH):
                for kw in range(KW):
                    column, row = (kw * IC + ic) // run, (kw * IC + ic) % run
                    if row >= padded_run - ROWS:
                        row += shift
                    tile_row = ((g * tiles + i // lanes) * KH + kh) * columns + column
                    start = (tile_row * padded_run + row) * lanes + i % lanes
                    total = sum_memory[start]
                    for split in range(1, splits):
                        total += sum_memory[start + split * split_size]
                    grad_weight[oc, ic, kh, kw] = total


# -- arithmetic ---------------------------------------------------------------------------


@parallel_jit
def _multiply(images, panels, wide, bias, kernel_size, stride, padding, merged, output):
    """The convolution of every output pixel, TASK_PIXELS of them and one group a task."""
    N, OH, OW, OC = output.shape
    groups, tiles, taps, depth, lanes = panels.shape
    per_group = OC // groups
    pixels = N * OH * OW
    blocks = (pixels + TASK_PIXELS - 1) // TASK_PIXELS
    zeros = np.zeros(depth, images.dtype)
    image_memory, panel_memory, output_memory = (
        images.reshape(-1), panels.reshape(-1), output.reshape(-1)
    )  # fmt: skip
    chunk = max(1, DEPTH_TERMS // depth)  # taps
    panel_taps = spaced(taps, depth * lanes)
    for task in prange(blocks * groups):
        block, g = task // groups, task % groups
        first = block * TASK_PIXELS
        count = min(TASK_PIXELS, pixels - first)
        channel = g * per_group
        starts = np.empty(TASK_PIXELS * taps, np.int64)
        # Tiles that are larger than what is left of the output go here first.
        edge = np.empty(GATHERED_ROWS * lanes, output.dtype)
        edge_start = (edge.ctypes.data - output.ctypes.data) // output.itemsize
        _find_taps(
            images, zeros, first, count, g, groups, (OH, OW), kernel_size, stride, padding, merged,
            starts,
        )  # fmt: skip
        _fill_with_bias(bias[channel : channel + per_group], first, count, OC, channel, output)
        for t in range(0, taps, chunk):
            for k0 in range(0, depth, DEPTH_TERMS):
                for tile in range(tiles):
                    panel = (g * tiles + tile) * taps * depth * lanes + k0 * lanes
                    width = min(lanes, per_group - tile * lanes)
                    for row in range(0, count, GATHERED_ROWS):
                        target = (first + row) * OC + channel + tile * lanes
                        rows = min(GATHERED_ROWS, count - row)
                        whole = width == lanes and rows == GATHERED_ROWS
                        gathered_product(
                            image_memory, k0, starts[row * taps + t * GATHERED_ROWS :],
                            panel_memory, panel, panel_taps[t:], min(chunk, taps - t),
                            min(DEPTH_TERMS, depth - k0), output_memory,
                            target if whole else edge_start, OC if whole else lanes, whole, wide,
                        )  # fmt: skip
                        if not whole:
                            _add_edge(edge, rows, width, lanes, output_memory, target, OC)


@jit
def _find_taps(
    images, zeros, first, count, g, groups, output_size, kernel_size, stride, padding, merged,
    starts,
):  # fmt: skip
    """starts[pixel // GATHERED_ROWS, tap, pixel % GATHERED_ROWS]: where the input of a tap begins.

    For `count` output pixels from pixel `first` on. A tap outside the image points to zeros.
    """
    _, H, W, C = images.shape
    OH, OW = output_size
    KH, KW = kernel_size
    SH, SW = stride
    PH, PW = padding
    channel = g * (C // groups)
    outside = (zeros.ctypes.data - images.ctypes.data) // images.itemsize
    columns = 1 if merged else KW
    taps = KH * columns
    for row in range(0, count, GATHERED_ROWS):
        for i in range(GATHERED_ROWS):
            pixel = first + row + i
            n, oh, ow = pixel // (OH * OW), pixel // OW % OH, pixel % OW
            for kh in range(KH):
                h = oh * SH + kh - PH
                for kw in range(columns):
                    w = ow * SW + kw - PW
                    start = outside
                    if row + i < count and 0 <= h < H and 0 <= w < W:
                        start = ((n * H + h) * W + w) * C + channel
                    starts[(row * taps) + (kh * columns + kw) * GATHERED_ROWS + i] = start


@jit
def _fill_with_bias(bias, first, count, OC, channel, output):
    """The channels of one group of `count` pixels, from pixel `first` on."""
    output_memory = output.reshape(-1)
    for p in range(first, first + count):
        start = p * OC + channel
        pixel = output_memory[start : start + bias.size]
        for c in range(bias.size):
            pixel[c] = bias[c]


@jit
def _add_edge(edge, rows, width, lanes, output, target, OC):
    """Add the part of a tile that lies within the output."""
    for i in range(rows):
        for j in range(width):
            output[target + i * OC + j] += edge[i * lanes + j]


@parallel_jit
def _correlate(images, gradients, stride, padding, run, parts, sums):
    """Sums over the pixels of each split; a task makes those of some units of one split."""
    N, OH, OW, OC = gradients.shape
    splits, groups, tiles, KH, columns, padded_run, lanes = sums.shape
    per_group = OC // groups
    units = groups * tiles * KH
    unit_size = columns * padded_run * lanes
    image_memory, gradient_memory, sum_memory = (
        images.reshape(-1), gradients.reshape(-1), sums.reshape(-1)
    )  # fmt: skip
    chunk = max(1, CHUNK_PIXELS // OW)  # output rows
    for task in prange(splits * parts):
        split, part = task // parts, task % parts
        first_row, last_row = split * N * OH // splits, (split + 1) * N * OH // splits
        first_unit, last_unit = part * units // parts, (part + 1) * units // parts
        sum_memory[
            (split * units + first_unit) * unit_size : (split * units + last_unit) * unit_size
        ] = 0
        panel = np.zeros(chunk * OW * lanes, gradients.dtype)
        image_taps, panel_taps = np.empty(chunk * OW, np.int64), np.empty(chunk * OW, np.int64)
        for row0 in range(first_row, last_row, chunk):
            rows = min(chunk, last_row - row0)
            for unit in range(first_unit, last_unit):
                g, tile, kh = unit // (tiles * KH), unit // KH % tiles, unit % KH
                if unit == first_unit or kh == 0:
                    channel = g * per_group + tile * lanes
                    width = min(lanes, per_group - tile * lanes)
                    _pack_panel(
                        gradient_memory, row0 * OW, rows * OW, OC, channel, width, lanes, panel
                    )
                for kw in range(columns):
                    taps = _find_pixels(
                        images, g, groups, (OH, OW), row0, rows, kh, kw, stride, padding, lanes,
                        image_taps, panel_taps,
                    )  # fmt: skip
                    if taps == 0:
                        continue
                    target = (split * units + unit) * unit_size + kw * padded_run * lanes
                    for row in range(0, run, ROWS):
                        # The last tile ends with the last channel: reading on may leave the array.
                        channel = max(0, min(row, run - ROWS))
                        tile_product(
                            image_memory, channel, image_taps, panel, 0, panel_taps, taps, 1,
                            sum_memory, target + row * lanes, lanes, True,
                        )  # fmt: skip


@jit
def _find_pixels(
    images, g, groups, output_size, row0, rows, kh, kw, stride, padding, lanes,
    image_taps, panel_taps,
):  # fmt: skip
    """Where the input of tap (kh, kw) lies, and the row of the panel, for some output rows.

    Returns:
        their number: that of the output pixels whose tap lies inside the image.
    """
    _, H, W, C = images.shape
    OH, OW = output_size
    SH, SW = stride
    PH, PW = padding
    first = max(0, -((kw - PW) // SW))
    last = min(OW, (W - 1 + PW - kw) // SW + 1)
    taps = 0
    for row in range(rows):
        n, oh = (row0 + row) // OH, (row0 + row) % OH
        h = oh * SH + kh - PH
        if h < 0 or h >= H:
            continue
        start = ((n * H + h) * W + kw - PW) * C + g * (C // groups)
        for ow in range(first, last):
            image_taps[taps] = start + ow * SW * C
            panel_taps[taps] = (row * OW + ow) * lanes
            taps += 1
    return taps


@jit
def _pack_panel(gradients, first, pixels, OC, channel, width, lanes, panel):
    """panel[p, j] = gradients[first + p, channel + j], zero after the last channel."""
    for p in range(pixels):
        start = (first + p) * OC + channel
        row, source = panel[p * lanes : (p + 1) * lanes], gradients[start : start + width]
        for j in range(width):
            row[j] = source[j]
        for j in range(width, lanes):
            row[j] = 0
