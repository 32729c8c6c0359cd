"""Exercise 4: a dilated convolution of one channel, and the gradient of its weights.

    output[oh, ow] = sum over kh, kw of weight[kh, kw] * image[oh + D * kh, ow + D * kw]

where D is the dilation, with stride 1 and no padding. First find how many outputs there are:
how many pixels does a filter with K weights in a row span? Loops are fine.
"""

import numpy as np


def dilated_convolution(image: np.ndarray, weight: np.ndarray, dilation: int) -> np.ndarray:
    """The output (OH, OW) for an image (H, W) and weights (KH, KW)."""
    raise NotImplementedError


def dilated_weight_gradient(
    grad_output: np.ndarray, image: np.ndarray, kernel_size: tuple[int, int], dilation: int
) -> np.ndarray:
    """The gradient (KH, KW) of the weights, for a gradient (OH, OW) of the output."""
    raise NotImplementedError
