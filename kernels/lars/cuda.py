"""Launches of the kernels of the norms."""

import numpy as np

from minigrad.kernels.lars import check_norms
from minigrad.kernels.shared.device import THREADS, device
from minigrad.kernels.shared.source import Source

_PIECE_ELEMENTS = 1 << 14

_source = Source(
    "lars/cuda.cu",
    *("lars_sum_pieces", "lars_norms"),
    constants={"THREADS": THREADS, "PIECE": _PIECE_ELEMENTS},
)


def norms(parameter, gradient, *, output):
    check_norms(parameter, gradient, output)
    count, dtype = parameter.size, parameter.dtype
    pieces = -(-count // _PIECE_ELEMENTS)
    sums = device.empty((2, pieces), np.float64)
    _source.launch(
        "lars_sum_pieces",
        dtype,
        (device.blocks(count, _PIECE_ELEMENTS), 2),
        *(parameter, gradient, sums, np.int64(count), np.int64(pieces)),
    )
    _source.launch("lars_norms", dtype, 2, sums, output, np.int64(pieces))
