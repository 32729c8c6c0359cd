"""Exercise 6: the gradient of a normalization over all channels.

    s    = k + the sum of a[j] ** 2 over all channels j
    b[i] = a[i] / sqrt(s)

s is one number. Which outputs depend on a[c], and in which two ways? Add all shares.
"""

import numpy as np


def normalize_all_gradient(grad_output: np.ndarray, a: np.ndarray, k: float) -> np.ndarray:
    """The gradient of the activations a (channels,), for a gradient (channels,) of b."""
    raise NotImplementedError
