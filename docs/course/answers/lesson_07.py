"""Answer to exercise 7: the gradient of average pooling."""

import numpy as np


def avg_pool_gradient(
    grad_output: np.ndarray, shape: tuple[int, int], size: int, stride: int
) -> np.ndarray:
    """The gradient of an image of this shape, for a gradient (OH, OW) of the output."""
    gradient = np.zeros(shape)
    for (oh, ow), share in np.ndenumerate(grad_output / size**2):
        top, left = oh * stride, ow * stride
        gradient[top : top + size, left : left + size] += share
    return gradient
