"""Bias in Numba.

Feature maps are (N, C, P) planes of P positions, loops run along the plane. Without positions,
behind a linear layer, they run along the channels of the row instead.
"""

import numpy as np
from numba import prange

from kernels._team import parallel_jit

_COLUMNS = 64  # channels summed together: a cache line and more of every row


def forward(input, bias, *, output):
    N, C = input.shape[:2]
    if input.size == N * C:
        _forward_rows(input.reshape(N, C), bias, output.reshape(N, C))
    else:
        _forward_planes(input.reshape(N, C, -1), bias, output.reshape(N, C, -1))


def backward(grad_output, *, grad_bias):
    N, C = grad_output.shape[:2]
    if grad_output.size == N * C:
        _backward_rows(grad_output.reshape(N, C), grad_bias)
    else:
        _backward_planes(grad_output.reshape(N, C, -1), grad_bias)


@parallel_jit
def _forward_planes(input, bias, output):
    N, C, P = input.shape
    for plane in prange(N * C):
        n, c = plane // C, plane % C
        value = bias[c]
        source, target = input[n, c], output[n, c]
        for p in range(P):
            target[p] = source[p] + value


@parallel_jit
def _forward_rows(input, bias, output):
    N, C = input.shape
    for n in prange(N):
        for c in range(C):
            output[n, c] = input[n, c] + bias[c]


@parallel_jit
def _backward_planes(grad_output, grad_bias):
    N, C, P = grad_output.shape
    for c in prange(C):
        total = 0.0
        for n in range(N):
            plane = grad_output[n, c]
            for p in range(P):
                total += np.float64(plane[p])
        grad_bias[c] = total


@parallel_jit
def _backward_rows(grad_output, grad_bias):
    N, C = grad_output.shape
    for part in prange(-(-C // _COLUMNS)):
        start, stop = part * _COLUMNS, min((part + 1) * _COLUMNS, C)
        total = np.zeros(stop - start)
        for n in range(N):
            row = grad_output[n, start:stop]
            for i in range(total.size):
                total[i] += np.float64(row[i])
        grad_bias[start:stop] = total
