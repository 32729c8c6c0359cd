"""A network as a graph of ONNX's operators, from the pixels of an image to class probabilities.

    images           uint8 (N, S, S, 3), the pixels of N crops: red, green, blue
    logits           float32 (N, C)
    probabilities    float32 (N, C), their softmax

N is free; S is the size of the network's images, C the number of classes. Subtracting the mean and
scaling are the first nodes. All others are the layers, under their names in every command: conv1,
relu1, norm1, ... Dropout, which does nothing after the training, is left out.
"""

from types import ModuleType
from typing import Any

import numpy as np

from alexnet.data.transforms import Preprocessing
from alexnet.errors import UsageError
from alexnet.inference.layers import outputs
from alexnet.model.layers import ColumnNorm, ConstantNorm, WithinChannelNorm
from alexnet.run.checkpoint import Checkpoint
from minigrad import nn
from minigrad.checks import pair

Shape = tuple[int, ...]


def build(onnx: ModuleType, checkpoint: Checkpoint) -> tuple[Any, dict[str, np.ndarray]]:
    """The graph, and apart from it the arrays that its nodes use, by name.

    The shapes in the graph are those that the layers give to an image of zeros.

    Returns:
        an `onnx.GraphProto` and the arrays, float32, which are not in it yet: a message of protobuf
        is copied when it becomes part of another one.

    Raises:
        CheckpointError: the checkpoint's network cannot be built.
        UsageError: ONNX has no operator for one of its layers.
    """
    graph, size = _Graph(onnx), checkpoint.preprocessing.image_size
    values = _add_preprocessing(graph, checkpoint.preprocessing)
    shape: Shape = (3, size, size)
    image = np.zeros((1, *shape), np.float32)
    for name, layer, output in outputs(checkpoint.build(), image):
        values = _add_layer(graph, name, layer, values, shape, output.shape[1:])
        shape = output.shape[1:]
    graph.rename_last("logits")
    graph.node("Softmax", "softmax", ["logits"], shape, axis=1)
    graph.rename_last("probabilities")
    proto = graph.proto(checkpoint.architecture, size, ("logits", "probabilities"))
    return proto, graph.constants


