"""`draw`: the operations that a tensor was computed by, as a picture."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from minigrad import checks, io
from minigrad.drawing.content import read
from minigrad.drawing.svg import render
from minigrad.tensor import Tensor

__all__ = ["Drawing", "draw"]


@dataclass(frozen=True)
class Drawing:
    """A picture of a graph, which notebooks show.

    Attributes:
        svg: the picture as text.
        operations, leaves: how many boxes of each kind it has.
        saved_bytes: memory of the arrays that are saved for backward, each counted once.
    """

    svg: str = field(repr=False)
    operations: int
    leaves: int
    saved_bytes: int

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike) -> None:
        """Write the picture to a file, which appears complete or not at all.

        Raises:
            ValueError: the path does not end in .svg.
            OSError: the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".svg":
            raise ValueError(f"Drawing.save: {str(path)!r} does not end in .svg")
        with io.replacing(path) as temporary:
            temporary.write_bytes(self.svg.encode())


def draw(tensor: Tensor, names: Mapping[str, Tensor] | None = None) -> Drawing:
    """Draw the operations that a tensor was computed by, before `backward` frees them.

    Data flows downwards, from leaves to the tensor at the bottom, as one reads a network. A box
    shows an operation: the shape of its output (and its type, if that is not float32), its
    parameters, the kernels that compute it, the arrays that its backward pass reads, and the memory
    of the saved arrays that it has made. Rounded boxes are leaves; those that require a gradient
    have another color. A constant without dimensions stands in the box that uses it. Edges end at
    the top of a box in the order of its inputs.

    Args:
        tensor: what an operation has computed from tensors that require a gradient.
        names: names of leaves, such as ``dict(model.named_parameters())``; those of tensors that
            are no leaves of this graph are ignored. A leaf without a name is called by the argument
            that it is first used as.

    Raises:
        TypeError: `tensor` is no Tensor, or `names` is no mapping of names to tensors.
        ValueError: no operation is recorded, `backward` has freed it, or the graph has more than
            500 operations and leaves.
    """
    checks.tensor("draw", "tensor", tensor)
    names = {} if names is None else names
    if not isinstance(names, Mapping):
        raise TypeError(
            f"draw: names must be a mapping of names to tensors, got {type(names).__name__}"
        )
    for name, leaf in names.items():
        if not isinstance(name, str):
            raise TypeError(f"draw: a name must be a str, got {type(name).__name__}")
        checks.tensor("draw", f"names[{name!r}]", leaf)
    if tensor._node is None:
        raise ValueError(
            "draw: no operation is recorded for this tensor; draw the output of operations on "
            "tensors with requires_grad=True, outside of no_grad"
        )
    graph = read(tensor, names)
    return Drawing(render(graph), len(graph.operations), len(graph.leaves), graph.saved_bytes)
