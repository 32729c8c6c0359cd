"""Dropout. Backward draws the mask again instead of storing it."""

from minigrad.autograd import Function


class Dropout(Function):
    takes_bfloat16 = True

    @staticmethod
    def forward(ctx, input, *, p, key, first):
        # The mask follows the order of the dimensions, also for images.
        input = ctx.backend.contiguous(input)
        output = ctx.backend.empty(input.shape, input.dtype)
        ctx.backend.kernels.dropout.forward(input, p, key, first, output=output)
        ctx.mask = p, key, first
        return output

    @staticmethod
    def backward(ctx, grad_output):
        grad_output = ctx.backend.contiguous(grad_output)
        grad_input = ctx.backend.empty(grad_output.shape, grad_output.dtype)
        ctx.backend.kernels.dropout.backward(grad_output, *ctx.mask, grad_input=grad_input)
        return grad_input
