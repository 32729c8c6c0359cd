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


def forward_enlarged(images, places, first, weights, flips, color_shift, mean, scale, *, output):
    N, C, H, W = output.shape
    crops = np.empty((N, H, W, C), np.uint8)
    for n, (top, left) in enumerate(places):
        for h in range(H):
            for w in range(W):
                for c in range(C):
                    y, x = top + h, left + w
                    upper = _enlarged(images[n, first[y], :, c], x, first, weights)
                    below = min(first[y] + 1, len(images[n]) - 1)
                    lower = _enlarged(images[n, below, :, c], x, first, weights)
                    crops[n, h, w, c] = _mixed(upper, lower, weights[y])
    forward(crops, flips, color_shift, mean, scale, output=output)


def _enlarged(row, x, first, weights):
    """Pixel x of an enlarged row."""
    return _mixed(row[first[x]], row[min(first[x] + 1, len(row) - 1)], weights[x])


def _mixed(one, other, weights):
    """The gray level between two."""
    total = int(one) * int(weights[0]) + int(other) * int(weights[1])
    return (total + 2**21) // 2**22
