"""The checker is checked: planted errors must be found, kinks and bad inputs be named."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad.ops.elementwise import unbroadcast
from minigrad.ops.matmul import MatMul
from minigrad.ops.normalization import LocalResponseNorm
from tests.op_cases import distinct


def tensor(rng, *shape):
    return mg.Tensor(rng.standard_normal(shape), requires_grad=True)


class Square(mg.Function):
    factor = 2.0

    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input * input

    @classmethod
    def backward(cls, ctx, grad_output):
        (input,) = ctx.saved
        return cls.factor * input * grad_output


class SquareWithWrongFactor(Square):
    factor = 2.003


class SquareWithWrongSign(Square):
    factor = -2.0


class SquareNotLinearInTheGradient(Square):
    @classmethod
    def backward(cls, ctx, grad_output):
        return super().backward(ctx, grad_output) * abs(grad_output)


class SquareOfOneElement(Square):
    """Forgets the gradient of the last element, as a kernel with a wrong bound does."""

    @classmethod
    def backward(cls, ctx, grad_output):
        grad_input = super().backward(ctx, grad_output)
        grad_input[..., -1] = 0
        return grad_input


class SquareThatChangesItsInput(Square):
    @classmethod
    def backward(cls, ctx, grad_output):
        (input,) = ctx.saved
        grad_input = 2 * input * grad_output
        input += 1
        return grad_input


class MatMulWithSwappedAxes(MatMul):
    @staticmethod
    def backward(ctx, grad_output):
        input, other = ctx.saved
        return grad_output @ other, input.T @ grad_output


class SoftmaxWithScaledBackward(mg.Function):
    """Wrong in a way that output gradients of all ones would not show: both sides are 0."""

    @staticmethod
    def forward(ctx, input):
        e = np.exp(input)
        output = e / e.sum(axis=-1, keepdims=True)
        ctx.save_for_backward(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        (output,) = ctx.saved
        weighted = grad_output * output
        return 1.01 * (weighted - output * weighted.sum(axis=-1, keepdims=True))


class LocalResponseNormWithFourChannels(LocalResponseNorm):
    @staticmethod
    def backward(ctx, grad_output):
        _, *rest = ctx.parameters
        ctx.parameters = 4, *rest
        return LocalResponseNorm.backward(ctx, grad_output)


class LocalResponseNormWithoutCrossTerm(LocalResponseNorm):
    @staticmethod
    def backward(ctx, grad_output):
        size, alpha, beta, k = ctx.parameters
        input = ctx.backend.channels_first(*ctx.saved)
        return grad_output * (normalization_scale(input, size, alpha, k) ** -beta)


def normalization_scale(input, size, alpha, k):
    C = input.shape[1]
    squares = [
        (input[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1] ** 2).sum(axis=1)
        for c in range(C)
    ]
    return k + alpha / size * np.stack(squares, axis=1)


class AddWithForgottenBroadcast(mg.Function):
    @staticmethod
    def forward(ctx, input, other):
        ctx.shapes = input.shape, other.shape
        return input + other

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output, unbroadcast(grad_output, ctx.shapes[1]) / grad_output.shape[0]


NORM = {"size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0}
PLANTED = {
    "wrong factor": (SquareWithWrongFactor, {}, [(3, 4)]),
    "wrong sign": (SquareWithWrongSign, {}, [(3, 4)]),
    "element left out": (SquareOfOneElement, {}, [(3, 4)]),
    "swapped axes": (MatMulWithSwappedAxes, {}, [(3, 3), (3, 3)]),
    "scaled softmax": (SoftmaxWithScaledBackward, {}, [(3, 4)]),
    "four channels": (LocalResponseNormWithFourChannels, NORM, [(2, 7, 3, 2)]),
    "cross term": (LocalResponseNormWithoutCrossTerm, NORM, [(2, 7, 3, 2)]),
    "broadcast": (AddWithForgottenBroadcast, {}, [(3, 4), (1, 4)]),
}


@pytest.mark.parametrize("mode", ["full", "direction"])
@pytest.mark.parametrize("error", PLANTED)
def test_planted_error_is_found(error, mode, rng):
    function, parameters, shapes = PLANTED[error]
    inputs = [tensor(rng, *shape) for shape in shapes]
    with pytest.raises(mg.GradcheckError, match="gradient of input|slope along"):
        mg.gradcheck(lambda *x: function.apply(*x, **parameters), inputs, mode=mode)


def test_right_gradients_pass(rng):
    assert mg.gradcheck(Square.apply, tensor(rng, 3, 4)) is True
    assert mg.gradcheck(Square.apply, [tensor(rng, 3, 4)], mode="direction") is True


def test_message_names_the_worst_element(rng):
    class WrongAtOne(Square):
        @classmethod
        def backward(cls, ctx, grad_output):
            grad_input = super().backward(ctx, grad_output)
            grad_input[1, 2] *= 3
            return grad_input

    x = mg.Tensor(np.full((2, 3), 0.5), requires_grad=True)
    with pytest.raises(mg.GradcheckError) as error:
        mg.gradcheck(WrongAtOne.apply, x)
    assert str(error.value).startswith(
        "gradient of input 0 is wrong in 1 of 36 elements; the worst is "
        "d output[1, 2] / d input[1, 2]: analytic 3, numerical "
    )


def test_gradient_of_an_input_that_is_not_used_is_zero(rng):
    assert mg.gradcheck(lambda a, b: a * 2.0, [tensor(rng, 2), tensor(rng, 3)])


def test_missing_gradient_is_found(rng):
    with pytest.raises(mg.GradcheckError, match="gradient of input 0 is wrong in 6 of 36"):
        mg.gradcheck(lambda x, y: x.detach() * y, [tensor(rng, 6), tensor(rng, 6)])


@pytest.mark.parametrize(
    "function, values, where",
    [
        (F.relu, np.array([1.0, 0.0, -1.0]), "[1]"),
        (lambda x: F.max_pool2d(x, 2), np.array([[[[3.0, 1.0], [3.0, 2.0]]]]), "[0, 0, 0, 0]"),
        (F.max, np.array([0.5, 2.0, 2.0]), "[1]"),
    ],
)
def test_kink_is_called_a_kink(function, values, where):
    with pytest.raises(mg.GradcheckError) as error:
        mg.gradcheck(function, mg.Tensor(values, requires_grad=True))
    assert str(error.value).startswith(f"kink at input 0 {where}: ")
    assert "distinct values for max-pooling, non-zero for ReLU" in str(error.value)


def test_kink_along_a_direction(rng):
    with pytest.raises(mg.GradcheckError, match="kink at input 0 along the direction"):
        x = mg.Tensor(np.zeros((2, 2)), requires_grad=True)
        mg.gradcheck(F.relu, x, mode="direction")


def test_gradient_that_is_not_linear_in_the_output_gradient(rng):
    with pytest.raises(mg.GradcheckError, match="input 0 is not linear in the output's"):
        mg.gradcheck(SquareNotLinearInTheGradient.apply, tensor(rng, 3))


def test_function_that_is_not_repeatable(rng):
    with pytest.raises(mg.GradcheckError, match="different values for the same input"):
        mg.gradcheck(lambda x: F.dropout(x, 0.5), tensor(rng, 8, 8))


def test_backward_that_is_not_repeatable(rng):
    class Noisy(Square):
        @classmethod
        def backward(cls, ctx, grad_output):
            return super().backward(ctx, grad_output) + rng.standard_normal()

    with pytest.raises(mg.GradcheckError, match="two backward passes"):
        mg.gradcheck(Noisy.apply, tensor(rng, 3))


def test_input_changed_in_place(rng):
    with pytest.raises(mg.GradcheckError, match="changes input 0 in place"):
        mg.gradcheck(SquareThatChangesItsInput.apply, tensor(rng, 3))


@pytest.mark.parametrize("mode", ["full", "direction"])
def test_inputs_are_left_as_they_were(mode, rng):
    x = mg.Tensor(distinct(3, 4)(rng), requires_grad=True)
    before = x.data.copy()
    mg.gradcheck(F.exp, x, mode=mode)
    assert np.array_equal(x.data, before) and x.grad is None


def test_refuses_what_it_cannot_judge(rng):
    single = mg.Tensor(np.ones(3, np.float32), requires_grad=True)
    with pytest.raises(TypeError, match="gradcheck: input 0 is float32, expected float64"):
        mg.gradcheck(F.exp, single)
    with pytest.raises(ValueError, match="gradcheck: no input has requires_grad=True"):
        mg.gradcheck(F.exp, mg.Tensor(np.ones(3)))
    with pytest.raises(ValueError, match="mode must be 'full' or 'direction', got 'half'"):
        mg.gradcheck(F.exp, tensor(rng, 3), mode="half")
    transposed = mg.Tensor(rng.standard_normal((3, 2)).T, requires_grad=True)
    with pytest.raises(ValueError, match="gradcheck: input 0 must be contiguous"):
        mg.gradcheck(F.exp, transposed)


@pytest.mark.parametrize("mode", ["full", "direction"])
def test_an_input_that_is_given_twice(mode, rng):
    x, y = tensor(rng, 2, 3), tensor(rng, 2, 3)
    mg.gradcheck(lambda a, b, c: a * b * c, (x, y, x), mode=mode)
    with pytest.raises(mg.GradcheckError):
        mg.gradcheck(lambda a, b, c: a.detach() * b * c, (x, y, x), mode=mode)


def test_inputs_that_share_memory(rng):
    values = rng.standard_normal(4)
    one, other = (mg.Tensor(values[part], requires_grad=True) for part in (np.s_[:3], np.s_[1:]))
    with pytest.raises(ValueError, match="gradcheck: inputs 0 and 1 share memory"):
        mg.gradcheck(F.multiply, (one, other))
    with pytest.raises(ValueError, match="gradcheck: inputs 0 and 1 share memory"):
        mg.gradcheck(F.multiply, (mg.Tensor(values, requires_grad=True), values))
    one, other = (mg.Tensor(values.reshape(2, 2)[i], requires_grad=True) for i in range(2))
    mg.gradcheck(F.multiply, (one, other))


@pytest.mark.parametrize("mode", ["full", "direction"])
def test_an_empty_batch(mode):
    x = mg.Tensor(np.ones((0, 3)), requires_grad=True)
    for function in (F.exp, F.sum, lambda x: F.linear(x, mg.Tensor(np.ones((2, 3))))):
        assert mg.gradcheck(function, x, mode=mode)


@pytest.mark.parametrize("mode", ["full", "direction"])
def test_inputs_are_left_as_they_were_by_a_function_that_fails(mode, rng):
    calls = []

    def failing(x):
        calls.append(x)
        if len(calls) == 7:
            raise KeyError("the seventh call")
        return x * x

    x = tensor(rng, 3)
    before = x.data.copy()
    with pytest.raises(KeyError):
        mg.gradcheck(failing, x, mode=mode)
    assert np.array_equal(x.data, before)


def test_an_output_that_does_not_depend_on_the_input(rng):
    constant = mg.Tensor(np.ones(3))
    mg.gradcheck(lambda x: constant, tensor(rng, 3))
    with pytest.raises(mg.GradcheckError, match="analytic 0, numerical"):
        mg.gradcheck(lambda x: x.detach() * 2.0, tensor(rng, 3))


@pytest.mark.parametrize(
    ("func", "returned"),
    [
        (lambda x: (x, x), "tuple"),
        (lambda x: x.numpy(), "ndarray"),
        (lambda x: x.to(np.float32), "float32"),
    ],
)
def test_an_output_that_cannot_be_compared(func, returned, rng):
    with pytest.raises(TypeError, match=f"func returned {returned}, expected one float64 Tensor"):
        mg.gradcheck(func, tensor(rng, 3))


def test_where_nothing_can_be_moved_or_recorded(rng):
    x = tensor(rng, 3)
    with mg.no_grad(), pytest.raises(RuntimeError, match=r"gradcheck: within no_grad\(\)"):
        mg.gradcheck(F.exp, x)
    x.data.flags.writeable = False
    with pytest.raises(ValueError, match="gradcheck: input 0 is read-only"):
        mg.gradcheck(F.exp, x)
