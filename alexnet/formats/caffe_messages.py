"""Caffe's binary files, decoded: the messages of its caffe.proto as far as an AlexNet needs them.

A .caffemodel is a message NetParameter, a .binaryproto a BlobProto. Layers exist in two forms:
Caffe wrote V1LayerParameter in the field `layers` until 2014, and writes LayerParameter in `layer`
since. `read_net` gives one form for both.

The messages are made when the first file is read, from tables of names and field numbers, so that
no compiled .proto is needed. What is not in a table is skipped. The types are those of the file on
the disk but for two things. A field that holds numbers of an array is declared as bytes, which is
how protobuf packs it: the array needs no Python object for each number. And so are layers and
blobs, which are decoded one by one: a damaged file cannot make more of them than it has bytes.
"""

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alexnet.errors import CheckpointError

# An AlexNet in float64 with its gradients has 1.0 GB.
MAX_BYTES = 2**30
MAX_LAYERS = 1000
MAX_NAMES = 100  # of arrays that a layer takes, or gives
MAX_AXES = 8
MAX_PARTS = 1000  # that the numbers of an array come in; Caffe writes one
NAME_LENGTH = 60  # of a layer and its kind; those that mean something are shorter

_TRANSFORM = {
    "scale": (1, "float", "1"),
    "crop_size": (3, "uint32"),
    "mean_file": (4, "bytes"),
    "mean_value": (5, "float*"),
}
# As a layer of images had them before there was a TransformationParameter.
_DATA = {"scale": (2, "float", "1"), "mean_file": (3, "bytes"), "crop_size": (5, "uint32")}
_CONVOLUTION = {
    "num_output": (1, "uint32"),
    "bias_term": (2, "bool", "true"),
    "pad": (3, "uint32*"),
    "kernel_size": (4, "uint32*"),
    "group": (5, "uint32", "1"),
    "stride": (6, "uint32*"),
    "pad_h": (9, "uint32"),
    "pad_w": (10, "uint32"),
    "kernel_h": (11, "uint32"),
    "kernel_w": (12, "uint32"),
    "stride_h": (13, "uint32"),
    "stride_w": (14, "uint32"),
    "axis": (16, "int32", "1"),
    "dilation": (18, "uint32*"),
}
_POOLING = {
    "pool": (1, "int32", "0"),
    "kernel_size": (2, "uint32*"),
    "stride": (3, "uint32*"),
    "pad": (4, "uint32*"),
    "kernel_h": (5, "uint32"),
    "kernel_w": (6, "uint32"),
    "stride_h": (7, "uint32"),
    "stride_w": (8, "uint32"),
    "pad_h": (9, "uint32"),
    "pad_w": (10, "uint32"),
    "global_pooling": (12, "bool"),
    "round_mode": (13, "int32", "0"),
}
_LRN = {
    "local_size": (1, "uint32", "5"),
    "alpha": (2, "float", "1"),
    "beta": (3, "float", "0.75"),
    "norm_region": (4, "int32", "0"),
    "k": (5, "float", "1"),
}
_INNER_PRODUCT = {
    "num_output": (1, "uint32"),
    "bias_term": (2, "bool", "true"),
    "axis": (5, "int32", "1"),
    "transpose": (6, "bool"),
}
MAX_POOLING, ACROSS_CHANNELS, CEIL = 0, 0, 0  # of `pool`, `norm_region` and `round_mode`
# Field numbers of a layer's parameters in V1LayerParameter and LayerParameter.
_PARAMETERS = {
    "Convolution": (10, 106),
    "Pooling": (19, 121),
    "LRN": (18, 118),
    "InnerProduct": (17, 117),
    "ReLU": (30, 123),
    "Data": (11, 107),
    "Transform": (36, 100),
}
_MESSAGES: dict[str, dict[str, tuple]] = {
    "Shape": {"dim": (1, "int64*")},
    "Blob": {
        "num": (1, "int32"),
        "channels": (2, "int32"),
        "height": (3, "int32"),
        "width": (4, "int32"),
        "data": (5, "bytes*"),
        "shape": (7, "Shape"),
        "double_data": (8, "bytes*"),
    },
    "Transform": _TRANSFORM,
    "Data": _DATA,
    "Input": {"shape": (1, "Shape*")},
    "Convolution": _CONVOLUTION,
    "Pooling": _POOLING,
    "LRN": _LRN,
    "InnerProduct": _INNER_PRODUCT,
    "ReLU": {"negative_slope": (1, "float")},
    "V1Layer": {
        "bottom": (2, "bytes*"),
        "top": (3, "bytes*"),
        "name": (4, "bytes"),
        "type": (5, "int32"),
        "blobs": (6, "bytes*"),
        **{kind: (numbers[0], kind) for kind, numbers in _PARAMETERS.items()},
    },
    "Layer": {
        "name": (1, "bytes"),
        "type": (2, "bytes"),
        "bottom": (3, "bytes*"),
        "top": (4, "bytes*"),
        "blobs": (7, "bytes*"),
        "Input": (143, "Input"),
        **{kind: (numbers[1], kind) for kind, numbers in _PARAMETERS.items()},
    },
    "Net": {
        "layers": (2, "bytes*"),
        "input_dim": (4, "int32*"),
        "input_shape": (8, "Shape*"),
        "layer": (100, "bytes*"),
    },
}
# The kinds that mean something here, by their number in V1LayerParameter.
_V1_KINDS = {
    1: "Accuracy",
    4: "Convolution",
    5: "Data",
    6: "Dropout",
    12: "ImageData",
    14: "InnerProduct",
    15: "LRN",
    17: "Pooling",
    18: "ReLU",
    20: "Softmax",
    21: "SoftmaxWithLoss",
    22: "Split",
    36: "Silence",
}


