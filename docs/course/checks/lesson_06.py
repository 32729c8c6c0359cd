"""Exercise 6 against finite differences and minigrad."""

from types import ModuleType

import numpy as np

import minigrad as mg
from course.checks.compare import require_close, slopes
from minigrad import functional as F


def check(solution: ModuleType) -> None:
    """Raise WrongAnswer unless the gradient is that of a / sqrt(k + sum of squares)."""
    rng = np.random.default_rng(6)
    a, grad_output = rng.standard_normal((2, 6))
    k = 1.5
    got = solution.normalize_all_gradient(grad_output, a, k)
    expected = slopes(lambda a: np.sum(grad_output * a / np.sqrt(k + np.sum(a**2))), a)
    require_close("normalize_all_gradient", got, expected)

    tensor = mg.Tensor(a[None, :, None, None], requires_grad=True)
    size = 13  # a window that holds all six channels, from each of them
    output = F.local_response_norm(tensor, size, alpha=size, beta=0.5, k=k)
    output.backward(mg.Tensor(grad_output[None, :, None, None]))
    expected = tensor.grad.numpy().ravel()
    require_close("normalize_all_gradient, beside minigrad", got, expected, 1e-12)