class _Graph:
    """Nodes in the order in which they are computed, and the constants that they use.

    Attributes:
        float32: ONNX's number of this type.
        constants: arrays of this type by name.
    """

    def __init__(self, onnx: ModuleType):
        self._onnx = onnx
        self.float32 = int(onnx.TensorProto.FLOAT)
        self._nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self._shapes: dict[str, Shape] = {}

    def constant(self, name: str, array: Any) -> str:
        """Add an array as float32; returns its name."""
        self.constants[name] = np.asarray(array, np.float32)
        return name

    def node(
        self, operator: str, name: str, inputs: list[str], shape: Shape, **attributes: Any
    ) -> str:
        """Add a node; returns the name of its output, which is that of the node.

        Args:
            shape: of the output for one image.
        """
        make_node = self._onnx.helper.make_node
        self._nodes.append(make_node(operator, inputs, [name], name=name, **attributes))
        self._shapes[name] = shape
        return name

    def split(self, name: str, values: str, parts: int, shape: Shape) -> list[str]:
        """Add a node that divides the channels into equal parts; returns the names of the parts.

        Args:
            shape: of all channels of one image.
        """
        names = [f"{name}.{part}" for part in range(parts)]
        node = self._onnx.helper.make_node("Split", [values], names, name=f"{name}.split", axis=1)
        self._nodes.append(node)
        self._shapes |= dict.fromkeys(names, (shape[0] // parts, *shape[1:]))
        return names

    def rename_last(self, name: str) -> None:
        """Give the output of the last node another name."""
        (output,) = self._nodes[-1].output
        self._nodes[-1].output[0] = name
        self._shapes[name] = self._shapes.pop(output)

    def proto(self, name: str, size: int, outputs: tuple[str, ...]) -> Any:
        """The nodes as a GraphProto that takes images of `size` pixels."""
        helper, types = self._onnx.helper, self._onnx.TensorProto

        def value(name: str, kind: int, shape: Shape, doc: str = "") -> Any:
            return helper.make_tensor_value_info(name, kind, ["N", *shape], doc_string=doc)

        pixels = "crops of N images: red, green and blue of each pixel, 0 to 255"
        values = {n: value(n, types.FLOAT, shape) for n, shape in self._shapes.items()}
        return helper.make_graph(
            self._nodes,
            name,
            [value("images", types.UINT8, (size, size, 3), pixels)],
            [values.pop(output) for output in outputs],
            value_info=list(values.values()),
        )


def _add_preprocessing(graph: _Graph, preprocessing: Preprocessing) -> str:
    """From "images" to the network's input (N, 3, S, S): (pixel - mean) * scale."""
    size = preprocessing.image_size
    mean = preprocessing.mean
    if preprocessing.mean_image is not None:
        mean = preprocessing.mean_image.transpose(1, 2, 0)
    constants = graph.constant("mean", mean), graph.constant("scale", preprocessing.scale)
    shape = size, size, 3
    values = graph.node("Cast", "cast", ["images"], shape, to=graph.float32)
    values = graph.node("Sub", "subtract_mean", [values, constants[0]], shape)
    values = graph.node("Mul", "multiply_by_scale", [values, constants[1]], shape)
    return graph.node("Transpose", "channels_first", [values], (3, size, size), perm=[0, 3, 1, 2])


def _add_layer(
    graph: _Graph, name: str, layer: nn.Module, values: str, shape: Shape, output_shape: Shape
) -> str:
    """Add what a layer computes from `values`; returns the name of the result.

    Args:
        shape, output_shape: of its input and its output for one image.
    """
    match layer:
        case nn.Conv2d():
            inputs = [values, *_parameters(graph, name, layer)]
            window = _window(layer) | {"group": layer.groups}
            return graph.node("Conv", name, inputs, output_shape, **window)
        case nn.Linear():
            inputs = [values, *_parameters(graph, name, layer)]
            return graph.node("Gemm", name, inputs, output_shape, transB=1)
        case nn.MaxPool2d():
            window = _window(layer) | {"ceil_mode": int(layer.ceil_mode)}
            return graph.node("MaxPool", name, [values], output_shape, **window)
        # Programs differ in what they divide by where windows hang over the padding.
        case nn.AvgPool2d(divisor_override=None) if not (
            layer.ceil_mode and layer.count_include_pad
        ):
            window = _window(layer) | {"ceil_mode": int(layer.ceil_mode)}
            window["count_include_pad"] = int(layer.count_include_pad)
            del window["dilations"]
            return graph.node("AveragePool", name, [values], output_shape, **window)
        # ONNX places windows of an even size otherwise.
        case nn.LocalResponseNorm() if layer.size % 2:
            return graph.node("LRN", name, [values], output_shape, **_norm_constants(layer))
        case ColumnNorm() if layer.size % 2:
            return _add_column_norm(graph, name, layer, values, shape)
        case WithinChannelNorm():
            return _add_norm_within(graph, name, layer, values, shape)
        case ConstantNorm():
            gain = graph.constant(f"{name}.gain", layer.gain)
            return graph.node("Mul", name, [values, gain], output_shape)
        case nn.AdaptiveAvgPool2d():
            return _add_average(graph, name, values, shape, output_shape)
        case nn.ReLU():
            return graph.node("Relu", name, [values], output_shape)
        case nn.Tanh():
            return graph.node("Tanh", name, [values], output_shape)
        case nn.Flatten(start_dim=1, end_dim=-1):
            return graph.node("Flatten", name, [values], output_shape, axis=1)
        case nn.Dropout():
            return values
    raise UsageError(f"ONNX has no operator for {name}, {layer!r}: choose a .safetensors file")


def _parameters(graph: _Graph, name: str, layer: nn.Conv2d | nn.Linear) -> list[str]:
    """The names of weight and bias, which are added to the graph."""
    return [
        graph.constant(f"{name}.{kind}", parameter.numpy())
        for kind, parameter in layer.named_parameters()
    ]


def _norm_constants(layer: nn.LocalResponseNorm | ColumnNorm) -> dict[str, Any]:
    """The constants of a normalization as attributes of a node of the operator LRN."""
    # A whole number would become an attribute of another type.
    constants = {"alpha": float(layer.alpha), "beta": float(layer.beta)}
    return {**constants, "bias": float(layer.k), "size": layer.size}


def _add_column_norm(graph: _Graph, name: str, layer: ColumnNorm, values: str, shape: Shape) -> str:
    columns = []
    for part in graph.split(f"{name}.input", values, layer.columns, shape):
        column = shape[0] // layer.columns, *shape[1:]
        output = part.replace(".input.", ".column.")
        columns.append(graph.node("LRN", output, [part], column, **_norm_constants(layer)))
    return graph.node("Concat", name, columns, shape, axis=1)


def _add_norm_within(
    graph: _Graph, name: str, layer: WithinChannelNorm, values: str, shape: Shape
) -> str:
    """input / (k + alpha * mean of input^2)^beta, a node for each operation."""
    window = {"kernel_shape": [layer.size] * 2, "pads": [layer.size // 2] * 4}
    squares = graph.node("Mul", f"{name}.squares", [values, values], shape)
    divisor = graph.node(
        "AveragePool", f"{name}.mean", [squares], shape, **window, count_include_pad=1
    )
    for operator, constant in (("Mul", "alpha"), ("Add", "k"), ("Pow", "beta")):
        number = graph.constant(f"{name}.{constant}", getattr(layer, constant))
        result = f"{name}.{operator.lower()}"
        divisor = graph.node(operator, result, [divisor, number], shape)
    return graph.node("Div", name, [values, divisor], shape)


def _window(layer: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) -> dict[str, Any]:
    """Kernel size, stride, padding and dilation as attributes of a node."""
    kind = type(layer).__name__
    return {
        "kernel_shape": pair(kind, "kernel_size", layer.kernel_size, 1),
        "strides": pair(kind, "stride", layer.stride, 1),
        # Above and left, then below and right.
        "pads": 2 * pair(kind, "padding", layer.padding, 0),
        "dilations": pair(kind, "dilation", layer.dilation, 1),
    }


def _add_average(graph: _Graph, name: str, values: str, shape: Shape, output_shape: Shape) -> str:
    """Means over a grid of windows: a matrix times each channel times another matrix.

    ONNX has no operator for windows of different sizes, which there are unless the grid divides
    the image. A grid with a window for each pixel changes nothing and is left out.
    """
    (channels, height, width), (_, rows, columns) = shape, output_shape
    if shape == output_shape:
        return values
    left = graph.constant(f"{name}.rows", _means(rows, height))
    right = graph.constant(f"{name}.columns", _means(columns, width).T)
    values = graph.node("MatMul", f"{name}.over_rows", [left, values], (channels, rows, width))
    return graph.node("MatMul", name, [values, right], output_shape)


def _means(windows: int, pixels: int) -> np.ndarray:
    """(windows, pixels): what takes the mean of each window along a side.

    Window i goes from i * pixels / windows, rounded down, to (i + 1) * pixels / windows, rounded
    up, as in `functional.adaptive_avg_pool2d`.
    """
    matrix = np.zeros((windows, pixels), np.float32)
    for i in range(windows):
        begin, end = i * pixels // windows, -(-(i + 1) * pixels // windows)
        matrix[i, begin:end] = 1 / (end - begin)
    return matrix
