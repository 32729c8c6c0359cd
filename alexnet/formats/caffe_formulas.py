"""A network of Caffe computed by Caffe's formulas in NumPy: what the conversion is checked against.

Caffe itself cannot be installed any more on most machines. Here a .caffemodel is computed layer by
layer as its documentation defines them, from the file's own parameters and in its own order of
colors, without any layer of this project:

    Convolution   output[o] = bias[o] + sum over channels c of o's group and kernel positions
    LRN           output[c] = input[c] / (k + alpha / size * sum of input^2 around c) ^ beta
    Pooling       the largest number of each window; the last window may hang over the border
    InnerProduct  weight @ input + bias, with input in the order (C, H, W)

Everything is computed in float64.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from alexnet.formats import caffe_messages
from alexnet.formats.caffe_input import Transform, transform_of
from alexnet.formats.caffe_messages import CEIL, Layer, window_pair
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
    transform = transform_of(path, net)
    blue_green_red = images[..., ::-1].transpose(0, 3, 1, 2).astype(np.float64)
    mean = _mean(transform, given, images.shape[1])
    factor = np.float64(transform.scale)
    if given.std is not None:
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


def _mean(transform: Transform, given: Given, size: int) -> np.ndarray:
    """What is subtracted from the crops, blue, green, red."""
    if given.mean_image is not None:
        whole = caffe_messages.read_blob(given.mean_image).astype(np.float64)
        whole = whole.reshape(3, *whole.shape[-2:])
        offset = (whole.shape[1] - size) // 2
        return whole[:, offset : offset + size, offset : offset + size]
    values = transform.mean or MEAN_PIXEL if given.mean is None else given.mean[::-1]
    return np.reshape(values, (-1, 1, 1))


def _windows(x: np.ndarray, size: int, stride: int) -> np.ndarray:
    """All windows of images (N, C, H, W): (N, C, rows, columns, size, size)."""
    return sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]


def _convolution(layer: Layer, x: np.ndarray) -> np.ndarray:
    settings, (weight, bias) = layer.parameters, layer.blobs
    pad, _ = window_pair(settings, "pad", 0)
    stride, _ = window_pair(settings, "stride", 1)
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    inputs = np.split(x, settings.group, axis=1)
    filters = np.split(weight.astype(np.float64), settings.group)
    results = [
        np.tensordot(_windows(own, weight.shape[3], stride), ours, [(1, 4, 5), (1, 2, 3)])
        for own, ours in zip(inputs, filters)
    ]
    return (np.concatenate(results, axis=3) + bias.reshape(-1)).transpose(0, 3, 1, 2)


def _lrn(layer: Layer, x: np.ndarray) -> np.ndarray:
    settings = layer.parameters
    size, channels = settings.local_size, x.shape[1]
    before = (size - 1) // 2
    squares = np.pad(x**2, ((0, 0), (before, size - 1 - before), (0, 0), (0, 0)))
    total = sum(squares[:, first : first + channels] for first in range(size))
    return x / (settings.k + settings.alpha / size * total) ** settings.beta


def _pooling(layer: Layer, x: np.ndarray) -> np.ndarray:
    settings = layer.parameters
    size, _ = window_pair(settings, "kernel", 0)
    stride, _ = window_pair(settings, "stride", 1)
    rest = (x.shape[2] - size) % stride
    missing = (stride - rest) % stride if settings.round_mode == CEIL else 0
    x = np.pad(x, ((0, 0), (0, 0), (0, missing), (0, missing)), constant_values=-np.inf)
    return _windows(x, size, stride).max(axis=(4, 5))


def _inner_product(layer: Layer, x: np.ndarray) -> np.ndarray:
    weight, bias = layer.blobs
    matrix = weight.reshape(weight.shape[-2:])
    return x.reshape(len(x), -1) @ matrix.astype(np.float64).T + bias.reshape(-1)


_FORMULAS = {
    "Convolution": _convolution,
    "ReLU": lambda layer, x: np.maximum(x, 0),
    "LRN": _lrn,
    "Pooling": _pooling,
    "InnerProduct": _inner_product,
    "Dropout": lambda layer, x: x,  # scaled in training, so that it changes nothing afterwards
    "Split": lambda layer, x: x,
}
