"""From a batch of decoded images to the input of the network.

    forward            output[n, h, w, c]
                           = (images[n, h, w', c] + color_shift[n, c] - mean[c, h, w]) * scale[c]
    forward_enlarged   the same of crops of small images, which it enlarges before

with w' = W - 1 - w where flips[n], else w. The crop is mirrored, the mean is not.

    images         uint8 (N, H, W, 3), red, green, blue
    flips          bool (N,)
    color_shift    float32 (N, 3), in gray levels
    mean           float32 (3,), or (3, H, W) for a mean image, in gray levels
    scale          float32 (3,)
    output         float32, or on a GPU bfloat16, (N, H, W, 3), C-contiguous

Three FLOPs and 5 bytes an element (1 read, 4 written), plus the mean image, which stays in cache:
memory-bound.

Enlarging takes images of one size, uint8 (N, side, side, 3), and for each the crop's first row and
column in the enlarged image, int32 (N, 2), which have to lie inside. It is bilinear, column by
column and then row by row, each time rounded to a gray level, as Pillow does it to the bit: an
enlarged pixel is

    (pixel[first] * weights[0] + pixel[min(first + 1, side - 1)] * weights[1] + 2^21) >> 22

with `first`, int32 (size,), and `weights`, int32 (size, 2), from `taps`. A GPU gets the small
images, for 32 pixels that become 256 a fiftieth of the bytes.
"""

import numpy as np

from minigrad.kernels.shared.arguments import check_arrays

PRECISION_BITS = 22
_IN_FLOAT32 = "color_shift", "mean", "scale"


def check_forward(images, flips, color_shift, mean, scale, output):
    """Raise unless the arrays are those of the contract."""
    N, H, W, _ = images.shape
    arrays = {"output": output, "images": images, "flips": flips, "color_shift": color_shift}
    arrays |= {"mean": mean, "scale": scale}
    mean_shape = (3, H, W) if mean.ndim == 3 else (3,)
    shapes = (N, H, W, 3), (N, H, W, 3), (N,), (N, 3), mean_shape, (3,)
    types = {"images": "uint8", "flips": "bool"}
    check_arrays("prepare_images.forward", arrays, shapes, types, _IN_FLOAT32)


def check_forward_enlarged(images, places, first, weights, flips, color_shift, mean, scale, output):
    """Raise unless the arrays are those of the contract; it looks at no place."""
    N, side, _, _ = images.shape
    _, H, W, _ = output.shape
    arrays = {"output": output, "images": images, "places": places, "first": first}
    arrays |= {"weights": weights, "flips": flips, "color_shift": color_shift}
    arrays |= {"mean": mean, "scale": scale}
    mean_shape = (3, H, W) if mean.ndim == 3 else (3,)
    shapes = (N, H, W, 3), (N, side, side, 3), (N, 2), (first.size,), (first.size, 2)
    shapes += (N,), (N, 3), mean_shape, (3,)
    types = {"images": "uint8", "flips": "bool"}
    types |= dict.fromkeys(("places", "first", "weights"), "int32")
    check_arrays("prepare_images.forward_enlarged", arrays, shapes, types, _IN_FLOAT32)


def taps(side: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which two pixels of a row make each pixel of the enlarged row, and by which weights.

    Args:
        side: pixels of the row.
        size: pixels of the enlarged row, more than `side`.

    Returns:
        first, int32 (size,), and weights, int32 (size, 2), in units of 2^-22. Where the second
        pixel would be outside, it is the last one again.
    """
    center = (np.arange(size) + 0.5) * (side / size)
    first = np.maximum(center - 0.5, 0).astype(np.int32)
    distance = np.abs(first[:, np.newaxis] + np.arange(2) + 0.5 - center[:, np.newaxis])
    weights = np.maximum(1 - distance, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    integers = (0.5 + weights * (1 << PRECISION_BITS)).astype(np.int32)
    return first, integers


def flops(function, arguments):
    """Of a call, with its arguments by name; enlarging computes with integers."""
    return 3 * arguments["output"].size
