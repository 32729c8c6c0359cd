"""A .caffemodel as a checkpoint: bvlc_alexnet, CaffeNet, and what was trained from them.

What differs from the paper's network is kept in the checkpoint's `network`: k is 1 unless the file
says otherwise, and CaffeNet pools before it normalizes. Alpha is divided by the size of the window,
as here. The other differences are those of the input: Caffe reads images as blue, green, red, so
that the input channels of conv1 are put into the opposite order, and it does not scale gray levels.
Filters in groups, and the order (C, H, W) of fc6's inputs, are those of this project.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.data.transforms import Preprocessing
from alexnet.errors import CheckpointError
from alexnet.formats import caffe_messages
from alexnet.formats.caffe_input import read_preprocessing
from alexnet.formats.caffe_messages import (
    ACROSS_CHANNELS,
    CEIL,
    MAX_AXES,
    MAX_POOLING,
    NAME_LENGTH,
    Layer,
    Net,
    decimal,
)
from alexnet.formats.given import Given
from alexnet.formats.state_dict import named_classes
from alexnet.model import ARCHITECTURES, PAPER_NORM
from alexnet.run.checkpoint import Checkpoint
from minigrad import nn

# The layers of our network that Caffe has under the same sense, by its kinds.
_KINDS = {
    nn.Conv2d: "Convolution",
    nn.ReLU: "ReLU",
    nn.LocalResponseNorm: "LRN",
    nn.MaxPool2d: "Pooling",
    nn.Linear: "InnerProduct",
}
# Layers that change nothing when the network is used, and what comes after its last layer.
_IDENTITIES = ("Dropout", "Split")
_ENDS = ("Accuracy", "Silence", "Softmax", "SoftmaxWithLoss")


def recognizes(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a .caffemodel.

    Its fields before the first layer are walked through: the name of the net, and its input.
    """
    texts, numbers, layers = (1, 3, 6, 8), (4, 5, 7), (2, 100)
    position = 0
    while position < len(head):
        tag, position = _varint(head, position)
        field, wire_type = tag >> 3, tag & 7
        if wire_type == 2 and field in layers:
            return True
        if wire_type == 2 and field in texts:
            length, position = _varint(head, position)
            position += length
        elif wire_type == 0 and field in numbers:
            _, position = _varint(head, position)
        else:
            return False
    return False


def _varint(content: bytes, position: int) -> tuple[int, int]:
    """A number in protobuf's form, 7 bits a byte, and the position after it."""
    number = shift = 0
    while position < len(content) and shift < 64:
        byte = content[position]
        number |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            break
    return number, position


def load(path: Path, given: Given | None = None) -> Checkpoint:
    """The network of a .caffemodel.

    Args:
        given: what the file does not say; its layers need no `names`.

    Raises:
        CheckpointError: it is damaged, or another network; or protobuf is not installed.
        OSError: it cannot be read.
    """
    given = given or Given()
    if given.names:
        raise CheckpointError(f"{path}: a map of names does not go with a .caffemodel")
    net = caffe_messages.read_net(path)
    chain = _chain(path, net)
    last = chain[-1]
    if last.kind != "InnerProduct" or not last.blobs or last.blobs[0].ndim < 2:
        raise CheckpointError(f"{path} is no AlexNet: {last.name!r} is its last layer")
    network = _variant(path, chain)
    classes = named_classes(path, last.blobs[0].shape[-2], given.classes)
    preprocessing = read_preprocessing(path, net, given)
    try:
        with nn.init.skipped(take_keys=False):
            model = ARCHITECTURES["alexnet"](len(classes), preprocessing.image_size, **network)
    except (ValueError, MemoryError, OverflowError) as error:  # a file can claim any size
        raise CheckpointError(f"{path} is no AlexNet: {error}") from error
    arrays = _parameters(path, chain, model)
    _require_sizes_of_caffe(path, chain, model, preprocessing)
    first = next(iter(arrays))
    arrays[first] = np.ascontiguousarray(arrays[first][:, ::-1])  # BGR to RGB
    return Checkpoint("alexnet", classes, preprocessing, network=network, model=arrays)


def _chain(path: Path, net: Net) -> list[Layer]:
    """The layers that compute something, from the image to the scores of the classes.

    Raises:
        CheckpointError: the layers are no chain, or there are layers of another kind in it.
    """
    chain: list[Layer] = []
    current: set[str] = set()
    for layer in net.layers:
        if not layer.bottoms or (not current and layer.kind in (*_IDENTITIES, *_ENDS)):
            continue  # data, and what hands on images and labels as they are
        current = current or {layer.bottoms[0]}
        if not current & set(layer.bottoms):
            if layer.blobs:
                raise CheckpointError(
                    f"{path} is no AlexNet: its layers are no chain, {layer.name!r} takes "
                    f"{layer.bottoms[0][:NAME_LENGTH]!r}"
                )
        elif layer.kind in _IDENTITIES:
            current = set(layer.tops)
        elif layer.kind in _KINDS.values():
            chain.append(layer)
            current = set(layer.tops)
        elif layer.kind not in _ENDS:
            raise CheckpointError(
                f"{path} is no AlexNet: its layer {layer.name!r} is of the kind {layer.kind!r}"
            )
    if not chain:
        raise CheckpointError(f"{path} is no AlexNet: it has no layer that takes an image")
    return chain


