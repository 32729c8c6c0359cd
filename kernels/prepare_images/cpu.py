"""prepare_images with Numba: one task a row of the output, pixel by pixel in memory order."""

import numba
import numpy as np

from minigrad.kernels.prepare_images import check_forward
from minigrad.kernels.shared.threads import parallel_jit


def forward(images, flips, color_shift, mean, scale, *, output):
    check_forward(images, flips, color_shift, mean, scale, output)
    mean = mean if mean.ndim == 3 else mean.reshape(3, 1, 1)
    _forward(images, flips, color_shift, mean, scale, output)


@parallel_jit
def _forward(images, flips, color_shift, mean, scale, output):
    N, H, W, C = output.shape
    has_mean_image = mean.shape[1] * mean.shape[2] == H * W
    for row in numba.prange(N * H):
        n, h = row // H, row % H
        source = images[n, h]
        first = W - 1 if flips[n] else 0
        step = -1 if flips[n] else 1
        for w in range(W):
            pixel = source[first + step * w]
            for c in range(C):
                level = mean[c, h, w] if has_mean_image else mean[c, 0, 0]
                value = np.float32(pixel[c]) + color_shift[n, c]
                output[n, h, w, c] = (value - level) * scale[c]
