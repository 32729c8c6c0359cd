"""Max-pooling in Numba: a row of images a task, inner loops over the channels of a pixel."""

from numba import prange

from minigrad.kernels.max_pool2d import check_pooling
from minigrad.kernels.max_pool2d.window import gradient_row, keep_larger, start_window
from minigrad.kernels.shared.threads import parallel_jit


def forward(input, kernel_size, stride, padding, *, output, argmax):
    arrays = {"input": input, "output": output, "argmax": argmax}
    check_pooling("max_pool2d.forward", arrays, kernel_size, stride, padding)
    _forward(input, kernel_size, stride, padding, output, argmax)


def backward(grad_output, argmax, kernel_size, stride, padding, *, grad_input):
    arrays = {"grad_input": grad_input, "grad_output": grad_output, "argmax": argmax}
    check_pooling("max_pool2d.backward", arrays, kernel_size, stride, padding)
    _backward(grad_output, argmax, kernel_size, stride, padding, grad_input)


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
            start_window(input[n, top, left], top * W + left, best, index)
            for h in range(top, bottom):
                for w in range(left, right):
                    keep_larger(input[n, h, w], h * W + w, best, index)


@parallel_jit
def _backward(grad_output, argmax, kernel_size, stride, padding, grad_input):
    N, H = grad_input.shape[:2]
    for task in prange(N * H):
        n, h = task // H, task % H
        gradient_row(grad_output[n], argmax[n], h, kernel_size, stride, padding, grad_input[n, h])