def _variant(path: Path, chain: list[Layer]) -> dict[str, Any]:
    """The arguments of the network that are not the paper's; see `Checkpoint.network`."""
    norms = [layer.parameters for layer in chain if layer.kind == "LRN"]
    constants = [
        {"size": norm.local_size}
        | {name: decimal(getattr(norm, name)) for name in ("alpha", "beta", "k")}
        for norm in norms
    ]
    if not norms or any(other != constants[0] for other in constants):
        raise CheckpointError(f"{path} is no AlexNet: its normalizations are not two of one kind")
    if any(norm.norm_region != ACROSS_CHANNELS or norm.local_size % 2 == 0 for norm in norms):
        raise CheckpointError(
            f"{path} is no AlexNet: it does not normalize across an odd number of channels"
        )
    kinds = [layer.kind for layer in chain]
    is_paper = {"kind": "across", **constants[0]} == PAPER_NORM
    variant: dict[str, Any] = {} if is_paper else {"norm": constants[0]}
    if "Pooling" in kinds[: kinds.index("LRN")]:
        variant["pool_before_norm"] = True
    return variant


def _parameters(path: Path, chain: list[Layer], model: nn.Module) -> dict[str, np.ndarray]:
    """The arrays of the file by our names, once each layer is known to be that of our network."""
    ours = [(name, layer) for name, layer in model.named_modules() if type(layer) in _KINDS]
    kinds = [_KINDS[type(layer)] for _, layer in ours]
    found = [layer.kind for layer in chain]
    if kinds != found:
        first = next(
            (i for i, (kind, other) in enumerate(zip(kinds, found)) if kind != other),
            min(len(kinds), len(found)),
        )
        other = f"{found[first]} ({chain[first].name!r})" if first < len(found) else "missing"
        expected = kinds[first] if first < len(kinds) else "no further one"
        raise CheckpointError(
            f"{path} is no AlexNet: layer {first + 1} is {other}, expected {expected}"
        )
    arrays = {}
    for layer, (name, module) in zip(chain, ours):
        for what, value, expected in _differences(layer, module):
            raise CheckpointError(
                f"{path} is no AlexNet: {what} of {layer.name!r} is {value}, expected {expected}"
            )
        for kind, blob in zip(("weight", "bias"), layer.blobs):
            arrays[f"{name}.{kind}"] = blob.reshape(getattr(module, kind).shape)
    return arrays


def _differences(layer: Layer, module: nn.Module) -> Iterator[tuple[str, Any, Any]]:
    """What of a layer is not as in ours: its name, its value and ours."""
    settings = layer.parameters
    expected: dict[str, tuple[Any, Any]] = {}
    match module:
        case nn.Conv2d():
            expected = {
                "axis": (settings.axis, 1),
                "dilation": (settings.dilation[:MAX_AXES] or [1], [1]),
                "groups": (settings.group, module.groups),
            }
        case nn.MaxPool2d():
            expected = {
                "kind of pooling": (settings.pool, MAX_POOLING),
                "global pooling": (settings.global_pooling, False),
            }
        case nn.Linear():
            expected = {"axis": (settings.axis, 1), "transpose": (settings.transpose, False)}
        case nn.ReLU():
            expected = {"slope": (settings.negative_slope, 0)}
    if isinstance(module, nn.Conv2d | nn.MaxPool2d):
        for ours, name, default in (
            ("kernel_size", "kernel", 0),
            ("stride", "stride", 1),
            ("padding", "pad", 0),
        ):
            value = getattr(module, ours)
            both = value if isinstance(value, tuple) else (value, value)
            expected[ours] = caffe_messages.window_pair(settings, name, default), tuple(both)
    if isinstance(module, nn.Conv2d | nn.Linear):
        shapes = [parameter.shape for parameter in (module.weight, module.bias)]
        expected["number of blobs"] = len(layer.blobs), len(shapes)
        for kind, blob, shape in zip(("weight", "bias"), layer.blobs, shapes):
            # An old file has four axes: those of a matrix follow two of length 1.
            own = blob.shape[-len(shape) :] if blob.size == np.prod(shape) else blob.shape
            expected[f"shape of the {kind}"] = "x".join(map(str, own)), "x".join(map(str, shape))
    return ((what, *pair) for what, pair in expected.items() if pair[0] != pair[1])


def _require_sizes_of_caffe(
    path: Path, chain: list[Layer], model: nn.Module, preprocessing: Preprocessing
) -> None:
    """Caffe rounds the size of a pooling's output up, and we down: both must give the same."""
    shape = 1, 3, preprocessing.image_size, preprocessing.image_size
    modules = [layer for _, layer in model.named_modules() if type(layer) in _KINDS]
    for layer, module in zip(chain, modules):
        if isinstance(module, nn.MaxPool2d) and layer.parameters.round_mode == CEIL:
            if (shape[-1] - module.kernel_size) % module.stride:
                raise CheckpointError(
                    f"{path} is for images of {preprocessing.image_size} pixels, of which "
                    f"{layer.name!r} makes more in Caffe than here: it cannot be computed here"
                )
        if isinstance(module, nn.Conv2d | nn.MaxPool2d):
            shape = module.output_shape(shape)
