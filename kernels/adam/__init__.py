"""Adam (Kingma and Ba 2015), in place on ``parameter`` and the two moments.

    g = gradient + weight_decay * parameter
    first_moment = beta1 * first_moment + (1 - beta1) * g
    second_moment = beta2 * second_moment + (1 - beta2) * g^2
    parameter -= lr * (first_moment / (1 - beta1^step))
                 / (sqrt(second_moment / (1 - beta2^step)) + eps)

This is ``torch.optim.Adam``: weight decay is added to the gradient (L2), eps outside the root.
``step`` counts from 1. All arrays have one shape, any shape; the moments start as zeros.

Cost: about 14 FLOPs an element, with a root and a division; 4 arrays read and 3 written, once.
"""

import math


def factors(lr: float, beta1: float, beta2: float, step: int) -> tuple[float, ...]:
    """(1 - beta1, 1 - beta2, step size, root factor) of the update

        parameter -= step size * first_moment / (sqrt(second_moment) * root factor + eps)

    in float64: 1 - beta2 loses three digits when it is rounded too early.
    """
    step_size = lr / (1 - beta1**step)
    return 1 - beta1, 1 - beta2, step_size, 1 / math.sqrt(1 - beta2**step)


# What `update` reads and writes; the other arrays are read.
UPDATED = "parameter", "first_moment", "second_moment"


def flops(function, arguments):
    """Of a call, with its arguments by name."""
    return 14 * arguments["parameter"].size
