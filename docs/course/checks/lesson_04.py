"""Exercise 4 against minigrad."""

from types import ModuleType

import numpy as np

import minigrad as mg
from course.checks.compare import require_close
from minigrad import functional as F


def check(solution: ModuleType) -> None:
    """Raise WrongAnswer unless output and gradient are those of a dilated convolution."""
    for dilation in (1, 2, 3):
        _check_dilation(solution, dilation)


def _check_dilation(solution: ModuleType, dilation: int) -> None:
    rng = np.random.default_rng(4)
    image, weight = rng.standard_normal((7, 9)), rng.standard_normal((2, 3))
    tensor = mg.Tensor(weight[None, None], requires_grad=True)
    output = F.conv2d(mg.Tensor(image[None, None]), tensor, dilation=dilation)
    got = solution.dilated_convolution(image, weight, dilation)
    require_close(f"output with dilation {dilation}", got, output.numpy()[0, 0], 1e-12)

    grad_output = rng.standard_normal(output.shape)
    output.backward(mg.Tensor(grad_output))
    got = solution.dilated_weight_gradient(grad_output[0, 0], image, weight.shape, dilation)
    expected = tensor.grad.numpy()[0, 0]
    require_close(f"gradient of the weights with dilation {dilation}", got, expected, 1e-12)
