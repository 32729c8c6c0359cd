"""Adam in Numba: one pass over flat pieces, at the speed of memory."""

import numpy as np
from numba import prange

from minigrad.kernels.adam import factors
from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.layout import flat
from minigrad.kernels.shared.threads import parallel_jit

_PIECE_ELEMENTS = 1 << 14


def update(
    parameter, gradient, first_moment, second_moment, lr, beta1, beta2, eps, weight_decay, step
):
    moments = {"first_moment": first_moment, "second_moment": second_moment}
    check_same_shape("adam.update", parameter=parameter, gradient=gradient, **moments)
    add_first, add_second, step_size, root_factor = factors(lr, beta1, beta2, step)
    real = parameter.dtype.type
    _update(
        *map(flat, (parameter, gradient, first_moment, second_moment)),
        real(weight_decay),
        (real(beta1), real(add_first)),
        (real(beta2), real(add_second)),
        real(step_size),
        real(root_factor),
        real(eps),
    )


@parallel_jit
def _update(
    parameter,
    gradient,
    first_moment,
    second_moment,
    weight_decay,
    first_factors,
    second_factors,
    step_size,
    root_factor,
    eps,
):
    keep_first, add_first = first_factors
    keep_second, add_second = second_factors
    for piece in prange(-(-parameter.size // _PIECE_ELEMENTS)):
        start = piece * _PIECE_ELEMENTS
        w, gradients = (
            parameter[start : start + _PIECE_ELEMENTS],
            gradient[start : start + _PIECE_ELEMENTS],
        )
        m, v = (
            first_moment[start : start + _PIECE_ELEMENTS],
            second_moment[start : start + _PIECE_ELEMENTS],
        )
        for i in range(w.size):
            g = gradients[i] + weight_decay * w[i]
            m[i] = keep_first * m[i] + add_first * g
            v[i] = keep_second * v[i] + add_second * g * g
            w[i] -= step_size * m[i] / (np.sqrt(v[i]) * root_factor + eps)
