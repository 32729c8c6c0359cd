"""Max- and average pooling: reference against PyTorch, cpu against reference, the tie rule."""

import numpy as np
import pytest

from minigrad.kernels import avg_pool2d, max_pool2d
from tests.kernels.on_device import BACKENDS, Kernels

# (H, W), kernel_size, stride, padding
WINDOWS = [
    ((1, 1), (1, 1), (1, 1), (0, 0)),
    ((3, 3), (3, 3), (2, 2), (0, 0)),
    ((7, 15), (3, 3), (2, 2), (0, 0)),  # overlapping, as in AlexNet
    ((16, 17), (3, 2), (2, 1), (1, 1)),
    ((15, 16), (2, 3), (1, 2), (1, 0)),
    ((31, 7), (2, 2), (3, 5), (0, 1)),  # gaps between windows
    ((33, 3), (5, 3), (1, 1), (2, 1)),
    ((2, 7), (1, 7), (1, 1), (0, 3)),
    ((6, 9), (4, 3), (3, 2), (0, 0)),  # rows and columns no window reaches
]


def run_max(backend, input, grad_output, window, garbage):
    kernels = Kernels(backend).max_pool2d
    shape = grad_output.shape
    output, argmax = garbage(shape, input.dtype), garbage(shape, np.int32)
    grad_input = garbage(input.shape, input.dtype)
    kernels.forward(input, *window, output=output, argmax=argmax)
    kernels.backward(grad_output, argmax, *window, grad_input=grad_input)
    return output, argmax, grad_input


def run_avg(backend, input, grad_output, window, garbage):
    kernels = Kernels(backend).avg_pool2d
    output = garbage(grad_output.shape, input.dtype)
    grad_input = garbage(input.shape, input.dtype)
    kernels.forward(input, *window, output=output)
    kernels.backward(grad_output, *window, grad_input=grad_input)
    return output, grad_input


def inputs(rng, size, window, dtype, planes=(2, 5), ceil_mode=False):
    input = rng.standard_normal((*planes, *size)).astype(dtype)
    shape = max_pool2d.output_shape(input.shape, *window, ceil_mode=ceil_mode)
    return input, rng.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("size, kernel_size, stride, padding", WINDOWS)
