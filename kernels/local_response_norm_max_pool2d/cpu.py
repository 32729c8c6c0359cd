"""Local response normalization and max-pooling in Numba.

Forward: a task computes a band of output rows from the top and keeps the last KH normalized rows,
which stay in the cache. Backward: a task computes the gradient of one normalized row, then that of
the row before the normalization.
"""

import numpy as np
from numba import prange

from minigrad.kernels.local_response_norm import window_extent
from minigrad.kernels.local_response_norm.pixel import (
    block_pixels,
    buffer,
    differentiate,
    normalize,
)
from minigrad.kernels.max_pool2d import check_pooling
from minigrad.kernels.max_pool2d.window import gradient_row, keep_larger, start_window
from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.threads import parallel_jit

# Of the output, at most. Where windows overlap, the rows between two tasks are done twice.
_TASK_ROWS = 8


def forward(input, size, alpha, beta, k, kernel_size, stride, padding, *, output, argmax):
    arrays = {"input": input, "output": output, "argmax": argmax}
    check_pooling("local_response_norm_max_pool2d.forward", arrays, kernel_size, stride, padding)
    norm = _norm(input, size, alpha, beta, k)
    _forward(input, norm, kernel_size, stride, padding, output, argmax)


def backward(
    grad_output, argmax, input, size, alpha, beta, k, kernel_size, stride, padding, *, grad_input
):
    arrays = {"grad_input": grad_input, "grad_output": grad_output, "argmax": argmax}
    check_pooling("local_response_norm_max_pool2d.backward", arrays, kernel_size, stride, padding)
    check_same_shape("local_response_norm_max_pool2d.backward", grad_input=grad_input, input=input)
    norm = _norm(input, size, alpha, beta, k)
    window = kernel_size, stride, padding
    _backward(grad_output, argmax, input, norm, window, grad_input)


def _norm(input, size, alpha, beta, k):
    """The extent of a window of channels, and the parameters in the float type of the input."""
    real = input.dtype.type
    return *window_extent(size, input.shape[-1]), real(alpha / size), real(beta), real(k)


@parallel_jit
def _forward(input, norm, kernel_size, stride, padding, output, argmax):
    _, H, W, C = input.shape
    N, OH, OW, _ = output.shape
    before, after, alpha, beta, k = norm
    KH, KW = kernel_size
    SH, SW = stride
    PH, PW = padding
    block = block_pixels(C, before, after)
    bands = (OH + _TASK_ROWS - 1) // _TASK_ROWS
    band = (OH + bands - 1) // bands  # as equal as they can be: one image has few of them
    for task in prange(N * bands):
        n, first_oh = task // bands, task % bands * band
        squares = buffer(block, C, before, after, input.dtype)
        total = buffer(block, C, before, after, input.dtype)
        rows = np.empty((min(KH, H), W, C), input.dtype)  # row h of the image is rows[h % KH]
        done = 0  # rows before this one are normalized, or no window needs them
        for oh in range(first_oh, min(first_oh + band, OH)):
            top, bottom = max(0, oh * SH - PH), min(H, oh * SH - PH + KH)
            for h in range(max(top, done), bottom):
                for w in range(0, W, block):
                    x, y = input[n, h, w : w + block], rows[h % KH, w : w + block]
                    normalize(x, before, after, alpha, beta, k, squares, total, y)
            done = bottom
            for ow in range(OW):
                left, right = max(0, ow * SW - PW), min(W, ow * SW - PW + KW)
                best, index = output[n, oh, ow], argmax[n, oh, ow]
                start_window(rows[top % KH, left], top * W + left, best, index)
                for h in range(top, bottom):
                    for w in range(left, right):
                        keep_larger(rows[h % KH, w], h * W + w, best, index)


@parallel_jit
def _backward(grad_output, argmax, input, norm, window, grad_input):
    N, H, W, C = input.shape
    before, after, alpha, beta, k = norm
    block = block_pixels(C, before, after)
    kernel_size, stride, padding = window
    for task in prange(N * H):
        n, h = task // H, task % H
        gradient = np.empty((W, C), input.dtype)
        gradient_row(grad_output[n], argmax[n], h, kernel_size, stride, padding, gradient)
        squares = buffer(block, C, before, after, input.dtype)
        ratios = buffer(block, C, after, before, input.dtype)
        total = buffer(block, C, before, after, input.dtype)
        for w in range(0, W, block):
            dy, x = gradient[w : w + block], input[n, h, w : w + block]
            dx = grad_input[n, h, w : w + block]
            differentiate(dy, x, before, after, alpha, beta, k, squares, ratios, total, dx)
