"""What is in a recorded graph: operations, leaves, and the memory of what is saved for backward."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minigrad import functional
from minigrad.autograd import Context, Differentiable, Function, Node
from minigrad.backend import Backend, backend_of

MAX_BOXES = 500

# The operations of users by the names of their functions without underscores: ReLU is `relu`.
_OPERATIONS = {name.replace("_", ""): name for name in functional.__all__}
_OPERATIONS |= {"power": "pow", "tensorpower": "pow", "cast": "to", "todevice": "to"}
_PARAMETERS = {"axis": "dim"}
# The shape of the output has a line of its own, and a random key says nothing to a reader.
_LEFT_OUT = {"output_shape", "shape", "key", "first"}
_PAIRS = {"kernel_size", "stride", "padding"}


@dataclass
class Leaf:
    """A tensor that no recorded operation has computed.

    Attributes:
        name: the user's name for it, or that of the argument that it is first used as.
        saved_bytes: its memory if an operation has saved it for backward, otherwise 0.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    requires_grad: bool
    saved_bytes: int = 0


@dataclass
class Operation:
    """A recorded call of a function.

    Attributes:
        name: of its function in `minigrad.functional`; of its class if it has none.
        shape, dtype: of its output.
        parameters: texts by name; numbers without dimensions are among them.
        code: what computes it: a kernel family, the array module, or the module of a function of
            the user's own.
        saved: the arrays that backward reads: "output", the name of an argument, or the type and
            the shape of another array.
        saved_bytes: memory of the saved arrays that it has made, its output among them.
        inputs: positions in the graph of the boxes that it takes, in the order of its arguments.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    parameters: dict[str, str]
    code: str
    saved: tuple[str, ...]
    saved_bytes: int = 0
    inputs: tuple[int, ...] = ()


@dataclass
class Graph:
    """Everything that a tensor was computed from.

    Attributes:
        boxes: each behind its inputs; the last one has computed the tensor.
        unsaved_bytes: memory of outputs that live as long as the graph although no operation has
            saved them.
    """

    boxes: list[Operation | Leaf] = field(default_factory=list)
    unsaved_bytes: int = 0

    @property
    def operations(self) -> list[Operation]:
        """The boxes with corners."""
        return [box for box in self.boxes if isinstance(box, Operation)]

    @property
    def leaves(self) -> list[Leaf]:
        """The round boxes."""
        return [box for box in self.boxes if isinstance(box, Leaf)]

    @property
    def saved_bytes(self) -> int:
        """Memory of all saved arrays, each counted once."""
        return sum(box.saved_bytes for box in self.boxes)


def read(root: Differentiable, names: Mapping[str, Differentiable]) -> Graph:
    """The graph that `root` was computed by.

    Args:
        root: a tensor that a recorded operation has computed.
        names: leaves by name; of several names of one leaf the first counts.

    Raises:
        ValueError: backward has freed a part of the graph, or it has more than MAX_BOXES boxes.
    """
    name_of: dict[int, str] = {}
    for name, tensor in names.items():
        name_of.setdefault(id(tensor), name)
    tensors = _in_order(root, name_of)
    position_of = {id(tensor): position for position, tensor in enumerate(tensors)}
    graph = Graph()
    for node in filter(None, (tensor._node for tensor in tensors)):
        for argument, input in zip(_arguments(node), node.inputs):
            name_of.setdefault(id(input), argument)
    for tensor in tensors:
        if tensor._node is None:
            name, shape = name_of[id(tensor)], tensor.shape
            graph.boxes.append(Leaf(name, shape, tensor.dtype, tensor.requires_grad))
        else:
            graph.boxes.append(_operation(tensor, tensor._node, position_of))
    _count_memory(graph, tensors)
    return graph


def _in_order(root: Differentiable, name_of: Mapping[int, str]) -> list[Differentiable]:
    """The tensors that are boxes, each behind those that it was computed from.

    Iterative, because a graph of many thousand operations would exhaust Python's stack.
    """
    order: list[Differentiable] = []
    visited = {id(root)}
    stack: list[tuple[Differentiable, Iterator]] = [(root, iter(_node(root).inputs))]
    while stack:
        tensor, inputs = stack[-1]
        for input in inputs:
            if id(input) not in visited and (id(input) in name_of or not _is_number(input)):
                visited.add(id(input))
                if len(visited) > MAX_BOXES:
                    raise ValueError(
                        f"draw: the graph has more than {MAX_BOXES} operations and leaves; draw a "
                        "part of it: the output of one layer, or fewer passes of a loop"
                    )
                further = () if input._node is None else _node(input).inputs
                stack.append((input, iter(further)))
                break
        else:
            order.append(tensor)
            stack.pop()
    return order


def _node(tensor: Differentiable) -> Node:
    """The node of a tensor that an operation has computed, if it is not freed."""
    assert tensor._node is not None
    if tensor._node.ctx is None:
        raise ValueError(
            f"draw: the graph is freed by backward() at {tensor._node.function.__name__}; draw it "
            "before, or compute the output again"
        )
    return tensor._node


def _is_number(tensor: Differentiable) -> bool:
    """Whether it is a constant without dimensions, which stands in the box of its operation."""
    return tensor.shape == () and not tensor.requires_grad


def _arguments(node: Node) -> list[str]:
    """The names of the tensors of a call, as the function's `forward` has them."""
    signature = inspect.signature(node.function.forward)
    names: list[str] = []
    for name, value in signature.bind_partial(node.ctx, *node.inputs).arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            names += [f"{name}[{i}]" for i in range(len(value))]
        else:
            names.append(name)
    return names[1:]  # the first one is the context


