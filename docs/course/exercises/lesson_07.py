"""Exercise 7: the gradient of average pooling.

    output[oh, ow] = the mean of the pixels of its window, which has `size` rows and columns and
                     begins at row oh * stride and column ow * stride

What share does a pixel have in the output of a window? In how many windows does it lie? Windows do
not reach beyond the image, and some pixels may lie in none.
"""

import numpy as np


def avg_pool_gradient(
    grad_output: np.ndarray, shape: tuple[int, int], size: int, stride: int
) -> np.ndarray:
    """The gradient of an image of this shape, for a gradient (OH, OW) of the output."""
    raise NotImplementedError
