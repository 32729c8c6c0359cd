"""Exercise 2 against finite differences."""

from types import ModuleType

import numpy as np

from course.checks.compare import WrongAnswer, require_close, slopes


def check(solution: ModuleType) -> None:
    """Raise WrongAnswer unless the gradients are those of input @ weight.T."""
    for sizes in ((2, 3, 4), (3, 3, 3)):
        _check_layer(solution, *sizes)


def _check_layer(solution: ModuleType, images: int, inputs: int, outputs: int) -> None:
    rng = np.random.default_rng(2)
    input = rng.standard_normal((images, inputs))
    weight = rng.standard_normal((outputs, inputs))
    grad_output = rng.standard_normal((images, outputs))

    def loss(input, weight):
        return np.sum(grad_output * (input @ weight.T))

    got = solution.linear_gradients(grad_output, input, weight)
    if not isinstance(got, tuple) or len(got) != 2:
        kind = type(got).__name__
        raise WrongAnswer(f"linear_gradients: expected a tuple of two arrays, got {kind}")
    grad_input, grad_weight = got
    expected = slopes(lambda array: loss(array, weight), input)
    require_close("gradient of input", grad_input, expected)
    expected = slopes(lambda array: loss(input, array), weight)
    require_close("gradient of weight", grad_weight, expected)
