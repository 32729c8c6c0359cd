"""Exercise 3: the gradient of a centered array.

Forward, with x of the shape (rows, columns):

    mean   = the mean of each row, of the shape (rows, 1)
    output = x - mean, where the mean is stretched

Go backward through both lines. x is used in both, so that its gradient has two shares: the direct
one, and the one by way of the mean. One line stretches, the other one sums.
"""

import numpy as np


def centered_gradient(grad_output: np.ndarray) -> np.ndarray:
    """The gradient of x, for a gradient of the output (rows, columns)."""
    raise NotImplementedError
