"""Convolution and linear layers with factors rounded to bfloat16."""

import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from minigrad.kernels import cpu, reference
from minigrad.kernels import cuda as gpu
from minigrad.kernels.conv2d import cpu as conv2d
from minigrad.kernels.conv2d import cpu_winograd, cpu_winograd_weight
from minigrad.kernels.linear import cpu as linear
from minigrad.kernels.shared.bfloat16 import round_to_bfloat16
from minigrad.kernels.shared.memory import pool
from tests import bfloat16
from tests.kernels.test_conv2d import SHAPES, WINOGRAD_SHAPES, make_arrays
from tests.kernels.test_linear import SIZES

# The convolution itself takes the path of Winograd.
LARGE = 32, (64, (16, 12), 64, (3, 3), (1, 1), (1, 1), 1)


def convolution(N, shape, rng):
    """(input, weight, bias, grad_output) as kernels take them, and (stride, padding, groups)."""
    *arrays, parameters = make_arrays(N, shape, np.float32, rng)
    input, weight, bias, grad_output = arrays
    last = [np.ascontiguousarray(np.moveaxis(x, 1, -1)) for x in (input, grad_output)]
    return last[0], weight, bias, last[1], parameters


def convolve(module, input, weight, bias, grad_output, parameters, **options):
    """What the kernels of the convolution write."""
    output, grad_input, grad_weight = (
        np.full_like(array, np.nan) for array in (grad_output, input, weight)
    )
    module.forward(input, weight, bias, *parameters, output=output, **options)
    module.backward_input(grad_output, weight, *parameters, grad_input=grad_input, **options)
    module.backward_weight(grad_output, input, *parameters, grad_weight=grad_weight, **options)
    return output, grad_input, grad_weight


def multiply(module, input, weight, bias, grad_output, **options):
    output, grad_input, grad_weight = (
        np.full_like(array, np.nan) for array in (grad_output, input, weight)
    )
    module.forward(input, weight, bias, output=output, **options)
    module.backward_input(grad_output, weight, grad_input=grad_input, **options)
    module.backward_weight(grad_output, input, grad_weight=grad_weight, **options)
    return output, grad_input, grad_weight


def rounded(input, weight, bias, grad_output, *rest):
    input, weight, grad_output = map(round_to_bfloat16, (input, weight, grad_output))
    return input, weight, bias, grad_output, *rest


CASES = [(N, shape) for shape in SHAPES for N in (1, 3)]
CASES += [(1, shape) for shape in WINOGRAD_SHAPES]


@pytest.mark.parametrize("N, shape", CASES, ids=str)
def test_convolution_equals_reference(N, shape, rng, assert_close, monkeypatch):
    """Where there is no fast form, each is a sum of exact products, in float32."""
    monkeypatch.setattr(cpu_winograd, "suits", lambda *shapes: False)
    arrays = convolution(N, shape, rng)
    results = convolve(conv2d, *arrays, bfloat16=True)
    expected = convolve(reference.conv2d, *arrays, bfloat16=True)
    first = convolve(conv2d, *rounded(*arrays))
    for result, from_loops, from_rounded in zip(results, expected, first, strict=True):
        assert_close(result, from_loops)
        assert result.tobytes() == from_rounded.tobytes()


def convolve_by_winograd(input, weight, bias, grad_output, parameters, bfloat16=True):
    """As `convolve`; the input gradient stays NaN where there is a stride."""
    output, grad_input, grad_weight = (
        np.full_like(array, np.nan) for array in (grad_output, input, weight)
    )
    options = {"bfloat16": bfloat16}
    cpu_winograd.forward(input, weight, bias, *parameters, output=output, **options)
    if parameters[0] == (1, 1):
        cpu_winograd.backward_input(
            grad_output, weight, *parameters, grad_input=grad_input, **options
        )
    cpu_winograd.backward_weight(
        grad_output, input, *parameters, grad_weight=grad_weight, **options
    )
    return output, grad_input, grad_weight


