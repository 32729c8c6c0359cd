"""prepare_images with Numba: one task a row of the output, pixel by pixel in memory order."""

import numba
import numpy as np

from minigrad.kernels.shared.threads import parallel_jit


def forward(images, offsets, flips, color_shift, mean, scale, *, output):
    mean = mean if mean.ndim == 3 else mean.reshape(3, 1, 1)
    _forward(images, offsets, flips, color_shift, mean, np.float32(scale), output)


@parallel_jit
def _forward(images, offsets, flips, color_shift, mean, scale, output):
    N, OH, OW, C = output.shape
    has_mean_image = mean.shape[1] * mean.shape[2] == OH * OW
    for row in numba.prange(N * OH):
        n, oh = row // OH, row % OH
        source = images[n, offsets[n, 0] + oh]
        first = offsets[n, 1] + (OW - 1 if flips[n] else 0)
        step = -1 if flips[n] else 1
        for ow in range(OW):
            pixel = source[first + step * ow]
            for c in range(C):
                level = mean[c, oh, ow] if has_mean_image else mean[c, 0, 0]
                value = np.float32(pixel[c]) + color_shift[n, c]
                output[n, oh, ow, c] = (value - level) * scale
