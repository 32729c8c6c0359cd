"""A network of Caffe computed by Caffe's formulas in NumPy: what the conversion is checked against.

Caffe itself cannot be installed any more on most machines. Here a .caffemodel is computed layer by
layer as its documentation defines them, from the file's own parameters and in its own order of
colors, without any layer of this project:

    Convolution   output[o] = bias[o] + sum over channels c of o's group and kernel positions
    LRN           output[c] = input[c] / (k + alpha / size * sum of input^2 around c) ^ beta
    Pooling       the largest number of each window; the last window may hang over the border
    InnerProduct  weight @ input + bias, with input in the order (C, H, W)

It is slow, about a second an image, and computes in float64.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alexnet.formats import caffe_messages
from alexnet.formats.caffe_messages import CEIL, Layer
from alexnet.formats.given import Given

# Blue, green, red: what Caffe publishes as the mean pixel of ImageNet.
MEAN_PIXEL = (104.0, 117.0, 123.0)


def logits(path: Path, images: np.ndarray, given: Given | None = None) -> np.ndarray:
    """The scores of the classes, float64 (N, C).

    Args: see `outputs`.
    """
    scores = None
    for layer, output in outputs(path, images, given):
        if layer.kind == "InnerProduct":
            scores = output
    return scores


def outputs(
    path: Path, images: np.ndarray, given: Given | None = None
) -> Iterator[tuple[Layer, np.ndarray]]:
    """Each layer of a .caffemodel with what it gives, float64 (N, C, H, W) or (N, C).

    Args:
        path: a file that `alexnet.formats.caffe.load` takes.
        images: crops of the network's size, uint8 (N, S, S, 3), red, green, blue.
        given: as for that function.
    """
    given = given or Given()
    net = caffe_messages.read_net(path)
    transform = next(
        (layer.message.Transform for layer in net.layers if layer.message.HasField("Transform")),
        None,
    )
    blue_green_red = images[..., ::-1].transpose(0, 3, 1, 2).astype(np.float64)
    mean = _mean(transform, given, images.shape[1])
    if given.std is None:
        factor = 1.0 if transform is None else np.float64(transform.scale)
    else:
        factor = 1 / np.array(given.std[::-1]).reshape(3, 1, 1)
    arrays: dict[str, np.ndarray] = {}
    for layer in net.layers:
        if layer.kind not in _FORMULAS:
            continue
        if not arrays:
            arrays[layer.bottoms[0]] = (blue_green_red - mean) * factor
        result = _FORMULAS[layer.kind](layer, arrays[layer.bottoms[0]])
        arrays |= dict.fromkeys(layer.tops, result)
        yield layer, result


def _mean(transform, given: Given, size: int) -> np.ndarray:
    """What is subtracted from the crops, blue, green, red."""
    if given.mean_image is not None:
        whole = caffe_messages.read_blob(given.mean_image).astype(np.float64)
        whole = whole.reshape(3, *whole.shape[-2:])
        offset = (whole.shape[1] - size) // 2
        return whole[:, offset : offset + size, offset : offset + size]
    if given.mean is not None:
        values = given.mean[::-1]
    else:
        values = MEAN_PIXEL if transform is None else tuple(transform.mean_value) or MEAN_PIXEL
    return np.reshape(values, (-1, 1, 1))


def _convolution(layer: Layer, x: np.ndarray) -> np.ndarray:
    settings, (weight, bias) = layer.parameters, layer.blobs
    stride, pad = (
        ([*values] or [default])[0] for values, default in ((settings.stride, 1), (settings.pad, 0))
    )
    groups, (out_channels, _, kernel, _) = settings.group, weight.shape
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    places = (x.shape[2] - kernel) // stride + 1
    result = np.zeros((len(x), out_channels, places, places))
    channels, outputs = x.shape[1] // groups, out_channels // groups
    for group in range(groups):
        own = slice(group * channels, (group + 1) * channels)
        filled = slice(group * outputs, (group + 1) * outputs)
        for row in range(kernel):
            for column in range(kernel):
                seen = x[:, own, row:, column:][:, :, ::stride, ::stride][:, :, :places, :places]
                factors = np.float64(weight[filled, :, row, column])
                result[:, filled] += np.einsum("oc,nchw->nohw", factors, seen, optimize=True)
    return result + np.float64(bias).reshape(-1, 1, 1)


def _lrn(layer: Layer, x: np.ndarray) -> np.ndarray:
    settings = layer.parameters
    size, channels = settings.local_size, x.shape[1]
    before = (size - 1) // 2
    squares = np.pad(x**2, ((0, 0), (before, size - 1 - before), (0, 0), (0, 0)))
    total = sum(squares[:, first : first + channels] for first in range(size))
    return x / (settings.k + settings.alpha / size * total) ** settings.beta


def _pooling(layer: Layer, x: np.ndarray) -> np.ndarray:
    settings = layer.parameters
    (size,), (stride,) = settings.kernel_size, settings.stride
    rest = (x.shape[2] - size) % stride
    missing = (stride - rest) % stride if settings.round_mode == CEIL else 0
    x = np.pad(x, ((0, 0), (0, 0), (0, missing), (0, missing)), constant_values=-np.inf)
    places = (x.shape[2] - size) // stride + 1
    windows = [
        x[:, :, row:, column:][:, :, ::stride, ::stride][:, :, :places, :places]
        for row in range(size)
        for column in range(size)
    ]
    return np.max(windows, axis=0)


def _inner_product(layer: Layer, x: np.ndarray) -> np.ndarray:
    weight, bias = layer.blobs
    matrix = weight.reshape(weight.shape[-2:])
    return x.reshape(len(x), -1) @ np.float64(matrix).T + np.float64(bias).reshape(-1)


_FORMULAS = {
    "Convolution": _convolution,
    "ReLU": lambda layer, x: np.maximum(x, 0),
    "LRN": _lrn,
    "Pooling": _pooling,
    "InnerProduct": _inner_product,
    "Dropout": lambda layer, x: x,  # scaled in training, so that it changes nothing afterwards
    "Split": lambda layer, x: x,
}
