"""Exercise 7 against minigrad."""

from types import ModuleType

import numpy as np

import minigrad as mg
from course.checks.compare import require_close
from minigrad import functional as F


def check(solution: ModuleType) -> None:
    """Raise WrongAnswer unless the gradient is that of average pooling."""
    for size, stride in ((2, 2), (3, 2), (2, 3)):
        rng = np.random.default_rng(7)
        tensor = mg.Tensor(rng.standard_normal((1, 1, 7, 8)), requires_grad=True)
        output = F.avg_pool2d(tensor, size, stride)
        grad_output = rng.standard_normal(output.shape)
        output.backward(mg.Tensor(grad_output))
        got = solution.avg_pool_gradient(grad_output[0, 0].copy(), (7, 8), size, stride)
        what = f"gradient of windows of {size}x{size} with stride {stride}"
        require_close(what, got, tensor.grad.numpy()[0, 0], 1e-12)
