"""Exercise 1 against finite differences."""

from types import ModuleType

import numpy as np

from course.checks.compare import require_close, slopes


def check(solution: ModuleType) -> None:
    """Raise WrongAnswer unless the gradients are those of the neuron's loss."""
    rng = np.random.default_rng(1)
    for _ in range(3):
        *parameters, x1, x2, target = rng.standard_normal(6)

        def loss(parameters, x1=x1, x2=x2, target=target):
            w1, w2, b = parameters
            return (np.tanh(w1 * x1 + w2 * x2 + b) - target) ** 2

        expected = slopes(loss, np.array(parameters))
        got = solution.neuron_gradients(*parameters, x1, x2, target)
        require_close("neuron_gradients (of w1, w2, b)", got, expected)
