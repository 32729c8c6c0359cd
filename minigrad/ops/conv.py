"""Convolution."""

from minigrad.autograd import Function


class Conv2d(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None, *, stride, padding, groups, output_shape):
        output = ctx.empty_images(output_shape, input.dtype)
        arguments = _prepare(ctx, input, weight, bias, stride, padding, groups)
        ctx.kernels.conv2d.forward(*arguments, output=output)
        ctx.save_for_backward(*arguments[:2])
        ctx.parameters = stride, padding, groups
        return output

    @staticmethod
    def backward(ctx, grad_output):
        return _gradients(ctx, ctx.images(grad_output), *ctx.saved)


class Conv2dReLU(Function):
    """relu(conv2d(...)): what lies between is neither written nor kept."""

    @staticmethod
    def forward(ctx, input, weight, bias=None, *, stride, padding, groups, output_shape):
        output = ctx.empty_images(output_shape, input.dtype)
        arguments = _prepare(ctx, input, weight, bias, stride, padding, groups)
        ctx.kernels.conv2d.forward_relu(*arguments, output=output)
        ctx.save_for_backward(*arguments[:2], output)
        ctx.parameters = stride, padding, groups
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, output = ctx.saved
        passed = ctx.empty_images(output.shape, output.dtype)
        ctx.kernels.relu.backward(ctx.images(grad_output), output, grad_input=passed)
        return _gradients(ctx, passed, input, weight)


def _prepare(ctx, input, weight, bias, stride, padding, groups):
    """The arguments of the kernel."""
    input, weight = ctx.images(input), ctx.contiguous(weight)
    if bias is not None:
        bias = ctx.contiguous(bias)
    return input, weight, bias, stride, padding, groups


def _gradients(ctx, grad_output, input, weight):
    """Those that are needed, of input, weight and bias."""
    kernels = ctx.kernels
    gradients = [None] * len(ctx.needs_input_grad)
    if ctx.needs_input_grad[0]:
        gradients[0] = ctx.empty_images(input.shape, input.dtype)
        kernels.conv2d.backward_input(grad_output, weight, *ctx.parameters, grad_input=gradients[0])
    if ctx.needs_input_grad[1]:
        gradients[1] = ctx.empty(weight.shape, weight.dtype)
        kernels.conv2d.backward_weight(
            grad_output, input, *ctx.parameters, grad_weight=gradients[1]
        )
    if ctx.needs_input_grad[2:] == (True,):
        gradients[2] = ctx.empty(weight.shape[:1], weight.dtype)
        kernels.bias.backward(grad_output, grad_bias=gradients[2])
    return tuple(gradients)
