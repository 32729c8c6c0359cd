"""Convolution."""

from kernels import conv2d
from minigrad.autograd import Function


class Conv2d(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None, *, stride, padding, groups):
        input, weight = ctx.images(input), ctx.contiguous(weight)
        shape = conv2d.output_shape(input.shape, weight.shape, stride, padding, groups)
        output = ctx.empty_images(shape, input.dtype)
        ctx.kernels.conv2d.forward(input, weight, bias, stride, padding, groups, output=output)
        ctx.save_for_backward(input, weight)
        ctx.parameters = stride, padding, groups
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved
        kernels, grad_output = ctx.kernels, ctx.images(grad_output)
        gradients = [None] * len(ctx.needs_input_grad)
        if ctx.needs_input_grad[0]:
            gradients[0] = ctx.empty_images(input.shape, input.dtype)
            kernels.conv2d.backward_input(
                grad_output, weight, *ctx.parameters, grad_input=gradients[0]
            )
        if ctx.needs_input_grad[1]:
            gradients[1] = ctx.empty(weight.shape, weight.dtype)
            kernels.conv2d.backward_weight(
                grad_output, input, *ctx.parameters, grad_weight=gradients[1]
            )
        if ctx.needs_input_grad[2:] == (True,):
            gradients[2] = ctx.empty(weight.shape[:1], weight.dtype)
            kernels.bias.backward(grad_output, grad_bias=gradients[2])
        return tuple(gradients)
