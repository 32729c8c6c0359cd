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


class LocalResponseNormMaxPool2d(Function):
    """max_pool2d(local_response_norm(...)): what lies between is neither written nor kept."""

    @staticmethod
    def forward(ctx, input, *, size, alpha, beta, k, kernel_size, stride, padding, output_shape):
        input = ctx.images(input)
        window = kernel_size, stride, padding
        output = ctx.empty_images(output_shape, input.dtype)
        argmax = ctx.empty_images(output_shape, "int32")
        ctx.parameters = size, alpha, beta, k, *window
        ctx.kernels.local_response_norm_max_pool2d.forward(
            input, *ctx.parameters, output=output, argmax=argmax
        )
        ctx.save_for_backward(argmax, input)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        argmax, input = ctx.saved
        grad_input = ctx.empty_images(input.shape, input.dtype)
        ctx.kernels.local_response_norm_max_pool2d.backward(
            ctx.images(grad_output), argmax, input, *ctx.parameters, grad_input=grad_input
        )
        return grad_input
