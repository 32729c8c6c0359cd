"""Max-pooling in Numba: planes (n, c) in parallel.

Forward takes the maximum of a row of windows first down the columns, then across: both loops
run along contiguous memory. The horizontal one visits every position and keeps every
stride-th, which is faster than visiting fewer with a stride.

Backward adds into the plane of grad_input while it is in the cache, where clearing it first is
cheap. One thread owns a plane and visits its windows in row-major order, so the sums need no
atomics and have the same bits on any number of threads.
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
    visited = (OW - 1) * SW + 1
    for part in prange(-(-planes // _PLANES)):
        # Maxima of the columns, between padding that loses even against -inf, by its index.
        column = np.full(W + 2 * PW, -np.inf, input.dtype)
        column_index = np.full(W + 2 * PW, H * W, np.int32)
        inside, inside_index = column[PW : PW + W], column_index[PW : PW + W]
        best = np.empty(visited, input.dtype)
        best_index = np.empty(visited, np.int32)
        for plane in range(part * _PLANES, min((part + 1) * _PLANES, planes)):
            for oh in range(OH):
                top = max(0, oh * SH - PH)
                bottom = min(H, oh * SH - PH + KH)
                _column_maxima(input[plane], top, bottom, inside, inside_index)
                best[:] = column[:visited]
                best_index[:] = column_index[:visited]
                for kw in range(1, KW):
                    _keep_larger(column[kw:], column_index[kw:], best, best_index)
                for ow in range(OW):
                    output[plane, oh, ow] = best[ow * SW]
                    argmax[plane, oh, ow] = best_index[ow * SW]


@jit
def _column_maxima(image, top, bottom, column, column_index):
    """The first maximum of every column between two rows of the (H, W) image, and its index."""
    W = column.size
    for w in range(W):
        column[w] = image[top, w]
        column_index[w] = top * W + w
    for h in range(top + 1, bottom):
        row = image[h]
        for w in range(W):
            wins = _wins(row[w], column[w])
            column[w] = row[w] if wins else column[w]
            column_index[w] = np.int32(h * W + w) if wins else column_index[w]


@jit
def _keep_larger(value, index, best, best_index):
    """Of neighbouring columns the larger maximum; of equal ones that of the smaller index."""
    for i in range(best.size):
        tie = (value[i] == best[i]) | ((value[i] != value[i]) & (best[i] != best[i]))
        wins = _wins(value[i], best[i]) | (tie & (index[i] < best_index[i]))
        best[i] = value[i] if wins else best[i]
        best_index[i] = index[i] if wins else best_index[i]


@jit
def _wins(value, best):
    """value > best, or value is NaN and best is not."""
    return (best == best) & (not value <= best)


@parallel_jit
def _backward(grad_output, argmax, grad_input):
    for plane in prange(grad_input.shape[0]):
        target = grad_input[plane]
        target[:] = 0
        for i in range(grad_output.shape[1]):
            target[argmax[plane, i]] += grad_output[plane, i]
