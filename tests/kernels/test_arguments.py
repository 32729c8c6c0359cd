"""Arrays that do not fit: every kernel of every family refuses them before it writes anything."""

import importlib
import inspect

import numpy as np
import pytest

from minigrad import backend
from minigrad.kernels.shared import matmul
from minigrad.kernels.shared.device import device as gpu
from tests.kernels.test_contract import FAMILIES, public_functions

PIXELS, POOLED = (2, 6, 5, 4), (2, 3, 2, 4)
WINDOW = {"kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0)}
NORM = {"size": 3, "alpha": 1.0, "beta": 0.75, "k": 1.0}
CONVOLUTION = {"stride": (1, 1), "padding": (0, 0), "groups": 1}
ADAM = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "weight_decay": 0.0, "step": 1}
DROPOUT = {"p": 0.5, "key": (1, 2), "first": 0}
LINEAR = {"input": (3, 4), "weight": (5, 4), "output": (3, 5)}

# Shapes of the arrays of every kernel, and its other arguments.
CALLS = {
    "adam.update": (
        dict.fromkeys(("parameter", "gradient", "first_moment", "second_moment"), (6, 4)),
        ADAM,
    ),
    "avg_pool2d.forward": ({"input": PIXELS, "output": POOLED}, WINDOW),
    "avg_pool2d.backward": ({"grad_output": POOLED, "grad_input": PIXELS}, WINDOW),
    "bias.forward": ({"input": (6, 4), "bias": (4,), "output": (6, 4)}, {}),
    "bias.backward": ({"grad_output": (6, 4), "grad_bias": (4,)}, {}),
    "bias.backward_relu": (
        {"grad_output": (6, 4), "output": (6, 4), "grad_input": (6, 4), "grad_bias": (4,)},
        {},
    ),
    "conv2d.forward": (
        {"input": PIXELS, "weight": (3, 4, 2, 2), "bias": (3,), "output": (2, 5, 4, 3)},
        CONVOLUTION,
    ),
    "conv2d.forward_relu": (
        {"input": PIXELS, "weight": (3, 4, 2, 2), "bias": (3,), "output": (2, 5, 4, 3)},
        CONVOLUTION,
    ),
    "conv2d.backward_input": (
        {"grad_output": (2, 5, 4, 3), "weight": (3, 4, 2, 2), "grad_input": PIXELS},
        CONVOLUTION,
    ),
    "conv2d.backward_weight": (
        {"grad_output": (2, 5, 4, 3), "input": PIXELS, "grad_weight": (3, 4, 2, 2)},
        CONVOLUTION,
    ),
    "cross_entropy.forward": (
        {"input": (6, 4), "target": (6,), "loss": (6,), "log_sum_exp": (6,)},
        {},
    ),
    "cross_entropy.backward": (
        {
            **{"grad_loss": (6,), "input": (6, 4), "target": (6,), "log_sum_exp": (6,)},
            "grad_input": (6, 4),
        },
        {},
    ),
    "dropout.forward": ({"input": (6, 4), "output": (6, 4)}, DROPOUT),
    "dropout.backward": ({"grad_output": (6, 4), "grad_input": (6, 4)}, DROPOUT),
    "im2col.forward": ({"input": PIXELS, "output": (2, 6, 16)}, WINDOW),
    "im2col.backward": ({"grad_output": (2, 6, 16), "grad_input": PIXELS}, WINDOW),
    "linear.forward": (LINEAR | {"bias": (5,)}, {}),
    "linear.backward_input": (
        {"grad_output": (3, 5), "weight": (5, 4), "grad_input": (3, 4)},
        {},
    ),
    "linear.backward_weight": (
        {"grad_output": (3, 5), "input": (3, 4), "grad_weight": (5, 4)},
        {},
    ),
    "local_response_norm.forward": ({"input": PIXELS, "output": PIXELS}, NORM),
    "local_response_norm.backward": (
        {"grad_output": PIXELS, "input": PIXELS, "grad_input": PIXELS},
        NORM,
    ),
    "local_response_norm_max_pool2d.forward": (
        {"input": PIXELS, "output": POOLED, "argmax": POOLED},
        NORM | WINDOW,
    ),
    "local_response_norm_max_pool2d.backward": (
        {"grad_output": POOLED, "argmax": POOLED, "input": PIXELS, "grad_input": PIXELS},
        NORM | WINDOW,
    ),
    "max_pool2d.forward": ({"input": PIXELS, "output": POOLED, "argmax": POOLED}, WINDOW),
    "max_pool2d.backward": (
        {"grad_output": POOLED, "argmax": POOLED, "grad_input": PIXELS},
        WINDOW,
    ),
    "prepare_images.forward": (
        {
            **{"images": (2, 4, 5, 3), "flips": (2,), "color_shift": (2, 3), "mean": (3,)},
            "scale": (3,),
            "output": (2, 4, 5, 3),
        },
        {},
    ),
    "prepare_images.forward_enlarged": (
        {
            **{"images": (2, 3, 3, 3), "places": (2, 2), "first": (7,), "weights": (7, 2)},
            **{"flips": (2,), "color_shift": (2, 3), "mean": (3,), "scale": (3,)},
            "output": (2, 4, 5, 3),
        },
        {},
    ),
    "lerp.update": ({"start": (6, 4), "end": (6, 4)}, {"weight": 0.1}),
    "relu.forward": ({"input": (6, 4), "output": (6, 4)}, {}),
    "relu.backward": ({"grad_output": (6, 4), "output": (6, 4), "grad_input": (6, 4)}, {}),
    "sgd.update": (
        dict.fromkeys(("parameter", "gradient", "velocity"), (6, 4)),
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "form": "torch", "nesterov": False},
    ),
    "vector_norm.forward": ({"input": (6, 4), "output": (1,)}, {}),
}
TYPES = {"argmax": "int32", "target": "int64", "images": "uint8", "flips": "bool"}
TYPES |= dict.fromkeys(("places", "first", "weights"), "int32")
TYPES_OF_KERNELS = {("vector_norm.forward", "output"): "float64"}


