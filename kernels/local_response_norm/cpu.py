"""Local response normalization in Numba.

A block is all channels of one image at _BLOCK neighbouring positions: small enough for the
cache, and contiguous in every channel, so that the inner loops vectorise. Blocks are
independent and parallel. The window is summed anew for every channel, not updated by one
addition and one subtraction, which would lose digits where a large value leaves the window.
"""

import numpy as np
from numba import prange

from kernels._team import jit, parallel_jit

_BLOCK = 1024  # positions


def forward(input, size, alpha, beta, k, *, output):
    N, C = input.shape[:2]
    real = input.dtype.type
    _forward(
        input.reshape(N, C, -1),
        size,
        real(alpha / size),
        real(beta),
        real(k),
        output.reshape(N, C, -1),
    )


def backward(grad_output, input, size, alpha, beta, k, *, grad_input):
    N, C = input.shape[:2]
    real = input.dtype.type
    _backward(
        grad_output.reshape(N, C, -1),
        input.reshape(N, C, -1),
        size,
        real(alpha / size),
        real(beta),
        real(k),
        grad_input.reshape(N, C, -1),
    )


@parallel_jit
def _forward(input, size, alpha, beta, k, output):
    N, C, P = input.shape
    blocks = -(-P // _BLOCK)
    for block in prange(N * blocks):
        n, start = block // blocks, block % blocks * _BLOCK
        stop = min(start + _BLOCK, P)
        squares = np.empty(stop - start, input.dtype)
        for c in range(C):
            _sum_squares(input[n], c, size, start, stop, squares)
            x, y = input[n, c, start:stop], output[n, c, start:stop]
            for i in range(x.size):
                power, _ = _powers(k + alpha * squares[i], beta)
                y[i] = x[i] * power


@parallel_jit
def _backward(grad_output, input, size, alpha, beta, k, grad_input):
    N, C, P = input.shape
    blocks = -(-P // _BLOCK)
    factor = input.dtype.type(2) * alpha * beta
    behind, ahead = (size - 1) // 2, size // 2
    for block in prange(N * blocks):
        n, start = block // blocks, block % blocks * _BLOCK
        stop = min(start + _BLOCK, P)
        total = np.empty(stop - start, input.dtype)
        # A ring of grad_output * input * s^(-beta - 1), as many channels as one window has.
        ring = np.empty((min(size, C), stop - start), input.dtype)
        for newest in range(C + ahead):
            if newest < C:
                _sum_squares(input[n], newest, size, start, stop, total)
                x, dy = input[n, newest, start:stop], grad_output[n, newest, start:stop]
                dx, ratio = grad_input[n, newest, start:stop], ring[newest % ring.shape[0]]
                for i in range(x.size):
                    power, inverse = _powers(k + alpha * total[i], beta)
                    dx[i] = dy[i] * power
                    ratio[i] = dx[i] * x[i] * inverse
            c = newest - ahead
            if c >= 0:
                _sum_ring(ring, max(0, c - behind), min(C, c + ahead + 1), total)
                x, dx = input[n, c, start:stop], grad_input[n, c, start:stop]
                for i in range(x.size):
                    dx[i] -= factor * x[i] * total[i]


@jit
def _sum_squares(image, c, size, start, stop, total):
    """Sum of squares over the window of channel c in the (C, P) image."""
    first, last = max(0, c - size // 2), min(image.shape[0] - 1, c + (size - 1) // 2)
    x = image[first, start:stop]
    for i in range(total.size):
        total[i] = x[i] * x[i]
    for j in range(first + 1, last + 1):
        x = image[j, start:stop]
        for i in range(total.size):
            total[i] += x[i] * x[i]


@jit
def _sum_ring(ring, first, stop, total):
    """Sum of the channels from `first` up to `stop`."""
    total[:] = ring[first % ring.shape[0]]
    for j in range(first + 1, stop):
        ratio = ring[j % ring.shape[0]]
        for i in range(total.size):
            total[i] += ratio[i]


@jit
def _powers(s, beta):
    """s^-beta and 1 / s. For the paper's exponent two roots do both, far cheaper than pow()."""
    if beta == 0.75:
        inverse_root = np.reciprocal(np.sqrt(s))
        return inverse_root * np.sqrt(inverse_root), inverse_root * inverse_root
    return s**-beta, np.reciprocal(s)
