"""prepare_images in plain loops."""

import numpy as np


def forward(images, offsets, flips, color_shift, mean, scale, *, output):
    N, C, OH, OW = output.shape
    mean_planes = mean if mean.ndim == 3 else mean.reshape(3, 1, 1)
    mean_image = np.broadcast_to(mean_planes, (C, OH, OW))
    for n in range(N):
        top, left = offsets[n]
        for c in range(C):
            for oh in range(OH):
                for ow in range(OW):
                    column = OW - 1 - ow if flips[n] else ow
                    gray = float(images[n, top + oh, left + column, c])
                    gray += float(color_shift[n, c]) - float(mean_image[c, oh, ow])
                    output[n, c, oh, ow] = gray * scale