def other_device(array):
    target = "cuda" if isinstance(array, np.ndarray) else "cpu"
    source = backend.backend_of(array)
    return backend.get(target).asarray(source.asnumpy(array))


def apart(array):
    """The same values, every second element of a larger array."""
    xp = backend.backend_of(array).xp
    base = xp.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    base[..., ::2] = array
    return base[..., ::2]


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def unaligned(array):
    return (
        np.frombuffer(bytearray(array.nbytes + 1), np.uint8)[1:]
        .view(array.dtype)
        .reshape(array.shape)
    )


ON_BOTH = {
    "one row less": lambda array: array[:-1],
    "one column less": lambda array: array[..., :-1].copy(),
    "a dimension more": lambda array: array[None],
    "another type": lambda array: array.astype(
        "float64" if array.dtype == np.float32 else "float32"
    ),
    "apart": apart,
    "another device": other_device,
    "a list": lambda array: array.tolist(),
}
ON_CPU = {
    "read-only": read_only,
    "another byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "a subclass": lambda array: array.view(np.recarray),
    "unaligned": unaligned,
}
# No single byte has an order or an alignment.
OF_BYTES = ("another byte order", "unaligned")
# What a change leaves valid.
VALID = {
    ("bias.backward", "grad_output", "one row less"),
    ("bias.backward", "grad_output", "a dimension more"),
    ("cross_entropy.forward", "input", "one column less"),
    ("vector_norm.forward", "input", "one row less"),
    ("vector_norm.forward", "input", "one column less"),
    ("vector_norm.forward", "input", "a dimension more"),
    ("vector_norm.forward", "input", "another type"),
    ("vector_norm.forward", "output", "apart"),  # a single element
}


