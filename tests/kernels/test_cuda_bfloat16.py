"""Kernels of the GPU for images of bfloat16: the reference's results in float32, rounded once.

Convolutions have theirs in test_cuda.py.
"""

import numpy as np
import pytest

from minigrad.kernels import local_response_norm_max_pool2d, reference
from minigrad.kernels.prepare_images import taps
from minigrad.kernels.shared import bfloat16
from tests import cuda_emulator
from tests.kernels.on_device import for_numpy

HALF, FULL = bfloat16.DTYPE, np.dtype(np.float32)
# A rounding, and what float32 arithmetic may lose before it.
TOLERANCE = bfloat16.UNIT_ROUNDOFF * (1 + 1e-3)


@pytest.fixture(autouse=True)
def in_every_order(monkeypatch):
    monkeypatch.setattr(cuda_emulator.settings, "order", "all")


def images(rng, *shape):
    return rng.standard_normal(shape).astype(HALF)


def check(family, function, arguments, outputs, options=None):
    """Runs a kernel on a GPU and in the reference.

    Args:
        arguments: arrays of bfloat16 or another type, and what else the kernel takes.
        outputs: shape and type of each output, by name.
        options: for both.

    Returns:
        the outputs, by name.
    """
    options = options or {}
    results = {
        name: np.full(shape, np.nan if dtype != "int32" else -1, dtype)
        for name, (shape, dtype) in outputs.items()
    }
    expected = {
        name: np.full(shape, 0, FULL if dtype == HALF else dtype)
        for name, (shape, dtype) in outputs.items()
    }
    getattr(getattr(for_numpy("cuda"), family), function)(*arguments, **results, **options)
    wide = [
        a.astype(FULL) if isinstance(a, np.ndarray) and a.dtype == HALF else a for a in arguments
    ]
    getattr(getattr(reference, family), function)(*wide, **expected, **options)
    for name, result in results.items():
        assert_close(result, expected[name])
    return results


def assert_close(result, expected):
    if result.dtype == "int32":
        assert np.array_equal(result, expected)
        return
    tolerance = TOLERANCE if result.dtype == HALF else 1e-5
    difference = np.abs(result.astype(np.float64) - expected)
    # Sums that nearly cancel are as exact as their terms, which are about 1.
    assert (difference <= tolerance * np.abs(expected) + 1e-5).all()


def test_relu(rng):
    x, grad_output = images(rng, 2, 3, 5, 7), images(rng, 2, 3, 5, 7)
    x[0, 0, 0, :2] = np.nan, -0.0
    output = np.empty_like(x)
    for_numpy("cuda").relu.forward(x, output=output)
    assert np.array_equal(output.astype(FULL), np.maximum(x.astype(FULL), 0), equal_nan=True)
    check("relu", "backward", (grad_output, x), {"grad_input": (x.shape, HALF)})