@pytest.mark.parametrize("N", [1, 5])
@pytest.mark.parametrize("shape", WINOGRAD_SHAPES, ids=str)
def test_winograd_in_bfloat16(shape, N, rng):
    """Odd numbers of channels and of tiles, too, where the last pair has one."""
    *arrays, parameters = convolution(N, shape, rng)
    bias = arrays[2]
    exact = convolve(conv2d, *map(np.float64, rounded(*arrays)), parameters)
    output, grad_input, grad_weight = convolve_by_winograd(*arrays, parameters)
    bfloat16.assert_close(output - bias, exact[0] - bias)
    if parameters[0] == (1, 1):
        bfloat16.assert_close(grad_input, exact[1])
    bfloat16.assert_close(grad_weight, exact[2])


@pytest.mark.parametrize("in_bfloat16", [False, True])
@pytest.mark.parametrize("shape", WINOGRAD_SHAPES, ids=str)
def test_what_was_in_memory_before_does_not_matter(shape, in_bfloat16, rng, monkeypatch):
    """All that is read was written before: numbers behind the last channel and the last tile too,
    where only their products with zeros are summed."""
    arrays = convolution(3, shape, rng)
    expected = convolve_by_winograd(*arrays, in_bfloat16)

    def not_a_number(shape, dtype):
        return np.full(shape, np.nan if dtype.kind == "f" else 0xFFFFFFFF, dtype)

    monkeypatch.setattr(pool, "empty", not_a_number)
    for result, first in zip(convolve_by_winograd(*arrays, in_bfloat16), expected, strict=True):
        assert result.tobytes() == first.tobytes()


@pytest.mark.parametrize("piece_bytes", [1, 1 << 30], ids=["pieces", "chunks"])
def test_weight_gradient_of_tiles_in_pairs(piece_bytes, rng, monkeypatch):
    """A few tiles at a time, and in the end an odd number of them."""
    monkeypatch.setattr(cpu_winograd_weight, "CHUNK_TILES", 2)
    monkeypatch.setattr(cpu_winograd_weight, "PIECE_BYTES", piece_bytes)
    *arrays, parameters = convolution(3, (32, (3, 3), 32, (3, 3), (1, 1), (1, 1), 1), rng)
    _, _, exact = convolve(conv2d, *map(np.float64, rounded(*arrays)), parameters)
    bfloat16.assert_close(convolve_by_winograd(*arrays, parameters)[2], exact)


def test_winograd_is_the_same_on_any_number_of_threads(rng, same_on_any_number_of_threads):
    """Often enough that the threads run at once, on a busy machine too."""
    arrays = convolution(33, WINOGRAD_SHAPES[0], rng)
    same_on_any_number_of_threads(
        lambda: [x for _ in range(20) for x in convolve_by_winograd(*arrays)]
    )


EMULATED = """
import hashlib, pickle, sys
from tests.kernels.test_bfloat16_products import convolve_by_winograd
from minigrad.kernels.shared import bfloat16
assert bfloat16.EMULATED
arrays = pickle.load(sys.stdin.buffer)
for result in convolve_by_winograd(*arrays):
    print(hashlib.sha256(result).hexdigest())
"""


def test_winograd_emulated_has_the_same_bits(rng):
    """Of what the processor has instructions for, if it has them."""
    arrays = convolution(3, WINOGRAD_SHAPES[0], rng)
    result = subprocess.run(
        [sys.executable, "-c", EMULATED],
        input=pickle.dumps(arrays),
        env={**os.environ, "MINIGRAD_BF16_EMULATE": "1"},
        capture_output=True,
        check=True,
    )
    expected = [hashlib.sha256(x).hexdigest() for x in convolve_by_winograd(*arrays)]
    assert result.stdout.decode().split() == expected


