"""The norm in a plain loop."""

import math


def forward(input, *, output):
    total = 0.0
    for value in input.flat:
        total += float(value) ** 2
    output[0] = math.sqrt(total)
