"""Normalization and max-pooling at once, against the reference, which is the two families' loops.

alpha and k are near 1: at the paper's constants the sum of squares hardly matters and a wrong
window would not be seen.
"""

import numpy as np
import pytest

from minigrad.kernels import max_pool2d
from tests.kernels.on_device import BACKENDS, Kernels

# (C, H, W), size, beta, (kernel_size, stride, padding)
CASES = [
    ((1, 1, 1), 1, 0.75, ((1, 1), (1, 1), (0, 0))),
    ((7, 7, 15), 5, 0.75, ((3, 3), (2, 2), (0, 0))),  # overlapping, as in AlexNet
    ((96, 5, 19), 5, 0.75, ((3, 3), (2, 2), (0, 0))),  # more than a tile across
    ((256, 5, 6), 5, 0.75, ((3, 3), (2, 2), (0, 0))),  # all lanes of a warp have channels
    ((128, 4, 3), 5, 0.5, ((3, 2), (1, 2), (1, 1))),
    ((248, 3, 4), 5, 1.0, ((2, 2), (1, 1), (0, 0))),
    ((4, 6, 5), 5, 0.75, ((3, 3), (2, 1), (1, 0))),  # a single lane
    ((12, 4, 5), 7, 0.75, ((3, 3), (2, 2), (0, 0))),
    ((12, 4, 5), 4, 0.75, ((3, 3), (2, 2), (0, 0))),
    ((31, 16, 17), 2, 0.5, ((3, 2), (2, 1), (1, 1))),
    ((33, 3, 16), 4, 1.0, ((2, 3), (1, 2), (1, 0))),
    ((17, 31, 7), 40, 0.75, ((2, 2), (3, 5), (0, 1))),  # gaps between windows
    ((2, 33, 3), 3, 0.3, ((5, 3), (1, 1), (2, 1))),
    ((5, 2, 7), 3, 0.75, ((1, 7), (1, 1), (0, 3))),
    ((3, 6, 9), 8, 0.75, ((4, 3), (3, 2), (0, 0))),  # rows and columns no window reaches
    ((4, 3, 2), 2, 0.75, ((6, 4), (1, 1), (3, 2))),  # windows larger than the image
    ((800, 2, 3), 5, 0.75, ((2, 2), (1, 1), (0, 0))),  # two kernels backward on the GPU,
    ((4, 9, 10), 3, 0.75, ((5, 5), (1, 1), (2, 2))),  # and forward
]


def run(backend, input, grad_output, norm, window, garbage):
    kernels = Kernels(backend).local_response_norm_max_pool2d
    output, argmax = garbage(grad_output.shape, input.dtype), garbage(grad_output.shape, np.int32)
    grad_input = garbage(input.shape, input.dtype)
    kernels.forward(input, *norm, *window, output=output, argmax=argmax)
    kernels.backward(grad_output, argmax, input, *norm, *window, grad_input=grad_input)
    return output, argmax, grad_input


def run_separately(backend, input, grad_output, norm, window, garbage):
    kernels = Kernels(backend)
    normalized, grad = garbage(input.shape, input.dtype), garbage(input.shape, input.dtype)
    output, argmax = garbage(grad_output.shape, input.dtype), garbage(grad_output.shape, np.int32)
    grad_input = garbage(input.shape, input.dtype)
    kernels.local_response_norm.forward(input, *norm, output=normalized)
    kernels.max_pool2d.forward(normalized, *window, output=output, argmax=argmax)
    kernels.max_pool2d.backward(grad_output, argmax, *window, grad_input=grad)
    kernels.local_response_norm.backward(grad, input, *norm, grad_input=grad_input)
    return output, argmax, grad_input


def arguments(rng, shape, size, beta, window, dtype, images=2):
    input = rng.standard_normal((images, *shape)).astype(dtype)
    output_shape = max_pool2d.output_shape(input.shape, *window)
    grad_output = rng.standard_normal(output_shape).astype(dtype)
    return input, grad_output, (size, 1.1, beta, 0.9), window


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("shape, size, beta, window", CASES)
def test_against_reference(backend, shape, size, beta, window, dtype, rng, garbage, assert_close):
    given = arguments(rng, shape, size, beta, window, dtype)
    output, argmax, grad_input = run(backend, *given, garbage)
    expected = run("reference", *given, garbage)
    assert_close(output, expected[0])
    np.testing.assert_array_equal(argmax, expected[1])
    assert_close(grad_input, expected[2])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape, size, beta, window", CASES)
def test_ties_nan_and_infinity(backend, shape, size, beta, window, dtype, rng, garbage):
    """The same maxima, to the bit, as the two kernels find; zeros after a ReLU are many ties."""
    input, *rest = arguments(rng, shape, size, beta, window, dtype)
    input = np.maximum(input, 0)
    input[rng.random(input.shape) < 0.02] = np.nan
    input[rng.random(input.shape) < 0.02] = np.inf
    with np.errstate(invalid="ignore"):
        results = run(backend, input, *rest, garbage)
        expected = run_separately(backend, input, *rest, garbage)
    np.testing.assert_array_equal(results[0], expected[0])
    np.testing.assert_array_equal(results[1], expected[1])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_maximum_is_that_of_the_normalized_values(backend, garbage):
    """The largest input, 4, has a large neighbor in channel 1: what wins is the 1 beside it."""
    input = np.array([[[[4.0, 1.0]], [[100.0, 0.0]]]])
    window = (1, 2), (1, 2), (0, 0)
    grad_output = np.array([[[[1.0]], [[0.0]]]])
    output, argmax, grad_input = run(
        backend, input, grad_output, (3, 3.0, 1.0, 1.0), window, garbage
    )
    # s = 1 + the sum of squares of both channels: 10017 and 2.
    np.testing.assert_allclose(output.ravel(), [1 / 2, 100 / 10017])
    np.testing.assert_array_equal(argmax.ravel(), [1, 0])
    # 1 / s - 2 x^2 / s^2 = 1/2 - 2/4; the other channel's input there is 0.
    np.testing.assert_allclose(grad_input, 0, atol=1e-15)


def test_threads(rng, garbage, same_on_any_number_of_threads):
    window = (3, 3), (2, 2), (1, 1)
    given = arguments(rng, (11, 37, 17), 5, 0.75, window, np.float32, images=3)
    same_on_any_number_of_threads(lambda: list(run("cpu", *given, garbage)))
