"""Matrix products."""

from minigrad.autocast import rounds_factors
from minigrad.autograd import Function
from minigrad.kernels import linear
from minigrad.ops.elementwise import unbroadcast


class MatMul(Function):
    """input (..., n, k) @ other (..., k, m), the leading dimensions broadcast."""

    @staticmethod
    def forward(ctx, input, other):
        # BLAS sums in another order where a factor is transposed.
        input, other = map(ctx.backend.contiguous, (input, other))
        ctx.save_for_backward(input, other)
        ctx.bfloat16 = rounds_factors(ctx.backend, input)
        return _product(ctx, input, other)

    @staticmethod
    def backward(ctx, grad_output):
        input, other = ctx.saved
        grad_output = ctx.backend.contiguous(grad_output)
        needs_input, needs_other = ctx.needs_input_grad
        grad_input = grad_other = None
        if needs_input:
            grad_input = _product(ctx, grad_output, other.swapaxes(-1, -2))
            grad_input = unbroadcast(grad_input, input.shape)
        if needs_other:
            grad_other = _product(ctx, input.swapaxes(-1, -2), grad_output)
            grad_other = unbroadcast(grad_other, other.shape)
        return grad_input, grad_other

    @staticmethod
    def multiply_adds(inputs, output):
        return output.size * inputs[0].shape[-1]


def _product(ctx, input, other):
    if ctx.bfloat16:
        input, other = map(ctx.backend.rounded_to_bfloat16, (input, other))
    return ctx.backend.xp.matmul(input, other)


class Linear(Function):
    """input (N, in) @ weight (out, in).T + bias (out,)."""

    takes_bfloat16 = True

    @staticmethod
    def forward(ctx, input, weight, bias=None):
        backend = ctx.backend
        ctx.bfloat16 = rounds_factors(backend, input)
        output = backend.empty((input.shape[0], weight.shape[0]), weight.dtype)
        ctx.of_weight = weight.dtype
        factors = (backend.factor(x, ctx.bfloat16) for x in (input, weight))
        input, weight = map(backend.contiguous, factors)
        bias = None if bias is None else backend.contiguous(bias)
        backend.kernels.linear.forward(input, weight, bias, output=output, bfloat16=ctx.bfloat16)
        ctx.save_for_backward(input, weight)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved
        backend, kernels = ctx.backend, ctx.backend.kernels
        grad_output = backend.contiguous(grad_output)
        gradients = [None] * len(ctx.needs_input_grad)
        needs_input, needs_weight, *needs_bias = ctx.needs_input_grad
        factor = backend.factor(grad_output, ctx.bfloat16)
        if needs_input:
            gradients[0] = backend.empty(input.shape, input.dtype)
            kernels.linear.backward_input(
                factor, weight, grad_input=gradients[0], bfloat16=ctx.bfloat16
            )
        if needs_weight:
            gradients[1] = backend.empty(weight.shape, ctx.of_weight)
            kernels.linear.backward_weight(
                factor, input, grad_weight=gradients[1], bfloat16=ctx.bfloat16
            )
        if any(needs_bias):
            gradients[2] = backend.empty(weight.shape[:1], ctx.of_weight)
            kernels.bias.backward(grad_output, grad_bias=gradients[2])
        return tuple(gradients)

    @staticmethod
    def multiply_adds(inputs, output):
        return linear.multiply_adds(len(output), inputs[1].shape)
