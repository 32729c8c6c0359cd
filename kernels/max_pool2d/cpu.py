"""Max-pooling in Numba: planes (n, c) in parallel.

Forward takes the maximum down the columns, then across, at every position of the padded plane,
and keeps every stride-th: both steps are one loop along contiguous memory that vectorises,
which is faster than visiting fewer positions one by one. What it finds where a window would
run over the right border is wrong, and never kept.

Backward adds into the plane of grad_input while it is in the L1 cache. One thread owns a plane
and visits its windows in row-major order, so the sums need no atomics and never change.
"""

import numpy as np
from numba import prange

from kernels._team import jit, parallel_jit

_PLANES = 8  # of one task, which share its row buffers


def forward(input, kernel_size, stride, padding, *, output, argmax):
    H, W = input.shape[2:]
    OH, OW = output.shape[2:]
    _forward(
        input.reshape(-1, H, W),
        kernel_size,
        stride,
        padding,
        output.reshape(-1, OH, OW),
        argmax.reshape(-1, OH, OW),
    )


def backward(grad_output, argmax, kernel_size, stride, padding, *, grad_input):
    planes = grad_output.shape[0] * grad_output.shape[1]
    _backward(
        grad_output.reshape(planes, -1), argmax.reshape(planes, -1), grad_input.reshape(planes, -1)
    )


@parallel_jit
def _forward(input, kernel_size, stride, padding, output, argmax):
    planes, H, W = input.shape
    OH, OW = output.shape[1:]
    KH, KW = kernel_size
    SH, SW = stride
    PH, PW = padding
    row = W + 2 * PW  # length of a row of the padded plane
    visited = (OH - 1) * SH * row + (OW - 1) * SW + 1
    for part in prange(-(-planes // _PLANES)):
        # Padding loses even against -inf, by its index.
        padded = np.full((H + 2 * PH, row), -np.inf, input.dtype)
        padded_index = np.full(padded.shape, H * W, np.int32)
        padded_index[PH : PH + H, PW : PW + W] = np.arange(H * W).reshape(H, W)
        value, index = padded.reshape(-1), padded_index.reshape(-1)
        column = np.empty(visited + KW - 1, input.dtype)
        column_index = np.empty(column.size, np.int32)
        best = np.empty(visited, input.dtype)
        best_index = np.empty(visited, np.int32)
        for plane in range(part * _PLANES, min((part + 1) * _PLANES, planes)):
            for h in range(H):
                padded[PH + h, PW : PW + W] = input[plane, h]
            _maxima(value, index, KH, row, column, column_index)
            _maxima(column, column_index, KW, 1, best, best_index)
            for oh in range(OH):
                for ow in range(OW):
                    position = oh * SH * row + ow * SW
                    output[plane, oh, ow] = best[position]
                    argmax[plane, oh, ow] = best_index[position]


@jit
def _maxima(value, index, count, step, best, best_index):
    """The winner of value[i], value[i + step], ... (count of them) at every i, and its index."""
    best[:] = value[: best.size]
    best_index[:] = index[: best.size]
    for shift in range(step, count * step, step):
        later, later_index = value[shift:], index[shift:]
        for i in range(best.size):
            x, y = later[i], best[i]
            larger = (y == y) & (not x <= y)  # or x is the only NaN
            tie = (x == y) | ((x != x) & (y != y))
            wins = larger | (tie & (later_index[i] < best_index[i]))
            best[i] = x if wins else y
            best_index[i] = later_index[i] if wins else best_index[i]


@parallel_jit
def _backward(grad_output, argmax, grad_input):
    for plane in prange(grad_input.shape[0]):
        target = grad_input[plane]
        target[:] = 0
        for i in range(grad_output.shape[1]):
            target[argmax[plane, i]] += grad_output[plane, i]
