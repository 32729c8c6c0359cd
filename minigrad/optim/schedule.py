"""Learning-rate schedules.

A schedule multiplies the initial rate of each parameter group by a factor. The trainer calls
`step` after every optimizer step and `epoch_end` after every validation.
"""

import math
import numbers
from typing import Any

from minigrad.optim.optimizer import Optimizer


class Schedule:
    """Base class of the schedules; by itself it keeps the rate constant.

    Args:
        warmup_steps: the rate rises linearly from 1/warmup_steps of its value.
    """

    # The state, which changes during a run; the rest is passed to the constructor.
    counters: tuple[str, ...] = ("steps", "epochs")

    def __init__(self, optimizer: Optimizer, warmup_steps: int = 0):
        self._require_count("warmup_steps", warmup_steps, 0)
        self.optimizer = optimizer
        self.warmup_steps = warmup_steps
        self.steps = 0
        self.epochs = 0
        self._apply()

    def factor(self) -> float:
        """Multiplier of the initial rate now, without warm-up."""
        return 1.0

    def step(self) -> None:
        """Count an optimizer step."""
        self.steps += 1
        self._apply()

    def epoch_end(self, validation_error: float) -> None:
        """Count an epoch, which ended with this validation error (1 - top-1)."""
        self.epochs += 1
        self._apply()

    def _require_count(self, name: str, value: Any, minimum: int) -> None:
        """Raise unless this is a number of steps or epochs; negative ones give negative rates."""
        if not isinstance(value, numbers.Integral):
            raise TypeError(f"{type(self).__name__}: {name} must be an integer, got {value!r}")
        if value < minimum:
            raise ValueError(
                f"{type(self).__name__}: {name} must be at least {minimum}, got {value}"
            )

    def _apply(self) -> None:
        warmup = min(1.0, (self.steps + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        for group in self.optimizer.groups:
            group["lr"] = group["initial_lr"] * self.factor() * warmup

    def state_dict(self) -> dict[str, Any]:
        """The counters, for a checkpoint."""
        return {name: getattr(self, name) for name in self.counters}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the counters.

        Raises:
            ValueError: they belong to another schedule or are not numbers; nothing is changed.
        """
        name = f"{type(self).__name__}.load_state_dict"
        if set(state) != set(self.counters):
            missing, unknown = set(self.counters) - set(state), set(state) - set(self.counters)
            raise ValueError(
                f"{name}: missing {sorted(missing) or 'nothing'}, "
                f"unknown {sorted(unknown) or 'nothing'}"
            )
        for counter, value in state.items():
            if not isinstance(value, int | float):
                raise ValueError(f"{name}: {counter} is {value!r}, expected a number")
        vars(self).update(state)
        self._apply()


class MultiStep(Schedule):
    """Multiply the rate by `gamma` at each of the given epochs."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: tuple[int, ...],
        gamma: float = 0.1,
        warmup_steps: int = 0,
    ):
        if not isinstance(milestones, (tuple, list)):
            raise TypeError(f"MultiStep: milestones must be a tuple of epochs, got {milestones!r}")
        for epoch in milestones:
            self._require_count("each of milestones", epoch, 0)
        self.milestones, self.gamma = tuple(milestones), gamma
        super().__init__(optimizer, warmup_steps)

    def factor(self) -> float:
        return self.gamma ** sum(self.epochs >= epoch for epoch in self.milestones)


class Step(Schedule):
    """Multiply the rate by `gamma` every `step_size` epochs."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, warmup_steps: int = 0
    ):
        self._require_count("step_size", step_size, 1)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, warmup_steps)

    def factor(self) -> float:
        return self.gamma ** (self.epochs // self.step_size)


class DivideOnPlateau(Schedule):
    """Multiply the rate by `gamma` when the validation error stops improving (paper, section 5).

    Args:
        patience: number of epochs without improvement that are tolerated.
        reductions: the rate is reduced this often at most (three times in the paper).
    """

    counters = (*Schedule.counters, "best_error", "bad_epochs", "reduced")

    def __init__(
        self,
        optimizer: Optimizer,
        gamma: float = 0.1,
        patience: int = 2,
        reductions: int = 3,
        warmup_steps: int = 0,
    ):
        self._require_count("patience", patience, 0)
        self._require_count("reductions", reductions, 0)
        self.gamma, self.patience, self.reductions = gamma, patience, reductions
        self.best_error = math.inf
        self.bad_epochs = 0
        self.reduced = 0
        super().__init__(optimizer, warmup_steps)

    def factor(self) -> float:
        return self.gamma**self.reduced

    def epoch_end(self, validation_error: float) -> None:
        if validation_error < self.best_error:
            self.best_error, self.bad_epochs = validation_error, 0
        else:
            self.bad_epochs += 1
            if self.bad_epochs > self.patience and self.reduced < self.reductions:
                self.reduced, self.bad_epochs = self.reduced + 1, 0
        super().epoch_end(validation_error)


class CosineWithWarmup(Schedule):
    """Half a cosine from the initial rate to zero over `total_steps`, after the warm-up."""

    def __init__(self, optimizer: Optimizer, total_steps: int, warmup_steps: int = 0):
        self._require_count("total_steps", total_steps, 1)
        self.total_steps = total_steps
        super().__init__(optimizer, warmup_steps)

    def factor(self) -> float:
        length = max(1, self.total_steps - self.warmup_steps)
        progress = (self.steps - self.warmup_steps) / length
        return 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, progress))))