def test_reference_against_pytorch(size, kernel_size, stride, padding, rng, garbage, torch):
    window = kernel_size, stride, padding
    input, grad_output = inputs(rng, size, window, np.float64)
    for pool, run in (
        (torch.nn.functional.max_pool2d, run_max),
        (torch.nn.functional.avg_pool2d, run_avg),
    ):
        tensor = torch.from_numpy(input).requires_grad_()
        expected = pool(tensor, *window)
        expected.backward(torch.from_numpy(grad_output))
        output, *_, grad_input = run("reference", input, grad_output, window, garbage)
        np.testing.assert_allclose(output, expected.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(grad_input, tensor.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("planes", [(1, 1), (3, 7)])
@pytest.mark.parametrize("size, kernel_size, stride, padding", WINDOWS)
def test_against_reference(
    backend, size, kernel_size, stride, padding, planes, dtype, rng, garbage, assert_close
):
    window = kernel_size, stride, padding
    input, grad_output = inputs(rng, size, window, dtype, planes)
    output, argmax, grad_input = run_max(backend, input, grad_output, window, garbage)
    expected = run_max("reference", input, grad_output, window, garbage)
    np.testing.assert_array_equal(output, expected[0])
    np.testing.assert_array_equal(argmax, expected[1])
    assert_close(grad_input, expected[2])

    output, grad_input = run_avg(backend, input, grad_output, window, garbage)
    expected = run_avg("reference", input, grad_output, window, garbage)
    assert_close(output, expected[0])
    assert_close(grad_input, expected[1])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "size, kernel_size, stride, padding",
    [
        ((7, 6), (2, 3), (2, 2), (0, 0)),
        ((6, 9), (4, 3), (3, 4), (1, 0)),
        ((5, 4), (3, 2), (4, 3), (1, 1)),
        ((1, 2), (2, 4), (3, 3), (1, 2)),
    ],
)
def test_windows_beyond_the_padding(
    backend, size, kernel_size, stride, padding, rng, garbage, torch
):
    """Their sums have no zeros beyond it, and are divided by the whole window all the same."""
    window = kernel_size, stride, padding
    input, grad_output = inputs(rng, size, window, np.float64, ceil_mode=True)
    tensor = torch.from_numpy(input).requires_grad_()
    expected = torch.nn.functional.max_pool2d(tensor, *window, ceil_mode=True)
    expected.backward(torch.from_numpy(grad_output))
    output, _, grad_input = run_max(backend, input, grad_output, window, garbage)
    np.testing.assert_array_equal(output, expected.detach().numpy())
    np.testing.assert_allclose(grad_input, tensor.grad.numpy(), rtol=1e-12, atol=1e-14)

    tensor.grad = None
    options = {"ceil_mode": True, "divisor_override": kernel_size[0] * kernel_size[1]}
    expected = torch.nn.functional.avg_pool2d(tensor, *window, **options)
    expected.backward(torch.from_numpy(grad_output))
    output, grad_input = run_avg(backend, input, grad_output, window, garbage)
    np.testing.assert_allclose(output, expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(grad_input, tensor.grad.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("size, kernel_size, stride, padding", WINDOWS)
def test_max_of_ties_nan_and_infinity(size, kernel_size, stride, padding, dtype, rng, garbage):
    window = kernel_size, stride, padding
    input, grad_output = inputs(rng, size, window, dtype)
    input = np.round(input)
    input[rng.random(input.shape) < 0.05] = np.nan
    input[rng.random(input.shape) < 0.3] = -np.inf
    results = run_max("cpu", input, grad_output, window, garbage)
    expected = run_max("reference", input, grad_output, window, garbage)
    np.testing.assert_array_equal(results[0], expected[0])
    np.testing.assert_array_equal(results[1], expected[1])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "rows, index",
    [
        ([[1, 1], [1, 1]], 0),
        ([[0, 2], [2, 0]], 1),  # the first row wins over the first column
        ([[0, 0], [2, 2]], 2),
        ([[-np.inf, -np.inf], [-np.inf, -np.inf]], 0),
        ([[5, 0], [np.nan, 9]], 2),
        ([[0, np.nan], [np.nan, 9]], 1),  # of several NaN the first
    ],
)
@pytest.mark.parametrize("padding", [0, 1])
def test_first_maximum_wins(backend, rows, index, padding, dtype, garbage):
    input = np.array([[rows]], dtype)
    window = (2 + padding, 2 + padding), (9, 9), (padding, padding)
    _, argmax, grad_input = run_max(backend, input, np.ones((1, 1, 1, 1), dtype), window, garbage)
    assert argmax.item() == index
    np.testing.assert_array_equal(grad_input.ravel(), np.arange(4) == index)


def test_threads(rng, garbage, same_on_any_number_of_threads):
    window = (3, 3), (2, 2), (1, 1)
    input, grad_output = inputs(rng, (15, 17), window, np.float32, planes=(3, 11))
    same_on_any_number_of_threads(
        lambda: [
            *run_max("cpu", input, grad_output, window, garbage),
            *run_avg("cpu", input, grad_output, window, garbage),
        ]
    )


def test_output_shape():
    assert max_pool2d.output_shape((8, 96, 55, 13), (3, 3), (2, 2), (0, 0)) == (8, 96, 27, 6)
    assert max_pool2d.output_shape((1, 2, 8, 9), (3, 2), (2, 3), (1, 1)) == (1, 2, 4, 4)
    # Rounded up, where a window begins within the image (or the padding before it).
    shape = max_pool2d.output_shape((1, 2, 8, 7), (3, 2), (2, 3), (0, 0), ceil_mode=True)
    assert shape == (1, 2, 4, 3)
    shape = avg_pool2d.output_shape((1, 2, 4, 5), (1, 2), (4, 5), (0, 1), ceil_mode=True)
    assert shape == (1, 2, 1, 2)


@pytest.mark.parametrize("family, name", [(max_pool2d, "max_pool2d"), (avg_pool2d, "avg_pool2d")])
@pytest.mark.parametrize(
    "shape, kernel_size, padding, message",
    [
        (
            (1, 3, 2, 5),
            (3, 3),
            (0, 0),
            "window 3x3 with padding 0 does not fit input height 2 (input shape (1, 3, 2, 5))",
        ),
        (
            (1, 3, 5, 2),
            (3, 5),
            (0, 1),
            "window 3x5 with padding 1 does not fit input width 2 (input shape (1, 3, 5, 2))",
        ),
        ((1, 3, 5, 5), (3, 2), (2, 0), "padding 2 in height is more than half of the window 3x2"),
    ],
)
def test_impossible_windows(family, name, shape, kernel_size, padding, message):
    with pytest.raises(ValueError) as error:
        family.output_shape(shape, kernel_size, (1, 1), padding)
    assert str(error.value) == f"{name}: {message}"
