"""Convolution with `lanes` images side by side: the fast path.

Arrays are converted on the way in to

    images    [N / lanes][H][W][C][lanes]      zero padding included
    weights   [G][OC / G / ROWS][KH][KW][IC][ROWS]

In this layout the pixel of every filter tap already is a panel of the micro-kernel
(`kernels/_microkernel.py`): row k is channel k of that pixel in `lanes` images. The columns
that im2col would copy are just starting points, one a tap, and the sum over taps and channels
stays in registers. Without groups the taps of a filter row are adjacent and make one panel of
KW * C rows.

The input gradient at stride 1 is a forward convolution of grad_output with the filters
flipped and input and output channels exchanged. The weight gradient takes rows of A from the
input image (k runs over its lanes) and B from grad_output turned to [lanes images][channels].

Cost: the FLOPs of the contract at the micro-kernel's speed, plus one pass over input and
output for the change of layout. Every output is summed by one thread in a fixed order.
"""

import numpy as np
from numba import prange

from kernels._memory import pool
from kernels._microkernel import ROWS, lanes_of, tile_product, tile_product_rows
from kernels._team import parallel_jit

# Products summed in registers before the tile is added to memory: bounds the rounding error.
DEPTH = 512


def forward(input, weight, bias, stride, padding, groups, *, output):
    panels = _weight_panels(weight.reshape(groups, -1, *weight.shape[1:]))
    _convolve(input, panels, weight.shape[1:], bias, stride, padding, groups, output)


