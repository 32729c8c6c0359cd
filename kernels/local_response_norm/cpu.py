"""Local response normalization in Numba: all pixels; `pixel.py` has the arithmetic of one."""

import numpy as np
from numba import prange

from minigrad.kernels.local_response_norm import window_extent
from minigrad.kernels.local_response_norm.pixel import differentiate, normalize
from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.layout import rows
from minigrad.kernels.shared.threads import parallel_jit

_TASK_PIXELS = 64


def forward(input, size, alpha, beta, k, *, output):
    check_same_shape("local_response_norm.forward", input=input, output=output)
    _forward(rows(input), *_constants(input, size, alpha, beta, k), rows(output))


def backward(grad_output, input, size, alpha, beta, k, *, grad_input):
    arrays = {"grad_output": grad_output, "input": input, "grad_input": grad_input}
    check_same_shape("local_response_norm.backward", **arrays)
    constants = _constants(input, size, alpha, beta, k)
    _backward(rows(grad_output), rows(input), *constants, rows(grad_input))


def _constants(input, size, alpha, beta, k):
    """The extent of a window, and the parameters in the float type of the input."""
    real = input.dtype.type
    return *window_extent(size, input.shape[-1]), real(alpha / size), real(beta), real(k)


@parallel_jit
def _forward(input, before, after, alpha, beta, k, output):
    P, C = input.shape
    for block in prange((P + _TASK_PIXELS - 1) // _TASK_PIXELS):
        squares = np.zeros(before + C + after, input.dtype)
        total = np.empty(C, input.dtype)
        for p in range(block * _TASK_PIXELS, min(block * _TASK_PIXELS + _TASK_PIXELS, P)):
            normalize(input[p], before, after, alpha, beta, k, squares, total, output[p])


@parallel_jit
def _backward(grad_output, input, before, after, alpha, beta, k, grad_input):
    P, C = input.shape
    for block in prange((P + _TASK_PIXELS - 1) // _TASK_PIXELS):
        squares = np.zeros(before + C + after, input.dtype)
        ratios = np.zeros(after + C + before, input.dtype)
        total = np.empty(C, input.dtype)
        for p in range(block * _TASK_PIXELS, min(block * _TASK_PIXELS + _TASK_PIXELS, P)):
            dy, x, dx = grad_output[p], input[p], grad_input[p]
            differentiate(dy, x, before, after, alpha, beta, k, squares, ratios, total, dx)
