"""Bias in Numba: rows of channels, one row a pixel (or an image, behind a linear layer)."""

import numpy as np
from numba import prange

from minigrad.kernels.bias import check_bias
from minigrad.kernels.shared.layout import rows
from minigrad.kernels.shared.threads import parallel_jit

_PARTS = 64  # into which the rows are divided; each is summed by one thread


def forward(input, bias, *, output):
    check_bias("bias.forward", {"input": input, "output": output, "bias": bias})
    if input.size == bias.size:  # one row is added sooner than threads have begun
        np.add(input, bias, out=output)
    else:
        _forward(rows(input), bias, rows(output))


def backward(grad_output, *, grad_bias):
    check_bias("bias.backward", {"grad_output": grad_output, "grad_bias": grad_bias})
    sums = np.zeros((_PARTS, grad_bias.size))
    _sum_parts(rows(grad_output), sums)
    grad_bias[...] = sums.sum(axis=0)


def backward_relu(grad_output, output, *, grad_input, grad_bias):
    arrays = {"grad_output": grad_output, "output": output, "grad_input": grad_input}
    check_bias("bias.backward_relu", {**arrays, "grad_bias": grad_bias})
    sums = np.zeros((_PARTS, grad_bias.size))
    _mask_and_sum_parts(*map(rows, arrays.values()), sums)
    grad_bias[...] = sums.sum(axis=0)


@parallel_jit
def _forward(input, bias, output):
    P, C = input.shape
    for p in prange(P):
        for c in range(C):
            output[p, c] = input[p, c] + bias[c]


@parallel_jit
def _sum_parts(rows, sums):
    parts = sums.shape[0]
    for part in prange(parts):
        total = sums[part]
        for p in range(part * rows.shape[0] // parts, (part + 1) * rows.shape[0] // parts):
            row = rows[p]
            for c in range(row.size):
                total[c] += np.float64(row[c])


@parallel_jit
def _mask_and_sum_parts(grad_output, output, grad_input, sums):
    parts, zero = sums.shape[0], output.dtype.type(0)
    for part in prange(parts):
        total = sums[part]
        for p in range(part * output.shape[0] // parts, (part + 1) * output.shape[0] // parts):
            y, dy, dx = output[p], grad_output[p], grad_input[p]
            for c in range(y.size):
                dx[c] = zero if y[c] <= zero else dy[c]
            for c in range(y.size):
                total[c] += np.float64(dx[c])