@dataclass(frozen=True)
class Layer:
    """A layer of a net.

    Attributes:
        kind: Caffe's name of it, such as "InnerProduct".
        bottoms, tops: names of the arrays that it takes and gives.
        blobs: its parameters, float32 in the shapes of the file.
        message: has a field for each entry of `_PARAMETERS`.
    """

    name: str
    kind: str
    bottoms: list[str]
    tops: list[str]
    blobs: list[np.ndarray]
    message: Any

    @property
    def parameters(self) -> Any:
        """The message with what the layer's kind is told, such as a stride."""
        return getattr(self.message, self.kind)


@dataclass(frozen=True)
class Net:
    """A network: its layers in the order in which they are computed.

    Attributes:
        input_shape: (N, C, H, W), where the net has no layer of data and says so; or None.
    """

    layers: list[Layer]
    input_shape: list[int] | None


def read_net(path: Path) -> Net:
    """Decode a .caffemodel.

    Raises:
        CheckpointError: it is damaged, or holds something else; or protobuf is not installed.
        OSError: it cannot be read.
    """
    net = _decoded(path, "Net", _content(path))
    count = len(net.layer) + len(net.layers)
    if not count:
        raise CheckpointError(f"{path} is damaged, or no network of Caffe: it has no layers")
    if count > MAX_LAYERS:
        raise CheckpointError(f"{path} is no AlexNet: it has {count:,} layers")
    layers = [_layer(path, "V1Layer", net.layers, index) for index in range(len(net.layers))]
    layers += [_layer(path, "Layer", net.layer, index) for index in range(len(net.layer))]
    given = [layer.parameters for layer in layers if layer.kind == "Input"]
    shapes = [shape.dim for message in given for shape in message.shape]
    shapes += [*(shape.dim for shape in net.input_shape), net.input_dim]
    return Net(layers, shapes[0][:MAX_AXES] or None)


def read_blob(path: Path) -> np.ndarray:
    """The array of a .binaryproto, such as a mean image (1, C, H, W), as float32.

    Raises: see `read_net`.
    """
    return _array(path, "its array", _content(path))


def decimal(number: float) -> float:
    """A float32 of a file as the number that was written there: 0.1, not 0.10000000149."""
    return float(str(np.float32(number)))


