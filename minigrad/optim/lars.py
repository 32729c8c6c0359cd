"""Layer-wise adaptive rate scaling (You, Gitman, Ginsburg 2017, arXiv 1708.03888)."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from minigrad import backend
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.options import number


class LARS(Optimizer):
    """SGD with momentum whose rate is adapted to each parameter: Algorithm 1 of the paper.

        local_rate = trust_coefficient * ||w|| / (||gradient|| + weight_decay * ||w|| + eps)
        v = momentum * v + lr * local_rate * (gradient + weight_decay * w);  w = w - v

    With large batches the rate has to be large, and the layer whose weights are smallest beside
    their gradient diverges first. Here a step changes every parameter by the same share of its
    norm, about lr * trust_coefficient, whatever the size of its gradient. So `lr` is not a rate
    of SGD: values from 1 to 30 are usual.

    The local rate is 1 where the norm of the parameter or of its gradient is 0, and in groups
    with ``trust_coefficient=None``, which learn by SGD. That is usual for biases: those that begin
    at 0 have no norm to compare with.

    Norms are computed in float64 and in a fixed order. On a GPU the computation waits for them,
    once for each parameter that is adapted.

    Args:
        parameters: parameters or groups with their own ``lr``, ``momentum``, ``weight_decay``,
            ``trust_coefficient``, ``eps``.
        lr: learning rate; gamma in the paper.
        weight_decay: beta in the paper.
        trust_coefficient: eta in the paper; or None.
        eps: added to the norms that are divided by.
    """

    # Of the opposite sign than in the paper.
    state_names = ("velocity",)

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        trust_coefficient: float | None = 0.001,
        eps: float = 1e-8,
    ):
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(
            parameters, {**defaults, "trust_coefficient": trust_coefficient, "eps": eps}
        )

    def _check_options(self, group: dict) -> None:
        names = ["lr", "momentum", "weight_decay", "eps"]
        if group["trust_coefficient"] is not None:
            names.append("trust_coefficient")
        for name in names:
            group[name] = number("LARS", name, group[name])
        lr, momentum, weight_decay, eps = (group[key] for key in names[:4])
        trust_coefficient = group["trust_coefficient"]
        in_range = all(0 <= value < math.inf for value in (lr, weight_decay, eps))
        is_coefficient = trust_coefficient is None or 0 < trust_coefficient < math.inf
        if not in_range or not 0 <= momentum < 1 or not is_coefficient:
            raise ValueError(
                "LARS: need lr >= 0, 0 <= momentum < 1, weight_decay >= 0, trust_coefficient > 0 "
                f"or None, and eps >= 0, got {lr=}, {momentum=}, {weight_decay=}, "
                f"{trust_coefficient=}, {eps=}"
            )

    def _update(
        self, kernels: Any, values: Any, gradient: Any, state: dict[str, Any], group: dict
    ) -> None:
        kernels.sgd.update(
            values,
            gradient,
            state["velocity"],
            group["lr"] * _local_rate(kernels, values, gradient, group),
            group["momentum"],
            group["weight_decay"],
            "paper",  # the rate is inside the velocity
            False,
        )


def _local_rate(kernels: Any, values: Any, gradient: Any, group: dict) -> float:
    """What the rate of a parameter is multiplied by."""
    if group["trust_coefficient"] is None:
        return 1.0
    device = backend.backend_of(values)
    norms = device.empty((2,), np.float64)
    kernels.vector_norm.forward(values, output=norms[:1])
    kernels.vector_norm.forward(gradient, output=norms[1:])
    weight_norm, gradient_norm = device.asnumpy(norms).tolist()
    if weight_norm == 0 or gradient_norm == 0:
        return 1.0
    divisor = gradient_norm + group["weight_decay"] * weight_norm + group["eps"]
    return group["trust_coefficient"] * weight_norm / divisor
