"""Exercise 2: the gradients of a fully connected layer.

The layer computes output = input @ weight.T, with the shapes

    input (images, inputs)    weight (outputs, inputs)    output (images, outputs)

Given grad_output, the gradient of the loss with respect to the output, find those with respect to
the input and the weight. Write down in which outputs one element occurs, and with which factor.
"""

import numpy as np


def linear_gradients(
    grad_output: np.ndarray, input: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of input and weight, each of the shape of its array."""
    raise NotImplementedError
