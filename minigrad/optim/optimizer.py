"""The base class of all optimizers: parameter groups, state, and the checks before a step."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad import backend, observers
from minigrad.kernels.shared.prepared import weights_changed
from minigrad.optim.parameters import make_groups
from minigrad.tensor import FLOAT_TYPES, Tensor


class Optimizer:
    """Updates parameters from their gradients.

    Args:
        parameters: leaf tensors, pairs of a name and a tensor, or groups ``{"params": [...],
            "lr": ..., ...}`` that override the defaults, so that biases can have twice the rate
            and no weight decay. Tensors without a gradient, such as those that require none, are
            left as they are.
        defaults: options for groups that do not set their own.

    Attributes:
        groups: the groups, each with every option; schedules change ``group["lr"]``.

    Raises:
        TypeError: `parameters` holds something else.
        ValueError: there are no parameters, one is listed twice or is no leaf, or a group has an
            unknown option.
    """

    state_names: tuple[str, ...] = ()

    def __init__(self, parameters: Iterable[Any], defaults: dict):
        self.groups = make_groups(type(self).__name__, parameters, defaults)
        for group in self.groups:
            self._check_options(group)
            group["initial_lr"] = group["lr"]
        self._state: dict[Tensor, dict[str, Any]] = {}  # a copy has its own parameters as keys

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for group in self.groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient, in place, whatever its layout in memory.

        Raises:
            ValueError, TypeError: an array is read-only; or a gradient or the state does not have
                the shape, the type and the device of its parameter; or an option of a group was
                set to what the constructor refuses. No parameter is changed then.
        """
        if observers.active:
            with observers.span("update", self):
                self._step()
        else:
            self._step()

    def _step(self) -> None:
        updates = []
        for g, group in enumerate(self.groups):
            self._check_options(group)
            for i, parameter in enumerate(group["params"]):
                if parameter.grad is not None:
                    self._check(parameter, f"parameter {i} of group {g}")
                    updates.append((parameter, group))
        weights_changed()
        for parameter, group in updates:
            device = backend.backend_of(parameter.data)
            values = device.contiguous(parameter.data)
            gradient = device.contiguous(parameter.grad.data)
            self._update(device.kernels, values, gradient, self.state_of(parameter), group)
            if values is not parameter.data:
                parameter.data[...] = values

    def _check_options(self, group: dict) -> None:
        """Make the options of a group Python numbers, and raise unless they can be used."""
        raise NotImplementedError

    def _update(
        self, kernels: Any, values: Any, gradient: Any, state: dict[str, Any], group: dict
    ) -> None:
        """Change a parameter's values and its state, arrays as kernels take them."""
        raise NotImplementedError

    def _check(self, parameter: Tensor, name: str) -> None:
        """Raise unless the arrays of an update fit together: kernels do not look again."""
        data, step = parameter.data, f"{type(self).__name__}.step"
        if data.dtype not in FLOAT_TYPES:
            raise TypeError(f"{step}: {name} is {data.dtype}, expected float32 or float64")
        if not backend.backend_of(data).is_writable(data):
            raise ValueError(
                f"{step}: {name} of shape {data.shape} is read-only, or several of its elements "
                "are one number in memory: assign a copy to its .data"
            )
        assert parameter.grad is not None
        arrays = {"gradient": parameter.grad.data} | self._state.get(parameter, {})
        for kind, array in arrays.items():
            if isinstance(array, int):
                continue
            if array.shape != data.shape:
                raise ValueError(
                    f"{step}: the {kind} of {name} has shape {array.shape}, the parameter "
                    f"{data.shape}{_ADVICE}"
                )
            if array.dtype != data.dtype or type(array) is not type(data):
                device, own = (backend.backend_of(x).name for x in (array, data))
                raise TypeError(
                    f"{step}: the {kind} of {name} is {array.dtype} on {device}, the parameter "
                    f"{data.dtype} on {own}{_ADVICE}"
                )

    def state_of(self, parameter: Tensor) -> dict[str, Any]:
        """The arrays kept for a parameter (zeros before its first step)."""
        if parameter not in self._state:
            zeros = backend.backend_of(parameter.data).xp.zeros
            self._state[parameter] = {
                name: zeros(parameter.shape, parameter.dtype) for name in self.state_names
            }
        return self._state[parameter]

    def state_dict(self) -> dict[str, np.ndarray]:
        """All state by "<group>.<position>.<name>", as NumPy arrays."""
        state = {}
        for g, group in enumerate(self.groups):
            for i, parameter in enumerate(group["params"]):
                for name, value in self.state_of(parameter).items():
                    if not isinstance(value, int):
                        value = backend.backend_of(value).asnumpy(value)
                    state[f"{g}.{i}.{name}"] = np.asarray(value)
        return state

    def load_state_dict(self, state: dict[str, np.ndarray]) -> None:
        """Restore what `state_dict` returned for the same parameters.

        Raises:
            ValueError, TypeError: names, shapes or types do not match; nothing is changed then.
        """
        belongs_elsewhere = (
            f"{type(self).__name__}.load_state_dict: the state belongs to other parameters"
        )
        expected = self.state_dict()
        if differing := sorted(expected.keys() ^ state.keys()):
            kind = "missing" if differing[0] in expected else "unknown"
            raise ValueError(f"{belongs_elsewhere}: {differing[0]} is {kind}")
        loaded = {name: np.asarray(array) for name, array in state.items()}
        for name, own in expected.items():
            if loaded[name].shape != own.shape:
                raise ValueError(
                    f"{belongs_elsewhere}: {name} has shape {loaded[name].shape}, "
                    f"expected {own.shape}"
                )
            if not np.can_cast(loaded[name].dtype, own.dtype, "same_kind"):
                raise TypeError(
                    f"{belongs_elsewhere}: {name} is {loaded[name].dtype}, expected {own.dtype}"
                )
        for g, group in enumerate(self.groups):
            for i, parameter in enumerate(group["params"]):
                own_state = self.state_of(parameter)
                for name, value in own_state.items():
                    array = loaded[f"{g}.{i}.{name}"]
                    if isinstance(value, int):
                        own_state[name] = int(array)
                    else:
                        value[...] = backend.backend_of(value).asarray(array)


_ADVICE = "; after a change of a parameter's data make a new gradient and a new optimizer"
