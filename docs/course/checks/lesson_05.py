"""Exercise 5 against minigrad."""

from types import ModuleType

import numpy as np

import minigrad as mg
from course.checks.compare import require_close, require_shape
from minigrad import functional as F
from minigrad.kernels.im2col import reference as im2col

CHANNELS, SIZE, KERNEL = 4, 5, 3
COLUMNS = CHANNELS * KERNEL**2, (SIZE - KERNEL + 1) ** 2


def check(solution: ModuleType) -> None:
    """Raise WrongAnswer unless product and gradient are those of a convolution with groups."""
    for groups in (1, 2, 4):
        _check_groups(solution, groups)


def _check_groups(solution: ModuleType, groups: int) -> None:
    rng = np.random.default_rng(5)
    image = rng.standard_normal((1, CHANNELS, SIZE, SIZE))
    weight = rng.standard_normal((8, CHANNELS // groups, KERNEL, KERNEL))
    window = (KERNEL, KERNEL), (1, 1), (0, 0)
    columns = np.empty((1, *COLUMNS))
    im2col.forward(image, *window, output=columns)
    tensor = mg.Tensor(image, requires_grad=True)
    output = F.conv2d(tensor, mg.Tensor(weight), groups=groups)
    got = solution.grouped_product(columns[0], weight, groups)
    require_close(f"product with {groups} groups", got, output.numpy().reshape(8, -1), 1e-12)

    grad_output = rng.standard_normal(output.shape)
    output.backward(mg.Tensor(grad_output))
    what = f"gradient of the columns with {groups} groups"
    got = solution.grouped_columns_gradient(grad_output.reshape(8, -1), weight, groups)
    require_shape(what, got, COLUMNS)
    grad_image = np.empty(image.shape)
    im2col.backward(got[None], *window, grad_input=grad_image)
    expected = tensor.grad.numpy()
    require_close(f"col2im of the {what}", grad_image, expected, 1e-12)
