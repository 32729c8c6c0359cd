"""Crops of many images in one array, without Python for each.

A thread that loads a batch so lets all others run while it copies: in Python only one runs at a
time, and asking for the turn once an image costs more than the copy.
"""

from typing import NamedTuple

import numpy as np

from minigrad.kernels.shared.addresses import address, copy
from minigrad.kernels.shared.threads import jit

COLORS = 3


class Squares(NamedTuple):
    """Square images of one size in memory, uint8 (side, side, 3) each, row after row.

    Attributes:
        addresses: int64 (N,), of their first bytes; whoever made them keeps the memory.
        side: pixels.
    """

    addresses: np.ndarray
    side: int


def copy_crops(squares: Squares, tops: np.ndarray, lefts: np.ndarray, output: np.ndarray) -> None:
    """output[n] = the crop of image n whose first row and column are tops[n] and lefts[n].

    Args:
        tops, lefts: integers (N,).
        output: uint8 (N, S, S, 3), C-contiguous.

    Raises:
        ValueError: a crop is not within its image, or a shape is another.
    """
    count, size = len(squares.addresses), output.shape[1]
    fits = output.shape == (count, size, size, COLORS) and output.dtype == np.uint8
    if not fits or not output.flags.c_contiguous or not len(tops) == len(lefts) == count:
        raise ValueError(f"copy_crops: {count} crops do not fit into {output.shape}")
    for places in (tops, lefts):
        if count and not (0 <= places.min() and places.max() + size <= squares.side):
            raise ValueError(f"copy_crops: a crop of {size} is not within {squares.side} pixels")
    integers = (np.ascontiguousarray(places, np.int64) for places in (tops, lefts))
    _copy(np.ascontiguousarray(squares.addresses, np.int64), squares.side, *integers, output)


@jit
def _copy(addresses, side, tops, lefts, output):
    size = output.shape[1]
    row = size * COLORS
    for n in range(addresses.size):
        source = addresses[n] + (tops[n] * side + lefts[n]) * COLORS
        target = address(output, n * size * row)
        for _ in range(size):
            copy(target, source, row)
            source += side * COLORS
            target += row
