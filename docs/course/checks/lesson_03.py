"""Exercise 3 against finite differences and minigrad."""

from types import ModuleType

import numpy as np

import minigrad as mg
from course.checks.compare import require_close, slopes
from minigrad import functional as F


def check(solution: ModuleType) -> None:
    """Raise WrongAnswer unless the gradient is that of x minus the mean of each row."""
    rng = np.random.default_rng(3)
    x, grad_output = rng.standard_normal((2, 3, 4))
    got = solution.centered_gradient(grad_output.copy())
    expected = slopes(lambda x: np.sum(grad_output * (x - x.mean(axis=1, keepdims=True))), x)
    require_close("centered_gradient", got, expected)

    tensor = mg.Tensor(x, requires_grad=True)
    (tensor - F.mean(tensor, dim=1, keepdim=True)).backward(mg.Tensor(grad_output))
    require_close("centered_gradient, beside minigrad", got, tensor.grad.numpy(), 1e-12)
