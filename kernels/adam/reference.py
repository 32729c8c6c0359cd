"""Adam in plain loops."""

import math

import numpy as np


def update(
    parameter, gradient, first_moment, second_moment, lr, beta1, beta2, eps, weight_decay, step
):
    for index in np.ndindex(parameter.shape):
        w = float(parameter[index])
        g = float(gradient[index]) + weight_decay * w
        m = beta1 * float(first_moment[index]) + (1 - beta1) * g
        v = beta2 * float(second_moment[index]) + (1 - beta2) * g * g
        corrected_m = m / (1 - beta1**step)
        corrected_v = v / (1 - beta2**step)
        parameter[index] = w - lr * corrected_m / (math.sqrt(corrected_v) + eps)
        first_moment[index], second_moment[index] = m, v
