"""Module: a tree of layers whose parameters have names."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad import backend as backends
from minigrad import observers
from minigrad.kernels.shared.prepared import weights_changed
from minigrad.tensor import Tensor, require_no_mask


class Parameter(Tensor):
    """A tensor that is learned: a weight or a bias of a module."""

    def __init__(self, array: Any, requires_grad: bool = True):
        super().__init__(array, requires_grad)


class Module:
    """Base class of layers and networks: subclasses set parameters and modules as attributes.

    Attributes:
        training: whether `train` (True) or `eval` was called last; dropout reads it.
    """

    training = True

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Compute the output; subclasses define it, with arguments of their own."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        if observers.active:
            with observers.span("module", self):
                return self.forward(*args, **kwargs)
        return self.forward(*args, **kwargs)

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Direct submodules with their attribute names, in order of definition."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all below it, with dotted names, in order of definition."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def named_parameters(self, remove_duplicate: bool = True) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names such as "features.0.weight".

        Args:
            remove_duplicate: whether a parameter that several layers share is given once, by the
                first of its names, or by each of them.
        """
        given: set[int] = set()
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter) and id(value) not in given:
                    if remove_duplicate:
                        given.add(id(value))
                    yield f"{prefix}.{name}" if prefix else name, value

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once, in order of definition."""
        for _, parameter in self.named_parameters():
            yield parameter

    def train(self, mode: bool = True) -> "Module":
        """Switch this module and all below it to training (or evaluation) behavior."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> "Module":
        """Switch to evaluation behavior."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, target: Any) -> "Module":
        """Move all parameters, with their gradients, to a device or a float type, in place.

        Args:
            target: "cpu", "cuda", float32 or float64.
        """
        for parameter in self.parameters():
            grad = parameter.grad
            parameter.data = parameter.detach().to(target).data
            parameter.grad = None if grad is None else grad.to(target)
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """The parameters by name, as NumPy arrays that share memory on the CPU.

        A parameter that several layers share is there by each of its names.
        """
        named = self.named_parameters(remove_duplicate=False)
        return {name: parameter.numpy() for name, parameter in named}

    def load_state_dict(self, state: dict[str, np.ndarray], assign: bool = False) -> None:
        """Copy parameters from a `state_dict`.

        Args:
            assign: use the arrays of `state` themselves, of any layout, instead of copying them,
                where type and device are right. Read-only ones can be used, but not trained.

        Raises:
            KeyError: a name is missing or unknown.
            ValueError: a shape differs, or a parameter to copy to is read-only.
            TypeError: an array does not hold numbers, or has a mask.

        Nothing is changed in any of these cases.
        """
        parameters = dict(self.named_parameters(remove_duplicate=False))
        missing = [name for name in parameters if name not in state]
        unknown = [name for name in state if name not in parameters]
        if missing or unknown:
            raise KeyError(
                f"load_state_dict: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}"
            )
        arrays = {}
        for name, parameter in parameters.items():
            array = state[name]
            require_no_mask(f"load_state_dict: {name}", array)
            array = array.numpy() if isinstance(array, Tensor) else np.asarray(array)
            device = backends.backend_of(parameter.data)
            if array.shape != parameter.shape:
                raise ValueError(
                    f"load_state_dict: {name} has shape {array.shape}, expected {parameter.shape}"
                )
            if not np.can_cast(array.dtype, parameter.dtype, "same_kind"):
                raise TypeError(
                    f"load_state_dict: {name} is {array.dtype}, expected {parameter.dtype}"
                )
            if not assign and not device.is_writable(parameter.data):
                raise ValueError(
                    f"load_state_dict: the parameter {name} is read-only, or several of its "
                    "elements are one number in memory; assign=True replaces its array"
                )
            arrays[name] = device.asarray(array.astype(parameter.dtype, copy=False))
        weights_changed()
        for name, parameter in parameters.items():
            if assign:
                parameter.data = arrays[name]
            else:
                parameter.data[...] = arrays[name]

    def describe(self) -> str:
        """The arguments shown in the printed form."""
        return ""

    def _printed_children(self) -> Iterator[tuple[str, "Module"]]:
        return self.named_children()

    def __repr__(self) -> str:
        children = "".join(
            f"\n  ({name}): " + repr(child).replace("\n", "\n  ")
            for name, child in self._printed_children()
        )
        return f"{type(self).__name__}({self.describe()}{children + chr(10) if children else ''})"
