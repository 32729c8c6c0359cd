"""One number of a layer from each of the project's kernels that can compute it.

The reference kernels, which are plain loops, compute what the number needs; those of the CPU
compute the layer for the image. Those of CUDA take part where there is a GPU, or the tests'
emulator of one, and compute what the number needs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from alexnet.explain.explanation import Index, KernelValue
from alexnet.explain.passes import Layer
from alexnet.explain.windows import Window, input_channels, pair, senders
from minigrad import BackendError, Tensor, nn
from minigrad import backend as backends
from minigrad.backend import Backend
from minigrad.kernels import cpu, reference
from minigrad.kernels.conv2d import (
    cpu_choice,
    cpu_direct,
    cpu_im2col,
    cpu_winograd,
    cpu_winograd_tiles,
)
from minigrad.kernels.shared.device import device

LOOPS = "reference loops"
CPU = backends.get("cpu")


def cuda() -> Backend | None:
    """The backend of a GPU, if there is one."""
    try:
        return backends.get("cuda")
    except BackendError:
        return None


# -- convolution -----------------------------------------------------------------------------------


def convolution(conv: nn.Conv2d, input: np.ndarray, index: Index) -> tuple[KernelValue, ...]:
    """The sum of a convolution with its bias at a place, before any activation.

    Args:
        input: (C, H, W).
        index: channel, row and column of the output.
    """
    channel, row, column = index
    images, weight = _images(input), CPU.contiguous(conv.weight.data)
    bias = None if conv.bias is None else CPU.contiguous(conv.bias.data)
    window = pair(conv.stride), pair(conv.padding), conv.groups
    output = np.empty((1, *conv.output_shape((1, *input.shape))[2:], len(weight)), input.dtype)

    def on_cpu(path: Any) -> np.floating:
        path.forward(images, weight, bias, *window, output=output)
        return output[0, row, column, channel]

    patch = _images(Window.of(conv, row, column).cut(input))
    seen = input_channels(conv, channel)

    def loops() -> np.floating:
        one = np.empty((1, 1, 1, 1), input.dtype)
        selected = slice(channel, channel + 1)
        filters, offset = weight[selected], None if bias is None else bias[selected]
        arguments = patch[..., seen.start : seen.stop], filters, offset, (1, 1), (0, 0), 1
        reference.conv2d.forward(*arguments, output=one)
        return one.flat[0]

    def on_cuda(gpu: Backend) -> np.floating:
        one = gpu.empty((1, 1, 1, len(weight)), input.dtype)
        arrays = (None if x is None else gpu.asarray(x) for x in (patch, weight, bias))
        gpu.kernels.conv2d.forward(*arrays, (1, 1), (0, 0), conv.groups, output=one)
        return gpu.asnumpy(one)[0, 0, 0, channel]

    used = cpu_choice.algorithm("forward", output, weight, *window, False)
    shapes = output.shape, weight.shape, window[0]
    return _convolution_values(loops, on_cpu, on_cuda, used, shapes, direct=True)


def convolution_gradient(conv: nn.Conv2d, layer: Layer, index: Index) -> tuple[KernelValue, ...]:
    """The gradient to an input of a convolution, `index` of (C, H, W)."""
    channel, row, column = index
    C, H, W = layer.input.shape
    gradients, weight = _images(layer.grad_before), CPU.contiguous(conv.weight.data)
    (SH, SW), (PH, PW) = stride, padding = pair(conv.stride), pair(conv.padding)
    KH, KW = weight.shape[2:]
    grad_input = np.empty((1, H, W, C), gradients.dtype)

    def on_cpu(path: Any) -> np.floating:
        path.backward_input(gradients, weight, stride, padding, conv.groups, grad_input=grad_input)
        return grad_input[0, row, column, channel]

    rows = [at for at, _ in senders(conv, row, 0, gradients.shape[1])]
    columns = [at for at, _ in senders(conv, column, 1, gradients.shape[2])]
    if not rows or not columns:
        return ()
    (top, bottom), (left, right) = (min(rows), max(rows)), (min(columns), max(columns))
    patch = np.ascontiguousarray(gradients[:, top : bottom + 1, left : right + 1])
    # The pixels that this part of the outputs looks at, of which the wanted one is here:
    size = (bottom - top) * SH + KH, (right - left) * SW + KW
    at = row - (top * SH - PH), column - (left * SW - PW)
    inputs, outputs = weight.shape[1], len(weight) // conv.groups
    group, within = divmod(channel, inputs)
    of_group = slice(group * outputs, (group + 1) * outputs)

    def loops() -> np.floating:
        pixels = np.empty((1, *size, 1), gradients.dtype)
        filters = weight[of_group, within : within + 1]
        arguments = patch[..., of_group], filters, stride, (0, 0), 1
        reference.conv2d.backward_input(*arguments, grad_input=pixels)
        return pixels[0, *at, 0]

    def on_cuda(gpu: Backend) -> np.floating:
        pixels = gpu.empty((1, *size, C), gradients.dtype)
        arrays = gpu.asarray(patch), gpu.asarray(weight)
        window = stride, (0, 0), conv.groups
        gpu.kernels.conv2d.backward_input(*arrays, *window, grad_input=pixels)
        return gpu.asnumpy(pixels)[0, *at, channel]

    used = cpu_choice.algorithm(
        "backward_input", gradients, weight, stride, padding, conv.groups, False
    )
    shapes = gradients.shape, weight.shape, stride
    return _convolution_values(loops, on_cpu, on_cuda, used, shapes, direct=stride == (1, 1))


def _convolution_values(
    loops: Callable[[], np.floating],
    on_cpu: Callable[[Any], np.floating],
    on_cuda: Callable[[Backend], np.floating],
    used: str,
    shapes: tuple[Any, ...],
    direct: bool,
) -> tuple[KernelValue, ...]:
    """From each path that can compute it.

    Args:
        used: the path that the network takes.
        shapes: of the output and the weight, and the stride.
        direct: whether the direct path can.
    """
    paths: dict[str, Any] = {cpu_choice.IM2COL: cpu_im2col}
    if direct:
        paths[cpu_choice.DIRECT] = cpu_direct
    # With a stride, an algorithm that the network does not take would be compiled for seconds.
    fits = shapes[2] == (1, 1) and cpu_winograd_tiles.has_tiles(*shapes)
    if fits or used == cpu_choice.WINOGRAD:
        paths[cpu_choice.WINOGRAD] = cpu_winograd
    found = [KernelValue(LOOPS, loops(), False)]
    found += [KernelValue(name, on_cpu(path), name == used) for name, path in paths.items()]
    if (gpu := cuda()) is not None:
        path = "implicit GEMM in TF32" if device.tf32 else "im2col"
        found.append(KernelValue(f"CUDA: {path}", on_cuda(gpu), False))
    return tuple(found)


def _images(array: np.ndarray) -> np.ndarray:
    """(C, H, W) as a batch of one image with its channels last, as kernels take it."""
    return np.ascontiguousarray(array.transpose(1, 2, 0))[np.newaxis]


# -- other layers ----------------------------------------------------------------------------------


def linear(layer: nn.Linear, input: np.ndarray, unit: int) -> tuple[KernelValue, ...]:
    """The sum of a fully connected layer with its bias for a unit, before any activation."""
    row = np.ascontiguousarray(input[np.newaxis])
    weight = CPU.contiguous(layer.weight.data)
    bias = None if layer.bias is None else CPU.contiguous(layer.bias.data)

    def value(kernels: Any, backend: Backend) -> np.floating:
        selected = _computed(kernels, unit)
        arrays = row, weight[selected], None if bias is None else bias[selected]
        moved = [None if x is None else backend.asarray(x) for x in arrays]
        output = backend.empty((1, len(arrays[1])), input.dtype)
        kernels.linear.forward(*moved, output=output)
        return backend.asnumpy(output)[0, unit - (selected.start or 0)]

    return _values(value)


def linear_gradient(linear: nn.Linear, layer: Layer, element: int) -> tuple[KernelValue, ...]:
    """The gradient to an input of a fully connected layer."""
    gradients = np.ascontiguousarray(layer.grad_before[np.newaxis])
    weight = CPU.contiguous(linear.weight.data)

    def value(kernels: Any, backend: Backend) -> np.floating:
        selected = _computed(kernels, element)
        part = np.ascontiguousarray(weight[:, selected])
        grad_input = backend.empty((1, part.shape[1]), weight.dtype)
        arrays = backend.asarray(gradients), backend.asarray(part)
        kernels.linear.backward_input(*arrays, grad_input=grad_input)
        return backend.asnumpy(grad_input)[0, element - (selected.start or 0)]

    return _values(value)


def _computed(kernels: Any, element: int) -> slice:
    """What is computed of a fully connected layer: on the CPU, as in the network, everything."""
    return slice(None) if kernels is cpu else slice(element, element + 1)


def max_pooling(pool: Any, input: np.ndarray, index: Index) -> tuple[KernelValue, ...]:
    """The output of a max-pooling at a place."""
    channel, row, column = index
    images = _images(input[channel : channel + 1])
    window = pair(pool.kernel_size), pair(pool.stride), pair(pool.padding)
    shape = pool(Tensor(images.transpose(0, 3, 1, 2))).shape

    def value(kernels: Any, backend: Backend) -> np.floating:
        output = backend.empty((1, *shape[2:], 1), images.dtype)
        argmax = backend.empty(output.shape, np.int32)
        arrays = {"output": output, "argmax": argmax}
        kernels.max_pool2d.forward(backend.asarray(images), *window, **arrays)
        return backend.asnumpy(output)[0, row, column, 0]

    return _values(value)


def normalization(norm: Any, input: np.ndarray, index: Index) -> tuple[KernelValue, ...]:
    """The output of a local response normalization at a place."""
    channel, row, column = index
    pixel, at = _channels_of_column(norm, input[:, row, column], channel)
    constants = norm.size, norm.alpha, norm.beta, norm.k

    def value(kernels: Any, backend: Backend) -> np.floating:
        output = backend.empty(pixel.shape, pixel.dtype)
        kernels.local_response_norm.forward(backend.asarray(pixel), *constants, output=output)
        return backend.asnumpy(output)[0, 0, 0, at]

    return _values(value)


def normalization_gradient(norm: Any, layer: Layer, index: Index) -> tuple[KernelValue, ...]:
    """The gradient to an input of a local response normalization."""
    channel, row, column = index
    pixel, at = _channels_of_column(norm, layer.input[:, row, column], channel)
    gradient, _ = _channels_of_column(norm, layer.grad_before[:, row, column], channel)
    constants = norm.size, norm.alpha, norm.beta, norm.k

    def value(kernels: Any, backend: Backend) -> np.floating:
        grad_input = backend.empty(pixel.shape, pixel.dtype)
        arrays = backend.asarray(gradient), backend.asarray(pixel)
        kernels.local_response_norm.backward(*arrays, *constants, grad_input=grad_input)
        return backend.asnumpy(grad_input)[0, 0, 0, at]

    return _values(value)


def cross_entropy(scores: np.ndarray, label: int) -> tuple[KernelValue, ...]:
    """The loss of one image with scores (K,)."""
    rows, target = np.ascontiguousarray(scores[np.newaxis]), np.array([label])

    def value(kernels: Any, backend: Backend) -> np.floating:
        loss, log_sum_exp = (backend.empty((1,), rows.dtype) for _ in range(2))
        arrays = {"loss": loss, "log_sum_exp": log_sum_exp}
        kernels.cross_entropy.forward(backend.asarray(rows), backend.asarray(target), **arrays)
        return backend.asnumpy(loss)[0]

    return _values(value)


def _channels_of_column(norm: Any, values: np.ndarray, channel: int) -> tuple[np.ndarray, int]:
    """The channels (1, 1, 1, C) of a pixel that are normalized together, and which is `channel`."""
    columns = getattr(norm, "columns", 1)
    size = len(values) // columns
    first = channel // size * size
    return np.ascontiguousarray(values[first : first + size])[None, None, None], channel - first


def _values(value: Callable[[Any, Backend], np.floating]) -> tuple[KernelValue, ...]:
    """From the kernels of each backend, of a family with one path on each.

    Args:
        value: computes the number with the kernels of a backend.
    """
    found = [
        KernelValue(LOOPS, value(reference, CPU), False),
        KernelValue("CPU", value(cpu, CPU), True),
    ]
    if (gpu := cuda()) is not None:
        found.append(KernelValue("CUDA", value(gpu.kernels, gpu), False))
    return tuple(found)