def backward_input(grad_output, weight, stride, padding, groups, *, grad_input):
    OC, IC, KH, KW = weight.shape
    flipped = weight.reshape(groups, OC // groups, IC, KH, KW)[:, :, :, ::-1, ::-1]
    panels = _weight_panels(np.ascontiguousarray(flipped.swapaxes(1, 2)))
    padding = KH - 1 - padding[0], KW - 1 - padding[1]
    shape = (OC // groups, KH, KW)
    _convolve(grad_output, panels, shape, None, stride, padding, groups, grad_input)


def backward_weight(grad_output, input, stride, padding, groups, *, grad_weight):
    OC, IC, KH, KW = grad_weight.shape
    lanes = lanes_of(input.dtype)
    images = _images(input, padding, lanes)
    gradients = _gradient_panels(grad_output, groups, lanes)
    rows = IC * KW if groups == 1 else IC
    tiles = (groups, gradients.shape[3], KH, IC * KW // rows, -(-rows // ROWS) * ROWS, lanes)
    sums = pool.empty(tiles, input.dtype)
    _correlate(images, gradients, *stride, rows, sums)
    _unpack_weights(sums, rows, grad_weight)


def _convolve(input, panels, filter_shape, bias, stride, padding, groups, output):
    IC, KH, KW = filter_shape
    lanes = lanes_of(input.dtype)
    images = _images(input, padding, lanes)
    OH, OW = output.shape[2:]
    products = pool.empty(
        (images.shape[0], OH, OW, groups, panels.shape[1], ROWS, lanes), input.dtype
    )
    # Without groups the taps of a filter row are one panel.
    taps, depth = (KH, KW * IC) if groups == 1 else (KH * KW, IC)
    _multiply(images, panels, *stride, taps, depth, products)
    if bias is None:
        bias = np.zeros(output.shape[1], output.dtype)
    _unpack_images(products, bias, output)


# -- layout -------------------------------------------------------------------------------


def _images(input, padding, lanes):
    """(N, C, H, W) as [N / lanes][H + 2 PH][W + 2 PW][C][lanes], zero around and after."""
    N, C, H, W = input.shape
    PH, PW = padding
    blocks = -(-N // lanes)
    size = blocks * (H + 2 * PH) * (W + 2 * PW) * C * lanes
    # The last tile of rows of the weight gradient may read, and ignore, ROWS rows too many.
    memory = pool.empty((size + ROWS * lanes,), input.dtype)
    memory[size:] = 0
    images = memory[:size].reshape(blocks, H + 2 * PH, W + 2 * PW, C, lanes)
    _pack_images(input, PH, PW, images)
    return images


@parallel_jit
def _pack_images(input, PH, PW, images):
    N, C, H, W = input.shape
    blocks, padded_H, padded_W, _, lanes = images.shape
    for task in prange(blocks * padded_H):
        block, h = task // padded_H, task % padded_H - PH
        target = images[block, h + PH]
        if h < 0 or h >= H:
            target[:] = 0
            continue
        target[:PW] = 0
        target[W + PW :] = 0
        n0 = block * lanes
        rows = np.zeros((lanes, W + 1), input.dtype)
        for c in range(C):
            for n in range(min(lanes, N - n0)):
                for w in range(W):
                    rows[n, w] = input[n0 + n, c, h, w]
            for w in range(W):
                for n in range(lanes):
                    target[w + PW, c, n] = rows[n, w]


@parallel_jit
def _unpack_images(products, bias, output):
    N, OC, OH, OW = output.shape
    blocks, _, _, groups, tiles, _, lanes = products.shape
    per_group = OC // groups
    for task in prange(blocks * OH):
        block, oh = task // OH, task % OH
        n0 = block * lanes
        rows = np.empty((lanes, OW + 1), output.dtype)
        for oc in range(OC):
            g, i = oc // per_group, oc % per_group
            for ow in range(OW):
                for n in range(lanes):
                    rows[n, ow] = products[block, oh, ow, g, i // ROWS, i % ROWS, n]
            for n in range(min(lanes, N - n0)):
                for ow in range(OW):
                    output[n0 + n, oc, oh, ow] = rows[n, ow] + bias[oc]


def _weight_panels(weight):
    """(G, OC, IC, KH, KW) as [G][OC / ROWS][KH][KW][IC][ROWS], zero after the last channel."""
    G, OC, IC, KH, KW = weight.shape
    panels = pool.empty((G, -(-OC // ROWS), KH, KW, IC, ROWS), weight.dtype)
    _pack_weights(weight, panels)
    return panels


@parallel_jit
def _pack_weights(weight, panels):
    G, OC, IC, KH, KW = weight.shape
    tiles = panels.shape[1]
    for task in prange(G * tiles):
        g, tile = task // tiles, task % tiles
        panel = panels[g, tile]
        panel[:] = 0
        for i in range(min(ROWS, OC - tile * ROWS)):
            for ic in range(IC):
                for kh in range(KH):
                    for kw in range(KW):
                        panel[kh, kw, ic, i] = weight[g, tile * ROWS + i, ic, kh, kw]


def _gradient_panels(grad_output, groups, lanes):
    """(N, OC, OH, OW) as [N / lanes][OH][OW][OC / lanes][image][channel], zero after the last."""
    N, OC, OH, OW = grad_output.shape
    tiles = -(-OC // groups // lanes)
    panels = pool.empty((-(-N // lanes), OH, groups, tiles, OW, lanes, lanes), grad_output.dtype)
    _pack_gradients(grad_output, panels)
    return panels


@parallel_jit
def _pack_gradients(grad_output, panels):
    N, OC, OH, OW = grad_output.shape
    blocks, _, groups, tiles, _, lanes, _ = panels.shape
    per_group = OC // groups
    for task in prange(blocks * OH):
        block, oh = task // OH, task % OH
        n0 = block * lanes
        rows = np.zeros((lanes, OW + 1), grad_output.dtype)
        for g in range(groups):
            for tile in range(tiles):
                panel = panels[block, oh, g, tile]
                channels = min(lanes, per_group - tile * lanes)
                first = g * per_group + tile * lanes
                rows[channels:] = 0
                for n in range(lanes):
                    if n0 + n >= N:
                        panel[:, n] = 0
                        continue
                    for c in range(channels):
                        for ow in range(OW):
                            rows[c, ow] = grad_output[n0 + n, first + c, oh, ow]
                    for ow in range(OW):
                        for c in range(lanes):
                            panel[ow, n, c] = rows[c, ow]


@parallel_jit
def _unpack_weights(sums, rows, grad_weight):
    OC, IC, KH, KW = grad_weight.shape
    groups, tiles, _, _, _, lanes = sums.shape
    per_group = OC // groups
    for oc in prange(OC):
        g, i = oc // per_group, oc % per_group
        for ic in range(IC):
            for kh in range(KH):
                for kw in range(KW):
                    row = kw * IC + ic
                    grad_weight[oc, ic, kh, kw] = sums[
                        g, i // lanes, kh, row // rows, row % rows, i % lanes
                    ]


# -- arithmetic ---------------------------------------------------------------------------


@parallel_jit
def _multiply(images, panels, SH, SW, taps, depth, products):
    """Every output row: each tile of channels at each position is one batch-reduce product."""
    blocks, H, W, C, lanes = images.shape
    _, OH, OW, groups, tiles, _, _ = products.shape
    tap_size = panels[0, 0].size // taps
    taps_per_row = taps // panels.shape[2]
    chunk = max(1, DEPTH // depth)
    image_memory, panel_memory, product_memory = (
        images.reshape(-1), panels.reshape(-1), products.reshape(-1)
    )  # fmt: skip
    for task in prange(blocks * OH):
        block, oh = task // OH, task % OH
        panel_taps = np.empty(taps, np.int64)
        image_taps = np.empty(taps, np.int64)
        for t in range(taps):
            kh, kw = t // taps_per_row, t % taps_per_row
            panel_taps[t] = t * tap_size
            image_taps[t] = (kh * W + kw) * C * lanes
        for g in range(groups):
            channel = g * (C // groups)
            for tile in range(tiles):
                panel = (g * tiles + tile) * taps * tap_size
                for ow in range(OW):
                    pixel = (((block * H + oh * SH) * W + ow * SW) * C + channel) * lanes
                    target = (((task * OW + ow) * groups + g) * tiles + tile) * ROWS * lanes
                    for t in range(0, taps, chunk):
                        tile_product(
                            panel_memory, panel, panel_taps[t:], image_memory, pixel,
                            image_taps[t:], min(chunk, taps - t), depth,
                            product_memory, target, lanes, t > 0,
                        )  # fmt: skip


@parallel_jit
def _correlate(images, gradients, SH, SW, rows, sums):
    """Each filter row of each tile of output channels: a sum over all positions and images."""
    blocks, H, W, C, lanes = images.shape
    _, OH, groups, tiles, OW, _, _ = gradients.shape
    KH, columns, padded_rows = sums.shape[2], sums.shape[3], sums.shape[4]
    chunk = max(1, DEPTH // 2 // lanes)
    image_memory, gradient_memory, sum_memory = (
        images.reshape(-1), gradients.reshape(-1), sums.reshape(-1)
    )  # fmt: skip
    for task in prange(groups * tiles * KH):
        g, tile, kh = task // (tiles * KH), task // KH % tiles, task % KH
        image_taps = np.empty(OW, np.int64)
        gradient_taps = np.empty(OW, np.int64)
        for ow in range(OW):
            image_taps[ow] = ow * SW * C * lanes
            gradient_taps[ow] = ow * lanes * lanes
        first = True
        for block in range(blocks):
            for oh in range(OH):
                pixel = ((block * H + oh * SH + kh) * W * C + g * (C // groups)) * lanes
                gradient = (((block * OH + oh) * groups + g) * tiles + tile) * OW * lanes * lanes
                for ow in range(0, OW, chunk):
                    positions = min(chunk, OW - ow)
                    for column in range(columns):
                        for row in range(0, rows, ROWS):
                            tile_product_rows(
                                image_memory, pixel + (column * C + row) * lanes,
                                image_taps[ow:], gradient_memory, gradient,
                                gradient_taps[ow:], positions, lanes, sum_memory,
                                ((task * columns + column) * padded_rows + row) * lanes,
                                lanes, not first,
                            )  # fmt: skip
                    first = False
