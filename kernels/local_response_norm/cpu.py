"""Local response normalization in Numba.

A pixel's channels are adjacent, so a window is a stretch of memory, and the sum over the windows of
all channels is a sum of shifted vectors: of a buffer with zeros at both ends, where the window of
the first and last channels is cut. Each window is summed anew, not updated by one addition and
one subtraction, which would lose digits where a large value leaves the window.
"""

import numpy as np
from numba import prange

from kernels._layout import cpu as layout
from kernels._team import jit, parallel_jit

_PIXELS = 64  # of one task


def forward(input, size, alpha, beta, k, *, output):
    C = input.shape[1]
    real = input.dtype.type
    target = layout.begin(output)
    _forward(
        layout.memory(input).reshape(-1, C),
        *_reach(size, C),
        real(alpha / size),
        real(beta),
        real(k),
        target.reshape(-1, C),
    )
    layout.finish(target, output)


def backward(grad_output, input, size, alpha, beta, k, *, grad_input):
    C = input.shape[1]
    real = input.dtype.type
    target = layout.begin(grad_input)
    _backward(
        layout.memory(grad_output).reshape(-1, C),
        layout.memory(input).reshape(-1, C),
        *_reach(size, C),
        real(alpha / size),
        real(beta),
        real(k),
        target.reshape(-1, C),
    )
    layout.finish(target, grad_input)


def _reach(size, C):
    """How many channels before and after its own a window holds, at most."""
    return min(size // 2, C - 1), min((size - 1) // 2, C - 1)


@parallel_jit
def _forward(input, before, after, alpha, beta, k, output):
    P, C = input.shape
    for block in prange((P + _PIXELS - 1) // _PIXELS):
        squares = np.zeros(before + C + after, input.dtype)
        total = np.empty(C, input.dtype)
        for p in range(block * _PIXELS, min(block * _PIXELS + _PIXELS, P)):
            x, y = input[p], output[p]
            _sum_squares(x, before, after, squares, total)
            for c in range(C):
                power, _ = _powers(k + alpha * total[c], beta)
                y[c] = x[c] * power


@parallel_jit
def _backward(grad_output, input, before, after, alpha, beta, k, grad_input):
    P, C = input.shape
    factor = input.dtype.type(2) * alpha * beta
    for block in prange((P + _PIXELS - 1) // _PIXELS):
        squares = np.zeros(before + C + after, input.dtype)
        # grad_output * input * s^(-beta - 1); channel c is in the windows of c - after, ...,
        # c + before.
        ratios = np.zeros(after + C + before, input.dtype)
        ratio = ratios[after : after + C]
        total = np.empty(C, input.dtype)
        for p in range(block * _PIXELS, min(block * _PIXELS + _PIXELS, P)):
            x, dy, dx = input[p], grad_output[p], grad_input[p]
            _sum_squares(x, before, after, squares, total)
            for c in range(C):
                power, inverse = _powers(k + alpha * total[c], beta)
                dx[c] = dy[c] * power
                ratio[c] = dx[c] * x[c] * inverse
            _sum_windows(ratios, after + before + 1, total)
            for c in range(C):
                dx[c] -= factor * x[c] * total[c]


@jit
def _sum_squares(x, before, after, squares, total):
    """Sum of x^2 over the window of every channel."""
    own = squares[before : before + x.size]
    for c in range(x.size):
        own[c] = x[c] * x[c]
    _sum_windows(squares, before + after + 1, total)


@jit
def _sum_windows(padded, size, total):
    """total[c] = padded[c] + ... + padded[c + size - 1]."""
    for c in range(total.size):
        total[c] = padded[c]
    for j in range(1, size):
        shifted = padded[j : j + total.size]
        for c in range(total.size):
            total[c] += shifted[c]


@jit
def _powers(s, beta):
    """s^-beta and 1 / s. For the paper's exponent two roots do both, far cheaper than pow()."""
    if beta == 0.75:
        inverse_root = np.reciprocal(np.sqrt(s))
        return inverse_root * np.sqrt(inverse_root), inverse_root * inverse_root
    return s**-beta, np.reciprocal(s)
