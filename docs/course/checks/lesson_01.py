"""Exercise 1 against finite differences."""

from types import ModuleType

import numpy as np

from course.checks.compare import require_close, slopes


def check(solution: ModuleType) -> None:
    """Raise WrongAnswer unless the gradients are those of the neuron's loss."""
    rng = np.random.default_rng(1)
    for numbers in rng.standard_normal((3, 6)):
        _check_neuron(solution, numbers[:3], *numbers[3:])


def _check_neuron(
    solution: ModuleType, parameters: np.ndarray, x1: float, x2: float, target: float
) -> None:
    def loss(parameters):
        w1, w2, b = parameters
        return (np.tanh(w1 * x1 + w2 * x2 + b) - target) ** 2

    got = solution.neuron_gradients(*parameters, x1, x2, target)
    require_close("neuron_gradients (of w1, w2, b)", got, slopes(loss, parameters))