@pytest.mark.parametrize(
    "module, shape",
    [(conv2d, (2, SHAPES[1])), (conv2d, LARGE), (reference.conv2d, (2, SHAPES[1]))],
    ids=["direct", "winograd", "reference"],
)
def test_relu_of_a_convolution(module, shape, rng):
    input, weight, bias, grad_output, parameters = convolution(*shape, rng)
    plain, rectified = np.empty_like(grad_output), np.empty_like(grad_output)
    module.forward(input, weight, bias, *parameters, output=plain, bfloat16=True)
    module.forward_relu(input, weight, bias, *parameters, output=rectified, bfloat16=True)
    np.testing.assert_array_equal(rectified, np.maximum(plain, 0))


def test_a_large_convolution(rng):
    arrays = convolution(*LARGE, rng)
    results = convolve(conv2d, *arrays, bfloat16=True)
    exact = [np.float64(x) if isinstance(x, np.ndarray) else x for x in rounded(*arrays)]
    for result, expected in zip(results, convolve(conv2d, *exact), strict=True):
        bfloat16.assert_close(result, expected)
    for result, plain in zip(results, convolve(conv2d, *arrays), strict=True):
        assert result.tobytes() != plain.tobytes()


@pytest.mark.parametrize("N, inputs, outputs", SIZES)
def test_linear_equals_reference(N, inputs, outputs, rng, assert_close):
    input = rng.standard_normal((N, inputs)).astype(np.float32)
    weight = rng.standard_normal((outputs, inputs)).astype(np.float32)
    bias = rng.standard_normal(outputs).astype(np.float32)
    arrays = input, weight, bias, rng.standard_normal((N, outputs)).astype(np.float32)
    results = multiply(linear, *arrays, bfloat16=True)
    for result, expected in zip(results, multiply(reference.linear, *arrays, bfloat16=True)):
        assert_close(result, expected)


def test_the_reference_rounds_what_it_multiplies():
    """And nothing else: 1 + 2**-9 stays in a bias, and becomes 1 in a factor."""
    above_one = np.full(1, 1 + 2.0**-9, np.float32)
    for a, b in ((above_one, above_one / above_one), (above_one / above_one, above_one)):
        for module, run, dimensions, rest in (
            (reference.linear, multiply, 2, ()),
            (reference.conv2d, convolve, 4, [((1, 1), (0, 0), 1)]),
        ):
            input, weight, grad_output = (x.reshape((1,) * dimensions) for x in (a, b, above_one))
            results = run(module, input, weight, above_one, grad_output, *rest, bfloat16=True)
            assert [x.item() for x in results] == [2 + 2.0**-9, 1, 1]


KERNELS = {  # arguments with 1 element, and what is written
    "linear.forward": (2, 3, (), "output"),
    "linear.backward_input": (2, 2, (), "grad_input"),
    "linear.backward_weight": (2, 2, (), "grad_weight"),
    "conv2d.forward": (4, 3, ((1, 1), (0, 0), 1), "output"),
    "conv2d.forward_relu": (4, 3, ((1, 1), (0, 0), 1), "output"),
    "conv2d.backward_input": (4, 2, ((1, 1), (0, 0), 1), "grad_input"),
    "conv2d.backward_weight": (4, 2, ((1, 1), (0, 0), 1), "grad_weight"),
}


@pytest.mark.parametrize("name", KERNELS)
def test_only_float32_on_the_cpu(name, cuda):
    dimensions, count, window, target = KERNELS[name]
    family, kernel = name.split(".")

    def call(module, array):
        images, bias = array.reshape((1,) * dimensions), array
        factors = (images, images, bias)[:count]
        function = getattr(getattr(module, family), kernel)
        function(*factors, *window, **{target: images.copy()}, bfloat16=True)

    call(cpu, np.ones(1, np.float32))
    with pytest.raises(TypeError, match="bfloat16=True is for float32 arrays, got float64"):
        call(cpu, np.ones(1))
    with pytest.raises(TypeError, match="only float32 arrays are rounded to bfloat16, got float64"):
        call(reference, np.ones(1))
    with pytest.raises(TypeError, match="bfloat16=True is not for arrays of float32 on a GPU"):
        call(gpu, cuda.asarray(np.ones(1, np.float32)))
