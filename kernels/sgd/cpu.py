"""SGD in Numba: one pass over flat pieces, at the speed of memory.

Both forms are one update, v = m v + a g + b w followed by w += s v, with other constants.
"""

from numba import prange

from kernels._team import parallel_jit

_PIECE = 1 << 14  # elements


def update(parameter, gradient, velocity, lr, momentum, weight_decay, form):
    if form == "torch":
        gradient_factor, decay_factor, step_size = 1.0, weight_decay, -lr
    elif form == "paper":
        gradient_factor, decay_factor, step_size = -lr, -weight_decay * lr, 1.0
    else:
        raise ValueError(f"sgd: form must be 'torch' or 'paper', got {form!r}")
    real = parameter.dtype.type
    _update(
        parameter.reshape(-1),
        gradient.reshape(-1),
        velocity.reshape(-1),
        real(momentum),
        real(gradient_factor),
        real(decay_factor),
        real(step_size),
    )


@parallel_jit
def _update(parameter, gradient, velocity, momentum, gradient_factor, decay_factor, step_size):
    for piece in prange(-(-parameter.size // _PIECE)):
        start = piece * _PIECE
        w, v = parameter[start : start + _PIECE], velocity[start : start + _PIECE]
        g = gradient[start : start + _PIECE]
        for i in range(w.size):
            v[i] = momentum * v[i] + (gradient_factor * g[i] + decay_factor * w[i])
            w[i] += step_size * v[i]
