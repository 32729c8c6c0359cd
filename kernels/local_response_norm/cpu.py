"""Local response normalization in Numba; `kernels/local_response_norm/pixel.py` has one pixel of it."""

import numpy as np
from numba import prange

from minigrad.kernels.local_response_norm.pixel import differentiate, normalize, reach
from minigrad.kernels.shared.layout import cpu as layout
from minigrad.kernels.shared.threads import parallel_jit

_PIXELS = 64  # of one task


def forward(input, size, alpha, beta, k, *, output):
    C = input.shape[1]
    real = input.dtype.type
    target = layout.begin(output)
    _forward(
        layout.memory(input).reshape(-1, C),
        *reach(size, C),
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
        *reach(size, C),
        real(alpha / size),
        real(beta),
        real(k),
        target.reshape(-1, C),
    )
    layout.finish(target, grad_input)


@parallel_jit
def _forward(input, before, after, alpha, beta, k, output):
    P, C = input.shape
    for block in prange((P + _PIXELS - 1) // _PIXELS):
        squares = np.zeros(before + C + after, input.dtype)
        total = np.empty(C, input.dtype)
        for p in range(block * _PIXELS, min(block * _PIXELS + _PIXELS, P)):
            normalize(input[p], before, after, alpha, beta, k, squares, total, output[p])


@parallel_jit
def _backward(grad_output, input, before, after, alpha, beta, k, grad_input):
    P, C = input.shape
    for block in prange((P + _PIXELS - 1) // _PIXELS):
        squares = np.zeros(before + C + after, input.dtype)
        ratios = np.zeros(after + C + before, input.dtype)
        total = np.empty(C, input.dtype)
        for p in range(block * _PIXELS, min(block * _PIXELS + _PIXELS, P)):
            dy, x, dx = grad_output[p], input[p], grad_input[p]
            differentiate(dy, x, before, after, alpha, beta, k, squares, ratios, total, dx)
