"""Answer to exercise 2: the gradients of a fully connected layer."""

import numpy as np


def linear_gradients(
    grad_output: np.ndarray, input: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of input and weight, each of the shape of its array."""
    return grad_output @ weight, grad_output.T @ input
