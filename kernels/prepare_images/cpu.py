"""prepare_images with Numba: a task is a row of the output, or an image that is enlarged."""

import numba
import numpy as np

from minigrad.kernels.prepare_images import (
    PRECISION_BITS,
    check_forward,
    check_forward_enlarged,
)
from minigrad.kernels.shared.threads import jit, parallel_jit

_HALF = 1 << (PRECISION_BITS - 1)


def forward(images, flips, color_shift, mean, scale, *, output):
    check_forward(images, flips, color_shift, mean, scale, output)
    mean = mean if mean.ndim == 3 else mean.reshape(3, 1, 1)
    _forward(images, flips, color_shift, mean, scale, output)


def forward_enlarged(images, places, first, weights, flips, color_shift, mean, scale, *, output):
    check_forward_enlarged(images, places, first, weights, flips, color_shift, mean, scale, output)
    mean = mean if mean.ndim == 3 else mean.reshape(3, 1, 1)
    _forward_enlarged(images, places, first, weights, flips, color_shift, mean, scale, output)


@parallel_jit
def _forward(images, flips, color_shift, mean, scale, output):
    N, H, _, _ = output.shape
    for row in numba.prange(N * H):
        n, h = row // H, row % H
        _prepare_row(images[n, h], flips[n], color_shift[n], mean, h, scale, output[n, h])


@parallel_jit
def _forward_enlarged(images, places, first, weights, flips, color_shift, mean, scale, output):
    N, H, W, _ = output.shape
    side = images.shape[1]
    for n in numba.prange(N):
        top, left = places[n, 0], places[n, 1]
        # The rows that the crop needs with its columns, then one row of the crop after the other.
        columns = np.empty((side, W * 3), np.uint8)
        row = np.empty((W, 3), np.uint8)
        for y in range(first[top], min(first[top + H - 1] + 2, side)):
            _enlarge_row(images[n, y], first, weights, left, columns[y])
        for h in range(H):
            upper = first[top + h]
            _mix_rows(
                columns[upper],
                columns[min(upper + 1, side - 1)],
                weights[top + h],
                row.reshape(-1),
            )
            _prepare_row(row, flips[n], color_shift[n], mean, h, scale, output[n, h])


@jit
def _enlarge_row(pixels, first, weights, left, output):
    """output (3 * W,) = the columns `left` to `left` + W of an enlarged row (side, 3)."""
    last = pixels.shape[0] - 1
    for w in range(output.size // 3):
        one = first[left + w]
        other = min(one + 1, last)
        a, b = weights[left + w, 0], weights[left + w, 1]
        for c in range(3):
            total = np.int32(pixels[one, c]) * a + np.int32(pixels[other, c]) * b
            output[3 * w + c] = (total + np.int32(_HALF)) >> np.int32(PRECISION_BITS)


@jit
def _mix_rows(upper, lower, weights, output):
    a, b = weights[0], weights[1]
    for i in range(output.size):
        total = np.int32(upper[i]) * a + np.int32(lower[i]) * b
        output[i] = (total + np.int32(_HALF)) >> np.int32(PRECISION_BITS)


@jit
def _prepare_row(source, flip, color_shift, mean, h, scale, output):
    """A row of the output from one of the crop, (W, 3) both."""
    W = output.shape[0]
    has_mean_image = mean.shape[1] * mean.shape[2] > 1
    first = W - 1 if flip else 0
    step = -1 if flip else 1
    for w in range(W):
        pixel = source[first + step * w]
        for c in range(3):
            level = mean[c, h, w] if has_mean_image else mean[c, 0, 0]
            value = np.float32(pixel[c]) + color_shift[c]
            output[w, c] = (value - level) * scale[c]
