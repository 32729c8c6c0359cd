"""Reverse-mode automatic differentiation: Function, its Context, and the backward pass.

A `Function` is one operation with its derivative. `Function.apply` runs ``forward`` on plain
arrays and, if a gradient will be wanted, leaves a `Node` on the output tensor that remembers
the inputs. `run_backward` walks these nodes from the output to the leaves.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from minigrad.backend import Backend, backend_of

if TYPE_CHECKING:
    from minigrad.tensor import Tensor

_mode = threading.local()


def is_grad_enabled() -> bool:
    """Whether operations of this thread record the graph."""
    return getattr(_mode, "enabled", True)


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Within this block (or decorated function) operations do not record the graph."""
    before = is_grad_enabled()
    _mode.enabled = False
    try:
        yield
    finally:
        _mode.enabled = before


class Context:
    """What one call of a Function keeps from forward for backward.

    Attributes:
        backend: the device of the arrays: its array module, kernels and memory.
        needs_input_grad: for each input, whether its gradient will be wanted.

    A Function may set any attribute on it (shapes, parameters); arrays go through
    `save_for_backward`, which notices when they are changed before backward reads them.
    """

    def __init__(self, backend: Backend, needs_input_grad: tuple[bool, ...]):
        self.backend = backend
        self.needs_input_grad = needs_input_grad
        self._saved: tuple = ()
        self._fingerprints: tuple = ()

    def save_for_backward(self, *arrays: Any) -> None:
        if not any(self.needs_input_grad):
            return
        self._saved = arrays
        self._fingerprints = tuple(map(self.backend.fingerprint, arrays))

    @property
    def saved(self) -> tuple:
        """The saved arrays, in order; RuntimeError if one was changed in place since."""
        for position, (array, before) in enumerate(zip(self._saved, self._fingerprints)):
            if self.backend.fingerprint(array) != before:
                raise RuntimeError(
                    f"saved array {position} of shape {array.shape} was changed in place after the "
                    "forward pass; its gradient would be wrong. Change a copy, or call backward() "
                    "first"
                )
        return self._saved


class Function:
    """One differentiable operation, written once for all backends.

    ``forward(ctx, *arrays, **parameters)`` returns the output array.
    ``backward(ctx, grad_output)`` returns the gradient of each input array in order (an array
    for a single input, else a tuple), None where ``ctx.needs_input_grad`` is False.
    """

    @staticmethod
    def forward(ctx: Context, *arrays: Any, **parameters: Any) -> Any:
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        raise NotImplementedError

    @classmethod
    def apply(cls, *inputs: "Tensor", **parameters: Any) -> "Tensor":
        """Run the operation on tensors and record it if any of them requires a gradient."""
        from minigrad.tensor import Tensor

        needs_input_grad = tuple(is_grad_enabled() and x.requires_grad for x in inputs)
        ctx = Context(backend_of(inputs[0].data), needs_input_grad)
        output = Tensor(cls.forward(ctx, *(x.data for x in inputs), **parameters))
        if any(needs_input_grad):
            output.requires_grad = True
            output._node = Node(cls, ctx, inputs)
        return output


class Node:
    """A recorded call: the function, its context and the tensors it was applied to."""

    __slots__ = ("function", "ctx", "inputs")

    def __init__(self, function: type[Function], ctx: Context, inputs: tuple["Tensor", ...]):
        self.function = function
        self.ctx: Context | None = ctx
        self.inputs = inputs

    def backward(self, grad_output: Any) -> list:
        """Gradients of the inputs, with shape and dtype checked; then frees what was saved."""
        name = self.function.__name__
        if self.ctx is None:
            raise RuntimeError(
                f"backward through {name} a second time: the graph is freed by the first "
                "backward(). Compute the output again, or add the losses and call backward() once"
            )
        try:
            gradients = self.function.backward(self.ctx, grad_output)
        except RuntimeError as error:
            raise RuntimeError(f"{name}: {error}") from error
        if not isinstance(gradients, tuple):
            gradients = (gradients,)
        checked = []
        for position, tensor in enumerate(self.inputs):
            gradient = gradients[position] if self.ctx.needs_input_grad[position] else None
            if gradient is not None:
                if gradient.shape != tensor.shape or gradient.dtype != tensor.dtype:
                    raise RuntimeError(
                        f"{name}.backward returned a gradient of shape {gradient.shape} and "
                        f"{gradient.dtype} for input {position} of shape {tensor.shape} and "
                        f"{tensor.dtype}"
                    )
                # A gradient that only looks at grad_output must not become a second
                # parameter's .grad in the same memory.
                if tensor.is_leaf and self.ctx.backend.xp.may_share_memory(gradient, grad_output):
                    gradient = gradient.copy()
            checked.append(gradient)
        self.ctx, self.inputs = None, ()
        return checked


def _topological_order(root: "Tensor") -> list["Tensor"]:
    """Tensors that require a gradient, each after everything it was computed from.

    Iterative, because a graph of many thousand operations would exhaust Python's stack.
    """
    order: list[Tensor] = []
    visited = {id(root)}
    stack: list[tuple[Tensor, Iterator]] = [(root, _parents(root))]
    while stack:
        tensor, parents = stack[-1]
        for parent in parents:
            if id(parent) not in visited:
                visited.add(id(parent))
                stack.append((parent, _parents(parent)))
                break
        else:
            order.append(tensor)
            stack.pop()
    return order


def _parents(tensor: "Tensor") -> Iterator["Tensor"]:
    inputs = tensor._node.inputs if tensor._node is not None else ()
    return (parent for parent in inputs if parent.requires_grad)


def run_backward(root: "Tensor", gradient: Any) -> None:
    """Add d(root)/d(leaf), contracted with `gradient`, to the ``grad`` of every leaf.

    Several uses of a tensor add up in a fixed order, so results repeat bit for bit. The saved
    arrays of each node, and the gradient of each intermediate tensor, are freed on the way.
    """
    order = _topological_order(root)
    gradients = {id(root): gradient}
    while order:
        tensor = order.pop()
        gradient = gradients.pop(id(tensor), None)
        if gradient is None:
            continue
        if tensor._node is None:
            tensor._accumulate_grad(gradient)
            continue
        node = tensor._node
        for parent, parent_gradient in zip(node.inputs, node.backward(gradient)):
            if parent_gradient is None:
                continue
            known = gradients.get(id(parent))
            gradients[id(parent)] = parent_gradient if known is None else known + parent_gradient
