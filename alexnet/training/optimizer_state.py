"""The state of a run's optimizer by names that do not tell how its parameters are grouped.

The weights are "0.0", "0.1", ... and the biases "1.0", "1.1", ..., in the order of the model. So a
run can be continued with another weight decay of single layers, which have groups of their own.
"""

from typing import Any

import numpy as np

from minigrad import nn, optim


def get(model: nn.Module, optimizer: optim.Optimizer) -> dict[str, np.ndarray]:
    """All state by name."""
    return _renamed(optimizer.state_dict(), _stored_names(model, optimizer))


def load(model: nn.Module, optimizer: optim.Optimizer, state: dict[str, np.ndarray]) -> None:
    """Restore what `get` returned.

    Raises:
        ValueError, TypeError: see `Optimizer.load_state_dict`.
    """
    names = {stored: own for own, stored in _stored_names(model, optimizer).items()}
    optimizer.load_state_dict(_renamed(state, names))


def _stored_names(model: nn.Module, optimizer: optim.Optimizer) -> dict[str, str]:
    """The name of each parameter by "<group>.<position>" in the optimizer."""
    names: dict[int, str] = {}
    counts = [0, 0]
    for name, parameter in model.named_parameters():
        kind = int(name.endswith("bias"))
        names[id(parameter)] = f"{kind}.{counts[kind]}"
        counts[kind] += 1
    return {
        f"{g}.{i}": names[id(parameter)]
        for g, group in enumerate(optimizer.groups)
        for i, parameter in enumerate(group["params"])
    }


def _renamed(state: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    renamed = {}
    for name, array in state.items():
        parameter, _, kind = name.rpartition(".")
        renamed[f"{names.get(parameter, f'unknown {parameter}')}.{kind}"] = array
    return renamed
