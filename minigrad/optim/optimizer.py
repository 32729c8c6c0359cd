"""The base class of SGD and Adam: parameter groups and state."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.nn.module import Parameter


class Optimizer:
    """Updates parameters from their gradients.

    Args:
        parameters: parameters, or groups ``{"params": [...], "lr": ..., ...}`` that override
            the defaults, so that biases can have twice the rate and no weight decay.
        defaults: options for groups that do not set their own.

    Attributes:
        groups: the groups, each with every option; schedules change ``group["lr"]``.
    """

    state_names: tuple[str, ...] = ()

    def __init__(self, parameters: Iterable[Parameter] | Iterable[dict], defaults: dict):
        given: list[Any] = list(parameters)
        if not given:
            raise ValueError(f"{type(self).__name__}: got no parameters")
        if not isinstance(given[0], dict):
            given = [{"params": given}]
        self.groups: list[dict[str, Any]] = []
        for group in given:
            unknown = set(group) - set(defaults) - {"params"}
            if unknown:
                raise ValueError(
                    f"{type(self).__name__}: unknown option {sorted(unknown)} in a group; "
                    f"expected {sorted(defaults)}"
                )
            self.groups.append({**defaults, **group, "params": list(group["params"])})
        listed = [id(p) for group in self.groups for p in group["params"]]
        if len(set(listed)) != len(listed):
            raise ValueError(f"{type(self).__name__}: a parameter is listed twice")
        for group in self.groups:
            group["initial_lr"] = group["lr"]
        self._state: dict[int, dict[str, Any]] = {}

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for group in self.groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self) -> None:
        """Update every parameter that has a gradient, in place."""
        for group in self.groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    device = backend.backend_of(parameter.data)
                    gradient = device.xp.ascontiguousarray(parameter.grad.data)
                    self._update(device.kernels, parameter, gradient, group)

    def _update(self, kernels: Any, parameter: Parameter, gradient: Any, group: dict) -> None:
        raise NotImplementedError

    def state_of(self, parameter: Parameter) -> dict[str, Any]:
        """The arrays kept for a parameter (zeros before its first step)."""
        if id(parameter) not in self._state:
            zeros = backend.backend_of(parameter.data).xp.zeros
            self._state[id(parameter)] = {
                name: zeros(parameter.shape, parameter.dtype) for name in self.state_names
            }
        return self._state[id(parameter)]

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
            ValueError: names or shapes do not match.
        """
        expected = self.state_dict()
        if set(expected) != set(state) or any(
            expected[name].shape != state[name].shape for name in expected
        ):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: the state belongs to other parameters"
            )
        for g, group in enumerate(self.groups):
            for i, parameter in enumerate(group["params"]):
                own = self.state_of(parameter)
                for name, value in own.items():
                    loaded = state[f"{g}.{i}.{name}"]
                    if isinstance(value, int):
                        own[name] = int(loaded)
                    else:
                        value[...] = backend.backend_of(value).asarray(loaded)
