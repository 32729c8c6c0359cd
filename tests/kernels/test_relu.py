"""ReLU: both kernels against NumPy, exactly."""

import numpy as np
import pytest

from tests.kernels.on_device import BACKENDS, Kernels

SHAPES = [1, 7, 33, (3, 5), (2, 3, 7, 15), (3, (1 << 14) + 1)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_forward_and_backward(backend, shape, dtype, rng, garbage):
    kernels = Kernels(backend).relu
    input, grad_output = rng.standard_normal((2, *np.empty(shape).shape)).astype(dtype)
    output, grad_input = garbage(input.shape, dtype), garbage(input.shape, dtype)
    kernels.forward(input, output=output)
    kernels.backward(grad_output, output, grad_input=grad_input)
    np.testing.assert_array_equal(output, np.maximum(input, 0))
    np.testing.assert_array_equal(grad_input, np.where(input > 0, grad_output, 0))


@pytest.mark.parametrize("backend", BACKENDS)
def test_special_values(backend, dtype, garbage):
    kernels = Kernels(backend).relu
    input = np.array([-np.inf, -1, -0.0, 0, np.inf, np.nan], dtype)
    output, grad_input = garbage(6, dtype), garbage(6, dtype)
    kernels.forward(input, output=output)
    kernels.backward(np.full(6, 3, dtype), output, grad_input=grad_input)
    np.testing.assert_array_equal(output, [0, 0, 0, 0, np.inf, np.nan])
    np.testing.assert_array_equal(grad_input, [0, 0, 0, 0, 3, 3])


@pytest.mark.parametrize("backend", BACKENDS)
def test_in_place(backend, rng):
    kernels = Kernels(backend).relu
    array = rng.standard_normal(1000, np.float32)
    gradient = rng.standard_normal(1000, np.float32)
    output, grad_input = np.maximum(array, 0), np.where(array > 0, gradient, 0)
    kernels.forward(array, output=array)
    kernels.backward(gradient, array, grad_input=gradient)
    np.testing.assert_array_equal(array, output)
    np.testing.assert_array_equal(gradient, grad_input)
