"""Local response normalization of some pixels in Numba, for the kernels with and without pooling.

A pixel's channels are adjacent, so a window is a stretch of memory, and the sum over the windows of
all channels is a sum of shifted vectors: of a buffer with zeros at both ends of each pixel, where
the window of the first and last channels is cut. Each window is summed anew, not updated by one
addition and one subtraction, which would lose digits where a large value leaves the window.

A step is done for all pixels of a block before the next one begins. A shifted vector overlaps two
that have just been written: read at once, it would have to wait until both have reached the cache.
"""

import numpy as np

from minigrad.kernels.shared.threads import jit

_BLOCK = 2048  # numbers of a buffer, about: three of them stay in the first-level cache


@jit
def block_pixels(C, before, after):
    """How many pixels of C channels are normalized together."""
    return max(1, _BLOCK // (before + C + after))


@jit
def buffer(pixels, C, before, after, dtype):
    """The squares or ratios of the pixels, each with its zeros, and what the last window reads."""
    return np.zeros((pixels + 1) * (before + C + after), dtype)


@jit
def normalize(x, before, after, alpha, beta, k, squares, total, y):
    """The pixels y (P, C) from those of the input, x.

    squares, total: a `buffer` each, for P pixels or more; total is overwritten.
    """
    P, C = x.shape
    stride = before + C + after
    _sum_squares(x, before, after, squares, total)
    for p in range(P):
        own_x, own_y, sums = x[p], y[p], total[p * stride : p * stride + C]
        for c in range(C):
            power, _ = _powers(k + alpha * sums[c], beta)
            own_y[c] = own_x[c] * power


@jit
def differentiate(dy, x, before, after, alpha, beta, k, squares, ratios, total, dx):
    """The gradient dx of the pixels of the input, x (P, C), from that of the output, dy.

    squares, ratios, total: a `buffer` each, as above; ratios with `before` and `after` exchanged.
    """
    P, C = x.shape
    stride = before + C + after
    factor = x.dtype.type(2) * alpha * beta
    _sum_squares(x, before, after, squares, total)
    for p in range(P):
        own_x, own_dx, own_dy = x[p], dx[p], dy[p]
        sums = total[p * stride : p * stride + C]
        # dy * x * s^(-beta - 1); channel c is in the windows of c - after, ..., c + before.
        ratio = ratios[p * stride + after : p * stride + after + C]
        for c in range(C):
            power, inverse = _powers(k + alpha * sums[c], beta)
            own_dx[c] = own_dy[c] * power
            ratio[c] = own_dx[c] * own_x[c] * inverse
    _sum_windows(ratios, after + before + 1, total[: P * stride])
    for p in range(P):
        own_x, own_dx, sums = x[p], dx[p], total[p * stride : p * stride + C]
        for c in range(C):
            own_dx[c] -= factor * own_x[c] * sums[c]


@jit
def _sum_squares(x, before, after, squares, total):
    """Sum of x^2 over the window of every channel."""
    P, C = x.shape
    stride = before + C + after
    for p in range(P):
        own_x, own = x[p], squares[p * stride + before : p * stride + before + C]
        for c in range(C):
            own[c] = own_x[c] * own_x[c]
    _sum_windows(squares, before + after + 1, total[: P * stride])


@jit
def _sum_windows(padded, size, total):
    """total[c] = padded[c] + ... + padded[c + size - 1]."""
    n = total.size
    done = 5 if size >= 5 else 1  # five at once: the paper's window in one pass
    if done == 5:
        b, c, d, e = padded[1 : n + 1], padded[2 : n + 2], padded[3 : n + 3], padded[4 : n + 4]
        for i in range(n):
            total[i] = padded[i] + b[i] + c[i] + d[i] + e[i]
    else:
        for i in range(n):
            total[i] = padded[i]
    for j in range(done, size):
        shifted = padded[j : j + n]
        for i in range(n):
            total[i] += shifted[i]


@jit
def _powers(s, beta):
    """s^-beta and 1 / s. For the paper's exponent two roots do both, far cheaper than pow()."""
    if beta == 0.75:
        inverse_root = np.reciprocal(np.sqrt(s))
        return inverse_root * np.sqrt(inverse_root), inverse_root * inverse_root
    return s**-beta, np.reciprocal(s)
