"""Stochastic gradient descent with momentum and weight decay."""

import math
from collections.abc import Iterable
from typing import Any

from minigrad.optim.optimizer import Optimizer
from minigrad.optim.options import number


class SGD(Optimizer):
    """SGD in two forms that agree while the rate is constant.

    "torch":  v = momentum * v + (gradient + weight_decay * w);  w = w - lr * v
    "paper":  v = momentum * v - weight_decay * lr * w - lr * gradient;  w = w + v

    The paper's form (section 5) keeps the rate inside the velocity: after the rate is divided
    by ten the old velocity still moves the weights for about 1 / (1 - momentum) steps.

    With Nesterov's momentum (Sutskever et al. 2013) v is only kept; the weights move by what v
    would be after one more step with the same gradient:

        "torch":  w = w - lr * (momentum * v + (gradient + weight_decay * w))
        "paper":  w = w + (momentum * v - weight_decay * lr * w - lr * gradient)

    Args:
        parameters: parameters or groups with their own ``lr``, ``momentum``, ``weight_decay``.
        lr: learning rate.
        form: "torch" or "paper".
        nesterov: needs a momentum above 0 in every group.
    """

    state_names = ("velocity",)

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        form: str = "torch",
        *,
        nesterov: bool = False,
    ):
        if form not in ("torch", "paper"):
            raise ValueError(f"SGD: form must be 'torch' or 'paper', got {form!r}")
        self.form, self.nesterov = form, nesterov
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def _check_options(self, group: dict) -> None:
        for name in ("lr", "momentum", "weight_decay"):
            group[name] = number("SGD", name, group[name])
        lr, momentum, weight_decay = group["lr"], group["momentum"], group["weight_decay"]
        # Infinite rates and decays make the weights NaN.
        if not 0 <= lr < math.inf or not 0 <= momentum < 1 or not 0 <= weight_decay < math.inf:
            raise ValueError(
                "SGD: need lr >= 0, 0 <= momentum < 1 and weight_decay >= 0, "
                f"got {lr=}, {momentum=}, {weight_decay=}"
            )
        if self.nesterov and not momentum:
            raise ValueError("SGD: nesterov=True needs a momentum above 0")

    def _update(
        self, kernels: Any, values: Any, gradient: Any, state: dict[str, Any], group: dict
    ) -> None:
        kernels.sgd.update(
            values,
            gradient,
            state["velocity"],
            group["lr"],
            group["momentum"],
            group["weight_decay"],
            self.form,
            self.nesterov,
        )
