"""The algorithm that a convolution says it takes is the one that runs."""

import inspect
import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import backend
from minigrad.kernels import conv2d
from minigrad.kernels.conv2d import (
    cpu_direct,
    cpu_im2col,
    cpu_winograd,
    cuda_im2col,
    cuda_implicit_gemm,
)

CPU = {cpu_direct: "direct", cpu_im2col: "im2col", cpu_winograd: "winograd"}
CUDA = {cuda_im2col: "im2col", cuda_implicit_gemm: "implicit GEMM"}
FUNCTIONS = ("forward", "forward_relu", "backward_input", "backward_weight")
# Images (N, C, H, W), filters, stride, padding, groups.
LAYERS = {
    "one by one": ((2, 8, 6, 6), (8, 8, 1, 1), (1, 1), (0, 0), 1),
    "few channels": ((1, 3, 9, 9), (4, 3, 3, 3), (1, 1), (1, 1), 1),
    "many channels": ((8, 64, 12, 12), (64, 64, 3, 3), (1, 1), (1, 1), 1),
    "groups": ((8, 128, 12, 12), (128, 64, 5, 5), (1, 1), (2, 2), 2),
    "not square": ((8, 64, 12, 12), (64, 64, 3, 2), (1, 1), (1, 1), 1),
    "six taps": ((8, 64, 12, 12), (64, 64, 6, 6), (1, 1), (1, 1), 1),
    "a stride": ((8, 64, 12, 12), (64, 64, 3, 3), (2, 2), (1, 1), 1),
    "conv1": ((4, 3, 67, 67), (96, 3, 11, 11), (4, 4), (2, 2), 1),
    "strides that differ": ((8, 64, 13, 12), (64, 64, 6, 3), (2, 1), (1, 1), 1),
    "padding as wide as the window": ((2, 4, 5, 5), (4, 4, 2, 2), (1, 1), (2, 2), 1),
    "wide padding across": ((8, 64, 12, 12), (64, 64, 3, 3), (1, 1), (0, 3), 1),
    "no images": ((0, 4, 6, 6), (4, 4, 3, 3), (1, 1), (0, 0), 1),
}


def arguments_of(function, layer, dtype, device):
    """By name: arrays on a device, the window, and whether factors are rounded."""
    images, weight, stride, padding, groups = layer
    N, OC, OH, OW = conv2d.output_shape(images, weight, stride, padding, groups)
    N, C, H, W = images
    arrays = {"input": (N, H, W, C), "weight": weight, "output": (N, OH, OW, OC)}
    if function == "backward_input":
        names = {"input": "grad_input", "output": "grad_output"}
    elif function == "backward_weight":
        names = {"weight": "grad_weight", "output": "grad_output"}
    else:
        names = {}
    made = {
        names.get(name, name): device.asarray(np.zeros(shape, dtype))
        for name, shape in arrays.items()
    }
    window = {"stride": stride, "padding": padding, "groups": groups}
    return made | ({} if names else {"bias": None}) | window


def run(kernels, function, arguments):
    called = getattr(kernels, function)
    parameters = inspect.signature(called).parameters
    by_position = [
        arguments[name] for name, p in parameters.items() if p.kind is not p.KEYWORD_ONLY
    ]
    named = {
        name: arguments[name]
        for name, p in parameters.items()
        if p.kind is p.KEYWORD_ONLY and name in arguments
    }
    called(*by_position, **named)


def watched(paths, monkeypatch):
    """The names of the algorithms whose functions are called from now on."""
    taken = []
    for module, name in paths.items():
        for function in ("forward", "backward_input", "backward_weight"):

            def note(*arguments, name=name, **named):
                taken.append(name)

            monkeypatch.setattr(module, function, note)
    return taken


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("layer", LAYERS)
def test_cpu(layer, function, dtype, monkeypatch, bfloat16_supported):
    device = backend.get("cpu")
    kernels = device.kernels.conv2d
    bfloat16 = dtype == "bfloat16"
    stored = "float32" if bfloat16 else dtype
    arguments = arguments_of(function, LAYERS[layer], stored, device) | {"bfloat16": bfloat16}
    found = kernels.choice(function, arguments)
    taken = watched(CPU, monkeypatch)
    run(kernels, function, arguments)
    assert taken == [found.algorithm] and found.reason


@pytest.mark.parametrize("precision", ["highest", "high"])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("layer", LAYERS)
def test_cuda(layer, function, precision, cuda, monkeypatch):
    mg.set_float32_matmul_precision(precision)
    for dtype in ("float32", "float64"):
        arguments = arguments_of(function, LAYERS[layer], dtype, cuda)
        found = cuda.kernels.conv2d.choice(function, arguments)
        with pytest.MonkeyPatch.context() as patch:
            taken = watched(CUDA, patch)
            run(cuda.kernels.conv2d, function, arguments)
        assert taken == [found.algorithm] and found.reason


def test_every_algorithm_is_taken_by_some_layer():
    device = backend.get("cpu")
    taken = {
        device.kernels.conv2d.choice(function, arguments | {"bfloat16": False}).algorithm
        for layer, function in itertools.product(LAYERS.values(), FUNCTIONS)
        for arguments in [arguments_of(function, layer, "float32", device)]
    }
    assert taken == set(CPU.values())


@pytest.mark.parametrize(
    "layer, function, algorithm, reason",
    [
        ("many channels", "forward_relu", "winograd", "3x3, 64 channels"),
        ("groups", "backward_weight", "winograd", "5x5, 64 channels in a group"),
        ("few channels", "forward", "direct", "Winograd saves little"),
        ("not square", "backward_input", "direct", "no square of 2 to 5 taps"),
        ("conv1", "backward_input", "im2col", "zeros between strides"),
        (
            "strides that differ",
            "backward_input",
            "im2col",
            "zeros between strides",
        ),
        ("padding as wide as the window", "backward_input", "im2col", "wide padding"),
        ("no images", "forward", "direct", "nothing to compute"),
    ],
)
def test_reasons_on_the_cpu(layer, function, algorithm, reason):
    device = backend.get("cpu")
    arguments = arguments_of(function, LAYERS[layer], "float32", device) | {"bfloat16": False}
    assert device.kernels.conv2d.choice(function, arguments) == (algorithm, reason)


def test_reasons_on_the_gpu(cuda):
    def reason(layer, function, dtype="float32"):
        arguments = arguments_of(function, LAYERS[layer], dtype, cuda)
        return cuda.kernels.conv2d.choice(function, arguments)

    assert reason("groups", "forward") == ("im2col", "TF32 is not allowed")
    assert reason("a stride", "backward_input") == ("im2col", "zeros between strides")
    mg.set_float32_matmul_precision("high")
    assert reason("groups", "forward") == ("implicit GEMM", "TF32 on tensor cores")
    assert reason("groups", "forward", "float64") == ("im2col", "not float32")
    assert reason("no images", "forward") == ("im2col", "no images")
    assert reason("wide padding across", "backward_input") == ("im2col", "wide padding")
