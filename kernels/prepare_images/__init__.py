"""From a batch of decoded crops to the input of the network.

    output[n, h, w, c] = (images[n, h, w', c] + color_shift[n, c] - mean[c, h, w]) * scale[c]

with w' = W - 1 - w where flips[n], else w. The crop is mirrored, the mean is not.

    images         uint8 (N, H, W, 3), red, green, blue
    flips          bool (N,)
    color_shift    float32 (N, 3), in gray levels
    mean           float32 (3,), or (3, H, W) for a mean image, in gray levels
    scale          float32 (3,)
    output         float32 (N, H, W, 3), C-contiguous

Three FLOPs and 5 bytes an element (1 read, 4 written), plus the mean image, which stays in cache:
memory-bound.
"""

from minigrad.kernels.shared.arguments import check_arrays


def check_forward(images, flips, color_shift, mean, scale, output):
    """Raise unless the arrays are those of the contract."""
    N, H, W, _ = images.shape
    arrays = {"output": output, "images": images, "flips": flips, "color_shift": color_shift}
    arrays |= {"mean": mean, "scale": scale}
    mean_shape = (3, H, W) if mean.ndim == 3 else (3,)
    shapes = (N, H, W, 3), (N, H, W, 3), (N,), (N, 3), mean_shape, (3,)
    check_arrays("prepare_images.forward", arrays, shapes, {"images": "uint8", "flips": "bool"})
