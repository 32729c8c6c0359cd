"""Exercise 1: the gradients of a neuron, by the chain rule.

A neuron computes y = tanh(w1 * x1 + w2 * x2 + b), and its loss is (y - target) ** 2.
Name the intermediate results, write the slope of each, and multiply from the loss backward.
The derivative of tanh(z) is 1 - tanh(z) ** 2. Use no finite differences.
"""


def neuron_gradients(
    w1: float, w2: float, b: float, x1: float, x2: float, target: float
) -> tuple[float, float, float]:
    """The derivatives of the loss with respect to w1, w2 and b."""
    raise NotImplementedError
