"""Dropout. The mask is a function of the key, so backward draws it again instead of storing it."""

from minigrad.autograd import Function


class Dropout(Function):
    @staticmethod
    def forward(ctx, input, *, p, key):
        # The mask follows the order of the dimensions, also for images.
        input = ctx.backend.contiguous(input)
        output = ctx.backend.empty(input.shape, input.dtype)
        ctx.backend.kernels.dropout.forward(input, p, key, output=output)
        ctx.p, ctx.key = p, key
        return output

    @staticmethod
    def backward(ctx, grad_output):
        grad_output = ctx.backend.contiguous(grad_output)
        grad_input = ctx.backend.empty(grad_output.shape, grad_output.dtype)
        ctx.backend.kernels.dropout.backward(grad_output, ctx.p, ctx.key, grad_input=grad_input)
        return grad_input
