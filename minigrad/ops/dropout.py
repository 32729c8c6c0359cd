"""Dropout. The mask is a function of the key, so backward draws it again instead of storing it."""

from minigrad.autograd import Function


class Dropout(Function):
    @staticmethod
    def forward(ctx, input, *, p, key):
        input = ctx.xp.ascontiguousarray(input)
        output = ctx.empty(input.shape, input.dtype)
        ctx.kernels.dropout.forward(input, p, key, output=output)
        ctx.p, ctx.key = p, key
        return output

    @staticmethod
    def backward(ctx, grad_output):
        grad_output = ctx.xp.ascontiguousarray(grad_output)
        grad_input = ctx.empty(grad_output.shape, grad_output.dtype)
        ctx.kernels.dropout.backward(grad_output, ctx.p, ctx.key, grad_input=grad_input)
        return grad_input
