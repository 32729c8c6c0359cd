"""Adam (Kingma and Ba 2015)."""

import math
from collections.abc import Iterable
from typing import Any

from minigrad.optim.optimizer import Optimizer
from minigrad.optim.options import number, pair
from minigrad.tensor import Tensor


class Adam(Optimizer):
    """Adam with PyTorch's defaults; weight decay is added to the gradient.

    Args:
        parameters: parameters or groups with their own ``lr``, ``betas``, ``eps``,
            ``weight_decay``.
    """

    state_names = ("first_moment", "second_moment")

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(
            parameters, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    def state_of(self, parameter: Tensor) -> dict[str, Any]:
        state = super().state_of(parameter)
        state.setdefault("step", 0)
        return state

    def _check_options(self, group: dict) -> None:
        for name in ("lr", "eps", "weight_decay"):
            group[name] = number("Adam", name, group[name])
        group["betas"] = pair("Adam", "betas", group["betas"])
        lr, betas, eps, weight_decay = (
            group[key] for key in ("lr", "betas", "eps", "weight_decay")
        )
        in_range = all(0 <= value < math.inf for value in (lr, eps, weight_decay))
        if not in_range or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(
                "Adam: need lr >= 0, betas in [0, 1), eps >= 0 and weight_decay >= 0, "
                f"got {lr=}, {betas=}, {eps=}, {weight_decay=}"
            )

    def _update(
        self, kernels: Any, values: Any, gradient: Any, state: dict[str, Any], group: dict
    ) -> None:
        state["step"] += 1
        kernels.adam.update(
            values,
            gradient,
            state["first_moment"],
            state["second_moment"],
            group["lr"],
            *group["betas"],
            group["eps"],
            group["weight_decay"],
            state["step"],
        )
