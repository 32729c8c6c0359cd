"""Dropout in plain loops."""

from minigrad.kernels.dropout.philox import random_number


def forward(input, p, key, first, *, output):
    threshold = round(p * 2**32)
    scale = input.dtype.type(1 / (1 - p))
    for i in range(input.size):
        kept = random_number(first + i, key) >= threshold
        output.flat[i] = input.flat[i] * scale if kept else 0


def backward(grad_output, p, key, first, *, grad_input):
    forward(grad_output, p, key, first, output=grad_input)