def window_pair(settings: Any, name: str, default: int) -> tuple[int, int]:
    """ "kernel", "stride" or "pad" of a convolution or pooling, along height and width."""
    values = getattr(settings, "kernel_size" if name == "kernel" else name)[:MAX_AXES]
    if settings.HasField(f"{name}_h") or settings.HasField(f"{name}_w"):
        values = [getattr(settings, f"{name}_h"), getattr(settings, f"{name}_w")]
    first, *others = values or [default]
    return first, others[0] if others else first


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist, or is no file")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise CheckpointError(
            f"{path} is no AlexNet: it has {size:,} bytes, more than the {MAX_BYTES:,} allowed"
        )
    return path.read_bytes()


def _layer(path: Path, form: str, contents: Any, index: int) -> Layer:
    # Each access to a field of bytes makes a copy, gone when it is decoded: fc6 has 151 MB.
    message = _decoded(path, form, contents[index])
    kind = message.type
    kind = _V1_KINDS.get(kind, f"type {kind}") if isinstance(kind, int) else _text(kind)
    kind, name = kind[:NAME_LENGTH], _text(message.name)[:NAME_LENGTH]
    what = f"a blob of layer {name!r}"
    if max(len(message.bottom), len(message.top)) > MAX_NAMES:
        raise CheckpointError(
            f"{path} is no AlexNet: layer {name!r} has more than {MAX_NAMES} arrays"
        )
    blobs = [_array(path, what, message.blobs[number]) for number in range(len(message.blobs))]
    bottoms, tops = ([_text(blob) for blob in blobs] for blobs in (message.bottom, message.top))
    message.ClearField("blobs")
    return Layer(name, kind, bottoms, tops, blobs, message)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _array(path: Path, what: str, content: bytes) -> np.ndarray:
    blob = _decoded(path, "Blob", content)
    del content
    if blob.HasField("shape"):
        shape = tuple(blob.shape.dim[: MAX_AXES + 1])
    else:
        shape = blob.num, blob.channels, blob.height, blob.width
    kind = np.dtype("<f8" if blob.double_data else "<f4")
    parts = (blob.double_data or blob.data)[: MAX_PARTS + 1]
    del blob
    if len(parts) > MAX_PARTS:
        raise CheckpointError(f"{path} is damaged: {what} is in more than {MAX_PARTS:,} parts")
    packed = b"".join(parts)  # of one part no copy
    # No product of unlimited numbers: a file can claim any.
    fits = (
        min(shape, default=1) > 0
        and max(shape, default=1) <= len(packed)
        and len(shape) <= MAX_AXES
    )
    if not fits or math.prod(shape) * kind.itemsize != len(packed):
        claimed = "x".join(map(str, shape[:MAX_AXES]))
        raise CheckpointError(
            f"{path} is damaged: {what} is to be {claimed} numbers and has {len(packed):,} bytes"
        )
    with np.errstate(over="ignore"):  # infinity is refused where networks are opened
        return np.frombuffer(packed, kind).astype(np.float32).reshape(shape)


def _decoded(path: Path, name: str, content: bytes) -> Any:
    message = _classes(path)[name]()
    from google.protobuf.message import DecodeError

    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise CheckpointError(f"{path} is damaged, or no file of Caffe") from error
    return message


@functools.cache
def _classes_of_tables() -> dict[str, Any]:
    """The class of each message, made from the tables."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    package = "alexnet.caffe"
    file = descriptor_pb2.FileDescriptorProto(name="alexnet/caffe", package=package)
    for message_name, table in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for name, (number, kind, *default) in table.items():
            field = message.field.add(name=name, number=number)
            repeated = kind.endswith("*")
            field.label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
            if (kind := kind.removesuffix("*")) in _MESSAGES:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                field.type = kinds.Type.Value(f"TYPE_{kind.upper()}")
            if default:
                (field.default_value,) = default
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in _MESSAGES
    }


def _classes(path: Path) -> dict[str, Any]:
    try:
        return _classes_of_tables()
    except ImportError as error:
        raise CheckpointError(
            f"{path} is a file of Caffe: reading it needs protobuf: pip install protobuf"
        ) from error
