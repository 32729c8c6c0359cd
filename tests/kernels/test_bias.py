"""Bias: both kernels against NumPy's broadcasting and sums in float64."""

import numpy as np
import pytest

from tests.kernels.on_device import BACKENDS, Kernels

SHAPES = [
    (1, 1),
    (2, 3),
    (7, 129),
    (3, 64),
    (2, 3, 1, 1),
    (2, 3, 7, 5),
    (1, 17, 16, 33),
    (31, 2, 9),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_forward_and_backward(backend, shape, dtype, rng, garbage, assert_close):
    kernels = Kernels(backend).bias
    input = rng.standard_normal(shape).astype(dtype)
    bias = rng.standard_normal(shape[1]).astype(dtype)
    output, grad_bias = garbage(shape, dtype), garbage(shape[1], dtype)
    kernels.forward(input, bias, output=output)
    kernels.backward(input, grad_bias=grad_bias)

    positions = tuple(range(2, len(shape)))
    assert_close(output, input + bias.reshape(-1, *[1] * len(positions)))
    assert_close(grad_bias, input.astype(np.float64).sum(axis=(0, *positions)).astype(dtype))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_backward_through_a_relu(backend, shape, dtype, rng, garbage, assert_close):
    """The bits of the two kernels that it stands for."""
    kernels = Kernels(backend)
    grad_output, output = rng.standard_normal((2, *shape)).astype(dtype)
    output.flat[0] = np.nan  # lets the gradient through
    grad_input, grad_bias = garbage(shape, dtype), garbage(shape[1], dtype)
    kernels.bias.backward_relu(grad_output, output, grad_input=grad_input, grad_bias=grad_bias)
    assert np.array_equal(grad_input, np.where(output <= 0, 0, grad_output))
    expected = garbage(shape[1], dtype)
    kernels.bias.backward(grad_input, grad_bias=expected)
    assert np.array_equal(grad_bias, expected)


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("shape", [(200_000, 2), (4, 2, 300, 300)])
def test_long_sums_do_not_lose_digits(backend, shape, garbage):
    # In float32, 2^24 + 1 = 2^24: a sum that is not wider loses all the ones.
    grad_output = np.ones(shape, np.float32)
    grad_output[0, 0] = 2.0**24
    grad_bias = garbage(2, np.float32)
    Kernels(backend).bias.backward(grad_output, grad_bias=grad_bias)
    expected = grad_output.astype(np.float64).swapaxes(0, 1).reshape(2, -1).sum(axis=1)
    np.testing.assert_array_equal(grad_bias, expected.astype(np.float32))


@pytest.mark.parametrize("shape", [(33, 257), (5, 3, 31, 17)])
def test_threads(shape, dtype, rng, garbage, same_on_any_number_of_threads):
    # In float32 the rounding of the result can hide another order of the sum, in float64 not.
    grad_output = rng.standard_normal(shape).astype(dtype)

    def run():
        grad_bias = garbage(shape[1], dtype)
        Kernels("cpu").bias.backward(grad_output, grad_bias=grad_bias)
        return [grad_bias]

    same_on_any_number_of_threads(run)
