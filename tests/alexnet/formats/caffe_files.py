"""Files as Caffe writes them, encoded byte by byte with the field numbers of its caffe.proto.

Nothing is shared with the reader: a field is a tag and a value, a message the sum of its fields.
"""

import struct

import numpy as np

from alexnet.model import AlexNet, learned_layers

# Of the convolutions.
STRIDES, PADS, GROUPS = (4, 1, 1, 1, 1), (0, 2, 1, 1, 1), (1, 2, 1, 2, 2)
SIZE = 99  # of the images: pool5 gives 2x2, so that the order of fc6's inputs matters
# Field numbers of a layer: in V1LayerParameter, in LayerParameter.
NUMBERS = {
    "name": (4, 1), "type": (5, 2), "bottom": (2, 3), "top": (3, 4), "blobs": (6, 7),
    "Convolution": (10, 106), "Pooling": (19, 121), "LRN": (18, 118), "InnerProduct": (17, 117),
    "Dropout": (12, 108), "ReLU": (30, 123), "Data": (11, 107), "transform_param": (36, 100),
}  # fmt: skip
V1_TYPES = {
    "Convolution": 4, "Data": 5, "Dropout": 6, "InnerProduct": 14, "LRN": 15, "Pooling": 17,
    "ReLU": 18, "SoftmaxWithLoss": 21, "Split": 22,
}  # fmt: skip


def varint(number):
    content = b""
    number %= 2**64
    while number > 127:
        content += bytes([number % 128 + 128])
        number //= 128
    return content + bytes([number])


def field(number, value):
    """A field: a whole number, a number, a text, or a message or packed numbers as bytes."""
    if isinstance(value, int):
        return varint(number * 8) + varint(value)
    if isinstance(value, float):
        return varint(number * 8 + 5) + struct.pack("<f", value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number * 8 + 2) + varint(len(content)) + content


def message(*fields):
    return b"".join(field(number, value) for number, value in fields)


def blob(array, old=False, double=False):
    """BlobProto; an old one has four lengths, those that are missing at the front being 1."""
    if old:
        lengths = [1] * (4 - array.ndim) + list(array.shape)
        shape = message(*enumerate(lengths, 1))
    else:
        shape = field(7, field(1, b"".join(map(varint, array.shape))))
    data = (
        field(8, array.astype("<f8").tobytes())
        if double
        else field(5, array.astype("<f4").tobytes())
    )
    return data + shape


def layer(old, name, kind, bottom, top, parameters=b"", blobs=(), number_of=None):
    """LayerParameter, or V1LayerParameter, as a field of a net."""
    index = 0 if old else 1
    content = message(
        (NUMBERS["name"][index], name),
        (NUMBERS["type"][index], V1_TYPES[kind] if old else kind),
        *((NUMBERS["bottom"][index], each) for each in ([bottom] if bottom else [])),
        *((NUMBERS["top"][index], each) for each in top.split()),
        *((NUMBERS["blobs"][index], each) for each in blobs),
    )
    if parameters:
        content += field(NUMBERS[number_of or kind][index], parameters)
    return field(2 if old else 100, content)


def random_parameters(rng, classes=3, size=SIZE, width=0.1):
    """Weight and bias of each layer by name, of a size that keeps signals alive to the end.

    Args:
        size: of the images.
        width: of `AlexNet`, as is the shape of each array.
    """
    names = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
    shapes = [layer.weight.shape for layer in learned_layers(AlexNet(classes, size, width=width))]
    return {
        name: (
            rng.standard_normal(shape).astype(np.float32)
            * np.float32((2 / np.prod(shape[1:])) ** 0.5 / (64 if name == "conv1" else 1)),
            rng.standard_normal(shape[0]).astype(np.float32) / 10,
        )
        for name, shape in zip(names, shapes, strict=True)
    }


def net(
    parameters,
    *,
    size=SIZE,
    old=False,
    pool_first=False,
    lrn=None,
    data=None,
    double=False,
    edit=None,
):
    """NetParameter with the layers of bvlc_alexnet, or of CaffeNet if it pools first.

    Args:
        parameters: see `random_parameters`.
        lrn: LRNParameter; by default that of both networks: size 5, alpha 1e-4, beta 0.75.
        data: TransformationParameter of the layer of data; without it the net has an input.
        edit: changes the list of layers, each (name, kind, bottom, top, parameters, blobs).
    """
    lrn = message((1, 5), (2, 1e-4), (3, 0.75)) if lrn is None else lrn
    pool = message((1, 0), (2, 3), (3, 2))
    layers, current = [], "data"

    def add(name, kind, settings=b"", blobs=(), top=None):
        nonlocal current
        layers.append([name, kind, current, top or name, settings, blobs])
        current = top or name

    def add_relu(number):
        add(f"relu{number}", "ReLU", top=current)

    for i in range(5):
        weight, bias = parameters[f"conv{i + 1}"]
        settings = message((1, len(weight)), (3, PADS[i]), (4, weight.shape[2]), (5, GROUPS[i]))
        add(f"conv{i + 1}", "Convolution", settings + field(6, STRIDES[i]), (weight, bias))
        add_relu(i + 1)
        if i < 2:
            both = [(f"norm{i + 1}", "LRN", lrn), (f"pool{i + 1}", "Pooling", pool)]
            for each in both[::-1] if pool_first else both:
                add(*each)
    add("pool5", "Pooling", pool)
    for number in (6, 7):
        weight = parameters[f"fc{number}"]
        add(f"fc{number}", "InnerProduct", message((1, len(weight[0]))), weight)
        add_relu(number)
        add(f"drop{number}", "Dropout", field(1, 0.5), top=current)
    add("fc8", "InnerProduct", message((1, len(parameters["fc8"][0]))), parameters["fc8"])
    add("loss", "SoftmaxWithLoss")
    if edit:
        edit(layers)
    content = field(1, "AlexNet")
    if data is None:
        content += b"".join(field(4, number) for number in (10, 3, size, size))
    else:
        content += layer(old, "data", "Data", "", "data label", data, number_of="transform_param")
    for name, kind, bottom, top, settings, blobs in layers:
        encoded = [blob(array, old, double) for array in blobs]
        content += layer(old, name, kind, bottom, top, settings, encoded)
    return content


def mean_image(array):
    """A .binaryproto with (3, H, W), blue, green, red."""
    return blob(array[None], old=True)
