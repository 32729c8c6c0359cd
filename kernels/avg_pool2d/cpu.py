"""Average pooling in Numba: a row of images a task, inner loops over the channels of a pixel.

Backward gathers, as in max-pooling: a row of grad_input adds up the windows that cover it.
"""

from numba import prange

from minigrad.kernels.max_pool2d import check_pooling
from minigrad.kernels.shared.threads import jit, parallel_jit


def forward(input, kernel_size, stride, padding, *, output):
    arrays = {"input": input, "output": output}
    check_pooling("avg_pool2d.forward", arrays, kernel_size, stride, padding)
    _forward(input, kernel_size, stride, padding, output)


def backward(grad_output, kernel_size, stride, padding, *, grad_input):
    arrays = {"grad_input": grad_input, "grad_output": grad_output}
    check_pooling("avg_pool2d.backward", arrays, kernel_size, stride, padding)
    _backward(grad_output, kernel_size, stride, padding, grad_input)


@parallel_jit
def _forward(input, kernel_size, stride, padding, output):
    H, W = input.shape[1:3]
    N, OH, OW, _ = output.shape
    KH, KW = kernel_size
    SH, SW = stride
    PH, PW = padding
    share = input.dtype.type(1 / (KH * KW))
    for task in prange(N * OH):
        n, oh = task // OH, task % OH
        for ow in range(OW):
            total = output[n, oh, ow]
            total[:] = 0
            for h in range(max(0, oh * SH - PH), min(H, oh * SH - PH + KH)):
                for w in range(max(0, ow * SW - PW), min(W, ow * SW - PW + KW)):
                    _add(input[n, h, w], share, total)


@parallel_jit
def _backward(grad_output, kernel_size, stride, padding, grad_input):
    N, H, W, _ = grad_input.shape
    OH, OW = grad_output.shape[1:3]
    KH, KW = kernel_size
    SH, SW = stride
    PH, PW = padding
    share = grad_input.dtype.type(1 / (KH * KW))
    for task in prange(N * H):
        n, h = task // H, task % H
        grad_input[n, h] = 0
        # The windows that cover row h.
        first, last = max(0, -((KH - 1 - h - PH) // SH)), min(OH - 1, (h + PH) // SH)
        for oh in range(first, last + 1):
            for ow in range(OW):
                for w in range(max(0, ow * SW - PW), min(W, ow * SW - PW + KW)):
                    _add(grad_output[n, oh, ow], share, grad_input[n, h, w])


@jit
def _add(value, share, total):
    for c in range(total.size):
        total[c] += value[c] * share
