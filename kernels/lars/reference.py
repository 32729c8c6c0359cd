"""Norms in plain loops."""

import math


def norms(parameter, gradient, *, output):
    for i, array in enumerate((parameter, gradient)):
        total = 0.0
        for value in array.flat:
            total += float(value) ** 2
        output[i] = math.sqrt(total)
