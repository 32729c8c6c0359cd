"""Launch of the Adam kernel."""

import numpy as np

from minigrad.kernels.adam import factors
from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import Source

_source = Source("adam/cuda.cu", "adam_update")


def update(
    parameter, gradient, first_moment, second_moment, lr, beta1, beta2, eps, weight_decay, step
):
    moments = {"first_moment": first_moment, "second_moment": second_moment}
    check_same_shape("adam.update", parameter=parameter, gradient=gradient, **moments)
    add_first, add_second, step_size, root_factor = factors(lr, beta1, beta2, step)
    count = parameter.size
    _source.launch(
        "adam_update",
        parameter.dtype,
        device.blocks(count),
        *(parameter, gradient, first_moment, second_moment, float(weight_decay)),
        *(float(beta1), add_first, float(beta2), add_second),
        *(step_size, root_factor, float(eps), np.int64(count)),
    )
