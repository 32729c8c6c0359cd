"""Exercise 5: a convolution with groups, out of columns.

The columns of an image with C channels have the shape (C * K * K, places): first the K * K rows of
channel 0, then those of channel 1, and so on. The weights have the shape (OC, C / groups, K, K).
Filters 0 to OC / groups - 1 see channels 0 to C / groups - 1, the next ones the next channels.
"""

import numpy as np


def grouped_product(columns: np.ndarray, weight: np.ndarray, groups: int) -> np.ndarray:
    """The outputs (OC, places) of a convolution with groups."""
    raise NotImplementedError


def grouped_columns_gradient(
    grad_output: np.ndarray, weight: np.ndarray, groups: int
) -> np.ndarray:
    """The gradient (C * K * K, places) of the columns, for that (OC, places) of the output."""
    raise NotImplementedError
