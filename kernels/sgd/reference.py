"""SGD in plain loops."""

import numpy as np


def update(parameter, gradient, velocity, lr, momentum, weight_decay, form):
    for index in np.ndindex(parameter.shape):
        w, g, v = float(parameter[index]), float(gradient[index]), float(velocity[index])
        if form == "torch":
            v = momentum * v + (g + weight_decay * w)
            w = w - lr * v
        elif form == "paper":
            v = momentum * v - weight_decay * lr * w - lr * g
            w = w + v
        else:
            raise ValueError(f"sgd: form must be 'torch' or 'paper', got {form!r}")
        parameter[index], velocity[index] = w, v
