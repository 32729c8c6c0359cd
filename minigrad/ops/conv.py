"""Convolution."""

from minigrad.autocast import rounds_factors
from minigrad.autograd import Function
from minigrad.kernels import conv2d


class Conv2d(Function):
    takes_bfloat16 = True

    @staticmethod
    def forward(ctx, input, weight, bias=None, *, stride, padding, groups, output_shape):
        window = stride, padding, groups
        output, arguments = _prepare(ctx, input, weight, bias, *window, output_shape)
        ctx.backend.kernels.conv2d.forward(*arguments, output=output, bfloat16=ctx.bfloat16)
        ctx.save_for_backward(*arguments[:2])
        ctx.parameters = window
        return ctx.backend.channels_first(output)

    @staticmethod
    def backward(ctx, grad_output):
        grad_output, (input, weight) = ctx.backend.channels_last(grad_output), ctx.saved
        grad_bias = _memory_for_bias(ctx, weight)
        if grad_bias is not None:
            ctx.backend.kernels.bias.backward(grad_output, grad_bias=grad_bias)
        return _gradients(ctx, grad_output, input, weight, grad_bias)

    @staticmethod
    def multiply_adds(inputs, output):
        return conv2d.multiply_adds(output.shape, inputs[1].shape)


class Conv2dReLU(Conv2d):
    """relu(conv2d(...)): the array between the two is not kept."""

    @staticmethod
    def forward(ctx, input, weight, bias=None, *, stride, padding, groups, output_shape):
        window = stride, padding, groups
        output, arguments = _prepare(ctx, input, weight, bias, *window, output_shape)
        ctx.backend.kernels.conv2d.forward_relu(*arguments, output=output, bfloat16=ctx.bfloat16)
        ctx.save_for_backward(*arguments[:2], output)
        ctx.parameters = window
        return ctx.backend.channels_first(output)

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, output = ctx.saved
        grad_output = ctx.backend.channels_last(grad_output)
        grad_convolution = ctx.backend.empty(output.shape, output.dtype)
        grad_bias, kernels = _memory_for_bias(ctx, weight), ctx.backend.kernels
        if grad_bias is None:
            kernels.relu.backward(grad_output, output, grad_input=grad_convolution)
        else:  # both in one pass over the images
            kernels.bias.backward_relu(
                grad_output, output, grad_input=grad_convolution, grad_bias=grad_bias
            )
        return _gradients(ctx, grad_convolution, input, weight, grad_bias)


def _prepare(ctx, input, weight, bias, stride, padding, groups, output_shape):
    """Memory for the output (N, OH, OW, OC), and the arguments of the kernel."""
    ctx.bfloat16 = rounds_factors(ctx.backend, input)
    input = ctx.backend.factor(input, ctx.bfloat16)
    N, OC, OH, OW = output_shape
    output = ctx.backend.empty((N, OH, OW, OC), input.dtype)
    input, weight = ctx.backend.channels_last(input), ctx.backend.contiguous(weight)
    if bias is not None:
        bias = ctx.backend.contiguous(bias)
    return output, (input, weight, bias, stride, padding, groups)


def _memory_for_bias(ctx, weight):
    """For the gradient of the bias; None where there is none, or it is not needed."""
    needs_bias = any(ctx.needs_input_grad[2:])
    return ctx.backend.empty(weight.shape[:1], weight.dtype) if needs_bias else None


def _gradients(ctx, grad_output, input, weight, grad_bias):
    """Gradients of input, weight and bias (if there is one); None where not needed.

    `grad_output` and `input` have their channels last.
    """
    backend, kernels = ctx.backend, ctx.backend.kernels
    gradients = [None, None, grad_bias][: len(ctx.needs_input_grad)]
    needs_input, needs_weight, *_ = ctx.needs_input_grad
    if needs_input:
        grad_input = backend.empty(input.shape, input.dtype)
        kernels.conv2d.backward_input(
            grad_output, weight, *ctx.parameters, grad_input=grad_input, bfloat16=ctx.bfloat16
        )
        gradients[0] = backend.channels_first(grad_input)
    if needs_weight:
        gradients[1] = backend.empty(weight.shape, weight.dtype)
        kernels.conv2d.backward_weight(
            grad_output, input, *ctx.parameters, grad_weight=gradients[1], bfloat16=ctx.bfloat16
        )
    return tuple(gradients)
