"""Launch of the SGD kernel."""

import numpy as np

from minigrad.kernels.sgd import factors
from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.device import device
from minigrad.kernels.shared.source import Source

_source = Source("sgd/cuda.cu", "sgd_update")


def update(parameter, gradient, velocity, lr, momentum, weight_decay, form, nesterov):
    arrays = {"parameter": parameter, "gradient": gradient, "velocity": velocity}
    check_same_shape("sgd.update", **arrays)
    count = parameter.size
    _source.launch(
        "sgd_update",
        parameter.dtype,
        device.blocks(count),
        *(
            parameter,
            gradient,
            velocity,
            float(momentum),
            *map(float, factors(lr, weight_decay, form)),
        ),
        np.bool_(nesterov),
        np.int64(count),
    )