def test_every_kernel_is_called():
    kernels = {
        f"{family}.{name}"
        for family in FAMILIES
        for name in public_functions(importlib.import_module(f"minigrad.kernels.{family}.cpu"))
    }
    assert set(CALLS) == kernels


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("kernel", CALLS)
def test_arrays_that_do_not_fit_are_refused(kernel, device, cuda):
    shapes, parameters = CALLS[kernel]
    family, name = kernel.split(".")
    function = getattr(getattr(backend.get(device).kernels, family), name)
    xp = backend.get(device).xp

    def call(arrays):
        named = arrays | parameters
        positional, keywords = [], {}
        for key, parameter in inspect.signature(function).parameters.items():
            if parameter.kind is not parameter.KEYWORD_ONLY:
                positional.append(named[key])
            elif parameter.default is parameter.empty:
                keywords[key] = named[key]
        function(*positional, **keywords)

    def make():
        types = {key: TYPES_OF_KERNELS.get((kernel, key), TYPES.get(key)) for key in shapes}
        return {key: xp.ones(shape, types[key] or "float32") for key, shape in shapes.items()}

    call(make())
    for key in shapes:
        for what, change in (ON_BOTH | (ON_CPU if device == "cpu" else {})).items():
            arrays = make()
            if (kernel, key, what) in VALID or (what in OF_BYTES and arrays[key].itemsize == 1):
                continue
            changed = change(arrays[key])
            before = {other: array.copy() for other, array in arrays.items()}
            try:
                call(arrays | {key: changed})
            except (TypeError, ValueError, AttributeError) as error:
                assert str(error)
            else:
                pytest.fail(f"{key}: {what} is taken")
            for other, array in arrays.items():
                assert (array == before[other]).all(), f"{other} was written for {key}: {what}"


def test_kernels_of_the_gpu_refuse_what_cupy_would_pass_on(cuda):
    host = np.ones(4, np.float32)
    with pytest.raises(TypeError, match="kernel argument is ndarray, expected an array of the GPU"):
        cuda.kernels.relu.forward(host, output=host)
    memory = cuda.xp.zeros(17, np.uint8)
    odd = memory[1:].view(np.float32)
    with pytest.raises(ValueError, match="is not C-contiguous, or it is not aligned"):
        cuda.kernels.relu.forward(odd, output=odd)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("shapes", [((2, 3), (4, 5), (2, 5)), ((2, 3), (3, 5), (2, 4))])
def test_product_of_matrices_that_do_not_fit(shapes, device, cuda):
    a, b, output = (backend.get(device).xp.ones(shape, np.float32) for shape in shapes)
    with pytest.raises(ValueError, match="matmul: a .* does not fit"):
        if device == "cpu":
            matmul.matmul(a, b, output=output)
        else:
            gpu.matmul(a[None], b[None], output=output[None])
    assert (output == 1).all()


def test_window_of_no_channels_is_refused():
    pixels = np.ones((2, 4), np.float32)
    with pytest.raises(ValueError, match="local_response_norm: size must be at least 1, got 0"):
        backend.get("cpu").kernels.local_response_norm.forward(
            pixels, 0, 1.0, 0.75, 1.0, output=pixels
        )


@pytest.mark.parametrize("padding, stride", [((2, 0), (2, 2)), ((0, 0), (6, 2)), ((0, 0), (0, 2))])
def test_windows_beside_the_image_are_refused(padding, stride):
    images, output = np.ones(PIXELS, np.float32), np.ones(POOLED, np.float32)
    for name in ("max_pool2d", "avg_pool2d"):
        kernels = getattr(backend.get("cpu").kernels, name)
        more = {"argmax": np.ones(POOLED, np.int32)} if name == "max_pool2d" else {}
        with pytest.raises(ValueError, match=f"{name}.forward: 3 windows of 2 pixels with stride"):
            kernels.forward(images, (2, 2), stride, padding, output=output, **more)
