"""Both paths of the convolution against each other and the reference, and which is taken."""

import numpy as np
import pytest

from kernels import _layout, conv2d
from kernels._microkernel import lanes_of
from kernels.conv2d import _direct, _im2col, cpu, reference

SHAPES = [  # channels, image, output channels, window, stride, padding, groups
    (3, (5, 4), 4, (3, 2), (1, 1), (0, 0), 1),
    (4, (6, 7), 6, (2, 3), (2, 3), (1, 1), 2),
    (17, (3, 3), 9, (3, 3), (1, 1), (1, 1), 1),
    (8, (4, 5), 34, (2, 2), (1, 2), (1, 0), 2),
    (3, (1, 40), 5, (1, 7), (1, 1), (0, 3), 1),
    (5, (3, 3), 5, (1, 1), (2, 2), (0, 0), 5),
    (2, (9, 8), 3, (4, 4), (4, 3), (2, 1), 1),
    (36, (4, 4), 36, (3, 2), (1, 1), (1, 1), 2),
]


def make_arrays(N, shape, dtype, rng):
    C, size, OC, window, stride, padding, groups = shape
    input = rng.standard_normal((N, C, *size)).astype(dtype)
    weight = rng.standard_normal((OC, C // groups, *window)).astype(dtype)
    bias = rng.standard_normal(OC).astype(dtype)
    output = conv2d.output_shape(input.shape, weight.shape, stride, padding, groups)
    grad_output = rng.standard_normal(output).astype(dtype)
    return input, weight, bias, grad_output, (stride, padding, groups)


def run(module, input, weight, bias, grad_output, parameters):
    output, grad_weight = np.full_like(grad_output, np.nan), np.full_like(weight, np.nan)
    module.forward(input, weight, bias, *parameters, output=output)
    module.backward_weight(grad_output, input, *parameters, grad_weight=grad_weight)
    return [output, grad_weight]


def run_backward_input(module, input, weight, grad_output, parameters):
    grad_input = np.full_like(input, np.nan)
    module.backward_input(grad_output, weight, *parameters, grad_input=grad_input)
    return grad_input


@pytest.mark.parametrize("path", [_direct, _im2col], ids=["direct", "im2col"])
@pytest.mark.parametrize("N", [1, 3])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_path_equals_reference(path, N, shape, dtype, rng, assert_close):
    arrays = make_arrays(N, shape, dtype, rng)
    for result, expected in zip(run(path, *arrays), run(reference, *arrays)):
        assert_close(result, expected)
    input, weight, _, grad_output, parameters = arrays
    if path is _im2col or parameters[0] == (1, 1):
        rest = input, weight, grad_output, parameters
        assert_close(run_backward_input(path, *rest), run_backward_input(reference, *rest))


@pytest.mark.parametrize("path", [_direct, _im2col], ids=["direct", "im2col"])
def test_order_in_memory_does_not_matter(path, dtype, rng):
    """Channels last, or in the order of the dimensions: the same bits."""
    input, weight, bias, grad_output, parameters = make_arrays(2, SHAPES[1], dtype, rng)
    plain = run(path, input, weight, bias, grad_output, parameters)
    input, grad_output = _layout.channels_last(input), _layout.channels_last(grad_output)
    assert not input.flags.c_contiguous
    for result, expected in zip(run(path, input, weight, bias, grad_output, parameters), plain):
        np.testing.assert_array_equal(result, expected)


def test_long_sums_are_split(dtype, rng, assert_close):
    """More channels and pixels than are summed at a time, and more tasks than one."""
    for shape in (
        (_direct.DEPTH + 7, (3, 35), 3, (1, 2), (1, 1), (0, 1), 1),
        (70, (3, 35), lanes_of(dtype) + 1, (3, 3), (1, 1), (1, 1), 1),
        (4, (60, 60), 3, (3, 2), (1, 1), (0, 0), 1),
    ):
        arrays = make_arrays(3, shape, dtype, rng)
        for direct, plain in zip(run(_direct, *arrays), run(_im2col, *arrays)):
            assert_close(direct, plain)


def test_stride_and_wide_padding_of_an_input_gradient_take_the_plain_path(monkeypatch, rng):
    taken = []
    for path in (_direct, _im2col):
        monkeypatch.setattr(path, "backward_input", lambda *a, path=path, **k: taken.append(path))
    input, weight, _, grad_output, _ = make_arrays(2, SHAPES[0], np.dtype(np.float32), rng)
    for parameters in ((1, 1), (0, 0), 1), ((2, 1), (0, 0), 1), ((1, 1), (0, 2), 1):
        run_backward_input(cpu, input, weight, grad_output, parameters)
    assert taken == [_direct, _im2col, _im2col]


@pytest.mark.parametrize("path", [_direct, _im2col], ids=["direct", "im2col"])
def test_is_the_same_on_any_number_of_threads(path, rng, same_on_any_number_of_threads):
    arrays = make_arrays(33, SHAPES[2], np.dtype(np.float32), rng)
    same_on_any_number_of_threads(lambda: run(path, *arrays))


def test_nan_and_infinity_stay(rng):
    arrays = make_arrays(17, SHAPES[0], np.dtype(np.float32), rng)
    arrays[0][3, 1, 2, 2], arrays[0][5, 0, 0, 0] = np.nan, np.inf
    for path in (_direct, _im2col):
        output, _ = run(path, *arrays)
        assert np.isnan(output[3]).any() and np.isinf(output[5]).any()
        finite = np.delete(output, [3, 5], axis=0)
        assert np.isfinite(finite).all(), "images of a batch do not touch each other"


def test_output_shape_names_what_does_not_fit():
    assert conv2d.output_shape((2, 4, 9, 8), (6, 2, 3, 2), (2, 3), (1, 0), 2) == (2, 6, 5, 3)
    with pytest.raises(ValueError, match="weight has 5 output channels .* multiple of groups=2"):
        conv2d.output_shape((2, 4, 9, 8), (5, 2, 3, 2), (1, 1), (0, 0), 2)
    with pytest.raises(ValueError, match="input has 3 channels .* expected 4 for weight shape"):
        conv2d.output_shape((2, 3, 9, 8), (6, 2, 3, 2), (1, 1), (0, 0), 2)
