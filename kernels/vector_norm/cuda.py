"""Launches of the kernels of the norm."""

import numpy as np

from minigrad.kernels.shared.device import THREADS, device
from minigrad.kernels.shared.source import Source
from minigrad.kernels.vector_norm import check_forward

_PIECE_ELEMENTS = 1 << 14

_source = Source(
    "vector_norm/cuda.cu",
    *("sum_pieces", "vector_norm"),
    constants={"THREADS": THREADS, "PIECE": _PIECE_ELEMENTS},
)


def forward(input, *, output):
    check_forward(input, output)
    count, dtype = input.size, input.dtype
    pieces = -(-count // _PIECE_ELEMENTS)
    sums = device.empty((pieces,), np.float64)
    blocks = device.blocks(count, _PIECE_ELEMENTS)
    _source.launch("sum_pieces", dtype, blocks, input, sums, np.int64(count), np.int64(pieces))
    _source.launch("vector_norm", dtype, 1, sums, output, np.int64(pieces))