@pytest.mark.parametrize("stride, padding", [((2, 2), (0, 0)), ((1, 2), (1, 1))])
@pytest.mark.parametrize("family", ["max_pool2d", "avg_pool2d"])
def test_pooling(family, stride, padding, rng):
    x, window = images(rng, 2, 7, 9, 5), ((3, 3), stride, padding)
    OH, OW = ((n + 2 * p - 3) // s + 1 for n, p, s in zip((7, 9), padding, stride))
    pooled = {"output": ((2, OH, OW, 5), HALF)}
    saved = ()
    if family == "max_pool2d":
        pooled["argmax"] = (2, OH, OW, 5), np.dtype("int32")
    results = check(family, "forward", (x, *window), pooled)
    if family == "max_pool2d":
        saved = (results["argmax"],)
    arguments = images(rng, 2, OH, OW, 5), *saved, *window
    check(family, "backward", arguments, {"grad_input": (x.shape, HALF)})


@pytest.mark.parametrize("p", [0.5, 0.3])
def test_dropout(p, rng):
    mask = p, (1, 2), 3
    shape = 3, 50
    check("dropout", "forward", (images(rng, *shape), *mask), {"output": (shape, HALF)})
    check("dropout", "backward", (images(rng, *shape), *mask), {"grad_input": (shape, HALF)})


def test_bias(rng):
    shape = 3, 5, 6, 40
    bias = rng.standard_normal(40).astype(FULL)
    check("bias", "forward", (images(rng, *shape), bias), {"output": (shape, HALF)})
    check("bias", "backward", (images(rng, *shape),), {"grad_bias": ((40,), FULL)})
    outputs = {"grad_input": (shape, HALF), "grad_bias": ((40,), FULL)}
    check("bias", "backward_relu", (images(rng, *shape), images(rng, *shape)), outputs)


@pytest.mark.parametrize("beta", [0.75, 0.5])
def test_local_response_norm(beta, rng):
    shape, parameters = (2, 3, 4, 37), (5, 1.1, beta, 0.9)
    x, grad_output = images(rng, *shape), images(rng, *shape)
    check("local_response_norm", "forward", (x, *parameters), {"output": (shape, HALF)})
    arguments = grad_output, x, *parameters
    check("local_response_norm", "backward", arguments, {"grad_input": (shape, HALF)})


@pytest.mark.parametrize(
    "shape",
    [
        (2, 9, 9, 40),
        (1, 4, 4, 1550),  # two kernels each: a block's pixels do not fit into shared memory
    ],
)
def test_local_response_norm_and_max_pooling(shape, rng):
    """What is normalized is rounded before the largest is chosen, in one kernel or in two."""
    norm, window = (5, 1.1, 0.75, 0.9), ((3, 3), (2, 2), (0, 0))
    N, H, W, C = shape
    pooled = N, (H - 3) // 2 + 1, (W - 3) // 2 + 1, C
    x = images(rng, *shape)
    normalized = np.empty(shape, FULL)
    reference.local_response_norm.forward(x.astype(FULL), *norm, output=normalized)
    normalized = normalized.astype(HALF).astype(FULL)
    expected, argmax = np.empty(pooled, FULL), np.empty(pooled, np.int32)
    reference.max_pool2d.forward(normalized, *window, output=expected, argmax=argmax)
    results = {"output": np.empty(pooled, HALF), "argmax": np.empty(pooled, np.int32)}
    kernels = for_numpy("cuda").local_response_norm_max_pool2d
    kernels.forward(x, *norm, *window, **results)
    assert np.array_equal(results["output"].astype(FULL), expected)
    assert np.array_equal(results["argmax"], argmax)
    arguments = images(rng, *pooled), argmax, x, *norm, *window
    check(
        local_response_norm_max_pool2d.__name__.split(".")[-1],
        *("backward", arguments),
        {"grad_input": (shape, HALF)},
    )


@pytest.mark.parametrize("mean_shape", [(3,), (3, 6, 5)])
def test_prepared_images(mean_shape, rng):
    pixels = rng.integers(0, 256, (4, 6, 5, 3), np.uint8)
    numbers = (rng.standard_normal(shape).astype(FULL) for shape in ((4, 3), mean_shape, (3,)))
    arguments = pixels, rng.random(4) < 0.5, *numbers
    check("prepare_images", "forward", arguments, {"output": (pixels.shape, HALF)})


def test_enlarged_images(rng):
    pixels = rng.integers(0, 256, (2, 4, 4, 3), np.uint8)
    places = np.int32([[0, 1], [2, 0]])
    numbers = (rng.standard_normal(shape).astype(FULL) for shape in ((2, 3), (3,), (3,)))
    arguments = pixels, places, *taps(4, 9), np.array([True, False]), *numbers
    check("prepare_images", "forward_enlarged", arguments, {"output": ((2, 7, 8, 3), HALF)})


def test_linear(rng):
    """Factors are bfloat16; their sums are float32, but for the input's gradient."""
    weight, x, grad_output = (images(rng, *shape) for shape in ((7, 20), (5, 20), (5, 7)))
    bias, rounding = rng.standard_normal(7).astype(FULL), {"bfloat16": True}
    check("linear", "forward", (x, weight, bias), {"output": ((5, 7), FULL)}, rounding)
    arguments = grad_output, weight
    check("linear", "backward_input", arguments, {"grad_input": (x.shape, HALF)}, rounding)
    arguments = grad_output, x
    check("linear", "backward_weight", arguments, {"grad_weight": ((7, 20), FULL)}, rounding)


def test_an_input_gradient_with_strides_is_computed_by_im2col(rng):
    """Its factors are rounded all the same."""
    weight = rng.standard_normal((4, 3, 3, 3)).astype(FULL)
    grad_output = images(rng, 2, 4, 4, 4)
    arguments = grad_output, weight, (2, 2), (1, 1), 1
    outputs = {"grad_input": ((2, 7, 7, 3), HALF)}
    check("conv2d", "backward_input", arguments, outputs, {"bfloat16": True})


@pytest.mark.parametrize("rounds, dtype", [(True, FULL), (False, HALF)])
def test_the_type_of_images_says_whether_factors_are_rounded(rounds, dtype, rng):
    x = images(rng, 1, 4, 4, 4).astype(dtype)
    weight, output = rng.standard_normal((4, 4, 3, 3)).astype(FULL), np.empty((1, 2, 2, 4), dtype)
    with pytest.raises(TypeError, match=f"bfloat16={rounds} is not for arrays of {dtype}"):
        for_numpy("cuda").conv2d.forward(
            x, weight, None, (1, 1), (0, 0), 1, output=output, bfloat16=rounds
        )
