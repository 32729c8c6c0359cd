"""Local response normalization in Numba: all pixels; `pixel.py` has the arithmetic."""

from numba import prange

from minigrad.kernels.local_response_norm import window_extent
from minigrad.kernels.local_response_norm.pixel import (
    block_pixels,
    buffer,
    differentiate,
    normalize,
)
from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.layout import rows
from minigrad.kernels.shared.threads import parallel_jit

_TASK_BLOCKS = 4


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
    block = block_pixels(C, before, after)
    task_pixels = _TASK_BLOCKS * block
    for task in prange((P + task_pixels - 1) // task_pixels):
        squares = buffer(block, C, before, after, input.dtype)
        total = buffer(block, C, before, after, input.dtype)
        for p in range(task * task_pixels, min((task + 1) * task_pixels, P), block):
            x, y = input[p : min(p + block, P)], output[p : min(p + block, P)]
            normalize(x, before, after, alpha, beta, k, squares, total, y)


@parallel_jit
def _backward(grad_output, input, before, after, alpha, beta, k, grad_input):
    P, C = input.shape
    block = block_pixels(C, before, after)
    task_pixels = _TASK_BLOCKS * block
    for task in prange((P + task_pixels - 1) // task_pixels):
        squares = buffer(block, C, before, after, input.dtype)
        ratios = buffer(block, C, after, before, input.dtype)
        total = buffer(block, C, before, after, input.dtype)
        for p in range(task * task_pixels, min((task + 1) * task_pixels, P), block):
            pixels = slice(p, min(p + block, P))
            dy, x, dx = grad_output[pixels], input[pixels], grad_input[pixels]
            differentiate(dy, x, before, after, alpha, beta, k, squares, ratios, total, dx)
