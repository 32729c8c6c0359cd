"""Module: a tree of layers whose parameters have names."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from minigrad import backend as backends
from minigrad.tensor import Tensor


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

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names such as "features.0.weight"."""
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    yield f"{prefix}.{name}" if prefix else name, value

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, in order of definition."""
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
        """Move all parameters to a device ("cpu", "cuda") or a float type, in place."""
        for parameter in self.parameters():
            parameter.data = parameter.detach().to(target).data
        return self

    def state_dict(self) -> dict[str, np.ndarray]:
        """The parameters by name, as NumPy arrays that share memory on the CPU."""
        return {name: parameter.numpy() for name, parameter in self.named_parameters()}

    def load_state_dict(self, state: dict[str, np.ndarray], assign: bool = False) -> None:
        """Copy parameters from a `state_dict`.

        Args:
            assign: use the arrays of `state` themselves, instead of copying them, where type and
                device are right.

        Raises:
            KeyError: a name is missing or unknown.
            ValueError: a shape differs. Nothing is changed in either case.
        """
        parameters = dict(self.named_parameters())
        missing = [name for name in parameters if name not in state]
        unknown = [name for name in state if name not in parameters]
        if missing or unknown:
            raise KeyError(
                f"load_state_dict: missing {missing or 'nothing'}, unknown {unknown or 'nothing'}"
            )
        for name, parameter in parameters.items():
            if tuple(state[name].shape) != parameter.shape:
                raise ValueError(
                    f"load_state_dict: {name} has shape {tuple(state[name].shape)}, "
                    f"expected {parameter.shape}"
                )
        for name, parameter in parameters.items():
            device = backends.backend_of(parameter.data)
            values = device.asarray(np.asarray(state[name], parameter.dtype))
            if assign:
                parameter.data = values
            else:
                parameter.data[...] = values

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
