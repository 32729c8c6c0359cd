"""Normalization across channels."""

from minigrad.autograd import Function


class LocalResponseNorm(Function):
    @staticmethod
    def forward(ctx, input, *, size, alpha, beta, k):
        input = ctx.images(input)
        output = ctx.empty_images(input.shape, input.dtype)
        ctx.kernels.local_response_norm.forward(input, size, alpha, beta, k, output=output)
        ctx.save_for_backward(input)
        ctx.parameters = size, alpha, beta, k
        return output

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved
        grad_input = ctx.empty_images(input.shape, input.dtype)
        ctx.kernels.local_response_norm.backward(
            ctx.images(grad_output), input, *ctx.parameters, grad_input=grad_input
        )
        return grad_input
