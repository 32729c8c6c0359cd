"""Interpolation in a plain loop."""

import numpy as np


def update(start, end, weight):
    for index in np.ndindex(start.shape):
        s, e = float(start[index]), float(end[index])
        start[index] = s + weight * (e - s)
