"""prepare_images with Numba: one parallel task a row of the output, in all three channels."""

import numba
import numpy as np

from kernels._team import parallel_jit


def forward(images, offsets, flips, color_shift, mean, scale, *, output):
    mean_planes = mean if mean.ndim == 3 else mean.reshape(3, 1, 1)
    _forward(images, offsets, flips, color_shift, mean_planes, np.float32(scale), output)


@parallel_jit
def _forward(images, offsets, flips, color_shift, mean, scale, output):
    N, C, OH, OW = output.shape
    has_mean_image = mean.shape[1] * mean.shape[2] == OH * OW
    for row in numba.prange(N * OH):
        n, oh = row // OH, row % OH
        source = images[n, offsets[n, 0] + oh]
        left = offsets[n, 1]
        for c in range(C):
            shift = color_shift[n, c]
            target = output[n, c, oh]
            if flips[n]:
                for ow in range(OW):
                    target[ow] = np.float32(source[left + OW - 1 - ow, c]) + shift
            else:
                for ow in range(OW):
                    target[ow] = np.float32(source[left + ow, c]) + shift
            # A second pass over a row that is still in the first-level cache.
            if has_mean_image:
                mean_row = mean[c, oh]
                for ow in range(OW):
                    target[ow] = (target[ow] - mean_row[ow]) * scale
            else:
                channel_mean = mean[c, 0, 0]
                for ow in range(OW):
                    target[ow] = (target[ow] - channel_mean) * scale
