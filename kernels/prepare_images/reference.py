"""prepare_images in plain loops."""

import numpy as np


def forward(images, flips, color_shift, mean, scale, *, output):
    N, C, H, W = output.shape
    mean_planes = mean if mean.ndim == 3 else mean.reshape(3, 1, 1)
    mean_image = np.broadcast_to(mean_planes, (C, H, W))
    for n in range(N):
        for c in range(C):
            for h in range(H):
                for w in range(W):
                    level = float(images[n, h, W - 1 - w if flips[n] else w, c])
                    level += float(color_shift[n, c]) - float(mean_image[c, h, w])
                    output[n, c, h, w] = level * float(scale[c])
