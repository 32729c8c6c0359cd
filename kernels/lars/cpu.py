"""Norms in Numba: one pass over flat pieces, at the speed of memory."""

import numpy as np
from numba import prange

from minigrad.kernels.lars import check_norms
from minigrad.kernels.shared.layout import flat
from minigrad.kernels.shared.threads import jit, parallel_jit

_PIECE_ELEMENTS = 1 << 14
_LANES = 16  # sums that grow side by side: additions to one would wait for each other


def norms(parameter, gradient, *, output):
    check_norms(parameter, gradient, output)
    sums = np.empty((2, -(-parameter.size // _PIECE_ELEMENTS)))
    _sum_pieces(flat(parameter), flat(gradient), sums)
    output[...] = np.sqrt(sums.sum(axis=1))


@parallel_jit
def _sum_pieces(parameter, gradient, sums):
    """sums[i, piece] = the sum of squares of a piece of each array."""
    for piece in prange(sums.shape[1]):
        start = piece * _PIECE_ELEMENTS
        sums[0, piece] = _sum_of_squares(parameter[start : start + _PIECE_ELEMENTS])
        sums[1, piece] = _sum_of_squares(gradient[start : start + _PIECE_ELEMENTS])


@jit
def _sum_of_squares(values):
    lanes = np.zeros(_LANES)
    whole = values.size // _LANES * _LANES
    for i in range(0, whole, _LANES):
        for lane in range(_LANES):
            value = np.float64(values[i + lane])
            lanes[lane] += value * value
    total = 0.0
    for lane in range(_LANES):
        total += lanes[lane]
    for i in range(whole, values.size):
        total += np.float64(values[i]) * np.float64(values[i])
    return total
