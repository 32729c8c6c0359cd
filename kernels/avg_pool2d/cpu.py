"""Average pooling in Numba: planes (n, c) in parallel.

A row of windows is summed first down the columns, along contiguous memory, then across.
Backward spreads in the same two steps, the other way round, into the plane of grad_input.
"""

import numpy as np
from numba import prange

from kernels._team import parallel_jit


def forward(input, kernel_size, stride, padding, *, output):
    H, W = input.shape[2:]
    OH, OW = output.shape[2:]
    _forward(input.reshape(-1, H, W), kernel_size, stride, padding, output.reshape(-1, OH, OW))


def backward(grad_output, kernel_size, stride, padding, *, grad_input):
    OH, OW = grad_output.shape[2:]
    H, W = grad_input.shape[2:]
    _backward(
        grad_output.reshape(-1, OH, OW), kernel_size, stride, padding, grad_input.reshape(-1, H, W)
    )


@parallel_jit
def _forward(input, kernel_size, stride, padding, output):
    H, W = input.shape[1:]
    OH, OW = output.shape[1:]
    KH, KW = kernel_size
    SH, SW = stride
    PH, PW = padding
    share = input.dtype.type(1 / (KH * KW))
    for plane in prange(input.shape[0]):
        column = np.zeros(W + 2 * PW, input.dtype)
        inside = column[PW : PW + W]
        for oh in range(OH):
            top = oh * SH - PH
            inside[:] = 0
            for h in range(max(0, top), min(H, top + KH)):
                row = input[plane, h]
                for w in range(W):
                    inside[w] += row[w]
            for ow in range(OW):
                total = input.dtype.type(0)
                for kw in range(KW):
                    total += column[ow * SW + kw]
                output[plane, oh, ow] = total * share


@parallel_jit
def _backward(grad_output, kernel_size, stride, padding, grad_input):
    OH, OW = grad_output.shape[1:]
    H, W = grad_input.shape[1:]
    KH, KW = kernel_size
    SH, SW = stride
    PH, PW = padding
    share = grad_input.dtype.type(1 / (KH * KW))
    for plane in prange(grad_input.shape[0]):
        target = grad_input[plane]
        target[:] = 0
        column = np.empty(W + 2 * PW, grad_input.dtype)
        inside = column[PW : PW + W]
        for oh in range(OH):
            column[:] = 0
            for ow in range(OW):
                for kw in range(KW):
                    column[ow * SW + kw] += share * grad_output[plane, oh, ow]
            top = oh * SH - PH
            for h in range(max(0, top), min(H, top + KH)):
                row = target[h]
                for w in range(W):
                    row[w] += inside[w]
