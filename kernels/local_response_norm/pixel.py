"""Local response normalization of one pixel in Numba, for the kernels with and without pooling.

A pixel's channels are adjacent, so a window is a stretch of memory, and the sum over the windows of
all channels is a sum of shifted vectors: of a buffer with zeros at both ends, where the window of
the first and last channels is cut. Each window is summed anew, not updated by one addition and
one subtraction, which would lose digits where a large value leaves the window.
"""

import numpy as np

from minigrad.kernels.shared.threads import jit


@jit
def normalize(x, before, after, alpha, beta, k, squares, total, y):
    """The channels y of a pixel from those of the input, x.

    squares: before + C + after numbers, 0 at both ends. total: C numbers, overwritten.
    """
    _sum_squares(x, before, after, squares, total)
    for c in range(x.size):
        power, _ = _powers(k + alpha * total[c], beta)
        y[c] = x[c] * power


@jit
def differentiate(dy, x, before, after, alpha, beta, k, squares, ratios, total, dx):
    """The gradient dx of a pixel's input x from that of its output, dy.

    squares and total: as above. ratios: after + C + before numbers, 0 at both ends.
    """
    factor = x.dtype.type(2) * alpha * beta
    # dy * x * s^(-beta - 1); channel c is in the windows of c - after, ..., c + before.
    ratio = ratios[after : after + x.size]
    _sum_squares(x, before, after, squares, total)
    for c in range(x.size):
        power, inverse = _powers(k + alpha * total[c], beta)
        dx[c] = dy[c] * power
        ratio[c] = dx[c] * x[c] * inverse
    _sum_windows(ratios, after + before + 1, total)
    for c in range(x.size):
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
