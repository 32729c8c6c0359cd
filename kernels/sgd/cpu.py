"""SGD in Numba: one pass over flat pieces, at the speed of memory."""

from numba import prange

from minigrad.kernels.sgd import factors
from minigrad.kernels.shared.arguments import check_same_shape
from minigrad.kernels.shared.layout import flat
from minigrad.kernels.shared.threads import parallel_jit

_PIECE_ELEMENTS = 1 << 14


def update(parameter, gradient, velocity, lr, momentum, weight_decay, form, nesterov):
    arrays = {"parameter": parameter, "gradient": gradient, "velocity": velocity}
    check_same_shape("sgd.update", **arrays)
    real = parameter.dtype.type
    _update(
        *map(flat, (parameter, gradient, velocity)),
        real(momentum),
        *map(real, factors(lr, weight_decay, form)),
        bool(nesterov),
    )


@parallel_jit
def _update(
    parameter, gradient, velocity, momentum, gradient_factor, decay_factor, step_size, nesterov
):
    for piece in prange(-(-parameter.size // _PIECE_ELEMENTS)):
        start = piece * _PIECE_ELEMENTS
        w, v = parameter[start : start + _PIECE_ELEMENTS], velocity[start : start + _PIECE_ELEMENTS]
        g = gradient[start : start + _PIECE_ELEMENTS]
        for i in range(w.size):
            added = gradient_factor * g[i] + decay_factor * w[i]
            v[i] = momentum * v[i] + added
            w[i] += step_size * (momentum * v[i] + added if nesterov else v[i])
