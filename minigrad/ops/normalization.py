"""Normalization across channels."""

from minigrad.autograd import Function


class LocalResponseNorm(Function):
    takes_bfloat16 = True

    @staticmethod
    def forward(ctx, input, *, size, alpha, beta, k):
        input = ctx.backend.channels_last(input)
        output = ctx.backend.empty(input.shape, input.dtype)
        ctx.parameters = size, alpha, beta, k
        ctx.backend.kernels.local_response_norm.forward(input, *ctx.parameters, output=output)
        ctx.save_for_backward(input)
        return ctx.backend.channels_first(output)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved
        grad_output = ctx.backend.channels_last(grad_output)
        grad_input = ctx.backend.empty(input.shape, input.dtype)
        ctx.backend.kernels.local_response_norm.backward(
            grad_output, input, *ctx.parameters, grad_input=grad_input
        )
        return ctx.backend.channels_first(grad_input)


class LocalResponseNormMaxPool2d(Function):
    """max_pool2d(local_response_norm(...)): the array between is neither written nor kept."""

    takes_bfloat16 = True

    @staticmethod
    def forward(ctx, input, *, size, alpha, beta, k, kernel_size, stride, padding, output_shape):
        window = kernel_size, stride, padding
        N, C, OH, OW = output_shape
        input = ctx.backend.channels_last(input)
        output = ctx.backend.empty((N, OH, OW, C), input.dtype)
        argmax = ctx.backend.empty((N, OH, OW, C), "int32")
        ctx.parameters = size, alpha, beta, k, *window
        ctx.backend.kernels.local_response_norm_max_pool2d.forward(
            input, *ctx.parameters, output=output, argmax=argmax
        )
        ctx.save_for_backward(argmax, input)
        return ctx.backend.channels_first(output)

    @staticmethod
    def backward(ctx, grad_output):
        argmax, input = ctx.saved
        grad_output = ctx.backend.channels_last(grad_output)
        grad_input = ctx.backend.empty(input.shape, input.dtype)
        ctx.backend.kernels.local_response_norm_max_pool2d.backward(
            grad_output, argmax, input, *ctx.parameters, grad_input=grad_input
        )
        return ctx.backend.channels_first(grad_input)
