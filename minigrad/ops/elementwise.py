"""Elementwise operations. Binary ones broadcast as NumPy does."""

from minigrad.autograd import Function


def unbroadcast(gradient, shape):
    """Sum `gradient` over the dimensions along which an input of `shape` was broadcast."""
    if gradient.shape == shape:
        return gradient
    if not gradient.flags.c_contiguous:  # the order of the sum is that of the memory
        gradient = gradient.copy(order="C")
    added = gradient.ndim - len(shape)
    stretched = tuple(
        added + i for i, size in enumerate(shape) if size == 1 and gradient.shape[added + i] != 1
    )
    return gradient.sum(axis=tuple(range(added)) + stretched, keepdims=True).reshape(shape)


class Add(Function):
    @staticmethod
    def forward(ctx, input, other):
        ctx.shapes = input.shape, other.shape
        return input + other

    @staticmethod
    def backward(ctx, grad_output):
        return tuple(unbroadcast(grad_output, shape) for shape in ctx.shapes)


class Subtract(Function):
    @staticmethod
    def forward(ctx, input, other):
        ctx.shapes = input.shape, other.shape
        return input - other

    @staticmethod
    def backward(ctx, grad_output):
        return unbroadcast(grad_output, ctx.shapes[0]), -unbroadcast(grad_output, ctx.shapes[1])


class Multiply(Function):
    @staticmethod
    def forward(ctx, input, other):
        ctx.save_for_backward(input, other)
        return input * other

    @staticmethod
    def backward(ctx, grad_output):
        input, other = ctx.saved
        return (
            unbroadcast(grad_output * other, input.shape),
            unbroadcast(grad_output * input, other.shape),
        )


class Divide(Function):
    @staticmethod
    def forward(ctx, input, other):
        ctx.save_for_backward(input, other)
        return input / other

    @staticmethod
    def backward(ctx, grad_output):
        input, other = ctx.saved
        grad_input = grad_output / other
        return (
            unbroadcast(grad_input, input.shape),
            unbroadcast(-grad_input * input / other, other.shape),
        )


class Negative(Function):
    @staticmethod
    def forward(ctx, input):
        return -input

    @staticmethod
    def backward(ctx, grad_output):
        return -grad_output


class Power(Function):
    @staticmethod
    def forward(ctx, input, *, exponent):
        input = ctx.backend.dense(input)
        ctx.save_for_backward(input)
        ctx.exponent = exponent
        return input**exponent

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved
        return grad_output * (ctx.exponent * input ** (ctx.exponent - 1))


class Exp(Function):
    @staticmethod
    def forward(ctx, input):
        output = ctx.backend.xp.exp(ctx.backend.dense(input))
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        (output,) = ctx.saved
        return grad_output * output


class Log(Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return ctx.backend.xp.log(ctx.backend.dense(input))

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved
        return grad_output / input


class Sqrt(Function):
    @staticmethod
    def forward(ctx, input):
        output = ctx.backend.xp.sqrt(input)
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        (output,) = ctx.saved
        return grad_output / (2 * output)


class Tanh(Function):
    @staticmethod
    def forward(ctx, input):
        output = ctx.backend.xp.tanh(ctx.backend.dense(input))
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        (output,) = ctx.saved
        return grad_output * (1 - output * output)


class Sigmoid(Function):
    @staticmethod
    def forward(ctx, input):
        # tanh saturates without overflow, exp(-input) does not.
        output = (ctx.backend.xp.tanh(ctx.backend.dense(input) / 2) + 1) / 2
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        (output,) = ctx.saved
        return grad_output * (output * (1 - output))


class ReLU(Function):
    @staticmethod
    def forward(ctx, input, *, inplace):
        input = ctx.backend.channels_last(input)
        output = input if inplace else ctx.backend.empty(input.shape, input.dtype)
        ctx.backend.kernels.relu.forward(input, output=output)
        ctx.save_for_backward(output)
        return ctx.backend.channels_first(output)

    @staticmethod
    def backward(ctx, grad_output):
        (output,) = ctx.saved
        grad_output = ctx.backend.channels_last(grad_output)
        grad_input = ctx.backend.empty(output.shape, output.dtype)
        ctx.backend.kernels.relu.backward(grad_output, output, grad_input=grad_input)
        return ctx.backend.channels_first(grad_input)


class Cast(Function):
    @staticmethod
    def forward(ctx, input, *, dtype):
        ctx.dtype = input.dtype
        return input.astype(dtype)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.astype(ctx.dtype)
