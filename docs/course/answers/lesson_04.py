"""Answer to exercise 4: a dilated convolution of one channel, and the gradient of its weights."""

import numpy as np


def dilated_convolution(image: np.ndarray, weight: np.ndarray, dilation: int) -> np.ndarray:
    """The output (OH, OW) for an image (H, W) and weights (KH, KW)."""
    # K weights, D apart, span D * (K - 1) + 1 pixels.
    shape = [size - dilation * (k - 1) for size, k in zip(image.shape, weight.shape)]
    output = np.zeros(shape)
    for oh, ow in np.ndindex(output.shape):
        for kh, kw in np.ndindex(weight.shape):
            output[oh, ow] += weight[kh, kw] * image[oh + dilation * kh, ow + dilation * kw]
    return output


def dilated_weight_gradient(
    grad_output: np.ndarray, image: np.ndarray, kernel_size: tuple[int, int], dilation: int
) -> np.ndarray:
    """The gradient (KH, KW) of the weights, for a gradient (OH, OW) of the output."""
    gradient = np.zeros(kernel_size)
    for oh, ow in np.ndindex(grad_output.shape):
        for kh, kw in np.ndindex(*kernel_size):
            pixel = image[oh + dilation * kh, ow + dilation * kw]
            gradient[kh, kw] += grad_output[oh, ow] * pixel
    return gradient
