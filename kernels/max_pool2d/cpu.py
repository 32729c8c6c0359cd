"""Max-pooling in Numba: a row of images a task, inner loops over the channels of a pixel.

Backward gathers: a row of grad_input looks at the windows that cover it. One thread owns a row and
visits its windows in row-major order, so the sums need no atomics and have the same bits on any
number of threads.
"""

from numba import prange

from kernels._layout import cpu as layout
from kernels._team import jit, parallel_jit


def forward(input, kernel_size, stride, padding, *, output, argmax):
    target, target_index = layout.begin(output), layout.begin(argmax)
    _forward(layout.memory(input), kernel_size, stride, padding, target, target_index)
    layout.finish(target, output)
    layout.finish(target_index, argmax)


def backward(grad_output, argmax, kernel_size, stride, padding, *, grad_input):
    target = layout.begin(grad_input)
    gradients, indices = layout.memory(grad_output), layout.memory(argmax)
    _backward(gradients, indices, kernel_size, stride, padding, target)
    layout.finish(target, grad_input)


@parallel_jit
def _forward(input, kernel_size, stride, padding, output, argmax):
    H, W = input.shape[1:3]
    N, OH, OW, _ = output.shape
    KH, KW = kernel_size
    SH, SW = stride
    PH, PW = padding
    for task in prange(N * OH):
        n, oh = task // OH, task % OH
        top, bottom = max(0, oh * SH - PH), min(H, oh * SH - PH + KH)
        for ow in range(OW):
            left, right = max(0, ow * SW - PW), min(W, ow * SW - PW + KW)
            best, index = output[n, oh, ow], argmax[n, oh, ow]
            _begin(input[n, top, left], top * W + left, best, index)
            for h in range(top, bottom):
                for w in range(left, right):
                    _keep_larger(input[n, h, w], h * W + w, best, index)


@jit
def _begin(value, position, best, index):
    for c in range(best.size):
        best[c] = value[c]
        index[c] = position


@jit
def _keep_larger(value, position, best, index):
    """Of equal values the earlier one stays, and so does the first NaN."""
    position = index.dtype.type(position)
    for c in range(best.size):
        wins = (best[c] == best[c]) & (not value[c] <= best[c])
        best[c] = value[c] if wins else best[c]
        index[c] = position if wins else index[c]


@parallel_jit
def _backward(grad_output, argmax, kernel_size, stride, padding, grad_input):
    N, H, W, _ = grad_input.shape
    OH, OW = grad_output.shape[1:3]
    KH, KW = kernel_size
    SH, SW = stride
    PH, PW = padding
    for task in prange(N * H):
        n, h = task // H, task % H
        grad_input[n, h] = 0
        # The windows that cover row h.
        first, last = max(0, -((KH - 1 - h - PH) // SH)), min(OH - 1, (h + PH) // SH)
        for oh in range(first, last + 1):
            for ow in range(OW):
                left, right = max(0, ow * SW - PW), min(W, ow * SW - PW + KW)
                for w in range(left, right):
                    _add_where(
                        argmax[n, oh, ow], h * W + w, grad_output[n, oh, ow], grad_input[n, h, w]
                    )


@jit
def _add_where(index, position, gradient, total):
    zero = gradient.dtype.type(0)
    position = index.dtype.type(position)
    for c in range(total.size):
        total[c] += gradient[c] if index[c] == position else zero