def _operation(tensor: Differentiable, node: Node, position_of: Mapping[int, int]) -> Operation:
    assert node.ctx is not None
    names = _arguments(node)
    saved = (_describe(array, tensor, node, names) for array in node.ctx._saved)
    numbers = {
        name: f"{backend_of(x.data).asnumpy(x.data).item():.6g}"
        for name, x in zip(names, node.inputs)
        if id(x) not in position_of
    }
    return Operation(
        name=_name(node.function),
        shape=tensor.shape,
        dtype=tensor.dtype,
        parameters=numbers | _parameters(node),
        code=_code(node.function, node.ctx),
        saved=tuple(dict.fromkeys(saved)),
        inputs=tuple(position_of[id(x)] for x in node.inputs if id(x) in position_of),
    )


def _is_of_engine(function: type[Function]) -> bool:
    return function.__module__.startswith("minigrad.ops.")


def _name(function: type[Function]) -> str:
    name = function.__name__
    return _OPERATIONS.get(name.lower(), name) if _is_of_engine(function) else name


def _code(function: type[Function], ctx: Context) -> str:
    if not _is_of_engine(function):
        return function.__module__
    # The family of a convolution with its ReLU is that of the class that it is derived from.
    for ancestor in function.__mro__:
        if (family := _name(ancestor)) in ctx.backend.kernels.__all__:
            return f"kernels.{family}"
    return "NumPy" if ctx.backend.xp is np else "CuPy"


def _parameters(node: Node) -> dict[str, str]:
    """What the function was called with by keyword, as text; options that are off are left out."""
    shown = {}
    for name, value in node.parameters.items():
        if value is False or (_is_of_engine(node.function) and name in _LEFT_OUT):
            continue
        if name in _PAIRS and isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]
        shown[_PARAMETERS.get(name, name)] = _text(value)
    return shown


def _text(value: Any) -> str:
    """A number, a text or nested tuples of them as text; of anything else the kind."""
    match value:
        case float():
            return f"{value:.6g}"
        case None | bool() | int() | str() | np.dtype():
            return str(value)
        case _ if value is Ellipsis:
            return "..."
        case slice():
            parts = [value.start, value.stop, *([] if value.step is None else [value.step])]
            return ":".join("" if part is None else str(part) for part in parts)
        case tuple():
            comma = "," if len(value) == 1 else ""
            return f"({', '.join(map(_text, value))}{comma})"
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"array {shape}"


def _describe(array: Any, tensor: Differentiable, node: Node, names: list[str]) -> str:
    """A saved array as a reader knows it."""
    assert node.ctx is not None
    for name, known in [("output", tensor), *zip(names, node.inputs)]:
        if _is_shared(node.ctx.backend, array, known.data):
            return name
    return f"{array.dtype} {array.shape}"


def _is_shared(backend: Backend, array: Any, other: Any) -> bool:
    # The first one is quick and says no nearly always.
    return backend.may_share_memory(array, other) and backend.shares_memory(array, other)


def _count_memory(graph: Graph, tensors: list[Differentiable]) -> None:
    """Count each saved array once, in the box that has made its memory.

    A view has the memory of the tensor that it is a view of, which is counted whole.
    """
    # Arrays with memory of their own, and the positions of their boxes.
    made: list[tuple[Any, int]] = []

    def origin(array: Any, backend: Backend) -> int | None:
        matches = (i for i, (other, _) in enumerate(made) if _is_shared(backend, array, other))
        return next(matches, None)

    for position, tensor in enumerate(tensors):
        if origin(tensor.data, backend_of(tensor.data)) is None:
            made.append((tensor.data, position))
    outputs, saved = len(made), set()
    for position, tensor in enumerate(tensors):
        if tensor._node is None or tensor._node.ctx is None:
            continue
        for array in tensor._node.ctx._saved:
            found = origin(array, tensor._node.ctx.backend)
            if found is None:
                found = len(made)
                made.append((array, position))
            saved.add(found)
    for i, (array, position) in enumerate(made):
        box = graph.boxes[position]
        if i in saved:
            box.saved_bytes += array.nbytes
        # The graph does not keep the output of its last operation.
        elif i < outputs and isinstance(box, Operation) and position < len(tensors) - 1:
            graph.unsaved_bytes += array.nbytes
