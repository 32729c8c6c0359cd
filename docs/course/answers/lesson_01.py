"""Answer to exercise 1: the gradients of a neuron, by the chain rule."""

import math


def neuron_gradients(
    w1: float, w2: float, b: float, x1: float, x2: float, target: float
) -> tuple[float, float, float]:
    """The derivatives of the loss with respect to w1, w2 and b."""
    y = math.tanh(w1 * x1 + w2 * x2 + b)
    dy = 2 * (y - target)
    dz = dy * (1 - y**2)
    return dz * x1, dz * x2, dz
