"""Elementwise operations. Binary ones broadcast as NumPy does."""

from minigrad.autograd import Function
from minigrad.ops.reduce import total


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
    return total(gradient, tuple(range(added)) + stretched, keepdims=True).reshape(shape)


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
        # input / other / other overflows only where the derivative does; other * other does sooner.
        return (
            unbroadcast(grad_output / other, input.shape),
            unbroadcast(-grad_output * (input / other / other), other.shape),
        )


class Negative(Function):
    @staticmethod
    def forward(ctx, input):
        return -input

    @staticmethod
    def backward(ctx, grad_output):
        return -grad_output


class Power(Function):
    """input ** exponent, where the exponent is a Python float, which no dtype follows."""

    @staticmethod
    def forward(ctx, input, *, exponent):
        input = ctx.backend.dense(input)
        ctx.save_for_backward(input)
        ctx.exponent = exponent
        return input**exponent

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved
        if ctx.exponent == 0:  # also where input ** -1 is infinite
            return ctx.backend.xp.zeros_like(input)
        return grad_output * (ctx.exponent * input ** (ctx.exponent - 1))


class TensorPower(Function):
    """input ** exponent with an exponent of its own for each element."""

    @staticmethod
    def forward(ctx, input, exponent):
        input, exponent = map(ctx.backend.dense, (input, exponent))
        output = input**exponent
        ctx.save_for_backward(input, exponent, output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, exponent, output = ctx.saved
        xp, zero = ctx.backend.xp, input.dtype.type(0)
        grad_input = grad_exponent = None
        if ctx.needs_input_grad[0]:
            derivative = exponent * input ** (exponent - 1)
            grad_input = grad_output * xp.where(exponent == 0, zero, derivative)
            grad_input = unbroadcast(grad_input, input.shape)
        if ctx.needs_input_grad[1]:
            # 0 ** exponent is constant for exponents of at least 0, but log(0) is infinite.
            is_constant = (input == 0) & (exponent >= 0)
            derivative = xp.where(is_constant, zero, output * xp.log(input))
            grad_exponent = unbroadcast(grad_output * derivative, exponent.shape)
        return grad_input, grad_exponent


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
        input = ctx.backend.dense(input)
        ctx.save_for_backward(input)
        return ctx.backend.xp.tanh(input)

    @staticmethod
    def backward(ctx, grad_output):
        # 4 z / (1 + z)^2 with z = exp(-2 |input|). 1 - output^2 has no correct digit left where
        # the output is near 1.
        (input,) = ctx.saved
        z = ctx.backend.xp.exp(-2 * abs(input))
        return grad_output * (4 * z / ((1 + z) * (1 + z)))


class Sigmoid(Function):
    """1 / (1 + z) for positive input and z / (1 + z) for negative, with z = exp(-|input|) <= 1.

    Neither form overflows or subtracts numbers that are nearly equal.
    """

    @staticmethod
    def forward(ctx, input):
        input = ctx.backend.dense(input)
        ctx.save_for_backward(input)
        xp = ctx.backend.xp
        z = xp.exp(-abs(input))
        return xp.where(input < 0, z, input.dtype.type(1)) / (1 + z)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved
        z = ctx.backend.xp.exp(-abs(input))
        return grad_output * (z / ((1 + z) * (1 + z)))


class ReLU(Function):
    takes_bfloat16 = True

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
    takes_bfloat16 = True

    @staticmethod
    def forward(ctx, input, *, dtype):
        ctx.dtype = input.dtype
        return input.astype(dtype)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output.astype(ctx.dtype)
