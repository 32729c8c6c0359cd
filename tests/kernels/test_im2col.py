"""im2col and col2im: by hand, against the reference, and as adjoints."""

import numpy as np
import pytest

from minigrad.kernels import im2col
from minigrad.kernels.shared import shapes
from tests.kernels.on_device import BACKENDS, Kernels

cpu, reference = Kernels("cpu").im2col, Kernels("reference").im2col

SHAPES = [  # input, kernel_size, stride, padding
    ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0)),
    ((2, 3, 5, 4), (3, 2), (1, 1), (0, 0)),
    ((2, 3, 5, 4), (2, 3), (2, 1), (1, 2)),
    ((1, 2, 7, 6), (2, 2), (3, 4), (0, 1)),  # strides larger than windows
    ((3, 1, 4, 5), (4, 5), (1, 1), (0, 0)),  # one window
    ((1, 2, 2, 3), (3, 4), (1, 2), (3, 4)),  # windows of padding only
    ((2, 2, 17, 31), (11, 5), (4, 3), (2, 1)),
]


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_hand(backend):
    image = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    output = np.full((1, 4, 4), np.nan, np.float32)
    Kernels(backend).im2col.forward(image, (2, 2), (2, 2), (1, 1), output=output)
    assert output[0].tolist() == [[0, 0, 0, 5], [0, 0, 4, 6], [0, 2, 0, 8], [1, 3, 7, 9]]


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("shape, window", [(s, w) for s, *w in SHAPES])
def test_equals_reference(backend, shape, window, dtype, rng):
    fast = Kernels(backend).im2col
    image = rng.standard_normal(shape).astype(dtype)
    columns = np.empty(im2col.output_shape(shape, *window), dtype)
    expected, result = np.full_like(columns, np.nan), np.full_like(columns, np.nan)
    reference.forward(image, *window, output=expected)
    fast.forward(image, *window, output=result)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("backend", ["cpu", "cuda"])
@pytest.mark.parametrize("shape, window", [(s, w) for s, *w in SHAPES])
def test_col2im_equals_reference_and_is_the_adjoint(
    backend, shape, window, dtype, rng, assert_close
):
    fast = Kernels(backend).im2col
    image = rng.standard_normal(shape).astype(dtype)
    columns = np.empty(im2col.output_shape(shape, *window), dtype)
    fast.forward(image, *window, output=columns)
    grad_output = rng.standard_normal(columns.shape).astype(dtype)
    expected, result = np.full_like(image, np.nan), np.full_like(image, np.nan)
    reference.backward(grad_output, *window, grad_input=expected)
    fast.backward(grad_output, *window, grad_input=result)
    assert_close(result, expected)
    forward = np.vdot(columns.astype(float), grad_output.astype(float))
    assert forward == pytest.approx(np.vdot(image.astype(float), result.astype(float)), rel=1e-4)


def test_is_the_same_on_any_number_of_threads(rng, same_on_any_number_of_threads):
    image = rng.standard_normal((3, 5, 9, 8)).astype(np.float32)

    def run():
        columns = np.empty((3, 45, 72), np.float32)
        cpu.forward(image, (3, 3), (1, 1), (1, 1), output=columns)
        again = np.empty_like(image)
        cpu.backward(columns, (3, 3), (1, 1), (1, 1), grad_input=again)
        return [columns, again]

    same_on_any_number_of_threads(run)


def test_window_that_does_not_fit():
    assert shapes.output_size((1, 1, 5, 6), (3, 2), (2, 3), (1, 0)) == (3, 2)
    with pytest.raises(ValueError, match=r"window 3x7 with padding 0 does not fit input width 6"):
        shapes.output_size((1, 1, 5, 6), (3, 7), (1, 1), (0, 0))
