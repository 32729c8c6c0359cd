"""Reverse-mode automatic differentiation: Function, its Context, and the backward pass.

A `Function` is one operation with its derivative. `Function.apply` runs ``forward`` on plain
arrays and, if any input requires a gradient, attaches a `Node` to the output tensor that records
the inputs. `run_backward` walks these nodes from the output to the leaves.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np

from minigrad import observers
from minigrad.backend import Backend, backend_of
from minigrad.blocks import Block
from minigrad.kernels.shared import bfloat16

Output = TypeVar("Output", covariant=True)

_BFLOAT16: set[np.dtype] = set(bfloat16.TYPES)
_mode = threading.local()
# Threads that share parameters add to the same ``grad``: no gradient may be lost between the
# reading of the old sum and the writing of the new one.
_accumulating = threading.Lock()


def _after_fork() -> None:
    """In a child, where the thread that may have held the lock does not exist."""
    global _accumulating
    _accumulating = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_after_fork)


def is_grad_enabled() -> bool:
    """Whether operations of this thread record the graph."""
    return getattr(_mode, "enabled", True)


def no_grad(function: Callable | None = None) -> Any:
    """Within this block, or decorated function, operations do not record the graph.

    ``with no_grad():``, ``@no_grad()`` and ``@no_grad``. A decorated generator records nothing
    while it runs; what its caller does between two values is recorded.
    """
    block = _NoGrad()
    return block if function is None else block(function)


class _NoGrad(Block):
    def _enter(self) -> bool:
        before = is_grad_enabled()
        _mode.enabled = False
        return before

    def _leave(self, before: bool) -> None:
        _mode.enabled = before


def silent_arithmetic() -> contextlib.AbstractContextManager:
    """No warnings of NumPy where a result is infinite or NaN, as on a GPU and in PyTorch."""
    return np.errstate(all="ignore")


class Differentiable(Protocol[Output]):
    """What the graph needs of a tensor; `minigrad.Tensor` is the only implementation.

    Attributes:
        data: the array.
        _node: the call that computed it, None for a leaf.
        _grad_hooks: what to call with it when its gradient is complete.
    """

    data: Any
    requires_grad: bool
    _node: "Node | None"
    _grad_hooks: "Mapping[RemovableHandle, Callable[[Any], None]]"

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def dtype(self) -> np.dtype: ...

    @property
    def is_leaf(self) -> bool: ...

    def _accumulate_grad(self, gradient: Any) -> None:
        """Add an array to ``grad``."""

    def _output(self, array: Any, node: "Node | None") -> Output:
        """Wrap the output array of an operation; `node` is the recorded call, if there is one."""


class RemovableHandle:
    """Of a hook: `remove` takes it away."""

    def __init__(self, hooks: "dict[RemovableHandle, Callable]", hook: Callable):
        self._hooks = hooks
        hooks[self] = hook

    def remove(self) -> None:
        """Do not call the hook any more."""
        self._hooks.pop(self, None)


class Context:
    """What one call of a Function keeps from forward for backward.

    Attributes:
        backend: the device of the arrays: its array module, kernels and memory.
        needs_input_grad: for each input, whether its gradient will be wanted.
        traced_layer: the layer that calls the operation, by name; None unless a trace notes it.

    A Function may set any attribute on it (shapes, parameters); arrays go through
    `save_for_backward`. If one is overwritten before backward reads it, `saved` usually notices
    (`Backend.fingerprint` says when not).
    """

    traced_layer: str | None = None

    def __init__(self, backend: Backend, needs_input_grad: tuple[bool, ...]):
        self.backend = backend
        self.needs_input_grad = needs_input_grad
        self._saved: tuple = ()
        self._fingerprints: tuple = ()

    def save_for_backward(self, *arrays: Any) -> None:
        """Keep arrays for backward, if any input needs a gradient."""
        if not any(self.needs_input_grad):
            return
        self._saved = arrays
        self._fingerprints = tuple(map(self.backend.fingerprint, arrays))

    @property
    def saved(self) -> tuple:
        """The saved arrays, in order; RuntimeError if one is seen to have changed since."""
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

    Attributes:
        takes_bfloat16: whether forward takes the images of bfloat16 that a convolution leaves on
            a GPU, within `autocast`; others get them in float32. Either way the gradient of an
            input gets the type of that input.
    """

    takes_bfloat16 = False

    @staticmethod
    def forward(ctx: Context, *arrays: Any, **parameters: Any) -> Any:
        """Compute the output array, and keep in `ctx` what backward needs."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: Context, grad_output: Any) -> Any:
        """Compute the gradients of the inputs from that of the output."""
        raise NotImplementedError

    @staticmethod
    def multiply_adds(inputs: tuple[Any, ...], output: Any) -> int:
        """Products, each with its addition, of a forward pass: of convolutions and matrices only.

        Args:
            inputs, output: the arrays of the call.
        """
        return 0

    @classmethod
    def apply(cls, *inputs: Differentiable[Output], **parameters: Any) -> Output:
        """Run the operation on tensors and record it if any of them requires a gradient."""
        if not inputs or not all(hasattr(x, "requires_grad") for x in inputs):
            kinds = ", ".join(type(x).__name__ for x in inputs) or "nothing"
            raise TypeError(
                f"{cls.__name__}.apply takes one or more tensors, got {kinds}; anything else is "
                "passed by keyword"
            )
        needs_input_grad = tuple(is_grad_enabled() and x.requires_grad for x in inputs)
        ctx = Context(backend_of(inputs[0].data), needs_input_grad)
        arrays = tuple(x.data for x in inputs)
        if not cls.takes_bfloat16:
            arrays = tuple(map(bfloat16.widened, arrays))
        with silent_arithmetic():
            if observers.active:
                with observers.span("forward", cls, ctx):
                    output = cls.forward(ctx, *arrays, **parameters)
            else:
                output = cls.forward(ctx, *arrays, **parameters)
        if not hasattr(output, "dtype"):
            raise TypeError(
                f"{cls.__name__}.forward returned a {type(output).__name__}, expected one array"
            )
        for observer in observers.active:
            observer.computed(cls, arrays, output)
        node = Node(cls, ctx, inputs, parameters) if any(needs_input_grad) else None
        return inputs[0]._output(output, node)


class Node:
    """A recorded call: the function, its context, the tensors it was applied to, its parameters.

    Attributes:
        parameters: what was passed by keyword, without arrays: only `ctx` may keep those.
    """

    __slots__ = ("function", "ctx", "inputs", "parameters")

    def __init__(
        self,
        function: type[Function],
        ctx: Context,
        inputs: tuple[Differentiable, ...],
        parameters: dict[str, Any],
    ):
        self.function = function
        self.ctx: Context | None = ctx
        self.inputs = inputs
        self.parameters = {
            name: value for name, value in parameters.items() if not hasattr(value, "dtype")
        }

    def backward(self, grad_output: Any) -> list:
        """Gradients of the inputs, with shape and dtype checked; then free what was saved."""
        name = self.function.__name__
        if self.ctx is None:
            raise RuntimeError(
                f"backward through {name} a second time: the graph is freed by the first "
                "backward(). Compute the output again, or add the losses and call backward() once"
            )
        try:
            if observers.active:
                with observers.span("backward", self.function, self.ctx):
                    gradients = self.function.backward(self.ctx, grad_output)
            else:
                gradients = self.function.backward(self.ctx, grad_output)
        except RuntimeError as error:
            # The same exception, so that handlers of its class still find it.
            error.args = (f"{name}: {error}",)
            raise
        if not isinstance(gradients, tuple):
            gradients = (gradients,)
        if len(gradients) != len(self.inputs):
            raise RuntimeError(
                f"{name}.backward returned {len(gradients)} gradient(s), expected "
                f"{len(self.inputs)}: one for each input, None for one that needs none"
            )
        checked = []
        for position, tensor in enumerate(self.inputs):
            gradient = gradients[position] if self.ctx.needs_input_grad[position] else None
            if gradient is not None:
                if not hasattr(gradient, "dtype"):
                    raise RuntimeError(
                        f"{name}.backward returned a {type(gradient).__name__} for input "
                        f"{position}, expected an array"
                    )
                if gradient.dtype != tensor.dtype and {gradient.dtype, tensor.dtype} & _BFLOAT16:
                    gradient = gradient.astype(tensor.dtype)
                if gradient.shape != tensor.shape or gradient.dtype != tensor.dtype:
                    raise RuntimeError(
                        f"{name}.backward returned a gradient of shape {gradient.shape} and "
                        f"{gradient.dtype} for input {position} of shape {tensor.shape} and "
                        f"{tensor.dtype}. A Function returns gradients like its inputs, and the "
                        "data of an input must not be replaced before backward()"
                    )
                if tensor.is_leaf:
                    others = (*gradients[:position], *gradients[position + 1 :])
                    gradient = self._own(gradient, (grad_output, *others))
            checked.append(gradient)
        self.ctx, self.inputs, self.parameters = None, (), {}
        return checked

    def _own(self, gradient: Any, others: tuple) -> Any:
        """The gradient as an array that a leaf can keep: itself, or a copy.

        A copy where it cannot be written to element by element (as what `broadcast_to` returns),
        and where its memory may be that of the other arrays of this call.
        """
        assert self.ctx is not None
        backend = self.ctx.backend
        others = (*others, *self.ctx._saved, *(tensor.data for tensor in self.inputs))
        if backend.is_writable(gradient) and not any(
            backend.may_share_memory(gradient, other) for other in others
        ):
            return gradient
        return backend.xp.array(gradient)


def _topological_order(root: Differentiable) -> list[Differentiable]:
    """Tensors that require a gradient, each after everything it was computed from.

    Iterative, because a graph of many thousand operations would exhaust Python's stack.
    """
    order: list[Differentiable] = []
    visited = {id(root)}
    stack: list[tuple[Differentiable, Iterator]] = [(root, _parents(root))]
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


def _parents(tensor: Differentiable) -> Iterator[Differentiable]:
    inputs = tensor._node.inputs if tensor._node is not None else ()
    return (parent for parent in inputs if parent.requires_grad)


def run_backward(root: Differentiable, gradient: Any) -> None:
    """Add d(root)/d(leaf), contracted with `gradient`, to the ``grad`` of every leaf.

    Several uses of a tensor add up in a fixed order, so results repeat bit for bit. The saved
    arrays of each node, and the gradient of each intermediate tensor, are freed along the way.
    """
    with silent_arithmetic():
        if observers.active:
            with observers.span("backward pass", root):
                _run_backward(root, gradient)
        else:
            _run_backward(root, gradient)


def _run_backward(root: Differentiable, gradient: Any) -> None:
    order = _topological_order(root)
    gradients = {id(root): gradient}
    while order:
        tensor = order.pop()
        gradient = gradients.pop(id(tensor), None)
        if gradient is None:
            continue
        if tensor._node is None:
            with _accumulating:
                tensor._accumulate_grad(gradient)
            for hook in tuple(tensor._grad_hooks.values()):
                hook(tensor)
            continue
        node = tensor._node
        for parent, parent_gradient in zip(node.inputs, node.backward(gradient)):
            if parent_gradient is None:
                continue
            known = gradients.get(id(parent))
            gradients[id(parent)] = parent_gradient if known is None else known + parent_gradient
