"""Pooling over windows."""

import numpy as np

from minigrad.autograd import Function
from minigrad.kernels.shared import bfloat16


class MaxPool2d(Function):
    takes_bfloat16 = True

    @staticmethod
    def forward(ctx, input, *, kernel_size, stride, padding, output_shape):
        window = kernel_size, stride, padding
        N, C, OH, OW = output_shape
        input = ctx.backend.channels_last(input)
        output = ctx.backend.empty((N, OH, OW, C), input.dtype)
        argmax = ctx.backend.empty((N, OH, OW, C), "int32")
        ctx.backend.kernels.max_pool2d.forward(input, *window, output=output, argmax=argmax)
        ctx.save_for_backward(argmax)
        ctx.input_shape, ctx.window = input.shape, window
        return ctx.backend.channels_first(output)

    @staticmethod
    def backward(ctx, grad_output):
        (argmax,) = ctx.saved
        grad_output = ctx.backend.channels_last(grad_output)
        grad_input = ctx.backend.empty(ctx.input_shape, grad_output.dtype)
        ctx.backend.kernels.max_pool2d.backward(
            grad_output, argmax, *ctx.window, grad_input=grad_input
        )
        return ctx.backend.channels_first(grad_input)


class AvgPool2d(Function):
    takes_bfloat16 = True

    @staticmethod
    def forward(ctx, input, *, kernel_size, stride, padding, output_shape):
        window = kernel_size, stride, padding
        N, C, OH, OW = output_shape
        input = ctx.backend.channels_last(input)
        output = ctx.backend.empty((N, OH, OW, C), input.dtype)
        ctx.backend.kernels.avg_pool2d.forward(input, *window, output=output)
        ctx.input_shape, ctx.window = input.shape, window
        return ctx.backend.channels_first(output)

    @staticmethod
    def backward(ctx, grad_output):
        grad_output = ctx.backend.channels_last(grad_output)
        grad_input = ctx.backend.empty(ctx.input_shape, grad_output.dtype)
        ctx.backend.kernels.avg_pool2d.backward(grad_output, *ctx.window, grad_input=grad_input)
        return ctx.backend.channels_first(grad_input)


def window_sizes(size, kernel_size, stride, padding, count, *, count_include_pad):
    """(count,): the elements of each window along one side of `size` pixels.

    Padding counts with `count_include_pad`. What a last window covers beyond it never does.
    """
    start = np.arange(count) * stride - padding
    if count_include_pad:
        return np.minimum(start + kernel_size, size + padding) - start
    return np.minimum(start + kernel_size, size) - np.maximum(start, 0)


def averaging_matrix(size, count, dtype):
    """(count, size): row i is the mean over the i-th window of adaptive average pooling.

    `dtype` is that of the images.
    """
    weights = np.zeros((count, size), bfloat16.arithmetic(dtype))
    for i in range(count):
        start, end = i * size // count, -(-(i + 1) * size // count)
        weights[i, start:end] = 1 / (end - start)
    return weights
