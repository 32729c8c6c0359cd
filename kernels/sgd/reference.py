"""SGD in plain loops."""

import numpy as np


def update(parameter, gradient, velocity, lr, momentum, weight_decay, form, nesterov):
    for index in np.ndindex(parameter.shape):
        w, g, v = float(parameter[index]), float(gradient[index]), float(velocity[index])
        if form == "torch":
            added = g + weight_decay * w
            v = momentum * v + added
            w = w - lr * (momentum * v + added if nesterov else v)
        elif form == "paper":
            added = -weight_decay * lr * w - lr * g
            v = momentum * v + added
            w = w + (momentum * v + added if nesterov else v)
        else:
            raise ValueError(f"sgd: form must be 'torch' or 'paper', got {form!r}")
        parameter[index], velocity[index] = w, v
