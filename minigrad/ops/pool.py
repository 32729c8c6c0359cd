"""Pooling over windows."""

import numpy as np

from minigrad.autograd import Function


class MaxPool2d(Function):
    @staticmethod
    def forward(ctx, input, *, kernel_size, stride, padding, output_shape):
        input = ctx.images(input)
        window = kernel_size, stride, padding
        output = ctx.empty_images(output_shape, input.dtype)
        argmax = ctx.empty_images(output_shape, "int32")
        ctx.kernels.max_pool2d.forward(input, *window, output=output, argmax=argmax)
        ctx.save_for_backward(argmax)
        ctx.input_shape, ctx.window = input.shape, window
        return output

    @staticmethod
    def backward(ctx, grad_output):
        (argmax,) = ctx.saved
        grad_input = ctx.empty_images(ctx.input_shape, grad_output.dtype)
        ctx.kernels.max_pool2d.backward(
            ctx.images(grad_output), argmax, *ctx.window, grad_input=grad_input
        )
        return grad_input


class AvgPool2d(Function):
    @staticmethod
    def forward(ctx, input, *, kernel_size, stride, padding, output_shape):
        input = ctx.images(input)
        window = kernel_size, stride, padding
        output = ctx.empty_images(output_shape, input.dtype)
        ctx.kernels.avg_pool2d.forward(input, *window, output=output)
        ctx.input_shape, ctx.window = input.shape, window
        return output

    @staticmethod
    def backward(ctx, grad_output):
        grad_input = ctx.empty_images(ctx.input_shape, grad_output.dtype)
        ctx.kernels.avg_pool2d.backward(ctx.images(grad_output), *ctx.window, grad_input=grad_input)
        return grad_input


def averaging_matrix(size, count, dtype):
    """(count, size): row i is the mean over the i-th window of adaptive average pooling."""
    weights = np.zeros((count, size), dtype)
    for i in range(count):
        start, end = i * size // count, -(-(i + 1) * size // count)
        weights[i, start:end] = 1 / (end - start)
    return weights
